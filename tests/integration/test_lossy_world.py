"""The whole stack, encrypted, on lines that lose a fifth: nothing lost, doubled or different."""

from __future__ import annotations

import random
import time
from typing import Annotated

import pytest

import netcode as nc
from netcode.io import MemoryNetwork
from netcode.testing import Link

KEY = bytes(range(32))
ADDRESS = ("127.0.0.1", 40000)
TICK = 1 / 60
LINE = {"loss": 0.2, "latency": 0.1, "jitter": 0.02, "reorder": 0.05, "duplicate": 0.05}
TALK_TICKS = 6  # a reliable message each way in every so many ticks
RATES = (1, 2, 3, 3, 6, 6)  # ticks between two updates of a client: 60 to 10 a second
MEMORY_LIMIT = 128 * 1024
"""Bytes of transport state that one end of one connection may hold here."""


class Body(nc.Schema):
    x: Annotated[float, nc.Quantized(0, 1000, step=1 / 32)]
    spin: Annotated[float, nc.Angle(bits=10)] = 0.0
    hits: Annotated[int, nc.Range(0, 255)] = 0


class Held(nc.Schema):
    push: bool = False


class Note(nc.Schema):
    number: Annotated[int, nc.VarUint()]
    padding: Annotated[bytes, nc.Blob(200)] = b""


class Crowd:
    """One server and its clients in virtual time, every line with its own seed.

    The server ticks, and the clients update 60, 30, 20 or 10 times a second, whenever somebody
    lets time pass.
    """

    def __init__(self, clients: int, seed: int) -> None:
        self.random = random.Random(seed)
        self.network = MemoryNetwork()
        self.server: nc.Server[Held] = nc.Server(
            "127.0.0.1:40000",
            input=Held,
            messages=[Note],
            key=KEY,
            max_clients=clients,
            transport=self.network.bind(ADDRESS),
            clock=self.network.now,
        )
        self.bodies = self.server.table(Body, capacity=2 * clients)
        self.loose: list[int] = []
        self.limit = clients
        self.hashes: dict[int, int | None] = {}
        self.heard: dict[int, list[int]] = {}
        self.sent = 0
        self.talking = False
        self.said = 0
        self.clients: list[nc.Client[Held]] = []
        self.read: list[list[int]] = []
        self.compared: list[int] = []
        self.server.start()
        self.network.background.append(self.act)
        for index in range(clients):
            self.clients.append(self.connect(seed, index))
            self.read.append([])
            self.compared.append(0)

    def connect(self, seed: int, index: int) -> nc.Client[Held]:
        def step(body: Body, held: Held, dt: float) -> None:
            body.spin += dt

        token = nc.ConnectToken.create(
            protocol_id=0,
            private_key=KEY,
            client_id=index + 1,
            servers=[ADDRESS],
            unix_now=time.time(),
            expires_in=3600,  # virtual time outruns the wall clock that the server started by
        )
        return nc.connect(
            token=token,
            input=Held,
            tables=[Body],
            messages=[Note],
            predict=step,
            timeout=20.0,
            transport=self.network.bind(("127.0.0.1", 0)),
            clock=self.network.now,
            link=(Link(f"{seed}/{index}/up", **LINE), Link(f"{seed}/{index}/down", **LINE)),
        )

    def run(self, ticks: int, *, talking: bool) -> None:
        self.talking = talking
        for _ in range(ticks):
            self.network.advance(TICK)

    def act(self) -> None:
        self.server.poll()
        if self.network.now() < self.server.next_tick_at:
            return
        tick = self.server.begin_tick()
        for event in tick.events:
            match event:
                case nc.Joined(player):
                    player.entity = self.bodies.spawn(Body(x=500.0), owner=player)
                    self.heard[player.index] = []
                case nc.Message(player, Note() as note):
                    self.heard[player.index].append(note.number)
                case nc.Left():
                    pytest.fail(f"lost a client: {event}")
        self.move()
        talk = self.talking and tick.number % TALK_TICKS == 0
        if talk:
            self.server.broadcast(Note(number=self.sent, padding=bytes(self.sent % 200)))
            self.sent += 1
        self.server.end_tick()
        self.hashes[tick.number] = self.server.world_hash(tick.number)
        for index in range(len(self.read)):
            if tick.number % RATES[index % len(RATES)] == 0:  # in all ticks of talk
                self.update(index, talk)
        self.said += talk

    def update(self, index: int, talk: bool) -> None:
        client = self.clients[index]
        client.update(Held(push=self.random.random() < 0.3))
        for event in client.events:
            match event:
                case nc.Received(Note() as note):
                    assert len(note.padding) == note.number % 200
                    self.read[index].append(note.number)
                case nc.Disconnected(reason):
                    pytest.fail(f"client {index} was disconnected: {reason}")
        for tick in client.complete_ticks():
            assert client.world_hash(tick) == self.hashes[tick], f"client {index}, tick {tick}"
            self.compared[index] += 1
        if talk:
            client.send(Note(number=self.said))

    def move(self) -> None:
        """Bodies move, and some come and go, so that slots are used again."""
        draw = self.random.random
        for player in self.server.players:
            body = self.bodies[player.entity]
            body.x = (body.x + draw()) % 1000
            body.spin += 0.05 * player.input.push
            body.hits = (body.hits + (draw() < 0.1)) % 256
        if draw() < 0.1 and len(self.loose) < self.limit:  # the rest is for those who join
            self.loose.append(self.bodies.spawn(Body(x=draw() * 1000)))
        if draw() < 0.1 and self.loose:
            self.bodies.despawn(self.loose.pop(self.random.randrange(len(self.loose))))

    def settled(self) -> bool:
        """Whether all that was said has been heard, at both ends."""
        heard = [*self.heard.values(), *self.read]
        return all(len(each) == self.sent for each in heard)

    def memory(self) -> int:
        """Bytes of transport state of the connection that holds most."""
        ends = [*self.server.players, *self.clients]
        return max(each.stats.transport.memory for each in ends if each.stats.transport)


def check(clients: int, ticks: int, seed: int) -> None:
    crowd = Crowd(clients, seed)
    for _ in range(ticks // 100):
        crowd.run(100, talking=True)
        assert crowd.memory() < MEMORY_LIMIT
    for _ in range(20):  # what is still under way arrives, with time for resends
        crowd.run(30, talking=False)
        if crowd.settled():
            break
    crowd.run(30, talking=False)  # nothing comes a second time
    assert crowd.said == crowd.sent > ticks // (2 * TALK_TICKS)
    everything = list(range(crowd.sent))
    for index, client in enumerate(crowd.clients):
        assert crowd.heard[client.index] == everything
        assert crowd.read[index] == everything
        assert crowd.compared[index] > ticks // 3, f"client {index}: {crowd.compared[index]}"
        client.close()
    crowd.server.close()


def test_sixteen_clients_on_a_bad_line(seed: int) -> None:
    check(clients=16, ticks=600, seed=seed)


@pytest.mark.timeout(600)
def test_sixty_four_clients_for_two_thousand_ticks(seed: int) -> None:
    check(clients=64, ticks=2000, seed=seed)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_sixty_four_clients_for_ten_minutes(seed: int) -> None:
    check(clients=64, ticks=36_000, seed=seed)
