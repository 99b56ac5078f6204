"""What a call costs depends on what changed, not on how many are connected."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from session.crowd import RELIABLE, Crowd
from session.harness import SERVER, make_client, make_token

from netcode.session import DatagramBatch

FEW, MANY = 250, 5_000
WORSE = 5.0
"""A scan over everyone would cost 20 times as much; caches and a busy machine cost some."""


@pytest.fixture(scope="module")
def crowds() -> list[Crowd]:
    return [Crowd(FEW), Crowd(MANY)]


def best(call: Callable[[], object], times: int = 60) -> int:
    """CPU nanoseconds of the fastest of many calls."""
    found = []
    for _ in range(times):
        start = time.thread_time_ns()
        call()
        found.append(time.thread_time_ns() - start)
    return min(found)


def compare(crowds: list[Crowd], make: Callable[[Crowd], Callable[[], object]]) -> None:
    few, many = (best(make(crowd)) for crowd in crowds)
    assert many < max(few, 2_000) * WORSE


def quiet(crowd: Crowd) -> None:
    """Nothing is due and nothing waits."""
    crowd.step()
    crowd.server.send(crowd.now)


def test_nothing_to_do(crowds: list[Crowd]) -> None:
    for crowd in crowds:
        quiet(crowd)
    empty = DatagramBatch()
    compare(crowds, lambda c: lambda: c.server.receive(empty, c.now))
    compare(crowds, lambda c: lambda: c.server.update(c.now))
    compare(crowds, lambda c: lambda: c.server.send(c.now))
    compare(crowds, lambda c: lambda: c.server.next_deadline)
    compare(crowds, lambda c: c.server.events)
    compare(crowds, lambda c: c.server.messages)
    compare(crowds, lambda c: lambda: c.server.stats(7))


def test_one_message_out(crowds: list[Crowd]) -> None:
    def make(crowd: Crowd) -> Callable[[], object]:
        quiet(crowd)

        def one() -> None:
            crowd.server.push(3, RELIABLE, b"x")
            crowd.server.send(crowd.now)

        return one

    compare(crowds, make)


def test_one_message_in(crowds: list[Crowd]) -> None:
    def make(crowd: Crowd) -> Callable[[], object]:
        quiet(crowd)
        address, client = next(iter(crowd.clients.items()))
        waiting = []
        for _ in range(100):
            client.push_frame(0x50, b"x")
            waiting += [data for data, _ in client.send(crowd.now)]
        turns = iter(waiting)

        def one() -> None:
            crowd.server.receive_datagram(next(turns), address, crowd.now)
            crowd.server.frames()

        return one

    compare(crowds, make)


def test_one_comes_and_goes(crowds: list[Crowd]) -> None:
    def make(crowd: Crowd) -> Callable[[], object]:
        quiet(crowd)
        number = 10**6

        def one() -> None:
            nonlocal number
            number += 1
            token = make_token(number, unix_now=1_700_000_000.0 + crowd.now)
            client = make_client(token, channels=crowd.server.config.channels)
            for _ in range(2):
                for data, _ in client.send(crowd.now):
                    crowd.server.receive_datagram(data, ("10.7.0.1", 9), crowd.now)
                for data, to in crowd.server.send(crowd.now):
                    if to == ("10.7.0.1", 9):
                        client.receive_datagram(data, SERVER, crowd.now)
            assert client.state == 3
            crowd.server.disconnect(client.client_index)
            crowd.server.events()
            crowd.server.send(crowd.now)

        return one

    compare(crowds, make)


def test_everyone_at_once(crowds: list[Crowd]) -> None:
    """All together cost each no more than a few do: nothing is quadratic."""
    costs = []
    for crowd in crowds:
        batch = DatagramBatch()
        for address, client in crowd.clients.items():
            client.push_frame(0x50, bytes(100))
            for data, _ in client.send(crowd.now):
                batch.append(data, address)
        start = time.thread_time_ns()
        crowd.server.receive(batch, crowd.now)
        crowd.server.update(crowd.now)
        crowd.server.receive_frames()
        crowd.server.push_many(range(len(crowd.clients)), RELIABLE, bytes(100))
        crowd.server.send(crowd.now)
        costs.append((time.thread_time_ns() - start) / len(crowd.clients))
    assert costs[1] < costs[0] * WORSE
