"""What type checkers see of a schema; checked by mypy and pyright, never run."""

from __future__ import annotations

import enum
from typing import Annotated, Any, assert_type

import numpy as np

from netcode.schema import (
    Angle,
    ArrayOf,
    Bits,
    Blob,
    DataExplanation,
    Explanation,
    Field,
    Float32,
    Lane,
    Quantized,
    Quat,
    Range,
    Schema,
    Since,
    Text,
    VarUint,
    Vec3,
    VersionCodec,
)

Coordinate = Annotated[float, Quantized(0, 960, step=1 / 16)]


class Mode(enum.Enum):
    IDLE = 0
    FLYING = 1


class Item(Schema):
    id: Annotated[int, VarUint()]
    charges: Annotated[int, Bits(4)] = 1


class Ship(Schema):
    x: Coordinate
    y: Coordinate
    name: Annotated[str, Text(16)]
    angle: Annotated[float, Angle(bits=9)] = 0.0
    hp: Annotated[int, Range(0, 100)] = 100
    alive: bool = True
    mode: Mode = Mode.IDLE
    position: Annotated[tuple[float, float, float], Vec3(-1, 1, bits=8)] = (0.0, 0.0, 0.0)
    rotation: Annotated[tuple[float, float, float, float], Quat()] = (0.0, 0.0, 0.0, 1.0)
    mass: Annotated[float, Float32] = 1.0
    tag: Annotated[bytes, Blob(4)] = b""
    held: Item | None = None
    items: Annotated[list[Item], ArrayOf(max=4)] = []  # noqa: RUF012
    scores: Annotated[list[int], ArrayOf(Range(0, 9), max=4)] = []  # noqa: RUF012


class Boss(Ship):
    rage: Annotated[int, Range(0, 9)] = 0
    calm: Annotated[bool, Since(2)] = False
    target: Annotated[int, Range(0, 9), Since(2)] | None = None


class Trade(Schema, since=2):
    item: Annotated[int, Range(0, 9)]


ship = Ship(1.0, 2.0, name="a", hp=3)
assert_type(ship.x, float)
assert_type(ship.name, str)
assert_type(ship.hp, int)
assert_type(ship.alive, bool)
assert_type(ship.mode, Mode)
assert_type(ship.position, tuple[float, float, float])
assert_type(ship.rotation, tuple[float, float, float, float])
assert_type(ship.mass, float)
assert_type(ship.tag, bytes)
assert_type(ship.held, Item | None)
assert_type(ship.items, list[Item])
assert_type(ship.scores, list[int])
assert_type(Boss(1.0, 2.0, "b", rage=2).x, float)

data = ship.encode()
assert_type(data, bytes)
assert_type(Ship.encode(ship), bytes)
assert_type(Ship.decode(data), Ship)
assert_type(Boss.decode(memoryview(data)), Boss)
assert_type(Ship.encode_many([ship]), bytes)
assert_type(Ship.decode_many(data), list[Ship])
assert_type(ship.copy(), Ship)
assert_type(ship.replace(hp=4), Ship)
assert_type(Ship.schema_hash, int)
assert_type(Ship.description, tuple[str, ...])
assert_type(Ship.dtype, np.dtype[Any])
assert_type(Ship.max_bytes, int)
assert_type(Ship.lanes, tuple[Lane, ...])
assert_type(Ship.fields, tuple[Field, ...])
assert_type(Ship.explain(), Explanation)
assert_type(Ship.explain(version=1), Explanation)
assert_type(Ship.explain(data), DataExplanation)
assert_type(Ship.explain(data, many=True, version=1), DataExplanation)
assert_type(Ship.schema_version, int)
assert_type(Ship.schema_versions, tuple[int, ...])
assert_type(Ship.codec_for(1), VersionCodec[Ship])
assert_type(Ship.codec_for(1).decode(data), Ship)
assert_type(Ship.codec_for(1).decode_many(data), list[Ship])
assert_type(Ship.compatible_with(Boss), int | None)
assert_type(Ship.compatible_with(Boss.description), int | None)
assert_type(Trade(3).item, int)
assert_type(Boss(1.0, 2.0, "a", calm=True).calm, bool)

records = Ship.decode_records(data)
assert_type(Ship.encode_records(records), bytes)
columns = Ship.columns(8)
assert_type(Ship.row(columns, 3), Ship)
Ship.set_row(columns, 3, ship)


def react(message: Schema) -> str:
    match message:
        case Ship(x, _, name):
            assert_type(x, float)
            assert_type(name, str)
            return name
        case Item(id=number):
            assert_type(number, int)
    return ""


Ship(1.0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Ship(1.0, "2", "a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Ship(1.0, 2.0, "a", speed=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
ship.hp = "3"  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
print(ship.schema_hash)  # type: ignore[attr-defined]  # pyright: ignore
