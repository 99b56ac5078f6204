"""Every exception this library raises.

    NetcodeError
    ├── SchemaError(TypeError)            a Schema class is wrong; raised when it is defined
    ├── ConfigError(ValueError)           an option does not fit the others or its limits
    ├── EncodeError(ValueError)           a value does not fit its field, or the buffer is full
    ├── DecodeError(ValueError)           bytes are not an encoding of the schema
    ├── ConnectError(ConnectionError)     connect() did not succeed
    │   ├── TokenError                    the connect token is expired, malformed or not for us
    │   ├── ServerFull                    every slot is taken
    │   ├── SchemaMismatch                the server speaks another schema; names the fields
    │   └── ConnectTimeout(TimeoutError)  nobody answered; lists the likely causes
    ├── ConnectionClosed(ConnectionError) the connection was there and is no more
    ├── ChannelFull                       a send queue reached its limit; try again later
    ├── TransferFailed                    a file or a stream did not arrive whole
    ├── TableFull                         every slot of a table is taken
    └── UnknownEntity(KeyError)           the entity is gone, or never was in this table

Local misuse raises, with field, value and limit. Datagrams from a peer never
raise: they are dropped and counted by reason.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "ChannelFull",
    "ConfigError",
    "ConnectError",
    "ConnectTimeout",
    "ConnectionClosed",
    "DecodeError",
    "EncodeError",
    "NetcodeError",
    "SchemaError",
    "SchemaMismatch",
    "ServerFull",
    "TableFull",
    "TokenError",
    "TransferFailed",
    "UnknownEntity",
]


class NetcodeError(Exception):
    """Base class of every exception of this library."""


class SchemaError(NetcodeError, TypeError):
    """A Schema class is wrong; raised when the class is defined."""


class ConfigError(NetcodeError, ValueError):
    """An option is out of its limits, or does not fit the others."""


class EncodeError(NetcodeError, ValueError):
    """A value does not fit its field, or a buffer is too small.

    Attributes:
        schema: name of the schema, or ``""`` outside one.
        field: dotted name of the field, or ``""`` outside a schema.
        value: the offending value.
        limit: what would have been accepted, as text.
    """

    def __init__(
        self,
        message: str,
        *,
        schema: str = "",
        field: str = "",
        value: object = None,
        limit: str = "",
    ) -> None:
        super().__init__(message)
        self.schema = schema
        self.field = field
        self.value = value
        self.limit = limit


class DecodeError(NetcodeError, ValueError):
    """Bytes are not a valid encoding.

    Attributes:
        schema: name of the schema, or ``""`` outside one.
        field: dotted name of the field, or ``""`` where it is not known.
        bit: offset of the first bit of the offending item, from the start of the data.
    """

    def __init__(self, message: str, *, schema: str = "", field: str = "", bit: int = -1) -> None:
        super().__init__(message)
        self.schema = schema
        self.field = field
        self.bit = bit


class ConnectError(NetcodeError, ConnectionError):
    """connect() did not succeed."""


class TokenError(ConnectError):
    """The connect token is expired, malformed, or not for this application."""


class ServerFull(ConnectError):
    """The server answered that every slot is taken."""


class SchemaMismatch(ConnectError):
    """The server speaks another schema.

    Attributes:
        differences: one line for each field that differs.
    """

    def __init__(self, message: str, *, differences: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.differences = tuple(differences)


class ConnectTimeout(ConnectError, TimeoutError):
    """Nobody answered in time; the message lists the likely causes."""


class ConnectionClosed(NetcodeError, ConnectionError):
    """The connection was there and is no more.

    Attributes:
        reason: why, as in the ``Left`` and ``Disconnected`` events.
    """

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class ChannelFull(NetcodeError):
    """A send queue reached its limit; nothing was queued, try again later.

    Attributes:
        channel: name of the channel, or ``""`` for a queue that is none's.
        size: bytes of the message that found no room.
        limit: what the queue holds, as text.
    """

    def __init__(self, message: str, *, channel: str = "", size: int = 0, limit: str = "") -> None:
        super().__init__(message)
        self.channel = channel
        self.size = size
        self.limit = limit


class TransferFailed(NetcodeError):
    """A file or a stream did not arrive whole.

    Attributes:
        reason: why, a member of ``netcode.channel.TransferReason`` in lower case.
    """

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class TableFull(NetcodeError):
    """Every slot of a table is taken; nothing was spawned."""


class UnknownEntity(NetcodeError, KeyError):
    """The entity is gone, or never was in this table."""

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return str(self.args[0]) if self.args else ""
