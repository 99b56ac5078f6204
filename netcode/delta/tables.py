"""Probabilities for a schema nobody trained: a logistic law for residuals, guesses for flags.

Both ends compute these tables, so all of it is integer arithmetic: no library's exponential or
square root has a say in the bytes.
"""

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

ONE: Final = 1 << 16
Q: Final = 40  # bits behind the point of masses of the law
LN2: Final = 762123384786  # the natural logarithm of 2, Q40
SIZE: Final = 1 << 17  # magnitudes from here on have no mass
SEEN_HUNDREDTHS: Final = (0, 25, 70, 140, 280, 560, 1100, 3000)
"""What mean magnitude each bucket of residuals seen stands for."""


def clamp_probabilities(
    p: npt.NDArray[np.int64] | npt.NDArray[np.float64],
) -> npt.NDArray[np.uint16]:
    """Probabilities of a 0, in 1/65536, as the coder takes them."""
    table = np.clip(np.rint(p), LEAST, MOST).astype(np.uint16)
    table.setflags(write=False)
    return table


def share(part: int, whole: int) -> int:
    """``part / whole`` in 1/65536, rounded."""
    return (2 * part * ONE + whole) // (2 * whole)


def decay(x: int) -> int:
    """e**-x of x >= 0, both Q40."""
    halvings, rest = divmod(x, LN2)
    term = total = 1 << Q
    for i in range(1, 16):
        term = -(term * rest // i >> Q)
        total += term
    return total >> halvings


def residual_nodes(scale: int) -> list[int]:
    """The 64 nodes for residuals spread by a logistic law of this scale (Q16), around 0."""

    @functools.cache
    def beyond(m: int) -> int:
        """The mass of magnitudes of at least m, Q40."""
        if m >= SIZE:
            return 0
        e = decay(((2 * m - 1) << (Q + 15)) // scale)
        return (e << (Q + 1)) // ((1 << Q) + e)

    def between(low: int, high: int) -> int:
        return beyond(low) - beyond(high) + 1

    p = [ONE // 2] * NODES
    # p is of "no": no zero, no further level
    p[0:4] = [share((1 << Q) - beyond(1), 1 << Q)] * 4
    for level in range(16):
        here, further = between(1 << level, 2 << level), between(2 << level, SIZE)
        p[8 + level] = share(here, here + further)
    for level in range(1, 8):
        first = 24 + (0 if level == 1 else 1 if level == 2 else 7 * level - 17)
        for node in range(1, 1 << min(level, 3)):
            depth = node.bit_length() - 1
            width = 1 << (level - depth)
            low = (1 << level) + (node - (1 << depth)) * width
            left = between(low, low + width // 2)
            right = between(low + width // 2, low + width)
            p[first + node - 1] = share(left, left + right)
    return p


@functools.cache
def residual_table() -> npt.NDArray[np.int64]:
    """[be][bp][node]: what was expected of the group, and what this entity already showed."""
    table = np.empty((EXPECTED, SEEN, NODES), dtype=np.int64)
    for be in range(EXPECTED):
        # 0.8 * 0.5 * 2**(be / 2), Q16
        expected = 4 * math.isqrt(1 << (32 + be)) // 10
        for bp, seen in enumerate(SEEN_HUNDREDTHS):
            mean = expected
            if bp:
                mean = math.isqrt((expected + 3 * ONE // 10) * ((seen + 40) * ONE // 100))
            table[be, bp] = residual_nodes(max(ONE // 4, 72 * mean // 100))
    return table


def percent(n: int) -> int:
    """In 1/65536."""
    return share(n, 100)


def default_probabilities(shape: Shape) -> npt.NDArray[np.uint16]:
    """One for each context of ``shape``."""
    p = np.full(shape.contexts, ONE // 2, dtype=np.int64)
    residuals = residual_table().ravel()
    bodies = shape.roles[0] >= 0
    if bodies:
        # the nearer a moving body, the likelier a start
        p[0:64] = [ONE - max(share(3 * 3**ring, 10 * 5**ring), 66) for ring in range(64)]
        p[128:256] = percent(60)
        p[256:1024] = percent(8)
    else:
        p[0:1024] = percent(15)
        p[0:64] = percent(95)
        p[960:1024] = percent(60)
    if shape.bundle >= 0:
        bundle = p[shape.ends[-1] :].reshape(3, -1)
        bundle[0] = percent(96 if bodies else 92)
        bundle[1:] = percent(60)
    for (kind, _, tops), start, end in zip(
        shape.spec, shape.ends[:-1], shape.ends[1:], strict=True
    ):
        flags = p[start : start + 1024]
        flags[:] = percent(80)
        if bodies:
            flags[0:64] = percent(35 if kind in ("vector", "quaternion") else 97)
            flags[64:128] = percent(4)
        else:
            flags[16:] = percent(30)
            flags[0:16] = percent(90)
            if kind == "enum":
                flags[:] = percent(90)
            elif kind in ("angle", "int"):
                flags[0:128] = percent(90)
                flags[128:896] = percent(40)
                flags[960:] = percent(60)
        values = p[start + 1024 : end]
        if kind in ("vector", "quaternion", "angle", "int"):
            values[: len(residuals)] = residuals
            if kind == "quaternion":
                largest = values[len(residuals) :]
                largest[:16] = [share(55 * 15 + 44 * i, 1500) for i in range(16)]
                largest[16:] = percent(70)
        elif kind == "flags":
            values[:] = percent(85)
            if tops == (1,):
                values[:] = percent(1)
    return clamp_probabilities(p)
