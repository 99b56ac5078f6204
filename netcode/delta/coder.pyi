from collections.abc import Sequence
from typing import Self, final

import numpy as np
import numpy.typing as npt

from netcode.delta.shape import Shape

__all__ = ["SectionCoder"]

def cost_table() -> npt.NDArray[np.uint32]: ...

_Lanes = npt.NDArray[np.int32]
_Slots = npt.NDArray[np.uint16]

@final
class SectionCoder:
    shape: Shape
    capacity: int
    room: int
    counts: npt.NDArray[np.uint32]
    def __new__(
        cls,
        shape: Shape,
        capacity: int,
        probabilities: npt.NDArray[np.uint16] | None = None,
        tokens: npt.NDArray[np.int16] | None = None,
        room: int | None = None,
        adaptive: int = 0,
    ) -> Self: ...
    def forget(self) -> None: ...
    @property
    def bits(self) -> float: ...
    @property
    def group_bits(self) -> tuple[float, ...]: ...
    @property
    def entity_bits(self) -> npt.NDArray[np.float64]: ...
    def set_heading(self, sign: int, offset: int, speeds: Sequence[int]) -> None: ...
    def encode(
        self,
        t: _Lanes,
        a: _Lanes,
        b: _Lanes | None,
        num: int,
        den: int,
        slots: _Slots,
        limit: int = 1100,
    ) -> bytes | None: ...
    def decode(
        self, data: bytes, t: _Lanes, a: _Lanes, b: _Lanes | None, num: int, den: int, slots: _Slots
    ) -> None: ...
    def count(
        self, t: _Lanes, a: _Lanes, b: _Lanes | None, num: int, den: int, slots: _Slots
    ) -> None: ...
