"""What an event loop is asked to watch for a server or client."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest
from virtual_game import MESSAGES, Input, Ship

import netcode as nc
from netcode.io import BatchSocket
from netcode.session import DatagramBatch
from netcode.shell.pacing import Watch

pytestmark = pytest.mark.udp


class FakeHost:
    """One end of a pair of sockets, and whatever the test says is due."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.next_deadline = float("inf")
        self.blocked = False
        self.pumps_by_time = True
        self.closed = False
        self.listened = 0

    def fileno(self) -> int:
        return self.near.fileno()

    def clock(self) -> float:
        return time.monotonic()

    def listen(self) -> None:
        self.listened += 1

    def close(self) -> None:
        self.closed = True
        self.near.close()
        self.far.close()


class FakeLoop:
    def __init__(self) -> None:
        self.host = FakeHost()
        self.polls = 0
        self.polled = asyncio.Event()

    def poll(self) -> None:
        self.polls += 1
        self.polled.set()
        if self.polls > 500:
            raise AssertionError("it spins")

    async def next(self) -> None:
        await asyncio.wait_for(self.polled.wait(), 5)
        self.polled.clear()


def watched(test) -> None:
    async def main() -> None:
        loop = FakeLoop()
        watch = Watch(loop)
        if not watch.watching:
            pytest.skip("this event loop watches no sockets")
        try:
            await test(loop, loop.host, watch)
        finally:
            watch.close()
            watch.close()
            loop.host.close()

    asyncio.run(main())


def test_it_polls_when_something_can_be_read() -> None:
    async def test(loop: FakeLoop, host: FakeHost, watch: Watch) -> None:
        await asyncio.sleep(0.01)
        assert loop.polls == 0
        host.far.send(b"x")
        await loop.next()
        host.near.recv(1)
        assert watch.timer is None
        assert host.listened >= 2

    watched(test)


def test_one_timer_stands_for_the_next_deadline() -> None:
    async def test(loop: FakeLoop, host: FakeHost, watch: Watch) -> None:
        host.next_deadline = time.monotonic() + 0.05
        watch.arm()
        timer = watch.timer
        assert timer is not None
        host.next_deadline += 10
        watch.arm()
        assert watch.timer is timer  # it will come early and see that nothing is due
        host.next_deadline = time.monotonic() + 0.02
        watch.arm()
        assert timer.cancelled()
        start = time.monotonic()
        host.next_deadline += 0.1
        await loop.next()
        assert time.monotonic() - start < 2
        assert loop.polls == 1
        assert watch.timer is not None
        await loop.next()
        host.next_deadline = float("inf")
        await loop.next()
        await asyncio.sleep(0.02)
        assert watch.timer is None
        assert loop.polls >= 3

    watched(test)


def test_it_watches_for_writing_only_while_the_system_takes_nothing() -> None:
    async def test(loop: FakeLoop, host: FakeHost, watch: Watch) -> None:
        watch.arm()
        await asyncio.sleep(0.01)
        assert not watch.writing
        assert loop.polls == 0
        while True:  # until the socket is full, or it would be writable at once
            try:
                host.near.send(bytes(65536))
            except BlockingIOError:
                break
        host.blocked = True
        host.next_deadline = float("inf")
        watch.arm()
        assert watch.writing
        await asyncio.sleep(0.02)
        assert loop.polls == 0
        host.far.setblocking(False)
        try:
            while host.far.recv(1 << 20):
                pass
        except BlockingIOError:
            pass
        await loop.next()
        host.blocked = False
        await loop.next()
        assert not watch.writing
        before = loop.polls
        await asyncio.sleep(0.02)
        assert loop.polls == before

    watched(test)


def test_a_callback_takes_a_bounded_number_of_datagrams(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []

    async def main() -> None:
        server = nc.Server("127.0.0.1:0", io="poll", tick_rate=2, max_clients=4096)
        server.start()
        receive = server.endpoint.receive

        class Counting:
            def __getattr__(self, name: str) -> object:
                return getattr(server.endpoint, name)

            def receive(self, batch: DatagramBatch, now: float) -> None:
                taken.append(len(batch))
                receive(batch, now)

        server.host.endpoint = Counting()
        watch = Watch(server)
        sender = BatchSocket(("127.0.0.1", 0))
        batch = DatagramBatch()
        host, _, port = server.address.rpartition(":")
        for _ in range(1500):
            batch.append(b"x", (host, int(port)))
        sender.send(batch)
        end = time.monotonic() + 2
        while sum(taken) < 1500 and time.monotonic() < end:
            await asyncio.sleep(0.001)
        watch.close()
        server.close()
        sender.close()

    asyncio.run(main())
    if sum(taken) <= 1024:
        pytest.skip("this system's socket buffer holds too few")
    assert max(taken) <= 1024
    assert len(taken) > 1


@pytest.mark.usefixtures("driver")
def test_a_body_that_awaits_for_long_costs_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than the timeout, and without the keeper: the event loop itself keeps it going."""
    monkeypatch.setattr("netcode.shell.host.Keeper", lambda *_: None)

    async def main() -> None:
        server = nc.Server("127.0.0.1:0", input=Input, messages=MESSAGES, tick_rate=60)
        server.table(Ship)

        async def serve() -> None:
            async for tick in server:
                if any(isinstance(event, nc.Joined) for event in tick.events):
                    await asyncio.sleep(1.6)  # a database, say
                if any(isinstance(event, nc.Left) for event in tick.events):
                    return

        serving = asyncio.create_task(serve())
        await asyncio.sleep(0)
        async with nc.asyncio.connect(
            server.address, input=Input, tables=[Ship], messages=MESSAGES, lost_after=1
        ) as client:
            end = time.monotonic() + 1.5
            async for _ in client:
                if time.monotonic() > end:
                    break
            assert client.connected, client.reason
        async with asyncio.timeout(5):
            await serving

    asyncio.run(main())
