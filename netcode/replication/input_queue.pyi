"""The queue that feeds a player's inputs to the server: see input_queue.pyx."""

import collections
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["InputQueue"]

I = TypeVar("I")

class InputQueue(Generic[I]):
    decode: Callable[[bytes], I]
    current: I
    waiting: collections.deque[tuple[int, I]]
    applied: int
    received: int
    repeated: int
    skipped: int
    runs: int
    def __new__(cls, decode: Callable[[bytes], I], first: I) -> InputQueue[I]: ...
    def receive(self, frame: bytes) -> None: ...
    def take(self) -> I: ...
