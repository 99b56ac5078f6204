"""Tables: columns, ids, row views, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle.lanes import lane_schema

from netcode.errors import ConfigError, TableFull, UnknownEntity
from netcode.replication import Table

SCHEMA = lane_schema([[10], [5, 5]])


def make(capacity: int = 8) -> Any:
    return Table(SCHEMA, capacity)


class Player:
    index = 4


def test_spawn_and_despawn() -> None:
    table = make()
    a = table.spawn(SCHEMA(f0=(7,), f1=(1, 2)), owner=Player())
    b = table.spawn()
    assert a == 1 << 16
    assert b == 1 << 16 | 1
    assert len(table) == 2
    assert table.ids.tolist() == [a, b]
    assert table.alive.tolist() == [True, True] + [False] * 6
    assert table.owner(a) == 4
    assert table.owner(b) is None
    assert table.owned(Player()) == table.owned(4) == [a]
    assert table.slot(b) == 1
    assert table.id_at(1) == b
    assert table.id_at(2) == 0
    assert a in table
    table.despawn(a)
    assert a not in table
    c = table.spawn()
    assert c == 2 << 16  # the slot again, in a new life
    assert table[c].f0 == (0,)  # and with the defaults, not what was there
    assert table.owner(c) is None
    for stale in (a, 0, -1, 7, 3 << 16, 1 << 16 | 100, 1 << 50):
        assert stale not in table
        for use in (table.despawn, table.slot, table.owner, table.copy, table.__getitem__):
            with pytest.raises(UnknownEntity, match=f"{stale} was despawned or never was here"):
                use(stale)
    assert "x" not in table
    table.clear()
    assert len(table) == 0


def test_full() -> None:
    table = make(2)
    table.spawn_many(2)
    with pytest.raises(TableFull, match="1 more do not fit, 2 of 2 slots"):
        table.spawn()
    with pytest.raises(TableFull):
        table.spawn_many(1)
    assert table.spawn_many(0).tolist() == []


def test_spawn_many_fills_columns() -> None:
    table = make()
    table.spawn()
    table.f0[:] = 9  # dead rows too: spawning sets them back
    ids = table.spawn_many(3, owner=2, f0=[[1], [2], [3]], f1=(4, 5))
    slots = ids & 0xFFFF
    assert slots.tolist() == [1, 2, 3]
    assert table.f0[slots, 0].tolist() == [1, 2, 3]
    assert table.f1[slots].tolist() == [[4, 5]] * 3
    assert table.owners[slots].tolist() == [2] * 3
    for arguments in ({"nope": 1}, {"count": -1}):
        with pytest.raises(ConfigError):
            table.spawn_many(**{"count": 1, **arguments})
    with pytest.raises(ValueError, match="broadcast"):
        table.spawn_many(2, f0=[[1], [2], [3]])
    assert len(table) == 4
    assert table.spawn() & 0xFFFF == 4


def test_columns_are_written_in_place_only() -> None:
    table = make()
    column = table.f0
    table.f0 += 5
    table.f0[3] = 9
    assert table.f0 is column is table.columns["f0"]
    assert column[3, 0] == 9
    with pytest.raises(AttributeError, match=r"write table.f0\[:\] = "):
        table.f0 = np.zeros(8)
    with pytest.raises(AttributeError, match="no field 'g'"):
        table.g = 1
    with pytest.raises(AttributeError, match="no field 'g'"):
        table.g  # noqa: B018
    with pytest.raises(ValueError, match="read-only"):
        table.alive[0] = True
    assert "f0" in dir(table)
    assert repr(table) == "<Table of Codes: 0 of 8>"


def test_rows_are_views() -> None:
    table = make()
    a = table.spawn()
    row = table[a]
    assert table[a] is row
    row.f0 = (3,)
    assert table.f0[0, 0] == 3
    table.f1[0] = (6, 7)
    assert row.f1 == (6, 7)
    with pytest.raises(ValueError, match="expected 2 numbers"):
        row.f1 = 5
    with pytest.raises(AttributeError):
        row.g = 1
    assert repr(row) == "<Codes row: f0=(3,), f1=(6, 7)>"
    copy = table.copy(a)
    table[a] = SCHEMA(f0=(1,), f1=(2, 3))
    assert row.f1 == (2, 3)
    assert copy.f1 == (6, 7)
    assert [(entity, state.f0) for entity, state in table] == [(a, (1,))]


def test_a_view_kept_after_despawn_raises() -> None:
    table = make()
    a = table.spawn()
    row = table[a]
    table.despawn(a)
    b = table.spawn()
    with pytest.raises(UnknownEntity, match="cannot read 'f0': this entity was despawned"):
        row.f0  # noqa: B018
    with pytest.raises(UnknownEntity, match="cannot set"):
        row.f0 = (1,)
    assert repr(row) == "<despawned entity>"
    assert table[b].f0 == (0,)


def test_entities_may_go_while_iterating() -> None:
    table = make()
    ids = table.spawn_many(4).tolist()
    seen = []
    for entity, _ in table:
        seen.append(entity)
        if entity == ids[0]:
            table.despawn(ids[2])
            table.spawn()
    assert seen == [ids[0], ids[1], ids[3]]


def test_owners() -> None:
    table = make()
    a = table.spawn(owner=65_535)
    table.set_owner(a, Player())
    assert table.owner(a) == 4
    table.set_owner(a, None)
    assert table.owner(a) is None
    for owner in (-1, 65_536):
        with pytest.raises(ConfigError, match="client index"):
            table.spawn(owner=owner)
    assert len(table) == 1


def test_generations_go_round_without_zero() -> None:
    table = make(1)
    for life in range(1, 65_540):
        entity = table.spawn()
        assert entity >> 16 == (life - 1) % 65_535 + 1
        table.despawn(entity)


@pytest.mark.parametrize("capacity", [0, -1, 65_537])
def test_capacity(capacity: int) -> None:
    with pytest.raises(ConfigError, match="1 to 65536 slots"):
        make(capacity)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["spawn", "many", "despawn"]), st.integers(0, 9))))
def test_against_a_model(steps: list[tuple[str, int]]) -> None:
    table = make(6)
    living: set[int] = set()
    ever: set[int] = set()
    for what, number in steps:
        if what == "despawn" and living:
            entity = sorted(living)[number % len(living)]
            table.despawn(entity)
            living.remove(entity)
        elif what == "spawn" and len(living) < 6:
            entity = table.spawn()
            assert entity not in ever
            living.add(entity)
        elif what == "many" and number <= 6 - len(living):
            living.update(table.spawn_many(number).tolist())
        ever |= living
        assert set(table.ids.tolist()) == living
        assert {entity for entity, _ in table} == living
        assert len(table) == len(living)
        assert all((entity in table) == (entity in living) for entity in ever)
