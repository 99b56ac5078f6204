from typing import Self, final

from netcode.delta.held import Held
from netcode.delta.model import Model

__all__ = ["Decoder"]

@final
class Decoder:
    held: Held
    def __new__(cls, held: Held, model: Model | None = None) -> Self: ...
    def receive(
        self, data: bytes | bytearray | memoryview, newest: int
    ) -> tuple[int, list[int]] | str: ...
