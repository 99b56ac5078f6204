"""Connect tokens as a back end makes them and a client carries them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from netcode.errors import ConfigError, DecodeError, TokenError
from netcode.security.address import Address, parse_address
from netcode.security.aead import random_bytes
from netcode.security.dialect import Dialect
from netcode.security.token import PrivateToken, read_public_token, write_public_token

__all__ = ["ConnectToken"]

PUBLIC_BYTES = 2048
VERSION = b"NETCODE 1.02\0"
MAX_SERVERS = 32
USER_DATA_BYTES = 256
U64_MAX = 2**64 - 1
I32_MAX = 2**31 - 1

ServerAddress = Address | str | tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectToken:
    """What a back end hands to one client, over HTTPS, so that it may join one of some servers.

    It holds the keys of the connection: whoever reads it can take the client's place until
    ``expire_timestamp``. ``repr`` therefore shows no key.

    Attributes:
        protocol_id: the application's number, 0 to 2**64 - 1.
        create_timestamp: unix time in whole seconds.
        expire_timestamp: the first whole second at which it is expired; 2**64 - 1 for never.
        timeout: seconds of silence that end an attempt or a connection; negative for none.
        servers: 1 to 32 addresses, tried in order.
        order: how IPv6 addresses are written in it: "standard", or "network" as some
            implementations do.
        nonce, sealed: the part only servers read, under the private key (24 and 1,024 bytes).
        client_to_server_key, server_to_client_key: 32 bytes each.
    """

    protocol_id: int
    create_timestamp: int
    expire_timestamp: int
    timeout: int
    servers: tuple[Address, ...]
    nonce: bytes = field(repr=False)
    sealed: bytes = field(repr=False)
    client_to_server_key: bytes = field(repr=False)
    server_to_client_key: bytes = field(repr=False)
    order: Literal["standard", "network"] = "standard"

    @classmethod
    def create(
        cls,
        *,
        protocol_id: int,
        private_key: bytes,
        client_id: int,
        servers: Iterable[ServerAddress] | ServerAddress,
        unix_now: float,
        internal_servers: Iterable[ServerAddress] | ServerAddress | None = None,
        expires_in: int | None = 30,
        timeout: int | None = 15,
        user_data: bytes = b"",
        order: Literal["standard", "network"] | None = None,
        dialect: Dialect = Dialect.STANDARD,
        entropy: Callable[[int], bytes] = random_bytes,
    ) -> Self:
        """Make a token for the client ``client_id``.

        Args:
            protocol_id: 0 to 2**64 - 1; servers and clients of one application share it.
            private_key: the 32 bytes that token issuers and game servers share.
            client_id: 0 to 2**64 - 1, unique among clients that may be connected together.
            servers: 1 to 32 addresses as the client reaches them: ``Address``, text such as
                "203.0.113.5:40000", or ``(host, port)``. IPv4-mapped IPv6 becomes IPv4.
            unix_now: the time, in unix seconds.
            internal_servers: the same servers as they know themselves; ``servers`` by default.
            expires_in: whole seconds from 1 until a connection must stand, or None for ever.
            timeout: whole seconds of silence from 1, or None for none (for debugging).
            user_data: up to 256 bytes for the server's application, filled up with zeros.
            order: see ``ConnectToken``; None for that of ``dialect``.
            dialect: what the servers speak.
            entropy: called for the 24, 32 and 32 random bytes of the nonce and the two keys.

        Raises:
            ConfigError: names the argument, its value and the limit.
        """
        checked("protocol_id", protocol_id, 0, U64_MAX)
        checked("client_id", client_id, 0, U64_MAX)
        if not isinstance(unix_now, int | float) or not (
            math.isfinite(unix_now) and 0 <= unix_now < 2**63
        ):
            raise ConfigError(f"unix_now {unix_now!r} is not a unix time in seconds")
        created = int(unix_now)
        expires = U64_MAX
        if expires_in is not None:
            expires = created + checked("expires_in", expires_in, 1, U64_MAX - created)
        seconds = -1 if timeout is None else checked("timeout", timeout, 1, I32_MAX)
        data = buffer("user_data", user_data)
        if len(data) > USER_DATA_BYTES:
            raise ConfigError(f"user_data has {len(data)} bytes; the limit is {USER_DATA_BYTES}")
        if len(buffer("private_key", private_key)) != 32:
            raise ConfigError(
                f"private_key must be 32 bytes, not {len(private_key)}; generate_key() makes one"
            )
        public = addresses("servers", servers)
        for server in public:
            if server.host in ("0.0.0.0", "::"):
                raise ConfigError(f"servers: no client can connect to the wildcard {server}")
        internal = (
            public if internal_servers is None else addresses("internal_servers", internal_servers)
        )
        written = dialect.token_order if order is None else order
        nonce, to_server, to_client = entropy(24), entropy(32), entropy(32)
        private = PrivateToken(
            client_id, seconds, internal, to_server, to_client, data.ljust(USER_DATA_BYTES, b"\0")
        )
        return cls(
            protocol_id=protocol_id,
            create_timestamp=created,
            expire_timestamp=expires,
            timeout=seconds,
            servers=public,
            nonce=nonce,
            sealed=private.seal(
                protocol_id=protocol_id,
                expire_timestamp=expires,
                nonce=nonce,
                private_key=private_key,
                order=written,
            ),
            client_to_server_key=to_server,
            server_to_client_key=to_client,
            order=written,
        )

    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        order: Literal["standard", "network"] | None = None,
        *,
        dialect: Dialect = Dialect.STANDARD,
    ) -> Self:
        """Read the 2,048 bytes of a token; TokenError says what is wrong with them.

        ``order`` is how it writes IPv6 addresses; None for that of ``dialect``.
        """
        written = dialect.token_order if order is None else order
        content = buffer("data", data)
        if len(content) != PUBLIC_BYTES:
            raise TokenError(f"a connect token has {PUBLIC_BYTES} bytes, not {len(content)}")
        if not content.startswith(VERSION):
            found = content[: len(VERSION)]
            raise TokenError(f"the connect token begins with {found!r}, not {VERSION!r}")
        created, expires = (int.from_bytes(content[at : at + 8], "little") for at in (21, 29))
        if created > expires:
            raise TokenError(
                f"the connect token expires ({expires}) before it was created ({created})"
            )
        try:
            fields: Mapping[str, Any] = read_public_token(content, written)
        except DecodeError:
            raise TokenError(
                f"the connect token does not list 1 to {MAX_SERVERS} IPv4 or IPv6 servers"
            ) from None
        return cls(**fields, order=written)

    def to_bytes(self) -> bytes:
        """Return the 2,048 bytes that ``from_bytes`` reads."""
        return write_public_token(self, self.order)

    def expired(self, unix_now: float) -> bool:
        """Whether a server whose clock shows ``unix_now`` (seconds) would refuse it as too old."""
        return self.expire_timestamp <= unix_now

    def open_private(self, private_key: bytes) -> PrivateToken:
        """Return the part only servers read; TokenError when ``private_key`` does not open it."""
        try:
            return PrivateToken.open(
                self.sealed,
                protocol_id=self.protocol_id,
                expire_timestamp=self.expire_timestamp,
                nonce=self.nonce,
                private_key=private_key,
                order=self.order,
            )
        except DecodeError as error:
            raise TokenError(str(error)) from None


def checked(name: str, value: int, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigError(f"{name} {value!r} is not an integer from {low} to {high}")
    return value


def buffer(name: str, value: object) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise ConfigError(f"{name} must be bytes, not {type(value).__name__}")


def addresses(name: str, servers: Iterable[ServerAddress] | ServerAddress) -> tuple[Address, ...]:
    """Any of the accepted forms, normalised; a single server may stand alone."""
    one = isinstance(servers, str | Address) or (
        isinstance(servers, tuple) and len(servers) == 2 and isinstance(servers[1], int)
    )
    items: Iterable[Any] = (servers,) if one else servers
    result = []
    for item in items:
        try:
            address = parse_address(item) if isinstance(item, str) else Address(*item)
        except TypeError:
            raise ConfigError(f"{name}: {item!r} is not an address") from None
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from None
        if address.port == 0:
            raise ConfigError(f"{name}: {item!r} has no port")
        result.append(address.unmapped())
    if not 1 <= len(result) <= MAX_SERVERS:
        raise ConfigError(f"{name} must be 1 to {MAX_SERVERS} addresses, not {len(result)}")
    return tuple(result)
