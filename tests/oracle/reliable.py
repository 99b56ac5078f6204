"""reliable 1.0 in slow, obvious Python: headers as in its STANDARD.md, an endpoint over dicts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

CIRCLE = 1 << 16


def encode(sequence: int, ack: int, ack_bits: int) -> bytes:
    distance = (sequence - ack) % CIRCLE
    chunks = [byte for byte in ack_bits.to_bytes(4, "little") if byte != 0xFF]
    present = [byte != 0xFF for byte in ack_bits.to_bytes(4, "little")]
    prefix = sum(2 << n for n, there in enumerate(present) if there)
    short = distance < 256
    told = bytes([distance]) if short else ack.to_bytes(2, "little")
    return bytes([prefix | short << 5]) + sequence.to_bytes(2, "little") + told + bytes(chunks)


def decode(data: bytes) -> tuple[int, int, int, int] | None:
    """(sequence, ack, ack_bits, bytes read)"""
    if not data or data[0] & 1:
        return None
    rest = list(data[1:])
    try:
        sequence = rest.pop(0) + 256 * rest.pop(0)
        first = rest.pop(0)
        ack = (sequence - first) % CIRCLE if data[0] & 32 else first + 256 * rest.pop(0)
        four = [rest.pop(0) if data[0] & (2 << n) else 0xFF for n in range(4)]
    except IndexError:
        return None
    return sequence, ack, int.from_bytes(bytes(four), "little"), len(data) - len(rest)


def after(a: int, b: int) -> bool:
    """Whether ``a`` is ahead of ``b`` on the circle."""
    ahead = (a - b) % CIRCLE
    return 0 < ahead < 32768 or (ahead == 32768 and a > b)


@dataclass
class Window:
    """The newest ``size`` sequences and what is known of them."""

    size: int
    next: int = 0
    known: dict[int, Any] = field(default_factory=dict)

    def stale(self, sequence: int) -> bool:
        return after((self.next - self.size) % CIRCLE, sequence)

    def advance(self, sequence: int) -> None:
        if after((sequence + 1) % CIRCLE, self.next):
            self.next = (sequence + 1) % CIRCLE
            inside = {(self.next - 1 - n) % CIRCLE for n in range(self.size)}
            self.known = {s: v for s, v in self.known.items() if s in inside and s != sequence}


class Endpoint:
    """Takes the config of the real one, and says the same."""

    def __init__(self, config: Any, sequence: int = 0) -> None:
        self.config = config
        self.sequence = sequence
        self.sent = Window(config.sent_packets_buffer_size)
        self.received = Window(config.received_packets_buffer_size)
        self.partial = Window(config.fragment_reassembly_buffer_size)
        self.acks: list[int] = []
        self.counters: Counter[str] = Counter()

    def send(self, packet: bytes) -> list[bytes]:
        ack = (self.received.next - 1) % CIRCLE
        bits = sum(1 << n for n in range(32) if (ack - n) % CIRCLE in self.received.known)
        head = encode(self.sequence, ack, bits)
        self.sent.advance(self.sequence)
        self.sent.known[self.sequence] = "sent"
        number = self.sequence.to_bytes(2, "little")
        self.sequence = (self.sequence + 1) % CIRCLE
        self.counters["packets_sent"] += 1
        if len(packet) <= self.config.fragment_above:
            return [head + packet]
        size = self.config.fragment_size
        parts = [packet[at : at + size] for at in range(0, len(packet), size)]
        self.counters["fragments_sent"] += len(parts)
        parts[0] = head + parts[0]
        return [b"\1" + number + bytes([n, len(parts) - 1]) + part for n, part in enumerate(parts)]

    def receive(self, data: bytes, accepts: bool = True) -> tuple[int, bytes] | None:
        if len(data) > self.config.max_packet_size + 14:
            self.counters["packets_too_large_to_receive"] += 1
            return None
        if data and data[0] & 1:
            return self.fragment(data, accepts)
        self.counters["packets_received"] += 1
        found = decode(data)
        if found is None:
            self.counters["packets_invalid"] += 1
            return None
        sequence, ack, bits, used = found
        packet = data[used:]
        if len(packet) > self.config.max_packet_size:
            self.counters["packets_too_large_to_receive"] += 1
        elif self.received.stale(sequence):
            self.counters["packets_stale"] += 1
        elif sequence in self.received.known:
            self.counters["packets_duplicate"] += 1
        elif not accepts:
            self.counters["packets_rejected"] += 1
        else:
            self.received.advance(sequence)
            self.received.known[sequence] = True
            self.partial.advance(sequence)
            for n in range(32):
                if bits >> n & 1:
                    self.hear((ack - n) % CIRCLE)
            return sequence, packet
        return None

    def hear(self, sequence: int) -> None:
        if self.sent.known.get(sequence) == "sent":
            if len(self.acks) == self.config.ack_buffer_size:
                self.counters["acks_postponed"] += 1
            else:
                self.sent.known[sequence] = "acked"
                self.acks.append(sequence)
                self.counters["packets_acked"] += 1

    def fragment(self, data: bytes, accepts: bool) -> tuple[int, bytes] | None:
        good = len(data) >= 5 and data[0] == 1
        head = None
        if good:
            sequence, index, count = data[1] + 256 * data[2], data[3], data[4] + 1
            body = data[5:]
            good = index < count <= self.config.max_fragments
            if good and index == 0:
                head = decode(body)
                good = head is not None and head[0] == sequence
                if good and head is not None:
                    good = body.startswith(encode(*head[:3])) and len(encode(*head[:3])) == head[3]
                    body = body[head[3] :]
            good = good and len(body) <= self.config.fragment_size
            good = good and (index == count - 1 or len(body) == self.config.fragment_size)
        if not good:
            self.counters["fragments_invalid"] += 1
            return None
        if sequence in self.received.known:
            self.counters["fragments_late"] += 1
            return None
        if sequence not in self.partial.known:
            self.partial.advance(sequence)
            if self.partial.stale(sequence):
                self.counters["fragments_invalid"] += 1
                return None
            self.received.advance(sequence)
            self.partial.known[sequence] = (count, {}, {})
        expected, bodies, heads = self.partial.known[sequence]
        if count != expected:
            self.counters["fragments_invalid"] += 1
            return None
        if index in bodies:
            self.counters["fragments_duplicate"] += 1
            return None
        bodies[index] = body
        if head is not None:
            heads[0] = encode(*head[:3])
        self.counters["fragments_received"] += 1
        if len(bodies) < count:
            return None
        del self.partial.known[sequence]
        whole = b"".join(bodies[n] for n in range(count))
        return self.receive(heads[0] + whole, accepts)
