"""The Cython helpers beside this file that use the library's own, compiled when asked for."""

from __future__ import annotations

import functools
from typing import Any

from native import load

__all__ = ["compiled"]


@functools.cache
def compiled(name: str) -> Any:
    """The module of ``name``.pyx, built anew after a change to it or to the library's ``.pxd``."""
    return load(name)
