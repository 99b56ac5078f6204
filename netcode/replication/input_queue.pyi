"""The queue that feeds a player's inputs to the server: see input_queue.pyx."""

import collections
from collections.abc import Callable
from typing import Generic, TypeVar

from typing_extensions import disjoint_base

__all__ = ["InputQueue"]

_I = TypeVar("_I")

@disjoint_base
class InputQueue(Generic[_I]):
    decode: Callable[[bytes], _I]
    current: _I
    waiting: collections.deque[tuple[int, _I]]
    applied: int
    received: int
    repeated: int
    skipped: int
    runs: int
    def __new__(cls, decode: Callable[[bytes], _I], first: _I) -> InputQueue[_I]: ...
    def __class_getitem__(cls, item: object) -> type: ...
    def receive(self, frame: bytes) -> None: ...
    def take(self) -> _I: ...
