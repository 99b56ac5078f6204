"""Message channels by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from netcode.channel import ChannelConfig, DeliveryMode, TransportConfig
from netcode.channel.config import MAX_CHANNELS
from netcode.channel.notes import MAX_DATA
from netcode.errors import ConfigError

__all__ = ["ChannelNames", "Channels"]

Channels = Sequence[ChannelConfig] | TransportConfig
"""The application's channels, or everything about the transport. Both ends need the same."""


TRANSFERS: Final = ChannelConfig(
    name="transfers",
    max_message=MAX_DATA + 16,
    queue_bytes=1 << 19,
    window_messages=1024,
    window_bytes=1 << 19,
    priority=-1,
)
"""The channel of files and streams, behind the application's: all of those go before it. It is as
fast as half a MiB each round trip."""


class ChannelNames:
    """The names of an application's channels; number 0 is the library's own, and so is the last,
    for transfers: TRANSFERS, or what the application has put there by that name.

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
        self.transfers = self.add_transfers()
        self.names = tuple(
            each.name for n, each in enumerate(self.config.channels) if n != self.transfers
        )
        if len(self.names) < 2:
            raise ConfigError("channels= is empty; leave it out for the default channels")

    def add_transfers(self) -> int | None:
        """The number of the transfers' channel, or None when there is no room for one."""
        channels = self.config.channels
        last = channels[-1]
        if last.name == TRANSFERS.name and len(channels) > 1:
            if (
                last.mode is not DeliveryMode.RELIABLE_ORDERED
                or last.max_message < TRANSFERS.max_message
            ):
                raise ConfigError(
                    f"channels: {TRANSFERS.name!r} must be reliable and ordered, with max_message "
                    f"{TRANSFERS.max_message} or more"
                )
            return len(channels) - 1
        if any(each.name == TRANSFERS.name for each in channels):
            raise ConfigError(f"channels: {TRANSFERS.name!r} must be the last")
        if len(channels) == MAX_CHANNELS:
            return None
        self.config = replace(self.config, channels=(*channels, TRANSFERS))
        return len(channels)

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
