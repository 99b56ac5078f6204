"""The block path, for ``simd`` only: see blocks.pxd."""

from typing import Final

PATH: Final[object]
