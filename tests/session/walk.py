"""A client whose addresses come and go, in virtual time."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from session.harness import (
    SERVER,
    make_client,
    make_server,
)

from netcode.channel import ChannelConfig, DeliveryMode, TransportConfig
from netcode.session import ClientMoved, DatagramBatch, ServerDesk

CHANNELS = TransportConfig(
    channels=(
        ChannelConfig(name="control"),
        ChannelConfig(name="unordered", mode=DeliveryMode.RELIABLE_UNORDERED),
    )
)
NEVER = 2**64 - 1


class Desk:
    """A desk with the face of an endpoint, whose owner takes its turns here."""

    def __init__(self, endpoint: Any) -> None:
        self.desk = ServerDesk(endpoint)
        self.arrived = DatagramBatch()

    def receive_datagram(self, data: bytes, address: tuple[str, int], now: float) -> None:
        self.arrived.append(data, address)

    def update(self, now: float) -> None:
        pass

    def send(self, now: float) -> list[tuple[Any, Any]]:
        self.desk.flush()
        out = [(bytes(d), a) for d, a in self.desk.turn(self.arrived, now)]
        self.arrived.clear()
        for _ in range(3):
            out += [(bytes(d), a) for d, a in self.desk.turn(None, now)]
        self.desk.take()
        return out

    def __getattr__(self, name: str) -> Any:
        return getattr(self.desk, name)


class Walk:
    """A server, and a client whose addresses come and go, 1 kHz steps in virtual time."""

    def __init__(
        self,
        *,
        latency: float = 0.05,
        loss: float = 0.0,
        desk: bool = False,
        tokens: int = 2,
        seed: int = 1,
        **options: Any,
    ) -> None:
        endpoint = make_server(channels=CHANNELS)
        self.server: Any = Desk(endpoint) if desk else endpoint
        self.client = make_client(channels=CHANNELS, **options)
        self.latency, self.loss, self.random = latency, loss, random.Random(seed)
        self.now = 0.0
        self.flying: list[tuple[float, int, Any, Any, bytes]] = []
        self.count = 0
        self.ports = 50_000
        self.home = self.new_address()
        self.other: tuple[str, int] | None = None
        self.attempt = self.resumed = 0
        self.dead: set[tuple[str, int]] = set()
        self.dark = False
        self.renew = True
        self.events: list[Any] = []
        self.got: list[bytes] = []
        self.answers: list[bytes] = []
        self.log: list[tuple[Any, Any, bytes]] = []
        self.run(1.0)
        assert self.client.state == 3
        for _ in range(tokens):
            self.client.take_resume_token(self.server.resume_token(0))
        self.run(0.2)

    def new_address(self) -> tuple[str, int]:
        self.ports += 1
        return ("10.1.0.1", self.ports)

    def carry(self, source: Any, batch: Iterable[tuple[Any, Any]]) -> None:
        for data, to in batch:
            self.log.append((source, to, bytes(data)))
            gone = self.dark or source in self.dead or to in self.dead
            if not gone and self.random.random() >= self.loss:
                self.count += 1
                self.flying.append((self.now + self.latency, self.count, source, to, bytes(data)))

    def step(self) -> None:
        self.now += 0.001
        there = DatagramBatch()
        self.flying.sort()
        while self.flying and self.flying[0][0] <= self.now:
            _, _, source, to, data = self.flying.pop(0)
            if to == SERVER:
                self.server.receive_datagram(data, source, self.now)
            elif to == self.home:
                self.client.receive_datagram(data, source, self.now)
            elif to == self.other:
                there.append(data, source)
        if len(there):
            self.client.receive_roaming(there, self.now)
        if self.client.resumed != self.resumed:
            assert self.other is not None
            self.resumed, self.home, self.other = self.client.resumed, self.other, None
        self.server.update(self.now)
        self.client.update(self.now)
        if self.client.roaming and self.client.roaming != self.attempt:
            self.attempt, self.other = self.client.roaming, self.new_address()
        self.carry(self.home, self.client.send(self.now))
        if self.other is not None:
            self.carry(self.other, self.client.send_roaming(self.now))
        self.carry(SERVER, self.server.send(self.now))
        for event in self.server.events():
            self.events.append(event)
            if isinstance(event, ClientMoved) and self.renew:
                self.server.push(0, 0, b"token" + self.server.resume_token(0))
        for _, channel, data in self.server.messages():
            (self.got if channel == 0 else self.answers).append(data)
        for _, _, data in self.client.messages():
            if data[:5] == b"token":
                self.client.take_resume_token(data[5:])
            else:
                self.answers.append(data)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 1000)):
            self.step()

    def until_resumed(self, limit: float = 10.0) -> float:
        start, before = self.now, self.client.resumed
        while self.client.resumed == before:
            assert self.now < start + limit, "not resumed in time"
            self.step()
        return self.now - start

    def until_asking(self) -> None:
        """Until a request has left from a new address."""
        while self.other is None:
            self.step()

    def until_answering(self) -> None:
        """Until a response has left from there."""
        while self.other is None or not answers(self):
            self.step()

    def lose_address(self) -> None:
        """Nothing passes from or to where the client is."""
        self.dead.add(self.home)

    def moved(self) -> list[ClientMoved]:
        return [each for each in self.events if isinstance(each, ClientMoved)]


def requests(walk: Walk, source: Any) -> list[bytes]:
    """The requests that left from there."""
    return [data for sender, to, data in walk.log if sender == source and data[0] == 0]


def answers(walk: Walk) -> list[bytes]:
    """The responses that left from the new address."""
    return [data for source, _, data in walk.log if source == walk.other and data[0] & 15 == 3]
