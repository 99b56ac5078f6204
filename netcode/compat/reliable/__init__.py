"""The wire format "reliable 1.0": acks and fragments of the C library of that name.

A ReliableEndpoint is one end of a connection. It puts a header in front of each packet that says
which packets of the other end have arrived, and cuts packets that are too large into fragments.
It resends nothing, orders nothing and encrypts nothing: it says which packets arrived. Between
two games it sits inside the payloads of netcode 1.02; yojimbo does the same::

    for datagram in endpoint.send(packet, now):
        client.push(0, datagram)          # or a socket
    ...
    received = endpoint.receive(datagram, now)
    if received is not None:
        sequence, packet = received
    for sequence in endpoint.pop_acks():
        ...                               # the other end has that packet

Time is an argument. What a peer sends never raises: it is dropped and counted. Bit n of
``ack_bits`` acknowledges ``ack - n``, as the library does it; its STANDARD.md of version 1.4.0
says otherwise, and is wrong.

The rooms, each using only those before it:

    config    ReliableConfig, ReliableStats
    header    headers of packets and fragments, in C
    window    which sequences are known, in C, inline
    figures   round-trip times, loss and bandwidth, in C, inline
    endpoint  ReliableEndpoint
"""

from netcode.compat.reliable.config import PacketHeader, ReliableConfig, ReliableStats
from netcode.compat.reliable.endpoint import ReliableEndpoint
from netcode.compat.reliable.header import read_header, write_header

__all__ = [
    "PacketHeader",
    "ReliableConfig",
    "ReliableEndpoint",
    "ReliableStats",
    "read_header",
    "write_header",
]
