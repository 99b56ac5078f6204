"""Bursts of loss: the chain of Gilbert and Elliott, by its own numbers."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcode.testing import Conditions, Link

COUNT = 60_000


def losses(link: Link, count: int = COUNT) -> list[bool]:
    """Of each datagram in turn, whether it got lost."""
    for number in range(count):
        link.push(b"", number, 0.0)
    arrived = {number for _, number in link.pop(0.0)}
    return [number not in arrived for number in range(count)]


@pytest.mark.parametrize(
    ("enter", "exit_", "bad", "good"),
    [(0.01, 0.25, 1.0, 0.0), (0.05, 0.5, 0.7, 0.01), (0.002, 0.05, 0.9, 0.002)],
)
def test_the_average_is_the_one_of_the_formula(
    enter: float, exit_: float, bad: float, good: float
) -> None:
    c = Conditions(burst_enter=enter, burst_exit=exit_, burst_loss=bad, loss=good)
    link = Link(1, c)
    lost = losses(link)
    share = enter / (enter + exit_)
    assert c.average_loss == pytest.approx(share * bad + (1 - share) * good)
    assert sum(lost) / COUNT == pytest.approx(c.average_loss, rel=0.15)
    assert link.stats.lost == sum(lost)
    assert link.stats.lost_in_bursts / COUNT == pytest.approx(share * bad, rel=0.15)


def test_bursts_are_as_long_as_was_asked_for() -> None:
    lost = losses(Link(2, burst_enter=0.01, burst_exit=0.2))
    runs = [len(list(run)) for was_lost, run in itertools.groupby(lost) if was_lost]
    gaps = [len(list(run)) for was_lost, run in itertools.groupby(lost) if not was_lost]
    assert sum(runs) / len(runs) == pytest.approx(5, rel=0.1)
    assert sum(gaps) / len(gaps) == pytest.approx(100, rel=0.1)
    # Lengths are geometric: no memory, so the mean rest after five more is five again.
    rest = [length - 5 for length in runs if length > 5]
    assert sum(rest) / len(rest) == pytest.approx(5, rel=0.2)


def test_without_bursts_loss_comes_alone() -> None:
    lost = losses(Link(3, loss=0.05))
    runs = [len(list(run)) for was_lost, run in itertools.groupby(lost) if was_lost]
    assert sum(runs) / len(runs) == pytest.approx(1 / 0.95, rel=0.05)
    assert Conditions(loss=0.05).average_loss == 0.05
    assert Conditions(burst_enter=1, burst_exit=0).average_loss == 1


@given(st.integers() | st.text(max_size=5), st.floats(0, 1), st.floats(0, 1))
def test_bursts_take_nothing_from_the_fates_of_others(
    seed: int | str, enter: float, exit_: float
) -> None:
    """What a link without bursts loses is lost with them as well."""
    plain = losses(Link(seed, loss=0.2), 200)
    bursty = losses(Link(seed, loss=0.2, burst_enter=enter, burst_exit=exit_), 200)
    assert all(b for p, b in zip(plain, bursty, strict=True) if p)
    assert losses(Link(seed, loss=0.2, burst_enter=0, burst_exit=exit_), 200) == plain


def test_pinned_fates() -> None:
    """A seed means the same for ever: a saved seed of a failing test must still fail."""
    link = Link(7, loss=0.3, latency=0.05, jitter=0.02, duplicate=0.1, reorder=0.2)
    for number in range(12):
        link.push(b"", number, number * 0.01)
    out = []
    while len(link):
        due = link.next_deadline
        out += [(number, round(due, 4)) for _, number in link.pop(due)]
    assert out == PINNED
    bursty = [n for n, lost in enumerate(losses(Link(7, burst_enter=0.1), 60)) if lost]
    assert bursty == PINNED_BURSTS
    assert link.next_deadline == math.inf


# Made before there were bursts and queues.
PINNED = [
    (0, 0.053),
    (3, 0.0879),
    (2, 0.0977),
    (5, 0.1074),
    (5, 0.1177),
    (6, 0.1186),
    (7, 0.134),
    (8, 0.1358),
    (10, 0.1563),
    (11, 0.1789),
    (11, 0.214),
]
PINNED_BURSTS = [3, 4, 5, 13, 14, 15, 19, 27, 28, 29, 30, 31, 32, 40, 41]
