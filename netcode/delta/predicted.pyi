from typing import final

import numpy as np
import numpy.typing as npt

from netcode.delta.coder import SectionCoder
from netcode.delta.layout import Layout

__all__ = ["Columns", "slot_set_bits"]

def slot_set_bits(layout: Layout, slots: npt.NDArray[np.uint16]) -> int: ...

@final
class Columns:
    def __new__(cls, coder: SectionCoder, n_lanes: int) -> Columns: ...
