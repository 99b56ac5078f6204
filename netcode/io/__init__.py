"""Datagram back ends: what carries a batch between an endpoint and the network.

Rooms, lowest first: ``address`` (text to addresses), ``transport`` (the interface
every back end fits), ``native`` (systems made alike, in C), ``system`` (batches to one
socket, in C without the GIL), ``sockets`` (opening one), ``batched`` (the class over
``system``), ``udp`` (the portable back end), ``opening`` (picks one), ``memory`` (no
network, for virtual time), ``conditioned`` (a simulated bad line before any back end),
``keeper`` (the thread that keeps connections alive while game code is slow), ``bell`` (waking
a thread) and ``thread`` (the thread that owns a server's connections).
"""

from netcode.io.address import HostPort, is_loopback, is_wildcard, resolve, split_address
from netcode.io.batched import BatchSocket
from netcode.io.conditioned import ConditionedTransport, LinkLike
from netcode.io.keeper import Keeper
from netcode.io.memory import MemoryNetwork, MemoryTransport
from netcode.io.opening import BACKENDS, open_udp
from netcode.io.sockets import buffers_for
from netcode.io.thread import ServerThread
from netcode.io.transport import Datagrams, Transport
from netcode.io.udp import UdpSocket

__all__ = [
    "BACKENDS",
    "BatchSocket",
    "ConditionedTransport",
    "Datagrams",
    "HostPort",
    "Keeper",
    "LinkLike",
    "MemoryNetwork",
    "MemoryTransport",
    "ServerThread",
    "Transport",
    "UdpSocket",
    "buffers_for",
    "is_loopback",
    "is_wildcard",
    "open_udp",
    "resolve",
    "split_address",
]
