# ruff: noqa: E501
"""The codec: what it takes, what it refuses and how it says so, limits, buffers, threads."""

from __future__ import annotations

import enum
import gc
import sys
import threading
import weakref
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
    SchemaType,
    Text,
    VarUint,
    Vec2,
    Vec3,
)

Q = tuple[float, float, float, float]


class Mode(enum.Enum):
    A = 1
    B = 2
    C = 3


class Keys(enum.Flag):
    UP = 1
    FIRE = 4


class IntKeys(enum.IntFlag):
    UP = 1
    FIRE = 4


class Other(enum.Enum):
    A = 1


class Part(Schema):
    on: bool
    level: Annotated[int, Range(0, 9)] = 0


def one(hint: Any, name: str = "One") -> Any:
    """A schema with one field, x."""
    return SchemaType(name, (Schema,), {"__annotations__": {"x": hint}})


@pytest.mark.parametrize(
    ("hint", "value", "same_as"),
    [
        (Annotated[int, Range(0, 9)], np.int16(3), 3),
        (Annotated[int, Range(0, 9)], True, 1),
        (Annotated[int, Bits(64)], np.uint64(2**64 - 1), 2**64 - 1),
        (Annotated[int, VarUint], np.uint8(200), 200),
        (Annotated[float, Quantized(0, 10, step=1)], 3, 3.0),
        (Annotated[float, Quantized(0, 10, step=1)], np.float32(3.2), 3.0),
        (Annotated[float, Angle(8)], 7, 7 - 2 * 3.141592653589793),
        (Annotated[float, Float64], np.int64(5), 5.0),
        (bool, np.True_, True),
        (Annotated[tuple[float, float], Vec2(0, 9, step=1)], [1, 2.0], (1.0, 2.0)),
        (Annotated[tuple[float, float], Vec2(0, 9, step=1)], np.array([1.0, 2.0]), (1.0, 2.0)),
        (Annotated[tuple[float, float], Vec2(0, 9, step=1)], (np.float32(1), 2), (1.0, 2.0)),
        (Annotated[Q, Quat], np.array([0, 0, 0, 2]), (0.0, 0.0, 0.0, 1.0)),
        (Annotated[bytes, Blob(4)], bytearray(b"ab"), b"ab"),
        (Annotated[bytes, Blob(4)], memoryview(b"abcd")[::2], b"ac"),
        (Annotated[list[bool], ArrayOf(max=3)], (True, np.False_), [True, False]),
        (IntKeys, IntKeys.UP | IntKeys.FIRE, IntKeys(5)),
    ],
)
def test_accepted_types(hint: Any, value: Any, same_as: Any) -> None:
    cls = one(hint)
    assert cls(value).encode() == cls(same_as).encode()


@pytest.mark.parametrize(
    ("hint", "value", "field", "limit"),
    [
        (Annotated[int, Range(1, 9)], 0, "x", "an int from 1 to 9"),
        (Annotated[int, Range(1, 9)], 10, "x", "an int from 1 to 9"),
        (Annotated[int, Range(1, 9)], 2**70, "x", "an int from 1 to 9"),
        (Annotated[int, Range(1, 9)], -(2**70), "x", "an int from 1 to 9"),
        (Annotated[int, Range(-9, 9)], 2**63, "x", "an int from -9 to 9"),
        (Annotated[int, Bits(64)], 2**64, "x", f"an int from 0 to {2**64 - 1}"),
        (Annotated[int, Bits(64)], -1, "x", f"an int from 0 to {2**64 - 1}"),
        (Annotated[int, Range(1, 9)], 1.0, "x", "an int from 1 to 9"),
        (Annotated[int, Range(1, 9)], "1", "x", "an int from 1 to 9"),
        (Annotated[int, Range(1, 9)], None, "x", "an int from 1 to 9"),
        (Annotated[int, VarUint(300)], 301, "x", "an int from 0 to 300"),
        (Annotated[int, VarUint(300)], -1, "x", "an int from 0 to 300"),
        (Annotated[float, Quantized(-1, 1, bits=8)], 1.001, "x", "a float from -1 to 1"),
        (Annotated[float, Quantized(-1, 1, bits=8)], float("nan"), "x", "a float from -1 to 1"),
        (Annotated[float, Quantized(-1, 1, bits=8)], float("inf"), "x", "a float from -1 to 1"),
        (Annotated[float, Quantized(-1, 1, bits=8)], "1", "x", "a float from -1 to 1"),
        (Annotated[float, Quantized(-1, 1, bits=8)], 10**400, "x", "a float from -1 to 1"),
        (Annotated[float, Angle(8)], float("inf"), "x", "a finite float, in radians"),
        (Annotated[float, Float32], 1e39, "x", "a finite float that fits in 32 bits"),
        (Annotated[float, Float32(finite=False)], 1e39, "x", "a float"),
        (Annotated[float, Float64], float("nan"), "x", "a finite float"),
        (bool, 1, "x", "a bool"),
        (bool, None, "x", "a bool"),
        (Mode, Other.A, "x", "a member of Mode"),
        (Mode, 1, "x", "a member of Mode"),
        (Keys, 1, "x", "a Keys"),
        (Keys, IntKeys.UP, "x", "a Keys"),
        (IntKeys, IntKeys(2), "x", "a IntKeys"),
        (Annotated[str, Text(3)], "\u00e9\u00e9", "x", "a str of at most 3 bytes of UTF-8, without NUL"),
        (Annotated[str, Text(3)], "a\0", "x", "a str of at most 3 bytes of UTF-8, without NUL"),
        (Annotated[str, Text(3)], "\ud800", "x", "a str of at most 3 bytes of UTF-8, without NUL"),
        (Annotated[str, Text(3)], b"a", "x", "a str of at most 3 bytes of UTF-8, without NUL"),
        (Annotated[bytes, Blob(3)], b"abcd", "x", "at most 3 bytes"),
        (Annotated[bytes, Blob(3)], "abc", "x", "at most 3 bytes"),
        (Annotated[bytes, Blob(3)], [1, 2], "x", "at most 3 bytes"),
        (Annotated[tuple[float, float], Vec2(0, 9, step=1)], (1.0,), "x", "a tuple of 2 floats"),
        (Annotated[tuple[float, float], Vec2(0, 9, step=1)], (1.0, 10.0), "x.y", "a float from 0 to 9"),
        (Annotated[tuple[float, float], Vec2(0, 9, step=1)], (1.0, "2"), "x.y", "a float from 0 to 9"),
        (Annotated[tuple[float, float], Vec2(0, 9, step=1)], "12", "x", "a tuple of 2 floats"),
        (Annotated[tuple[float, float], Vec2(0, 9, step=1)], 1.0, "x", "a tuple of 2 floats"),
        (Annotated[Q, Quat], (0.0, 0.0, 0.0, 0.0), "x", "a tuple of 4 finite floats, not all zero"),
        (Annotated[Q, Quat], (0.0, float("nan"), 0.0, 1.0), "x", "a tuple of 4 finite floats, not all zero"),
        (Annotated[Q, Quat], (0.0, float("inf"), 0.0, 1.0), "x", "a tuple of 4 finite floats, not all zero"),
        (Annotated[list[int], ArrayOf(Range(0, 9), max=2)], [1, 2, 3], "x", "a list of at most 2"),
        (Annotated[list[int], ArrayOf(Range(0, 9), max=2)], [1, 10], "x[1]", "an int from 0 to 9"),
        (Annotated[list[int], ArrayOf(Range(0, 9), max=2)], {1, 2}, "x", "a list of at most 2"),
        (Annotated[list[Part], ArrayOf(max=2)], [Part(True), Part(True, 10)], "x[1].level", "an int from 0 to 9"),
        (Annotated[list[Part], ArrayOf(max=2)], [None], "x[0].on", "a bool"),
        (Part | None, Part(None), "x.on", "a bool"),  # type: ignore[arg-type]
        (Part, 5, "x.on", "a bool"),
    ],
)  # fmt: skip
def test_refused_values(hint: Any, value: Any, field: str, limit: str) -> None:
    cls = one(hint)
    with pytest.raises(EncodeError) as caught:
        cls(value).encode()
    error = caught.value
    assert (error.schema, error.field, error.limit) == ("One", field, limit)
    assert str(error).startswith(f"One.{field}: ")
    with pytest.raises(EncodeError) as by_attribute:
        cls.encode(type("Duck", (), {"x": value})())
    assert str(by_attribute.value) == str(error)


def test_the_value_is_in_the_error() -> None:
    class Ship(Schema):
        hp: Annotated[int, Range(0, 100)]
        pos: Annotated[tuple[float, float], Vec2(0, 1, bits=4)] = (0.0, 0.0)
        name: Annotated[str, Text(4)] = ""

    with pytest.raises(EncodeError, match=r"^Ship\.hp: 101 is out of range; it takes an int") as e:
        Ship(101).encode()
    assert e.value.value == 101
    with pytest.raises(EncodeError) as e:
        Ship(1, (0.5, 2.5)).encode()
    assert e.value.value == 2.5
    with pytest.raises(EncodeError) as e:
        Ship(1, name="x" * 1000).encode()
    assert len(str(e.value)) < 200


def test_unset_fields() -> None:
    class Many(Schema):
        a: bool
        b: bool
        c: bool
        d: Annotated[int, Bits(3)] = 0

    for name in "abcd":
        many = Many(True, True, True)
        delattr(many, name)
        with pytest.raises(EncodeError, match=rf"Many\.{name}: is not set; it takes") as caught:
            many.encode()
        assert caught.value.field == name
    with pytest.raises(EncodeError, match=r"Many\.b: is not set"):
        Many.encode(type("Half", (), {"a": True})())


def test_bool_run_says_which() -> None:
    names = [f"b{i}" for i in range(70)]
    cls = SchemaType("Wide", (Schema,), {"__annotations__": dict.fromkeys(names, bool)})
    values = [i % 3 == 0 for i in range(70)]
    assert cls.decode(cls(*values).encode()) == cls(*values)
    for i in (0, 30, 56, 57, 69):
        bad: list[Any] = values.copy()
        bad[i] = 2
        with pytest.raises(EncodeError) as caught:
            cls(*bad).encode()
        assert (caught.value.field, caught.value.value) == (f"b{i}", 2)


def test_other_exceptions_pass() -> None:
    class Bad:
        def __index__(self) -> int:
            raise RuntimeError("mine")

        __float__ = __index__  # type: ignore[assignment]

        @property
        def x(self) -> int:
            raise KeyError("mine")

    for hint in (
        Annotated[int, Bits(8)],
        Annotated[float, Float64],
        Annotated[tuple[float, float], Vec2(0, 1, bits=3)],
    ):
        value: Any = (Bad(), 0.0) if "tuple" in repr(hint) else Bad()
        with pytest.raises(RuntimeError, match="mine"):
            one(hint)(value).encode()
        with pytest.raises(KeyError, match="mine"):
            one(hint).encode(Bad())


def test_values_that_run_code() -> None:
    """A field may change the object while it is read; nothing may dangle."""

    class Vicious:
        def __init__(self, victim: list[Any]) -> None:
            self.victim = victim

        def __index__(self) -> int:
            self.victim.clear()
            gc.collect()
            return 3

        def __float__(self) -> float:
            self.victim.clear()
            gc.collect()
            return 0.5

    numbers = one(Annotated[list[int], ArrayOf(Range(0, 9), max=5)])
    items: list[Any] = []
    items += [Vicious(items), 2, 3]
    with pytest.raises(EncodeError, match="the list changed while it was encoded"):
        numbers(items).encode()

    class Pair(Schema):
        v: Annotated[tuple[float, float], Vec2(0, 1, bits=3)]

    class Dropper(float):
        pass

    class Killer:
        pair: Any = None

        def __float__(self) -> float:
            self.pair.v = None
            gc.collect()
            return 0.5

    killer = Killer()
    killer.pair = Pair((killer, Dropper(0.25)))  # type: ignore[arg-type]
    assert killer.pair.encode() == Pair((0.5, 0.25)).encode()


def test_clamp() -> None:
    class Stick(Schema):
        x: Annotated[float, Quantized(-1, 1, bits=8, clamp=True)]
        v: Annotated[tuple[float, float], Vec2(0, 1, bits=4, clamp=True)] = (0.0, 0.0)

    before = Stick.clamped
    assert Stick.decode(Stick(5.0, (-1.0, 0.5)).encode()) == Stick.decode(
        Stick(1.0, (0.0, 0.5)).encode()
    )
    assert Stick.clamped == before + 2
    columns = Stick.columns(2)
    columns["x"][:] = -3
    lanes = np.zeros((3, 2), np.int32)
    Stick.quantize(columns, lanes, np.ones(2, np.bool_))
    assert Stick.clamped == before + 4
    assert lanes[0].tolist() == [0, 0]
    for value in (float("nan"), float("inf")):
        with pytest.raises(EncodeError):
            Stick(value).encode()
    records = np.zeros(1, Stick.dtype)
    records["x"] = 9
    Stick.encode_records(records)
    assert Stick.clamped == before + 5


class Message(Schema):
    kind: Annotated[int, Range(0, 4)]
    number: Annotated[int, VarUint(100_000)]
    text: Annotated[str, Text(100)]
    parts: Annotated[list[Part], ArrayOf(max=100)]
    at: Annotated[tuple[float, float, float], Vec3(0, 100, step=1)]
    turn: Annotated[Q, Quat(9)]
    mode: Mode
    keys: Keys
    weight: Annotated[float, Float32]


GOOD = Message(
    3, 70_000, "h\u00e9llo", [Part(True, 3)] * 3, (1.0, 2.0, 3.0), (0.0, 0.6, 0.0, 0.8), Mode.C, Keys.FIRE, 2.5
)  # fmt: skip


def test_every_truncation_and_bit_flip() -> None:
    data = GOOD.encode()
    assert Message.decode(data).encode() == data
    for size in range(len(data)):
        with pytest.raises(DecodeError) as caught:
            Message.decode(data[:size])
        assert caught.value.bit <= 8 * size
        assert caught.value.field
    for bit in range(8 * len(data)):
        bad = bytearray(data)
        bad[bit // 8] ^= 1 << bit % 8
        try:
            value = Message.decode(bad)
        except DecodeError:
            continue
        assert value.encode() == bytes(bad)


@pytest.mark.parametrize(
    ("hint", "data", "bit", "text"),
    [
        (Annotated[int, Range(0, 4)], b"\x05", 0, "the code is above the largest one"),
        (Annotated[int, Range(0, 4)], b"", 0, "the data ends here"),
        (Annotated[int, Range(0, 4)], b"\x08", 3, "the unused bits of the last byte are not zero"),
        (Annotated[int, Range(0, 4)], b"\x01\0", 3, "there are bytes behind the end"),
        (Annotated[int, VarUint], b"\x80\0", 0, "the varint is overlong or above 64 bits"),
        (Annotated[int, VarUint], b"\xff" * 9 + b"\x02", 0, "the varint is overlong"),
        (Annotated[int, VarUint], b"\xff" * 11, 0, "the varint is overlong"),
        (Annotated[int, VarUint], b"\x80", 0, "the data ends here"),
        (Annotated[int, VarUint(5)], b"\6", 0, "the code is above"),
        (Annotated[str, Text(15)], b"\x31\xe9\0\0", 0, "the text is not UTF-8"),
        (Annotated[str, Text(255)], b"\2\xc0\x80", 0, "the text is not UTF-8"),
        (Annotated[str, Text(255)], b"\3\xed\xa0\x80", 0, "the text is not UTF-8"),
        (Annotated[str, Text(255)], b"\2a\0", 0, "the text has a NUL"),
        (Annotated[str, Text(255)], b"\3ab", 0, "the data ends here"),
        (Annotated[str, Text(5)], b"\7", 0, "the code is above"),
        (Annotated[list[Part], ArrayOf(max=255)], b"\xff\0", 0, "more than the data can hold"),
        (Annotated[list[Part], ArrayOf(max=200)], b"\xff\0", 0, "the code is above"),
        (Mode, b"\3", 0, "the code is above"),
        (Keys, b"\2", 0, "the code is above"),
        (Annotated[float, Float32], b"\0\0\x80\x7f", 0, "the number is not finite"),
        (Annotated[float, Float32(finite=False)], b"\1\0\xc0\x7f", 0, "a second encoding"),
        (Annotated[float, Float64], b"\0" * 6 + b"\xf8\x7f", 0, "the number is not finite"),
        (Annotated[Q, Quat(3)], b"\x1c\0", 0, "the code is above"),
    ],
)
def test_refused_bytes(hint: Any, data: bytes, bit: int, text: str) -> None:
    cls = one(hint)
    with pytest.raises(DecodeError) as caught:
        cls.decode(data)
    assert text in str(caught.value)
    assert caught.value.bit == bit
    assert caught.value.field == ("" if bit else "x")
    with pytest.raises(DecodeError):
        cls.decode_records(b"\1" + data)


def test_nested_names_in_decode_errors() -> None:
    cls = one(Annotated[list[Part], ArrayOf(max=7)])
    good = cls([Part(True, 1), Part(False, 2)]).encode()
    bad = bytearray(good)
    bad[1] |= 0b11110
    with pytest.raises(DecodeError, match=r"^One\.x\[1\]\.level: at bit 9, the code is above"):
        cls.decode(bad)


def test_buffers() -> None:
    data = GOOD.encode()
    for form in (bytearray(data), memoryview(data), np.frombuffer(data, np.uint8)):
        assert Message.decode(form) == Message.decode(data)
    with pytest.raises((BufferError, ValueError)):
        Message.decode(memoryview(data)[::2])
    with pytest.raises(TypeError):
        Message.decode("text")  # type: ignore[arg-type]
    room = bytearray(b"." * 200)
    end = Message.encode_into(GOOD, room, 7)
    assert room[:7] == b"." * 7
    assert room[7:end] == data
    assert room[end:] == b"." * (200 - end)
    for offset in (200 - len(data) + 1, 201, -1):
        with pytest.raises(EncodeError, match="do not fit"):
            Message.encode_into(GOOD, room, offset)
    with pytest.raises((BufferError, TypeError)):
        Message.encode_into(GOOD, data)


def test_one_behind_the_other() -> None:
    parts = [Part(True, 3), Part(False, 9), Part(True, 0)]
    data = b"??" + b"".join(part.encode() for part in parts)
    offset = 2
    for part in parts:
        back, offset = Part.decode_from(data, offset)
        assert back == part
    assert offset == len(data)
    with pytest.raises(DecodeError, match=r"Part\.on: at bit 0, the data ends here"):
        Part.decode_from(data, offset)
    with pytest.raises(DecodeError, match="at bit 5, the unused bits"):
        Part.decode_from(b"\x80")
    for outside in (-1, len(data) + 1):
        with pytest.raises(IndexError):
            Part.decode_from(data, outside)


def test_no_leaks() -> None:
    """Reference counts come back after good and bad encodes and decodes of every kind."""
    data = GOOD.encode()
    bad = bytearray(data)
    bad[-3] ^= 0xFF
    watched = [GOOD, GOOD.parts, GOOD.parts[0], GOOD.at, GOOD.text, Mode.C, Keys.FIRE, data, Part]
    wrong = GOOD.replace(weight=1e300)

    def exercise() -> None:
        for _ in range(50):
            Message.decode(GOOD.encode())
            Message.decode_many(Message.encode_many([GOOD, GOOD]))
            for action in (
                wrong.encode,
                lambda: Message.decode(data[:-2]),
                lambda: Message.encode(type("Duck", (), {"kind": 9})()),
            ):
                with pytest.raises((EncodeError, DecodeError)):
                    action()

    exercise()
    gc.collect()
    before = [sys.getrefcount(x) for x in watched]
    exercise()
    gc.collect()
    after = [sys.getrefcount(x) for x in watched]
    assert max(abs(a - b) for a, b in zip(after, before, strict=True)) <= 2


def test_classes_are_collected() -> None:
    cls = one(Annotated[int, Range(0, 9)])
    cls.decode(cls(3).encode())
    gone = weakref.ref(cls)
    del cls
    gc.collect()
    assert gone() is None


def test_threads_share_a_codec() -> None:
    rows = np.zeros(2000, Message.dtype)
    for name, column in Message.columns(1).items():
        rows[name] = column[0]
    expected = Message.encode_records(rows)
    failures: list[str] = []

    def work() -> None:
        for _ in range(10):
            if Message.encode_records(rows) != expected:
                failures.append("records")
            if Message.decode(GOOD.encode()).number != 70_000:
                failures.append("object")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
