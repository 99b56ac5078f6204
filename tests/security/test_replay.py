"""replay: the bitmap behaves exactly as an array of 256 sequences."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from oracle.security import ReplayArray

from netcode.security import ReplayWindow

TOP = 2**64 - 1
edges = [0, 1, 254, 255, 256, 257, 511, 512, 2**32, 2**63 - 1, 2**63, TOP - 257, TOP - 1, TOP]


class BitmapAndArray(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.window = ReplayWindow()
        self.array = ReplayArray()

    def receive(self, sequence: int) -> None:
        fresh = self.array.check(sequence)
        assert self.window.check(sequence) is fresh
        if fresh:
            self.array.advance(sequence)
            self.window.advance(sequence)
            assert not self.window.check(sequence)

    @initialize(sequence=st.sampled_from(edges) | st.none())
    def first(self, sequence: int | None) -> None:
        if sequence is not None:
            self.receive(sequence)

    @rule(step=st.integers(-600, 600) | st.sampled_from([-257, -256, -255, 255, 256, 257]))
    def near(self, step: int) -> None:
        self.receive(min(max(self.array.most_recent + step, 0), TOP))

    @rule(count=st.integers(1, 300), step=st.integers(1, 5))
    def run(self, count: int, step: int) -> None:
        for _ in range(count):
            self.receive(min(self.array.most_recent + step, TOP))

    @rule(sequence=st.sampled_from(edges) | st.integers(0, TOP))
    def anywhere(self, sequence: int) -> None:
        self.receive(sequence)

    @invariant()
    def agree(self) -> None:
        newest = self.array.most_recent
        assert self.window.most_recent == newest
        for sequence in range(max(newest - 260, 0), min(newest + 3, TOP) + 1):
            assert self.window.check(sequence) is self.array.check(sequence)


TestBitmapAndArray = BitmapAndArray.TestCase
TestBitmapAndArray.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def test_check_changes_nothing() -> None:
    window = ReplayWindow()
    assert all(window.check(sequence) for sequence in (0, 5, TOP, 0))
    assert window.most_recent == 0


def test_too_old_marks_nothing() -> None:
    window = ReplayWindow()
    window.advance(1000)
    window.advance(1000 - 256)
    assert (window.most_recent, window.check(1000), window.check(1000 - 255)) == (1000, False, True)


def test_the_last_sequence_of_all_is_taken_once() -> None:
    window = ReplayWindow()
    window.advance(TOP)
    assert not window.check(TOP)
    assert window.check(TOP - 255)
    assert not window.check(TOP - 256)


def test_out_of_range() -> None:
    window = ReplayWindow()
    for sequence in (-1, 2**64):
        with pytest.raises(OverflowError):
            window.check(sequence)
