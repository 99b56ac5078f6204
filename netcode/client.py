"""A connection to a server: send inputs, see the world, talk."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import weakref
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any, BinaryIO, Final, Generic, Self, TypeVar, overload

from netcode.constants import RESUME_TOKEN_BYTES
from netcode.errors import ChannelFull, ConfigError, ConnectionClosed, DecodeError
from netcode.replication.hello import RESUME, TRANSFER, Bye, Welcome, parse_control
from netcode.replication.inputs import INPUT_FRAME, TIME_FRAME, InputSender, TimeFrame
from netcode.replication.messages import Kind, MessageRegistry
from netcode.schema import Schema
from netcode.session import ClientEndpoint, CloseReason, ConnectionStats
from netcode.session import Disconnected as SessionDisconnected
from netcode.shell.channels import ChannelNames
from netcode.shell.drains import Drain, DrainTable
from netcode.shell.events import Disconnected, Offered, Received
from netcode.shell.host import Host
from netcode.shell.pacing import refuse_event_loop
from netcode.shell.requests import Request, RequestTable
from netcode.shell.schedule import TickSchedule
from netcode.shell.transfers import IncomingTransfer, OutgoingTransfer, Stream, TransferDesk
from netcode.shell.world import Entity, World

__all__ = ["Client", "Entity"]

log = logging.getLogger("netcode")

I = TypeVar("I", bound=Schema)  # noqa: E741
R = TypeVar("R", bound=Schema)
S = TypeVar("S", bound=Schema)

MAX_EVENTS: Final = 4096
"""Events kept between two updates; the oldest are dropped beyond it."""

open_clients: weakref.WeakSet[Client[Any]] = weakref.WeakSet()
"""Closed when the interpreter exits."""


class Client(Generic[I]):
    """A connected client, made by ``connect()``.

    Call ``update`` once a frame; then ``view`` gives what to draw and ``events`` what
    happened. All methods belong to one thread. As a context manager it disconnects at the
    end of the block.

    Attributes:
        events: what arrived in the last ``update``: Received, Offered and, at the end,
            Disconnected.
        connected: False once the connection ended; ``reason`` then says why, in words, and
            ``close_reason`` as a ``netcode.CloseReason``, which is None before.
        index: this client's slot on the server.
    """

    def __init__(
        self,
        endpoint: ClientEndpoint,
        host: Host,
        registry: MessageRegistry,
        channels: ChannelNames,
        input_schema: type[I] | None,
        input_version: int,
        world: World[I],
        welcome: Welcome,
    ) -> None:
        self.endpoint = endpoint
        self.host = host
        self.clock = host.clock
        self.registry = registry
        self.channels = channels
        self.input_schema = input_schema
        self.input_codec = None if input_schema is None else input_schema.codec_for(input_version)
        self.world = world
        self.index = welcome.client_index
        self.events: list[Received | Offered | Disconnected] = []
        self.arrived: list[Received | Offered | Disconnected] = []
        self.requests = RequestTable()
        self.drains = DrainTable()
        self.transfers = TransferDesk(
            channels.transfers, self.push_now, self.wait_for, self.take_offer
        )
        self.inputs = InputSender()
        self.input_tick = welcome.tick
        self.schedule = TickSchedule(welcome.tick_rate)
        self.schedule.start(self.clock())
        self.reason = ""
        self.close_reason: CloseReason | None = None
        self.farewell: Bye | None = None
        self.told = False
        self.faults = 0
        self.last_stats = endpoint.stats()
        open_clients.add(self)
        host.start()

    # What the game uses.

    @property
    def connected(self) -> bool:
        """Whether the connection stands, as far as this side knows."""
        return not self.reason

    @property
    def tick(self) -> int:
        """The newest server tick whose whole world has arrived; 0 before the first."""
        return self.world.tick

    @property
    def tick_rate(self) -> float:
        """The server's ticks a second."""
        return self.schedule.rate

    @property
    def models(self) -> dict[type[Schema], str]:
        """For each of ``tables=``, the name of the trained model that codes it; "" for none."""
        return dict(self.world.models)

    @property
    def stats(self) -> ConnectionStats:
        """Round trip, loss and bytes, now; after the end, as they were then, and ``closed``."""
        if self.connected:
            with self.host.lock:
                now = self.endpoint.stats()
            if now.transport is not None:  # it is gone a moment before we know
                self.last_stats = now
        return self.last_stats

    def update(self, input: I | None = None) -> None:  # noqa: A002
        """One frame: receive, take what arrived, apply and send ``input``, run the prediction.

        The input counts for every server tick that began since the last update: several
        when frames are slower than ticks, none when they are faster. None sends nothing,
        and the server repeats the last one.

        Raises:
            ConnectionClosed: the connection had ended and an earlier update said so: the first
                one after the end gives what was left, and a Disconnected event.
            ConfigError: ``input`` is not of the schema given to ``connect()``.
            EncodeError: a field of ``input`` is out of range.
        """
        if self.told:
            self.check()
        self.poll()
        self.events, self.arrived = self.arrived, []
        if not self.connected:
            self.told = True
            return
        self.world.update()
        frames = self.world.acks()
        if input is not None:
            frames += self.apply(input, self.clock())
        with self.host.lock, contextlib.suppress(ConnectionClosed, ChannelFull):
            for kind, data in frames:
                self.endpoint.push_frame(kind, data)
            self.host.flush()

    def view(self, schema: type[S]) -> Iterator[Entity[S]]:
        """What to draw of one table: own entities predicted, the others interpolated.

        Raises ConfigError when ``schema`` was not in ``tables=`` of ``connect()``.
        """
        return self.world.view(schema, self.clock())

    def understands(self, schema: type[Schema]) -> bool:
        """Whether the server knows this message type, or has a table of this schema: not an older
        server when the schema was added since."""
        return self.registry.knows(schema) or schema in self.world.received

    def send(self, message: Schema, channel: str = "reliable") -> None:
        """Send a typed message; it leaves with the next ``update``.

        Raises ConfigError for a type that is not registered, or that the server does not
        understand, or an unknown channel,
        EncodeError for a value out of range, ChannelFull when the queue is at its limit, and
        ConnectionClosed after the end.
        """
        self.transmit(message, channel, Kind.PLAIN, 0)

    def has_room(self, channel: str = "reliable", size: int = 1) -> bool:
        """Whether a message of ``size`` bytes, its header included, finds room in the queue now.

        Raises ConfigError for an unknown channel, EncodeError for more than its ``max_message``,
        ConnectionClosed after the end.
        """
        self.check()
        return self.room(*self.channels.room(channel, size))

    def drain(self, channel: str = "reliable", size: int | None = None) -> Drain:
        """Wait until a message of ``size`` bytes (None: any that the channel takes) finds room.

        Call its ``result()``, or ``await client.drain()`` under asyncio. It ends with
        ConnectionClosed when the connection does. Raises as ``has_room``.
        """
        self.check()
        number, size = self.channels.room(channel, size)
        return self.drains.open(number, size, self.room, self.wait_for)

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
        way, and ConnectionClosed after the end.
        """
        self.check()
        return self.transfers.send_file(file, name)

    def send_stream(
        self, stream: Stream, *, name: str = "", total: int | None = None
    ) -> OutgoingTransfer:
        """Send pieces of bytes, as an iterable gives them, or, on an event loop, an asynchronous
        one: it is asked for one piece at a time, when the one before it is sent.

        ``total``: bytes in all, if it is known; a stream that has less fails, of one that has more
        the rest is left. Else as ``send_file``.
        """
        self.check()
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

        ``result()`` waits for it, ``done`` does not.

        Under asyncio, await it. Raises what ``send`` raises; the reply may turn out to be
        TimeoutError or ConnectionClosed.
        """
        self.check()
        request = self.requests.open(reply or Schema, self.clock() + timeout, self.wait_for)
        try:
            self.transmit(message, channel, Kind.REQUEST, request.correlation)
        except BaseException:
            self.requests.waiting.pop(request.correlation, None)
            raise
        return request

    def complete_ticks(self) -> list[int]:
        """Server ticks whose whole world became known in the last ``update``, oldest first."""
        return self.world.completed

    def world_hash(self, tick: int) -> int | None:
        """64-bit hash of the quantised world at ``tick``, equal to ``Server.world_hash``.

        Of the tables and fields that both ends have: where the server has others too, its
        ``world_hash(tick, player)`` is what this is equal to.

        None when the tick is not complete or no longer kept.
        """
        return self.world.hash(tick)

    def close(self) -> None:
        """Disconnect and release the port. May be called twice."""
        goodbye = Bye("", CloseReason.CLOSED).encode() if self.connected else b""
        self.end("closed", CloseReason.CLOSED)
        with self.host.lock:
            if not self.host.closed:
                if goodbye and self.push_now(0, goodbye):
                    self.host.flush()
                with contextlib.suppress(ConnectionClosed):
                    self.endpoint.disconnect()
                self.host.flush()
        self.host.close()
        open_clients.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # Dropped without close(): the keeper must not keep the connection for ever.
        if hasattr(self, "host") and self.host.ours:
            self.close()

    def __repr__(self) -> str:
        state = "connected" if self.connected else self.reason
        return f"<Client {self.index}, tick {self.tick}, {state}>"

    # Inside.

    def check(self) -> None:
        if self.reason:
            raise ConnectionClosed(f"the connection closed: {self.reason}", reason=self.reason)

    def end(self, reason: str, code: CloseReason) -> None:
        """The connection is over; the first reason counts."""
        if self.reason:
            return
        self.last_stats = replace(self.stats, closed=code)
        self.reason = reason
        self.close_reason = code
        self.requests.close(reason)
        self.drains.close(reason)
        self.transfers.close()
        self.arrived.append(Disconnected(reason, code))

    def poll(self) -> None:
        """Receive and take what arrived; replies reach their requests, events wait for update."""
        if self.host.closed:
            return
        self.host.pump()
        with self.host.lock:
            events = self.endpoint.events()
            messages = self.endpoint.messages()
            frames = self.endpoint.frames()
        for _, channel, data in messages:
            self.take_message(channel, data)
        now = self.clock()
        for _, kind, data in frames:
            if kind == TIME_FRAME:
                self.take_time(data)
            elif not self.world.receive(kind, data, now):
                self.faults += 1
        # Other channels overtake the control channel: what came with the goodbye counts.
        if self.farewell is not None:
            self.end(self.farewell.reason or "closed", CloseReason.told(self.farewell.code))
        for event in events:
            if isinstance(event, SessionDisconnected):
                self.end(str(event.reason), CloseReason.of(event.reason))
        if self.requests.waiting:
            self.requests.expire(now)
        if self.drains.waiting:
            self.drains.look(self.room)
        self.pump_transfers()
        del self.arrived[:-MAX_EVENTS]

    def take_message(self, channel: int, data: bytes) -> None:
        try:
            if channel == self.channels.transfers:
                self.transfers.receive(data, data_channel=True)
                return
            if channel == 0 and data[:1] == bytes([TRANSFER]):
                self.transfers.receive(data[1:], data_channel=False)
                return
            if channel == 0 and data[:1] == bytes([RESUME]):
                self.keep_token(data[1:])
                return
            if channel == 0:
                control = parse_control(data)
                if isinstance(control, Bye):
                    self.farewell = control
                return
            kind, correlation, message = self.registry.decode(data)
        except DecodeError:
            self.faults += 1
            return
        if kind is Kind.REPLY:
            self.requests.answer(correlation, message)
        else:
            name = self.channels.name(channel)
            self.arrived.append(
                Received(message, channel=name, correlation=correlation, client=self)
            )

    def keep_token(self, data: bytes) -> None:
        if len(data) != RESUME_TOKEN_BYTES:
            raise DecodeError(f"a resume token of {len(data)} bytes")
        with self.host.lock:
            self.endpoint.take_resume_token(data)

    def take_time(self, data: bytes) -> None:
        try:
            time = TimeFrame.decode(data)
        except DecodeError:
            self.faults += 1
            return
        self.inputs.confirm(time.received)
        self.world.applied(time.tick, time.applied)

    def apply(self, value: I, now: float) -> list[tuple[int, bytes]]:
        """Predict ``value`` for the ticks that are due; returns the frames to send."""
        codec = self.input_codec
        if self.input_schema is None or codec is None or not isinstance(value, self.input_schema):
            expected = self.input_schema.__name__ if self.input_schema else "no input"
            raise ConfigError(f"update() got {type(value).__name__}; connect() said {expected}")
        encoded: bytes | None = None
        while self.schedule.deadline <= now:
            self.schedule.advance(now)
            if encoded is None:
                # Predict with what the server will read: quantised, without what it does not
                # know, and a copy.
                encoded = codec.encode(value)
                value = codec.decode(encoded)
            self.input_tick += 1
            self.inputs.add(self.input_tick, encoded)
            self.world.predict(self.input_tick, value)
        frame = self.inputs.frame() if encoded is not None else None
        return [] if frame is None else [(INPUT_FRAME, frame)]

    def transmit(self, message: Schema, channel: str, kind: Kind, correlation: int) -> None:
        """``send`` with the header fields of requests and replies."""
        self.check()
        number = self.channels.number(channel)
        data = self.registry.encode(message, kind, correlation)
        with self.host.lock:
            self.endpoint.push(number, data)

    def room(self, channel: int, size: int) -> bool:
        """Whether a queue takes so much; that of a connection that is over takes nothing."""
        with self.host.lock:
            try:
                return self.endpoint.has_room(channel, size)
            except ConnectionClosed:
                return False

    def push_now(self, channel: int, data: bytes) -> bool:
        """Push if the queue takes it."""
        with self.host.lock:
            try:
                self.endpoint.push(channel, data)
            except (ChannelFull, ConnectionClosed):
                return False
        return True

    def pump_transfers(self) -> None:
        if not self.transfers.idle:
            self.transfers.pump()
            self.host.flush()

    def take_offer(self, transfer: IncomingTransfer) -> None:
        self.arrived.append(Offered(transfer))

    def wait_for(self, request: Request[Any] | Drain | OutgoingTransfer) -> None:
        """Pump until ``request`` is done: its ``result`` at a client without event loop."""
        refuse_event_loop("await")
        self.host.flush()
        while not request.done:
            self.host.sleep(request.deadline)
            self.poll()
            if self.clock() >= request.deadline:
                self.requests.expire(self.clock())


def close_all() -> None:
    for client in list(open_clients):
        if client.host.ours:
            client.close()


atexit.register(close_all)
