"""Objects, lists, records and lanes of random schemas, held against the oracle and each other."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import schema as oracle
from oracle.schemas import cases

from netcode.errors import DecodeError
from netcode.schema import Schema


def plain(value: Any) -> Any:
    """A value as the oracle reads it; NaN becomes comparable."""
    if isinstance(value, Schema):
        return {name: plain(getattr(value, name)) for name in value.__match_args__}
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    if isinstance(value, float) and value == 0:
        return ("zero", math.copysign(1, value))
    return value


@given(cases())
def test_object_like_oracle(case: Any) -> None:
    cls, spec, objects = case
    for obj in objects:
        data = obj.encode()
        assert data == oracle.encode(spec, obj)
        back = cls.decode(data)
        assert type(back) is cls
        assert plain(back) == plain(oracle.decode(spec, data))
        assert back.encode() == data


@given(cases())
def test_attributes_give_the_same_bytes(case: Any) -> None:
    cls, _, objects = case
    sub = type(cls)("Sub", (cls,), {})
    for obj in objects:
        values = {name: getattr(obj, name) for name in cls.__match_args__}
        assert cls.encode(SimpleNamespace(**values)) == obj.encode()
        assert cls.encode(sub(**values)) == obj.encode()


@given(cases())
def test_many_like_oracle(case: Any) -> None:
    cls, spec, objects = case
    data = cls.encode_many(objects)
    assert data == oracle.encode_many(spec, objects)
    back = cls.decode_many(data)
    assert [obj.encode() for obj in back] == [obj.encode() for obj in objects]


@given(cases())
def test_records_like_many(case: Any) -> None:
    cls, _, objects = case
    data = cls.encode_many(objects)
    records = cls.decode_records(data)
    assert records.dtype == cls.dtype
    assert cls.encode_records(records) == data
    spread = np.zeros((len(records), 2), cls.dtype)[:, 1]
    spread[:] = records
    assert cls.encode_records(spread) == data


@given(cases())
def test_lanes_like_oracle(case: Any) -> None:
    cls, spec, objects = case
    capacity = len(objects) + 2
    columns = cls.columns(capacity)
    rows = np.zeros(capacity, np.uint8)
    for slot, obj in enumerate(objects, 1):
        cls.set_row(columns, slot, cls.decode(obj.encode()))
        rows[slot] = 1
    lanes = np.full((len(cls.lanes), capacity), 99, np.int32)
    cls.quantize(columns, lanes, rows)
    codes = lanes.view(np.uint32)
    for slot, obj in enumerate(objects, 1):
        assert codes[:, slot].tolist() == spec.lanes(cls.decode(obj.encode()))
        assert (codes[:, slot] <= cls.lane_max).all()
    assert (lanes[:, rows == 0] == 99).all()
    back = cls.columns(capacity)
    cls.dequantize(lanes, back, rows)
    for slot, obj in enumerate(objects, 1):
        assert cls.row(back, slot).encode() == obj.encode()
        assert plain(cls.row(back, slot)) == plain(cls.decode(obj.encode()))
    untouched = cls.columns(1)
    assert plain(cls.row(back, 0)) == plain(cls.row(untouched, 0))


@given(cases(1), st.data())
def test_damaged_bytes(case: Any, data: st.DataObject) -> None:
    """What is accepted is exactly what would be written, and all decoders agree."""
    cls, spec, objects = case
    good = objects[0].encode()
    bad = bytearray(good)
    for _ in range(data.draw(st.integers(0, 3))):
        if bad:
            bad[data.draw(st.integers(0, len(bad) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    bad = bad[: data.draw(st.integers(0, len(bad)))] + data.draw(st.binary(max_size=2))
    check_bytes(cls, spec, bytes(bad))


@given(cases(1), st.binary(max_size=60))
def test_random_bytes(case: Any, data: bytes) -> None:
    cls, spec, _ = case
    check_bytes(cls, spec, data)


def check_bytes(cls: Any, spec: oracle.Group, data: bytes) -> None:
    try:
        expected = oracle.decode(spec, data)
    except (IndexError, ValueError):
        with pytest.raises(DecodeError) as caught:
            cls.decode(data)
        assert caught.value.schema == cls.__name__
        assert 0 <= caught.value.bit <= 8 * len(data)
    else:
        value = cls.decode(data)
        assert plain(value) == plain(expected)
        assert value.encode() == data
    many = b"\1" + data
    by_objects = outcome(cls.decode_many, many)
    by_rows = outcome(cls.decode_records, many)
    if isinstance(by_objects, DecodeError):
        assert (by_rows.field, by_rows.bit) == (by_objects.field, by_objects.bit)
    else:
        assert cls.encode_records(by_rows) == many
        assert cls.encode_many(by_objects) == many


def outcome(decode: Any, data: bytes) -> Any:
    """What a decoder returns, or its DecodeError."""
    try:
        return decode(data)
    except DecodeError as error:
        return error
