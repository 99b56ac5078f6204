"""A client whose socket is replaced, on real UDP, with each driver at each end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from dead_line import lose_address
from virtual_game import MESSAGES, Chat, Input, Ship

import netcode as nc
import netcode.asyncio
from netcode.io import BACKENDS

pytestmark = pytest.mark.udp

MESSAGES_EACH = 200
SECONDS = 20.0


class Echo:
    """A server on a thread, that says what it hears."""

    def __init__(self, io: Any) -> None:
        self.server = nc.Server("127.0.0.1:0", input=Input, messages=MESSAGES, io=io)
        self.server.table(Ship)
        self.events: list[object] = []
        self.resumed = 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        for tick in self.server:
            for event in tick.events:
                self.events.append(event)
                if isinstance(event, nc.Message):
                    event.player.send(event.message)
            self.resumed = max((each.stats.resumed for each in self.server.players), default=0)

    def close(self) -> None:
        self.server.stop()
        self.thread.join()


@pytest.fixture(params=["poll", "thread"])
def echo(request: pytest.FixtureRequest) -> Iterator[Echo]:
    if request.param == "thread" and BACKENDS[0] == "python":
        pytest.skip("no I/O thread on this system")
    made = Echo(request.param)
    yield made
    made.close()


def check(echo: Echo, client: Any, got: list[str]) -> None:
    assert got == [str(number) for number in range(MESSAGES_EACH)]
    assert client.stats.resumed == 2
    assert echo.resumed == 2
    assert not [each for each in echo.events if isinstance(each, nc.Left)]
    assert len([each for each in echo.events if isinstance(each, nc.Joined)]) == 1


def test_with_a_loop_of_its_own(echo: Echo) -> None:
    got: list[str] = []
    sent = 0
    losses = [MESSAGES_EACH // 3, 2 * MESSAGES_EACH // 3]
    options: Any = {"input": Input, "tables": [Ship], "messages": MESSAGES}
    with nc.connect(echo.server.address, **options) as client:
        end = time.monotonic() + SECONDS
        while len(got) < MESSAGES_EACH and time.monotonic() < end:
            if sent < MESSAGES_EACH and sent < len(got) + 5:
                client.send(Chat(str(sent)))
                sent += 1
            if losses and sent >= losses[0]:
                losses.pop(0)
                lose_address(client)
            client.update(Input())
            got += [each.message.text for each in client.events if isinstance(each, nc.Received)]
            client.host.sleep(client.clock() + 1 / 60)
        check(echo, client, got)


def test_on_an_event_loop(echo: Echo) -> None:
    got: list[str] = []

    async def main() -> None:
        sent = 0
        losses = [MESSAGES_EACH // 3, 2 * MESSAGES_EACH // 3]
        options: Any = {"input": Input, "tables": [Ship], "messages": MESSAGES}
        async with netcode.asyncio.connect(echo.server.address, **options) as client:
            end = time.monotonic() + SECONDS
            async for _ in client:
                if sent < MESSAGES_EACH and sent < len(got) + 5:
                    client.send(Chat(str(sent)))
                    sent += 1
                if losses and sent >= losses[0]:
                    losses.pop(0)
                    lose_address(client)
                client.update(Input())
                got.extend(
                    each.message.text for each in client.events if isinstance(each, nc.Received)
                )
                if len(got) == MESSAGES_EACH or time.monotonic() > end:
                    break
            assert client.watch is not None
            assert client.watch.descriptor == client.host.fileno()
            check(echo, client, got)

    asyncio.run(main())
