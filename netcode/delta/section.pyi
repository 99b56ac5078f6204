from typing import Final

__all__ = ["HISTORY_TICKS", "REASONS", "SECTION_MAX_BYTES"]

HISTORY_TICKS: int
SECTION_MAX_BYTES: int
SECTION_MAX_PREDICTED: int
REASONS: Final[dict[int, str]]
