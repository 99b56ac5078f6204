"""Limits and sizes shared by more than one floor, each with its reason."""

from typing import Final

MAX_DATAGRAM_BYTES: Final = 1225
"""The largest netcode 1.02 packet: 9 header bytes, a 1,200-byte payload and a 16-byte tag."""

MAX_PAYLOAD_BYTES: Final = 1200
"""The largest netcode 1.02 payload; with IPv6 and UDP headers it stays under a 1,280-byte path."""

DATAGRAM_SLOT_BYTES: Final = 1408
"""Room for one received datagram: above 1,300 (the largest dialect), a multiple of a cache line."""

MAX_CLIENTS: Final = 65_535
"""Client slots of one server; an index fits 16 bits."""

RESUME_TOKEN_BYTES: Final = 1112
"""A resume token: nonce (24), sealed private token (1,024) and the two keys (32 each)."""

RESUME_TOKENS: Final = 2
"""Of a connection, good at a time: to move with one, and on before the next has come."""
