from collections.abc import Iterable
from typing import Any, Self, final

from netcode.delta.model import Model
from netcode.replication.world import WorldTable
from netcode.schema import Schema

__all__ = ["Receiver"]

@final
class Receiver:
    worlds: tuple[WorldTable[Any], ...]
    newest: int
    complete: int
    def __new__(
        cls,
        tables: Iterable[
            tuple[type[Schema], int]
            | tuple[type[Schema], int, int]
            | tuple[type[Schema], int, int | None, Model | None]
            | None
        ],
    ) -> Self: ...
    @property
    def complete_ticks(self) -> list[int]: ...
    @property
    def counters(self) -> dict[str, int]: ...
    def on_frame(self, kind: int, data: bytes | bytearray | memoryview) -> bool: ...
    def frames(self) -> list[tuple[int, bytes]]: ...
    def complete_around(self, tick: int) -> tuple[int, int]: ...
    def world_hash(self, tick: int) -> int: ...
