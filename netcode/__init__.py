"""Authoritative multiplayer netcode on a Cython core.

What most programs use is here. Every floor below is public as well: ``netcode.bits``,
``netcode.schema``, ``netcode.delta`` and so on, and ``netcode.testing`` beside them.

The rooms of this floor, each of which may use those before it:

``server``      Server
``client``      Client
``connecting``  handshakes, raced over the addresses of a name
``connect``     connect()
``asyncio``     the client under asyncio
"""

from netcode import asyncio
from netcode.bits import BitReader, BitWriter
from netcode.channel import ChannelConfig, DeliveryMode, TransportConfig
from netcode.client import Client
from netcode.connect import connect
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
    UnknownEntity,
)
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
from netcode.session import ConnectionStats, ServerLimits
from netcode.shell.events import Disconnected, Joined, Left, Message, Received
from netcode.shell.player import Player
from netcode.shell.requests import Request
from netcode.shell.stats import ServerStats
from netcode.shell.tick import Tick
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
    "ConnectionStats",
    "ServerLimits",
    # replication
    "Recording",
    "Table",
    "Track",
    # server and client
    "Client",
    "Disconnected",
    "Entity",
    "Joined",
    "Left",
    "Message",
    "NoInput",
    "Player",
    "Received",
    "Request",
    "Server",
    "ServerStats",
    "Tick",
    "asyncio",
    "connect",
]
