from typing import NamedTuple, final

from typing_extensions import Buffer

from netcode.channel.config import TransportConfig
from netcode.channel.stats import ChannelStats

__all__ = ["ChannelEndpoint", "Frame", "Message"]

class Message(NamedTuple):
    """A delivered message."""

    channel: int
    data: bytes

class Frame(NamedTuple):
    """A delivered opaque frame."""

    kind: int
    data: bytes

@final
class ChannelEndpoint:
    """One end of one connection, without encryption, sockets or a clock."""

    def __new__(cls, config: TransportConfig | None = None) -> ChannelEndpoint: ...
    @property
    def config(self) -> TransportConfig:
        """The TransportConfig."""

    def push(self, channel: int, data: Buffer, now: float = 0.0) -> None:
        """Queue a message; ConfigError, EncodeError or ChannelFull when it cannot be."""

    def has_room(self, channel: int, size: int, now: float = 0.0) -> bool: ...
    def push_frame(self, kind: int, data: Buffer) -> None:
        """Queue an opaque frame for the next packets."""

    def build(self, now: float, capacity: int = 1200) -> bytes | None:
        """The next packet, or None when there is nothing (more) to send at ``now``."""

    def build_all(self, now: float, capacity: int = 1200) -> list[bytes]:
        """Every packet that may leave at ``now``."""

    def receive(self, data: Buffer, now: float) -> str | None:
        """Take a packet in: None when it was applied, else the reason."""

    def drain(self) -> list[Message | Frame]:
        """What was delivered since the last call, in order of arrival."""

    def move(self, now: float) -> None:
        """The packets take another path: send what is unacked again, measure anew."""

    @property
    def next_deadline(self) -> float:
        """When ``build`` would next have something to send; ``inf`` when idle."""

    @property
    def idle(self) -> bool:
        """Nothing queued, and every reliable message acked."""

    @property
    def stats(self) -> ChannelStats:
        """A ChannelStats of now."""
