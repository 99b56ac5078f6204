from typing import Final

__all__ = ["REFUSALS"]

REFUSALS: Final[tuple[str, ...]]
"""Why a packet can be malformed."""
