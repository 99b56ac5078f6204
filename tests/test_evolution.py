"""Servers of either version serve clients of both at once, in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
import pytest
import virtual_game
from virtual_game import Game, Ship

import netcode as nc
from netcode.replication.messages import MessageRegistry
from netcode.testing import Link


class Then:
    """The schemas as they were in version 1."""

    class Input(nc.Schema):
        thrust: bool = False
        turn: Annotated[int, nc.Range(-1, 1)] = 0

    class Chat(nc.Schema):
        text: Annotated[str, nc.Text(80)] = ""

    class Buy(nc.Schema):
        item: Annotated[int, nc.Range(0, 100)] = 0


class Now:
    """And as they are in version 2."""

    class Input(virtual_game.Input):
        boost: Annotated[bool, nc.Since(2)] = True

    class Chat(nc.Schema):
        text: Annotated[str, nc.Text(80)] = ""
        loud: Annotated[bool, nc.Since(2)] = True

    class Buy(nc.Schema):
        item: Annotated[int, nc.Range(0, 100)] = 0
        count: Annotated[int, nc.Range(1, 99), nc.Since(2)] = 1

    class Trade(nc.Schema, since=2):
        item: Annotated[int, nc.Range(0, 100)] = 0

    class Ship(virtual_game.Ship):
        mana: Annotated[int, nc.Range(0, 9), nc.Since(2)] = 5

    class Rock(nc.Schema, since=2):
        size: Annotated[int, nc.Range(0, 9)] = 1


THEN = (Then.Chat, Then.Buy)
NOW = (Now.Chat, Now.Buy, Now.Trade)


@pytest.fixture
def game() -> Iterator[Game]:
    made = Game(input=Now.Input, messages=NOW)
    yield made
    made.server.close()


def old(game: Game, **options: Any) -> nc.Client[Any]:
    return game.connect(**{"input": Then.Input, "messages": THEN, "predict": None} | options)


def new(game: Game, **options: Any) -> nc.Client[Any]:
    return game.connect(**{"input": Now.Input, "messages": NOW, "predict": None} | options)


def heard(events: list[object]) -> list[nc.Schema]:
    return [event.message for event in events if isinstance(event, nc.Received)]


def test_inputs_of_both_versions(game: Game) -> None:
    with old(game) as one, new(game) as two:
        for _ in range(20):
            game.network.advance(virtual_game.TICK)
            one.update(Then.Input(turn=1))
            two.update(Now.Input(turn=-1, boost=False))
        a, b = game.players()
        assert a.input == Now.Input(turn=1, boost=True)
        assert b.input == Now.Input(turn=-1, boost=False)
        inputs = game.ticks[-1].inputs
        assert inputs["turn"].tolist() == [1, -1]
        assert inputs["boost"].tolist() == [True, False]
        assert len(list(one.view(Ship))) == len(list(two.view(Ship))) == 2


def test_messages_of_both_versions(game: Game) -> None:
    got: list[nc.Schema] = []

    def hear(event: object) -> None:
        match event:
            case nc.Message(_, Now.Buy() as buy) as message:
                got.append(buy)
                message.reply(Now.Chat(f"{buy.item} x {buy.count}", loud=False))

    game.on_event = hear
    with old(game) as one, new(game) as two:
        asked = one.request(Then.Buy(7), Then.Chat), two.request(Now.Buy(8, 3), Now.Chat)
        game.run(0.2, one, two)
        assert got == [Now.Buy(7, 1), Now.Buy(8, 3)]
        assert asked[0].result() == Then.Chat("7 x 1")
        assert asked[1].result() == Now.Chat("8 x 3", loud=False)
        one_events, two_events = [], []
        for player in game.players():
            player.send(Now.Chat("hello", loud=False))
        for client, events in ((one, one_events), (two, two_events)):
            events += game.run(0.1, client)
        assert heard(one_events) == [Then.Chat("hello")]
        assert heard(two_events) == [Now.Chat("hello", loud=False)]
        assert game.server.counters["message_malformed"] == 0


def test_a_broadcast_is_encoded_once_for_each_version(
    game: Game, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = [old(game), old(game), new(game), new(game), new(game)]
    game.run(0.1, *clients)
    assert len({player.registry for player in game.players()}) == 2
    count = []
    encode = MessageRegistry.encode

    def counted(self: MessageRegistry, message: nc.Schema, *rest: Any) -> bytes:
        count.append(self)
        return encode(self, message, *rest)

    monkeypatch.setattr(MessageRegistry, "encode", counted)
    assert game.server.broadcast(Now.Chat("all")) == []
    assert len(count) == 2
    messages = [heard(game.run(0.1, client)) for client in clients]
    assert messages == [[Then.Chat("all")]] * 2 + [[Now.Chat("all")]] * 3
    for client in clients:
        client.close()


def test_a_message_type_that_is_newer_than_a_player(game: Game) -> None:
    with old(game) as one, new(game) as two:
        game.run(0.1, one, two)
        a, b = game.players()
        assert [p.understands(Now.Trade) for p in (a, b)] == [False, True]
        assert not a.understands(virtual_game.Stranger)
        with pytest.raises(nc.ConfigError, match="Trade was added in version 2"):
            a.send(Now.Trade(1))
        b.send(Now.Trade(2))
        game.server.broadcast(Now.Trade(3))
        assert heard(game.run(0.1, one)) == []
        assert heard(game.run(0.1, two)) == [Now.Trade(2), Now.Trade(3)]
        # A made-up number of a type that it does not know is no type at all.
        one.endpoint.push(1, bytes([2 << 2]) + Now.Trade(1).encode())
        game.run(0.1, one)
        assert game.server.counters["message_malformed"] == 1


def test_a_client_may_have_some_of_the_new_schemas(game: Game) -> None:
    with old(game, messages=(Now.Chat, Then.Buy)) as one:
        game.run(0.1, one)
        game.players()[0].send(Now.Chat("x", loud=False))
        assert heard(game.run(0.1, one)) == [Now.Chat("x", loud=False)]


def refusal(game: Game, **options: Any) -> str:
    with pytest.raises(nc.SchemaMismatch) as refused:
        old(game, **options)
    return str(refused.value)


def test_what_is_no_version_is_refused_and_named(game: Game) -> None:
    class Chat(nc.Schema):
        text: Annotated[str, nc.Text(90)] = ""

    text = refusal(game, messages=(Chat, Then.Buy))
    assert "message 0 Chat: text: text 90 bytes became text 80 bytes" in text
    assert "message 0 Chat: loud: added, bool" in text
    assert "message 0: the server has Chat, this client none" in refusal(game, messages=())

    class Ship(virtual_game.Ship):
        hp: Annotated[int, nc.Range(0, 255)] = 100

    with pytest.raises(nc.SchemaMismatch) as refused:
        old(game, tables=[Ship])
    assert refused.value.differences == ("table Ship: hp: int 0..255 became int 0..100",)
    assert game.server.counters["schema_mismatches"] == 3


def test_a_client_may_be_newer_than_its_server() -> None:
    game = Game(input=Then.Input, messages=THEN)
    got: list[nc.Schema] = []

    def hear(event: object) -> None:
        match event:
            case nc.Message(_, Then.Buy() as buy) as message:
                got.append(buy)
                message.reply(Then.Chat("sold"))

    game.on_event = hear
    with new(game) as client, old(game) as other:
        answer = client.request(Now.Buy(8, 3), Now.Chat)
        for _ in range(20):
            game.network.advance(virtual_game.TICK)
            client.update(Now.Input(turn=-1, boost=False))
            other.update(Then.Input(turn=1))
        assert [player.input for player in game.players()] == [
            Then.Input(turn=-1), Then.Input(turn=1)
        ]  # fmt: skip
        assert got == [Then.Buy(8)]
        assert answer.result() == Now.Chat("sold", loud=True)
        assert [client.understands(each) for each in NOW] == [True, True, False]
        with pytest.raises(nc.ConfigError, match="Trade was added in version 2"):
            client.send(Now.Trade(1))
        game.server.broadcast(Then.Chat("all"))
        assert heard(game.run(0.1, client)) == [Now.Chat("all", loud=True)]
        assert game.server.counters["message_malformed"] == 0
        assert game.server.counters["input_malformed"] == 0
    game.server.close()


def test_prediction_with_an_older_server_uses_what_that_reads() -> None:
    game = Game(input=Then.Input, messages=THEN)
    seen = []

    def step(ship: Ship, held: Now.Input, dt: float) -> None:
        seen.append(held.boost)
        virtual_game.step(ship, held, dt)

    with new(game, predict=step) as client:
        for _ in range(30):
            game.network.advance(virtual_game.TICK)
            client.update(Now.Input(thrust=True, boost=False))
    assert seen
    assert all(seen)  # the default: the server cannot know that it was let go
    game.server.close()


def lossy() -> tuple[Link, Link]:
    return tuple(Link(loss=0.2, latency=0.03, jitter=0.02, seed=n) for n in (1, 2))  # type: ignore[return-value]


def play(game: Game, clients: list[nc.Client[Any]], seconds: float) -> list[int]:
    """Ticks at which each client's world was complete, and equal to what it is sent."""
    equal = [0] * len(clients)
    players: dict[int, nc.Player[Any]] = {}
    rng = np.random.default_rng(7)

    def look() -> None:
        players.update((each.index, each) for each in game.players())
        for table in (game.ships, *game.others.values()):
            table.columns[next(reversed(table.columns))][:] = rng.integers(0, 9, table.capacity)
        for n, client in enumerate(clients):
            for tick in client.complete_ticks():
                expected = game.server.world_hash(tick, players[client.index])
                assert client.world_hash(tick) == expected is not None
                equal[n] += 1

    game.run(seconds, *clients, each=look)
    return equal


def test_tables_of_both_versions_at_once_with_loss() -> None:
    game = Game(ship=Now.Ship, tables=[Now.Rock], input=Now.Input, messages=NOW)
    rocks = game.others[Now.Rock]
    rocks.spawn_many(10, size=3)
    game.links = lossy
    with (
        old(game) as one,
        new(game, tables=[Now.Ship, Now.Rock]) as two,
        new(game, tables=[Ship]) as half,
        new(game, tables=[Now.Rock, Now.Ship]) as three,
    ):
        clients = [one, two, half, three]
        assert min(play(game, clients, 3.0)) > 50
        players = {player.index: player for player in game.players()}
        assert [players[c.index].understands(Now.Rock) for c in clients] == [0, 1, 0, 1]
        game.links = lambda: None
        for ship, table, client in ((Ship, Ship, one), (Now.Ship, Now.Ship, two)):
            world = client.world.tables[table]
            assert len(world) == 4
            for entity, state in world:
                at = client.tick
                assert type(state) is ship
                assert entity in game.ships
                assert at > 0
        assert len(list(two.view(Now.Rock))) == 10
        with pytest.raises(nc.ConfigError, match="Rock is not in tables="):
            one.view(Now.Rock)
        # All who know the world as it is have one hash; what an old client sees is less.
        game.run(0.5, *clients)
        tick = two.tick
        assert two.world_hash(tick) == game.server.world_hash(tick)
        assert game.server.world_hash(tick, players[one.index]) != game.server.world_hash(tick)
    game.run(0.2)
    assert game.server.world_hash(game.server.schedule.number, players[one.index]) is None
    assert game.server.counters["frame_malformed"] == 0
    game.server.close()


def test_tables_of_a_server_that_is_older_with_loss() -> None:
    game = Game(input=Then.Input, messages=THEN)
    game.links = lossy
    with (
        new(game, tables=[Now.Rock, Now.Ship]) as one,
        old(game) as two,
        old(game) as three,
    ):
        assert min(play(game, [one, two, three], 3.0)) > 50
        states = [state for _, state in one.world.tables[Now.Ship]]
        assert len(states) == 3
        assert all(type(state) is Now.Ship and state.mana == 5 for state in states)
        assert list(one.view(Now.Rock)) == []
        assert len(list(one.view(Now.Ship))) == 3
        assert all(entity.state.mana == 5 for entity in one.view(Now.Ship))
        assert [one.understands(each) for each in (Now.Ship, Now.Rock)] == [True, False]
        tick = one.tick
        assert one.world_hash(tick) == game.server.world_hash(tick)
    game.server.close()


def test_a_table_that_must_be_there_is_refused_and_named() -> None:
    game = Game()
    with pytest.raises(nc.SchemaMismatch) as refused:
        game.connect(tables=[Ship, virtual_game.Rock])
    assert refused.value.differences == ("table Rock: this client has it, the server does not",)
    game.server.close()
    game = Game(tables=[virtual_game.Rock])
    with pytest.raises(nc.SchemaMismatch) as refused:
        game.connect()
    assert refused.value.differences == (
        "table Rock: the server has it, this client does not (add it to tables=)",
    )
    game.server.close()
