"""Sections stand alone: what one gives does not depend on which others came, or when."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle.delta import Row, State
from oracle.lanes import lane_schema
from oracle.worlds import commit, state_of

from netcode.delta import Decoder, Held, History, Layout, encode_sections
from netcode.delta.model import Model, untrained_for

CAPACITY = 700
FIELDS = [[16], [16], [9], [11], [1]]
SCHEMAS = {
    "bodies": lane_schema(FIELDS, kinds=("quantized", "quantized", "angle", "id", "bool")),
    "bits": lane_schema(FIELDS, kinds=("bits",)),
}
FEW = 60  # slots of a section
B, A, FIRST, LAST = 10, 15, 20, 22


class Section(NamedTuple):
    data: bytes
    tick: int
    slots: list[int]
    against: int | None


class Scene(NamedTuple):
    """A server's states at four ticks, and the sections of the last two of them, of every kind."""

    layout: Layout
    model: Model
    states: dict[int, State]
    before: list[Section]
    sections: list[Section]


def moved(rng: Any, state: State) -> State:
    """Lanes drift; some entities end, and some slots begin a new life."""
    after: State = {}
    for slot in range(CAPACITY):
        row = state.get(slot)
        choice = rng.random()
        if row is None or choice < 0.03:
            if choice < 0.06:
                codes = tuple(int(rng.integers(0, 2**width)) for width in (16, 16, 9, 11, 1))
                after[slot] = Row(1 if row is None else row.generation + 1, None, codes)
            continue
        drift = [int(rng.integers(-9, 10)) * (rng.random() < 0.4) for _ in row.codes]
        tops = (65_535, 65_535, 511, 2047, 1)
        after[slot] = row._replace(
            codes=tuple(
                min(max(code + by, 0), top)
                for code, by, top in zip(row.codes, drift, tops, strict=True)
            )
        )
    return after


@functools.cache
def scene(kind: str) -> Scene:
    rng = np.random.default_rng(7)
    layout = Layout.of(SCHEMAS[kind], CAPACITY)
    model = untrained_for(SCHEMAS[kind])
    assert model is not None
    coder = model.coder(CAPACITY)
    history = History(layout)
    states: dict[int, State] = {}
    state: State = {slot: Row(1, None, (30_000, 30_000, 5, 77, 1)) for slot in range(600)}
    for tick in (B, A, FIRST, LAST):
        states[tick] = state = moved(rng, state)
        commit(history, tick, state)

    def of(tick: int, slots: Any, **options: Any) -> list[Section]:
        against = options.get("baseline")
        groups = [slots[start : start + FEW] for start in range(0, len(slots), FEW)]
        return [
            Section(data, tick, part.tolist(), against)
            for group in groups
            for data, part in encode_sections(history, group, tick=tick, **options)
        ]

    before = [each for tick in (B, A) for each in of(tick, range(CAPACITY))]
    sections = []
    for tick in (FIRST, LAST):
        now = states[tick]
        steps = [states[each] for each in (B, A, FIRST, LAST) if each <= tick]

        def lived(slot: int, since: int, now: State = now, steps: Any = steps) -> bool:
            lives = {each[slot].generation if slot in each else 0 for each in steps[since:]}
            return slot in now and len(lives) == 1

        on = [slot for slot in range(CAPACITY) if lived(slot, 1)]
        both = [slot for slot in on if lived(slot, 0)]
        rest = sorted(set(range(CAPACITY)) - set(on))
        sections += of(tick, rest)
        sections += of(tick, both[::2], baseline=A, older=B, coder=coder)
        sections += of(tick, both[1::4], baseline=A, coder=coder)
        sections += of(tick, sorted(set(on) - set(both) | set(both[3::4])), baseline=A)
    return Scene(layout, model, states, before, sections)


def client(made: Scene) -> tuple[Held, Decoder]:
    """One that holds the world at B and at A."""
    held = Held(made.layout)
    decoder = Decoder(held, made.model)
    for each in made.before:
        assert decoder.receive(each.data, A) == (each.tick, each.slots)
    return held, decoder


def check(made: Scene, held: Held, came: list[Section]) -> None:
    """What came is as on the server; of the others the client holds what it held."""
    for tick in (FIRST, LAST):
        state = state_of(held, tick)
        near = {slot: FIRST for each in came if each.tick == FIRST for slot in each.slots}
        if tick == LAST:
            near |= {slot: LAST for each in came if each.tick == LAST for slot in each.slots}
        for slot in range(CAPACITY):
            expected = made.states[near.get(slot, A)].get(slot)
            assert state.get(slot) == expected, (tick, slot)
    for tick in (B, A):
        assert state_of(held, tick) == made.states[tick]


@settings(deadline=None, max_examples=25)
@given(kind=st.sampled_from(sorted(SCHEMAS)), data=st.data())
def test_any_order_and_any_subset_give_the_same_rows(kind: str, data: st.DataObject) -> None:
    made = scene(kind)
    kinds = {(each.against, each.data[4] >> 6) for each in made.sections}
    assert kinds == {(None, 0), (A, 0), (A, 1), (A, 3)}  # full, plain, predicted, with B
    assert len(made.sections) > 20
    order = data.draw(st.permutations(made.sections))
    lost = data.draw(st.sets(st.integers(0, len(order) - 1)))
    came = [each for place, each in enumerate(order) if place not in lost]
    held, decoder = client(made)
    for each in came:
        assert decoder.receive(each.data, A) == (each.tick, each.slots)
    check(made, held, came)
    for each in data.draw(st.permutations(came)):  # doubled, they change nothing
        assert decoder.receive(each.data, A) == (each.tick, each.slots)
    check(made, held, came)


def test_each_section_decodes_alone() -> None:
    for kind in SCHEMAS:
        made = scene(kind)
        for each in made.sections:
            held, decoder = client(made)
            assert decoder.receive(each.data, A) == (each.tick, each.slots)
            check(made, held, [each])
