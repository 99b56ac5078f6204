"""What a client holds against a model: a dict of tick -> state for each slot."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from oracle.delta import Row, State, encode
from oracle.worlds import state_of

from netcode.delta import Decoder, Held, Layout

CAPACITY = 4
FIELDS = [[3], [20]]


def receive(decoder: Decoder, tick: int, state: State, slots: list[int]) -> None:
    data = encode(FIELDS, CAPACITY, slots, state, tick)
    assert decoder.receive(data, tick) == (tick, slots)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-80, 80),
            st.dictionaries(
                st.integers(0, CAPACITY - 1),
                st.one_of(st.none(), st.tuples(st.integers(1, 3), st.integers(0, 7))),
                min_size=1,
            ),
        ),
        max_size=60,
    ),
    st.integers(0, 60_000),
)
def test_newest_state_at_or_before(steps: list, start: int) -> None:
    held = Held(Layout([3, 20], [0, 1], CAPACITY))
    decoder = Decoder(held)
    model: list[dict[int, Row | None]] = [{} for _ in range(CAPACITY)]
    tick = start
    for jump, news in steps:
        tick = max(0, tick + jump)
        state = {s: Row(v[0], None, (v[1], tick)) for s, v in news.items() if v}
        receive(decoder, tick, state, sorted(news))
        for slot in news:
            newest = max(model[slot], default=-1)
            if tick > newest - 64:
                model[slot].setdefault(tick, state.get(slot))
        for slot in range(CAPACITY):
            newest = max(model[slot], default=0)
            for at in {tick, newest, newest + 100, newest - 1, newest - 63, newest - 30}:
                if at <= newest - 64 or at < 0:
                    continue
                known = [each for each in model[slot] if each <= at]
                expected = model[slot][max(known)] if known else None
                assert state_of(held, at).get(slot) == expected
    assert held.nbytes <= CAPACITY * 65 * 4 * 4


def test_bracket() -> None:
    held = Held(Layout([3, 20], [0, 1], CAPACITY))
    decoder = Decoder(held)
    for tick in (10, 12, 20):
        receive(decoder, tick, {1: Row(1, None, (1, tick))}, [1])
    cases = {  # tick: (before, after) of slot 1 without complete ticks
        9: (-1, 10),
        10: (10, 12),
        11: (10, 12),
        12: (12, 20),
        19: (12, 20),
        20: (20, -1),
        50: (20, -1),
        200: (20, -1),
    }
    for tick, expected in cases.items():
        before, after = held.bracket(tick, -1, -1)
        assert (before[1], after[1]) == expected
        assert (before[0], after[0]) == (-1, -1)
    # Complete ticks nearer than what was received narrow the bracket, for every slot.
    before, after = held.bracket(15, 14, 16)
    assert before.tolist() == [14] * 4
    assert after.tolist() == [16] * 4
    before, after = held.bracket(15, 3, 40)
    assert (before[1], after[1]) == (12, 20)
    # A state that left the window still counts as the one before.
    receive(decoder, 150, {1: Row(1, None, (1, 150))}, [1])
    before, after = held.bracket(60, -1, -1)
    assert (before[1], after[1]) == (20, 150)


def test_gather() -> None:
    held = Held(Layout([3, 20], [0, 1], CAPACITY))
    decoder = Decoder(held)
    for tick in (10, 12):
        receive(decoder, tick, {s: Row(2, None, (1, tick)) for s in (0, 1)}, [0, 1])
    alive, generation, lanes = held.gather([11, -1, 12, 12])
    assert alive.tolist() == [1, 0, 0, 0]
    assert generation.tolist() == [2, 0, 0, 0]
    assert lanes[1].tolist() == [10, 0, 0, 0]
