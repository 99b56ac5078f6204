"""A client that changes its address stays the same player, in virtual time."""

from __future__ import annotations

import pytest
from dead_line import lose_address
from virtual_game import Chat, Game, Input

import netcode as nc
from netcode.errors import ConfigError
from netcode.replication.hello import RESUME

pytestmark = pytest.mark.usefixtures("owner")


def test_a_player_goes_on_where_it_was() -> None:
    game = Game()
    client = game.connect()
    game.run(0.5, client, held=Input(thrust=True))
    [player] = game.players()
    heard: list[str] = []
    game.on_event = lambda event: (
        heard.append(event.message.text) if isinstance(event, nc.Message) else None
    )
    got: list[str] = []
    for turn in range(4):
        before = player.address
        for number in range(20):
            client.send(Chat(f"{turn}/{number}"))
            player.send(Chat(f"{turn}/{number}"))
        lose_address(client)
        events = game.run(2.0, client, held=Input(thrust=True))
        got += [each.message.text for each in events if isinstance(each, nc.Received)]
        assert client.stats.resumed == turn + 1
        assert player.stats.resumed == turn + 1
        assert player.address != before
        host, port = client.host.transport.address
        assert player.address == f"{host}:{port}"
    expected = [f"{turn}/{number}" for turn in range(4) for number in range(20)]
    assert heard == expected
    assert got == expected
    assert game.players() == [player]
    assert not [each for each in game.events if isinstance(each, nc.Left)]
    assert game.server.counters["resumed"] == 4
    # The world goes on too: snapshots, inputs and their acks.
    ship = game.ships[player.entity]
    assert ship.x > 300
    assert client.tick > game.server.schedule.number - 30
    [entity] = client.view(game.ship)
    assert entity.mine


def test_within_two_seconds_of_the_loss() -> None:
    game = Game()
    client = game.connect()
    game.run(0.5, client)
    lose_address(client)
    game.run(0.8, client)
    assert client.stats.resumed == 1


def test_a_server_without_roaming_gives_no_tokens() -> None:
    game = Game(roaming=False)
    client = game.connect(timeout=5, lost_after=2)
    game.run(0.5, client)
    lose_address(client)
    game.run(3.0, client)
    assert client.reason == "timeout"


def test_a_client_may_be_told_not_to() -> None:
    game = Game()
    client = game.connect(roam_after=None, lost_after=2)
    game.run(0.5, client)
    lose_address(client)
    game.run(3.0, client)
    assert client.reason == "timeout"
    for wrong in (0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match="roam_after"):
            game.connect(roam_after=wrong)


def test_a_silent_server_is_waited_for() -> None:
    """It stands still, and comes back before it is given up: nobody moved."""
    game = Game()
    client = game.connect()
    game.run(0.5, client)
    sockets = len(game.network.sockets)
    acts, game.network.background = game.network.background, []
    game.run(1.7, client)
    assert client.host.other is not None
    game.network.background = acts
    game.run(1.0, client)
    assert client.connected
    assert client.host.other is None
    assert len(game.network.sockets) == sockets
    assert len(game.players()) == 1


def test_no_other_socket_can_be_had() -> None:
    """No busy loop, no error; once there is one, it is used."""
    game = Game()
    client = game.connect()
    game.run(0.5, client)
    reopen, asked = client.host.reopen, []

    def refuse() -> object:
        asked.append(game.network.now())
        raise ConfigError("no network")

    client.host.reopen = refuse
    lose_address(client)
    for _ in range(1500):
        game.network.advance(0.001)
        client.host.pump()
        assert client.host.next_deadline > game.network.now()
    assert len(asked) == 1
    client.host.reopen = reopen
    game.run(3.0, client)
    assert client.stats.resumed == 1


def test_a_malformed_token_is_a_fault() -> None:
    game = Game()
    client = game.connect()
    game.run(0.1, client)
    faults = client.faults
    for size in (0, 1, 1111, 1113):
        client.take_message(0, bytes([RESUME]) + bytes(size))
    assert client.faults == faults + 4
    lose_address(client)
    game.run(1.5, client)
    assert client.stats.resumed == 1


def test_closing_closes_both_sockets() -> None:
    game = Game()
    client = game.connect()
    game.run(0.5, client)
    lose_address(client)
    game.run(0.55, client)
    client.host.pump()
    client.close()
    game.run(0.1)
    assert list(game.network.sockets) == [("127.0.0.1", 40000)]
    assert client.host.socket_counters["sent"] > 0
