"""How often an event loop wakes for an I/O thread, in virtual time, and that it misses nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcode.shell.pacing import Watch
from netcode.shell.threaded import CALM, HEARTBEAT, ThreadedHost

SLACK = 1e-9


class Timer:
    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at, self.call, self.off = at, call, False

    def when(self) -> float:
        return self.at

    def cancel(self) -> None:
        self.off = True


class Bell:
    """What a ServerThread does for an event loop: its bell and its descriptor."""

    socket = None

    def __init__(self) -> None:
        self.news = self.seen = 0
        self.asleep = self.readable = False

    def fileno(self) -> int:
        return 7

    def flush(self) -> None: ...

    def tell(self) -> None:
        self.news += 1
        if self.asleep:
            self.asleep, self.readable = False, True

    def listen(self) -> None:
        self.readable = self.news != self.seen
        self.asleep = not self.readable

    def take(self) -> None:
        self.asleep = self.readable = False
        self.seen = self.news


class World:
    """An event loop, a thread that tells news at given times, and what polls it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []
        self.reader: Callable[[], None] | None = None
        self.thread = Bell()
        self.polls: list[float] = []
        thread: Any = self.thread
        self.host = ThreadedHost(thread)
        self.host.clock = lambda: self.now
        self.host.looked = self.host.pumped = self.now

    # As an event loop.

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, call: Callable[[], None]) -> Timer:
        self.timers.append(Timer(at, call))
        return self.timers[-1]

    def add_reader(self, _descriptor: int, call: Callable[[], None]) -> None:
        self.reader = call

    # As a server.

    def poll(self) -> None:
        self.polls.append(self.now)
        assert len(self.polls) < 10_000, "it spins"
        self.host.pump()

    def run(self, until: float, news: list[float]) -> None:
        told = sorted(news)
        while True:
            self.timers = [each for each in self.timers if not each.off]
            at = min([*(each.at for each in self.timers), *told, until])
            self.now = max(self.now, at)
            if told and told[0] <= self.now:
                told.pop(0)
                self.thread.tell()
            for each in [each for each in self.timers if each.at <= self.now]:
                self.timers.remove(each)
                each.call()
            if self.thread.readable and self.reader is not None:
                self.reader()
            elif at == until and not told:
                return


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return watched(monkeypatch)


def watched(patch: pytest.MonkeyPatch) -> World:
    world = World()
    patch.setattr("asyncio.get_running_loop", lambda: world)
    Watch(world)
    return world


def test_an_idle_event_loop_sleeps(world: World) -> None:
    world.run(10.05, [])
    assert len(world.polls) <= 10.0 / HEARTBEAT
    assert world.thread.asleep
    world.run(20.05, [15.0371])
    assert 15.0371 in world.polls
    assert len(world.polls) <= 20.0 / HEARTBEAT + 1
    assert world.thread.asleep


@given(st.lists(st.floats(0, 2.0), max_size=200))
def test_news_is_taken_within_the_calm_and_polls_keep_it(news: list[float]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        world = watched(patch)
        world.run(3.0, news)
        assert world.thread.seen == len(news)
        for at in news:
            assert any(at <= each <= at + CALM + SLACK for each in world.polls)
        assert len(world.polls) <= len(news) + 3.0 / HEARTBEAT
        for one, other in zip(world.polls, world.polls[1:], strict=False):
            assert other - one >= CALM - SLACK
