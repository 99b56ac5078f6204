"""A server of version 2 serves clients of versions 1 and 2 at once, in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
import virtual_game
from virtual_game import Game, Ship

import netcode as nc
from netcode.replication.messages import MessageRegistry


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
    assert "message 2: the server has Trade, this client none" in refusal(game, messages=())


def test_a_server_is_updated_before_its_clients() -> None:
    game = Game(input=Then.Input, messages=THEN)
    with pytest.raises(nc.SchemaMismatch) as refused:
        new(game)
    text = str(refused.value)
    assert "input Input: boost: removed, bool" in text
    assert "the server has version 1, this client 2; update servers before clients" in text
    game.server.close()


def test_tables_must_be_equal_and_the_refusal_names_their_fields() -> None:
    class Ship(virtual_game.Ship):
        mana: Annotated[int, nc.Range(0, 9), nc.Since(2)] = 0

    game = Game()
    game.server.close()
    made = Game.__new__(Game)
    made.network, made.events, made.ticks = game.network, [], []
    made.on_event, made.links = game.on_event, game.links
    made.server = nc.Server(
        "127.0.0.1:40000",
        input=virtual_game.Input,
        messages=virtual_game.MESSAGES,
        transport=game.network.bind(("127.0.0.1", 40001)),
        clock=game.network.now,
    )
    made.ships = made.server.table(Ship, capacity=8)
    made.server.start()
    game.network.background.append(made.act)
    with pytest.raises(nc.SchemaMismatch, match=r"table Ship: mana: added, int 0\.\.9"):
        nc.connect("127.0.0.1:40001", **made.client_options())
    made.server.close()
