"""What endpoints report: connections that came, went, or failed."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

__all__ = [
    "ClientConnected",
    "ClientDisconnected",
    "ClientMoved",
    "ClientState",
    "CloseReason",
    "Connected",
    "DisconnectReason",
    "Disconnected",
]


class ClientState(enum.IntEnum):
    """States of a client, numbered as in the netcode standard; errors are negative."""

    CONNECT_TOKEN_EXPIRED = -6
    INVALID_CONNECT_TOKEN = -5
    CONNECTION_TIMED_OUT = -4
    CONNECTION_RESPONSE_TIMED_OUT = -3
    CONNECTION_REQUEST_TIMED_OUT = -2
    CONNECTION_DENIED = -1
    DISCONNECTED = 0
    SENDING_CONNECTION_REQUEST = 1
    SENDING_CONNECTION_RESPONSE = 2
    CONNECTED = 3


class DisconnectReason(enum.StrEnum):
    """Why a connection ended, or was never made."""

    # In the order of disconnect_reason in reasons.pxd.
    TIMEOUT = "timeout"
    """The peer was silent for the token's timeout."""
    CLOSED_BY_PEER = "closed by peer"
    """The other side disconnected."""
    CLOSED = "closed"
    """This side disconnected: ``disconnect()``; at a server, a kick."""
    PROTOCOL_VIOLATION = "protocol violation"
    """The peer, though authenticated, sent too many malformed payloads."""
    DENIED = "denied"
    """Client: every server of the token is full."""
    REQUEST_TIMEOUT = "request timeout"
    """Client: no server of the token answered the connection request."""
    RESPONSE_TIMEOUT = "response timeout"
    """Client: the server challenged, and then did not accept the response."""
    TOKEN_EXPIRED = "token expired"
    """Client: the token's lifetime passed before any server accepted it."""
    TOKEN_INVALID = "token invalid"
    """Client: the bytes are not a connect token."""
    FLOOD = "flood"
    """Server: the client kept sending more than its limits allow."""


class CloseReason(enum.IntEnum):
    """Why a connection ended, as this end knows it.

    Those below 128 are what one end tells the other in its goodbye. That is a message: when it gets
    lost with the connection, there is only UNKNOWN.
    """

    UNKNOWN = 0
    """The other end closed it and did not say why."""
    CLOSED = 1
    """The application closed it: of one end its own, or the other end's."""
    SERVER_CLOSED = 2
    """The server shut down."""
    KICKED = 3
    """The server's game sent this player away."""
    MALFORMED = 4
    """A client sent messages or frames that no client sends."""
    TIMEOUT = 128
    """The other end was silent for the token's timeout."""
    PROTOCOL_VIOLATION = 129
    """The other end sent too many malformed packets."""
    FLOOD = 130
    """A client kept sending more than its limits allow."""

    @classmethod
    def told(cls, code: int) -> CloseReason:
        """What the other end said: UNKNOWN for a number that nobody says, or says yet."""
        known = {each.value: each for each in cls if each < cls.TIMEOUT}
        return known.get(code, cls.UNKNOWN)

    @classmethod
    def of(cls, reason: DisconnectReason) -> CloseReason:
        """What an endpoint's reason is when there was no goodbye."""
        return {
            DisconnectReason.TIMEOUT: cls.TIMEOUT,
            DisconnectReason.CLOSED: cls.CLOSED,
            DisconnectReason.PROTOCOL_VIOLATION: cls.PROTOCOL_VIOLATION,
            DisconnectReason.FLOOD: cls.FLOOD,
        }.get(reason, cls.UNKNOWN)


@dataclass(frozen=True, slots=True)
class ClientConnected:
    """Server: a client took a slot."""

    index: int
    """Its slot, 0 to ``max_clients`` - 1."""
    client_id: int
    """64 bits, from the connect token."""
    address: tuple[str, int]
    """Host and port it sends from."""
    user_data: bytes = field(repr=False)
    """256 bytes, from the connect token."""
    generation: int
    """Counts the owners of this slot; (index, generation) never comes again."""


@dataclass(frozen=True, slots=True)
class ClientMoved:
    """Server: a client goes on from another address, in the same slot, with nothing lost."""

    index: int
    """Its slot."""
    client_id: int
    """64 bits, from the connect token."""
    address: tuple[str, int]
    """Host and port it sends from now."""
    generation: int
    """As in its ClientConnected."""


@dataclass(frozen=True, slots=True)
class ClientDisconnected:
    """Server: a client left its slot."""

    index: int
    """Its slot."""
    client_id: int
    """64 bits, from the connect token."""
    reason: DisconnectReason
    """Why."""
    generation: int
    """As in its ClientConnected."""


@dataclass(frozen=True, slots=True)
class Connected:
    """Client: the server accepted it."""

    client_index: int
    """Its slot on the server."""
    max_clients: int
    """Slots of the server."""
    address: tuple[str, int]
    """The server of the token that accepted it."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """Client: the connection ended, or the attempt failed."""

    reason: DisconnectReason
    """Why."""
    state: ClientState
    """The state it ends in, 0 or an error of the standard."""
