"""explain(data): every bit is accounted for, and failures are those of decode."""

from __future__ import annotations

import enum
import math
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle.schemas import cases

import netcode as nc
from netcode.errors import DecodeError
from netcode.schema import DataExplanation, Schema


class State(enum.Enum):
    IDLE = 0
    BUSY = 1
    DEAD = 2


class Item(nc.Schema):
    id: Annotated[int, nc.VarUint()] = 300


class Ship(nc.Schema):
    name: Annotated[str, nc.Text(7)] = "Ann"
    state: State = State.BUSY
    pos: Annotated[tuple[float, float], nc.Vec2(0, 60, step=1 / 4)] = (1.5, 60)
    items: Annotated[list[Item], nc.ArrayOf(max=3)] = [Item()]  # noqa: RUF012
    hp: Annotated[int, nc.Range(0, 100)] | None = 40


TABLE = """\
Ship: 9 bytes
bit  bits  field        code  value            note
---  ----  -----------  ----  ---------------  -----------------------------------
  0     3  name            3  3                size, at most 7
  3    24  name               'Ann'            text
 27     2  state           1  <State.BUSY: 1>  enum IDLE BUSY DEAD
 29     8  pos.x           6  1.5              quantized 0..60 step 0.25 codes 241
 37     8  pos.y         240  60.0             quantized 0..60 step 0.25 codes 241
 45     2  items           1  1                count, at most 3
 47    16  items[0].id   684  300              varuint 0..18446744073709551615
 63     1  hp              1  True             present
 64     7  hp             40  40               int 0..100
 71     1                  0                   padding"""


def values(value: Any) -> list[Any]:
    """The leaves of a decoded object, in wire order, as the rows have them."""
    if isinstance(value, Schema):
        return [leaf for name in value.__match_args__ for leaf in values(getattr(value, name))]
    return [leaf for item in value for leaf in values(item)] if isinstance(value, list) else [value]


def test_the_table_of_one_object() -> None:
    told = Ship.explain(Ship().encode())
    assert isinstance(told, DataExplanation)
    assert str(told) == TABLE
    row = told.rows[4]
    assert (row.bit, row.bits, row.field, row.code, row.value) == (37, 8, "pos.y", 240, 60.0)
    assert told.error == ""
    shown = told._repr_html_()
    assert "<td>&lt;State.BUSY: 1&gt;</td>" in shown
    assert shown.startswith("<table><caption>Ship: 9 bytes</caption>")


def test_truncated_data_is_explained_up_to_there() -> None:
    told = Ship.explain(Ship().encode()[:5])
    assert [row.field for row in told.rows] == ["name", "name", "state", "pos.x", "pos.y"]
    assert told.rows[-1] == nc.schema.DataRow(37, 3, "pos.y", None, None, "the data ends here")
    assert told.error == "Ship.pos.y: at bit 37, the data ends here"
    assert "invalid: Ship.pos.y: at bit 37" in str(told)


def test_lists_and_versions() -> None:
    class Shot(nc.Schema):
        x: Annotated[int, nc.Range(0, 9)] = 5
        y: Annotated[bool, nc.Since(2)] = True

    data = Shot.encode_many([Shot(), Shot(6)])
    told = Shot.explain(data, many=True)
    assert [(row.field, row.value) for row in told.rows] == [
        ("", 2), ("[0].x", 5), ("[0].y", True), ("[1].x", 6), ("[1].y", True), ("", None),
    ]  # fmt: skip
    assert Shot.explain(data[:1], many=True).error.startswith("Shot: at bit 0, the count is above")
    assert Shot.explain(b"", many=True).error == "Shot: at bit 0, the data ends here"
    told = Shot.explain(b"\x02\xf5\x01", many=True)
    assert told.error == "Shot[1].x: at bit 13, the code is above the largest one"
    assert [row.field for row in Shot.explain(b"\x05", version=1).rows] == ["x", ""]
    assert [row.field for row in Shot.explain(version=1).rows] == ["x"]
    assert Shot.explain(np.frombuffer(b"\x15", np.uint8)).error == ""
    with pytest.raises(TypeError):
        Shot.explain(5)  # type: ignore[call-overload]


@given(cases())
def test_every_bit_of_every_kind(case: Any) -> None:
    cls, _, objects = case
    for obj in objects:
        data = obj.encode()
        told = cls.explain(data)
        assert told.error == ""
        assert sum(row.bits for row in told.rows) == 8 * len(data)
        at = 0
        number = int.from_bytes(data, "little")
        for row in told.rows:
            assert row.bit == at
            at += row.bits
            if row.code is not None:
                assert row.code == number >> row.bit & ((1 << row.bits) - 1)
    told = cls.explain(cls.encode_many(objects), many=True)
    assert told.error == ""
    assert told.rows[0].value == len(objects)


@given(cases())
def test_the_values_are_those_of_decode(case: Any) -> None:
    cls, _, objects = case
    for obj in objects:
        rows = cls.explain(obj.encode()).rows
        told = [row.value for row in rows]
        for leaf in values(cls.decode(obj.encode())):
            if isinstance(leaf, float) and math.isnan(leaf):
                assert any(isinstance(value, float) and math.isnan(value) for value in told)
            elif isinstance(leaf, tuple) and leaf not in told:
                assert all(part in told for part in leaf)
            elif leaf is not None and leaf not in ("", b""):
                assert leaf in told


@given(cases(), st.data())
def test_failures_are_those_of_decode(case: Any, data: st.DataObject) -> None:
    cls, _, objects = case
    for obj in objects:
        wire = bytearray(obj.encode())
        if wire and data.draw(st.booleans()):
            wire[data.draw(st.integers(0, len(wire) - 1))] ^= data.draw(st.integers(1, 255))
        sent = bytes(wire)[: data.draw(st.integers(0, len(wire)))]
        sent += data.draw(st.binary(max_size=2))
        told = cls.explain(sent)
        assert told.rows or not sent
        expected = ""
        try:
            cls.decode(sent)
        except DecodeError as error:
            expected = str(error)
        assert told.error == expected
