"""Settings of the endpoints, checked when they are made."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from netcode.channel import TransportConfig
from netcode.constants import MAX_CLIENTS, MAX_PAYLOAD_BYTES
from netcode.errors import ConfigError
from netcode.security.address import Address, parse_address
from netcode.security.connect import ConnectToken
from netcode.security.dialect import Dialect

__all__ = ["ClientConfig", "ServerConfig", "ServerLimits"]

MAX_DIALECT_PAYLOAD = 1300
MAX_OWN_ADDRESSES = 16
MAX_HISTORY = 1 << 24
MAX_LIFETIME = 10**9
MIN_INBOX = 4096
MAX_BYTES = 1 << 30
MAX_RATE = 10**9
MAX_BYTE_RATE = 10**12

ServerAddress = Address | str | tuple[str, int]


def check(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ConfigError(f"{name}: {value!r} is a {type(value).__name__}, must be an int")
    if not low <= value <= high:
        raise ConfigError(f"{name}: {value}, must be {low} to {high}")


def check_key(name: str, value: object) -> None:
    if not isinstance(value, bytes):
        raise ConfigError(f"{name}: a {type(value).__name__}, must be 32 bytes")
    if len(value) != 32:
        raise ConfigError(f"{name}: {len(value)} bytes, must be 32")


def check_transport(channels: object, max_payload: int | None) -> None:
    if channels is not None and not isinstance(channels, TransportConfig):
        raise ConfigError(
            f"channels: a {type(channels).__name__}, must be a TransportConfig, "
            "or None for raw payloads"
        )
    check("max_payload", max_payload, 1, MAX_DIALECT_PAYLOAD)
    assert max_payload is not None
    if channels is not None and max_payload < MAX_PAYLOAD_BYTES:
        raise ConfigError(
            f"max_payload: {max_payload}, must be at least {MAX_PAYLOAD_BYTES} with channels"
        )


def check_dialect(value: object) -> None:
    if not isinstance(value, Dialect):
        raise ConfigError(f"dialect: a {type(value).__name__}, must be a Dialect")


def own_addresses(value: object) -> tuple[Address, ...]:
    # One address, not a list of them; a (host, port) is a tuple too.
    if isinstance(value, str) or (isinstance(value, tuple) and [*map(type, value)] == [str, int]):
        value = (value,)
    if not isinstance(value, Iterable):
        raise ConfigError(f"addresses: {value!r} is not a list of addresses")
    result: list[Address] = []
    for item in value:
        try:
            address = parse_address(item) if isinstance(item, str) else Address(*item)
        except (TypeError, ConfigError) as error:
            raise ConfigError(f"addresses: {item!r}: {error}") from None
        if address.port == 0:
            raise ConfigError(f"addresses: {item!r} has no port; bind first, then say which")
        result.append(address.unmapped())
    if not 1 <= len(result) <= MAX_OWN_ADDRESSES:
        raise ConfigError(f"addresses: {len(result)} of them, must be 1 to {MAX_OWN_ADDRESSES}")
    return tuple(result)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """What one address, one client and all of them may cost a server.

    What is above a limit is dropped and counted; who goes on is disconnected, and that is counted
    as well. The defaults bound abuse and are far above what a game needs.

    Raises:
        ConfigError: names the field, its value and the limit.
    """

    handshake_rate: int = 32
    """Failed handshakes that one address may make a second; 0: no limit.

    Above it, requests and responses from that IPv4 address or IPv6 /64 are dropped before any
    decryption. A request with a fresh, valid token costs nothing, a repeated one an eighth. Whoever
    can forge an address can use up its rate and so keep a client there from connecting, not
    disconnect one.
    """

    handshake_burst: int = 128
    """Failed handshakes that one address may make at once, from 1."""

    receive_messages: int = 65_536
    """Messages and frames a second that one client may send; 0: no limit.

    A datagram counts as one at least. As much may come at once as in a second; what is above is
    dropped as if lost on the way, so reliable messages come again.
    """

    receive_bytes: int = 64 << 20
    """The same in bytes of datagrams."""

    flood_limit: int = 4_096
    """Datagrams dropped for those limits within 10 seconds after which a client is disconnected."""

    malformed_limit: int = 8
    """Malformed payloads after which an authenticated client is disconnected, from 1."""

    token_history: int | None = None
    """Unexpired tokens remembered; a full history refuses new ones. 8 per slot, at least 4,096."""

    max_handshakes: int | None = None
    """Addresses between request and response; more are ignored. 2 per slot, at least 256."""

    inbox_bytes: int = 16 << 20
    """Bytes of messages that wait for the game; more is not acked.

    One client may take half of it, and n clients n / (n + 1): who sent nothing yet finds room.
    """

    out_bytes: int = 64 << 20
    """Bytes of datagrams that wait to be sent; more are dropped."""

    def __post_init__(self) -> None:
        if self.token_history is not None:
            check("token_history", self.token_history, 1, MAX_HISTORY)
        if self.max_handshakes is not None:
            check("max_handshakes", self.max_handshakes, 1, MAX_HISTORY)
        check("malformed_limit", self.malformed_limit, 1, 2**31 - 1)
        check("handshake_rate", self.handshake_rate, 0, MAX_RATE)
        check("handshake_burst", self.handshake_burst, 1, MAX_RATE)
        check("receive_messages", self.receive_messages, 0, MAX_RATE)
        check("receive_bytes", self.receive_bytes, 0, MAX_BYTE_RATE)
        check("flood_limit", self.flood_limit, 1, MAX_RATE)
        check("inbox_bytes", self.inbox_bytes, MIN_INBOX, MAX_BYTES)
        check("out_bytes", self.out_bytes, MIN_INBOX, MAX_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig(ServerLimits):
    """Settings of a ``ServerEndpoint``: these, and the ServerLimits.

    Raises:
        ConfigError: names the field, its value and the limit.
    """

    protocol_id: int
    """The application's number, 0 to 2**64 - 1; clients with another are ignored."""

    private_key: bytes = field(repr=False)
    """32 bytes that this server and the issuer of connect tokens share."""

    addresses: tuple[ServerAddress, ...] | ServerAddress
    """1 to 16 addresses at which tokens may name this server ("203.0.113.5:40000").

    Tokens that name none of them are refused. They are what the issuer calls this server, which
    behind NAT is not what the socket is bound to. Stored as a tuple of ``Address``.
    """

    max_clients: int = 64
    """Slots, 1 to 65,535."""

    channels: TransportConfig | None = field(default_factory=TransportConfig)
    """Channels inside the payloads, equal at both ends; None for raw payloads."""

    previous_private_key: bytes | None = field(default=None, repr=False)
    """During a key rotation: the other key that tokens may be sealed with, old or new."""

    max_token_lifetime: int | None = None
    """The longest lifetime (seconds) of the tokens in circulation; None switches the rule off.

    A restarted server does not remember which tokens it has seen, and a token used twice encrypts
    twice under the same keys and sequences. With a lifetime given, tokens that may have been made
    before the start are refused: those that expire sooner than start + lifetime. Set it to the
    issuer's lifetime wherever keys are real.
    """

    dialect: Dialect = Dialect.STANDARD
    """Which netcode 1.02 the clients speak."""

    max_payload: int | None = None
    """Bytes of a payload packet, 1 to 1,300; None for that of the dialect."""

    token_order: Literal["standard", "network"] | None = None
    """How IPv6 addresses are written inside tokens; None for that of the dialect."""

    flush_packets: int = 64
    """Payload packets one connection may fill in one ``send``, from 1; the rest waits."""

    loopback_only: bool = False
    """Ignore every datagram that is not from 127.0.0.0/8 or ::1."""

    def __post_init__(self) -> None:
        check("protocol_id", self.protocol_id, 0, 2**64 - 1)
        check_key("private_key", self.private_key)
        if self.previous_private_key is not None:
            check_key("previous_private_key", self.previous_private_key)
        object.__setattr__(self, "addresses", own_addresses(self.addresses))
        check("max_clients", self.max_clients, 1, MAX_CLIENTS)
        check_dialect(self.dialect)
        if self.max_payload is None:
            object.__setattr__(self, "max_payload", self.dialect.max_payload)
        check_transport(self.channels, self.max_payload)
        if self.max_token_lifetime is not None:
            check("max_token_lifetime", self.max_token_lifetime, 0, MAX_LIFETIME)
        if self.token_history is None:
            object.__setattr__(self, "token_history", max(4096, 8 * self.max_clients))
        if self.max_handshakes is None:
            object.__setattr__(self, "max_handshakes", max(256, 2 * self.max_clients))
        ServerLimits.__post_init__(self)  # slots: super() would name another class
        if self.token_order is None:
            object.__setattr__(self, "token_order", self.dialect.token_order)
        if self.token_order not in ("standard", "network"):
            raise ConfigError(f"token_order: {self.token_order!r}, must be 'standard' or 'network'")
        check("flush_packets", self.flush_packets, 1, 4096)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """Settings of a ``ClientEndpoint``.

    Raises:
        ConfigError: names the field, its value and the limit.
    """

    token: ConnectToken | bytes = field(repr=False)
    """The connect token, or its 2,048 bytes.

    Bytes that are no token put the client into the state ``INVALID_CONNECT_TOKEN``.
    """

    channels: TransportConfig | None = field(default_factory=TransportConfig)
    """Channels inside the payloads, equal at both ends; None for raw payloads."""

    dialect: Dialect = Dialect.STANDARD
    """Which netcode 1.02 the server speaks; ``token_order`` is for a token given as bytes."""

    max_payload: int | None = None
    """Bytes of a payload packet, 1 to 1,300; None for that of the dialect."""

    malformed_limit: int = 8
    """Malformed payloads after which the client disconnects, from 1."""

    flush_packets: int = 64
    """Payload packets filled in one ``send``, from 1; the rest waits."""

    answer_at_once: bool = True
    """Answer a challenge in the next ``send``; False waits for the 10 Hz slot, as the reference."""

    roam_after: float | None = 0.5
    """Seconds of silence after which a connection with a resume token looks for another way to the
    server, above 0; None: only when ``roam`` is called. The server is heard ten times a second."""

    inbox_bytes: int = 16 << 20
    """Bytes of messages that wait for ``messages()`` and ``payloads()``; more is not acked."""

    out_bytes: int = 1 << 20
    """Bytes of datagrams that wait for ``send``; more are dropped."""

    def __post_init__(self) -> None:
        if not isinstance(self.token, ConnectToken | bytes):
            raise ConfigError(
                f"token: a {type(self.token).__name__}, must be a ConnectToken or its bytes"
            )
        check_dialect(self.dialect)
        if self.max_payload is None:
            object.__setattr__(self, "max_payload", self.dialect.max_payload)
        check_transport(self.channels, self.max_payload)
        check("malformed_limit", self.malformed_limit, 1, 2**31 - 1)
        check("flush_packets", self.flush_packets, 1, 4096)
        if self.roam_after is not None and not 0 < self.roam_after < math.inf:
            raise ConfigError(f"roam_after: {self.roam_after}, must be above 0, or None")
        check("inbox_bytes", self.inbox_bytes, MIN_INBOX, MAX_BYTES)
        check("out_bytes", self.out_bytes, MIN_INBOX, MAX_BYTES)
