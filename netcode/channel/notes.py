"""What the two ends of a transfer tell each other: small binary notes, little-endian.

From the sending end, on the transfers' own channel, which is reliable and ordered:

    0 OPEN    u32 id, u64 bytes in all (all ones: not known), u8 size and UTF-8 of the name
    1 DATA    u32 id, 1 to MAX_DATA bytes
    2 END     u32 id                      that was all
    3 STOP    u32 id, u8 reason           there will be no more

From the receiving end, where they overtake what it sends itself:

    4 GRANT   u32 id, u64 taken, u64 limit   bytes the game has taken; bytes that may be sent in all
    5 REFUSE  u32 id, u8 reason           it wants no more
    6 DONE    u32 id                      the game has taken all

Ids count up from 1 at each sending end. A note that is not exactly one of these is a DecodeError.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final, NamedTuple

from netcode.errors import DecodeError

__all__ = [
    "MAX_DATA",
    "MAX_NAME",
    "RECEIVER_NOTES",
    "SENDER_NOTES",
    "UNKNOWN",
    "Note",
    "NoteKind",
    "TransferReason",
    "parse_note",
    "put_note",
]

MAX_DATA: Final = 16_384
"""Bytes of one DATA; a message of its own on the wire."""
MAX_NAME: Final = 200
"""Bytes of a name in UTF-8."""
UNKNOWN: Final = 2**64 - 1
"""In place of the bytes in all."""


class NoteKind(IntEnum):
    """The first byte."""

    OPEN = 0
    DATA = 1
    END = 2
    STOP = 3
    GRANT = 4
    REFUSE = 5
    DONE = 6


SENDER_NOTES: Final = (NoteKind.OPEN, NoteKind.DATA, NoteKind.END, NoteKind.STOP)
RECEIVER_NOTES: Final = (NoteKind.GRANT, NoteKind.REFUSE, NoteKind.DONE)


class TransferReason(IntEnum):
    """Why a transfer ended before its end."""

    CANCELLED = 0
    """The game of one end called ``cancel``."""
    TOO_LARGE = 1
    """It has more bytes than the receiving game accepts."""
    BUSY = 2
    """The receiving end has as many as it takes at a time."""
    FAILED = 3
    """What it was read from raised, or ended before the size that was announced."""
    CLOSED = 4
    """The connection is over."""


class Note(NamedTuple):
    """One note; what its kind does not have is 0 or empty."""

    kind: NoteKind
    id: int
    a: int = 0
    """OPEN: bytes in all, or UNKNOWN; GRANT: taken; STOP, REFUSE: the reason."""
    b: int = 0
    """GRANT: limit."""
    data: bytes = b""
    """DATA: the bytes; OPEN: the name."""


HEAD: Final = struct.Struct("<BI")
OPEN: Final = struct.Struct("<QB")
GRANT: Final = struct.Struct("<QQ")


def put_note(note: Note) -> bytes:
    """The bytes of a note."""
    head = HEAD.pack(note.kind, note.id)
    if note.kind is NoteKind.OPEN:
        return head + OPEN.pack(note.a, len(note.data)) + note.data
    if note.kind is NoteKind.DATA:
        return head + note.data
    if note.kind is NoteKind.GRANT:
        return head + GRANT.pack(note.a, note.b)
    if note.kind in (NoteKind.STOP, NoteKind.REFUSE):
        return head + bytes([note.a])
    return head


def parse_note(data: bytes) -> Note:
    """Raises DecodeError for anything that is not exactly one note."""
    if len(data) < HEAD.size or data[0] > NoteKind.DONE:
        raise DecodeError("no note of a transfer")
    number, ident = HEAD.unpack_from(data)
    kind = NoteKind(number)
    size = len(data) - HEAD.size
    if kind is NoteKind.DATA and 1 <= size <= MAX_DATA:
        return Note(kind, ident, data=data[HEAD.size :])
    if kind is NoteKind.OPEN and size >= OPEN.size:
        total, named = OPEN.unpack_from(data, HEAD.size)
        name = data[HEAD.size + OPEN.size :]
        if len(name) == named <= MAX_NAME:
            return Note(kind, ident, total, data=name)
    elif kind is NoteKind.GRANT and size == GRANT.size:
        return Note(kind, ident, *GRANT.unpack_from(data, HEAD.size))
    elif kind in (NoteKind.STOP, NoteKind.REFUSE) and size == 1:
        if data[-1] <= TransferReason.CLOSED:
            return Note(kind, ident, data[-1])
    elif kind in (NoteKind.END, NoteKind.DONE) and size == 0:
        return Note(kind, ident)
    raise DecodeError(f"malformed note {kind.name} of a transfer")
