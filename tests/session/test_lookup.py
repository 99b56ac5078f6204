"""The hash table and the timers against a dict."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from netcode.errors import ConfigError
from netcode.session.lookup import LookupTable
from netcode.session.timers import TimerHeap

# Few low bits, so that runs collide, wrap around and close their gaps.
hashes = st.sampled_from([h * 2**32 + low for h in range(4) for low in (0, 1, 14, 15, 2**63)])


class TableMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.table = LookupTable()
        self.model: dict[int, list[int]] = {}
        self.number = 0

    @rule(hash_=hashes)
    def insert(self, hash_: int) -> None:
        self.number += 1
        self.table.insert(hash_, self.number)
        self.model.setdefault(hash_, []).append(self.number)

    @rule(hash_=hashes, which=st.integers(0, 3))
    def remove(self, hash_: int, which: int) -> None:
        values = self.model.get(hash_, [])
        if which < len(values):
            assert self.table.remove(hash_, values.pop(which))
        else:
            assert not self.table.remove(hash_, 10**6)

    @invariant()
    def same(self) -> None:
        assert len(self.table) == sum(map(len, self.model.values()))
        for hash_, values in self.model.items():
            assert sorted(self.table.find(hash_)) == sorted(values)


TestTable = TableMachine.TestCase


def test_table_grows() -> None:
    table = LookupTable()
    for n in range(10_000):
        table.insert(n * 0x9E3779B97F4A7C15 % 2**64, n)
    assert all(table.find(n * 0x9E3779B97F4A7C15 % 2**64) == [n] for n in range(10_000))


class TimerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.heap = TimerHeap(8)
        self.model: dict[int, float] = {}

    @rule(identifier=st.integers(0, 7), due=st.integers(0, 20) | st.just(math.inf))
    def set_(self, identifier: int, due: float) -> None:
        self.heap.set(identifier, due)
        self.model[identifier] = due

    @rule(identifier=st.integers(0, 7))
    def cancel(self, identifier: int) -> None:
        self.heap.cancel(identifier)
        self.model.pop(identifier, None)

    @rule(now=st.integers(-1, 21))
    def pop(self, now: float) -> None:
        found = self.heap.pop(now)
        if found is None:
            assert all(due > now for due in self.model.values())
        else:
            assert self.model.pop(found) <= min([now, *self.model.values()])

    @invariant()
    def exact(self) -> None:
        assert self.heap.next == min(self.model.values(), default=math.inf)
        assert len(self.heap) == len(self.model)


TestTimers = TimerMachine.TestCase


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=50))
def test_timers_come_in_order(dues: list[float]) -> None:
    heap = TimerHeap(len(dues))
    for identifier, due in enumerate(dues):
        heap.set(identifier, due)
    order = []
    while (identifier := heap.pop(math.inf)) is not None:
        order.append(dues[identifier])
    assert order == sorted(dues)


def test_timers_refuse_misuse() -> None:
    heap = TimerHeap(2)
    with pytest.raises(ConfigError, match="identifier: 2"):
        heap.set(2, 1.0)
    with pytest.raises(ConfigError, match="nan"):
        heap.set(1, math.nan)
