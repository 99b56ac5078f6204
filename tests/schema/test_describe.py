"""Description, hash, differences and explanation."""

from __future__ import annotations

import enum
from typing import Annotated, Any

import numpy as np
import pytest

from netcode.schema import (
    Angle,
    ArrayOf,
    Quantized,
    Range,
    Schema,
    SchemaType,
    Text,
    VarUint,
    differences,
)


class Mode(enum.Enum):
    IDLE = 1
    BUSY = 2


class Item(Schema):
    id: Annotated[int, VarUint(1000)]
    on: bool = True


class Ship(Schema):
    x: Annotated[float, Quantized(0, 960, step=1 / 16)]
    mode: Mode = Mode.IDLE
    held: Item | None = None
    name: Annotated[str, Text(7)] = ""
    items: Annotated[list[Item], ArrayOf(max=3)] = []  # noqa: RUF012


def test_description() -> None:
    assert Ship.description == (
        "x: quantized 0..960 step 0.0625 codes 15361",
        "mode: enum IDLE BUSY",
        "held: optional schema",
        "held.id: varuint 0..1000",
        "held.on: bool",
        "name: text 7 bytes",
        "items: array of at most 3: schema",
        "items[].id: varuint 0..1000",
        "items[].on: bool",
    )


def test_hash_is_fixed() -> None:
    """Peers of other releases must compute the same: these numbers never change."""
    assert Item.schema_hash == HASH_OF_ITEM
    assert Ship.schema_hash == HASH_OF_SHIP


HASH_OF_ITEM = 3594206207866560665
HASH_OF_SHIP = 15622746226938527309


def variant(**changes: Any) -> Any:
    hints: dict[str, Any] = {
        "x": Annotated[float, Quantized(0, 10, step=0.5)],
        "hp": Annotated[int, Range(0, 100)],
    }
    hints.update(changes)
    return SchemaType("Variant", (Schema,), {"__annotations__": hints})


def test_what_the_hash_is_of() -> None:
    base = variant().schema_hash
    same = [
        variant(x=Annotated[float, Quantized(0, 10, step=0.5, clamp=True, dtype=np.float32)]),
        variant(x=Annotated[float, Quantized(0.0, 10.0, 0.5)]),
    ]
    other = [
        variant(x=Annotated[float, Quantized(0, 10, step=0.25)]),
        variant(x=Annotated[float, Quantized(0, 11, step=0.5)]),
        variant(hp=Annotated[int, Range(0, 101)]),
        variant(hp=Annotated[int, Range(0, 100)] | None),
        variant(mp=bool),
        SchemaType("Variant", (Schema,), {"__annotations__": {
            "hp": Annotated[int, Range(0, 100)], "x": Annotated[float, Quantized(0, 10, step=0.5)],
        }}),
    ]  # fmt: skip
    assert {cls.schema_hash for cls in same} == {base}
    hashes = [cls.schema_hash for cls in other]
    assert base not in hashes
    assert len(set(hashes)) == len(hashes)


def test_differences() -> None:
    old, new = (
        variant(),
        variant(hp=Annotated[int, Range(0, 255)], angle=Annotated[float, Angle(9)]),
    )
    assert differences(old.description, new.description) == [
        "hp: int 0..100 became int 0..255",
        "angle: added, angle 9 bits",
    ]
    assert differences(new.description, old.description)[1] == "angle: removed, angle 9 bits"
    assert differences(old.description, old.description) == []
    turned = tuple(reversed(old.description))
    assert differences(old.description, turned) == ["order: x, hp became hp, x"]


def test_explain() -> None:
    text = str(Ship.explain())
    assert text.splitlines()[:4] == [
        "Ship: 21 to 145 bits, 3 to 19 bytes",
        "field       kind                                       bits  at bit",
        "----------  ----------------------------------------  -----  ------",
        "x           quantized 0..960 step 0.0625 codes 15361     14       0",
    ]
    rows = Ship.explain().rows
    assert [(row.field, row.bits, row.place) for row in rows] == [
        ("x", "14", "0"),
        ("mode", "1", "14"),
        ("held", "1..18", "15"),
        ("held.id", "8..16", "16"),
        ("held.on", "1", "24+"),
        ("name", "3..59", "16+"),
        ("items", "2..53", "19+"),
        ("items[].id", "8..16", ""),
        ("items[].on", "1", ""),
    ]
    assert (Ship.explain().bits_min, Ship.explain().bits_max) == (21, 145)
    widths = {len(line) for line in text.splitlines()[1:]}
    assert len(widths) == 1


def test_explain_fixed() -> None:
    explanation = variant().explain()
    assert str(explanation).splitlines()[0] == "Variant: 12 bits, 2 bytes"
    assert explanation.rows[1].offset == 5


def test_explain_in_a_notebook() -> None:
    html = Ship.explain()._repr_html_()
    assert html.startswith("<table><caption>Ship: 21 to 145 bits")
    assert html.count("<tr>") == 10
    assert "items[].on" in html


@pytest.mark.parametrize("cls", [Ship, Item])
def test_explain_agrees_with_sizes(cls: Any) -> None:
    assert (cls.explain().bits_max + 7) // 8 == cls.max_bytes
