"""Bytes near valid ones: what each bit of a message means says where to aim.

A message is one integer, least significant bit first, so that a change of any bits at any place
is a shift and a mask, and everything behind moves along.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from netcode.schema import DataRow

BAD_TEXT = (
    b"\x00", b"\x80", b"\xbf", b"\xc0\xaf", b"\xc1\x81", b"\xe0\x80\xaf", b"\xed\xa0\x80",
    b"\xed\xbf\xbf", b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xf5\x80", b"\xfe", b"\xff",
    b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98",
)  # fmt: skip
"""NUL, stray and overlong forms, surrogates, beyond U+10FFFF, and characters cut short."""

VARINTS = tuple(
    bytes.fromhex(each)
    for each in (
        "00", "7f", "8000", "8001", "808000", "ff00", "ffffffff0f", "ffffffff8f00",
        "ffffffffffffffff7f", "ffffffffffffffffff01", "ffffffffffffffffff02",
        "ffffffffffffffffff7f", "ffffffffffffffffffff", "8080808080808080808001",
        "80808080808080808001", "80808080808080808000", "ffffffffffffffffff8100", "80", "ffff03",
    )
)  # fmt: skip
"""Short, long, overlong, above 64 bits, never-ending."""


T = TypeVar("T")


def pick(rng: random.Random, items: Sequence[T]) -> T:
    """As ``rng.choice``, in a fraction of the time."""
    return items[int(rng.random() * len(items))]


@dataclass(slots=True)
class Spot:
    """Bits that belong together: ``role`` is count, size, varint, text, code or padding."""

    bit: int
    bits: int
    role: str


def role_of(row: DataRow) -> str:
    """What a row of an explanation is for the mutator."""
    note = row.note
    if note.startswith(("count", "size")):
        return "count"
    if note.startswith("varuint") or note == "objects follow":
        return "varint"
    if note == "text":
        return "text"
    return note if note in ("blob", "padding") else "code"


@dataclass(slots=True)
class Seed:
    """A message, and where its parts are."""

    data: bytes
    spots: Sequence[Spot]
    number: int = 0
    roles: dict[str, list[Spot]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.number = int.from_bytes(self.data, "little")
        for spot in self.spots:
            self.roles[spot.role].append(spot)

    @classmethod
    def from_rows(cls, data: bytes, rows: Iterable[DataRow]) -> Seed:
        """A message whose parts ``explain`` told."""
        return cls(data, [Spot(row.bit, row.bits, role_of(row)) for row in rows if row.bits])


def joined(number: int, bits: int) -> bytes:
    return number.to_bytes((bits + 7) // 8, "little")


def replaced(seed: Seed, spot: Spot, code: int, bits: int) -> bytes:
    """Other bits in the place of a spot, of any length."""
    low = seed.number & ((1 << spot.bit) - 1)
    high = seed.number >> (spot.bit + spot.bits)
    number = low | code << spot.bit | high << (spot.bit + bits)
    return joined(number, max(0, 8 * len(seed.data) - spot.bits) + bits)


class Mutator:
    """An endless stream of messages near ``seeds``, each with the name of what was done."""

    def __init__(self, rng: random.Random, seeds: Iterable[Seed]) -> None:
        self.rng = rng
        self.seeds = list(seeds)
        weighted: list[tuple[int, str, Callable[[Seed], bytes]]] = [
            (1, "valid", self.valid),
            (8, "flip", self.flip),
            (3, "truncate", self.truncate),
            (2, "cut at a field", self.cut),
            (2, "extend", self.extend),
            (4, "random", self.random),
            (3, "splice", self.splice),
            (3, "insert bits", self.insert),
            (3, "remove bits", self.remove),
            (4, "edge byte", self.edge_byte),
            (12, "code", self.code),
            (8, "count", self.count),
            (7, "varint", self.varint),
            (6, "text", self.text),
            (2, "padding", self.padding),
        ]
        self.ways = [(name, way) for weight, name, way in weighted for _ in range(weight)]

    def next(self) -> tuple[str, bytes]:
        """What was done, and the message."""
        rng = self.rng
        name, way = pick(rng, self.ways)
        data = way(pick(rng, self.seeds))
        if rng.random() < 0.1 and name != "valid":
            data = self.again(data)
        return name, data

    def spot(self, seed: Seed, role: str) -> Spot | None:
        spots = seed.roles.get(role)
        return pick(self.rng, spots) if spots else None

    def again(self, data: bytes) -> bytes:
        """A second blow, without aim."""
        if not data:
            return data
        at = self.rng.randrange(len(data))
        byte = pick(self.rng, (0, 0x7F, 0x80, 0xFF, data[at] ^ 1, data[at] ^ 0x80))
        return data[:at] + bytes((byte,)) + data[at + 1 :]

    def valid(self, seed: Seed) -> bytes:
        return seed.data

    def flip(self, seed: Seed) -> bytes:
        bits = 8 * len(seed.data)
        if not bits:
            return self.extend(seed)
        number = seed.number
        for _ in range(pick(self.rng, (1, 1, 1, 2, 3, 8))):
            number ^= 1 << self.rng.randrange(bits)
        return joined(number, bits)

    def truncate(self, seed: Seed) -> bytes:
        return seed.data[: self.rng.randint(0, len(seed.data))]

    def cut(self, seed: Seed) -> bytes:
        """Only the bits up to a field or up to within it, and zeros up to a byte."""
        if not seed.spots:
            return b""
        spot = pick(self.rng, seed.spots)
        bits = spot.bit + pick(self.rng, (0, 1, spot.bits - 1, spot.bits))
        return joined(seed.number & ((1 << bits) - 1), bits)

    def extend(self, seed: Seed) -> bytes:
        rng = self.rng
        tail = pick(rng, (b"\0", b"\x01", b"\xff", b"\0" * 8, rng.randbytes(rng.randint(1, 9))))
        return seed.data + tail

    def random(self, seed: Seed) -> bytes:
        rng = self.rng
        size = pick(rng, (len(seed.data), len(seed.data), rng.randint(0, 24)))
        fill = rng.getrandbits(2)
        if fill == 0:
            return bytes((pick(rng, (0, 1, 0x7F, 0x80, 0xFE, 0xFF)),)) * size
        return rng.randbytes(size)

    def splice(self, seed: Seed) -> bytes:
        """The head of one message and the tail of another."""
        rng = self.rng
        other = pick(rng, self.seeds)
        if not seed.spots or not other.spots:
            return seed.data + other.data
        here, there = pick(rng, seed.spots), pick(rng, other.spots)
        number = seed.number & ((1 << here.bit) - 1) | other.number >> there.bit << here.bit
        return joined(number, here.bit + max(0, 8 * len(other.data) - there.bit))

    def place(self, seed: Seed) -> int:
        """A bit at which something begins, or any."""
        if seed.spots and self.rng.random() < 0.7:
            return pick(self.rng, seed.spots).bit
        return self.rng.randint(0, 8 * len(seed.data))

    def insert(self, seed: Seed) -> bytes:
        bits = pick(self.rng, (1, 1, 2, 7, 8, 13, 64))
        spot = Spot(self.place(seed), 0, "")
        return replaced(seed, spot, self.rng.getrandbits(bits), bits)

    def remove(self, seed: Seed) -> bytes:
        at = self.place(seed)
        left = 8 * len(seed.data) - at
        bits = min(left, pick(self.rng, (1, 1, 2, 7, 8, 13, 64)))
        return replaced(seed, Spot(at, bits, ""), 0, 0)

    def edge_byte(self, seed: Seed) -> bytes:
        return self.again(seed.data)

    def code(self, seed: Seed) -> bytes:
        """Another code of the same width: at its ends, near itself, or any."""
        spot = self.spot(seed, "code")
        return self.flip(seed) if spot is None else self.number_at(seed, spot)

    def count(self, seed: Seed) -> bytes:
        """Another count of an array, or size of a text or blob."""
        spot = self.spot(seed, "count")
        return self.code(seed) if spot is None else self.number_at(seed, spot)

    def number_at(self, seed: Seed, spot: Spot) -> bytes:
        rng = self.rng
        ones = (1 << spot.bits) - 1
        now = seed.number >> spot.bit & ones
        match rng.getrandbits(3):
            case 0:
                code = 0
            case 1:
                code = ones
            case 2:
                code = ones - 1 & ones
            case 3:
                code = now + 1 & ones
            case 4:
                code = now - 1 & ones
            case 5:
                code = 1 << spot.bits - 1
            case 6:
                code = now ^ 1 << rng.randrange(spot.bits)
            case _:
                code = rng.getrandbits(spot.bits)
        number = seed.number ^ (now ^ code) << spot.bit
        return number.to_bytes(len(seed.data), "little")

    def varint(self, seed: Seed) -> bytes:
        """An overlong, huge or cut varint, or the same value in more groups than it needs."""
        spot = self.spot(seed, "varint")
        if spot is None:
            return self.count(seed)
        rng = self.rng
        if rng.getrandbits(1):
            code = pick(rng, VARINTS)
        else:
            now = seed.number >> spot.bit & ((1 << spot.bits) - 1)
            groups = bytearray(now.to_bytes(spot.bits // 8, "little"))
            groups[-1] |= 0x80
            code = bytes(groups) + pick(rng, (b"\x00", b"\x80\x00", b"\x01", b"\x7f", b""))
        return replaced(seed, spot, int.from_bytes(code, "little"), 8 * len(code))

    def text(self, seed: Seed) -> bytes:
        """Bytes that are no UTF-8, in the place of some of a text."""
        spot = self.spot(seed, "text")
        if spot is None:
            return self.code(seed)
        rng = self.rng
        bad = pick(rng, BAD_TEXT)
        size = min(len(bad), spot.bits // 8)
        at = pick(rng, (0, spot.bits // 8 - size, rng.randint(0, spot.bits // 8 - size)))
        where = Spot(spot.bit + 8 * at, 8 * size, "")
        return replaced(seed, where, int.from_bytes(bad[:size], "little"), 8 * size)

    def padding(self, seed: Seed) -> bytes:
        """Bits behind the end that are not zero."""
        spot = self.spot(seed, "padding")
        return self.extend(seed) if spot is None else self.number_at(seed, spot)
