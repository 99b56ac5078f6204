"""The client's view of a table: ids, what came and went, states at ticks and between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle.lanes import lane_schema

from netcode.errors import UnknownEntity
from netcode.replication import Despawned, Receiver, Sender, Spawned, Table

SCHEMA = lane_schema([[10], [5, 5]])


class Pair:
    """A server and a client without anything in between."""

    def __init__(self, capacity: int = 8) -> None:
        self.table: Any = Table(SCHEMA, capacity)
        self.sender = Sender([self.table])
        self.sender.add(0)
        self.receiver = Receiver([(SCHEMA, capacity)])
        self.world = self.receiver.worlds[0]

    def step(self, tick: int, lost: bool = False) -> None:
        self.sender.commit(tick)
        for kind, data in self.sender.frames(0):
            if not lost:
                self.receiver.on_frame(kind, data)
        for kind, data in self.receiver.frames():
            self.sender.on_frame(0, kind, data)


def test_newest_state() -> None:
    pair = Pair()
    a = pair.table.spawn(SCHEMA(f0=(7,), f1=(1, 2)))
    b = pair.table.spawn(owner=3)
    pair.step(0)
    world = pair.world
    assert world.ids.tolist() == [a, b] == pair.table.ids.tolist()
    assert len(world) == 2
    assert a in world
    assert world[a].f1 == (1, 2)
    assert [(entity, state.f0) for entity, state in world] == [(a, (7,)), (b, (0,))]
    assert world.owner(a) is None
    assert world.owner(b) == 3
    assert world.owned(3) == [b]
    assert world.alive.tolist() == [True, True] + [False] * 6
    assert world.columns["f0"][:2, 0].tolist() == [7, 0]
    pair.table.f0[0] = 8
    pair.step(1)
    assert world[a].f0 == (8,)
    for gone in (0, -1, a + (1 << 16), 5, 9, 1 << 40):
        assert gone not in world
        with pytest.raises(UnknownEntity, match="not in the world"):
            world[gone]
    assert "x" not in world


def test_changes() -> None:
    pair = Pair()
    a = pair.table.spawn(owner=1)
    b = pair.table.spawn()
    pair.step(0)
    assert pair.world.changes() == [Spawned(a, 1), Spawned(b, None)]
    assert pair.world.changes() == []
    pair.table.despawn(a)
    pair.step(1)
    c = pair.table.spawn()
    pair.table.despawn(b)
    pair.step(2)
    assert c & 0xFFFF == a & 0xFFFF
    assert pair.world.changes() == [Despawned(a), Spawned(c, None), Despawned(b)]
    pair.table.despawn(c)
    pair.step(3)
    pair.table.despawn(pair.table.spawn())  # a life the client never saw
    pair.step(4)
    assert pair.world.changes() == [Despawned(c)]


def test_at() -> None:
    pair = Pair()
    a = pair.table.spawn()
    for tick in range(10):
        pair.table.f0[0] = tick * 10
        if tick == 6:
            pair.table.despawn(a)
        pair.step(tick)
    for tick in range(10):
        snapshot = pair.world.at(tick)
        assert snapshot.tick == tick
        assert snapshot.alive[0] == (tick < 6)
        assert not snapshot.alive[1:].any()
        if tick < 6:
            assert snapshot.columns["f0"][0, 0] == tick * 10
            assert snapshot.generation[0] == 1
            assert snapshot.owner[0] == -1


def test_bracket() -> None:
    pair = Pair()
    pair.table.spawn_many(3)
    for tick in range(0, 40, 2):
        pair.table.f0[0] = tick  # moves all the time; slot 1 once, at tick 30; slot 2 never
        pair.table.f0[1] = 500 if tick >= 30 else 0
        pair.step(tick, lost=tick in (20, 22))
    bracket = pair.world.bracket(19.5)
    assert bracket.alive.tolist()[:4] == [True, True, True, False]
    assert bracket.tick_before[:3].tolist() == [18] * 3
    assert bracket.tick_after[:3].tolist() == [24] * 3
    assert (bracket.before["f0"][0, 0], bracket.after["f0"][0, 0]) == (18, 24)
    assert (bracket.before["f0"][1, 0], bracket.after["f0"][1, 0]) == (0, 0)
    # Slot 1 stood still until tick 28: it must not begin to move when it was last heard of.
    bracket = pair.world.bracket(28.9)
    assert (bracket.tick_before[1], bracket.tick_after[1]) == (28, 30)
    assert (bracket.before["f0"][1, 0], bracket.after["f0"][1, 0]) == (0, 500)
    # Behind the newest tick there is nothing to move towards.
    bracket = pair.world.bracket(38.0)
    assert bracket.tick_after[:3].tolist() == [38] * 3
    assert np.array_equal(bracket.before["f0"], bracket.after["f0"])


def test_bracket_does_not_blend_two_lives() -> None:
    pair = Pair()
    a = pair.table.spawn(SCHEMA(f0=(100,), f1=(0, 0)))
    b = pair.table.spawn()
    pair.step(0)
    pair.table.despawn(a)
    pair.table.spawn(SCHEMA(f0=(900,), f1=(0, 0)))
    pair.table.despawn(b)
    pair.step(1)
    bracket = pair.world.bracket(0.5)
    assert bracket.alive[:2].tolist() == [True, True]
    assert bracket.tick_after[:2].tolist() == [0, 0]
    assert bracket.after["f0"][0, 0] == 100
    assert pair.world.bracket(-3.0).alive.any() == False  # noqa: E712
