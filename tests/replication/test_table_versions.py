"""Clients of several versions of a table at once: each has exactly what its version has.

Lossy, jittering, doubling links in both directions; time is the tick counter.
"""

from __future__ import annotations

import random
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from replication.test_world_equality import Conditions, Pipe

import netcode as nc
from netcode.delta.coder import SectionCoder
from netcode.delta.layout import Layout
from netcode.delta.shape import Shape
from netcode.errors import ConfigError, SchemaError
from netcode.replication import FRAME_SECTION, Receiver, Sender, Table

X = Annotated[float, nc.Quantized(0, 960, step=1 / 16)]
HP = Annotated[int, nc.Range(0, 100)]


class Weapon(nc.Schema):
    ammo: Annotated[int, nc.Range(0, 99)] = 10
    heat: Annotated[int, nc.Range(0, 9), nc.Since(3)] = 4


class Ship(nc.Schema):
    x: X = 0.0
    weapons: Annotated[list[Weapon], nc.ArrayOf(max=2)] = []  # noqa: RUF012
    spare: Weapon = Weapon()
    hp: HP = 100
    shield: Annotated[bool, nc.Since(2)] = True
    target: Annotated[int, nc.Range(0, 63), nc.Since(3)] | None = 7


class Rock(nc.Schema, since=2):
    size: Annotated[int, nc.Range(0, 9)] = 1


class Weapon1(nc.Schema):
    ammo: Annotated[int, nc.Range(0, 99)] = 10


class Ship1(nc.Schema):
    """As it was in version 1."""

    x: X = 0.0
    weapons: Annotated[list[Weapon1], nc.ArrayOf(max=2)] = []  # noqa: RUF012
    spare: Weapon1 = Weapon1()
    hp: HP = 100


class Ship2(nc.Schema):
    """And in version 2."""

    x: X = 0.0
    weapons: Annotated[list[Weapon1], nc.ArrayOf(max=2)] = []  # noqa: RUF012
    spare: Weapon1 = Weapon1()
    hp: HP = 100
    shield: Annotated[bool, nc.Since(2)] = True


CAPACITY = 24
OLD = {1: Ship1, 2: Ship2, 3: Ship}
BAD = Conditions(loss=0.2, delay=3, jitter=4, duplicate=0.2)


def random_ship(rng: random.Random) -> Ship:
    weapons = [Weapon(rng.randint(0, 99), rng.randint(0, 9)) for _ in range(rng.randint(0, 2))]
    return Ship(
        rng.randint(0, 960 * 16) / 16,
        weapons,
        Weapon(rng.randint(0, 99), rng.randint(0, 9)),
        rng.randint(0, 100),
        rng.random() < 0.5,
        rng.choice([None, rng.randint(0, 63)]),
    )


class Client:
    """``version`` is what is sent; ``native`` says that its class is of that version too."""

    def __init__(
        self, sim: Simulation, index: int, version: int, native: bool, conditions: Conditions
    ) -> None:
        self.index = index
        self.version = version
        self.schema: Any = OLD[version] if native else Ship
        self.down = Pipe(conditions, random.Random(index * 2))
        self.up = Pipe(conditions, random.Random(index * 2 + 1))
        rocks = (Rock, CAPACITY, 2) if version > 1 else None
        ships = (self.schema, CAPACITY) if native else (Ship, CAPACITY, version)
        self.receiver = Receiver([rocks, ships])
        sim.sender.add(index, {1: version} if version == 1 else {0: 2, 1: version})
        self.checked: set[int] = set()


class Simulation:
    def __init__(self, seed: int, **options: Any) -> None:
        self.random = random.Random(seed)
        self.rocks: Table[Rock] = Table(Rock, CAPACITY)
        self.ships: Table[Ship] = Table(Ship, CAPACITY)
        self.sender = Sender([self.rocks, self.ships], **options)
        self.clients: list[Client] = []
        self.joined = 0
        self.tick = 0
        self.worlds: dict[int, dict[int, Ship]] = {}
        self.hashes: dict[tuple[int, int], int] = {}

    def join(self, version: int, native: bool, conditions: Conditions) -> Client:
        self.joined += 1
        client = Client(self, self.joined, version, native, conditions)
        self.clients.append(client)
        return client

    def change(self) -> None:
        rng = self.random
        ids = self.ships.ids.tolist()
        if ids and rng.random() < 0.1:
            self.ships.despawn(rng.choice(ids))
        if len(self.ships) < CAPACITY and rng.random() < 0.4:
            self.ships.spawn(random_ship(rng), owner=rng.choice([None, 0, 1]))
        for entity in rng.sample(self.ships.ids.tolist(), len(self.ships) // 3):
            made = random_ship(rng)
            name = rng.choice(Ship.__match_args__)
            self.ships[entity] = self.ships.copy(entity).replace(**{name: getattr(made, name)})
        if len(self.rocks) < CAPACITY and rng.random() < 0.2:
            self.rocks.spawn(Rock(rng.randint(0, 9)))

    def step(self, change: bool = True) -> None:
        if change:
            self.change()
        self.sender.commit(self.tick)
        self.worlds[self.tick] = {
            entity: self.ships.copy(entity) for entity in self.ships.ids.tolist()
        }
        for client in self.clients:
            hashed = self.sender.world_hash(self.tick, client.index)
            self.hashes[client.index, self.tick] = hashed
            for frame in self.sender.frames(client.index):
                client.down.push(self.tick, frame)
            for kind, data in client.down.pop(self.tick):
                assert client.receiver.on_frame(kind, data), client.receiver.counters
            for frame in client.receiver.frames():
                client.up.push(self.tick, frame)
            for kind, data in client.up.pop(self.tick):
                assert self.sender.on_frame(client.index, kind, data)
            self.check(client)
        self.tick += 1

    def check(self, client: Client) -> None:
        """At each complete tick its world is what its version of the server's world is."""
        codec = Ship.codec_for(client.version)
        for tick in client.receiver.complete_ticks:
            if tick in client.checked:
                continue
            client.checked.add(tick)
            assert client.receiver.world_hash(tick) == self.hashes[client.index, tick]
            table = client.receiver.worlds[-1]
            snapshot = table.at(tick)
            slots = np.flatnonzero(snapshot.alive).tolist()
            world = {
                int(snapshot.generation[slot]) << 16 | slot: table.schema.row(
                    snapshot.columns, slot
                )
                for slot in slots
            }
            assert world.keys() == self.worlds[tick].keys()
            for entity, state in world.items():
                sent = codec.encode(self.worlds[tick][entity])
                if client.schema is Ship:
                    assert state == codec.decode(sent)  # defaults where the version has nothing
                else:
                    assert state.encode() == sent

    def settle(self) -> None:
        for client in self.clients:
            client.down.conditions = client.up.conditions = Conditions()
        for _ in range(40):
            self.step(change=False)
        for client in self.clients:
            assert client.receiver.complete == self.tick - 1


def test_the_old_classes_are_the_old_versions() -> None:
    assert Ship.schema_versions == (1, 2, 3)
    for version, old in OLD.items():
        assert Ship.codec_for(version).schema_hash == old.schema_hash


KINDS = st.tuples(st.integers(1, 3), st.booleans())
LINKS = st.builds(
    Conditions,
    loss=st.sampled_from([0.0, 0.2, 0.5]),
    delay=st.integers(0, 8),
    jitter=st.integers(0, 4),
    duplicate=st.sampled_from([0.0, 0.2]),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    clients=st.lists(st.tuples(KINDS, LINKS), min_size=2, max_size=4),
    seed=st.integers(0, 2**31),
    max_sections=st.sampled_from([1, 64]),
    history=st.sampled_from([2, 5, 64]),
)
def test_each_client_has_the_world_of_its_version(
    clients: Any, seed: int, max_sections: int, history: int
) -> None:
    sim = Simulation(seed, max_sections=max_sections, history=history)
    for (version, native), conditions in clients:
        sim.join(version, native, conditions)
    for _ in range(60):
        sim.step()
    sim.settle()


@pytest.mark.parametrize("seed", range(2))
def test_versions_that_come_and_go(seed: int) -> None:
    """The projection of a version begins with its first client and ends with its last."""
    sim = Simulation(seed)
    stayed = sim.join(3, True, BAD)
    for version in (1, 2, 1):
        client = sim.join(version, True, BAD)
        for _ in range(90):
            sim.step()
        assert len(client.checked) > 10
        if version == 1:
            sim.sender.remove(client.index)
            sim.clients.remove(client)
    assert len(stayed.checked) > 100
    sim.settle()


def plain_sender(version: int) -> tuple[Sender, Table[Any], Table[Any]]:
    rocks: Table[Any] = Table(Rock, CAPACITY)
    ships: Table[Any] = Table(OLD[version], CAPACITY)
    return Sender([rocks, ships]), rocks, ships


@pytest.mark.parametrize("version", [1, 2])
def test_an_old_client_costs_what_a_server_of_its_version_sends(version: int) -> None:
    """Byte for byte: nothing is sent for what it does not know, and every baseline is named."""
    sim = Simulation(version)
    new = sim.join(3, True, BAD)
    old = sim.join(version, True, BAD)
    other, rocks, ships = plain_sender(version)
    other.add(old.index, [1] if version == 1 else [0, 1])
    codec: Any = Ship.codec_for(version)
    sent: list[Any] = []
    frames = sim.sender.frames

    class Watched:
        def frames(self, client: int) -> Any:
            made = frames(client)
            if client == old.index:
                sent.append(made)
            return made

        def on_frame(self, client: int, kind: int, data: bytes) -> bool:
            if client == old.index:
                assert other.on_frame(client, kind, data)
            return real.on_frame(client, kind, data)

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    real, sim.sender = sim.sender, Watched()  # type: ignore[assignment]
    sections = 0
    for _ in range(150):
        sim.change()
        for mine, theirs in ((rocks, sim.rocks), (ships, sim.ships)):
            mine._alive[:] = theirs.alive
            mine._generation[:] = theirs.generation
            mine._owners[:] = theirs.owners
        for entity in sim.ships.ids.tolist():
            state = OLD[version].decode(codec.encode(sim.ships.copy(entity)))
            OLD[version].set_row(ships.columns, entity & 0xFFFF, state)
        rocks.columns["size"][:] = sim.rocks.columns["size"]
        other.commit(sim.tick)
        expected = other.frames(old.index)
        sim.step(change=False)
        assert sent[-1] == expected
        sections += len(expected) - 1
    assert sections > 100
    assert len(new.checked) > 20
    assert len(old.checked) > 20
    assert real.world_hash(sim.tick - 1, old.index) == other.world_hash(sim.tick - 1, old.index)


def test_a_change_that_an_old_client_does_not_know_costs_it_nothing() -> None:
    sim = Simulation(5)
    old, new = sim.join(1, True, Conditions()), sim.join(3, True, Conditions())
    sim.ships.spawn_many(10)
    for _ in range(3):
        sim.step(change=False)
    for n in range(20):
        sim.ships.shield[:] = n % 2
        sim.ships.weapons["items"]["heat"] = n % 9
        sim.ships.spare["heat"] = n % 9
        sim.sender.commit(sim.tick)
        sizes = [len(sim.sender.frames(each.index)) for each in (old, new)]
        assert sizes == [1, 2]
        sim.tick += 1


def test_equal_work_is_done_once_for_each_version() -> None:
    sim = Simulation(6)
    for version in (1, 3, 1, 2, 3, 1, 2):
        sim.join(version, True, Conditions())
    sim.ships.spawn_many(5)
    for _ in range(10):
        sim.ships.x[:] += 1
        sim.step(change=False)
    encoded = sim.sender.counters["sections_encoded"]
    sim.ships.x[:] += 1
    sim.sender.commit(sim.tick)
    frames = [
        [data for kind, data in sim.sender.frames(each.index) if kind == FRAME_SECTION]
        for each in sim.clients
    ]
    assert sim.sender.counters["sections_encoded"] == encoded + 3
    assert [len(each) for each in frames] == [1] * 7
    of = {version: [frames[n][0] for n, each in enumerate(sim.clients) if each.version == version]
          for version in OLD}  # fmt: skip
    for same in of.values():
        assert all(each is same[0] for each in same)


def test_what_cannot_be_added() -> None:
    sender = Simulation(1).sender
    for tables in ([2], [-1], {2: 1}):
        with pytest.raises(ConfigError, match="is not one of the 2 tables"):
            sender.add(0, tables)
    with pytest.raises(SchemaError, match="Rock is there since version 2, not in version 1"):
        sender.add(0, {1: 1, 0: 1})
    assert 0 not in sender
    assert len(sender) == 0
    sender.add(0, {1: 9})  # a version of the application in which the table is as it is now
    assert sender.acked(0, 1).tolist() == [-1] * CAPACITY
    with pytest.raises(KeyError):
        sender.acked(0, 0)
    sender.commit(1)
    with pytest.raises(KeyError):
        sender.world_hash(1, 5)


@pytest.mark.parametrize("seed", range(3))
def test_the_predicting_coder_writes_the_same_for_an_old_version(seed: int) -> None:
    """It reads the version's lanes out of the newest ones, as the sections on the wire do."""
    rng = random.Random(seed)
    slots = np.arange(CAPACITY, dtype=np.uint16)
    states = []
    for _ in range(3):
        columns = Ship.columns(CAPACITY)
        for slot in range(CAPACITY):
            Ship.set_row(columns, slot, random_ship(rng))
        states.append(np.zeros((len(Ship.lanes), CAPACITY), np.int32))
        Ship.quantize(columns, states[-1], np.ones(CAPACITY, bool))
    for version in (1, 2, 3):
        codec: Any = Ship.codec_for(version)
        source = Layout.of(codec, CAPACITY, codec.lane_places).source
        picked = [np.ascontiguousarray(each[list(source)]) for each in states]
        old = SectionCoder(Shape.of(OLD[version]), CAPACITY)
        new = SectionCoder(Shape.of(codec, source), CAPACITY)
        data = new.encode(*states, 1, 1, slots, 1 << 16)
        assert data == old.encode(*picked, 1, 1, slots, 1 << 16)
        assert data is not None
        decoded = np.zeros_like(picked[0])
        old.decode(data, decoded, picked[1], picked[2], 1, 1, slots)
        assert decoded.tolist() == picked[0].tolist()
