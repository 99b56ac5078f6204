from typing import Any, Self, final

import numpy as np
import numpy.typing as npt

from netcode.delta.layout import Layout

__all__ = ["Held"]

@final
class Held:
    layout: Layout
    alive: npt.NDArray[np.uint8]
    generation: npt.NDArray[np.uint16]
    owner: npt.NDArray[np.int32]
    lanes: npt.NDArray[np.int32]
    version: int
    def __new__(cls, layout: Layout) -> Self: ...
    @property
    def nbytes(self) -> int: ...
    def view(
        self, tick: int
    ) -> tuple[
        npt.NDArray[np.uint8], npt.NDArray[np.uint16], npt.NDArray[np.int32], npt.NDArray[np.int32]
    ]: ...
    def bracket(
        self, tick: int, before: int, after: int
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]: ...
    def gather(
        self, ticks: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16], npt.NDArray[np.int32]]: ...
