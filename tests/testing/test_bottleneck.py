"""The rate limit and its queue, against a queue that is simulated byte by byte in spirit."""

from __future__ import annotations

import math
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcode.errors import ConfigError
from netcode.testing import Conditions, Link

# Times and rates are binary fractions, so that both sides compute without rounding and agree on
# what just fits.
pushes = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 200)), max_size=60)


class Queue:
    """The obvious bottleneck: a list of what waits, served one after the other."""

    def __init__(self, rate: float, overhead: float, queue: float, queue_time: float) -> None:
        self.rate, self.overhead, self.queue, self.queue_time = rate, overhead, queue, queue_time
        self.waiting: deque[list[float]] = deque()  # bytes left of each, the first being sent
        self.now = 0.0
        self.dropped = 0

    def run(self, now: float) -> None:
        credit = (now - self.now) * self.rate
        self.now = now
        while self.waiting and credit > 0:
            sent = min(credit, self.waiting[0][0])
            self.waiting[0][0] -= sent
            credit -= sent
            if not self.waiting[0][0]:
                self.waiting.popleft()

    def push(self, size: int, now: float) -> float | None:
        """When the datagram leaves; None when it is dropped."""
        self.run(now)
        backlog = sum(left for (left,) in self.waiting)
        whole = size + self.overhead
        if backlog and (backlog + whole > self.queue or backlog > self.queue_time * self.rate):
            self.dropped += 1
            return None
        if whole:
            self.waiting.append([whole])
        return now + (backlog + whole) / self.rate


@given(
    pushes,
    st.sampled_from((256.0, 1024.0, 4096.0)),
    st.sampled_from((0.0, 28.0)),
    st.sampled_from((0.0, 100.0, 500.0, math.inf)),
    st.sampled_from((0.0, 0.25, 1.0, math.inf)),
)
def test_the_queue_is_a_queue(
    steps: list[tuple[int, int]], rate: float, overhead: float, queue: float, queue_time: float
) -> None:
    oracle = Queue(rate, overhead, queue, queue_time)
    link = Link(rate=rate, overhead=overhead, queue=queue, queue_time=queue_time, latency=0.5)
    expected, got, now = [], [], 0.0
    for number, (wait, size) in enumerate(steps):
        now += wait / 64
        left = oracle.push(size, now)
        if left is not None:
            expected.append((left + 0.5, number))
        link.push(bytes(size), number, now)
    while len(link):
        due = link.next_deadline
        got += [(due, number) for _, number in link.pop(due)]
    assert got == expected
    assert link.stats.queue_dropped == oracle.dropped
    assert link.stats.pushed == len(steps) == len(got) + oracle.dropped


def test_bufferbloat() -> None:
    """Twice the rate of the line fills its queue, and everybody waits as long as it is."""
    link = Link(rate=100_000, overhead=0, queue_time=1.0, latency=0.01)
    for number in range(4000):
        link.push(bytes(1000), number, number / 200)
    last = 0.0
    while len(link):
        last = link.next_deadline
        link.pop(last)
    stats = link.stats
    assert stats.queue_dropped == pytest.approx(2000, abs=110)
    assert last == pytest.approx(20 + 1 + 0.01, abs=0.02)
    assert 0.9 < stats.queue_delay / (stats.pushed - stats.queue_dropped) <= 1.0
    assert link.waiting(20.0) == pytest.approx(1.0, abs=0.02)
    assert link.waiting(30.0) == 0.0


def test_what_gets_lost_has_taken_its_time_of_the_line() -> None:
    clean, lossy = Link(5, rate=1000, overhead=0), Link(5, rate=1000, overhead=0, loss=1.0)
    for link in (clean, lossy):
        for _ in range(10):
            link.push(bytes(100), None, 0.0)
    assert clean.waiting(0.0) == lossy.waiting(0.0) == pytest.approx(1.0)
    assert lossy.stats.lost == 10


def test_a_rate_does_not_change_who_gets_lost() -> None:
    fates = []
    for fields in ({}, {"rate": 1e6}, {"rate": 1e6, "queue": 1e9}):
        link = Link(9, loss=0.3, duplicate=0.2, **fields)
        for number in range(500):
            link.push(b"x", number, number * 0.01)
        fates.append(sorted(number for _, number in link.pop(math.inf)))
    assert fates[0] == fates[1] == fates[2]


def test_one_datagram_fits_even_no_queue() -> None:
    link = Link(rate=1000.0, overhead=0, queue=0)
    for now in (0.0, 0.05, 0.1, 0.1):
        link.push(bytes(100), now, now)
    assert [when for _, when in link.pop(1.0)] == [0.0, 0.1]
    assert link.stats.queue_dropped == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"rate": 0},
        {"rate": -1},
        {"rate": math.nan},
        {"overhead": -1},
        {"overhead": math.inf},
        {"queue": -1},
        {"queue": math.nan},
        {"queue_time": -0.1},
        {"burst_enter": 1.5},
        {"burst_exit": -0.5},
        {"burst_loss": math.nan},
        {"latency": "80ms"},
        {"loss": True},
    ],
)
def test_fields_are_checked(fields: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=rf"Conditions\.{next(iter(fields))}: "):
        Conditions(**fields)
