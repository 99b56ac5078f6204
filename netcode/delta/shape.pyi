from collections.abc import Iterable, Sequence
from typing import Any, Final, Self, final

__all__ = ["KINDS", "Shape"]

KINDS: Final[dict[str, int]]
LANE_KINDS: Final[dict[str, str]]

def group_lanes(
    lanes: Sequence[Any],
) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]: ...

@final
class Shape:
    spec: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]
    ends: list[int]
    def __new__(
        cls,
        groups: Iterable[tuple[str, Sequence[int], Sequence[int]]],
        position: int = -1,
        rotation: int = -1,
        heading: int = -1,
        course: int = -1,
    ) -> Self: ...
    @classmethod
    def of(cls, schema: Any, source: Sequence[int] | None = None) -> Shape: ...
    @property
    def roles(self) -> tuple[int, int, int, int]: ...
    @property
    def bundle(self) -> int: ...
    @property
    def contexts(self) -> int: ...
