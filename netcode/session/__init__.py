"""Sans-IO server and client endpoints of netcode 1.02: no socket, no clock, no entropy inside.

Rooms, each using the ones before: ``lookup``, ``timers``, ``batch``, ``counters``, ``reasons``,
``events``, ``stats``, ``connection``, ``pool``, ``token_history``, ``resume``, ``handshake``,
``limiter``, ``admission``, ``prefetch``, ``server_core``, ``client_core``, ``client_roaming``,
``ring``, ``config``, ``message_batch``, ``mailbox``, ``access``, ``many``, ``server``, ``client``;
and for cores that a thread of their own drives, ``records``, ``exchange``, ``outbox``, ``intake``,
``desk``.
"""

from netcode.session.access import COUNTER_NAMES
from netcode.session.batch import DatagramBatch
from netcode.session.client import ClientEndpoint
from netcode.session.config import ClientConfig, ServerConfig, ServerLimits
from netcode.session.desk import ServerDesk
from netcode.session.events import (
    ClientConnected,
    ClientDisconnected,
    ClientMoved,
    ClientState,
    CloseReason,
    Connected,
    Disconnected,
    DisconnectReason,
)
from netcode.session.many import EVENT_DTYPE
from netcode.session.message_batch import MESSAGE_DTYPE, MessageBatch
from netcode.session.server import ServerEndpoint
from netcode.session.stats import ConnectionStats

__all__ = [
    "COUNTER_NAMES",
    "EVENT_DTYPE",
    "MESSAGE_DTYPE",
    "ClientConfig",
    "ClientConnected",
    "ClientDisconnected",
    "ClientEndpoint",
    "ClientMoved",
    "ClientState",
    "CloseReason",
    "Connected",
    "ConnectionStats",
    "DatagramBatch",
    "DisconnectReason",
    "Disconnected",
    "MessageBatch",
    "ServerConfig",
    "ServerDesk",
    "ServerEndpoint",
    "ServerLimits",
]
