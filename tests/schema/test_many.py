"""Many objects and rows at once: counts, limits, names of rows, columns by name."""

from __future__ import annotations

import enum
from typing import Annotated, Any

import numpy as np
import pytest

from netcode.errors import DecodeError, EncodeError
from netcode.schema import ArrayOf, Bits, Blob, Quantized, Quat, Range, Schema, Text

Q = tuple[float, float, float, float]


class Mode(enum.Enum):
    A = 1
    B = 2
    C = 3


class Keys(enum.Flag):
    UP = 1
    FIRE = 4


class Part(Schema):
    on: bool
    level: Annotated[int, Range(0, 9)] = 0


def test_counts() -> None:
    class Bit(Schema):
        on: bool

    many = [Bit(True)] * 10
    data = Bit.encode_many(many)
    assert Bit.decode_many(data, limit=10) == many
    with pytest.raises(DecodeError, match="above the limit") as caught:
        Bit.decode_many(data, limit=9)
    assert (caught.value.bit, caught.value.field) == (0, "")
    with pytest.raises(DecodeError, match="above the limit"):
        Bit.decode_records(data, limit=9)
    with pytest.raises(EncodeError, match="10 are more than limit=9"):
        Bit.encode_many(many, limit=9)
    with pytest.raises(EncodeError, match="10 are more than limit=9"):
        Bit.encode_records(np.ones(10, Bit.dtype), limit=9)
    with pytest.raises(DecodeError, match="more than the data can hold"):
        Bit.decode_many(b"\x09\xff")
    with pytest.raises(DecodeError, match="more than the data can hold"):
        Bit.decode_records(b"\xff\xff\xff\xff\x0f\xff", limit=2**40)
    for data in (b"", b"\x80", b"\x80\0"):
        with pytest.raises(DecodeError):
            Bit.decode_many(data)
        with pytest.raises(DecodeError):
            Bit.decode_records(data)


def test_encode_many_takes_any_iterable_and_names_the_row() -> None:
    items = [Part(True, i) for i in range(5)]
    data = Part.encode_many(items)
    assert Part.encode_many(iter(items)) == Part.encode_many(tuple(items)) == data
    items[3].level = 10
    with pytest.raises(EncodeError, match=r"Part\.level in row 3: 10 is out of range"):
        Part.encode_many(items)


def test_large_messages() -> None:
    """Over the stack buffer, and growing in encode_many."""

    class Long(Schema):
        on: bool
        text: Annotated[str, Text(5000)]
        words: Annotated[list[str], ArrayOf(Text(100), max=300)]

    big = Long(True, "x" * 5000, ["word" * 20] * 300)
    small = Long(False, "", [])
    assert Long.decode(big.encode()) == big
    assert len(small.encode()) == 3
    mixed = [small, big, small, big, big, small] * 5
    data = Long.encode_many(mixed)
    assert Long.decode_many(data) == mixed
    assert Long.encode_records(Long.decode_records(data)) == data


def test_records_by_name() -> None:
    class Row(Schema):
        a: Annotated[int, Range(0, 200)]
        b: Annotated[float, Quantized(0, 1, bits=8, dtype=np.float32)]

    records = np.zeros(3, Row.dtype)
    records["a"] = [1, 2, 3]
    data = Row.encode_records(records)
    other = np.zeros(3, [("pad", "S3"), ("b", "f4"), ("a", "u1"), ("extra", "f8")])
    other["a"] = records["a"]
    assert Row.encode_records(other) == data
    assert Row.encode_records(records[::-1]) != data
    filled = Row.decode_records(data, np.zeros(5, other.dtype))
    assert filled["a"].tolist() == [1, 2, 3]
    assert filled.base is not None
    with pytest.raises(DecodeError, match="above the limit"):
        Row.decode_records(data, np.zeros(2, Row.dtype))
    with pytest.raises(TypeError, match=r"Row\.a: it is int64 in the records and must be uint8"):
        Row.encode_records(np.zeros(3, [("a", "i8"), ("b", "f4")]))
    with pytest.raises(TypeError, match=r"Row\.b: it is missing in the records"):
        Row.encode_records(np.zeros(3, [("a", "u1")]))
    with pytest.raises(TypeError, match="must be a structured array, not float64"):
        Row.encode_records(np.zeros(3))
    with pytest.raises(TypeError, match="1-d structured array"):
        Row.encode_records(np.zeros((3, 3), Row.dtype))
    with pytest.raises(TypeError, match="1-d structured array"):
        Row.encode_records([1, 2])  # type: ignore[arg-type]
    frozen = np.zeros(3, Row.dtype)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        Row.decode_records(data, frozen)
    records["a"][1] = 201
    with pytest.raises(EncodeError, match=r"Row\.a in row 1: 201 is out of range") as caught:
        Row.encode_records(records)
    assert caught.value.value == 201


def test_records_do_not_ask_for_more_memory_than_is_reasonable() -> None:
    class Huge(Schema):
        texts: Annotated[list[str], ArrayOf(Text(1000), max=1000)]

    data = Huge.encode_many([Huge([])] * 300)
    assert len(data) < 400
    with pytest.raises(DecodeError, match="above the limit"):
        Huge.decode_records(data)
    assert len(Huge.decode_many(data)) == 300
    assert len(Huge.decode_records(Huge.encode_many([Huge([])] * 3))) == 3


def test_bad_rows() -> None:
    class Row(Schema):
        mode: Mode
        keys: Keys
        name: Annotated[str, Text(4)]
        blob: Annotated[bytes, Blob(4)]
        list: Annotated[list[int], ArrayOf(Range(0, 9), max=2)]
        turn: Annotated[Q, Quat]
        big: Annotated[int, Bits(64)]

    good = Row.columns(1)
    records = np.zeros(1, Row.dtype)
    for name, column in good.items():
        records[name] = column

    def refusal(name: str, value: Any) -> str:
        bad = records.copy()
        bad[name] = value
        with pytest.raises(EncodeError) as caught:
            Row.encode_records(bad)
        return str(caught.value)

    Row.encode_records(records)
    assert refusal("mode", 4) == "Row.mode in row 0: 4 is out of range; it takes a member of Mode"
    assert refusal("keys", 2) == "Row.keys in row 0: 2 is out of range; it takes a Keys"
    assert "cannot be written as UTF-8" in refusal("name", b"\xff")
    assert "NUL" in refusal("name", b"a\0b")
    assert "Row.blob in row 0: 5 is too long" in refusal("blob", (5, [0] * 4))
    assert "Row.list in row 0: 3 is too long" in refusal("list", (3, [0, 0]))
    assert "Row.list[1] in row 0: 10 is out of range" in refusal("list", (2, [1, 10]))
    assert "Row.turn in row 0" in refusal("turn", (0, 0, 0, 0))
    records["big"] = 2**64 - 1
    assert Row.decode_many(Row.encode_records(records))[0].big == 2**64 - 1
