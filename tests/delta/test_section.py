"""Encoder and decoder against the oracle, and against everything a datagram can hold."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import delta as oracle
from oracle.delta import Row
from oracle.worlds import commit, layout_of, state_of

from netcode.delta import SECTION_MAX_BYTES, Decoder, Held, History, Layout, encode_sections

FIELDS = st.lists(st.lists(st.integers(0, 32), min_size=1, max_size=4), min_size=0, max_size=6)


@st.composite
def rows(draw: Any, fields: list[list[int]]) -> Row:
    codes = [
        draw(st.one_of(st.just(0), st.integers(0, 2**width - 1)))
        for field in fields
        for width in field
    ]
    owner = draw(st.one_of(st.none(), st.integers(0, 65535)))
    return Row(draw(st.integers(1, 65535)), owner, tuple(codes))


@st.composite
def pairs(draw: Any) -> Any:
    """(fields, capacity, state at the baseline, state at the tick, slots that live through)."""
    fields = draw(FIELDS)
    capacity = draw(st.sampled_from([1, 2, 5, 64, 1000, 65536]))
    some = st.sets(st.integers(0, capacity - 1), min_size=1, max_size=12)
    base = {slot: draw(rows(fields)) for slot in sorted(draw(some))}
    now = {}
    for slot, row in base.items():
        fate = draw(st.sampled_from(["same", "changed", "changed", "gone"]))
        if fate == "same":
            now[slot] = row
        elif fate == "changed":
            now[slot] = row._replace(codes=draw(rows(fields)).codes)
    through = sorted(now)
    for slot in sorted(draw(some)):
        now.setdefault(slot, draw(rows(fields)))
        if slot in base and slot not in through:  # a new life needs a new generation
            now[slot] = now[slot]._replace(generation=base[slot].generation % 65535 + 1)
    return fields, capacity, base, now, through


@settings(deadline=None)
@given(case=pairs(), tick=st.integers(1, 70_000), lag=st.integers(1, 63), table=st.integers(0, 255))
def test_bytes_equal_the_oracle_and_decode_back(case: Any, tick: int, lag: int, table: int) -> None:
    fields, capacity, base, now, through = case
    before = max(0, tick - lag)
    layout = layout_of(fields, capacity)
    history, held = History(layout), Held(layout)
    decoder = Decoder(held)
    commit(history, before, base)
    commit(history, tick, now)
    every = sorted({*base, *now})

    for data, slots in encode_sections(history, sorted(base), tick=before):
        assert data == oracle.encode(fields, capacity, slots.tolist(), base, before)
        assert decoder.receive(data, before) == (before, slots.tolist())
    assert state_of(held, before) == base

    changed = [slot for slot in every if slot not in through]
    sent = [(each, None) for each in encode_sections(history, changed, table=table)]
    sent += [
        (each, base) for each in encode_sections(history, through, baseline=before, table=table)
    ]
    for (data, slots), against in sent:
        assert len(data) <= SECTION_MAX_BYTES
        expected = oracle.encode(
            fields, capacity, slots.tolist(), now, tick, against, before, table
        )
        assert data == expected
        _, state, named = oracle.decode(fields, capacity, data, base)
        assert named == slots.tolist()
        assert state == {slot: now[slot] for slot in named if slot in now}
        assert decoder.receive(data, before) == (tick, slots.tolist())
    assert state_of(held, tick) == now
    assert state_of(held, before) == base
    assert state_of(held, tick - 1) == base or before == tick


@settings(deadline=None, max_examples=20)
@given(fields=FIELDS, seed=st.integers(0, 2**32 - 1), share=st.sampled_from([0.02, 0.5, 1.0]))
def test_sections_are_full_and_split_in_slot_order(fields: Any, seed: int, share: float) -> None:
    capacity = 1200  # five full sections of the smallest rows
    rng = np.random.default_rng(seed)
    widths = [width for field in fields for width in field]
    state = {
        slot: Row(1, None, tuple(int(rng.integers(0, 2**width)) for width in widths))
        for slot in range(capacity)
    }
    history = History(layout_of(fields, capacity))
    commit(history, 7, state)
    wanted = np.flatnonzero(rng.random(capacity) < share).tolist()
    sections = encode_sections(history, wanted)
    assert [slot for _, slots in sections for slot in slots.tolist()] == wanted
    for (data, slots), (_, following) in itertools.pairwise(sections):
        assert len(data) <= SECTION_MAX_BYTES
        more = [*slots.tolist(), int(following[0])]
        assert len(oracle.encode(fields, capacity, more, state, 7)) > SECTION_MAX_BYTES


def example() -> tuple[Layout, History, Held, Decoder, list[bytes]]:
    """Two ticks of a small table: full state, despawn, delta; the sections of the second tick."""
    fields = [[10, 11], [1], [7], [32]]
    layout = Layout([10, 11, 1, 7, 32], [0, 0, 1, 2, 3], 40, [1000, 2047, 1, 100, 2**32 - 1])
    rng = np.random.default_rng(3)
    base = {
        slot: Row(
            slot + 1,
            slot % 3 or None,
            tuple(int(rng.integers(0, top + 1)) for top in (1000, 2047, 1, 100, 2**32 - 1)),
        )
        for slot in range(0, 40, 2)
    }
    now = {slot: row for slot, row in base.items() if slot % 10}
    for slot in (2, 12, 36):
        now[slot] = base[slot]._replace(codes=(5, *base[slot].codes[1:3], 99, 7))
    now[1] = Row(1, 9, (1, 2, 1, 4, 5))
    assert len(fields) == layout.n_fields
    history, held = History(layout), Held(layout)
    decoder = Decoder(held)
    commit(history, 100, base)
    for data, _ in encode_sections(history, sorted(base)):
        assert decoder.receive(data, 100) != "baseline_missing"
    commit(history, 104, now)
    sections = encode_sections(history, [0, 1, 10, 20, 30]) + encode_sections(
        history, [2, 12, 36], baseline=100
    )
    return layout, history, held, decoder, [data for data, _ in sections]


def fresh(held: Held) -> tuple[Held, Decoder]:
    """A copy of what is held at tick 100, by way of full-state sections."""
    copy = Held(held.layout)
    decoder = Decoder(copy)
    history = History(held.layout)
    commit(history, 100, state_of(held, 100))
    for data, _ in encode_sections(history, sorted(state_of(held, 100))):
        decoder.receive(data, 100)
    return copy, decoder


def test_every_truncation_and_bit_flip_is_refused_or_in_range() -> None:
    _, _, held, _, sections = example()
    tops = np.array([1000, 2047, 1, 100, 2**32 - 1], np.uint32)
    before = state_of(held, 100)
    reasons = set()
    for data in sections:
        damaged = [data[:size] for size in range(len(data))]
        damaged += [data + b"\0", data + b"\1", data + bytes(1200)]
        for bit in range(8 * len(data)):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            damaged.append(bytes(flipped))
        target, decoder = fresh(held)
        for each in damaged:
            version = target.version
            result = decoder.receive(each, 100)
            if isinstance(result, str):
                reasons.add(result)
                assert target.version == version
                assert target.view(104)[0].sum() == len(before)
                continue
            alive, generation, _, lanes = target.view(result[0])
            assert np.all(lanes.view(np.uint32)[:, alive > 0] <= tops[:, None])
            assert np.all(generation[alive > 0] > 0)
            target, decoder = fresh(held)
    assert {
        "section_truncated",
        "section_too_long",
        "section_baseline",
        "section_slots",
        "section_code",
        "section_not_canonical",
        "section_trailing",
        "baseline_missing",
    } <= reasons


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200), st.integers(0, 63))
def test_noise_is_refused_or_in_range(noise: bytes, baseline: int) -> None:
    _, _, held, _, _ = example()
    target, decoder = fresh(held)
    result = decoder.receive(bytes([0, 104, 0, 0, baseline]) + noise, 100)
    if isinstance(result, str):
        assert state_of(target, 200) == state_of(held, 100)


def test_missing_baseline_is_named_and_changes_nothing() -> None:
    layout, history, _, _, sections = example()
    target = Held(layout)
    decoder = Decoder(target)
    assert decoder.receive(sections[-1], 100) == "baseline_missing"
    assert target.version == 0
    assert target.nbytes == 0
    # Held, but dead at the baseline: missing too.
    empty = History(layout)
    commit(empty, 100, {})
    for data, _ in encode_sections(empty, range(40)):
        assert decoder.receive(data, 100) == (100, list(range(40)))
    assert decoder.receive(sections[-1], 100) == "baseline_missing"
    # A baseline before tick 0.
    assert decoder.receive(bytes([0, 3, 0, 0, 9, 0, 0]), 0) == "baseline_missing"
    assert history.newest == 104


def test_encode_refuses_wrong_arguments() -> None:
    _, history, _, _, _ = example()
    for slots in ([3, 2], [2, 2], [-1], [40]):
        with pytest.raises(ValueError, match="slots must rise"):
            encode_sections(history, slots)
    with pytest.raises(ValueError, match="no baseline"):
        encode_sections(history, [2], baseline=99)
    with pytest.raises(ValueError, match="no baseline"):
        encode_sections(history, [2], baseline=104)
    with pytest.raises(ValueError, match="did not live"):
        encode_sections(history, [0], baseline=100)
    with pytest.raises(ValueError, match="not in the history"):
        encode_sections(history, [0], tick=5)
    assert encode_sections(history, []) == []
