from typing import final

from typing_extensions import Buffer

__all__ = ["ReceivedPackets", "decode_acks", "expand_sequence"]

@final
class ReceivedPackets:
    """The receiving half of the ack scheme: which sequences arrived, as ranges."""

    def __new__(cls, first: int = 0) -> ReceivedPackets: ...
    def __contains__(self, sequence: int, /) -> bool: ...
    def add(self, sequence: int, own_next: int = 0, now: float = 0.0) -> bool:
        """Note an arrival; False when it was seen before or is too old to tell."""

    def reported(self, largest: int, own_sequence: int) -> None:
        """The peer acked our packet ``own_sequence``, which reported up to ``largest``."""

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """Inclusive (first, last) pairs, oldest first; at most 64."""

    @property
    def floor(self) -> int:
        """Sequences below it count as seen."""

    def encode(self, now: float = 0.0, room: int = 256) -> bytes:
        """The ack block, at most ``room`` bytes; ``b""`` before the first arrival."""

def decode_acks(
    data: Buffer, next_sequence: int, first_sequence: int = 0
) -> tuple[float, list[tuple[int, int]], int]:
    """Read an ack block: (delay in seconds, ranges newest first, bytes read)."""

def expand_sequence(low: int, near: int) -> int:
    """The 64-bit value with the low 16 bits ``low`` that is nearest to ``near``."""
