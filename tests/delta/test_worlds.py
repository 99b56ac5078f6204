"""Whole worlds over a lossy line: schemas of any kind, entities that come, go and follow others.

The client below knows only what arrived. What it decodes must equal the server's world at every
tick, whichever acked pair (A, B) a section names.
"""

import contextlib
from typing import Annotated

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from oracle.schemas import cases

import netcode as nc
from netcode.delta.model import Model
from netcode.delta.shape import Shape
from netcode.delta.train import train
from netcode.errors import DecodeError, SchemaError

CAPACITY = 24
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # shrinking takes minutes


class Body(nc.Schema):
    at: Annotated[tuple[float, float, float], nc.Vec3(lo=-8, hi=8, bits=14)]
    turn: Annotated[tuple[float, float, float, float], nc.Quat]
    hp: Annotated[int, nc.Range(0, 100)] = 100


class Walker(nc.Schema):
    yaw: Annotated[float, nc.Angle(bits=10)]
    x: Annotated[float, nc.Quantized(0, 960, step=1 / 64)]
    y: Annotated[float, nc.Quantized(0, 600, step=1 / 64)]
    on: bool = False


class World:
    """Codes that drift, and lives that begin and end in reused slots."""

    def __init__(self, schema, seed):
        self.rng = np.random.default_rng(seed)
        self.tops = schema.lane_max.astype(np.int64)[:, None]
        self.codes = self.rng.integers(0, self.tops + 1, (len(self.tops), CAPACITY))
        self.life = np.where(self.rng.random(CAPACITY) < 0.5, 1, 0)
        self.used = self.life.copy()
        self.speed = self.rng.normal(0, 10.0 ** self.rng.uniform(0, 4), self.codes.shape)

    def step(self):
        rng = self.rng
        moves = rng.random((1, CAPACITY)) < 0.6
        drift = np.where(moves, self.speed + rng.normal(0, 1, self.codes.shape), 0)
        self.codes = np.clip(self.codes + np.clip(drift, -1e9, 1e9).astype(np.int64), 0, self.tops)
        for slot in np.flatnonzero(rng.random(CAPACITY) < 0.08):
            if self.life[slot] and rng.random() < 0.6:
                self.life[slot] = 0
                continue
            # a new life, perhaps in the very tick in which the old one ended
            self.used[slot] += 1
            self.life[slot] = self.used[slot]
            self.codes[:, slot] = rng.integers(0, self.tops[:, 0] + 1)
        lanes = np.ascontiguousarray(self.codes.astype(np.uint32).view(np.int32))
        lanes[:, self.life == 0] = -1  # what dead rows hold must not matter
        return lanes, self.life.copy()


def sections(t, a, b):
    """(slots, whether B is named) of the entities that have a pair in common; and all others."""
    live = t != 0
    on = live & (t == a) if a is not None else np.zeros(CAPACITY, bool)
    both = on & (t == b) if b is not None else np.zeros(CAPACITY, bool)
    parts = [(both, True), (on & ~both, False)]
    return [(np.flatnonzero(m).astype(np.uint16), named) for m, named in parts if m.any()], (
        live & ~on
    )


def play(schema, model, seed, *, ticks, loss, most_lag):
    """Run server and client; the number of sections that were decoded."""
    world, rng = World(schema, seed), np.random.default_rng(seed + 1)
    server, client = model.coder(CAPACITY), model.coder(CAPACITY)
    sent, held, acked, decoded = {}, {}, [], 0
    for tick in range(ticks):
        lanes, life = sent[tick] = world.step()
        pool = [old for old in acked if tick - old <= most_lag]
        # any acked pair, not just the newest
        a = int(rng.choice(pool)) if pool else None
        older = [old for old in acked if a is not None and 0 < a - old <= 100]
        b = int(rng.choice(older)) if older and rng.random() < 0.9 else None
        coded, fresh = sections(
            life, None if a is None else sent[a][1], None if b is None else sent[b][1]
        )
        arrived = np.full_like(lanes, -7)
        for slots, named in coded:
            num, den = tick - a, a - b if named else 1
            old = sent[b][0] if named else None
            data = server.encode(lanes, sent[a][0], old, num, den, slots, 1 << 16)
            assert data == server.encode(lanes, sent[a][0], old, num, den, slots, 1 << 16)
            client.decode(data, arrived, held[a][0], held[b][0] if named else None, num, den, slots)
            decoded += 1
        arrived[:, fresh] = lanes[:, fresh]  # full state has its own tests
        assert np.array_equal(arrived[:, life != 0], lanes[:, life != 0])
        if rng.random() >= loss:
            arrived[:, life == 0] = 5  # and the client's dead rows are others
            held[tick] = arrived, life
            acked.append(tick)
    return decoded


@given(cases(), st.integers(0, 1 << 20))
@settings(max_examples=60, deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
def test_schemas_of_any_kind(drawn, seed):
    schema = drawn[0]
    try:
        shape = Shape.of(schema)
    except (SchemaError, nc.ConfigError):
        assume(False)
    play(schema, Model.untrained(shape), seed, ticks=12, loss=0.2, most_lag=40)


@pytest.mark.parametrize("loss", [0.05, 0.3])
@pytest.mark.parametrize("schema", [Body, Walker])
def test_trained_models_over_loss_and_lag(schema, loss, seed):
    shape = Shape.of(schema)
    world = World(schema, 3)
    data = [world.step() for _ in range(40)]
    lanes = np.ascontiguousarray(np.stack([each[0] for each in data]))
    lives = np.stack([each[1] for each in data]).astype(np.uint16)
    model = train(shape, [lanes], lives=[lives])
    assert play(schema, model, seed, ticks=120, loss=loss, most_lag=40) > 100


def test_a_section_against_what_the_client_does_not_hold_changes_nothing_it_holds(seed):
    shape = Shape.of(Body)
    coder = Model.untrained(shape).coder(CAPACITY)
    world = World(Body, seed)
    (b, _), (a, life), (t, now) = world.step(), world.step(), world.step()
    slots = np.flatnonzero((life == now) & (now != 0)).astype(np.uint16)
    data = coder.encode(t, a, a, 1, 1, slots, 1 << 16)
    kept, before = b.copy(), b.copy()
    out = np.zeros_like(t)
    with contextlib.suppress(DecodeError):
        coder.decode(data, out, kept, kept, 1, 1, slots)
    assert np.array_equal(kept, before)
