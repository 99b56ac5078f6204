"""Older versions of a schema: the bytes they had, defaults for what came since, and refusals."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle.schemas import Kind, fields

import netcode as nc
from netcode.errors import DecodeError, EncodeError, SchemaError
from netcode.schema import Schema, VersionCodec, differences


class Weapon(nc.Schema):
    ammo: Annotated[int, nc.Range(0, 99)] = 10
    heat: Annotated[int, nc.Range(0, 9), nc.Since(3)] = 4


class Ship1(nc.Schema):
    x: Annotated[float, nc.Quantized(0, 960, step=1 / 16)]
    hp: Annotated[int, nc.Range(0, 100)] = 100


class Ship(nc.Schema):
    x: Annotated[float, nc.Quantized(0, 960, step=1 / 16)]
    hp: Annotated[int, nc.Range(0, 100)] = 100
    shield: Annotated[bool, nc.Since(2)] = True
    weapons: Annotated[list[Weapon], nc.ArrayOf(max=3), nc.Since(2)] = []  # noqa: RUF012
    target: Annotated[int, nc.Range(0, 63), nc.Since(4)] | None = None


def test_versions_are_those_in_which_something_changed() -> None:
    assert Ship1.schema_version == 1
    assert Ship.schema_version == 4
    assert Ship.schema_versions == (1, 2, 3, 4)  # 3 is that of the weapons inside
    assert [field.since for field in Ship.fields] == [1, 1, 2, 2, 4]
    assert [len(Ship.codec_for(n).fields) for n in (1, 2, 3, 4)] == [2, 4, 4, 5]
    assert Ship.codec_for(9) is Ship.codec_for(4)
    assert Weapon.codec_for(2) is Weapon.codec_for(1)
    assert isinstance(Ship.codec_for(1), VersionCodec)
    assert repr(Ship.codec_for(1)) == "<Ship version 1, 2 fields>"


def test_an_old_version_has_its_old_bytes_and_hash() -> None:
    codec = Ship.codec_for(1)
    ship = Ship(12.5, 40, False, [Weapon()], 9)
    assert codec.encode(ship) == Ship1(12.5, 40).encode()
    assert codec.decode(Ship1(12.5, 40).encode()) == Ship(12.5, 40)
    assert codec.schema_hash == Ship1.schema_hash
    assert codec.description == Ship1.description
    assert codec.max_bytes == Ship1.max_bytes < Ship.max_bytes
    assert Ship.codec_for(4).schema_hash == Ship.schema_hash
    assert Ship.codec_for(4).encode(ship) == ship.encode()


def test_defaults_are_copied_for_each_object() -> None:
    one, two = Ship.codec_for(1).decode_many(Ship1.encode_many([Ship1(1), Ship1(2)]))
    one.weapons.append(Weapon())
    assert two.weapons == []
    assert Ship.__init__.__defaults__[2] == []  # type: ignore[misc]


def test_fields_inside_take_defaults_too() -> None:
    ship = Ship(1, weapons=[Weapon(5, 9), Weapon(6, 8)])
    codec = Ship.codec_for(2)
    assert codec.decode(codec.encode(ship)).weapons == [Weapon(5, 4), Weapon(6, 4)]
    codec = Ship.codec_for(3)
    assert codec.decode(codec.encode(ship)) == ship


def test_rows_of_an_old_version() -> None:
    codec = Ship.codec_for(2)
    rows = np.zeros(2, Ship.dtype)
    rows["x"], rows["weapons"]["count"], rows["weapons"]["items"]["heat"] = 3.0, 1, 9
    data = codec.encode_records(rows)
    assert data == codec.encode_many([Ship(3.0, 0, False, [Weapon(0)])] * 2)
    back = codec.decode_records(data)
    assert back.dtype == Ship.dtype
    assert back["x"].tolist() == [3, 3]
    assert back["weapons"]["items"]["heat"][:, 0].tolist() == [4, 4]
    assert not back["target"]["present"].any()
    assert codec.decode_records(codec.encode_records(back)).tobytes() == back.tobytes()
    with pytest.raises(TypeError, match="records must be"):
        codec.encode_records([1, 2])  # type: ignore[arg-type]


def test_compatible_with() -> None:
    assert Ship.compatible_with(Ship1) == 1
    assert Ship.compatible_with(list(Ship1.description)) == 1
    assert Ship.compatible_with(Ship) == 4
    assert Ship.compatible_with(Ship.codec_for(3).description) == 3
    assert Ship1.compatible_with(Ship) is None
    assert Ship.compatible_with(Weapon) is None
    assert differences(Ship1.description, Ship.codec_for(2).description)[0] == "shield: added, bool"


def test_a_whole_schema_has_a_version() -> None:
    class Trade(nc.Schema, since=3):
        item: Annotated[int, nc.Range(0, 9)]
        price: Annotated[int, nc.Range(0, 99), nc.Since(4)] = 1

    assert (Trade.schema_since, Trade.schema_version, Trade.schema_versions) == (3, 4, (3, 4))
    assert Trade.codec_for(3).decode(Trade.codec_for(3).encode(Trade(7, 50))) == Trade(7, 1)
    with pytest.raises(SchemaError, match="Trade is there since version 3, not in version 2"):
        Trade.codec_for(2)
    with pytest.raises(SchemaError, match="since takes an int from 1"):
        type(Schema)("Wrong", (Schema,), {}, since=0)


def test_errors_of_old_versions_name_the_field() -> None:
    with pytest.raises(EncodeError, match=r"Ship\.hp: 200 is out of range") as refused:
        Ship.codec_for(1).encode(Ship(1, 200))
    assert refused.value.field == "hp"
    with pytest.raises(DecodeError, match=r"Ship\.hp: at bit 14, the data ends here"):
        Ship.codec_for(1).decode(b"\0\0")
    Ship.codec_for(1).encode(Ship(1, target=99))  # not sent, so not checked


def test_clamped_values_of_all_versions_are_counted() -> None:
    class Shot(nc.Schema):
        x: Annotated[float, nc.Quantized(0, 1, bits=8, clamp=True)]
        y: Annotated[bool, nc.Since(2)] = False

    Shot.codec_for(1).encode(Shot(2.0))
    Shot.codec_for(2).encode(Shot(2.0))
    Shot(2.0).encode()
    assert Shot.clamped == 3


HP = Annotated[int, nc.Range(0, 9)]


@pytest.mark.parametrize(
    ("hints", "defaults", "words"),
    [
        ({"a": Annotated[bool, nc.Since(2)]}, {}, r"S\.a: a field since version 2 needs a default"),
        (
            {"a": Annotated[bool, nc.Since(3)], "b": Annotated[bool, nc.Since(2)]},
            {"a": True, "b": True},
            r"S\.b: a field of version 2 cannot follow a, which is there since 3",
        ),
        (
            {"a": Annotated[bool, nc.Since(2)], "b": bool},
            {"a": True, "b": True},
            r"S\.b: a field of version 1 cannot follow a",
        ),
        ({"a": Annotated[bool, nc.Since]}, {"a": True}, r"S\.a: write Since\(n\)"),
        ({"a": Annotated[bool, nc.Since(0)]}, {"a": True}, "since takes an int from 1 to 65535"),
        ({"a": Annotated[bool, nc.Since("2")]}, {"a": True}, "not '2'"),  # type: ignore[arg-type]
        ({"a": Annotated[bool, nc.Since(2), nc.Since(3)]}, {"a": True}, "was added once"),
        (
            {"a": Annotated[list[Annotated[HP, nc.Since(2)]], nc.ArrayOf(max=2)]},
            {"a": []},
            "belongs to the whole field",
        ),
    ],
)
def test_what_cannot_be_meant(hints: dict, defaults: dict, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        type(Schema)("S", (Schema,), {"__annotations__": hints, **defaults})


def test_since_of_optional_fields_stands_inside_or_outside() -> None:
    class Two(nc.Schema):
        a: Annotated[HP | None, nc.Since(2)] = None
        b: Annotated[int, nc.Range(0, 9), nc.Since(2)] | None = None

    assert [field.since for field in Two.fields] == [2, 2]


def test_a_base_class_that_grows_may_not_move_the_fields_of_others() -> None:
    class Base(nc.Schema):
        a: bool = False
        b: Annotated[bool, nc.Since(2)] = False

    with pytest.raises(SchemaError, match=r"Sub\.c: a field of version 1 cannot follow b"):

        class Sub(Base):
            c: bool = False


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[tuple[str, Kind, Any, int]], int]:
    """Fields with a default and a version each, and the newest version."""
    newest = draw(st.integers(2, 4))
    since = sorted(draw(st.lists(st.integers(1, newest), min_size=1, max_size=6)))
    made = []
    for i, version in enumerate(since):
        kind = draw(fields(1))
        made.append((f"f{i}", kind, draw(kind.values), version))
    # A float32 column rounds a default that an object keeps: take one that stays as it is.
    first = class_of(made, newest, marked=False)()
    kept = type(first).decode(first.encode())
    return [(n, kind, getattr(kept, n), since) for n, kind, _, since in made], newest


def class_of(parts: list[tuple[str, Kind, Any, int]], newest: int, marked: bool) -> Any:
    """The class as it was in version ``newest``."""
    kept = [part for part in parts if part[3] <= newest]
    mark = (lambda hint, n: Annotated[hint, nc.Since(n)]) if marked else (lambda hint, n: hint)
    space = {name: default for name, _, default, _ in kept}
    hints = {name: mark(kind.hint, since) for name, kind, _, since in kept}
    return type(Schema)("Grown", (Schema,), {"__annotations__": hints, **space})


@given(histories(), st.data())
def test_random_schemas_grow(history: tuple[list, int], data: st.DataObject) -> None:
    parts, newest = history
    now = class_of(parts, newest, marked=True)
    objects = data.draw(st.lists(st.builds(now, **{p[0]: p[1].values for p in parts}), max_size=3))
    defaults = now()
    inner: Any = type(Schema)(
        "Outer", (Schema,), {"__annotations__": {"g": Annotated[list[now], nc.ArrayOf(max=3)]}}
    )
    for version in range(1, newest + 1):
        then = class_of(parts, version, marked=version % 2 == 0)
        codec = now.codec_for(version)
        assert now.compatible_with(then) == codec.version <= version
        assert codec.schema_hash == then.schema_hash
        for obj in objects:
            old = then(**{name: getattr(obj, name) for name in then.__match_args__})
            sent = old.encode()
            assert codec.encode(obj) == sent
            back = codec.decode(sent)
            assert codec.encode(back) == sent
            assert then.decode(codec.encode(back)).encode() == sent
            for name, *_, since in parts:
                if since > version:
                    assert repr(getattr(back, name)) == repr(getattr(defaults, name))
        many = codec.encode_many(objects)
        rows = codec.decode_records(many)
        assert rows.dtype == now.dtype
        assert codec.encode_records(rows) == many
        assert now.encode_records(rows) == now.encode_many(codec.decode_many(many))
        within = inner.codec_for(version)
        nested = within.encode(inner(objects))
        outer: Any = type(Schema)(
            "Outer", (Schema,), {"__annotations__": {"g": Annotated[list[then], nc.ArrayOf(max=3)]}}
        )
        assert outer.decode(nested).encode() == nested
        assert within.encode(within.decode(nested)) == nested


@given(histories(), st.data())
def test_lanes_of_an_old_version_are_some_of_the_newest(
    history: tuple[list, int], data: st.DataObject
) -> None:
    """Its codes are those of the old class, taken from the newest ones; and they come back."""
    parts, newest = history
    now = wrapped(class_of(parts, newest, marked=True))
    one = {name: kind.values for name, kind, *_ in parts}
    inner = st.builds(now.inner, **one)
    build = st.builds(now, inner, st.none() | inner, st.lists(inner, max_size=2), st.booleans())
    drawn = data.draw(st.lists(build, min_size=1, max_size=3))
    objects = now.decode_many(now.encode_many(drawn))  # a float32 column rounds other values
    capacity = len(objects) + 1
    rows = np.arange(capacity) < len(objects)
    columns = now.columns(capacity)
    for slot, obj in enumerate(objects):
        now.set_row(columns, slot, obj)
    lanes = np.zeros((len(now.lanes), capacity), np.int32)
    now.quantize(columns, lanes, rows)
    for version in range(1, newest + 1):
        then = wrapped(class_of(parts, version, marked=False))
        codec = now.codec_for(version)
        assert codec.lanes == then.lanes
        assert codec.lane_max.tolist() == then.lane_max.tolist()
        places = codec.lane_places
        assert [now.lanes[place].name for place in places] == [lane.name for lane in then.lanes]
        sent = then.decode_many(codec.encode_many(objects))
        old = then.columns(capacity)
        for slot, obj in enumerate(sent):
            then.set_row(old, slot, obj)
        codes = np.zeros((len(then.lanes), capacity), np.int32)
        then.quantize(old, codes, rows)
        picked = np.ascontiguousarray(lanes[places])
        assert picked.tolist() == codes.tolist()
        back = now.columns(capacity)
        spare = repr(now.row(back, capacity - 1))
        codec.dequantize(picked, back, rows)
        assert repr(now.row(back, capacity - 1)) == spare  # not one of the rows
        # What the columns hold is what this end would read out of the old version's bytes.
        held = codec.decode_many(codec.encode_many([now.row(back, n) for n in range(len(sent))]))
        assert repr(held) == repr(codec.decode_many(codec.encode_many(objects)))
        for slot, obj in enumerate(held):
            assert repr(now.row(back, slot)) == repr(now.row(columns_of(now, obj), 0))


def wrapped(inner: Any) -> Any:
    """A schema that has another one in every place that there is."""
    hints = {
        "plain": inner,
        "maybe": inner | None,
        "many": Annotated[list[inner], nc.ArrayOf(max=2)],
        "last": bool,
    }
    made: Any = type(Schema)("Outer", (Schema,), {"__annotations__": hints})
    type.__setattr__(made, "inner", inner)
    return made


def columns_of(schema: Any, obj: Any) -> dict[str, Any]:
    columns: dict[str, Any] = schema.columns(1)
    schema.set_row(columns, 0, obj)
    return columns
