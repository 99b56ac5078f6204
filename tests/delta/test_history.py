"""The shared ring against a model: when did each slot last change, and which ticks are kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netcode.delta import History, Layout, encode_sections
from netcode.delta.history import Ring
from netcode.errors import ConfigError

CAPACITY = 6

SLOT = st.one_of(
    st.none(),
    st.tuples(st.integers(1, 2), st.integers(-1, 1), st.integers(0, 1), st.integers(0, 1)),
)


@settings(deadline=None)
@given(
    worlds=st.lists(
        st.tuples(st.integers(1, 70), st.lists(SLOT, min_size=CAPACITY, max_size=CAPACITY)),
        min_size=1,
        max_size=30,
    ),
    ticks=st.sampled_from([2, 3, 8, 64]),
)
def test_changed_against_a_model(worlds: list, ticks: int) -> None:
    history = History(Layout([4, 4], [0, 1], CAPACITY), ticks)
    previous = [None] * CAPACITY
    changed = [-1] * CAPACITY
    tick = -1
    kept: dict[int, tuple[list, list]] = {}
    for ahead, world in worlds:
        tick += ahead
        count = 0
        for slot, (old, new) in enumerate(zip(previous, world, strict=True)):
            if old != new:
                changed[slot] = tick
                count += 1
        lanes = history.stage(tick)
        lanes[:] = tick  # garbage where dead
        for slot, row in enumerate(world):
            if row:
                lanes[:, slot] = row[2:]
        assert (
            history.commit(
                np.array([row is not None for row in world]),
                np.array([row[0] if row else 7 for row in world], np.uint16),
                np.array([row[1] if row else 7 for row in world], np.int32),
            )
            == count
        )
        previous = world
        kept[tick] = (list(changed), world)
        assert history.newest == tick
        assert history.ticks == sorted(kept)[-ticks:]
        for each in history.ticks:  # a snapshot never changes once it is there
            was, rows = kept[each]
            assert history.changed(each).tolist() == was
            assert history.alive(each).tolist() == [row is not None for row in rows]
            for slot, row in enumerate(rows):
                if row:
                    assert history.generation(each)[slot] == row[0]
                    assert history.owner(each)[slot] == row[1]
                    assert history.lanes(each)[:, slot].tolist() == list(row[2:])
    with pytest.raises(KeyError):
        history.lanes(tick + 1)


def plain(ring: Ring, slots: list[int], baseline: int | None = None) -> list[bytes] | None:
    """Sections, or None where the baseline cannot be named."""
    try:
        return [data for data, _ in encode_sections(ring, slots, baseline=baseline)]
    except ValueError:
        return None


@settings(deadline=None)
@given(
    worlds=st.lists(
        st.tuples(st.integers(1, 70), st.lists(SLOT, min_size=CAPACITY, max_size=CAPACITY)),
        min_size=1,
        max_size=30,
    ),
    ticks=st.sampled_from([2, 3, 8, 64]),
    starts=st.lists(st.integers(0, 20), min_size=1, max_size=3),
    source=st.sampled_from([[0], [1], []]),
)
def test_a_projection_is_a_history_of_its_lanes(
    worlds: list, ticks: int, starts: list[int], source: list[int]
) -> None:
    """It encodes what a history with only these lanes would, whenever it began."""
    layout = Layout([4] * len(source), list(range(len(source))), CAPACITY, source=source)
    whole = History(Layout([4, 4], [0, 1], CAPACITY), ticks)
    alone = History(Layout([4] * len(source), list(range(len(source))), CAPACITY), ticks)
    projections = []
    tick = -1
    for at, (ahead, world) in enumerate(worlds):
        projections += [whole.project(layout) for start in starts if start == at]
        tick += ahead
        columns = (
            np.array([row is not None for row in world]),
            np.array([row[0] if row else 7 for row in world], np.uint16),
            np.array([row[1] if row else 7 for row in world], np.int32),
        )
        for history, lanes in ((whole, [0, 1]), (alone, source)):
            if at % 3 == 0:
                history.stage(tick)[:] = 9  # an error came between: staged once more
            codes = history.stage(tick)
            codes[:] = tick % 16
            for slot, row in enumerate(world):
                if row:
                    codes[:, slot] = [row[2 + lane] for lane in lanes]
            history.commit(*columns)
        for projection in projections:
            assert projection.newest == tick
            for slots in ([s] for s in range(CAPACITY)):
                assert plain(projection, slots) == plain(alone, slots)
            for base in alone.ticks[:-1]:
                for slot in range(CAPACITY):
                    assert plain(projection, [slot], base) == plain(alone, [slot], base)
    for projection in projections:
        whole.forget(projection)


def test_lanes_that_a_projection_cannot_have() -> None:
    whole = History(Layout([4, 4], [0, 1], CAPACITY))
    for layout in (Layout([4], [0], 5), Layout([4], [0], CAPACITY, source=[2])):
        with pytest.raises(ConfigError, match="capacity 6 and lanes of 0 to 1"):
            whole.project(layout)
    for source in ([1, 0], [0], [0, 0], [-1, 0]):
        with pytest.raises(ConfigError, match="source needs"):
            Layout([4, 4], [0, 1], CAPACITY, source=source)


def test_ticks_rise() -> None:
    history = History(Layout([1], [0], 1))
    one = np.ones(1)
    history.stage(5)
    history.stage(5)  # starting over is allowed
    history.commit(one, one, one)
    for tick in (5, 4, -1, 2**31):
        with pytest.raises(ConfigError, match="cannot follow"):
            history.stage(tick)
    with pytest.raises(ConfigError, match="without stage"):
        history.commit(one, one, one)
    history.stage(2**31 - 1)
    history.commit(one, one, one)
    assert history.newest == 2**31 - 1


@pytest.mark.parametrize("ticks", [1, 65])
def test_limits(ticks: int) -> None:
    with pytest.raises(ConfigError, match="2 to 64"):
        History(Layout([1], [0], 1), ticks)
