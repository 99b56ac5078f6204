"""Authoritative multiplayer netcode on a Cython core.

What most programs use is here. Every floor below is public as well: ``netcode.bits``,
``netcode.schema``, ``netcode.delta`` and so on, and ``netcode.testing`` beside them.

The rooms of this floor, each of which may use those before it:

``server``      Server
``client``      Client
``connecting``  handshakes, raced over the addresses of a name
``joining``     connect()
``asyncio``     the client under asyncio
"""

from importlib import import_module

TYPE_CHECKING = False  # type checkers know the name; typing itself is slow to import
if TYPE_CHECKING:
    from netcode import asyncio
    from netcode.bits import BitReader, BitWriter
    from netcode.channel import ChannelConfig, DeliveryMode, TransportConfig
    from netcode.client import Client
    from netcode.errors import (
        ChannelFull,
        ConfigError,
        ConnectError,
        ConnectionClosed,
        ConnectTimeout,
        DecodeError,
        EncodeError,
        NetcodeError,
        SchemaError,
        SchemaMismatch,
        ServerFull,
        TableFull,
        TokenError,
        TransferFailed,
        UnknownEntity,
    )
    from netcode.joining import connect
    from netcode.replication import Recording, Table, Track
    from netcode.schema import (
        Angle,
        ArrayOf,
        Bits,
        Blob,
        Float32,
        Float64,
        Quantized,
        Quat,
        Range,
        Schema,
        Since,
        Text,
        VarUint,
        Vec2,
        Vec3,
    )
    from netcode.security import ConnectToken, Dialect, generate_key
    from netcode.server import NoInput, Server
    from netcode.session import CloseReason, ConnectionStats, ServerLimits
    from netcode.shell.drains import Drain
    from netcode.shell.events import Disconnected, Joined, Left, Message, Offered, Received
    from netcode.shell.player import Player
    from netcode.shell.requests import Request
    from netcode.shell.stats import ServerStats
    from netcode.shell.tick import Tick
    from netcode.shell.transfers import IncomingTransfer, OutgoingTransfer, Progress
    from netcode.shell.world import Entity

__version__ = "0.1.0"

__all__ = [  # noqa: RUF022 (grouped by floor)
    # errors
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
    # bits
    "BitReader",
    "BitWriter",
    # schema
    "Angle",
    "ArrayOf",
    "Bits",
    "Blob",
    "Float32",
    "Float64",
    "Quantized",
    "Quat",
    "Range",
    "Schema",
    "Since",
    "Text",
    "VarUint",
    "Vec2",
    "Vec3",
    # channel
    "ChannelConfig",
    "DeliveryMode",
    "TransportConfig",
    # security
    "ConnectToken",
    "Dialect",
    "generate_key",
    # session
    "CloseReason",
    "ConnectionStats",
    "ServerLimits",
    # replication
    "Recording",
    "Table",
    "Track",
    # server and client
    "Client",
    "Disconnected",
    "Drain",
    "Entity",
    "IncomingTransfer",
    "Joined",
    "Left",
    "Message",
    "NoInput",
    "Offered",
    "OutgoingTransfer",
    "Player",
    "Progress",
    "Received",
    "Request",
    "Server",
    "ServerStats",
    "Tick",
    "asyncio",
    "connect",
]

HOMES = {
    "netcode.bits": ("BitReader", "BitWriter"),
    "netcode.channel": ("ChannelConfig", "DeliveryMode", "TransportConfig"),
    "netcode.client": ("Client",),
    "netcode.errors": (
        "ChannelFull",
        "ConfigError",
        "ConnectError",
        "ConnectionClosed",
        "ConnectTimeout",
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
    ),
    "netcode.joining": ("connect",),
    "netcode.replication": ("Recording", "Table", "Track"),
    "netcode.schema": (
        "Angle",
        "ArrayOf",
        "Bits",
        "Blob",
        "Float32",
        "Float64",
        "Quantized",
        "Quat",
        "Range",
        "Schema",
        "Since",
        "Text",
        "VarUint",
        "Vec2",
        "Vec3",
    ),
    "netcode.security": ("ConnectToken", "Dialect", "generate_key"),
    "netcode.server": ("NoInput", "Server"),
    "netcode.session": ("CloseReason", "ConnectionStats", "ServerLimits"),
    "netcode.shell.drains": ("Drain",),
    "netcode.shell.events": (
        "Disconnected",
        "Joined",
        "Left",
        "Message",
        "Offered",
        "Received",
    ),
    "netcode.shell.player": ("Player",),
    "netcode.shell.requests": ("Request",),
    "netcode.shell.stats": ("ServerStats",),
    "netcode.shell.tick": ("Tick",),
    "netcode.shell.transfers": ("IncomingTransfer", "OutgoingTransfer", "Progress"),
    "netcode.shell.world": ("Entity",),
}
ORIGINS = {name: module for module, names in HOMES.items() for name in names}
FLOORS = (
    "asyncio", "bits", "channel", "client", "compat", "constants", "delta", "errors", "io",
    "replication", "schema", "security", "server", "session", "shell", "simulation",
)  # fmt: skip

if not TYPE_CHECKING:  # who checks types has the imports above, and should see misspelt names

    def __getattr__(name):
        """Import what is asked for when it is first asked for (PEP 562).

        NumPy and the compiled floors take ten times as long as Python itself: a command that only
        wants the version, or a tool that only wants ``netcode.bits``, should not wait for them.
        """
        if name in ORIGINS:
            value = getattr(import_module(ORIGINS[name]), name)
        elif name in FLOORS:
            value = import_module(f"netcode.{name}")
        else:
            raise AttributeError(f"module 'netcode' has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__():
        return sorted({*globals(), *__all__, *FLOORS})
