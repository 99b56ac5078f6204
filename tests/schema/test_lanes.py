"""Lanes and columns: names, order, masks, refusals, and codes from anywhere."""

from __future__ import annotations

import enum
import io
from typing import Annotated, Any

import numpy as np
import pytest

from netcode.errors import EncodeError, SchemaError
from netcode.schema import (
    Angle,
    ArrayOf,
    Bits,
    Blob,
    Float32,
    Float64,
    Lane,
    Quantized,
    Quat,
    Range,
    Schema,
    SchemaType,
    Text,
    VarUint,
    Vec2,
)


class Gear(enum.IntEnum):
    LOW = 10
    MID = 20
    HIGH = 30


class Item(Schema):
    id: Annotated[int, VarUint(1000)]
    on: bool = True


class All(Schema):
    a: bool
    b: bool
    x: Annotated[float, Quantized(0, 10, step=0.5)]
    angle: Annotated[float, Angle(8)]
    v: Annotated[tuple[float, float], Vec2(0, 1, bits=4)]
    q: Annotated[tuple[float, float, float, float], Quat(5)]
    gear: Gear
    id: Annotated[int, VarUint]
    wide: Annotated[int, Range(-(2**40), 2**40)]
    f: Annotated[float, Float32]
    d: Annotated[float, Float64]
    hp: Annotated[int, Range(0, 100)] | None
    item: Item | None
    text: Annotated[str, Text(6)]
    blob: Annotated[bytes, Blob(4)]
    items: Annotated[list[Item], ArrayOf(max=2)]


def test_names_and_fields() -> None:
    assert [(lane.name, lane.bits, lane.field) for lane in All.lanes] == [
        ("a", 1, 0),
        ("b", 1, 1),
        ("x", 5, 2),
        ("angle", 8, 3),
        ("v.x", 4, 4),
        ("v.y", 4, 4),
        ("q.largest", 2, 5),
        ("q.a", 5, 5),
        ("q.b", 5, 5),
        ("q.c", 5, 5),
        ("gear", 2, 6),
        ("id.low", 32, 7),
        ("id.high", 32, 7),
        ("wide.low", 32, 8),
        ("wide.high", 10, 8),
        ("f", 32, 9),
        ("d.low", 32, 10),
        ("d.high", 32, 10),
        ("hp.present", 1, 11),
        ("hp", 7, 11),
        ("item.present", 1, 12),
        ("item.id", 10, 12),
        ("item.on", 1, 12),
        ("text.size", 3, 13),
        ("text.0", 32, 13),
        ("text.1", 16, 13),
        ("blob.size", 3, 14),
        ("blob.0", 32, 14),
        ("items.count", 2, 15),
        ("items[0].id", 10, 15),
        ("items[0].on", 1, 15),
        ("items[1].id", 10, 15),
        ("items[1].on", 1, 15),
    ]
    assert All.lane_max.dtype == np.uint32
    assert All.lane_max.tolist() == [lane.max for lane in All.lanes]
    assert not All.lane_max.flags.writeable
    assert All.lanes[2] == Lane("x", 5, 2, "quantized", 20)


def test_columns() -> None:
    columns = All.columns(4)
    assert {name: column.shape for name, column in columns.items()} == {
        **dict.fromkeys(All.__match_args__, (4,)),
        "v": (4, 2),
        "q": (4, 4),
    }
    assert columns["q"][3].tolist() == [0, 0, 0, 1]
    assert columns["gear"].tolist() == [10] * 4
    assert columns["items"].dtype.names == ("count", "items")
    for column in columns.values():
        assert column.flags.writeable
    assert All.columns(0)["v"].shape == (0, 2)


def test_any_codes_give_values_in_range() -> None:
    random = np.random.default_rng(5)
    lanes = random.integers(-(2**31), 2**31, (len(All.lanes), 500), dtype=np.int32)
    small = random.random(lanes.shape) < 0.5
    lanes[small] &= 3
    columns = All.columns(500)
    rows = np.ones(500, np.bool_)
    All.dequantize(lanes, columns, rows)
    again = np.zeros_like(lanes)
    All.quantize(columns, again, rows)
    assert (again.view(np.uint32) <= All.lane_max[:, None]).all()
    for slot in range(0, 500, 25):
        All.row(columns, slot).encode()


def test_absent_values_are_zero_lanes() -> None:
    columns = All.columns(1)
    All.set_row(columns, 0, All.row(columns, 0).replace(items=[Item(5)], item=None, text="abc"))
    columns["items"]["items"]["id"][0, 1] = 77
    columns["item"]["value"]["id"][0] = 88
    lanes = np.full((len(All.lanes), 1), -1, np.int32)
    All.quantize(columns, lanes, np.ones(1, np.uint8))
    by_name = {lane.name: int(code) for lane, code in zip(All.lanes, lanes[:, 0], strict=True)}
    assert by_name["item.present"] == by_name["item.id"] == by_name["item.on"] == 0
    assert (by_name["items.count"], by_name["items[0].id"], by_name["items[1].id"]) == (1, 5, 0)
    assert (by_name["text.size"], by_name["text.0"], by_name["text.1"]) == (3, 0x636261, 0)


def test_only_chosen_rows() -> None:
    columns = Item.columns(5)
    columns["id"][:] = [1, 2, 2000, 4, 5]
    rows = np.array([1, 1, 0, 1, 0], np.uint8)
    lanes = np.full((2, 5), -7, np.int32)
    Item.quantize(columns, lanes, rows)
    assert lanes.tolist() == [[1, 2, -7, 4, -7], [1, 1, -7, 1, -7]]
    target = Item.columns(5)
    target["id"][:] = 9
    Item.dequantize(lanes, target, rows)
    assert target["id"].tolist() == [1, 2, 9, 4, 9]
    rows[2] = 1
    with pytest.raises(EncodeError, match=r"Item\.id in row 2: 2000 is out of range") as caught:
        Item.quantize(columns, lanes, rows)
    assert (caught.value.field, caught.value.value) == ("id", 2000)
    assert caught.value.limit == "an int from 0 to 1000"


def test_nan_names_the_row() -> None:
    class Point(Schema):
        v: Annotated[tuple[float, float], Vec2(0, 1, bits=4)]

    columns = Point.columns(3)
    columns["v"][1, 1] = np.nan
    with pytest.raises(EncodeError, match=r"Point\.v\.y in row 1: NaN is not a float from 0 to 1"):
        Point.quantize(columns, np.zeros((2, 3), np.int32), np.ones(3, np.bool_))


def test_views_of_arrays_are_columns_too() -> None:
    records = np.zeros(4, Item.dtype)
    records["id"] = [1, 2, 3, 4]
    lanes = np.zeros((2, 4), np.int32)
    columns = {name: records[name] for name in ("id", "on")}
    Item.quantize(columns, lanes, np.ones(4, np.bool_))
    assert lanes[0].tolist() == [1, 2, 3, 4]


def test_a_mapping_may_make_its_arrays_when_it_is_asked() -> None:
    """As that of an .npz file does; nobody else holds them."""
    rows = np.ones(5000, np.bool_)
    columns = Item.columns(len(rows))
    columns["id"][:] = 7
    wanted = np.zeros((2, len(rows)), np.int32)
    Item.quantize(columns, wanted, rows)
    with io.BytesIO() as file:
        np.savez(file, **columns)  # type: ignore[arg-type]
        file.seek(0)
        lanes = np.zeros_like(wanted)
        Item.quantize(np.load(file), lanes, rows)
    assert np.array_equal(lanes, wanted)


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        (
            "lanes",
            np.zeros((2, 3), np.int64),
            "lanes must be a C-contiguous int32 array of shape (2, ",
        ),
        ("lanes", np.zeros((3, 3), np.int32), "lanes must be a C-contiguous int32 array"),
        ("lanes", np.zeros((3, 2), np.int32).T, "lanes must be a C-contiguous int32 array"),
        ("lanes", [[0] * 3] * 2, "lanes must be a C-contiguous int32 array"),
        (
            "rows",
            np.zeros(3, np.int32),
            "rows must be a contiguous bool or uint8 array of shape (3,)",
        ),
        ("rows", np.zeros(4, np.uint8), "rows must be a contiguous bool"),
        ("rows", np.zeros(6, np.uint8)[::2], "rows must be a contiguous bool"),
        (
            "id",
            np.zeros(3, np.int32),
            "Item.id: the column must be an array of uint16 with shape (3,)",
        ),
        ("id", np.zeros(4, np.uint16), "Item.id: the column must be an array of uint16"),
        ("id", [1, 2, 3], "Item.id: the column must be an array of uint16"),
        ("id", None, "Item.id: the column must be an array of uint16"),
    ],
)
def test_wrong_arrays(part: str, value: Any, message: str) -> None:
    columns: dict[str, Any] = Item.columns(3)
    lanes: Any = np.zeros((2, 3), np.int32)
    rows: Any = np.ones(3, np.bool_)
    if part == "lanes":
        lanes = value
    elif part == "rows":
        rows = value
    elif value is None:
        del columns[part]
    else:
        columns[part] = value
    with pytest.raises(TypeError) as caught:
        Item.quantize(columns, lanes, rows)
    assert message in str(caught.value)
    with pytest.raises(TypeError):
        Item.dequantize(lanes, columns, rows)


def test_read_only_targets() -> None:
    columns, lanes, rows = Item.columns(3), np.zeros((2, 3), np.int32), np.ones(3, np.bool_)
    lanes.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        Item.quantize(columns, lanes, rows)
    columns["id"].flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        Item.dequantize(lanes, columns, rows)


def test_too_large_for_a_table() -> None:
    hint = Annotated[list[int], ArrayOf(Bits(3), max=5000)]
    cls = SchemaType("Long", (Schema,), {"__annotations__": {"x": hint}})
    assert cls.decode(cls([7] * 5000).encode()).x == [7] * 5000
    with pytest.raises(SchemaError, match="Long is too large for a table"):
        cls.lanes  # noqa: B018
    with pytest.raises(TypeError, match="Long has too many lanes for a table"):
        cls.quantize(cls.columns(1), np.zeros((1, 1), np.int32), np.ones(1, np.bool_))
