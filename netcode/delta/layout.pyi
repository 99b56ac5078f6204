from collections.abc import Sequence
from typing import Any, Self, final

import numpy.typing as npt

__all__ = ["Layout"]

@final
class Layout:
    row_bits: int
    def __new__(
        cls,
        bits: Sequence[int] | npt.NDArray[Any],
        fields: Sequence[int] | npt.NDArray[Any],
        capacity: int,
        lane_max: Sequence[int] | npt.NDArray[Any] | None = None,
        source: Sequence[int] | npt.NDArray[Any] | None = None,
    ) -> Self: ...
    @classmethod
    def of(
        cls,
        schema: Any,
        capacity: int,
        source: Sequence[int] | npt.NDArray[Any] | None = None,
    ) -> Layout: ...
    @property
    def capacity(self) -> int: ...
    @property
    def n_lanes(self) -> int: ...
    @property
    def n_fields(self) -> int: ...
    @property
    def bits(self) -> tuple[int, ...]: ...
    @property
    def source(self) -> tuple[int, ...]: ...
