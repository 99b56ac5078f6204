from collections.abc import Iterable
from enum import IntEnum
from typing import Final, Literal, NamedTuple

from typing_extensions import Buffer

from netcode.security.replay import ReplayWindow
from netcode.security.token import PrivateToken

__all__ = [
    "CLIENT_PACKETS",
    "PACKET_REASONS",
    "SERVER_PACKETS",
    "OpenedPacket",
    "OpenedRequest",
    "PacketType",
    "open_packet",
    "open_request",
    "seal_packet",
    "seal_request",
]

CLIENT_PACKETS: Final[int]
PACKET_REASONS: Final[tuple[str, ...]]
SERVER_PACKETS: Final[int]

class PacketType(IntEnum):
    REQUEST = 0
    DENIED = 1
    CHALLENGE = 2
    RESPONSE = 3
    KEEP_ALIVE = 4
    PAYLOAD = 5
    DISCONNECT = 6

class OpenedPacketFields(NamedTuple):
    reason: str
    type: int
    sequence: int
    body: bytes

class OpenedPacket(OpenedPacketFields): ...

class OpenedRequestFields(NamedTuple):
    reason: str
    expire_timestamp: int
    nonce: bytes
    sealed: bytes
    key_index: int
    token: PrivateToken | None

class OpenedRequest(OpenedRequestFields): ...

def seal_packet(
    type: int,  # noqa: A002
    sequence: int,
    body: Buffer,
    *,
    protocol_id: int,
    key: Buffer,
    max_payload: int = 1200,
) -> bytes: ...
def open_packet(
    data: Buffer,
    *,
    protocol_id: int,
    key: Buffer | None,
    allowed: int = 0x7F,
    window: ReplayWindow | None = None,
    max_payload: int = 1200,
) -> OpenedPacket: ...
def seal_request(
    *, protocol_id: int, expire_timestamp: int, nonce: Buffer, sealed: Buffer
) -> bytes: ...
def open_request(
    data: Buffer,
    *,
    protocol_id: int,
    unix_now: int,
    private_keys: Iterable[Buffer],
    order: Literal["standard", "network"] = "standard",
) -> OpenedRequest: ...
