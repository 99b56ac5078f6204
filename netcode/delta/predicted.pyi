from typing import final

from netcode.delta.coder import SectionCoder

__all__ = ["Columns"]

@final
class Columns:
    def __new__(cls, coder: SectionCoder, n_lanes: int) -> Columns: ...
