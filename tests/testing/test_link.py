from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcode.errors import ConfigError
from netcode.testing import Conditions, Link

conditions = st.builds(
    Conditions,
    loss=st.floats(0, 1),
    latency=st.floats(0, 2),
    jitter=st.floats(0, 1),
    duplicate=st.floats(0, 1),
    reorder=st.floats(0, 1),
    reorder_delay=st.floats(0, 1),
)


def run(link: Link, count: int = 200, every: float = 0.01) -> list[tuple[float, bytes]]:
    """Push so many datagrams and pop everything: (arrival, data)."""
    out: list[tuple[float, bytes]] = []
    for number in range(count):
        now = number * every
        while link.next_deadline <= now:
            due = link.next_deadline
            out += [(due, data) for data, _ in link.pop(due)]
        link.push(number.to_bytes(4, "big"), "there", now)
    while len(link):
        due = link.next_deadline
        out += [(due, data) for data, _ in link.pop(due)]
    return out


@given(st.integers(), conditions)
def test_the_same_seed_gives_the_same_fate(seed: int, c: Conditions) -> None:
    assert run(Link(seed, c), 50) == run(Link(seed, c), 50)


@given(st.integers(), conditions)
def test_every_datagram_is_accounted_for(seed: int, c: Conditions) -> None:
    link = Link(seed, c)
    arrived = run(link, 100)
    stats = link.stats
    assert stats.pushed == 100
    assert len(arrived) == stats.delivered == stats.pushed - stats.lost + stats.duplicated
    assert stats.pushed_bytes == 400
    assert stats.delivered_bytes == 4 * stats.delivered
    for when, data in arrived:
        sent = int.from_bytes(data, "big") * 0.01
        longest = c.latency + c.jitter + 2 * c.reorder_delay
        assert sent + c.latency - 1e-9 <= when
        # Keeping the order, one may wait for all before it.
        assert when <= sent + longest + c.jitter + 1e-9
    assert [when for when, _ in arrived] == sorted(when for when, _ in arrived)


@given(st.integers(), st.floats(0, 0.9), st.floats(0, 1))
def test_jitter_and_loss_alone_keep_the_order(seed: int, loss: float, jitter: float) -> None:
    data = [d for _, d in run(Link(seed, loss=loss, latency=0.05, jitter=jitter))]
    assert data == sorted(data)
    assert len(set(data)) == len(data)


def test_rates_are_what_was_asked_for() -> None:
    link = Link(1, loss=0.2, duplicate=0.1, reorder=0.3, latency=0.05, reorder_delay=0.05)
    data = [d for _, d in run(link, 20_000)]
    stats = link.stats
    assert stats.lost / 20_000 == pytest.approx(0.2, abs=0.01)
    assert stats.duplicated / 16_000 == pytest.approx(0.1, abs=0.01)
    assert stats.reordered / 16_000 == pytest.approx(0.3, abs=0.015)
    assert data != sorted(data)


def test_a_perfect_link_delivers_at_once_in_order() -> None:
    link = Link()
    link.push(b"a", ("host", 1), 1.0)
    link.push(memoryview(b"b"), ("host", 2), 1.0)
    assert link.next_deadline == 1.0
    assert link.pop(0.999) == []
    assert link.pop(1.0) == [(b"a", ("host", 1)), (b"b", ("host", 2))]
    assert link.next_deadline == float("inf")


def test_conditions_change_at_run_time_without_changing_later_fates() -> None:
    plain, changed = Link(3, loss=0.5), Link(3, loss=0.5)
    fates: list[list[bytes]] = [[], []]
    for number in range(300):
        if number == 100:
            changed.change(loss=1.0, jitter=0.0)
        if number == 200:
            changed.change(loss=0.5)
        for link, fate in zip((plain, changed), fates, strict=True):
            link.push(number.to_bytes(2, "big"), None, float(number))
            fate += [data for data, _ in link.pop(float(number))]
    lost = {number.to_bytes(2, "big") for number in range(100, 200)}
    assert [d for d in fates[0] if d not in lost] == fates[1]


def test_a_caller_may_reuse_its_buffer() -> None:
    link = Link(latency=1.0)
    buffer = bytearray(b"one")
    link.push(buffer, None, 0.0)
    buffer[:] = b"two"
    assert link.pop(1.0) == [(b"one", None)]


def test_what_is_on_the_way_is_bounded() -> None:
    link = Link(latency=1.0, capacity=10)
    for _ in range(25):
        link.push(b"x", None, 0.0)
    assert len(link) == 10
    assert link.stats.overflowed == 15
    with pytest.raises(ValueError, match="capacity is 0"):
        Link(capacity=0)


@pytest.mark.parametrize(
    "fields",
    [
        {"loss": -0.1},
        {"loss": 1.1},
        {"duplicate": float("nan")},
        {"reorder": 2},
        {"latency": -1},
        {"jitter": float("inf")},
        {"reorder_delay": float("nan")},
    ],
)
def test_conditions_are_checked(fields: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=rf"Conditions\.{next(iter(fields))}"):
        Conditions(**fields)
    with pytest.raises(ConfigError):
        Link().change(**fields)


def test_the_seed_is_in_the_repr() -> None:
    assert repr(Link(77, loss=0.5)).startswith("Link(seed=77, conditions=Conditions(loss=0.5")
    with pytest.raises(TypeError, match="either"):
        Link(1, Conditions(), loss=0.5)
