"""The section coder: what is decoded is what was encoded, whatever the shape and the worlds."""

import contextlib
from typing import Annotated

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import netcode as nc
from netcode.delta.coder import SectionCoder
from netcode.delta.model import Heading, Model
from netcode.delta.shape import Shape
from netcode.delta.train import train
from netcode.errors import ConfigError, DecodeError
from netcode.schema.program import Lane

LIMIT = 1 << 20
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # shrinking takes minutes


@st.composite
def shapes(draw):
    groups, lane = [], 0

    def add(kind, tops):
        nonlocal lane
        groups.append((kind, tuple(range(lane, lane + len(tops))), tuple(tops)))
        lane += len(tops)
        return len(groups) - 1

    roles = {}
    top = st.integers(1, 32).flatmap(lambda bits: st.integers(1 << (bits - 1), (1 << bits) - 1))
    style = draw(st.sampled_from(["plain", "body", "spinning", "heading"]))
    if style in ("body", "spinning"):
        n = draw(st.integers(1, 3))
        roles["position"] = add("vector", [draw(top) for _ in range(n)])
    if style == "spinning":
        roles["rotation"] = add("quaternion", [3] + [draw(st.integers(7, (1 << 18) - 1))] * 3)
    if style == "heading":
        roles["heading"] = add("angle", [(1 << draw(st.integers(1, 20))) - 1])
        n = draw(st.integers(2, 3))
        roles["course"] = add("vector", [draw(top) for _ in range(n)])
    kinds = ["vector", "quaternion", "angle", "enum", "flags", "id", "int"]
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=0 if groups else 1, max_size=5)):
        if kind == "vector":
            add(kind, [draw(top) for _ in range(draw(st.integers(1, 3)))])
        elif kind == "quaternion":
            add(kind, [3] + [draw(st.integers(1, (1 << 18) - 1))] * 3)
        elif kind in ("angle", "flags"):
            add(kind, [(1 << draw(st.integers(1, 32))) - 1])
        else:
            add(kind, [draw(top)])
    return Shape(groups, **roles)


def lane_tops(shape):
    tops = {}
    for _, lanes, limits in shape.spec:
        tops.update(zip(lanes, limits, strict=True))
    return np.array([tops[i] for i in range(len(tops))], dtype=np.int64)[:, None]


def world(rng, tops, capacity):
    return rng.integers(0, tops + 1, (len(tops), capacity))


def moved(rng, codes, tops, share, size):
    """Some lanes of some entities a little further, a few anywhere."""
    n, capacity = codes.shape
    change = rng.random((1, capacity)) < share
    change = change & (rng.random((n, capacity)) < 0.7)
    step = rng.normal(0, size, (n, capacity)).astype(np.int64)
    result = np.where(change, np.clip(codes + step, 0, tops), codes)
    wild = rng.random((n, capacity)) < 0.02 * share
    return np.where(wild, world(rng, tops, capacity), result)


def lanes(codes):
    return np.ascontiguousarray(codes.astype(np.uint32).view(np.int32))


def case(shape, seed, capacity, share, size):
    rng = np.random.default_rng(seed)
    tops = lane_tops(shape)
    b = world(rng, tops, capacity)
    a = moved(rng, b, tops, share, size)
    t = moved(rng, a + (a - b) if seed % 2 else a, tops, share, size)
    t = np.clip(t, 0, tops)
    slots = np.flatnonzero(rng.random(capacity) < (1.0 if seed % 3 else 0.6)).astype(np.uint16)
    if not slots.size:
        slots = np.array([capacity - 1], dtype=np.uint16)
    heading = None
    if shape.roles[2] >= 0 and seed % 5:
        heading = Heading(1 - seed % 2 * 2, seed, (300, 4000))
    adaptive = (0, 0, 1, 8, 255)[seed % 7 % 5]
    model = Model(shape, Model.untrained(shape).probabilities, heading, adaptive=adaptive)
    return lanes(t), lanes(a), lanes(b), slots, model


worlds = st.tuples(
    shapes(), st.integers(0, 1 << 16), st.integers(1, 40), st.sampled_from([0.0, 0.1, 0.9]),
    st.sampled_from([0.7, 5.0, 300.0, 1e8]),
)  # fmt: skip


@given(worlds, st.integers(1, 255), st.integers(1, 255), st.booleans())
@settings(max_examples=150, deadline=None, phases=PHASES)
def test_round_trip(drawn, num, den, has_b):
    t, a, b, slots, model = case(*drawn)
    older = b if has_b else None
    coder = model.coder(t.shape[1])
    data = coder.encode(t, a, older, num, den, slots, LIMIT)
    out = np.full_like(t, 7)
    model.coder(t.shape[1]).decode(data, out, a, older, num, den, slots)
    assert np.array_equal(out[:, slots], t[:, slots])
    others = np.setdiff1d(np.arange(t.shape[1]), slots)
    assert (out[:, others] == 7).all()
    # nothing is carried from one section to the next
    assert coder.encode(t, a, older, num, den, slots, LIMIT) == data


@given(worlds, st.integers(0, 1 << 30))
@settings(max_examples=100, deadline=None, phases=PHASES)
def test_mutations_give_errors_or_codes_in_range(drawn, seed):
    t, a, b, slots, model = case(*drawn)
    coder = model.coder(t.shape[1])
    data = coder.encode(t, a, b, 3, 3, slots, LIMIT)
    tops = lane_tops(model.shape)
    rng = np.random.default_rng(seed)
    tries = [data[:cut] for cut in range(max(0, len(data) - 6), len(data))]
    tries += [data + b"\0", data + b"\1", b"", rng.bytes(30)]
    for _ in range(12):
        flipped = bytearray(data or b"\x80")
        flipped[rng.integers(len(flipped))] ^= 1 << int(rng.integers(8))
        tries.append(bytes(flipped))
    for bad in tries:
        out = np.zeros_like(t)
        try:
            coder.decode(bad, out, a, b, 3, 3, slots)
        except DecodeError:
            pass
        else:
            # another section that is as valid: it must then be the only spelling of its content
            assert bad == data or coder.encode(out, a, b, 3, 3, slots, LIMIT) == bad
        assert (out.view(np.uint32)[:, slots] <= tops).all()


@given(worlds)
@settings(max_examples=40, deadline=None, phases=PHASES)
def test_wrong_baseline_gives_an_error_or_codes_in_range(drawn):
    t, a, b, slots, model = case(*drawn)
    coder = model.coder(t.shape[1])
    data = coder.encode(t, a, b, 3, 3, slots, LIMIT)
    out = np.zeros_like(t)
    with contextlib.suppress(DecodeError):
        coder.decode(data, out, b, a, 3, 3, slots)
    assert (out.view(np.uint32)[:, slots] <= lane_tops(model.shape)).all()


def test_a_section_over_the_limit_is_refused():
    shape = Shape([("int", (0,), (65535,))])
    t = np.arange(100, dtype=np.int32)[None] * 577
    a = np.zeros_like(t)
    coder = Model.untrained(shape).coder(100)
    slots = np.arange(100, dtype=np.uint16)
    assert coder.encode(t, a, None, 1, 1, slots, 50) is None
    assert len(coder.encode(t, a, None, 1, 1, slots, 1000)) > 50


def test_nothing_changed_takes_few_bytes():
    shape = Shape([("vector", (0, 1), (1000, 1000)), ("flags", (2,), (7,))], position=0)
    a = np.full((3, 500), 5, dtype=np.int32)
    data = Model.untrained(shape).coder(500).encode(a, a, a, 1, 1, np.arange(500, dtype=np.uint16))
    assert len(data) <= 4


@pytest.mark.parametrize(
    ("groups", "roles"),
    [
        ([], {}),
        ([("int", (0, 1), (3, 3))], {}),
        ([("int", (0,), (3,)), ("int", (0,), (3,))], {}),
        ([("angle", (0,), (1000,))], {}),
        ([("int", (0,), (0,))], {}),
        ([("quaternion", (0, 1, 2, 3), (3, 511, 511, 510))], {}),
        ([("int", (0,), (3,))], {"position": 0}),
        ([("vector", (0,), (3,))], {"position": 1}),
        ([("vector", (0, 1), (3, 3)), ("angle", (2,), (7,))], {"heading": 1, "course": 0}),
    ],
)
def test_bad_shapes(groups, roles):
    with pytest.raises(ConfigError):
        Shape(groups, **roles)


def test_bad_arguments():
    shape = Shape([("int", (0,), (9,))])
    coder = SectionCoder(shape, 4)
    good = np.zeros((1, 4), dtype=np.int32)
    with pytest.raises(ConfigError):
        coder.encode(np.zeros((1, 5), dtype=np.int32), good, None, 1, 1, np.array([0], np.uint16))
    with pytest.raises(ConfigError):
        coder.encode(good, good, None, 0, 1, np.array([0], np.uint16))
    with pytest.raises(ConfigError):
        coder.encode(good, good, None, 1, 1, np.array([4], np.uint16))
    with pytest.raises(ConfigError):
        coder.encode(good, good, None, 1, 1, np.array([2, 2], np.uint16))
    with pytest.raises(ConfigError):
        SectionCoder(shape, 4, np.zeros(3, np.uint16))


def test_shape_of_a_schema():
    class Ship(nc.Schema):
        x: Annotated[float, nc.Quantized(0, 960, step=1 / 16)]
        y: Annotated[float, nc.Quantized(0, 600, step=1 / 16)]
        angle: Annotated[float, nc.Angle(bits=9)] = 0.0
        hp: Annotated[int, nc.Range(0, 100)] = 100

    shape = Shape.of(Ship)
    assert shape.spec == (
        ("angle", (2,), (511,)), ("vector", (0, 1), (15360, 9600)), ("int", (3,), (100,)),
    )  # fmt: skip
    assert shape.roles == (-1, -1, 0, 1)

    class Cube(nc.Schema):
        turn: Annotated[tuple[float, float, float, float], nc.Quat]
        at: Annotated[tuple[float, float, float], nc.Vec3(lo=-8, hi=8, bits=14)]

    assert Shape.of(Cube).spec[0] == ("vector", (4, 5, 6), (16382,) * 3)
    assert Shape.of(Cube).roles == (0, 1, -1, -1)


def test_a_lane_of_one_code_does_not_take_its_group_with_it():
    lanes = [Lane("p.x", 8, 0, "quantized", 255), Lane("p.y", 0, 0, "quantized", 0)]
    shape = Shape.of(type("Flat", (), {"lanes": lanes}))
    assert shape.spec == (("vector", (0,), (255,)),)
    coder = Model.untrained(shape).coder(2)
    a, t = np.zeros((2, 2), np.int32), np.array([[9, 0], [0, 0]], np.int32)
    slots, out = np.arange(2, dtype=np.uint16), np.full((2, 2), 7, np.int32)
    coder.decode(coder.encode(t, a, None, 1, 1, slots), out, a, None, 1, 1, slots)
    assert np.array_equal(out, t)


def test_models_come_back_from_their_file():
    shape = Shape([("angle", (0,), (255,)), ("vector", (1, 2), (999, 999))], heading=0, course=1)
    model = Model(shape, Model.untrained(shape).probabilities, Heading(-1, 77, (10, 20)))
    again = Model.from_bytes(model.to_bytes(), shape)
    assert again.hash == model.hash
    assert again.heading == model.heading
    assert np.array_equal(again.probabilities, model.probabilities)
    adaptive = Model(shape, model.probabilities, model.heading, adaptive=8)
    again = Model.from_bytes(adaptive.to_bytes(), shape)
    assert (again.adaptive, again.hash) == (8, adaptive.hash)
    assert again.hash != model.hash
    for bad in (b"", model.to_bytes()[:-9], b"x" + model.to_bytes()):
        with pytest.raises(ConfigError):
            Model.from_bytes(bad, shape)
    with pytest.raises(ConfigError):
        Model.from_bytes(model.to_bytes(), Shape([("int", (0,), (9,))]))
    data = bytearray(adaptive.to_bytes())
    data[4] = 2
    with pytest.raises(ConfigError, match="a model of version 2; this is version 3"):
        Model.from_bytes(bytes(data), shape)
    with pytest.raises(ConfigError, match="adaptive is 256; 0 to 255"):
        Model.untrained(shape, adaptive=256)


def test_the_largest_model_comes_back_from_its_file():
    groups = [("quaternion", tuple(range(4 * n, 4 * n + 4)), (3, 511, 511, 511)) for n in range(64)]
    shape = Shape(groups)
    model = Model.untrained(shape)
    assert Model.from_bytes(model.to_bytes(), shape).hash == model.hash


def test_training_beats_the_law_and_is_deterministic():
    rng = np.random.default_rng(1)
    shape = Shape([("vector", (0, 1), (65535, 65535))])
    speed = rng.integers(-40, 40, (2, 60))
    path = 30000 + np.cumsum(speed + rng.integers(-1, 2, (200, 2, 60)), axis=0)
    data = np.ascontiguousarray(path.astype(np.int32))
    model = train(shape, [data[:150]], lags=(2, 3))
    assert model.hash == train(shape, [data[:150]], lags=(2, 3)).hash
    slots = np.arange(60, dtype=np.uint16)
    sizes = [
        len(one.coder(60).encode(data[190], data[187], data[184], 3, 3, slots))
        for one in (model, Model.untrained(shape))
    ]
    assert sizes[0] < sizes[1]


def test_recordings_of_other_capacities_train_as_each_alone_would():
    rng = np.random.default_rng(7)
    shape = Shape([("int", (0,), (1000,)), ("angle", (1,), (255,))])
    wide = rng.integers(0, 256, (60, 2, 20)).astype(np.int32)
    wide[:, :, ::2] = wide[:1, :, ::2]
    narrow = np.ascontiguousarray(wide[::-1, :, :7])
    # empty slots that nobody lives in add nothing, so a padded recording says what is right
    padded = np.zeros_like(wide)
    padded[:, :, :7] = narrow
    lives = [np.ones((60, 20), np.uint16), np.zeros((60, 20), np.uint16)]
    lives[1][:, :7] = 1
    model = train(shape, [wide, narrow], lags=(2, 3))
    assert model.hash == train(shape, [wide, padded], lags=(2, 3), lives=lives).hash
    assert model.hash != train(shape, [wide], lags=(2, 3)).hash


@pytest.mark.parametrize("size", [4, 5, 8, 40])
def test_no_section_begins_with_all_ones(size):
    shape = Shape([("vector", (0, 1, 2), (999, 999, 999))], position=0)
    a = np.zeros((3, 16), dtype=np.int32)
    slots = np.arange(16, dtype=np.uint16)
    with pytest.raises(DecodeError):
        Model.untrained(shape).coder(16).decode(b"\xff" * size, a.copy(), a, a, 1, 1, slots)


@given(worlds, st.integers(1, 255), st.integers(1, 255), st.booleans())
@settings(max_examples=100, deadline=None, phases=PHASES)
def test_what_is_counted_is_what_is_written(drawn, num, den, has_b):
    t, a, b, slots, model = case(*drawn)
    coder = model.coder(t.shape[1])
    older = b if has_b else None
    coder.count(t, a, older, num, den, slots)
    size = 8 * len(coder.encode(t, a, older, num, den, slots, LIMIT))
    # ends are rounded up to a byte, and each step rounds its share of the range down; zero bytes
    # at the end are left out, which can spare any part of it
    assert size < coder.bits * 1.002 + 10
    assert sum(coder.entity_bits) == pytest.approx(coder.bits)
    assert sum(coder.group_bits) <= coder.bits
    coder.forget()
    assert coder.bits == 0
    assert not coder.counts.any()
    assert not coder.entity_bits.any()


def test_rare_values_are_counted_as_tokens():
    # by their single decisions they would take twice as much as they do
    shape = Shape([("vector", (0, 1), (60_000, 60_000)), ("int", (2,), (1 << 31,))], position=0)
    rng = np.random.default_rng(7)
    off = []
    for size in (3, 100, 3000, 30_000):
        coder = Model.untrained(shape).coder(40)
        for _ in range(25):
            a = rng.integers(30_000 - size, 30_000 + size, (3, 40))
            t = a + rng.integers(-size, size, (3, 40))
            coder.forget()
            given = lanes(t), lanes(a), lanes(a), 1, 1, np.arange(40, dtype=np.uint16)
            coder.count(*given)
            off.append(8 * len(coder.encode(*given, LIMIT)) - coder.bits)
    assert min(off) > -12
    assert max(off) < 10 + 0.002 * coder.bits
    assert 0 < np.mean(off) < 8


@given(worlds, st.booleans())
@settings(max_examples=60, deadline=None, phases=PHASES)
def test_coding_does_not_touch_the_account_nor_the_account_the_coding(drawn, has_b):
    t, a, b, slots, model = case(*drawn)
    given = t, a, b if has_b else None, 2, 3, slots
    fresh, used = model.coder(t.shape[1]), model.coder(t.shape[1])
    used.count(*given)
    said = used.bits, used.group_bits, used.entity_bits.tolist(), used.counts.tolist()
    data = fresh.encode(*given, LIMIT)
    for coder in (used, fresh):
        assert coder.encode(*given, LIMIT) == data
        out = a.copy()
        coder.decode(data, out, *given[1:])
        assert np.array_equal(out[:, slots], t[:, slots])
    assert said == (used.bits, used.group_bits, used.entity_bits.tolist(), used.counts.tolist())
    # what only coded has no account at all
    assert fresh.bits == 0
    assert not any(fresh.group_bits)
    assert not fresh.entity_bits.any()
    assert not fresh.counts.any()
