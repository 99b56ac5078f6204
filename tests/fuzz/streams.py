"""BitReader and the serialize dialect: random programs of reads over damaged streams.

What was read is written again; both streams must then hold the same bits.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fuzz.messages import exact, expect
from fuzz.mutate import Mutator, Seed, Spot
from fuzz.schemas import edge, words

from netcode.bits import BitReader, BitWriter
from netcode.compat.serialize import ReadStream, WriteStream
from netcode.errors import DecodeError

STEPS = 4
"""Most reads of one program."""


@dataclass(slots=True)
class Step:
    """One operation.

    ``write`` writes a value that ``read`` gave, or is None where two codes have one value; then
    the bits themselves are copied.
    """

    name: str
    role: str
    value: Callable[[random.Random], Any]
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], Any] | None
    first: Callable[[Any, Any], Any]
    """Writes the value of a valid stream."""


def both(
    name: str, role: str, value: Callable[[random.Random], Any], read: Any, write: Any,
    canonical: bool = True,
) -> Step:  # fmt: skip
    return Step(name, role, value, read, write if canonical else None, write)


def bounds(rng: random.Random) -> tuple[int, int]:
    """A range inside int64 or uint64."""
    low = rng.choice((-(2**63), -(2**31), -100, 0, 0, 5, rng.randrange(-1000, 1000)))
    high = low + rng.choice((1, 2, 6, 255, 256, 1000, 2**31, 2**32, 2**60, 2**63 - 1))
    return low, high


# BitReader


def bit_step(rng: random.Random) -> Step:
    """A random read of a BitReader."""
    width = rng.randint(1, 64)
    low, high = bounds(rng)
    top = (1 << width) - 1
    match rng.randrange(17):
        case 0:
            return both(
                "read_bits", "code", lambda r: edge(r, 0, top),
                lambda s: s.read_bits(width), lambda s, v: s.write_bits(v, width),
            )  # fmt: skip
        case 1:
            return both(
                "read_bool", "code", lambda r: r.random() < 0.5,
                lambda s: s.read_bool(), lambda s, v: s.write_bool(v),
            )  # fmt: skip
        case 2 | 3:
            return both(
                "read_int", "code", lambda r: edge(r, low, high),
                lambda s: s.read_int(low, high), lambda s, v: s.write_int(v, low, high),
            )  # fmt: skip
        case 4 | 5:
            return both(
                "read_varint", "varint", lambda r: edge(r, 0, 2**64 - 1),
                lambda s: s.read_varint(), lambda s, v: s.write_varint(v),
            )  # fmt: skip
        case 6:
            return both(
                "read_zigzag", "varint", lambda r: edge(r, -(2**63), 2**63 - 1),
                lambda s: s.read_zigzag(), lambda s, v: s.write_zigzag(v),
            )  # fmt: skip
        case 7:
            return both(
                "read_float32", "code", lambda r: r.gauss(0, 9),
                lambda s: s.read_float32(), lambda s, v: s.write_float32(v),
            )  # fmt: skip
        case 8:
            return both(
                "read_float64", "code", lambda r: r.gauss(0, 9),
                lambda s: s.read_float64(), lambda s, v: s.write_float64(v),
            )  # fmt: skip
        case 9:
            narrow = rng.randint(1, 32)
            floor = rng.choice((-7.0, 0.0, -5.0, 3.25))
            roof = floor + rng.choice((1.0, 10.0, 0.3, 1000.0))
            how: dict[str, Any] = {"bits": narrow}
            if rng.getrandbits(1):
                how = {"step": (roof - floor) / rng.randint(1, 1000)}
            return both(
                "read_quantized", "code", lambda r: r.uniform(floor, roof),
                lambda s: s.read_quantized(floor, roof, **how),
                lambda s, v: s.write_quantized(v, floor, roof, **how),
            )  # fmt: skip
        case 10:
            narrow = rng.randint(1, 32)
            return both(
                "read_angle", "code", lambda r: r.uniform(-9, 9),
                lambda s: s.read_angle(narrow), lambda s, v: s.write_angle(v, narrow),
            )  # fmt: skip
        case 11:
            narrow = rng.randint(3, 18)
            return both(
                "read_quaternion", "code", lambda r: [r.gauss(0, 1) for _ in range(4)],
                lambda s: s.read_quaternion(narrow),
                lambda s, v: s.write_quaternion(v, narrow), canonical=False,
            )  # fmt: skip
        case 12:
            size, align = rng.randint(0, 9), rng.random() < 0.5
            return both(
                "read_bytes", "blob", lambda r: r.randbytes(size),
                lambda s: s.read_bytes(size, align=align),
                lambda s, v: s.write_bytes(v, align=align),
            )  # fmt: skip
        case 13:
            most = rng.choice((1, 7, 20, 300))
            return both(
                "read_string", "string", lambda r: words(r, min(most, 30)),
                lambda s: s.read_string(most), lambda s, v: s.write_string(v, most),
            )  # fmt: skip
        case 14:
            widths = [rng.randint(1, 64) for _ in range(rng.randint(0, 5))]
            return both(
                "read_many", "code", lambda r: [r.getrandbits(w) for w in widths],
                lambda s: s.read_many(widths), lambda s, v: s.write_many(v, widths),
            )  # fmt: skip
        case 15:
            return both(
                "align", "padding", lambda r: None, lambda s: s.align(), lambda s, v: s.align()
            )
        case _:
            return claimed(rng)


def claimed(rng: random.Random) -> Step:
    """A count from the stream, and as many bytes, numbers or bits as it claims."""
    width = rng.randint(1, 64)
    way = rng.randrange(3)
    most = 2**62

    def read(stream: Any) -> Any:
        count = min(stream.read_varint(), most)
        if way == 0:
            return count, stream.read_bytes(count)
        if way == 1:
            return count, stream.read_many(width, count)
        stream.skip(count)
        return count, None

    def write(stream: Any, value: Any) -> None:
        count, items = value
        stream.write_varint(count)
        if way == 0:
            stream.write_bytes(items)
        elif way == 1:
            stream.write_many(items, width)
        else:
            stream.write_many([0] * count, 1)

    def value(r: random.Random) -> Any:
        count = r.randrange(6)
        return count, r.randbytes(count) if way == 0 else [r.getrandbits(width)] * count

    return both("claimed count", "varint", value, read, write, canonical=way < 2)


# The serialize dialect


def serialize_step(rng: random.Random) -> Step:
    """A random operation of a ReadStream; its twin of WriteStream takes the same arguments."""
    width = rng.randint(1, 64)
    low, high = bounds(rng)
    floor = float(rng.randrange(-9, 9))
    before = rng.choice((0, 5, 1000, 2**31, 2**32 - 2))
    size = rng.choice((1, 2, 8, 100))
    count = rng.randint(0, 9)
    choices: list[tuple[str, str, tuple[Any, ...], Callable[[random.Random], Any]]] = [
        ("bits", "code", (width,), lambda r: edge(r, 0, (1 << width) - 1)),
        ("bool", "code", (), lambda r: r.random() < 0.5),
        ("int", "code", (-7, 1000), lambda r: edge(r, -7, 1000)),
        ("int", "code", (-(2**31), 2**31 - 1), lambda r: edge(r, -(2**31), 2**31 - 1)),
        ("int64", "code", (low, min(high, 2**63 - 1)), lambda r: edge(r, low, low + 1)),
        ("uint128", "code", (), lambda r: r.getrandbits(r.choice((3, 128)))),
        ("int128", "code", (-(10**30), 10**31), lambda r: r.randint(-(10**30), 10**31)),
        ("int128", "code", (0, 6), lambda r: r.randint(0, 6)),
        ("fixed", "code", (16, 16, -9, 300), lambda r: r.randint(-9 << 16, 300 << 16)),
        ("fixed", "code", (64, 64, -(2**62), 2**62), lambda r: r.randint(-(2**126), 2**126)),
        ("int_relative", "code", (before,), lambda r: edge(r, before + 1, 2**32 - 1)),
        ("float", "code", (), lambda r: r.gauss(0, 9)),
        ("double", "code", (), lambda r: r.gauss(0, 9)),
        ("compressed_float", "code", (floor, floor + 10.0, 0.01), lambda r: floor + r.random()),
        ("bytes", "blob", (count,), lambda r: r.randbytes(count)),
        ("string", "string", (size,), lambda r: words(r, min(size - 1, 12))),
        ("wstring", "code", (size,), lambda r: utf16_words(r, min(size - 1, 12))),
        ("align", "padding", (), lambda r: None),
    ]
    name, role, arguments, value = rng.choice(choices)
    if name == "align":
        return both(name, role, value, lambda s: s.align(), lambda s, v: s.align())
    return both(
        name, role, value,
        lambda s: getattr(s, name)(None, *arguments),
        lambda s, v: getattr(s, name)(v, *arguments),
        canonical=name not in ("int_relative", "compressed_float"),
    )  # fmt: skip


def utf16_words(rng: random.Random, most: int) -> str:
    """A text of at most ``most`` units."""
    return words(rng, most)[: most // 2]


# Programs


class Program:
    """Some steps, valid streams of them, and the reading of damaged ones."""

    def __init__(self, rng: random.Random, kind: str, streams: int) -> None:
        self.rng = rng
        self.serialize = kind == "serialize"
        step = serialize_step if self.serialize else bit_step
        self.steps = [step(rng) for _ in range(rng.randint(1, STEPS))]
        self.mutator = Mutator(rng, [self.valid() for _ in range(streams)])

    def __repr__(self) -> str:
        return " ".join(step.name for step in self.steps)

    def valid(self) -> Seed:
        """A stream that reads without an error."""
        writer = BitWriter()
        stream = WriteStream(writer) if self.serialize else writer
        spots = []
        for step in self.steps:
            start = writer.bit_position
            step.first(stream, step.value(self.rng))
            bits = writer.bit_position - start
            spots += self.parts(step, start, bits) if bits else []
        return Seed(writer.to_bytes(), spots)

    @staticmethod
    def parts(step: Step, start: int, bits: int) -> list[Spot]:
        """The spots of one step: the length of a text lies somewhere before a byte boundary."""
        if step.role == "varint":  # of what is read the varint is a part
            return [Spot(start, 8, "varint" if bits == 8 else "code")]
        body = start + bits - (start + bits) % 8
        first = start + min(bits, 7)
        if step.role != "string" or body - first < 8:
            return [Spot(start, bits, "count" if step.role == "string" else step.role)]
        first += -first % 8
        texts = [Spot(first, start + bits - first, "text")] if first < start + bits else []
        return [Spot(start, min(bits, 4), "count"), *texts]

    def check(self, data: bytes) -> str:
        """Read one input; returns the outcome."""
        rng = self.rng
        size = 8 * len(data)
        if rng.getrandbits(3) == 0:
            size = rng.randint(0, size)
        reader = BitReader(exact(data), bits=size)
        writer = BitWriter()
        source = ReadStream(reader) if self.serialize else reader
        target = WriteStream(writer) if self.serialize else writer
        number = int.from_bytes(data, "little")
        outcome = "accepted"
        start = 0
        for step in self.steps:
            try:
                value = step.read(source)
            except DecodeError as error:
                outcome = "refused by " + step.name
                # What reads twice has read the count.
                expect(
                    reader.bit_position == start or step.name == "claimed count",
                    "a failed read moves", step.name, start, reader.bit_position,
                )  # fmt: skip
                expect(error.bit is not None, "an error without its bit", step.name)
                break
            end = reader.bit_position
            expect(start <= end <= size, "a read goes past the end", step.name, start, end)
            if step.write is not None:
                step.write(target, value)
            else:
                copy(writer, number >> start & ((1 << end - start) - 1), end - start)
            expect(writer.bit_position == end, "it is written in other bits", step.name, value)
            start = end
        again = int.from_bytes(writer.to_bytes(), "little")
        expect(again == number & ((1 << start) - 1), "what was read is written otherwise", data)
        if rng.getrandbits(3) == 0:
            self.leave(reader, size)
        return outcome

    def leave(self, reader: BitReader, size: int) -> None:
        """Go elsewhere, also where there is nothing."""
        rng = self.rng
        for move, amount in (
            (reader.skip, rng.choice((0, 1, size, 2**40))),
            (reader.seek, rng.choice((0, size, size + 1, 2**63 - 1))),
        ):
            try:
                move(amount)
            except DecodeError:
                continue
        try:
            reader.expect_end()
        except DecodeError:
            return
        expect(reader.bits_remaining < 8, "expect_end is wrong")


def copy(writer: BitWriter, code: int, bits: int) -> None:
    """Append bits as they are."""
    while bits > 0:
        part = min(bits, 64)
        writer.write_bits(code & ((1 << part) - 1), part)
        code >>= part
        bits -= part
