from typing import final

from netcode.channel.config import TransportConfig

__all__ = ["ChannelSettings"]

@final
class ChannelSettings:
    """A TransportConfig ready for C; one serves any number of connections."""

    def __new__(cls, config: TransportConfig) -> ChannelSettings: ...
    @property
    def config(self) -> TransportConfig:
        """What it was made from."""
