"""Sections and acknowledgement frames in plain Python, written from the format's description.

A table's state is a dict of slot -> Row; a missing slot is dead. ``fields`` holds the lane widths
of each field, ``capacity`` the slots of the table.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

HEADER = 5
LIMIT = 1100


class Row(NamedTuple):
    generation: int
    owner: int | None
    codes: tuple[int, ...]


State = dict[int, Row]


class BitsOut:
    def __init__(self) -> None:
        self.bits: list[int] = []

    def put(self, value: int, width: int) -> None:
        self.bits += [value >> i & 1 for i in range(width)]

    def bytes(self) -> bytes:
        padded = self.bits + [0] * (-len(self.bits) % 8)
        return bytes(
            sum(bit << k for k, bit in enumerate(padded[i : i + 8]))
            for i in range(0, len(padded), 8)
        )


class BitsIn:
    def __init__(self, data: bytes) -> None:
        self.bits = [byte >> k & 1 for byte in data for k in range(8)]
        self.at = 0

    def get(self, width: int) -> int:
        if self.at + width > len(self.bits):
            raise EOFError
        part = self.bits[self.at : self.at + width]
        self.at += width
        return sum(bit << k for k, bit in enumerate(part))


def slot_bits(capacity: int) -> int:
    return (capacity - 1).bit_length()


def rice_cost(gaps: list[int], k: int) -> int:
    return sum((gap >> k) + 1 + k for gap in gaps)


def encode(
    fields: list[list[int]],
    capacity: int,
    slots: list[int],
    now: State,
    tick: int,
    base: State | None = None,
    base_tick: int = 0,
    table: int = 0,
    index: int = 0,
) -> bytes:
    """One section with exactly these slots, however long it gets."""
    header = bytes([table, tick & 0xFF, tick >> 8 & 0xFF, index, tick - base_tick if base else 0])
    out = BitsOut()
    gaps = [b - a - 1 for a, b in itertools.pairwise(slots)]
    k = min(range(16), key=lambda each: (rice_cost(gaps, each), each))
    out.put(k, 4)
    out.put(len(slots) - 1, slot_bits(capacity))
    out.put(slots[0], slot_bits(capacity))
    for gap in gaps:
        out.put(0, gap >> k)
        out.put(1, 1)
        out.put(gap & ((1 << k) - 1), k)
    for slot in slots:
        put_row(out, fields, now.get(slot), None if base is None else base[slot])
    return header + out.bytes()


def put_row(out: BitsOut, fields: list[list[int]], row: Row | None, before: Row | None) -> None:
    if before is None:
        out.put(row is not None, 1)
        if row is None:
            return
        out.put(row.generation, 16)
        out.put(row.owner is not None, 1)
        if row.owner is not None:
            out.put(row.owner, 16)
    assert row is not None
    at = 0
    for field in fields:
        if not field:
            continue
        codes = row.codes[at : at + len(field)]
        old = before.codes[at : at + len(field)] if before else (0,) * len(field)
        out.put(codes != old, 1)
        if codes != old:
            for width, code in zip(field, codes, strict=True):
                out.put(code, width)
        at += len(field)


def decode(
    fields: list[list[int]], capacity: int, data: bytes, base: State | None = None
) -> tuple[bytes, State, list[int]]:
    """(header, living rows, every slot). ``base`` is used when the header names a baseline."""
    r = BitsIn(data[HEADER:])
    k = r.get(4)
    count = r.get(slot_bits(capacity)) + 1
    slots = [r.get(slot_bits(capacity))]
    while len(slots) < count:
        gap = 0
        while not r.get(1):
            gap += 1
        slots.append(slots[-1] + 1 + (gap << k | r.get(k)))
    state: State = {}
    for slot in slots:
        if data[4]:
            assert base is not None
            generation, owner, codes = base[slot]
        else:
            if not r.get(1):
                continue
            generation = r.get(16)
            owner = r.get(16) if r.get(1) else None
            codes = (0,) * sum(map(len, fields))
        new: list[int] = []
        for field in fields:
            if not field:
                continue
            if r.get(1):
                new += [r.get(width) for width in field]
            else:
                new += codes[len(new) : len(new) + len(field)]
        state[slot] = Row(generation, owner, tuple(new))
    assert r.at + 8 > len(r.bits)
    assert not any(r.bits[r.at :])
    return data[:HEADER], state, slots


class RangeIn:
    """Even decisions out of the string of a range coder: 32 bits, zeros beyond the end."""

    def __init__(self, data: bytes) -> None:
        self.data = list(data)
        self.range = 0xFFFFFFFF
        self.above = 0  # the string less the low end of the range
        for _ in range(4):
            self.shift()

    def shift(self) -> None:
        self.above = self.above << 8 | (self.data.pop(0) if self.data else 0)

    def get(self, width: int) -> int:
        result = 0
        while width:
            step = min(width, 12)
            width -= step
            self.range >>= step
            part, self.above = divmod(self.above, self.range)
            while self.range < 1 << 24:
                self.range <<= 8
                self.shift()
            result = result << step | part
        return result


class RangeOut:
    """Even decisions into such a string."""

    def __init__(self) -> None:
        self.low, self.range, self.bytes = 0, 0xFFFFFFFF, 4

    def put(self, value: int, width: int) -> None:
        while width:
            step = min(width, 12)
            width -= step
            self.range >>= step
            self.low += self.range * (value >> width & ((1 << step) - 1))
            while self.range < 1 << 24:
                self.range <<= 8
                self.low <<= 8
                self.bytes += 1

    def data(self) -> bytes:
        return (self.low + self.range // 2).to_bytes(self.bytes, "big")


def slot_set(capacity: int, slots: list[int], runs: bool, k: int, length: int) -> bytes:
    """The slot set of a predicted body, two slots or more, with these parameters."""
    out = RangeOut()

    def rice(value: int, k: int) -> None:
        for _ in range(value >> k):
            out.put(0, 1)
        out.put(1, 1)
        out.put(value & ((1 << k) - 1), k)

    out.put(len(slots) - 1, slot_bits(capacity))
    out.put(slots[0], slot_bits(capacity))
    out.put(runs, 1)
    out.put(k, 4)
    gaps = [b - a - 1 for a, b in itertools.pairwise(slots)]
    if not runs:
        for gap in gaps:
            rice(gap, k)
        return out.data()
    out.put(length, 4)
    run = 0
    for gap in gaps:
        run += 1
        if gap:
            rice(run - 1, length)
            rice(gap - 1, k)
            run = 0
    rice(run, length)
    return out.data()


def predicted_slots(capacity: int, data: bytes) -> tuple[int, int, list[int]]:
    """(tick - A, A - B or 0, slots) of a predicted section."""
    assert data[4] & 64
    older = data[HEADER] if data[4] & 128 else 0
    r = RangeIn(data[HEADER + (older > 0) :])
    count = r.get(slot_bits(capacity)) + 1
    slots = [r.get(slot_bits(capacity))]

    def rice(k: int) -> int:
        high = 0
        while not r.get(1):
            high += 1
        return high << k | r.get(k)

    runs, k = (r.get(1), r.get(4)) if count > 1 else (0, 0)
    length = r.get(4) if runs else 0
    while runs:
        slots += range(slots[-1] + 1, slots[-1] + 1 + rice(length))
        if len(slots) == count:
            break
        slots.append(slots[-1] + 2 + rice(k))
    while len(slots) < count:
        slots.append(slots[-1] + 1 + rice(k))
    return data[4] & 63, older, slots


def decoded_frame(tick: int, counts: dict[int, int], got: dict[int, set[int]]) -> bytes:
    """A DECODED frame for the 16 ticks up to ``tick``: section counts where known, sections got."""
    complete = 0
    masks = []
    for back in range(16):
        have = got.get(tick - back, set())
        if not have:
            continue
        if len(have) == counts.get(tick - back):
            complete |= 1 << back
            continue
        mask = sum(1 << each for each in have)
        packed = mask.to_bytes((mask.bit_length() + 7) // 8, "little")
        masks.append(bytes([back, len(packed)]) + packed)
    head = (tick & 0xFFFF).to_bytes(2, "little") + complete.to_bytes(2, "little")
    return head + bytes([len(masks)]) + b"".join(masks)
