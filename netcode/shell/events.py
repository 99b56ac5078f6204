"""What happens to a server and to a client, for ``match``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from netcode.errors import ConfigError
from netcode.replication.messages import Kind
from netcode.schema import Schema
from netcode.session import CloseReason
from netcode.shell.transfers import IncomingTransfer

if TYPE_CHECKING:
    from netcode.shell.player import Player

__all__ = ["Disconnected", "Joined", "Left", "Message", "Offered", "Received"]

I = TypeVar("I", bound=Schema)  # noqa: E741


@dataclass(frozen=True, slots=True)
class Joined(Generic[I]):
    """A client connected and speaks the same schemas; from here on it is in ``players``."""

    player: Player[I]


@dataclass(frozen=True, slots=True)
class Left(Generic[I]):
    """The player is gone. ``player.entity`` still says what it owned."""

    player: Player[I]
    reason: str = ""
    code: CloseReason = CloseReason.UNKNOWN


@dataclass(frozen=True, slots=True)
class Message(Generic[I]):
    """A typed message of a player; ``reply`` answers it when it was a request."""

    player: Player[I]
    message: Schema
    channel: str = field(default="reliable", kw_only=True)
    correlation: int = field(default=0, kw_only=True, repr=False, compare=False)

    @property
    def is_request(self) -> bool:
        """Whether the sender waits for ``reply``."""
        return self.correlation != 0

    def reply(self, message: Schema) -> None:
        """Answer a request, on the channel it came on. ConfigError when it was none."""
        if not self.is_request:
            raise ConfigError(f"{type(self.message).__name__} was sent, not requested")
        self.player.transmit(message, self.channel, Kind.REPLY, self.correlation)


@dataclass(frozen=True, slots=True)
class Received:
    """A typed message of the server, at the client; ``reply`` answers it when it was a request."""

    message: Schema
    channel: str = field(default="reliable", kw_only=True)
    correlation: int = field(default=0, kw_only=True, repr=False, compare=False)
    client: Any = field(default=None, kw_only=True, repr=False, compare=False)

    @property
    def is_request(self) -> bool:
        """Whether the server waits for ``reply``."""
        return self.correlation != 0

    def reply(self, message: Schema) -> None:
        """Answer a request, on the channel it came on. ConfigError when it was none."""
        if not self.is_request:
            raise ConfigError(f"{type(self.message).__name__} was sent, not requested")
        self.client.transmit(message, self.channel, Kind.REPLY, self.correlation)


@dataclass(frozen=True, slots=True)
class Offered:
    """The other end wants to send a file or a stream: ``transfer.accept(limit)`` or
    ``transfer.cancel()``. Of a player, ``transfer.player``."""

    transfer: IncomingTransfer


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The client's connection ended; the last event it gives."""

    reason: str
    code: CloseReason = CloseReason.UNKNOWN
