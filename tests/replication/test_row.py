"""Row views over every kind of field, and real schemas from a server's columns to a client's."""

from __future__ import annotations

import enum
import math
from typing import Annotated

import numpy as np
import pytest

from netcode.errors import ConfigError, EncodeError
from netcode.replication import Receiver, Sender, Table
from netcode.schema import (
    Angle,
    ArrayOf,
    Blob,
    Quantized,
    Quat,
    Range,
    Schema,
    Text,
    VarUint,
    Vec2,
)


class Mood(enum.Enum):
    CALM = "calm"
    ANGRY = "angry"


class Perk(enum.Flag):
    FAST = 1
    STRONG = 2


class Spot(Schema):
    x: Annotated[float, Quantized(0, 960, step=1 / 16)] = 1.0
    y: Annotated[float, Quantized(0, 600, step=1 / 16)] = 2.0


class Unit(Schema):
    at: Spot = Spot()
    angle: Annotated[float, Angle(bits=9)] = 0.0
    hp: Annotated[int, Range(0, 100)] = 100
    score: Annotated[int, VarUint()] = 0
    hidden: bool = False
    mood: Mood = Mood.CALM
    perks: Perk = Perk(0)
    speed: Annotated[tuple[float, float], Vec2(-10, 10, bits=12)] = (0.0, 0.0)
    turn: Annotated[tuple[float, float, float, float], Quat(bits=9)] = (0.0, 0.0, 0.0, 1.0)
    name: Annotated[str, Text(12)] = ""
    badge: Annotated[bytes, Blob(4)] = b""
    target: Annotated[int, Range(0, 1000)] | None = None
    items: Annotated[list[int], ArrayOf(Range(0, 50), max=4)] = []  # noqa: RUF012


def example() -> Unit:
    return Unit(
        at=Spot(x=5.0, y=6.5),
        angle=0.0,
        hp=7,
        score=2**40,
        hidden=True,
        mood=Mood.ANGRY,
        perks=Perk.FAST | Perk.STRONG,
        name="Ünal",
        badge=b"\0\1",
        target=3,
        items=[1, 50],
    )


def test_reading_and_writing_every_kind() -> None:
    table = Table(Unit, 4)
    entity = table.spawn()
    row, source = table[entity], example()
    for name in table.columns:
        setattr(row, name, getattr(source, name))
    for name in table.columns:
        value = getattr(row, name)
        if name != "at":
            assert value == getattr(source, name)
            assert type(value) is type(getattr(source, name))
    assert (row.at.x, row.at.y) == (5.0, 6.5)
    assert table.copy(entity) == source
    assert table.copy(table.spawn(source)) == source
    assert table.copy(table.spawn()) == Unit()


def test_nested_fields_are_assigned_one_by_one() -> None:
    table = Table(Unit, 4)
    a, b = table.spawn(), table.spawn()
    table[a].at.x = 33.0
    assert table.at["x"][0] == 33.0
    table[b].at = table[a].at
    assert table[b].at.x == 33.0
    table[a].at.x += 1
    assert table[b].at.x == 33.0


def test_optional_fields_with_a_default() -> None:
    class Maybe(Schema):
        number: Annotated[int, Range(0, 9)] | None = 5
        spot: Spot | None = Spot()

    table = Table(Maybe, 2)
    row = table[table.spawn()]
    assert (row.number, row.spot) == (5, Spot())
    row.number = None
    row.spot = None
    assert table.copy(table.ids.tolist()[0]) == Maybe(number=None, spot=None)
    row.number = 7
    row.spot = Spot(x=3.0)
    assert table.copy(table.ids.tolist()[0]) == Maybe(number=7, spot=Spot(x=3.0))


def test_python_numbers_and_columns_do_not_cut_each_other() -> None:
    table = Table(Unit, 4)
    row = table[table.spawn()]
    with pytest.raises(TypeError):
        row.hp = 3.7  # type: ignore[assignment]
    row.hp = np.int64(3)  # type: ignore[assignment]
    assert (row.hp, type(row.hp)) == (3, int)
    row.angle = 1
    assert type(row.angle) is float


def test_values_that_do_not_fit() -> None:
    table = Table(Unit, 4)
    row = table[table.spawn()]
    for name, value in [("mood", 1), ("name", "x" * 13), ("items", [51]), ("target", 1001)]:
        with pytest.raises(EncodeError, match=f"Unit.{name}"):
            setattr(row, name, value)
    assert table.copy(table.ids.tolist()[0]) == Unit()
    table.hp[0] = 101  # another field out of range does not stand in the way
    row.mood = Mood.ANGRY
    assert row.mood is Mood.ANGRY
    sender = Sender([table])
    with pytest.raises(EncodeError, match=r"Unit\.hp"):
        sender.commit(0)
    table.hp[:] = 100
    table.hp[1] = 101  # a dead row may hold anything
    sender.commit(0)
    with pytest.raises(EncodeError):
        table.spawn(Unit(hp=101))
    assert len(table) == 1


def test_from_the_server_s_columns_to_the_client_s() -> None:
    table = Table(Unit, 16)
    sender = Sender([table])
    receiver = Receiver([(Unit, 16)])
    sender.add(0)
    ids = [table.spawn(example(), owner=1), table.spawn(), table.spawn(Unit(hp=1))]
    for tick in range(6):
        table.at["x"][:] += 0.5
        table[ids[1]].items = list(range(tick % 4))
        table[ids[2]].name = "n" * tick
        sender.commit(tick)
        for kind, data in sender.frames(0):
            assert receiver.on_frame(kind, data)
        for kind, data in receiver.frames():
            assert sender.on_frame(0, kind, data)
        world = receiver.worlds[0]
        assert receiver.world_hash(tick) == sender.world_hash(tick)
        for entity, state in world:
            sent = table.copy(entity)
            assert math.isclose(state.turn[3], 1.0, abs_tol=0.01)
            assert state.replace(turn=sent.turn, speed=sent.speed) == sent
    assert {entity: state.hp for entity, state in world} == {ids[0]: 7, ids[1]: 100, ids[2]: 1}


def test_a_row_too_large_for_a_section() -> None:
    class Novel(Schema):
        text: Annotated[str, Text(1200)] = ""

    with pytest.raises(ConfigError, match="send large data as messages"):
        Sender([Table(Novel, 2)])
