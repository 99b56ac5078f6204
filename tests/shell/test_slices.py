"""A tick to a crowd leaves in slices: neither a small socket nor a small queue is overrun."""

from __future__ import annotations

import collections
import math

import pytest
from session.crowd import CHANNELS, RELIABLE, Address, Crowd
from session.harness import SERVER

from netcode.io import Datagrams
from netcode.shell.slices import BACKLOG, RETRY_SECONDS, SEND_SLICE, ServerHost

CLIENTS = 1200
GRANTED = 300
"""Datagrams in the receive buffer that most systems grant."""


class SmallSocket:
    """Clients that answer what they get at once, into a buffer that holds few datagrams.

    ``takes`` is how many datagrams the system takes in all; what is above waits, and beyond
    twice BACKLOG the oldest are lost, as in the back ends.
    """

    address = SERVER
    next_deadline = math.inf

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.takes = 1 << 30
        self.arrived: collections.deque[tuple[bytes, Address]] = collections.deque()
        self.backlog: collections.deque[tuple[bytes, Address]] = collections.deque()
        self.overflow = self.lost = self.largest = 0
        self.counters: dict[str, int] = {}

    @property
    def waiting(self) -> int:
        return len(self.backlog)

    def receive_into(self, batch: Datagrams) -> int:
        count = len(self.arrived)
        while self.arrived:
            batch.append(*self.arrived.popleft())
        return count

    def send(self, batch: Datagrams) -> None:
        self.largest = max(self.largest, len(batch))
        self.backlog += ((bytes(data), to) for data, to in batch)
        while self.backlog and self.takes:
            self.takes -= 1
            self.deliver(*self.backlog.popleft())
        while len(self.backlog) > 2 * BACKLOG:
            self.backlog.popleft()
            self.lost += 1

    def deliver(self, data: bytes, to: Address) -> None:
        client, now = self.crowd.clients[to], self.crowd.now
        client.receive_datagram(data, SERVER, now)
        client.push(RELIABLE, b"thanks")
        for answer, _ in client.send(now):
            if len(self.arrived) < GRANTED:
                self.arrived.append((bytes(answer), to))
            else:
                self.overflow += 1

    def wait(self, timeout: float) -> bool:
        self.crowd.now += timeout
        return bool(self.arrived)

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    return Crowd(CLIENTS, max_clients=CLIENTS)


def hosted(crowd: Crowd) -> tuple[ServerHost, SmallSocket]:
    socket = SmallSocket(crowd)
    return ServerHost(crowd.server, socket, lambda: crowd.now), socket


def test_what_answers_the_first_of_a_burst_is_read_before_the_last_leaves(crowd: Crowd) -> None:
    host, socket = hosted(crowd)
    for flush in (host.flush, host.pump):
        status = crowd.server.push_many(range(CLIENTS), RELIABLE, b"the tick's news")
        assert not status.any()
        flush()
        assert socket.overflow == 0
        assert socket.largest <= SEND_SLICE + CHANNELS.ack_every
        assert crowd.server.waiting == 0
        host.receive(crowd.now)
        heard = crowd.server.messages()
        assert sorted({index for index, _, _ in heard}) == list(range(CLIENTS))
        for client in crowd.clients.values():
            assert b"the tick's news" in [data for _, _, data in client.messages()]
        crowd.now += 0.2


def test_while_the_system_is_full_messages_wait_in_their_queues(crowd: Crowd) -> None:
    host, socket = hosted(crowd)
    crowd.server.messages()
    socket.takes = 0
    sent = [bytes([number]) * 1100 for number in range(8)]
    for data in sent:  # 9,600 datagrams
        crowd.server.push_many(range(CLIENTS), RELIABLE, data)
        host.flush()
    pumps = 0
    end = crowd.now + 0.05
    while crowd.now < end:
        host.sleep(end)
        host.pump()
        pumps += 1
    assert socket.lost == 0
    assert BACKLOG <= socket.waiting <= BACKLOG + 2 * SEND_SLICE
    assert pumps <= 0.05 / RETRY_SECONDS + 2  # it does not spin
    socket.takes = 1 << 30
    heard: dict[Address, list[bytes]] = {to: [] for to in crowd.clients}
    for _ in range(100):
        host.sleep(crowd.now + 0.02)
        host.pump()
        crowd.server.messages()
        for to, client in crowd.clients.items():
            heard[to] += [data for _, _, data in client.messages()]
    assert all(each == sent for each in heard.values())
    assert socket.lost == 0
