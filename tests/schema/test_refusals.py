"""What every refusal says: schema, field, value and limit of a value; field and bit of bytes."""

from __future__ import annotations

import enum
import random
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import pytest

import netcode as nc
from netcode.errors import DecodeError, EncodeError


class Gear(enum.IntEnum):
    FIRST = 1
    SECOND = 2


class Keys(enum.IntFlag):
    UP = 1
    DOWN = 2


DIGIT = Annotated[int, nc.Range(0, 9)]
ROTATION = Annotated[tuple[float, float, float, float], nc.Quat(9)]


class Part(nc.Schema):
    turn: ROTATION = (0.0, 0.0, 0.0, 1.0)
    size: DIGIT = 0


class All(nc.Schema):
    alive: bool = False
    digit: DIGIT = 0
    count: Annotated[int, nc.VarUint(100)] = 0
    share: Annotated[float, nc.Quantized(0, 1, bits=4)] = 0.0
    angle: Annotated[float, nc.Angle(bits=4)] = 0.0
    mass: Annotated[float, nc.Float32(finite=True)] = 0.0
    place: Annotated[tuple[float, float], nc.Vec2((0, 0), (1, 1), bits=4)] = (0.0, 0.0)
    turn: ROTATION = (0.0, 0.0, 0.0, 1.0)
    gear: Gear = Gear.FIRST
    keys: Keys = Keys.UP
    name: Annotated[str, nc.Text(4)] = ""
    data: Annotated[bytes, nc.Blob(4)] = b""
    list: Annotated[list[DIGIT], nc.ArrayOf(max=2)] = []  # noqa: RUF012
    maybe: DIGIT | None = None
    part: Part = Part()
    parts: Annotated[list[Part], nc.ArrayOf(max=2)] = []  # noqa: RUF012
    extra: Annotated[str, nc.Text(4)] | None = None


NAN = float("nan")
OBJECTS: list[tuple[str, Any, str]] = [
    ("alive", 3, "alive"),
    ("digit", 10, "digit"),
    ("digit", "x", "digit"),
    ("count", 101, "count"),
    ("share", 2.0, "share"),
    ("share", NAN, "share"),
    ("angle", NAN, "angle"),
    ("mass", NAN, "mass"),
    ("place", (0.0, 2.0), "place.y"),
    ("place", (0.0,), "place"),
    ("turn", (0.0, 0.0, 0.0, 0.0), "turn"),
    ("turn", (NAN, 0.0, 0.0, 0.0), "turn"),
    ("gear", 7, "gear"),
    ("keys", 9, "keys"),
    ("name", "abcde", "name"),
    ("name", "a\0", "name"),
    ("name", "\ud800", "name"),
    ("data", b"abcde", "data"),
    ("list", [1, 2, 3], "list"),
    ("list", [1, 10], "list[1]"),
    ("maybe", 10, "maybe"),
    ("part", Part(size=10), "part.size"),
    ("parts", [Part(), Part(size=10)], "parts[1].size"),
    ("parts", [Part((0.0, 0.0, 0.0, 0.0))], "parts[0].turn"),
]
OBJECT_PATHS: dict[str, Callable[[All], object]] = {
    "encode": lambda obj: obj.encode(),
    "encode_into": lambda obj: All.encode_into(obj, bytearray(200)),
    "encode_many": lambda obj: All.encode_many([All(), obj]),
    "set_row": lambda obj: All.set_row(All.columns(2), 1, obj),
    "a version": lambda obj: All.codec_for(1).encode(obj),
}


@pytest.mark.parametrize("path", OBJECT_PATHS.values(), ids=OBJECT_PATHS.keys())
@pytest.mark.parametrize(("name", "value", "field"), OBJECTS)
def test_a_refused_object(name: str, value: Any, field: str, path: Callable[[All], None]) -> None:
    obj = All()
    setattr(obj, name, value)
    with pytest.raises(EncodeError) as refused:
        path(obj)
    error = refused.value
    assert (error.schema, error.field) == ("All", field)
    assert error.value is not None
    assert error.limit
    assert f"All.{field}" in str(error)


class Shy:
    def __repr__(self) -> str:
        raise LookupError("not shown")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (10**5000, "an int of 16,610 bits is out of range"),
        (-(10**5000), "an int of 16,610 bits is out of range"),
        (Shy(), "<Shy, whose repr raises LookupError> is not an int"),
    ],
    ids=["large", "negative", "shy"],
)
@pytest.mark.parametrize("path", OBJECT_PATHS.values(), ids=OBJECT_PATHS.keys())
def test_a_refused_value_that_cannot_be_shown(
    value: Any, said: str, path: Callable[[All], None]
) -> None:
    with pytest.raises(EncodeError) as refused:
        path(All(digit=value))
    assert refused.value.value is value
    assert said in str(refused.value)


COLUMNS: list[tuple[str, Any, str]] = [
    ("digit", 10, "digit"),
    ("count", 101, "count"),
    ("share", 2.0, "share"),
    ("share", NAN, "share"),
    ("angle", NAN, "angle"),
    ("mass", np.inf, "mass"),
    ("place", (0.0, 2.0), "place.y"),
    ("turn", (0.0, 0.0, 0.0, 0.0), "turn"),
    ("turn", (NAN, 0.0, 0.0, 0.0), "turn"),
    ("gear", 7, "gear"),
    ("keys", 9, "keys"),
    ("name", b"\xff", "name"),
    ("name", b"a\0b", "name"),
    ("data/size", 9, "data"),
    ("list/count", 9, "list"),
    ("part/size", 10, "part.size"),
    ("part/turn", (0.0, 0.0, 0.0, 0.0), "part.turn"),
    ("parts/1/size", 10, "parts[1].size"),
    ("parts/1/turn", (0.0, 0.0, 0.0, 0.0), "parts[1].turn"),
    ("maybe/value", 10, "maybe"),
    ("extra/value", b"\xff", "extra"),
]


@pytest.mark.parametrize("path", ["records", "a version", "columns"])
@pytest.mark.parametrize(("name", "value", "field"), COLUMNS)
def test_a_refused_row(name: str, value: Any, field: str, path: str) -> None:
    columns = All.columns(3)
    rows = np.zeros(3, All.dtype)
    for each, column in columns.items():
        rows[each] = column
    for each in ("maybe", "extra"):
        rows[each]["present"][2] = name.startswith(each)
    first, *rest = name.split("/")
    cells = rows[first]
    for part in rest:
        if part.isdigit():
            rows[first]["count"][2] = 2
            rows[first]["items"]["turn"][2] = (0.0, 0.0, 0.0, 1.0)
            cells = cells["items"][:, int(part)]
        else:
            cells = cells[part]
    cells[2] = value
    columns = {each: np.ascontiguousarray(rows[each]) for each in columns}
    lanes = np.zeros((len(All.lanes), 3), np.int32)
    paths: dict[str, Callable[[], object]] = {
        "records": lambda: All.encode_records(rows),
        "a version": lambda: All.codec_for(1).encode_records(rows),
        "columns": lambda: All.quantize(columns, lanes, np.ones(3, bool)),
    }
    with pytest.raises(EncodeError) as refused:
        paths[path]()
    error = refused.value
    assert (error.schema, error.field) == ("All", field)
    assert f"All.{field} in row 2: " in str(error)
    assert error.limit
    if name == "place":
        value = 2.0
    assert np.array_equal(error.value, value, equal_nan=isinstance(value, (float, tuple)))


def test_a_schema_that_looks_like_an_optional() -> None:
    """The storage of an optional has fields of these two names as well."""

    class Inner(nc.Schema):
        value: Annotated[tuple[float, float, float, float], nc.Quat(9)]

    class Outer(nc.Schema):
        present: bool
        value: Inner

    class Holder(nc.Schema):
        held: Outer
        perhaps: Outer | None = None

    rows = np.zeros(1, Holder.dtype)
    with pytest.raises(EncodeError, match=r"Holder\.held\.value\.value in row 0: \(0") as refused:
        Holder.encode_records(rows)
    assert refused.value.value == (0, 0, 0, 0)
    rows["held"]["value"]["value"] = 0.5
    rows["perhaps"]["present"] = True
    with pytest.raises(EncodeError, match=r"Holder\.perhaps\.value\.value in row 0: \(0"):
        Holder.encode_records(rows)


def test_a_column_of_an_enum_without_a_member() -> None:
    columns = All.columns(1)
    columns["gear"][0] = 7
    with pytest.raises(EncodeError, match=r"All\.gear in row 0: 7 is not") as refused:
        All.row(columns, 0)
    assert (refused.value.schema, refused.value.field, refused.value.value) == ("All", "gear", 7)


def refusal(decode: Callable[[bytes], object], data: bytes) -> DecodeError | None:
    try:
        decode(data)
    except DecodeError as error:
        return error
    return None


@pytest.mark.parametrize("many", [False, True])
def test_refused_bytes(rng: random.Random, many: bool) -> None:
    """Every DecodeError has the schema, a bit within the data, and the field if it is in one."""
    obj = All(list=[1], parts=[Part()], name="ab", data=b"x", extra="y")
    good = All.encode_many([obj, obj]) if many else obj.encode()
    decode: Callable[[bytes], object] = All.decode_many if many else All.decode
    fields = {line.split(":")[0] for line in All.description}
    seen = set()
    for _ in range(3000):
        data = bytearray(good)
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        del data[rng.choice([len(data), rng.randrange(len(data))]) :]
        error = refusal(decode, bytes(data))
        if error is None:
            continue
        assert error.schema == "All"
        assert 0 <= error.bit <= 8 * len(data)
        assert f"at bit {error.bit}" in str(error)
        top = error.field.split("[")[0].removesuffix(".x").removesuffix(".y")
        assert top in fields or top == ""  # before the first, or behind the last
        seen.add(top)
    assert len(seen) > 8


def test_clamped_values_are_counted_on_every_path() -> None:
    class Shot(nc.Schema):
        x: Annotated[float, nc.Quantized(0, 1, bits=8, clamp=True)] = 0.0
        y: Annotated[float, nc.Quantized(0, 1, bits=8)] = 0.0

    rows = np.zeros(3, Shot.dtype)
    rows["x"] = [-1.0, 0.5, 7.0]
    columns = Shot.columns(3)
    columns["x"][:] = rows["x"]
    lanes = np.zeros((2, 3), np.int32)
    for path, count in (
        (lambda: Shot(2.0).encode(), 1),
        (lambda: Shot.encode_into(Shot(2.0), bytearray(9)), 1),
        (lambda: Shot.encode_many([Shot(2.0), Shot(1.0), Shot(-1.0)]), 2),
        (lambda: Shot.encode_records(rows), 2),
        (lambda: Shot.quantize(columns, lanes, np.ones(3, bool)), 2),
        (lambda: Shot.set_row(columns, 0, Shot(2.0)), 1),
    ):
        before = Shot.clamped
        path()
        assert Shot.clamped == before + count
    assert lanes[0].tolist() == [0, 128, 255]
    with pytest.raises(EncodeError):
        Shot(0.0, 2.0).encode()
