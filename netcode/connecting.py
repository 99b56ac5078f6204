"""From an address or a token to a welcomed client, or to an error that says what to do."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from netcode.client import Client
from netcode.errors import (
    ConfigError,
    ConnectError,
    ConnectionClosed,
    ConnectTimeout,
    DecodeError,
    SchemaMismatch,
    ServerFull,
    TokenError,
)
from netcode.io import HostPort, Transport, buffers_for, is_loopback, open_udp
from netcode.replication.contract import Contract, Spoken
from netcode.replication.hello import Bye, Refusal, Welcome, parse_control
from netcode.replication.messages import MessageRegistry
from netcode.replication.models import Models, ModelSource
from netcode.schema import Schema
from netcode.security import ConnectToken, Dialect, random_bytes
from netcode.session import (
    ClientConfig,
    ClientEndpoint,
    Connected,
    Disconnected,
    DisconnectReason,
)
from netcode.shell.channels import ChannelNames, Channels
from netcode.shell.host import Clock, LinkPair, conditioned, epoch_of
from netcode.shell.roaming import RoamingHost
from netcode.shell.world import World

__all__ = ["Application", "Attempt", "Connecting"]

log = logging.getLogger("netcode")

C = TypeVar("C", bound=Client[Any])

STAGGER: Final = 0.1
"""Seconds before the next address of a name is tried beside the first: ``localhost`` should
not wait long for the family that nobody listens on."""

POLL: Final = 0.005
"""Seconds between looks when several addresses are tried at once."""


class Application:
    """What both ends must share, as this client has it."""

    def __init__(
        self,
        input_schema: type[Any] | None,
        tables: Sequence[type[Schema]],
        messages: Sequence[type[Schema]],
        predict: Callable[[Any, Any, float], object] | None,
        interpolation_delay: float | None,
        channels: Channels | None,
        dialect: Dialect = Dialect.STANDARD,
        models: Mapping[type[Schema], Sequence[ModelSource]] | None = None,
    ) -> None:
        if predict is not None and (input_schema is None or not tables):
            raise ConfigError("predict= needs input= and tables=")
        if len(set(tables)) != len(tables):
            raise ConfigError("a schema is listed twice in tables=")
        if len({each.__name__ for each in tables}) != len(tables):
            raise ConfigError("two schemas in tables= have the same name: rename one")
        self.registry = MessageRegistry(messages)
        self.contract = Contract(input_schema, tables, self.registry.types, Models(tables, models))
        self.predict = predict
        self.interpolation_delay = interpolation_delay
        self.channels = ChannelNames(channels)
        self.dialect = dialect


class Attempt:
    """One handshake: a token, a socket, and then the hello.

    ``welcome`` and ``spoken`` are set when the server took us in, ``error`` when it cannot
    succeed any more.
    """

    def __init__(
        self,
        app: Application,
        token: ConnectToken,
        transport: Transport | None,
        link: LinkPair | None,
        clock: Clock,
        roam_after: float | None = None,
    ) -> None:
        self.app = app
        self.token = token
        self.clock = clock
        # Simulated lines lead from one socket: there is no other.
        reopen: Callable[[], Transport] | None = None
        if link is None:
            reopen = getattr(transport, "reopen", None)
            if transport is None:
                reopen = partial(open_socket, token)
        self.endpoint = ClientEndpoint(
            ClientConfig(
                token=token,
                channels=app.channels.config,
                dialect=app.dialect,
                roam_after=None if reopen is None else roam_after,
            ),
            entropy=random_bytes,
            epoch=epoch_of(clock),
        )
        opened = open_socket(token) if transport is None else transport
        self.host = RoamingHost(self.endpoint, conditioned(opened, link, clock), clock, reopen)
        self.welcome: Welcome | None = None
        self.spoken: Spoken | None = None
        self.error: ConnectError | None = None
        self.silent = True
        self.rest: list[tuple[int, bytes]] = []

    def poll(self) -> None:
        """Take one look at what arrived."""
        if self.error is not None or self.welcome is not None:
            return
        self.host.pump()
        for event in self.endpoint.events():
            if isinstance(event, Connected):
                self.silent = False
                with contextlib.suppress(ConnectionClosed):  # its end is the next event
                    self.say_hello()
            elif self.error is None:
                self.error = self.failure(event)
        for _, channel, data in self.endpoint.messages():
            if self.welcome is not None and self.error is None:
                self.rest.append((channel, data))
            elif channel == 0:
                self.take_control(data)
        if self.error is not None:
            self.welcome = None  # it took us in and was gone when we looked

    def say_hello(self) -> None:
        self.endpoint.push(0, self.app.contract.hello().encode())
        self.host.flush()

    def take_control(self, data: bytes) -> None:
        try:
            control = parse_control(data)
        except DecodeError as error:
            self.error = ConnectError(f"the server does not speak this hello: {error}")
            return
        if isinstance(control, Welcome):
            self.welcome = control
            self.spoken = self.app.contract.read(control)
            if self.spoken is None:
                self.error = ConnectError(f"{self.where} welcomed us to other schemas than ours")
                return
            for line in self.app.contract.missed(control, self.spoken):
                log.warning("%s: no model in common, so coded without: %s", self.where, line)
        elif isinstance(control, Refusal):
            lines = self.app.contract.compare(control)
            text = "\n  ".join(lines)
            self.error = SchemaMismatch(
                f"{self.where} speaks other schemas:\n  {text}", differences=lines
            )
        elif isinstance(control, Bye):
            self.error = ConnectError(f"{self.where} refused: {control.reason}")

    def failure(self, event: Disconnected) -> ConnectError:
        match event.reason:
            case DisconnectReason.DENIED:
                return ServerFull(f"{self.where} is full")
            case DisconnectReason.TOKEN_EXPIRED:
                return TokenError("the connect token expired before a server accepted it")
            case DisconnectReason.TOKEN_INVALID:
                return TokenError("the connect token is malformed")
            case DisconnectReason.REQUEST_TIMEOUT | DisconnectReason.RESPONSE_TIMEOUT:
                return self.timed_out(float(self.token.timeout))
        return ConnectError(f"{self.where} closed the connection: {event.reason}")

    def timed_out(self, seconds: float) -> ConnectTimeout:
        """The error for ``seconds`` without a welcome, with what may be wrong."""
        if not self.silent:
            return ConnectTimeout(
                f"{self.where} accepted the connection and then said nothing for "
                f"{seconds:g} s: its tick loop does not run, or most packets are lost"
            )
        return ConnectTimeout(
            f"no answer from {self.where} within {seconds:g} s. A server that cannot open a "
            f"connect token stays silent, so the likely causes are:\n"
            f"  - no server runs at this address and port, or a firewall drops UDP;\n"
            f"  - the server has another key;\n"
            f"  - the server has another protocol_id than {self.token.protocol_id:#x};\n"
            f"  - the server knows itself by another address (its public_address);\n"
            f"  - the client_id is connected already, or the token was used before.\n"
            f"The server's log and Server.counters name what it refused."
        )

    @property
    def where(self) -> str:
        return " or ".join(str(server) for server in self.token.servers)

    def client(self, made: type[C]) -> C:
        """The connected client, a ``made``; call it once ``welcome`` is set."""
        assert self.welcome is not None
        assert self.spoken is not None
        app = self.app
        try:
            world: World[Any] = World(
                app.contract.tables,
                self.spoken.tables,
                self.welcome,
                app.predict,
                app.interpolation_delay,
                self.spoken.models,
            )
        except ConfigError as error:
            raise ConnectError(f"{self.where} has tables that cannot be: {error}") from error
        client = made(
            self.endpoint,
            self.host,
            app.registry.speaking(self.spoken.messages),
            app.channels,
            app.contract.input,
            self.spoken.input,
            world,
            self.welcome,
        )
        for channel, data in self.rest:
            client.take_message(channel, data)
        return client

    def close(self) -> None:
        """Give up; a server that knows us is told. Not after ``client``."""
        with contextlib.suppress(ConnectionClosed):
            self.endpoint.disconnect()
        self.host.flush()
        self.host.close()


class Connecting:
    """The race of one attempt per address; the first that is welcomed wins.

    ``starts`` make the attempts, the most preferred first. Poll until ``done``; then
    ``client()`` gives the client or raises the most telling error.
    """

    def __init__(
        self, starts: Sequence[Callable[[], Attempt]], timeout: float, clock: Clock
    ) -> None:
        self.starts = list(starts)
        self.clock = clock
        self.timeout = timeout
        self.deadline = clock() + timeout
        self.next_start = clock()
        self.attempts: list[Attempt] = []
        self.winner: Attempt | None = None
        self.taken = False

    def poll(self) -> None:
        """Start what is due, look at every attempt."""
        now = self.clock()
        failed = all(attempt.error is not None for attempt in self.attempts)
        if self.starts and (now >= self.next_start or failed):
            self.start(self.starts.pop(0))
            self.next_start = now + STAGGER
        for attempt in self.attempts:
            attempt.poll()
            if attempt.welcome is not None and self.winner is None:
                self.winner = attempt

    def start(self, make: Callable[[], Attempt]) -> None:
        try:
            self.attempts.append(make())
        except ConfigError:
            # This machine has no such address family, say: the other addresses may do.
            if not self.starts and not self.attempts:
                raise

    @property
    def done(self) -> bool:
        if self.winner is not None or self.clock() >= self.deadline:
            return True
        return not self.starts and all(each.error is not None for each in self.attempts)

    def wait(self) -> None:
        """Sleep until there may be something to poll."""
        alive = [attempt for attempt in self.attempts if attempt.error is None]
        if len(alive) == 1 and not self.starts:
            alive[0].host.sleep(self.deadline)
        elif alive:
            for attempt in alive:
                attempt.host.sleep(self.clock() + POLL / len(alive))

    def client(self, made: type[C]) -> C:
        """The winner's client, a ``made``. Raises ConnectError."""
        if self.winner is None:
            raise self.error()
        client, self.taken = self.winner.client(made), True
        return client

    def error(self) -> ConnectError:
        errors = [
            attempt.error or attempt.timed_out(self.timeout)
            for attempt in self.attempts
        ]  # fmt: skip
        # An answer says more than silence.
        answers = [each for each in errors if not isinstance(each, ConnectTimeout)]
        return (answers or errors)[0]

    def close(self) -> None:
        """Close every attempt that did not become a client. May be called twice."""
        for attempt in self.attempts:
            if attempt is not self.winner or not self.taken:
                attempt.close()
        self.attempts.clear()


def open_socket(token: ConnectToken) -> Transport:
    """A socket that reaches the servers of ``token``; for loopback, bound to loopback."""
    hosts = [server.host for server in token.servers]
    six = any(":" in host for host in hosts)
    four = any(":" not in host for host in hosts)
    if six and four:
        bind: HostPort = ("", 0)
    elif all(is_loopback(host) for host in hosts):
        bind = ("::1" if six else "127.0.0.1", 0)
    else:
        bind = ("::" if six else "0.0.0.0", 0)
    receive, send = buffers_for(1)
    return open_udp(bind, receive_buffer=receive, send_buffer=send)
