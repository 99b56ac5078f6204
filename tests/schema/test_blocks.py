"""The block path of records, held against objects and against rows taken one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle.schemas import cases

from netcode.errors import DecodeError, EncodeError
from netcode.schema import (
    Angle,
    ArrayOf,
    Bits,
    Float32,
    Quantized,
    Quat,
    Range,
    Schema,
    Text,
    VarUint,
    Vec3,
    simd,
)

BLOCK = 128
COUNTS = st.sampled_from([4, 5, 60, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 7])
SINGLE = 1
"""So few rows go one by one."""


@pytest.fixture(scope="module", autouse=True, params=simd.choices())
def instructions(request: pytest.FixtureRequest) -> Iterator[None]:
    """All of it for each instruction set that this processor has."""
    before = simd.chosen()
    simd.choose(request.param)
    yield
    simd.choose(before)


@st.composite
def crowds(draw: st.DrawFn) -> tuple[Any, list[Any]]:
    """A schema class and more of its objects than a block has rows, in an order drawn."""
    cls, _, objects = draw(cases(6))
    picks = draw(st.lists(st.integers(0, len(objects) - 1), min_size=1, max_size=12))
    count = draw(COUNTS)
    return cls, [objects[picks[i * i % len(picks)]] for i in range(count)]


@given(crowds())
def test_blocks_like_objects(crowd: Any) -> None:
    cls, objects = crowd
    data = cls.encode_many(objects)
    records = cls.decode_records(data)
    assert cls.encode_records(records) == data
    single = {bytes(cls.encode_many([obj])): None for obj in objects}
    for key in single:
        single[key] = cls.decode_records(key)
    for i, obj in enumerate(objects):
        alone = single[cls.encode_many([obj])]
        assert len(alone) == SINGLE
        assert alone.tobytes() == records[i : i + 1].tobytes()


@given(crowds(), st.data())
def test_blocks_through_strides(crowd: Any, data: st.DataObject) -> None:
    cls, objects = crowd
    packed = cls.encode_many(objects)
    room = np.zeros((len(objects), 3), cls.dtype)
    spread = room[::-1, data.draw(st.integers(0, 2))]
    got = cls.decode_records(packed, spread)
    assert cls.encode_records(got) == packed
    assert cls.encode_records(spread) == packed


@given(crowds(), st.data())
def test_damage_is_seen_where_objects_see_it(crowd: Any, data: st.DataObject) -> None:
    cls, objects = crowd
    bad = bytearray(cls.encode_many(objects))
    for _ in range(data.draw(st.integers(1, 3))):
        bad[data.draw(st.integers(0, len(bad) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    if data.draw(st.booleans()):
        bad = bad[: data.draw(st.integers(0, len(bad)))]
    wanted = outcome(cls.decode_many, bytes(bad))
    found = outcome(cls.decode_records, bytes(bad))
    if isinstance(wanted, DecodeError):
        assert str(found) == str(wanted)
        assert isinstance(found, DecodeError)
        assert (found.field, found.bit) == (wanted.field, wanted.bit)
    else:
        assert cls.encode_many(wanted) == bad
        assert cls.encode_records(found) == bad


def outcome(decode: Callable[[bytes], Any], data: bytes) -> Any:
    """What comes out, or the DecodeError."""
    try:
        return decode(data)
    except DecodeError as error:
        return error


class Inner(Schema):
    deep: Annotated[int, Range(-5, 5)] | None
    wide: Annotated[int, Bits(64)]


class Everything(Schema):
    id: Annotated[int, VarUint(dtype="u4", max=2**32 - 1)]
    long: Annotated[int, VarUint(dtype="u8", max=2**64 - 1)]
    x: Annotated[float, Quantized(-8, 8, bits=12, dtype="f4")]
    fine: Annotated[float, Quantized(-1, 1, bits=32, dtype="f8")]
    loose: Annotated[float, Quantized(0, 10, step=0.5, clamp=True, dtype="f4")]
    yaw: Annotated[float, Angle(bits=9, dtype="f4")]
    turn: Annotated[float, Angle(bits=32, dtype="f8")]
    rotation: Annotated[tuple[float, float, float, float], Quat(bits=9, dtype="f4")]
    exact: Annotated[tuple[float, float, float, float], Quat(bits=18, dtype="f8")]
    signed: Annotated[int, Range(-(2**63), 2**63 - 1)]
    low: Annotated[int, Range(100, 228)]
    a: bool
    b: bool
    inner: Inner | None
    velocity: Annotated[tuple[float, float, float], Vec3(-32, 32, bits=11, dtype="f4")] | None
    raw: Annotated[float, Float32(dtype="f4")]
    name: Annotated[str, Text(9)]
    items: Annotated[list[int], ArrayOf(VarUint(max=300), max=3)]
    c: bool


def make(rng: np.random.Generator) -> Everything:
    def number(high: float) -> float:
        return float(np.float32(rng.uniform(-high, high)))

    quat = rng.normal(size=4)
    quat /= math.sqrt(float((quat * quat).sum()))
    q = tuple(float(v) for v in quat)
    assert len(q) == 4
    return Everything(
        id=int(rng.integers(0, 2**32)) >> int(rng.integers(0, 32)),
        long=int(rng.integers(0, 2**64, dtype=np.uint64)) >> int(rng.integers(0, 64)),
        x=number(8),
        fine=float(rng.uniform(-1, 1)),
        loose=number(10) + 5,
        yaw=number(3.1),
        turn=float(rng.uniform(-7, 7)),
        rotation=q,
        exact=q,
        signed=int(rng.integers(-(2**63), 2**63 - 1)),
        low=int(rng.integers(100, 229)),
        a=bool(rng.integers(2)),
        b=bool(rng.integers(2)),
        inner=Inner(
            deep=int(rng.integers(-5, 6)) if rng.integers(2) else None,
            wide=int(rng.integers(0, 2**64, dtype=np.uint64)),
        )
        if rng.integers(2)
        else None,
        velocity=(number(32), number(32), number(32)) if rng.integers(2) else None,
        raw=number(1e6),
        name="é" * int(rng.integers(0, 4)),
        items=[int(v) for v in rng.integers(0, 301, size=int(rng.integers(0, 4)))],
        c=bool(rng.integers(2)),
    )


@given(st.integers(0, 2**32 - 1), COUNTS)
def test_every_kind(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    objects = [make(rng) for _ in range(count)]
    data = Everything.encode_many(objects)
    records = Everything.decode_records(data)
    assert Everything.encode_records(records) == data
    assert Everything.encode_many(Everything.decode_many(data)) == data


FAULTS: list[tuple[str, Any]] = [
    ("x", 8.2),
    ("x", -8.01),
    ("x", math.nan),
    ("x", math.inf),
    ("fine", -1.5),
    ("loose", math.nan),
    ("yaw", math.inf),
    ("turn", math.nan),
    ("rotation", (0.0, 0.0, 0.0, 0.0)),
    ("rotation", (math.nan, 0.0, 0.0, 1.0)),
    ("exact", (math.inf, 0.0, 0.0, 1.0)),
    ("low", 99),
    ("low", 229),
    ("raw", math.nan),
    ("name", b"\xff"),
]


@pytest.mark.parametrize(("field", "value"), FAULTS)
@pytest.mark.parametrize("row", [0, 100, BLOCK + 5])
def test_a_fault_is_named_as_in_one_row(field: str, value: object, row: int) -> None:
    rng = np.random.default_rng(7)
    objects = [make(rng) for _ in range(BLOCK + 9)]
    records = Everything.decode_records(Everything.encode_many(objects))
    records[field][row] = value
    # A second fault, later, and in an earlier field, is not the one that is told.
    records["signed"][row:] = 0
    if row + 1 < len(records):
        records["low"][row + 1 :] = 255
    with pytest.raises(EncodeError) as alone:
        Everything.encode_records(records[row : row + 1])
    with pytest.raises(EncodeError) as caught:
        Everything.encode_records(records)
    assert (caught.value.schema, caught.value.field) == ("Everything", alone.value.field)
    assert repr(caught.value.value) == repr(alone.value.value)
    assert caught.value.limit == alone.value.limit
    assert f" in row {row}:" in str(caught.value)


def test_clamps_are_counted_once() -> None:
    rng = np.random.default_rng(3)
    records = Everything.decode_records(Everything.encode_many([make(rng) for _ in range(200)]))
    records["loose"][::2] = 99
    before = Everything.clamped
    data = Everything.encode_records(records)
    assert Everything.clamped - before == 100
    assert (Everything.decode_records(data)["loose"][::2] == 10).all()
    # A fault of the same block does not count those that were seen on the way to it.
    records["name"][150] = b"\xff"
    before = Everything.clamped
    with pytest.raises(EncodeError, match="in row 150"):
        Everything.encode_records(records)
    assert Everything.clamped == before


def test_just_outside_is_as_objects_have_it() -> None:
    """A bound that went through a float32 is in range, for each path."""

    class Tight(Schema):
        x: Annotated[float, Quantized(-0.1, 0.1, bits=16, dtype="f4")]

    records = np.zeros(100, Tight.dtype)
    records["x"][::3] = np.float32(-0.1)
    records["x"][1::3] = np.float32(0.1)
    assert float(records["x"][1]) > 0.1
    data = Tight.encode_records(records)
    assert data == Tight.encode_many([Tight(x=float(x)) for x in records["x"]])


def test_absent_values_may_be_anything() -> None:
    rng = np.random.default_rng(5)
    records = Everything.decode_records(Everything.encode_many([make(rng) for _ in range(100)]))
    data = Everything.encode_records(records)
    absent = ~records["velocity"]["present"]
    records["velocity"]["value"][absent] = math.nan
    absent = ~records["inner"]["present"]
    records["inner"]["value"]["deep"]["present"][absent] = True
    records["inner"]["value"]["deep"]["value"][absent] = 77
    assert Everything.encode_records(records) == data
    # Decoding into used rows leaves nothing of what was there.
    used = np.full(len(records), records[1:2], Everything.dtype)
    Everything.decode_records(data, used)
    fresh = Everything.decode_records(data)
    assert (used == fresh).all()


def test_bools_of_any_truth() -> None:
    """NumPy bools can hold other bytes than 0 and 1; they count as true."""
    records = np.zeros(70, Everything.dtype)
    records[:] = Everything.decode_records(Everything.encode_many([make(np.random.default_rng(1))]))
    for name in ("a", "b", "c"):
        records[name].view("u1")[:] = np.arange(70)
    back = Everything.decode_records(Everything.encode_records(records))
    for name in ("a", "b", "c"):
        assert back[name].tolist() == [i != 0 for i in range(70)]


@given(st.integers(1, 64), st.integers(0, 2**32 - 1))
def test_runs_of_bools(count: int, seed: int) -> None:
    """Neighbours in memory, and not; up to the longest run."""
    rng = np.random.default_rng(seed)
    fields: dict[str, Any] = {f"f{i}": bool for i in range(count)}
    cls = type(Schema)("Run", (Schema,), {"__annotations__": fields, "__module__": __name__})
    order = list(rng.permutation(count))
    shuffled = np.dtype([(f"f{i}", np.bool_) for i in order])
    records = np.zeros(80, cls.dtype)
    for name in fields:
        records[name] = rng.integers(0, 2, 80)
    other = np.zeros(80, shuffled)
    for name in fields:
        other[name] = records[name]
    objects = [cls(**{name: bool(row[name]) for name in fields}) for row in records]
    data = cls.encode_many(objects)
    assert cls.encode_records(records) == data
    assert cls.encode_records(other) == data
    assert cls.decode_records(data).tobytes() == records.tobytes()
    cls.decode_records(data, other)
    assert cls.encode_records(other) == data


def test_more_rows_than_any_memory_holds() -> None:
    """One row seen so often that the bits of all wrap around 64 bits to a few."""

    class Wide(Schema):
        numbers: Annotated[list[list[int]], ArrayOf(ArrayOf(Bits(64), max=1000), max=512)]

    rows = 2**64 // Wide.fields[0].kind.bits_max + 1
    endless = np.broadcast_to(np.zeros(1, Wide.dtype), (rows,))
    with pytest.raises(MemoryError, match=r"Wide: 5.* rows"):
        Wide.encode_records(endless, limit=rows)
