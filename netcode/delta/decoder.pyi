from typing import Self, final

from netcode.delta.held import Held

__all__ = ["Decoder"]

@final
class Decoder:
    held: Held
    def __new__(cls, held: Held) -> Self: ...
    def receive(
        self, data: bytes | bytearray | memoryview, newest: int
    ) -> tuple[int, list[int]] | str: ...
