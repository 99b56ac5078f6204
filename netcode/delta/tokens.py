"""A model's residual decisions as tokens: what many decisions would say, in one step of the coder.

A row of TOKEN_ROW lower bounds, of 65,536 and less 32,768, belongs to each block of 64 contexts and
each quarter of a unit. Token 2 m + sign: m 0 to 14 is the magnitude m + 1, 15 to 25 the magnitudes
of the levels 4 to 14, 26 all above; token 54 is zero. Both ends compute them, in integers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["residual_tokens"]

NODES, QUARTERS, CLASSES, TOKENS, ROW = 64, 4, 27, 55, 56
ONE = 1 << 16
FEWEST = 16  # what zero keeps when rounding up the rare ones would leave it less


def magnitudes(p: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """[block][class] of a share of 2**32: how magnitudes other than zero are spread."""
    shares = np.zeros((len(p), CLASSES), dtype=np.int64)
    beyond = np.full(len(p), 1 << 32, dtype=np.int64)
    for level in range(15):
        here = beyond * p[:, 8 + level] >> 16
        beyond -= here
        if level >= 4:
            shares[:, 11 + level] = here
            continue
        first = 24 + (0 if level < 2 else 1 if level == 2 else 4)
        nodes = [here]
        for depth in range(level):
            split = []
            for at, whole in enumerate(nodes):
                left = whole * p[:, first + (1 << depth) - 1 + at] >> 16
                split += [left, whole - left]
            nodes = split
        for at, part in enumerate(nodes):
            shares[:, (1 << level) - 1 + at] = part
    shares[:, CLASSES - 1] = beyond
    return shares


def residual_tokens(probabilities: npt.NDArray[np.uint16]) -> npt.NDArray[np.int16]:
    """Rows for every block of contexts; those of blocks that hold no residuals mean nothing.

    Args:
        probabilities: of a model, a multiple of 64.

    Returns:
        int16 ``(blocks, 4, 56)``.
    """
    p = probabilities.astype(np.int64).reshape(-1, NODES)
    sizes = magnitudes(p)
    rows = np.empty((len(p), QUARTERS, ROW), dtype=np.int16)
    for quarter in range(QUARTERS):
        zero, plus = p[:, quarter], p[:, 4 + quarter]
        there = (sizes >> 16) * (ONE - zero)[:, None]
        positive = there * plus[:, None] >> 32
        widths = np.empty((len(p), TOKENS), dtype=np.int64)
        widths[:, 0:-1:2] = np.maximum(positive, 1)
        widths[:, 1:-1:2] = np.maximum((there >> 16) - positive, 1)
        widths[:, -1] = 0
        lacking = np.maximum(widths.sum(1) + FEWEST - ONE, 0)
        widths[np.arange(len(p)), widths.argmax(1)] -= lacking
        bounds = np.cumsum(widths, axis=1) - widths
        rows[:, quarter, :TOKENS] = bounds - ONE // 2
        rows[:, quarter, TOKENS:] = ONE // 2 - 1
    return rows
