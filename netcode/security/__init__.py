"""Addresses, authenticated encryption, connect tokens and packets of netcode 1.02: floor 3.

The rooms, each of which may use those before it:

``protocol``   what both ends agree on; little-endian loads and stores (C only)
``buffers``    arguments from Python as checked C values
``aead``       ChaCha20-Poly1305 from PyNaCl's libsodium; the one source of entropy
``address``    IP address and port: C struct, text, token bytes
``replay``     the window of the newest 256 sequences
``token``      private, public and challenge tokens
``packet``     sealing and reading the seven packets, with a counted reason for every refusal
``dialect``    where implementations differ from the standard
``connect``    connect tokens as back ends make them and clients carry them

Nothing here knows sockets, clocks or channels. The C side of each room is in its ``.pxd``.
"""

from netcode.security.address import Address, parse_address
from netcode.security.aead import generate_key, random_bytes
from netcode.security.connect import ConnectToken
from netcode.security.dialect import Dialect
from netcode.security.packet import (
    PACKET_REASONS,
    OpenedPacket,
    OpenedRequest,
    PacketType,
    open_packet,
    open_request,
    seal_packet,
    seal_request,
)
from netcode.security.replay import ReplayWindow
from netcode.security.token import PrivateToken, open_challenge, seal_challenge

__all__ = [
    "PACKET_REASONS",
    "Address",
    "ConnectToken",
    "Dialect",
    "OpenedPacket",
    "OpenedRequest",
    "PacketType",
    "PrivateToken",
    "ReplayWindow",
    "generate_key",
    "open_challenge",
    "open_packet",
    "open_request",
    "parse_address",
    "random_bytes",
    "seal_challenge",
    "seal_packet",
    "seal_request",
]
