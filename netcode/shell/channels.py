"""Message channels by name."""

from __future__ import annotations

from collections.abc import Sequence

from netcode.channel import ChannelConfig, TransportConfig
from netcode.errors import ConfigError

__all__ = ["ChannelNames", "Channels"]

Channels = Sequence[ChannelConfig] | TransportConfig
"""The application's channels, or everything about the transport. Both ends need the same."""


class ChannelNames:
    """The names of an application's channels; number 0 is the library's own.

    The default is one channel "reliable" (ordered) and one "unreliable".
    """

    def __init__(self, channels: Channels | None) -> None:
        if channels is None:
            self.config = TransportConfig()
        elif isinstance(channels, TransportConfig):
            self.config = channels
        else:
            control = TransportConfig().channels[0]
            self.config = TransportConfig(channels=(control, *channels))
        self.names = tuple(each.name for each in self.config.channels)
        if len(self.names) < 2:
            raise ConfigError("channels= is empty; leave it out for the default channels")

    def number(self, name: str) -> int:
        """ConfigError for a name there is none of."""
        try:
            return self.names.index(name, 1)
        except ValueError:
            known = ", ".join(map(repr, self.names[1:]))
            raise ConfigError(f"there is no channel {name!r}; there are {known}") from None

    def room(self, name: str, size: int | None) -> tuple[int, int]:
        """The channel's number, and ``size`` or that of its largest message."""
        number = self.number(name)
        return number, self.config.channels[number].max_message if size is None else size

    def name(self, number: int) -> str:
        """The name of a channel on which a message came."""
        return self.names[number]
