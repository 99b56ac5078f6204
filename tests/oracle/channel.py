"""The channel floor's wire format and bookkeeping in slow, obvious Python."""

from __future__ import annotations

from dataclasses import dataclass, field

UNIT = 64
RANGES_KEPT = 64
RANGES_SENT = 32
DELAY_UNIT = 250e-6


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def expand(low: int, near: int) -> int:
    """The value with these low 16 bits nearest to ``near``; the lower of two equally near."""
    base = near - (near & 0xFFFF) + low
    candidates = [c for c in (base - 65536, base, base + 65536) if c >= 0]
    return min(candidates, key=lambda c: (abs(c - near), c))


class Received:
    """Received packets as a set of numbers."""

    def __init__(self, first: int = 0) -> None:
        self.floor = first
        self.seen: set[int] = set()

    def ranges(self) -> list[tuple[int, int]]:
        out: list[tuple[int, int]] = []
        for sequence in sorted(self.seen):
            if out and out[-1][1] + 1 == sequence:
                out[-1] = (out[-1][0], sequence)
            else:
                out.append((sequence, sequence))
        return out

    def known(self, sequence: int) -> bool:
        if sequence < self.floor or sequence in self.seen:
            return True
        ranges = self.ranges()
        full = len(ranges) == RANGES_KEPT
        return full and sequence + 1 < ranges[0][0]

    def add(self, sequence: int) -> bool:
        if self.known(sequence):
            return False
        self.seen.add(sequence)
        ranges = self.ranges()
        if len(ranges) > RANGES_KEPT:
            self.floor = ranges[0][1] + 1
            self.seen = {s for s in self.seen if s >= self.floor}
        return True


def encode_acks(ranges: list[tuple[int, int]], delay_units: int = 0) -> bytes:
    """Inclusive ranges, newest first."""
    first, last = ranges[0]
    out = (last & 0xFFFF).to_bytes(2, "little") + varint(delay_units) + varint(last - first)
    out += bytes([len(ranges) - 1])
    below = first
    for first, last in ranges[1:]:
        out += varint(below - last - 2) + varint(last - first)
        below = first
    return out


def decode_acks(data: bytes, at: int, near: int) -> tuple[int, list[tuple[int, int]], int]:
    """(delay units, ranges newest first, next offset)."""
    last = expand(int.from_bytes(data[at : at + 2], "little"), near)
    delay, at = read_varint(data, at + 2)
    length, at = read_varint(data, at)
    more = data[at]
    at += 1
    ranges = [(last - length, last)]
    for _ in range(more):
        gap, at = read_varint(data, at)
        length, at = read_varint(data, at)
        last = ranges[-1][0] - gap - 2
        ranges.append((last - length, last))
    return delay, ranges, at


def messages(channel: int, message_id: int, payloads: list[bytes]) -> bytes:
    """Frame 0x01: reliable messages."""
    head = bytes([1, channel]) + (message_id & 0xFFFF).to_bytes(2, "little")
    return head + bytes([len(payloads)]) + b"".join(varint(len(p)) + p for p in payloads)


def fragment(
    channel: int, message_id: int, total: int, first: int, data: bytes, kind: int = 2
) -> bytes:
    """Frame 0x02 (reliable) or 0x04: units of one message."""
    head = bytes([kind, channel]) + (message_id & 0xFFFF).to_bytes(2, "little")
    return head + varint(total) + varint(first) + varint(len(data)) + data


def unreliable(channel: int, payloads: list[bytes]) -> bytes:
    """Frame 0x03: unreliable messages."""
    head = bytes([3, channel, len(payloads)])
    return head + b"".join(varint(len(p)) + p for p in payloads)


def opaque(kind: int, data: bytes) -> bytes:
    """Frames 0x40 to 0x7F."""
    return bytes([kind]) + varint(len(data)) + data


def packet(
    sequence: int, frames: bytes = b"", acks: bytes = b"", eliciting: bool | None = None
) -> bytes:
    """A transport packet."""
    asks = bool(frames) if eliciting is None else eliciting
    flags = (1 if acks else 0) | (2 if asks else 0)
    return bytes([flags]) + (sequence & 0xFFFF).to_bytes(2, "little") + acks + frames


@dataclass
class Parsed:
    """A packet taken apart."""

    flags: int
    sequence: int
    delay: int = 0
    acks: list[tuple[int, int]] = field(default_factory=list)
    frames: list[tuple[object, ...]] = field(default_factory=list)


def parse(data: bytes, near: int = 0, sent: int = 0) -> Parsed:
    """Take a valid packet apart; IndexError and the like when it is not."""
    out = Parsed(data[0], expand(int.from_bytes(data[1:3], "little"), near))
    at = 3
    if out.flags & 1:
        out.delay, out.acks, at = decode_acks(data, at, sent)
    while at < len(data):
        kind = data[at]
        if kind in (1, 3):
            channel = data[at + 1]
            message_id = int.from_bytes(data[at + 2 : at + 4], "little") if kind == 1 else None
            at += 5 if kind == 1 else 3
            payloads = []
            for _ in range(data[at - 1]):
                size, at = read_varint(data, at)
                payloads.append(data[at : at + size])
                at += size
            out.frames.append((kind, channel, message_id, payloads))
        elif kind in (2, 4):
            channel = data[at + 1]
            message_id = int.from_bytes(data[at + 2 : at + 4], "little")
            total, at = read_varint(data, at + 4)
            first, at = read_varint(data, at)
            size, at = read_varint(data, at)
            out.frames.append((kind, channel, message_id, total, first, data[at : at + size]))
            at += size
        else:
            size, at = read_varint(data, at + 1)
            out.frames.append((kind, data[at : at + size]))
            at += size
    assert at == len(data)
    return out
