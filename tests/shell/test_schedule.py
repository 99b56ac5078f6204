import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcode.errors import ConfigError
from netcode.shell.schedule import TickSchedule


def test_deadlines_are_absolute_and_do_not_drift() -> None:
    schedule = TickSchedule(60)
    schedule.start(1000.0)
    for number in range(1, 100_001):
        schedule.advance(schedule.deadline + 0.003)
        assert schedule.number == number
        assert schedule.late == pytest.approx(0.003)
    assert schedule.deadline == pytest.approx(1000.0 + 100_000 / 60)


def test_a_short_stall_is_caught_up_tick_by_tick() -> None:
    schedule = TickSchedule(10, catch_up=5)
    schedule.start(0.0)
    schedule.advance(0.0)
    ran = 0
    while schedule.deadline <= 0.45:
        schedule.advance(0.45)
        assert schedule.dropped == 0
        ran += 1
    assert ran == 4


def test_a_long_stall_drops_the_rest_and_says_how_many() -> None:
    schedule = TickSchedule(10, catch_up=5)
    schedule.start(0.0)
    schedule.advance(0.0)
    ran, dropped = 0, 0
    while schedule.deadline <= 10.0:
        schedule.advance(10.0)
        ran += 1
        dropped += schedule.dropped
    assert ran <= 5
    assert ran + dropped == 100
    assert schedule.dropped_total == dropped
    assert schedule.number == 1 + ran


@given(st.lists(st.floats(0, 5), max_size=50), st.integers(1, 8))
def test_it_never_falls_behind_by_more_than_the_catch_up(stalls, catch_up) -> None:
    schedule = TickSchedule(20, catch_up=catch_up)
    now = 0.0
    schedule.start(now)
    for stall in stalls:
        now = max(now + stall, schedule.deadline)
        schedule.advance(now)
        assert now - schedule.deadline < catch_up * schedule.dt
        assert schedule.late <= catch_up * schedule.dt + 1e-9


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), 1001])
def test_absurd_rates_are_refused(rate: float) -> None:
    with pytest.raises(ConfigError, match="tick_rate"):
        TickSchedule(rate)


def test_catching_up_needs_at_least_one_tick() -> None:
    with pytest.raises(ConfigError, match="catch_up"):
        TickSchedule(60, catch_up=0)
