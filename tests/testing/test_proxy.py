"""The proxy's core and its relay, in virtual time."""

from __future__ import annotations

import math
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

import netcode as nc
from netcode.errors import ConfigError
from netcode.io import HostPort, MemoryNetwork
from netcode.io.conditioned import Outgoing
from netcode.testing import PRESETS, Conditions, ProxyCore, Relay, Scenario

SERVER, DOOR = ("10.0.0.1", 40000), ("10.0.0.9", 40001)
SLOW = Scenario.of(Conditions(latency=0.1), Conditions(latency=0.3))

events = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 3), st.booleans(), st.integers(0, 300)),
    max_size=60,
)


def play(
    core: ProxyCore, steps: list[tuple[int, int, bool, int]], polls: int = 0
) -> list[tuple[str, float, int, int]]:
    """Push the steps; everything that came out: (way, when, client, size). ``polls`` is how
    often to look in between, which must not matter."""
    out: list[tuple[str, float, int, int]] = []
    now = 0.0

    def collect(until: float) -> None:
        while core.next_deadline <= until:
            due = core.next_deadline
            out.extend(("up", due, client, len(data)) for data, client in core.pop_up(due))
            out.extend(("down", due, client, len(data)) for data, client in core.pop_down(due))
            core.expire(due)

    for wait, client, from_server, size in steps:
        for part in range(polls):
            collect(now + wait / 64 * part / polls)
        now += wait / 64
        collect(now)
        if from_server:
            core.from_target(bytes(size), client, now)
        else:
            core.from_client(bytes(size), client, now)
    collect(now + 10.0)
    return sorted(out)


@given(events, st.sampled_from(sorted(PRESETS)), st.integers(0, 5), st.booleans())
def test_the_same_datagrams_have_the_same_fate(
    steps: list[tuple[int, int, bool, int]], preset: str, seed: int, shared: bool
) -> None:
    runs = [
        play(ProxyCore(PRESETS[preset], seed=seed, shared=shared), steps, polls)
        for polls in (0, 0, 3)
    ]
    assert runs[0] == runs[1] == runs[2]


@given(events, st.integers(1, 4), st.booleans())
def test_every_datagram_is_accounted_for(
    steps: list[tuple[int, int, bool, int]], most: int, shared: bool
) -> None:
    scenario = Scenario.of(
        Conditions(loss=0.2, latency=0.05, duplicate=0.1, rate=20_000, queue=500)
    )
    core = ProxyCore(scenario, seed=1, max_clients=most, idle=0.5, shared=shared)
    out = play(core, steps)
    stats = core.stats(1e6)
    offered = sum(not from_server for _, _, from_server, _ in steps)
    assert stats.up.pushed == offered - stats.refused
    for way in (stats.up, stats.down):
        assert way.delivered == way.pushed - way.lost - way.queue_dropped + way.duplicated
        assert way.on_the_way == way.waiting == 0
    assert core.held == 0
    late = stats.up.delivered + stats.down.delivered - len(out)
    assert 0 <= late <= stats.unroutable
    assert stats.clients == 0
    assert stats.expired == stats.opened
    assert core.next_deadline == math.inf


def test_each_client_has_its_own_line_and_the_scripts_one_clock() -> None:
    core = ProxyCore(PRESETS["train"], seed=7, start=0.0)
    for number in range(40):
        for client in ("a", "b"):
            core.from_client(bytes(100), client, number / 10)
    fates: dict[str, list[float]] = {"a": [], "b": []}
    while (due := core.next_deadline) < 60:
        for _, client in core.pop_up(due):
            fates[client].append(due)
    assert fates["a"] != fates["b"]
    core.from_client(b"", "c", 36.0)  # new in the tunnel
    assert core.clients["c"].up.conditions.loss == 1.0


def test_a_shared_line_is_one_bottleneck() -> None:
    scenario = Scenario.of(Conditions(rate=1000, overhead=0))
    for shared, last in ((False, 1.0), (True, 2.0)):
        core = ProxyCore(scenario, shared=shared)
        for client in ("a", "b"):
            core.from_client(bytes(1000), client, 0.0)
        assert core.stats(0.0).up.waiting == last
        assert len(core.pop_up(last)) == 2


def test_clients_are_bounded_and_expire() -> None:
    core = ProxyCore(SLOW, max_clients=2, idle=10.0)
    assert core.from_client(b"1", "a", 0.0)
    assert core.from_client(b"1", "b", 5.0)
    assert not core.from_client(b"1", "c", 6.0)
    assert core.stats(6.0).refused == 1
    assert core.pop_up(6.0) == [(b"1", "a"), (b"1", "b")]
    assert core.next_deadline == 10.0
    core.from_target(b"2", "a", 9.9)
    assert core.expire(10.0) == []
    assert core.next_deadline == pytest.approx(10.2)
    assert core.expire(15.0) == ["b"]
    assert core.expire(19.95) == []  # its answer is out, and not collected
    assert core.pop_down(19.95) == [(b"2", "a")]
    assert core.expire(19.95) == ["a"]
    assert not core.from_target(b"3", "a", 20.0)
    stats = core.stats(20.0)
    assert (stats.clients, stats.opened, stats.expired, stats.unroutable) == (0, 2, 2, 1)
    assert stats.up.delivered == 2
    assert stats.down.delivered == 1
    assert core.from_client(b"1", "c", 21.0)


@pytest.mark.parametrize("shared", [False, True])
def test_what_is_held_is_bounded(monkeypatch: pytest.MonkeyPatch, shared: bool) -> None:
    monkeypatch.setattr("netcode.testing.proxy.MAX_BYTES", 10_000)
    core = ProxyCore(Scenario.of(Conditions(latency=1.0, duplicate=0.5)), shared=shared)
    for number in range(50):
        core.from_client(bytes(500), number % 3, 0.0)
        core.from_target(bytes(500), number % 3, 0.0)
    stats = core.stats(0.0)
    held = 500 * (stats.up.on_the_way + stats.down.on_the_way)
    assert 9000 < core.held == held <= 10_000
    assert stats.overfull + stats.up.pushed + stats.down.pushed == 100
    if not shared:
        core.forget(0)
        assert core.held < held
    for way in (core.pop_up(3.0), core.pop_down(3.0)):
        assert way
    assert core.held == 0


@pytest.mark.parametrize("fields", [{"max_clients": 0}, {"max_clients": 65_536}, {"idle": 0}])
def test_a_core_checks_its_arguments(fields: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(fields))}: {next(iter(fields.values()))}"):
        ProxyCore(SLOW, **fields)


class World:
    """A relay, a server that echoes, and sockets for clients, on one memory network."""

    def __init__(self, scenario: Scenario = SLOW, **options: float) -> None:
        self.wires = MemoryNetwork()
        self.server = self.wires.bind(SERVER)
        self.core = ProxyCore(scenario, **options)
        self.closed: list[HostPort] = []
        self.relay = Relay(
            self.core,
            self.wires.bind(DOOR),
            SERVER,
            bind=lambda: self.wires.bind((DOOR[0], 0)),
            clock=self.wires.now,
            closing=lambda transport: self.closed.append(transport.address),
        )
        self.wires.background += [self.relay.step, self.echo]
        self.seen: list[tuple[bytes, HostPort]] = []

    def echo(self) -> None:
        arrived = Outgoing(())
        self.server.receive_into(arrived)
        self.seen += [(bytes(data), source) for data, source in arrived]
        self.server.send(arrived)

    def send(self, client, data: bytes, to: HostPort = DOOR) -> None:
        client.send(Outgoing([(data, to)]))


def received(client) -> list[tuple[bytes, HostPort]]:
    arrived = Outgoing(())
    client.receive_into(arrived)
    return [(bytes(data), source) for data, source in arrived]


def test_the_server_tells_the_clients_apart() -> None:
    world = World()
    clients = [world.wires.bind(("10.0.0.2", 0)) for _ in range(3)]
    for number, client in enumerate(clients):
        world.send(client, b"%d" % number)
    world.wires.advance(0.2)
    assert [data for data, _ in world.seen] == [b"0", b"1", b"2"]
    assert len({source for _, source in world.seen}) == 3
    assert {source[0] for _, source in world.seen} == {DOOR[0]}
    assert [received(client) for client in clients] == [[], [], []]
    world.wires.advance(0.25)
    assert [received(client) for client in clients] == [[(b"%d" % n, DOOR)] for n in range(3)]


def test_strangers_do_not_get_through_and_who_is_silent_is_hung_up() -> None:
    world = World(idle=5.0)
    client, stranger = (world.wires.bind(("10.0.0.2", 0)) for _ in range(2))
    world.send(client, b"x")
    world.wires.advance(0.2)
    ((_, hole),) = world.seen
    world.send(stranger, b"evil", hole)
    world.wires.advance(1.0)
    assert received(client) == [(b"x", DOOR)]
    assert world.relay.strangers == 1
    assert world.relay.next_deadline == pytest.approx(5.1, abs=0.01)
    world.wires.advance(4.0)
    assert (world.closed, world.relay.transports) == ([hole], {})
    assert hole not in world.wires.sockets
    world.send(client, b"again")
    world.wires.advance(1.0)
    assert received(client) == [(b"again", DOOR)]
    world.relay.close()
    assert DOOR not in world.wires.sockets
    assert len(world.closed) == 2


def test_no_more_sockets_costs_that_client_only() -> None:
    world = World()
    first, second = (world.wires.bind(("10.0.0.2", 0)) for _ in range(2))
    world.send(first, b"1")
    world.wires.advance(0.01)

    def none_left() -> nc.io.Transport:
        raise ConfigError("too many open files")

    world.relay.bind = none_left
    world.send(second, b"2")
    world.send(first, b"3")
    world.wires.advance(0.2)
    assert [data for data, _ in world.seen] == [b"1", b"3"]
    assert (world.relay.unbound, len(world.core.clients)) == (1, 1)


class Ship(nc.Schema):
    x: Annotated[float, nc.Quantized(0, 1000, step=1 / 64)] = 0.0


class Input(nc.Schema):
    thrust: bool = False


def step(ship: Ship, held: Input, dt: float) -> None:
    if held.thrust:
        ship.x += 60 * dt


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_whole_game_through_the_proxy(preset: str) -> None:
    """Server, client and relay in virtual time: five seconds on each preset."""
    wires = MemoryNetwork()
    server, door = ("127.0.0.1", 40000), ("127.0.0.1", 40001)
    core = ProxyCore(PRESETS[preset], seed=7, start=0.0)
    relay = Relay(
        core,
        wires.bind(door),
        server,
        bind=lambda: wires.bind(("127.0.0.1", 0)),
        clock=wires.now,
    )
    game = nc.Server(
        "127.0.0.1:40000",
        input=Input,
        public_address="127.0.0.1:40001",
        transport=wires.bind(server),
        clock=wires.now,
    )
    ships = game.table(Ship, capacity=8)
    game.start()

    def act() -> None:
        relay.step()
        game.poll()
        if wires.now() >= game.next_tick_at:
            tick = game.begin_tick()
            for event in tick.events:
                if isinstance(event, nc.Joined):
                    event.player.entity = ships.spawn(Ship(x=100.0), owner=event.player)
            for player in game.players:
                step(ships[player.entity], player.input, tick.dt)
            game.end_tick()

    wires.background.append(act)
    with nc.connect(
        "127.0.0.1:40001",
        input=Input,
        tables=[Ship],
        predict=step,
        transport=wires.bind(("127.0.0.1", 0)),
        clock=wires.now,
    ) as client:
        for _ in range(300):
            client.update(Input(thrust=True))
            client.host.sleep(wires.now() + 1 / 60)
        (mine,) = client.view(Ship)
        assert mine.mine
        assert 200 < mine.state.x < 420
        latency = PRESETS[preset].up.at(0).latency + PRESETS[preset].down.at(0).latency
        assert latency < client.stats.rtt < latency + 0.15
    stats = core.stats(wires.now())
    assert stats.opened == 1
    assert stats.up.pushed > 250
    game.close()
    relay.close()
