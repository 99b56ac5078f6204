"""A connected client, as the server's game code sees it."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Generic, TypeVar, overload

from netcode.errors import ConnectionClosed
from netcode.replication.input_queue import InputQueue
from netcode.replication.messages import Kind, MessageRegistry
from netcode.schema import Schema
from netcode.session import CloseReason, ConnectionStats
from netcode.shell.drains import Drain, DrainTable
from netcode.shell.requests import Request, RequestTable
from netcode.shell.transfers import OutgoingTransfer, Stream, TransferDesk

if TYPE_CHECKING:
    from netcode.shell.serving import ServerLoop

__all__ = ["Player"]

I = TypeVar("I", bound=Schema)  # noqa: E741
R = TypeVar("R", bound=Schema)


class Player(Generic[I]):
    """One client of a Server.

    Attributes:
        index: its slot, 0 to max_clients - 1; reused after it left.
        client_id: the 64-bit identity in its connect token.
        user_data: the 256 bytes that the token's issuer put in.
        address: where it sends from, as "host:port"; another one when it moved, which
            ``stats.resumed`` counts.
        entity: for the game to set; the id of what the player owns, or -1.
        connected: False as soon as it left, which may be before its ``Left`` event.
        close_reason: why it left, a ``netcode.CloseReason``; None while it is connected.
    """

    __slots__ = ("address", "client_id", "close_reason", "connected", "drains", "entity",
                 "farewell", "frames", "index", "last_stats", "queue", "registry", "requests",
                 "server", "strikes", "tables", "told", "transfers", "user_data")  # fmt: skip

    def __init__(
        self,
        server: ServerLoop[I],
        index: int,
        client_id: int,
        user_data: bytes,
        address: str,
        queue: InputQueue[I],
        registry: MessageRegistry,
        tables: frozenset[type[Schema]] = frozenset(),
    ) -> None:
        self.server = server
        self.index = index
        self.client_id = client_id
        self.user_data = user_data
        self.address = address
        self.entity: int = -1
        self.connected = True
        self.close_reason: CloseReason | None = None
        self.farewell = CloseReason.UNKNOWN
        self.last_stats: ConnectionStats | None = None
        self.queue = queue
        self.registry = registry
        self.tables = tables
        self.requests = RequestTable()
        self.drains = DrainTable()
        self.transfers = TransferDesk(
            server.channels.transfers, partial(server.push_now, self), no_wait, server.take_offer,
            self,
        )  # fmt: skip
        self.strikes = 0
        self.frames = 0
        self.told = False

    def __repr__(self) -> str:
        state = "" if self.connected else ", left"
        return f"<Player {self.index} from {self.address}{state}>"

    @property
    def input(self) -> I:
        """The input of this tick: the player's next, or its last again when none came in time."""
        return self.queue.current

    @property
    def stats(self) -> ConnectionStats:
        """Round trip, loss and bytes of this connection, now.

        When it has left: those that were asked for last, with ``closed``.
        """
        if self.connected:
            self.measure()
        return replace(self.last_stats or ConnectionStats.nothing(), closed=self.close_reason)

    def measure(self) -> None:
        """Keep the statistics of now."""
        with contextlib.suppress(ConnectionClosed):  # the I/O thread knows before us who left
            self.last_stats = self.server.connection_stats(self)

    def understands(self, schema: type[Schema]) -> bool:
        """Whether ``send`` takes messages of this type, or the player is sent the table of this
        schema: not for a client of an older version when the schema was added since."""
        return self.registry.knows(schema) or schema in self.tables

    def send(self, message: Schema, channel: str = "reliable") -> None:
        """Send a typed message; it leaves at the end of this tick.

        Raises ConfigError for a type that is not registered, or that the player does not
        understand, or an unknown channel,
        EncodeError for a value out of range, ChannelFull when the player's queue is at its
        limit, and ConnectionClosed when the game was told that the player left. Between the
        player's leaving and its ``Left`` event nothing is sent and nothing raised.
        """
        self.transmit(message, channel, Kind.PLAIN, 0)

    def has_room(self, channel: str = "reliable", size: int = 1) -> bool:
        """Whether a message of ``size`` bytes, its header included, finds room in the queue now.

        Raises ConfigError for an unknown channel, EncodeError for more than its ``max_message``,
        ConnectionClosed when the game was told that the player left. False meanwhile.
        """
        if self.told:
            self.check_connected()
        return self.server.has_room(self, *self.server.channels.room(channel, size))

    def drain(self, channel: str = "reliable", size: int | None = None) -> Drain:
        """Wait until a message of ``size`` bytes (None: any that the channel takes) finds room.

        ``await player.drain()`` in a task of the event loop; in a plain ``for tick in server``
        look at its ``done`` in later ticks. It ends with ConnectionClosed when the connection does.
        Raises as ``has_room``.
        """
        self.check_connected()
        server = self.server
        number, size = server.channels.room(channel, size)
        return self.drains.open(number, size, partial(server.has_room, self), no_wait)

    def send_file(
        self, file: str | os.PathLike[str] | BinaryIO, *, name: str | None = None
    ) -> OutgoingTransfer:
        """Send a file, given by its path or open for reading bytes, from where it stands.

        It waits until the other end accepts it, and leaves when no other channel has something to
        send. One piece of it is in memory here, and half a MiB in the queue. A file given by its
        path is closed at the end.

        Args:
            file: what to send; it is read while ticks go by, so it should be on a local disk.
            name: what the other end is told, up to 200 bytes; None: the file's own, without its
                folders.

        Raises OSError, ConfigError for a wrong argument, ChannelFull when 16 transfers are under
        way, and ConnectionClosed when the player left.
        """
        self.check_connected()
        return self.transfers.send_file(file, name)

    def send_stream(
        self, stream: Stream, *, name: str = "", total: int | None = None
    ) -> OutgoingTransfer:
        """Send pieces of bytes, as an iterable gives them, or, on an event loop, an asynchronous
        one: it is asked for one piece at a time, when the one before it is sent.

        ``total``: bytes in all, if it is known; a stream that has less fails, of one that has more
        the rest is left. Else as ``send_file``.
        """
        self.check_connected()
        return self.transfers.send_stream(stream, name, total)

    @overload
    def request(
        self,
        message: Schema,
        reply: None = None,
        *,
        timeout: float = 5.0,
        channel: str = "reliable",
    ) -> Request[Schema]: ...
    @overload
    def request(
        self, message: Schema, reply: type[R], *, timeout: float = 5.0, channel: str = "reliable"
    ) -> Request[R]: ...
    def request(
        self,
        message: Schema,
        reply: type[Any] | None = None,
        *,
        timeout: float = 5.0,
        channel: str = "reliable",
    ) -> Request[Any]:
        """Send a message and get its reply, of type ``reply`` (None: of any).

        Await it, or look at ``done`` later.

        Raises what ``send`` raises, and ConnectionClosed as soon as the player left; the reply
        itself may be TimeoutError or ConnectionClosed.
        """
        self.check_connected()
        request = self.requests.open(reply or Schema, self.server.clock() + timeout, no_wait)
        try:
            self.transmit(message, channel, Kind.REQUEST, request.correlation)
        except BaseException:
            self.requests.waiting.pop(request.correlation, None)
            raise
        return request

    def kick(self, reason: str = "kicked") -> None:
        """Disconnect the player, who is told why (up to 255 bytes); ``Left`` follows."""
        if self.connected:
            self.server.kick(self, reason)

    def transmit(self, message: Schema, channel: str, kind: Kind, correlation: int) -> None:
        """``send`` with the header fields of requests and replies."""
        if self.told:
            self.check_connected()
        server = self.server
        data = self.registry.encode(message, kind, correlation)
        server.push(self, server.channels.number(channel), data)

    def check_connected(self) -> None:
        if not self.connected:
            raise ConnectionClosed(f"player {self.index} has left", reason="left")


def no_wait(request: object) -> None:
    """A server cannot stand still for one player: its replies come with the ticks."""
