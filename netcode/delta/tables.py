"""Probabilities for a schema nobody trained: a logistic law for residuals, guesses for flags."""

from __future__ import annotations

import functools
import math
from typing import Final

import numpy as np
import numpy.typing as npt

from netcode.delta.shape import Shape

__all__ = ["LEAST", "MOST", "clamp_probabilities", "default_probabilities"]

LEAST: Final = 16
"""The smallest probability of a table, of 65,536: no decision costs more than 12 bits."""

MOST: Final = 65520
"""The largest."""
NODES, EXPECTED, SEEN = 64, 20, 8


def clamp_probabilities(p: npt.NDArray[np.float64]) -> npt.NDArray[np.uint16]:
    """Probabilities of a 0 as the coder takes them."""
    table = np.clip(np.rint(p * 65536), LEAST, MOST).astype(np.uint16)
    table.setflags(write=False)
    return table


def residual_nodes(scale: float) -> npt.NDArray[np.float64]:
    """The 64 nodes for residuals spread by a logistic law of this scale, around 0."""
    size = 1 << 17

    def below(x: float) -> float:
        return 1 / (1 + math.exp(-min(max(x / scale, -700.0), 700.0)))

    def between(low: int, high: int) -> float:
        """Magnitudes low <= m < high."""
        high = min(high, size)
        return 2 * (below(high - 0.5) - below(low - 0.5)) + 1e-12

    p = np.full(NODES, 0.5)
    zero = below(0.5) - below(-0.5)
    p[0:4] = zero
    for level in range(16):
        here, beyond = between(1 << level, 2 << level), between(2 << level, size)
        p[8 + level] = beyond and here / (here + beyond)
    for level in range(1, 8):
        first = 24 + (0 if level == 1 else 1 if level == 2 else 7 * level - 17)
        for node in range(1, 1 << min(level, 3)):
            depth = node.bit_length() - 1
            width = 1 << (level - depth)
            low = (1 << level) + (node - (1 << depth)) * width
            left = between(low, low + width // 2)
            right = between(low + width // 2, low + width)
            p[first + node - 1] = left / (left + right)
    # p is of "no": no zero, no further level
    p[0:4] = zero
    return p


@functools.cache
def residual_table() -> npt.NDArray[np.float64]:
    """[be][bp][node]: what was expected of the group, and what this entity already showed."""
    table = np.empty((EXPECTED, SEEN, NODES))
    for be in range(EXPECTED):
        expected = 0.5 * 2 ** (0.5 * be)
        for bp in range(SEEN):
            seen = (0.0, 0.25, 0.7, 1.4, 2.8, 5.6, 11.0, 30.0)[bp]
            mean = expected * 0.8 if bp == 0 else math.sqrt((expected * 0.8 + 0.3) * (seen + 0.4))
            table[be, bp] = residual_nodes(max(0.25, mean * 0.72))
    return table


def default_probabilities(shape: Shape) -> npt.NDArray[np.uint16]:
    """One for each context of ``shape``."""
    p = np.full(shape.contexts, 0.5)
    residuals = residual_table().ravel()
    bodies = shape.roles[0] >= 0
    if bodies:
        near = np.arange(64)
        p[0:64] = 1 - np.clip(0.3 * 0.75**near, 0.004, 1)
        p[64:128] = 0.5
        p[128:256] = 0.6
        p[256:] = 0.5
        p[256:1024] = 0.08
    else:
        p[0:1024] = 0.15
        p[0:64] = 0.95
        p[960:1024] = 0.6
    for (kind, _, tops), start, end in zip(
        shape.spec, shape.ends[:-1], shape.ends[1:], strict=True
    ):
        flags = p[start : start + 1024]
        flags[:] = 0.8
        if bodies:
            flags[0:64] = 0.35 if kind in ("vector", "quaternion") else 0.97
            flags[64:128] = 0.1
        else:
            flags[16:] = 0.3
            flags[0:16] = 0.9
            if kind == "enum":
                flags[:] = 0.9
            elif kind in ("angle", "int"):
                flags[0:128] = 0.9
                flags[128:896] = 0.4
                flags[960:] = 0.6
        values = p[start + 1024 : end]
        if kind in ("vector", "quaternion", "angle", "int"):
            values[: len(residuals)] = residuals
            if kind == "quaternion":
                values[len(residuals) :] = np.r_[np.linspace(0.55, 0.99, 16), np.full(48, 0.7)]
        elif kind == "flags":
            values[:] = 0.85
            if len(tops) == 1 and tops[0] == 1:
                values[:] = 0.01
    return clamp_probabilities(p)
