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

pytestmark = pytest.mark.udp

MESSAGES_EACH = 200
SECONDS = 20.0


class Echo:
    """A server on a thread, that says what it hears."""

    def __init__(self) -> None:
        self.server = nc.Server("127.0.0.1:0", input=Input, messages=MESSAGES)
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
            for player in self.server.players:
                self.resumed = max(self.resumed, player.stats.resumed)

    def close(self) -> None:
        self.server.stop()
        self.thread.join()


@pytest.fixture
def echo(driver: str) -> Iterator[Echo]:
    made = Echo()
    yield made
    made.close()


class Talk:
    """A client's side of it: numbers that must come back, and an address that is lost twice."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.sent = 0
        self.losses = [MESSAGES_EACH // 3, 2 * MESSAGES_EACH // 3]
        self.end = time.monotonic() + SECONDS

    @property
    def over(self) -> bool:
        return len(self.got) == MESSAGES_EACH or time.monotonic() > self.end

    def turn(self, client: Any) -> None:
        if self.sent < MESSAGES_EACH and self.sent < len(self.got) + 5:
            client.send(Chat(str(self.sent)))
            self.sent += 1
        if self.losses and self.sent >= self.losses[0]:
            self.losses.pop(0)
            lose_address(client)
        client.update(Input())
        self.got += [each.message.text for each in client.events if isinstance(each, nc.Received)]

    def check(self, echo: Echo, client: Any) -> None:
        assert self.got == [str(number) for number in range(MESSAGES_EACH)]
        assert client.stats.resumed == 2
        assert echo.resumed == 2
        assert not [each for each in echo.events if isinstance(each, nc.Left)]
        assert len([each for each in echo.events if isinstance(each, nc.Joined)]) == 1


OPTIONS: Any = {"input": Input, "tables": [Ship], "messages": MESSAGES}


def test_with_a_loop_of_its_own(echo: Echo) -> None:
    talk = Talk()
    with nc.connect(echo.server.address, **OPTIONS) as client:
        while not talk.over:
            talk.turn(client)
            client.host.sleep(client.clock() + 1 / 60)
        talk.check(echo, client)


def test_on_an_event_loop(echo: Echo) -> None:
    async def main() -> None:
        talk = Talk()
        async with netcode.asyncio.connect(echo.server.address, **OPTIONS) as client:
            async for _ in client:
                talk.turn(client)
                if talk.over:
                    break
            assert client.watch is not None
            assert client.watch.descriptor == client.host.fileno()
            talk.check(echo, client)

    asyncio.run(main())
