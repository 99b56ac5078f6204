"""Bytes, codes and objects from somebody who means harm: refused, bounded, never out of memory.

The gate runs this file under AddressSanitizer as well. NETCODE_FUZZ_CASES makes it longer.
"""

from __future__ import annotations

import contextlib
import enum
import os
import random
import tracemalloc
from typing import Annotated, Any

import numpy as np
import pytest

from netcode.errors import DecodeError, EncodeError
from netcode.schema import (
    Angle,
    ArrayOf,
    Bits,
    Blob,
    Float32,
    Float64,
    Quantized,
    Quat,
    Range,
    Schema,
    Text,
    VarUint,
    Vec2,
    Vec3,
)

CASES = int(os.environ.get("NETCODE_FUZZ_CASES", "20000"))


class Mode(enum.Enum):
    A = "a"
    B = "b"
    C = "c"


class Keys(enum.IntFlag):
    UP = 1
    FIRE = 4


class Leaf(Schema):
    number: Annotated[int, VarUint(10_000)]
    words: Annotated[list[str], ArrayOf(Text(9), max=5)]
    on: bool = False


class Everything(Schema):
    a: bool
    b: bool
    small: Annotated[int, Range(-3, 6)]
    wide: Annotated[int, Range(-(2**62), 2**62)]
    raw: Annotated[int, Bits(61)]
    free: Annotated[int, VarUint]
    x: Annotated[float, Quantized(-7, 11, step=0.3)]
    y: Annotated[float, Quantized(-1, 1, bits=17, dtype=np.float32)]
    angle: Annotated[float, Angle(11)]
    single: Annotated[float, Float32]
    double: Annotated[float, Float64(finite=False)]
    flat: Annotated[tuple[float, float], Vec2(-5, 5, bits=7)]
    place: Annotated[tuple[float, float, float], Vec3(0, (1, 2, 3), step=0.01)] | None
    turn: Annotated[tuple[float, float, float, float], Quat(10)]
    mode: Mode
    keys: Keys
    name: Annotated[str, Text(13)] | None
    blob: Annotated[bytes, Blob(70)]
    leaf: Leaf
    spare: Leaf | None
    leaves: Annotated[list[Leaf], ArrayOf(max=6)]
    grid: Annotated[list[list[int]], ArrayOf(ArrayOf(Range(0, 5), max=4), max=3)]


def leaf(rng: random.Random) -> Leaf:
    words = [
        "".join(rng.choices("ab\u00e9\u20ac", k=rng.randrange(3))) for _ in range(rng.randrange(6))
    ]
    return Leaf(rng.randrange(10_001), words, rng.random() < 0.5)


def everything(rng: random.Random) -> Everything:
    return Everything(
        rng.random() < 0.5,
        rng.random() < 0.5,
        rng.randint(-3, 6),
        rng.randint(-(2**62), 2**62),
        rng.getrandbits(61),
        rng.getrandbits(rng.randint(1, 64)),
        rng.uniform(-7, 11),
        rng.uniform(-1, 1),
        rng.uniform(-100, 100),
        rng.uniform(-1e9, 1e9),
        rng.choice([rng.uniform(-1e9, 1e9), float("inf"), float("nan")]),
        (rng.uniform(-5, 5), rng.uniform(-5, 5)),
        rng.choice([None, (rng.random(), rng.random(), rng.random())]),
        (rng.gauss(0, 1), rng.gauss(0, 1), rng.gauss(0, 1), rng.gauss(0, 1)),
        rng.choice(list(Mode)),
        Keys(rng.choice([0, 1, 4, 5])),
        rng.choice([None, "", "\u00e9t\u00e9"]),
        rng.randbytes(rng.randrange(71)),
        leaf(rng),
        rng.choice([None, leaf(rng)]),
        [leaf(rng) for _ in range(rng.randrange(7))],
        [[rng.randrange(6) for _ in range(rng.randrange(5))] for _ in range(rng.randrange(4))],
    )


def damaged(rng: random.Random, good: bytes) -> bytes:
    """A copy with something done to it."""
    data = bytearray(good)
    for _ in range(rng.randint(1, 3)):
        what = rng.randrange(6)
        at = rng.randrange(len(data) + 1)
        if what == 0:
            del data[at:]
        elif what == 1:
            data[at:at] = rng.randbytes(rng.randrange(4))
        elif what == 2:
            data[at : at + rng.randrange(9)] = b"\xff" * rng.randrange(9)
        elif what == 3:
            data = bytearray(rng.randbytes(rng.randrange(120)))
        elif at < len(data):
            data[at] ^= 1 << rng.randrange(8)
    return bytes(data)


def test_mutated_bytes(rng: random.Random) -> None:
    """What is accepted is canonical; both decoders give the same verdict."""
    good = [everything(rng).encode() for _ in range(40)]
    accepted = 0
    for _ in range(CASES):
        data = damaged(rng, rng.choice(good))
        try:
            value = Everything.decode(data)
        except DecodeError as error:
            value = None
            first = error
        else:
            accepted += 1
            assert value.encode() == data
        many = b"\1" + data
        if value is None:
            with pytest.raises(DecodeError) as caught:
                Everything.decode_records(many)
            assert (caught.value.field, caught.value.bit) == (first.field, first.bit + 8) or (
                "more than the data can hold" in str(caught.value)
            )
        else:
            assert Everything.encode_records(Everything.decode_records(many)) == many
    assert 0 < accepted < CASES


def test_mutated_lists(rng: random.Random) -> None:
    good = [Leaf.encode_many([leaf(rng) for _ in range(rng.randrange(5))]) for _ in range(20)]
    for _ in range(CASES // 4):
        data = damaged(rng, rng.choice(good))
        try:
            items = Leaf.decode_many(data)
        except DecodeError:
            with pytest.raises(DecodeError):
                Leaf.decode_records(data)
        else:
            assert Leaf.encode_many(items) == data
            assert Leaf.encode_records(Leaf.decode_records(data)) == data


def test_any_memory_as_rows(rng: random.Random) -> None:
    """Rows full of noise are refused or encoded, and lanes full of noise give good rows."""
    size = Everything.dtype.itemsize
    columns = Everything.columns(8)
    for _ in range(CASES // 40):
        noise = np.frombuffer(rng.randbytes(8 * size), Everything.dtype)
        with contextlib.suppress(EncodeError):
            Everything.decode_records(Everything.encode_records(noise))
        lanes = np.frombuffer(rng.randbytes(4 * 8 * len(Everything.lanes)), np.int32)
        Everything.dequantize(lanes.reshape(-1, 8), columns, np.ones(8, np.bool_))
        for slot in (0, 7):
            Everything.row(columns, slot).encode()


def test_counts_do_not_allocate() -> None:
    """A few bytes that claim a lot cost a few bytes."""

    class Big(Schema):
        items: Annotated[list[Leaf], ArrayOf(max=60_000)]

    class Wide(Schema):
        rows: Annotated[list[bool], ArrayOf(max=65_535)]

    claims: list[tuple[Any, bytes]] = [
        (Big.decode, b"\xff\xe8" + b"\0" * 4),
        (Wide.decode, b"\xff\xff"),
        (Leaf.decode_many, b"\xff\xff\x03" + b"\0" * 8),
        (Leaf.decode_records, b"\xff\xff\x03" + b"\0" * 8),
    ]
    tracemalloc.start()
    try:
        for decode, data in claims:
            with pytest.raises(DecodeError):
                decode(data)
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


def test_a_text_with_two_faults_has_the_same_one_everywhere() -> None:
    class Word(Schema):
        text: Annotated[str, Text(7)]

    for text in (b"\xff\0", b"\0\xff", b"a\xc3\0b", b"\xe2\x82\0"):
        number = len(text) | int.from_bytes(text, "little") << 3
        data = number.to_bytes(len(text) + 1, "little")
        for decode, wire in (
            (Word.decode, data),
            (Word.decode_many, b"\1" + data),
            (Word.decode_records, b"\1" + data),
        ):
            with pytest.raises(DecodeError, match="NUL"):
                decode(wire)


def test_unseen_flags_are_bounded() -> None:
    """Python keeps every combination of flags it has ever made; there are not many."""
    known = Keys._value2member_map_

    class Pressed(Schema):
        keys: Keys

    for byte in range(256):
        try:
            Pressed.decode(bytes([byte]))
        except DecodeError:
            continue
    assert len(known) <= 8
