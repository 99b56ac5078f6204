"""Every way in which connecting fails, in virtual time."""

import logging
from collections.abc import Iterator
from typing import Annotated

import pytest
from virtual_game import ADDRESS, MESSAGES, Chat, Game, Input, Rock, Ship, Stranger

import netcode as nc
from netcode import connecting
from netcode.io import UdpSocket
from netcode.shell.host import VIRTUAL_EPOCH
from netcode.testing import Link

KEY = bytes(range(32))
OTHER = bytes(32)


@pytest.fixture
def game() -> Iterator[Game]:
    made = Game(max_clients=2, key=KEY, protocol_id=7)
    yield made
    made.server.close()


def token(**changes: object) -> nc.ConnectToken:
    options: dict = {
        "protocol_id": 7,
        "private_key": KEY,
        "client_id": 1,
        "servers": [ADDRESS],
        "unix_now": VIRTUAL_EPOCH,
    }
    return nc.ConnectToken.create(**options | changes)


def test_a_token_or_its_bytes_connects(game: Game) -> None:
    made = token(client_id=5, user_data=b"team red")
    with game.connect(token=made.to_bytes()) as client:
        game.run(0.1, client)
        (player,) = game.players()
        assert player.client_id == 5
        assert player.user_data.startswith(b"team red\0")


def test_a_full_server_says_so(game: Game) -> None:
    clients = [game.connect(key=KEY, protocol_id=7) for _ in range(2)]
    with pytest.raises(nc.ServerFull, match=":40000 is full"):
        game.connect(key=KEY, protocol_id=7)
    for client in clients:
        client.close()


def test_another_schema_names_the_fields(game: Game) -> None:
    class OtherInput(nc.Schema):
        thrust: bool = False
        turn: Annotated[int, nc.Range(-2, 2)] = 0

    OtherInput.__name__ = "Input"
    with pytest.raises(nc.SchemaMismatch, match=":40000 speaks other schemas") as caught:
        game.connect(key=KEY, protocol_id=7, input=OtherInput)
    assert caught.value.differences
    assert all("turn" in line for line in caught.value.differences)
    assert game.server.counters["schema_mismatches"] == 1
    game.run(1.5)
    assert game.server.endpoint.connected == []


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"tables": [Rock], "predict": None}, "table Rock: this client has it"),
        ({"tables": [Rock], "predict": None}, "table Ship: the server has it"),
        ({"messages": MESSAGES[:2]}, "message 2: the server has Bought, this client none"),
        ({"messages": (*MESSAGES, Stranger)}, "message 3: this client has Stranger"),
        ({"messages": MESSAGES[::-1]}, "message 0: the server has Chat, this client Bought"),
    ],
)
def test_other_tables_and_messages_are_named(game: Game, options: dict, line: str) -> None:
    with pytest.raises(nc.SchemaMismatch) as caught:
        game.connect(key=KEY, protocol_id=7, **options)
    assert any(each.startswith(line) for each in caught.value.differences)


@pytest.mark.parametrize("wrong", [{"key": OTHER}, {"protocol_id": 8}])
def test_silence_lists_the_likely_causes_and_the_server_logs_the_reason(
    game: Game, caplog: pytest.LogCaptureFixture, wrong: dict
) -> None:
    before = dict(game.server.counters)
    with (
        caplog.at_level(logging.WARNING, logger="netcode"),
        pytest.raises(nc.ConnectTimeout) as caught,
    ):
        game.connect(**{"key": KEY, "protocol_id": 7, "timeout": 2.0} | wrong)
    text = str(caught.value)
    assert "no answer from 127.0.0.1:40000 within 2 s" in text
    for cause in ("firewall", "another key", "protocol_id", "public_address"):
        assert cause in text
    assert isinstance(caught.value, TimeoutError)
    grown = {k: v for k, v in game.server.counters.items() if v > before[k] and "request" in k}
    assert grown
    game.run(6.0)
    lines = [each for each in caplog.records if "refused datagrams" in each.message]
    assert 1 <= len(lines) <= 2
    assert any(name in lines[0].message for name in grown)


def test_a_client_id_that_is_connected_already_is_silence_with_a_reason(
    game: Game, caplog: pytest.LogCaptureFixture
) -> None:
    with game.connect(token=token(client_id=5)) as client:
        with caplog.at_level(logging.WARNING), pytest.raises(nc.ConnectTimeout, match="client_id"):
            game.connect(token=token(client_id=5, timeout=1))
        game.run(6, client)
        assert "request_client_connected (a client_id that is connected already)" in caplog.text


def test_nobody_there_is_the_same_error(game: Game) -> None:
    game.server.close()
    with pytest.raises(nc.ConnectTimeout, match="no server runs at this address"):
        game.connect(key=KEY, protocol_id=7, timeout=1.0)


def test_an_expired_token_is_found_without_asking_the_server(game: Game) -> None:
    old = token(unix_now=VIRTUAL_EPOCH - 60, expires_in=30)
    sent = game.server.counters["datagrams_received"]
    with pytest.raises(nc.TokenError, match=r"expired 3\d s ago .it was good for 30 s"):
        game.connect(token=old)
    with pytest.raises(nc.TokenError, match="2048 bytes, not 3"):
        game.connect(token=b"abc")
    assert game.server.counters["datagrams_received"] == sent


def test_wrong_options_are_refused_before_anything_is_sent(game: Game) -> None:
    with pytest.raises(nc.ConfigError, match="needs an address or a token"):
        nc.connect()
    with pytest.raises(nc.ConfigError, match="two tokens"):
        nc.connect(token(), token=token())
    with pytest.raises(nc.ConfigError, match="not this machine"):
        nc.connect("192.0.2.1:40000")
    with pytest.raises(nc.ConfigError, match="names no host"):
        nc.connect(":40000", key=KEY)
    with pytest.raises(nc.ConfigError, match="port 0"):
        nc.connect("127.0.0.1:0")
    with pytest.raises(nc.ConfigError, match="timeout is 0"):
        nc.connect("127.0.0.1:1", timeout=0)
    with pytest.raises(nc.ConfigError, match="predict= needs"):
        nc.connect("127.0.0.1:1", predict=lambda s, i, dt: None)
    with pytest.raises(nc.ConfigError, match="twice in tables"):
        nc.connect("127.0.0.1:1", tables=[Ship, Ship])
    with pytest.raises(nc.ConfigError, match="Chat is listed twice"):
        nc.connect("127.0.0.1:1", messages=[Chat, Chat])


def test_a_bad_line_does_not_keep_a_client_out() -> None:
    for seed in range(5):
        game = Game()
        links = iter(range(100))
        game.links = lambda seed=seed, links=links: tuple(
            Link(seed=seed * 100 + next(links), loss=0.3, latency=0.05, jitter=0.02, duplicate=0.1)
            for _ in range(2)
        )
        client = game.connect()
        events = game.run(2.0, client, held=Input(thrust=True))
        assert client.connected, events
        assert client.stats.packet_loss > 0.02
        assert client.tick > 60
        game.server.close()


def test_an_address_family_that_this_machine_lacks_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in many containers: ``localhost`` is ::1 first, and no socket can be bound to it."""
    real = connecting.open_socket

    def without_six(made: nc.ConnectToken) -> UdpSocket:
        if ":" in made.servers[0].host:
            raise nc.ConfigError("cannot bind UDP ::1:0")
        return real(made)

    monkeypatch.setattr(connecting, "open_socket", without_six)
    with pytest.raises(nc.ConnectTimeout):
        nc.connect("localhost:9", timeout=0.15)
    with pytest.raises(nc.ConfigError, match="cannot bind"):
        nc.connect("[::1]:9", timeout=0.15)
