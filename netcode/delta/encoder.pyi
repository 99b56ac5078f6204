from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from netcode.delta.coder import SectionCoder
from netcode.delta.history import Ring

__all__ = ["encode_sections"]

def encode_sections(
    history: Ring,
    slots: Sequence[int] | npt.NDArray[Any],
    *,
    tick: int | None = None,
    baseline: int | None = None,
    older: int | None = None,
    table: int = 0,
    coder: SectionCoder | None = None,
) -> list[tuple[bytes, npt.NDArray[np.int64]]]: ...
