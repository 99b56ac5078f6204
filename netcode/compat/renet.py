"""Connect tokens as renet (renetcode) writes them, for files and web answers.

On the wire renet speaks netcode 1.02 in its own dialect: ``netcode.Dialect.RENET``. But its
``ConnectToken::write`` makes other bytes than the 2,048 of the standard: no padding, and in its
newer versions the client id in front. Both forms are read here, and written.

    token, client_id = read_token(response.content)
    endpoint = ClientEndpoint(ClientConfig(token=token, channels=None, dialect=Dialect.RENET))
"""

from __future__ import annotations

from typing import Final, NamedTuple

from netcode.errors import ConfigError, TokenError
from netcode.security import ConnectToken, Dialect

__all__ = ["RenetToken", "read_token", "write_token"]

VERSION: Final = b"NETCODE 1.02\0"
ID_BYTES: Final = 8
STANDARD_BYTES: Final = 2048
FIXED_BYTES: Final = 13 + 3 * 8 + 24 + 1024 + 4 + 4
"""Up to and with the count of servers."""
KEYS_BYTES: Final = 64
ADDRESS_BYTES: Final = {1: 1 + 4 + 2, 2: 1 + 16 + 2}
MAX_SERVERS: Final = 32


class RenetToken(NamedTuple):
    """What ``read_token`` found."""

    token: ConnectToken
    client_id: int | None
    """The id in front of the token; None in the older form, which has none."""


def read_token(data: bytes) -> RenetToken:
    """Read the bytes of renet's ``ConnectToken::write``; TokenError says what is wrong."""
    content = bytes(data)
    client_id: int | None = None
    # The id first: any eight bytes may be one, also those that a version begins with.
    if content[ID_BYTES : ID_BYTES + len(VERSION)] == VERSION:
        client_id = int.from_bytes(content[:ID_BYTES], "little")
        content = content[ID_BYTES:]
    elif not content.startswith(VERSION):
        raise TokenError(
            f"neither {VERSION!r} nor a client id and {VERSION!r} at the beginning: this is no "
            f"connect token of renet (renet2's have another version and do not fit)"
        )
    size = used_bytes(content)
    if len(content) != size:
        raise TokenError(f"the token has {len(content)} bytes; its servers make it {size}")
    padded = content.ljust(STANDARD_BYTES, b"\0")
    return RenetToken(ConnectToken.from_bytes(padded, dialect=Dialect.RENET), client_id)


def write_token(token: ConnectToken, client_id: int | None) -> bytes:
    """Return the bytes that renet's ``ConnectToken::read`` takes.

    ``client_id`` is what the token was made for; None writes the older form without it.

    Raises:
        ConfigError: the token writes IPv6 addresses in the standard's order, which its sealed
            part cannot change any more, or ``client_id`` is out of range.
    """
    six = any(server.family == 6 for server in token.servers)
    if six and token.order != Dialect.RENET.token_order:
        raise ConfigError(
            "the token names an IPv6 server in the standard's order; make it with "
            "dialect=Dialect.RENET"
        )
    head = b""
    if client_id is not None:
        if not 0 <= client_id < 1 << 64:
            raise ConfigError(f"client_id {client_id} is not an integer from 0 to 2**64 - 1")
        head = client_id.to_bytes(ID_BYTES, "little")
    data = token.to_bytes()
    return head + data[: used_bytes(data)]


def used_bytes(content: bytes) -> int:
    """The size of a token without its padding; TokenError when it is cut short."""
    count = int.from_bytes(content[FIXED_BYTES - 4 : FIXED_BYTES], "little")
    if len(content) < FIXED_BYTES or not 1 <= count <= MAX_SERVERS:
        raise TokenError("the token is cut short, or does not list 1 to 32 servers")
    at = FIXED_BYTES
    for _ in range(count):
        step = ADDRESS_BYTES.get(content[at]) if at < len(content) else None
        if step is None:
            raise TokenError("the token is cut short, or a server is neither IPv4 nor IPv6")
        at += step
    return at + KEYS_BYTES
