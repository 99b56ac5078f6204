"""Predicted sections: what is decoded is what was encoded, and nothing else is accepted."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle.delta import Row, State, predicted_slots, slot_set
from oracle.lanes import lane_schema
from oracle.worlds import commit, state_of

from netcode.delta import SECTION_MAX_BYTES, Decoder, Held, History, Layout, encode_sections
from netcode.delta.model import Model, untrained_for

FIELDS = st.lists(st.lists(st.integers(0, 32), min_size=1, max_size=3), min_size=1, max_size=6)
KINDS = st.permutations(("bits", "quantized", "enum", "bool", "angle", "flags"))


def walk(rng: Any, schema: Any, slots: list[int], steps: int) -> list[State]:
    """States at some ticks: codes drift, jump or stay."""
    tops = [int(top) for top in schema.lane_max]
    codes = {slot: [int(rng.integers(0, top + 1)) for top in tops] for slot in slots}
    states = []
    for _ in range(steps):
        states.append({slot: Row(1 + slot % 9, None, tuple(codes[slot])) for slot in slots})
        for slot in slots:
            for lane, top in enumerate(tops):
                choice = rng.random()
                if choice < 0.4:
                    near = codes[slot][lane] + int(rng.integers(-9, 10))
                    codes[slot][lane] = min(max(near, 0), top)
                elif choice < 0.5:
                    codes[slot][lane] = int(rng.integers(0, top + 1))
    return states


def world(
    schema: Any, capacity: int, states: list[State], ticks: list[int]
) -> tuple[Model | None, History, Held, Decoder]:
    """A server and a client that hold these states, but for the last, which only one has."""
    layout = Layout.of(schema, capacity)
    model = untrained_for(schema)
    history, held = History(layout), Held(layout)
    decoder = Decoder(held, model)
    for tick, state in zip(ticks, states, strict=True):
        commit(history, tick, state)
        if tick != ticks[-1]:
            for data, _ in encode_sections(history, sorted(state)):
                assert decoder.receive(data, tick)[0] == tick
    return model, history, held, decoder


@settings(deadline=None, max_examples=60)
@given(
    fields=FIELDS,
    kinds=KINDS,
    capacity=st.sampled_from([1, 2, 40, 1000, 65_536]),
    seed=st.integers(0, 2**32 - 1),
    gaps=st.tuples(st.integers(1, 23), st.integers(1, 40)),
    start=st.integers(0, 70_000),
    named=st.booleans(),
)
def test_what_is_decoded_was_encoded(
    fields: Any, kinds: Any, capacity: int, seed: int, gaps: Any, start: int, named: bool
) -> None:
    rng = np.random.default_rng(seed)
    schema = lane_schema(fields, kinds=tuple(kinds))
    some = rng.choice(capacity, min(capacity, int(rng.integers(1, 60))), replace=False)
    slots = sorted(some.tolist())
    ticks = [start, start + gaps[0], start + sum(gaps)]
    states = walk(rng, schema, slots, 3)
    model, history, held, decoder = world(schema, capacity, states, ticks)
    coder = None if model is None else model.coder(capacity, 1024)
    older = start if named and coder is not None else None
    sections = encode_sections(history, slots, baseline=ticks[1], older=older, coder=coder)
    assert [slot for _, part in sections for slot in part.tolist()] == slots
    for data, part in sections:
        assert len(data) <= SECTION_MAX_BYTES
        if coder is not None:
            behind = gaps[0] if older is not None else 0
            assert predicted_slots(capacity, data) == (gaps[1], behind, part.tolist())
        assert decoder.receive(data, start) == (ticks[2], part.tolist())
    assert state_of(held, ticks[2]) == states[2]
    assert state_of(held, ticks[1]) == states[1]


@st.composite
def slot_sets(draw: Any) -> tuple[int, list[int]]:
    """A capacity, and slots of it: runs and gaps of any length between them."""
    slots, at = [], draw(st.integers(0, 300))
    for _ in range(draw(st.integers(1, 12))):
        length = draw(st.one_of(st.integers(1, 3), st.integers(1, 80)))
        slots += range(at, at + length)
        at += length + draw(st.one_of(st.integers(1, 3), st.integers(1, 500)))
    return at + draw(st.integers(0, 3)), slots


@settings(deadline=None, max_examples=100)
@given(slot_sets())
def test_every_slot_set_comes_back_and_ends_where_it_should(drawn: tuple[int, list[int]]) -> None:
    capacity, slots = drawn
    states: list[State] = [{slot: Row(1, None, (500, 7, 1, 0)) for slot in slots}] * 2
    model, history, held, decoder = world(SMALL, capacity, states, [1, 2])
    assert model is not None
    sections = encode_sections(history, slots, baseline=1, coder=model.coder(capacity, 1024))
    assert [slot for _, part in sections for slot in part.tolist()] == slots
    for data, part in sections:
        assert predicted_slots(capacity, data) == (1, 0, part.tolist())
        assert decoder.receive(data, 1) == (2, part.tolist())
    assert state_of(held, 2) == states[1]


@pytest.mark.parametrize(
    "slots", [[3, 4, 5, 6, 20, 21, 22, 23], list(range(40)), [1, 60], [0, 9, 17, 18, 33, 50, 63]]
)
def test_a_slot_set_has_one_spelling(slots: list[int]) -> None:
    decoder = Decoder(Held(Layout.of(SMALL, 64)), untrained_for(SMALL))
    taken = []
    for runs, k, length in itertools.product((False, True), range(16), range(16)):
        if runs or not length:
            body = slot_set(64, slots, runs, k, length)
            # who spells it right is told that nothing of this is held
            reason = decoder.receive(bytes([0, 9, 0, 0, 64 | 1]) + body, 8)
            assert reason in ("baseline_missing", "section_slots")
            if reason == "baseline_missing":
                taken.append((runs, k, length))
    assert len(taken) == 1


def jumping(still: bool) -> tuple[Any, list[State]]:
    """4,096 bodies: of every 512, 128 side by side jump, the others rest."""
    schema = lane_schema([[16], [16], [16]], kinds=("quantized",)) if still else SMALL
    tops = [int(top) for top in schema.lane_max]
    rng = np.random.default_rng(8)
    first = rng.integers(0, np.array(tops) + 1, (4096, len(tops)))
    last = np.where(
        (np.arange(4096) % 512 < 128)[:, None], rng.integers(0, np.array(tops) + 1, first.shape),
        first,
    )  # fmt: skip
    return schema, [
        {slot: Row(1, None, tuple(codes)) for slot, codes in enumerate(each.tolist())}
        for each in (first, first, last)
    ]


@pytest.mark.parametrize("still", [True, False])
def test_sections_are_filled_where_changes_are_unevenly_spread(still: bool) -> None:
    schema, states = jumping(still)
    model, history, held, decoder = world(schema, 4096, states, [1, 2, 3])
    assert model is not None
    sections = encode_sections(
        history, range(4096), baseline=2, older=1, coder=model.coder(4096, 1024)
    )
    total = sum(len(data) for data, _ in sections)
    assert len(sections) <= 1.5 * total / SECTION_MAX_BYTES + 2
    for data, _ in sections:
        assert not isinstance(decoder.receive(data, 2), str)
    assert state_of(held, 3) == states[2]


def test_a_whole_table_names_its_slots_in_a_few_bytes() -> None:
    states: list[State] = [{slot: Row(1, None, (500, 7, 1, 0)) for slot in range(900)}] * 2
    model, history, _, _ = world(SMALL, 1000, states, [1, 2])
    assert model is not None
    ((data, _),) = encode_sections(history, range(900), baseline=1, coder=model.coder(1000, 1024))
    assert len(data) <= 12  # 900 would take 113 bytes more by their gaps


SMALL = lane_schema([[10], [12], [3], [1]], [1000, 4095, 5, 1])
BIG = lane_schema([[16], [16], [9]], kinds=("quantized", "quantized", "angle"))


def test_a_crowd_takes_many_sections_all_nearly_full() -> None:
    rng = np.random.default_rng(5)
    states = walk(rng, BIG, list(range(3000)), 3)
    model, history, held, decoder = world(BIG, 3000, states, [1, 4, 7])
    assert model is not None
    coder = model.coder(3000, 1024)
    sections = encode_sections(history, range(3000), baseline=4, older=1, coder=coder)
    sizes = [len(data) for data, _ in sections]
    assert max(sizes) <= SECTION_MAX_BYTES
    assert np.median(sizes) > 0.85 * SECTION_MAX_BYTES
    for data, _ in sections:
        assert not isinstance(decoder.receive(data, 7), str)
    assert state_of(held, 7) == states[2]


def example() -> tuple[Model, list[State], History, bytes]:
    states = walk(np.random.default_rng(3), SMALL, list(range(0, 40, 2)), 3)
    model, history, _, _ = world(SMALL, 40, states, [94, 100, 104])
    assert model is not None
    coder = model.coder(40)
    slots = sorted(states[2])
    ((data, _),) = encode_sections(history, slots, baseline=100, older=94, coder=coder)
    return model, states, history, data


def test_every_truncation_and_bit_flip_is_refused_or_in_range() -> None:
    model, states, _, data = example()
    ticks = [94, 100, 104]
    damaged = [data[:size] for size in range(len(data))] + [data + b"\0", data + b"\1"]
    damaged.append(data + bytes(1200))
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(flipped))
    reasons = set()
    _, _, target, decoder = world(SMALL, 40, states, ticks)
    for each in damaged:
        version = target.version
        result = decoder.receive(each, 100)
        if isinstance(result, str):
            reasons.add(result)
            assert target.version == version
            assert state_of(target, 104) == states[1]
            continue
        alive, _, _, lanes = target.view(result[0])
        assert np.all(lanes.view(np.uint32)[:, alive > 0] <= SMALL.lane_max[:, None])
        _, _, target, decoder = world(SMALL, 40, states, ticks)
    assert reasons >= {
        "section_truncated",
        "section_too_long",
        "section_baseline",
        "section_slots",
        "section_code",
        "baseline_missing",
    }
    assert model is not None


@settings(deadline=None, max_examples=200)
@given(noise=st.binary(max_size=200), first=st.integers(1, 63), second=st.integers(0, 63))
def test_noise_is_refused_or_in_range(noise: bytes, first: int, second: int) -> None:
    states = walk(np.random.default_rng(3), SMALL, list(range(40)), 3)
    _, _, held, decoder = world(SMALL, 40, states, [94, 100, 104])
    flags = 64 | (128 if second else 0)
    head = bytes([0, 104, 0, 0, first | flags]) + (bytes([second]) if second else b"")
    result = decoder.receive(head + noise, 100)
    if isinstance(result, str):
        assert state_of(held, 200) == states[1]


def test_a_missing_baseline_is_named_and_changes_nothing() -> None:
    model, states, _, data = example()
    held = Held(Layout.of(SMALL, 40))
    decoder = Decoder(held, model)
    assert decoder.receive(data, 100) == "baseline_missing"
    assert held.version == held.nbytes == 0
    # A is held, B is not.
    _, _, held, decoder = world(SMALL, 40, states[1:], [100, 104])
    assert decoder.receive(data, 100) == "baseline_missing"
    # B is held, of another life.
    other = {slot: row._replace(generation=77) for slot, row in states[0].items()}
    _, _, held, decoder = world(SMALL, 40, [other, *states[1:]], [94, 100, 104])
    assert decoder.receive(data, 100) == "baseline_missing"
    assert state_of(held, 104) == states[1]
    # B before tick 0.
    assert decoder.receive(bytes([0, 5, 0, 0, 64 | 128 | 3, 9, 1]), 0) == "baseline_missing"


def test_without_a_model_predicted_sections_are_refused() -> None:
    _, states, _, data = example()
    _, _, held, _ = world(SMALL, 40, states, [94, 100, 104])
    assert Decoder(held).receive(data, 100) == "section_model"
    assert untrained_for(lane_schema([[0], [0, 0]])) is None  # nothing to predict
    assert untrained_for(lane_schema([[3]] * 65, kinds=("bits",))) is None  # too many groups


@pytest.mark.parametrize("head", [64, 128 | 3, 64 | 128, 64 | 128 | 60])
def test_baselines_that_cannot_be(head: int) -> None:
    """Predicted from nothing; plain with a B; B 0 ticks before A; B 64 ticks before."""
    states = walk(np.random.default_rng(3), SMALL, list(range(40)), 2)
    _, _, _, decoder = world(SMALL, 40, states, [100, 104])
    for older in (0, 4) if head == 64 | 128 else (4,):
        expected = "section_baseline"
        data = bytes([0, 104, 0, 0, head, older, 1, 2, 3])
        if head & 63 == 0 or older == 0 or head != 64 | 128:
            assert decoder.receive(data, 104) == expected


def test_encode_refuses_wrong_arguments() -> None:
    model, _, history, _ = example()
    coder = model.coder(40)
    for older, given_ in ((94, None), (100, coder), (101, coder)):
        with pytest.raises(ValueError, match="cannot be named"):
            encode_sections(history, [2], baseline=100, older=older, coder=given_)
    with pytest.raises(ValueError, match="no baseline"):
        encode_sections(history, [2], baseline=100, older=95, coder=coder)
    with pytest.raises(ValueError, match="a coder for 41 slots"):
        encode_sections(history, [2], baseline=100, coder=model.coder(41))
