"""What a server does in each turn of its loop."""

from __future__ import annotations

import contextlib
import logging
import weakref
from functools import partial
from typing import Any, Final, Generic, TypeVar

import numpy as np

from netcode.constants import RESUME_TOKENS
from netcode.errors import (
    ChannelFull,
    ConfigError,
    ConnectionClosed,
    DecodeError,
)
from netcode.replication import Sender, Table
from netcode.replication.contract import Contract, Spoken
from netcode.replication.hello import BYE, RESUME, TRANSFER, Bye, parse_control
from netcode.replication.input_queue import InputQueue
from netcode.replication.inputs import INPUT_FRAME, TIME_FRAME, TimeFrame
from netcode.replication.messages import Kind, MessageRegistry
from netcode.replication.models import Models, TableModels
from netcode.replication.recording import Recorder
from netcode.schema import Schema
from netcode.session import (
    ClientConnected,
    ClientDisconnected,
    ClientMoved,
    CloseReason,
    ConnectionStats,
    DisconnectReason,
    ServerDesk,
    ServerEndpoint,
)
from netcode.shell.channels import ChannelNames
from netcode.shell.events import Joined, Left, Message, Offered
from netcode.shell.host import Host, epoch_of
from netcode.shell.player import Player
from netcode.shell.reception import HELLO_SECONDS, Guest, Reception
from netcode.shell.refusals import RefusalLog, Throttle
from netcode.shell.schedule import TickSchedule
from netcode.shell.stats import ServerStats
from netcode.shell.tick import Tick
from netcode.shell.transfers import IncomingTransfer

__all__ = ["ServerLoop", "open_servers"]

log = logging.getLogger("netcode")

I = TypeVar("I", bound=Schema)  # noqa: E741

QUEUE_FULL: Final = 1  # of ServerEndpoint.push_many

STRIKES: Final = 16
"""Malformed messages and frames of one player, after which it is disconnected."""

FRAMES_PER_TICK: Final = 1024
"""Frames of one player that are looked at between two ticks; frames may be lost."""

MAX_INBOX: Final = 65_536
"""Events that wait for the next tick, when an ``async for`` body awaits for long."""

MAX_INBOX_BYTES: Final = 16 << 20
"""The same in bytes on the wire of the messages among them."""

open_servers: weakref.WeakSet[ServerLoop[Any]] = weakref.WeakSet()
"""Closed when the interpreter exits."""


class ServerLoop(Generic[I]):
    """Takes in what arrived, begins and ends ticks; driven by ``netcode.shell.pacing``."""

    def __init__(
        self,
        endpoint: ServerEndpoint | ServerDesk,
        host: Host,
        schedule: TickSchedule,
        registry: MessageRegistry,
        channels: ChannelNames,
        input_schema: type[I] | None,
        default_input: I,
    ) -> None:
        self.endpoint = endpoint
        self.host = host
        self.clock = host.clock
        self.schedule = schedule
        self.registry = registry
        self.channels = channels
        self.input_schema = input_schema
        self.default_input = default_input
        self.stats = ServerStats()
        self.tables: dict[type[Schema], Table[Any]] = {}
        self.models: dict[type[Schema], TableModels] = {}
        self.roster: dict[int, Player[I]] = {}
        self.present: list[Player[I]] = []
        self.inbox: list[Joined[I] | Left[I] | Message[I] | Offered] = []
        self.inbox_bytes = 0
        self.faults: dict[str, int] = dict.fromkeys(
            (
                "control_malformed",
                "transfer_malformed",
                "message_malformed",
                "input_malformed",
                "frame_malformed",
                "frames_ignored",
            ),
            0,
        )
        self.refusals = RefusalLog()
        self.warnings = Throttle()
        self.reception: Reception | None = None
        self.sender: Sender | None = None
        self.recorder: Recorder | None = None
        self.open_tick: Tick[I] | None = None
        self.began = 0.0
        self.frames_refused = 0
        self.roaming = True
        self.stopped = False
        self.closed = False
        open_servers.add(self)

    # The loop, as netcode.shell.pacing drives it.

    @property
    def next_tick_at(self) -> float:
        return self.schedule.deadline

    def start(self) -> None:
        if self.closed:
            raise ConfigError("the server is closed; make a new one")
        if self.reception is not None:
            raise ConfigError("the server runs already")
        tables = tuple(self.tables.values())
        self.sender = Sender(tables)
        self.reception = Reception(
            Contract(
                self.input_schema,
                tuple(self.tables),
                self.registry.types,
                Models(tuple(self.tables), self.models),
            ),
            tuple(each.capacity for each in tables),
            self.schedule.rate,
            send=self.send_control,
            drop=self.drop,
        )
        self.schedule.start(self.clock())
        self.host.start()

    def poll(self) -> None:
        """Receive and dispatch; replies reach their requests, all else waits for the tick."""
        if self.closed or self.reception is None:
            return
        self.host.pump()
        for player in self.roster.values():
            if player.drains.waiting:
                player.drains.look(partial(self.has_room, player))
        if len(self.inbox) >= MAX_INBOX or self.inbox_bytes >= MAX_INBOX_BYTES:
            return  # what arrives waits in the endpoint, which has limits, until a tick takes this
        with self.host.lock:
            events = self.endpoint.events()
            frames = self.endpoint.frames()
            messages = self.endpoint.messages()
            now = self.clock()
            for event in events:
                if isinstance(event, ClientConnected):
                    self.reception.arrive(guest_of(event, now))
            for index, channel, data in messages:
                self.take_message(index, channel, data, now)
            for index, kind, data in frames:
                self.take_frame(index, kind, data)
            for event in events:
                if isinstance(event, ClientMoved):
                    self.move(event)
                elif isinstance(event, ClientDisconnected):
                    self.reception.depart(event.index)
                    self.part(event.index, str(event.reason), self.ending(event))
            self.reception.update(now)
            for player in self.roster.values():
                if player.requests.waiting:
                    player.requests.expire(now)
        self.pump_transfers()

    def begin_tick(self) -> Tick[I]:
        self.began = self.clock()
        self.schedule.advance(self.began)
        self.poll()
        now = self.clock()
        if self.schedule.dropped:
            self.stats.overruns += self.schedule.dropped
            self.refusals.overrun(self.schedule.dropped, now)
        if now >= self.refusals.next_at:
            with self.host.lock:
                self.refusals.update(self.endpoint.counters, now)
                # The wall clock may have been set since, or this machine have slept.
                self.endpoint.epoch = epoch_of(self.clock)
        self.present = list(self.roster.values())
        for player in self.present:
            player.frames = 0
            player.queue.take()
        events, self.inbox, self.inbox_bytes = self.inbox, [], 0
        for event in events:
            if isinstance(event, Left):
                event.player.told = True
        self.open_tick = Tick(
            self.schedule.number,
            self.schedule.dt,
            events,
            self.present,
            self.input_schema,
            overrun=self.schedule.dropped,
            late=self.schedule.late,
        )
        return self.open_tick

    def end_tick(self) -> None:
        if self.open_tick is None:
            return
        tick, self.open_tick = self.open_tick, None
        if self.closed or self.sender is None:
            return
        self.sender.commit(tick.number)
        if self.recorder is not None:
            self.recorder.take(self.sender, tick.number)
        with self.host.lock:
            for player in self.roster.values():
                with contextlib.suppress(ConnectionClosed):  # its event is still to come
                    self.push_frames(player, tick.number)
            self.host.flush()
        self.stats.add(self.clock() - self.began)

    def push_frames(self, player: Player[I], tick: int) -> None:
        assert self.sender is not None
        push, index, queue = self.endpoint.push_frame, player.index, player.queue
        try:
            if self.input_schema is not None:
                push(index, TIME_FRAME, TimeFrame(tick, queue.applied, queue.received).encode())
            if index in self.sender:
                for kind, data in self.sender.frames(index):
                    push(index, kind, data)
        except ChannelFull:
            # The rest of this tick is lost to it, as frames may be; later ticks make up.
            self.frames_refused += 1

    def close(self) -> None:
        """Flush an open tick, tell every client, and release the port. May be called twice."""
        if self.closed:
            return
        try:
            self.end_tick()
        except Exception:
            log.exception("the last tick could not be sent")
        self.closed = self.stopped = True
        if self.recorder is not None:
            self.recorder.close()
        open_servers.discard(self)
        with self.host.lock:
            if not self.host.closed:
                bye = Bye("the server closed", CloseReason.SERVER_CLOSED).encode()
                for index in self.endpoint.connected:
                    self.send_control(index, bye)
                self.host.flush()
                self.endpoint.disconnect_all()
                self.host.flush()
        self.host.close()
        for player in list(self.roster.values()):
            self.part(player.index, "the server closed", CloseReason.SERVER_CLOSED)
        self.present = []

    # What arrives.

    def take_message(self, index: int, channel: int, data: bytes, now: float) -> None:
        assert self.reception is not None
        player = self.roster.get(index)
        try:
            fault = "transfer_malformed"
            if player is not None and channel == self.channels.transfers:
                player.transfers.receive(data, data_channel=True)
                return
            if player is not None and channel == 0 and data[:1] == bytes([TRANSFER]):
                player.transfers.receive(data[1:], data_channel=False)
                return
            if channel == 0:
                fault = "control_malformed"
                if player is not None and data[:1] == bytes([BYE]):
                    player.farewell = parse_farewell(data)
                    return
                admitted = self.reception.hear(index, data, self.schedule.number, now)
                if admitted is not None:
                    self.join(*admitted)
                return
            fault = "message_malformed"
            if player is None:
                return  # said goodbye already, or talks before its hello
            kind, correlation, message = player.registry.decode(data)
        except DecodeError:
            self.strike(index, fault)
            return
        if kind is Kind.REPLY:
            player.requests.answer(correlation, message)
        else:
            name = self.channels.name(channel)
            self.inbox_bytes += len(data)
            self.inbox.append(Message(player, message, channel=name, correlation=correlation))

    def take_frame(self, index: int, kind: int, data: bytes) -> None:
        player = self.roster.get(index)
        if player is None or self.sender is None:
            return
        player.frames += 1
        if player.frames > FRAMES_PER_TICK:
            self.faults["frames_ignored"] += 1
            return
        fault = "input_malformed" if kind == INPUT_FRAME else "frame_malformed"
        try:
            if kind == INPUT_FRAME:
                player.queue.receive(data)
                return
        except DecodeError:
            pass
        else:
            if index in self.sender and self.sender.on_frame(index, kind, data):
                return
        self.strike(index, fault)

    def join(self, guest: Guest, spoken: Spoken) -> None:
        assert self.sender is not None
        inputs = type(self.default_input)
        decode = inputs.codec_for(spoken.input).decode if spoken.input else inputs.decode
        if spoken.input == inputs.schema_version:
            decode = inputs.decode
        tables = zip(self.tables, spoken.tables, strict=True)
        player = Player(
            self, guest.index, guest.client_id, guest.user_data, guest.address,
            InputQueue(decode, self.default_input), self.registry.speaking(spoken.messages),
            frozenset(each for each, version in tables if version),
        )  # fmt: skip
        self.roster[guest.index] = player
        versions = {number: version for number, version in enumerate(spoken.tables) if version}
        if versions:
            numbers = {schema: number for number, schema in enumerate(self.tables)}
            models = {numbers[schema]: model for schema, model in spoken.models.items()}
            self.sender.add(guest.index, versions, models)
        self.inbox.append(Joined(player))
        for _ in range(RESUME_TOKENS):
            self.send_resume_token(guest.index)

    def move(self, event: ClientMoved) -> None:
        """A client goes on from another address; its player need not know."""
        player = self.roster.get(event.index)
        if player is not None:
            player.address = address_text(event.address)
            self.send_resume_token(event.index)

    def send_resume_token(self, index: int) -> None:
        """Let the client go on from another address once more."""
        if self.roaming:
            with contextlib.suppress(ConnectionClosed):
                token = self.endpoint.resume_token(index)
                self.send_control(index, bytes([RESUME]) + token)

    def ending(self, event: ClientDisconnected) -> CloseReason:
        """Why it ended: what the client said, when it did close the connection."""
        player = self.roster.get(event.index)
        if player is not None and event.reason is DisconnectReason.CLOSED_BY_PEER:
            return player.farewell
        return CloseReason.of(event.reason)

    def part(self, index: int, reason: str, code: CloseReason) -> None:
        """The player at ``index``, if there is one, is gone."""
        player = self.roster.pop(index, None)
        if player is None:
            return
        player.connected = False
        player.close_reason = code
        player.requests.close(reason)
        player.drains.close(reason)
        player.transfers.close()
        if self.sender is not None:
            self.sender.remove(index)
        self.inbox.append(Left(player, reason, code))

    def strike(self, index: int, fault: str) -> None:
        """Count malformed data of an authenticated peer; too much of it disconnects."""
        self.faults[fault] += 1
        player = self.roster.get(index)
        if player is not None:
            player.strikes += 1
            if player.strikes < STRIKES:
                return
            self.warnings.warning(
                self.clock(), "%s sent %d malformed messages; disconnected", player, STRIKES
            )
            self.kick(player, "malformed messages", CloseReason.MALFORMED)
        else:
            assert self.reception is not None
            self.reception.depart(index)
            self.drop(index)

    # What goes out.

    def send_control(self, index: int, data: bytes) -> None:
        """Push a control message; one who is gone, or whose queue is full, does without."""
        with contextlib.suppress(ConnectionClosed, ChannelFull):
            self.endpoint.push(index, 0, data)

    def drop(self, index: int) -> None:
        """Disconnect, unless that has happened."""
        with contextlib.suppress(ConnectionClosed):
            self.endpoint.disconnect(index)

    def push(self, player: Player[I], channel: int, data: bytes) -> None:
        with self.host.lock:
            # One whose Left is still to come is not the game's mistake.
            if not self.closed and player.connected:
                with contextlib.suppress(ConnectionClosed):
                    self.endpoint.push(player.index, channel, data)
                    self.note_push()

    def push_now(self, player: Player[I], channel: int, data: bytes) -> bool:
        """Push if the queue takes it."""
        with self.host.lock:
            if self.closed or not player.connected:
                return False
            try:
                self.endpoint.push(player.index, channel, data)
            except (ChannelFull, ConnectionClosed):
                return False
            self.note_push()
        return True

    def note_push(self) -> None:
        """Something was pushed, and its tick may be over."""
        if self.host.pushed is not None:
            self.host.pushed()

    def pump_transfers(self) -> None:
        """Push what the queues of those take who have transfers under way."""
        busy = [player for player in self.roster.values() if not player.transfers.idle]
        for player in busy:
            player.transfers.pump()
        if busy:
            self.host.flush()

    def take_offer(self, transfer: IncomingTransfer) -> None:
        self.inbox.append(Offered(transfer))

    def has_room(self, player: Player[I], channel: int, size: int) -> bool:
        """Whether a queue takes so much; that of one who is gone takes nothing."""
        with self.host.lock:
            if self.closed or not player.connected:
                return False
            try:
                return self.endpoint.has_room(player.index, channel, size)
            except ConnectionClosed:
                return False

    def push_many(self, players: list[Player[I]], channel: int, data: bytes) -> list[Player[I]]:
        """Push one message to many; returns those whose queue is at its limit."""
        with self.host.lock:
            if self.closed:
                return []
            present = [player for player in players if player.connected]
            status = self.endpoint.push_many([each.index for each in present], channel, data)
            self.note_push()
            return [present[at] for at in np.flatnonzero(status == QUEUE_FULL)]

    def kick(self, player: Player[I], reason: str, code: CloseReason = CloseReason.KICKED) -> None:
        assert self.reception is not None
        with self.host.lock:
            if player.connected and not self.closed:
                player.measure()
                self.reception.dismiss(player.index, reason, code, self.clock())
                self.part(player.index, f"kicked: {reason}", code)

    def connection_stats(self, player: Player[I]) -> ConnectionStats:
        with self.host.lock:
            return self.endpoint.stats(player.index)


def parse_farewell(data: bytes) -> CloseReason:
    """What a client's goodbye says; one that claims what only a server decides says nothing.

    Raises DecodeError when it is malformed.
    """
    control = parse_control(data)
    assert isinstance(control, Bye)
    code = CloseReason.told(control.code)
    return code if code is CloseReason.CLOSED else CloseReason.UNKNOWN


def guest_of(event: ClientConnected, now: float) -> Guest:
    address = address_text(event.address)
    return Guest(event.index, event.client_id, bytes(event.user_data), address, now + HELLO_SECONDS)


def address_text(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
