"""``connect()``: from an address or a token to a client."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar, Unpack, overload

from netcode.client import Client
from netcode.connecting import Application, Attempt, Connecting
from netcode.errors import ConfigError, TokenError
from netcode.io import HostPort, Transport, resolve
from netcode.replication.models import ModelSource
from netcode.schema import Schema
from netcode.security import ConnectToken, Dialect, random_bytes
from netcode.server import NoInput
from netcode.shell.channels import Channels
from netcode.shell.host import Clock, LinkPair, epoch_of
from netcode.shell.keys import client_key
from netcode.shell.pacing import refuse_event_loop

__all__ = ["ConnectOptions", "connect", "prepare"]

I = TypeVar("I", bound=Schema)  # noqa: E741

TOKEN_SECONDS = 30
"""How long a self-made token may be used; it is used at once."""


class ConnectOptions(TypedDict, total=False):
    """The options of connect() beside its address and its input."""

    tables: Sequence[type[Schema]]
    models: Mapping[type[Schema], Sequence[ModelSource]] | None
    messages: Sequence[type[Schema]]
    predict: Callable[[Any, Any, float], object] | None
    timeout: float
    token: ConnectToken | bytes | None
    key: bytes | None
    protocol_id: int
    client_id: int | None
    user_data: bytes
    lost_after: int
    interpolation_delay: float | None
    roam_after: float | None
    dialect: Dialect
    channels: Channels | None
    link: LinkPair | None
    transport: Transport | None
    clock: Clock


@overload
def connect(
    address: str | ConnectToken | bytes | None = None,
    *,
    input: None = None,
    **options: Unpack[ConnectOptions],
) -> Client[NoInput]: ...
@overload
def connect(
    address: str | ConnectToken | bytes | None = None,
    *,
    input: type[I],
    **options: Unpack[ConnectOptions],
) -> Client[I]: ...
def connect(
    address: str | ConnectToken | bytes | None = None,
    *,
    input: type[Any] | None = None,  # noqa: A002
    **options: Unpack[ConnectOptions],
) -> Client[Any]:
    """Connect to a server and wait until it has taken this client in.

    Args:
        address: ``"host:port"`` of the server, or a connect token (as ``token``).
        input: the schema of what ``Client.update`` takes; None to only watch.
        tables: the schemas of the tables to see, as the server made them; none for no state.
        models: a mapping of schemas in ``tables`` to up to 8 model files each, as ``python -m
            netcode train`` writes them (paths, their bytes, or ``netcode.delta.Model``). One that
            the server has too makes snapshots smaller; without, the untrained tables are used.
        messages: the message types, the same list in the same order as the server's.
        predict: ``step(state, input, dt)``, which changes the state in place; the server runs
            the same. The table it is for is told by the annotation of its first parameter, or
            is the first of ``tables``.
        timeout: seconds to wait.
        token: what the game's backend gave this player; it names the server. None makes one
            here, which needs the server's key: nothing on loopback, else ``key``.
        key: the server's 32 bytes. Whoever holds it can issue tokens for any ``client_id``: it
            is for friends on a LAN, tools and tests, and must not ship with a public client.
        protocol_id: the application's 64-bit number, as the server has it.
        client_id, user_data: for the token made here; the identity (default random) and up
            to 256 bytes for the server's game code.
        lost_after: for the token made here; whole seconds of silence after which either end
            takes the connection for lost.
        interpolation_delay: seconds behind the newest snapshot that others are shown; default
            0.1, at least two ticks.
        roam_after: seconds of silence after which the client looks for the server from another
            socket, and goes on there with nothing lost; None: never. Not with ``link``.
        dialect: the netcode 1.02 that the server speaks; see ``netcode.Dialect``.
        channels: message channels, as the server has them.
        link: (sending, receiving) simulated lines, as ``netcode.testing.Link``.
        transport, clock: another back end than UDP and ``time.monotonic``, for tests.

    Raises:
        ConfigError: an option is wrong, a key is needed, or an event loop runs here.
        OSError: a model file cannot be read.
        TokenError: the token is malformed or expired; found without asking the server.
        ServerFull: every slot is taken.
        SchemaMismatch: the server has other schemas; ``differences`` names the fields.
        ConnectTimeout: no answer in time; the message lists the likely causes.
        ConnectError: the name is unknown, or the server refused for another reason.
    """
    refuse_event_loop('"async with netcode.asyncio.connect(...)"')
    connecting = prepare(address, input, **options)
    try:
        while not connecting.done:
            connecting.poll()
            if not connecting.done:
                connecting.wait()
        return connecting.client(Client)
    finally:
        connecting.close()


def prepare(
    address: str | ConnectToken | bytes | None,
    input_schema: type[Any] | None,
    *,
    tables: Sequence[type[Schema]] = (),
    models: Mapping[type[Schema], Sequence[ModelSource]] | None = None,
    messages: Sequence[type[Schema]] = (),
    predict: Callable[[Any, Any, float], object] | None = None,
    timeout: float = 5.0,
    token: ConnectToken | bytes | None = None,
    key: bytes | None = None,
    protocol_id: int = 0,
    client_id: int | None = None,
    user_data: bytes = b"",
    lost_after: int = 10,
    interpolation_delay: float | None = None,
    roam_after: float | None = 0.5,
    dialect: Dialect = Dialect.STANDARD,
    channels: Channels | None = None,
    link: LinkPair | None = None,
    transport: Transport | None = None,
    clock: Clock = time.monotonic,
) -> Connecting:
    """Check everything that can be checked here, and make the race of attempts."""
    if roam_after is not None and not 0 < roam_after < math.inf:
        raise ConfigError(f"roam_after is {roam_after}; it must be above 0, or None")
    if timeout <= 0:
        raise ConfigError(f"timeout is {timeout}; it must be above 0")
    app = Application(
        input_schema, tables, messages, predict, interpolation_delay, channels, dialect, models
    )
    if address is not None and not isinstance(address, str):
        if token is not None:
            raise ConfigError("two tokens given: leave out token= or the first argument")
        token = address
    unix_now = epoch_of(clock) + clock()
    tokens: list[ConnectToken]
    if token is not None:
        tokens = [checked_token(token, unix_now, dialect)]
    elif isinstance(address, str):
        found = reachable(address)
        sealing = client_key(key, found, address, dialect)
        who = int.from_bytes(random_bytes(8), "little") if client_id is None else client_id
        tokens = [
            ConnectToken.create(
                protocol_id=protocol_id,
                private_key=sealing,
                client_id=who,
                servers=[each],
                # A server bound to every interface goes by its loopback address.
                internal_servers=list(dict.fromkeys([each, ("127.0.0.1", each[1])])),
                unix_now=unix_now,
                expires_in=TOKEN_SECONDS,
                timeout=lost_after,
                user_data=user_data,
                dialect=dialect,
            )
            for each in found
        ]
    else:
        raise ConfigError("connect() needs an address or a token")
    if transport is not None:
        tokens = tokens[:1]

    def start(each: ConnectToken) -> Callable[[], Attempt]:
        return lambda: Attempt(app, each, transport, link, clock, roam_after)

    return Connecting([start(each) for each in tokens], timeout, clock)


def checked_token(token: ConnectToken | bytes, now: float, dialect: Dialect) -> ConnectToken:
    """TokenError for one that no server would take."""
    parsed = token
    if not isinstance(parsed, ConnectToken):
        parsed = ConnectToken.from_bytes(parsed, dialect=dialect)
    if parsed.expired(now):
        raise TokenError(
            f"the connect token expired {now - parsed.expire_timestamp:.0f} s ago (it was good for "
            f"{parsed.expire_timestamp - parsed.create_timestamp} s); get a new one, or check "
            f"this machine's clock"
        )
    return parsed


def reachable(address: str) -> list[HostPort]:
    found = resolve(address)
    for host, port in found:
        if host == "":
            raise ConfigError(f"{address!r} names no host to connect to")
        if port == 0:
            raise ConfigError(f"{address!r} has port 0, which nothing listens on")
    return found
