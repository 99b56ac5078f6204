"""A server and its clients on one thread, in virtual time, without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import netcode as nc
from netcode.io import MemoryNetwork

ADDRESS = ("127.0.0.1", 40000)
TICK = 1 / 60


class Ship(nc.Schema):
    x: Annotated[float, nc.Quantized(0, 1000, step=1 / 64)] = 0.0
    angle: Annotated[float, nc.Angle(bits=10)] = 0.0
    hp: Annotated[int, nc.Range(0, 100)] = 100


class Rock(nc.Schema):
    size: Annotated[int, nc.Range(0, 9)] = 1


class Input(nc.Schema):
    thrust: bool = False
    turn: Annotated[int, nc.Range(-1, 1)] = 0


class Chat(nc.Schema):
    text: Annotated[str, nc.Text(80)] = ""


class Buy(nc.Schema):
    item: Annotated[int, nc.Range(0, 100)] = 0


class Bought(nc.Schema):
    price: Annotated[int, nc.Range(0, 1000)] = 0


class Stranger(nc.Schema):
    text: Annotated[str, nc.Text(80)] = ""


MESSAGES = (Chat, Buy, Bought)
SPEED = 60.0


def step(ship: Ship, held: Input, dt: float) -> None:
    if held.thrust:
        ship.x = (ship.x + SPEED * dt) % 1000
    ship.angle += held.turn * dt


class Game:
    """Runs the server whenever somebody lets time pass. ``ship`` is what players fly, ``tables``
    are further ones, or a mapping of these to their trained models."""

    def __init__(
        self, *, ship: type[Any] = Ship, tables: Iterable[type[Any]] = (), **options: Any
    ) -> None:
        self.network = MemoryNetwork()
        self.events: list[object] = []
        self.ticks: list[nc.Tick[Input]] = []
        self.on_event: Callable[[object], None] = lambda event: None
        self.links: Callable[[], Any] = lambda: None
        settings: dict[str, Any] = {
            "input": Input,
            "messages": MESSAGES,
            "transport": self.network.bind(ADDRESS),
            "clock": self.network.now,
        }
        self.server: nc.Server[Input] = nc.Server("127.0.0.1:40000", **settings | options)
        models = tables if isinstance(tables, Mapping) else {}
        self.others = {
            each: self.server.table(each, capacity=32, models=models.get(each, ()))
            for each in tables
        }
        self.ship = ship
        self.ships = self.server.table(ship, capacity=64)
        self.server.start()
        self.network.background.append(self.act)

    def act(self) -> None:
        server = self.server
        if server.closed:
            return
        server.poll()
        if self.network.now() < server.next_tick_at:
            return
        tick = server.begin_tick()
        self.ticks.append(tick)
        for event in tick.events:
            self.events.append(event)
            match event:
                case nc.Joined(player):
                    player.entity = self.ships.spawn(self.ship(x=100.0), owner=player)
                case nc.Left(player):
                    self.ships.despawn(player.entity)
            self.on_event(event)
        for player in server.players:
            step(self.ships[player.entity], player.input, tick.dt)
        server.end_tick()

    def connect(self, **options: Any) -> nc.Client[Input]:
        return nc.connect("127.0.0.1:40000", **self.client_options() | options)

    def client_options(self) -> dict[str, Any]:
        return {
            "input": Input,
            "tables": [Ship],
            "messages": MESSAGES,
            "predict": step,
            "transport": self.network.bind(("127.0.0.1", 0)),
            "clock": self.network.now,
            "link": self.links(),
        }

    def run(
        self,
        seconds: float,
        *clients: nc.Client[Input],
        held: Input | None = None,
        each: Callable[[], None] = lambda: None,
    ) -> list[object]:
        """Let time pass; every client updates once a tick. Returns the clients' events."""
        events: list[object] = []
        end = self.network.now() + seconds - 1e-9
        while self.network.now() < end:
            self.network.advance(TICK)
            for client in clients:
                if client.connected:
                    client.update(held)
                    events += client.events
            each()
        return events

    def players(self) -> list[nc.Player[Input]]:
        return self.server.players
