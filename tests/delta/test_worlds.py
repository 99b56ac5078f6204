"""Whole worlds over a lossy line: schemas of any kind, entities that come, go and follow others.

The client below knows only what arrived. What it decodes must equal the server's world at every
tick, whichever acked pair (A, B) a section names: A 2 to 40 ticks back, B before it or none.
"""

import contextlib
from typing import Annotated

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from oracle.schemas import cases

import netcode as nc
from netcode.delta import HISTORY_TICKS, Decoder, Held, History, Layout, encode_sections
from netcode.delta.model import Model, untrained_for
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
    """Codes that drift, and lives that begin, change hands and end in reused slots."""

    def __init__(self, schema, seed):
        self.rng = np.random.default_rng(seed)
        self.tops = schema.lane_max.astype(np.int64)[:, None]
        self.codes = self.rng.integers(0, self.tops + 1, (len(self.tops), CAPACITY))
        self.life = np.where(self.rng.random(CAPACITY) < 0.5, 1, 0)
        self.used = self.life.copy()
        self.owner = self.rng.integers(-1, 2, CAPACITY)
        self.since = np.zeros(CAPACITY, int)  # tick of the last spawn, despawn or change of owner
        self.tick = -1
        self.speed = self.rng.normal(0, 10.0 ** self.rng.uniform(0, 4), self.codes.shape)

    def step(self):
        rng = self.rng
        self.tick += 1
        moves = rng.random((1, CAPACITY)) < 0.6
        drift = np.where(moves, self.speed + rng.normal(0, 1, self.codes.shape), 0)
        self.codes = np.clip(self.codes + np.clip(drift, -1e9, 1e9).astype(np.int64), 0, self.tops)
        for slot in np.flatnonzero(rng.random(CAPACITY) < 0.03):
            self.since[slot] = self.tick
            choice = rng.random() if self.life[slot] else 1
            if choice < 0.5:
                self.life[slot] = 0
                continue
            if choice < 0.6:
                self.owner[slot] = (self.owner[slot] + 2) % 3 - 1
                continue
            # a new life, perhaps in the very tick in which the old one ended
            self.used[slot] += 1
            self.life[slot] = self.used[slot]
            self.codes[:, slot] = rng.integers(0, self.tops[:, 0] + 1)
        lanes = np.ascontiguousarray(self.codes.astype(np.uint32).view(np.int32))
        lanes[:, self.life == 0] = -1  # what dead rows hold must not matter
        return lanes, self.life.copy()


def parts_of(history, world, a, b):
    """(slots, A, B) of what a client needs at the newest tick that holds the whole world at both;
    None for none of these."""
    live = world.life != 0
    on = live & (world.since <= a) if a is not None else np.zeros(CAPACITY, bool)
    both = on & (world.since <= b) if b is not None else np.zeros(CAPACITY, bool)
    anew = ~on if a is None else ~on & (history.changed(world.tick) > a)
    return [(both, a, b), (on & ~both, a, None), (anew, None, None)]


def play(schema, model, seed, *, ticks, loss, lags=(2, 40)):
    """Run server and client over a line that loses packets, and now and then a section of one.

    The client's world is compared at each tick of which it has everything. Only those are acked;
    of others it may still hold a part. Returns how many these were, and the lags of the As that
    were decoded against.
    """
    world, rng = World(schema, seed), np.random.default_rng(seed + 1)
    layout = Layout.of(schema, CAPACITY)
    history, held = History(layout), Held(layout)
    coder = None if model is None else model.coder(CAPACITY)
    decoder = Decoder(held, model)
    acked, named = [], []
    for tick in range(ticks):
        lanes, life = world.step()
        history.stage(tick)[:] = lanes
        history.commit(life != 0, life, world.owner)
        # any acked pair, not just the newest
        pool = [old for old in acked if lags[0] <= tick - old <= lags[1]]
        a = pool[0 if tick % 8 == 0 else int(rng.integers(len(pool)))] if pool else None
        older = [old for old in acked if a is not None and old < a and tick - old < HISTORY_TICKS]
        b = int(rng.choice(older)) if older and coder and rng.random() < 0.8 else None
        lost = rng.random() < loss
        arrived = not lost
        for chosen, baseline, second in parts_of(history, world, a, b):
            slots = np.flatnonzero(chosen)
            used = coder if baseline is not None else None
            for data, part in encode_sections(
                history, slots, baseline=baseline, older=second, coder=used
            ):
                if lost or rng.random() < 0.02:
                    arrived = False
                    continue
                assert decoder.receive(data, max(tick - 1, 0)) == (tick, part.tolist())
                if baseline is not None:
                    named.append(tick - baseline)
        if not arrived:
            continue
        alive, generation, owner, codes = held.view(tick)
        assert np.array_equal(generation, life)
        assert np.array_equal(alive, life != 0)
        assert np.array_equal(owner[life != 0], world.owner[life != 0])
        assert np.array_equal(codes[:, life != 0], lanes[:, life != 0])
        acked.append(tick)
    return len(acked), named


@given(cases(), st.integers(0, 1 << 20), st.sampled_from([0.05, 0.1, 0.3]))
@settings(max_examples=40, deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
def test_schemas_of_any_kind(drawn, seed, loss):
    schema = drawn[0]
    try:
        Layout.of(schema, CAPACITY)
    except (SchemaError, nc.ConfigError):
        assume(False)
    _, named = play(schema, untrained_for(schema), seed, ticks=72, loss=loss)
    assert max(named) > 30


@pytest.mark.parametrize("loss", [0.05, 0.3])
@pytest.mark.parametrize("schema", [Body, Walker])
def test_trained_models_over_loss_and_lag(schema, loss, seed):
    shape = Shape.of(schema)
    world = World(schema, 3)
    data = [world.step() for _ in range(40)]
    lanes = np.ascontiguousarray(np.stack([each[0] for each in data]))
    lives = np.stack([each[1] for each in data]).astype(np.uint16)
    model = train(shape, [lanes], lives=[lives])
    compared, named = play(schema, model, seed, ticks=120, loss=loss)
    assert compared > 50
    assert min(named) < 6
    assert 35 < max(named) <= 40


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
