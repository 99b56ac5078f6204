"""The authoritative server: one object, driven by ``for tick in server``."""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from types import TracebackType
from typing import Any, Final, Generic, Literal, Self, TypedDict, TypeVar, Unpack, overload

from netcode.errors import ConfigError
from netcode.io import (
    BatchSocket,
    HostPort,
    ServerThread,
    Transport,
    buffers_for,
    is_wildcard,
    open_udp,
    resolve,
)
from netcode.replication import Table
from netcode.replication.messages import MessageRegistry
from netcode.replication.models import ModelSource, TableModels
from netcode.replication.recording import Recorder
from netcode.schema import Schema
from netcode.security import Dialect, random_bytes
from netcode.session import ServerConfig, ServerEndpoint, ServerLimits
from netcode.shell.channels import ChannelNames, Channels
from netcode.shell.host import Clock, Host, LinkPair, conditioned, epoch_of
from netcode.shell.keys import is_public, server_key
from netcode.shell.pacing import AsyncTicks, refuse_event_loop, ticks
from netcode.shell.player import Player
from netcode.shell.schedule import CATCH_UP, TickSchedule
from netcode.shell.serving import ServerLoop, open_servers
from netcode.shell.slices import ServerHost
from netcode.shell.threaded import ThreadedHost
from netcode.shell.tick import Tick

__all__ = ["NoInput", "Server", "ServerOptions"]

I = TypeVar("I", bound=Schema)  # noqa: E741
S = TypeVar("S", bound=Schema)


POLLED_CLIENTS: Final = 256
"""Slots above which "auto" takes an I/O thread: the socket buffer that most systems grant holds
some 300 datagrams of 300 bytes, so with more clients a loop that looks once a tick loses some."""


class NoInput(Schema):
    """The input of a server whose clients send none."""

    nothing: bool = False


class ServerOptions(TypedDict, total=False):
    """The options of Server beside its address and its input."""

    messages: Sequence[type[Schema]]
    tick_rate: float
    max_clients: int
    protocol_id: int
    key: bytes | None
    previous_key: bytes | None
    public_address: str | None
    max_token_lifetime: int | None
    limits: ServerLimits | None
    dialect: Dialect
    channels: Channels | None
    catch_up: int
    roaming: bool
    io: Literal["auto", "poll", "thread"]
    link: LinkPair | None
    transport: Transport | None
    clock: Clock


class Server(ServerLoop[I], Generic[I]):
    """An authoritative game server on one UDP port.

    Iterate it to run it: each turn of ``for tick in server`` (or ``async for``) is one tick,
    paced by the clock; when the body ends, the changed world and the queued messages are
    sent. Leaving the loop in any way flushes the tick, tells the clients and closes.

    Args:
        address: ``"host:port"``; ``":port"`` for every interface, port 0 for a free one.
        input: the schema of what a client sends each tick, every field with a default.
        messages: the message types, the same list in the same order on both ends.
        tick_rate: ticks a second.
        max_clients: slots; further clients hear that the server is full.
        protocol_id: the application's 64-bit number; other numbers hear nothing.
        key: 32 bytes that connect tokens are sealed with. None works on loopback only.
        previous_key: a second key that tokens may be sealed with, while one replaces the other.
        public_address: what connect tokens name, when clients see another address than the
            bound one (behind NAT, or bound to every interface).
        max_token_lifetime: the longest lifetime of issued tokens in seconds; with it, a restarted
            server refuses the tokens of its earlier life, which it cannot tell from used ones.
        limits: what one address and one client may cost; see ``netcode.ServerLimits``.
        dialect: the netcode 1.02 that clients speak; see ``netcode.Dialect``.
        channels: message channels by name; see ``netcode.channel``.
        catch_up: ticks run back to back after a stall, before the rest is dropped.
        roaming: let clients go on from another address when theirs is lost, in the same slot and
            with nothing lost; they are given tokens for it.
        io: who moves the datagrams. "poll": the loop itself, between and within its ticks, and a
            helper thread while game code is slow. "thread": an I/O thread that owns the
            connections and never needs the GIL, for many clients and for game code that keeps
            the interpreter. "auto": a thread for more than 256 clients where this process may use
            a second processor, else poll.
        link: (sending, receiving) simulated lines, as ``netcode.testing.Link``.
        transport, clock: another back end than UDP and ``time.monotonic``, for tests.

    Raises:
        ConfigError: an option is wrong, the address is taken, or it is open to other
            machines while there is no key.
    """

    @overload
    def __init__(
        self: Server[NoInput],
        address: str,
        *,
        input: None = None,
        **options: Unpack[ServerOptions],
    ) -> None: ...
    @overload
    def __init__(
        self,
        address: str,
        *,
        input: type[I],
        **options: Unpack[ServerOptions],
    ) -> None: ...
    def __init__(
        self,
        address: str,
        *,
        input: type[Any] | None = None,  # noqa: A002
        messages: Sequence[type[Schema]] = (),
        tick_rate: float = 60,
        max_clients: int = 64,
        protocol_id: int = 0,
        key: bytes | None = None,
        previous_key: bytes | None = None,
        public_address: str | None = None,
        max_token_lifetime: int | None = None,
        limits: ServerLimits | None = None,
        dialect: Dialect = Dialect.STANDARD,
        channels: Channels | None = None,
        catch_up: int = CATCH_UP,
        roaming: bool = True,
        io: Literal["auto", "poll", "thread"] = "auto",
        link: LinkPair | None = None,
        transport: Transport | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        bind = resolve(address)[-1]  # localhost: 127.0.0.1
        sealing = server_key(key, previous_key, bind, dialect)
        schedule = TickSchedule(tick_rate, catch_up=catch_up)
        registry = MessageRegistry(messages)
        names = ChannelNames(channels)
        default: Any = default_input(input)
        opened = transport
        if opened is None:
            receive, send = buffers_for(max_clients)
            opened = open_udp(bind, receive_buffer=receive, send_buffer=send)
        try:
            threaded = wants_thread(io, opened, link, clock, max_clients)
            config = ServerConfig(
                protocol_id=protocol_id,
                private_key=sealing,
                previous_private_key=None if previous_key is None else bytes(previous_key),
                addresses=tuple(own_addresses(opened.address, public_address)),
                max_clients=max_clients,
                channels=names.config,
                max_token_lifetime=max_token_lifetime,
                dialect=dialect,
                loopback_only=is_public(sealing),
                **options_of(limits),
            )
            endpoint = ServerEndpoint(config, entropy=random_bytes, epoch=epoch_of(clock))
            host: Host
            if threaded and isinstance(opened, BatchSocket):
                host = ThreadedHost(ServerThread(endpoint, opened))
            else:
                host = ServerHost(endpoint, conditioned(opened, link, clock), clock)
        except BaseException:
            opened.close()
            raise
        driven: Any = host.endpoint
        super().__init__(driven, host, schedule, registry, names, input, default)
        self.roaming = roaming

    @property
    def address(self) -> str:
        """Where the server listens, as "host:port"."""
        return format_address(self.host.transport.address)

    @property
    def players(self) -> list[Player[I]]:
        """Everyone whose ``Joined`` has been given and whose ``Left`` has not, by joining order."""
        return self.present

    @property
    def tick_rate(self) -> float:
        """Ticks a second."""
        return self.schedule.rate

    @property
    def counters(self) -> dict[str, int]:
        """Everything counted so far, by name: datagrams, refusals by reason, faults of players."""
        with self.host.lock:
            counted = {f"socket_{k}": v for k, v in self.host.socket_counters.items()}
            counted.update(self.endpoint.counters)
        counted.update(self.faults)
        counted["frames_refused"] = self.frames_refused
        counted["schema_mismatches"] = self.reception.mismatches if self.reception else 0
        counted["models_missed"] = self.reception.missed if self.reception else 0
        return counted

    def table(
        self, schema: type[S], capacity: int = 256, *, models: Sequence[ModelSource] = ()
    ) -> Table[S]:
        """Make the table that replicates ``schema``; before the first tick, one per schema.

        Args:
            schema: what a row is.
            capacity: most entities at a time, 1 to 65,536.
            models: up to 8 model files of ``python -m netcode train``, the preferred first:
                paths, their bytes, or ``netcode.delta.Model``. A player is sent sections coded
                with the first that its client has too, else with the untrained tables.

        Raises:
            ConfigError: the server ticked already, there is such a table, or a model is not
                for this schema.
            OSError: a model file cannot be read.
        """
        if self.sender is not None or self.recorder is not None:
            raise ConfigError("tables must be made before the first tick, and before record()")
        if schema in self.tables:
            raise ConfigError(f"there is a table of {schema.__name__} already; subclass it for two")
        if any(each.__name__ == schema.__name__ for each in self.tables):
            raise ConfigError(f"another schema named {schema.__name__} has a table: rename one")
        trained = TableModels(schema, models)
        made: Table[S] = Table(schema, capacity)
        self.tables[schema] = made
        self.models[schema] = trained
        return made

    def broadcast(
        self,
        message: Schema,
        channel: str = "reliable",
        to: Iterable[Player[I]] | None = None,
    ) -> list[Player[I]]:
        """Send a typed message to ``to`` (default: every player); it is encoded once for each
        version of it that they speak. Players who do not understand it are left out.

        Returns the players whose queue is at its limit, who do not get it: usually none. A
        player who cannot take reliable messages for long is better kicked. Raises ConfigError
        and EncodeError as ``Player.send`` does.
        """
        return self.send_many(self.present if to is None else to, message, channel)

    def send_many(
        self, players: Iterable[Player[I] | int], message: Schema, channel: str = "reliable"
    ) -> list[Player[I]]:
        """Send a typed message to many players; encoded once, and queued in one call, for each
        version that they speak.

        ``players`` may be players or their indices (such as a column of ``tick.inputs``); those
        who have left meanwhile are passed over. Returns and raises as ``broadcast``.
        """
        number, newest = self.channels.number(channel), self.registry.encode(message)
        chosen = (
            each if isinstance(each, Player) else self.roster.get(int(each)) for each in players
        )
        groups: dict[MessageRegistry, list[Player[I]]] = {}
        for player in chosen:
            if player is not None:
                groups.setdefault(player.registry, []).append(player)
        full: list[Player[I]] = []
        for registry, group in groups.items():
            if registry.knows(type(message)):
                data = newest if registry is self.registry else registry.encode(message)
                full += self.push_many(group, number, data)
        return full

    def record(self, path: str | os.PathLike[str]) -> None:
        """Write every snapshot from the next tick on to a new file, until the server closes.

        It is read with ``netcode.Recording``, ``python -m netcode train`` and ``profile``.

        Raises:
            ConfigError: it records already, zstandard is not installed, or there is no table.
            FileExistsError: there is a file already.
        """
        if self.recorder is not None:
            raise ConfigError("the server records already")
        if not self.tables:
            raise ConfigError("there is nothing to record: make the tables first")
        self.recorder = Recorder(path, list(self.tables.values()), self.tick_rate)

    def stop(self) -> None:
        """End the loop before its next tick; may be called from anywhere, signal handlers too."""
        self.stopped = True

    def world_hash(self, tick: int, player: Player[I] | None = None) -> int | None:
        """64-bit hash of the quantised world as sent at ``tick``, or None when no longer kept.

        With ``player``, of the part that this player is sent, which is what its client's hash
        is equal to: a client of another version has fewer fields or tables. Then it is None too
        when the player left, or is sent no tables.
        """
        if self.sender is None or (player is not None and not player.connected):
            return None
        index = None if player is None else player.index
        try:
            digest: int = self.sender.world_hash(tick, index)
        except KeyError:
            return None
        return digest

    def __iter__(self) -> Iterator[Tick[I]]:
        refuse_event_loop('"async for tick in server"')
        return ticks(self)

    def __aiter__(self) -> AsyncTicks[Tick[I]]:
        return AsyncTicks(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{len(self.present)} players"
        return f"<Server {self.address}, tick {self.schedule.number}, {state}>"


def processors() -> int:
    """How many this process may use, which a container or ``taskset`` may have made fewer."""
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def wants_thread(
    io: str, opened: Transport, link: LinkPair | None, clock: Clock, max_clients: int
) -> bool:
    """Whether an I/O thread is to own the connections; ConfigError when it cannot and has to."""
    if io not in ("auto", "poll", "thread"):
        raise ConfigError(f"io is {io!r}; it must be 'auto', 'poll' or 'thread'")
    if io == "poll":
        return False
    why = None
    if not isinstance(opened, BatchSocket):
        why = "needs a UDP socket of the back end 'mmsg' or 'single'"
    elif link is not None:
        why = "has no simulated lines (link)"
    elif clock is not time.monotonic:
        why = "keeps its own time, time.monotonic"
    if io == "thread" and why is not None:
        raise ConfigError(f"io is 'thread', and an I/O thread {why}")
    crowded = max_clients > POLLED_CLIENTS and processors() > 1
    return why is None and (io == "thread" or crowded)


def options_of(limits: object) -> dict[str, Any]:
    """The limits as options of ServerConfig."""
    if limits is None:
        return {}
    if not isinstance(limits, ServerLimits):
        raise ConfigError(f"limits: a {type(limits).__name__}, must be a ServerLimits")
    return {each.name: getattr(limits, each.name) for each in fields(ServerLimits)}


def default_input(schema: type[Any] | None) -> Any:
    """What a player holds down before its first input: every field at its default."""
    if schema is None:
        return NoInput()
    try:
        return schema()
    except TypeError as error:
        raise ConfigError(
            f"input={schema.__name__}: every field of an input needs a default ({error})"
        ) from None


def own_addresses(bound: HostPort, public: str | None) -> list[HostPort]:
    """What connect tokens may name: the public address and what the socket is bound to.

    A server bound to every interface goes by its loopback addresses, which clients that make
    their own token with the shared key put in.
    """
    host, port = bound
    names = resolve(public) if public is not None else []
    if is_wildcard(host):
        return [*names, ("127.0.0.1", port), ("::1", port)]
    return [*names, bound]


def format_address(address: HostPort) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def close_all() -> None:
    """An interpreter that exits with a server open still tells its clients."""
    for server in list(open_servers):
        if server.host.ours:
            server.close()


atexit.register(close_all)
