"""A short hash of the world, equal on both ends when the quantised worlds are equal."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["State", "digest"]

State = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]
"""One table: alive (capacity,), generation, owner, and codes (n_lanes, capacity)."""


def digest(tables: Iterable[State]) -> int:
    """64 bits (BLAKE2b) over the living slots of each table: slot, generation, owner, codes."""
    hasher = hashlib.blake2b(digest_size=8)
    for alive, generation, owner, lanes in tables:
        slots = np.flatnonzero(alive)
        hasher.update(len(slots).to_bytes(4, "little"))
        hasher.update(slots.astype("<u2").tobytes())
        hasher.update(generation[slots].astype("<u2").tobytes())
        hasher.update(owner[slots].astype("<i4").tobytes())
        hasher.update(lanes[:, slots].astype("<i4").tobytes())
    return int.from_bytes(hasher.digest(), "little")
