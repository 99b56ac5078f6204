"""Server and client together, in virtual time."""

import sys
import time
from collections.abc import Iterator
from typing import Annotated

import numpy as np
import pytest
from virtual_game import TICK, Bought, Buy, Chat, Game, Input, Rock, Ship, Stranger

import netcode as nc
import netcode.testing
from netcode.io import BACKENDS, MemoryNetwork
from netcode.server import processors
from netcode.session import ConnectionStats
from netcode.shell.threaded import ThreadedHost

pytestmark = pytest.mark.usefixtures("owner")


@pytest.fixture
def game() -> Iterator[Game]:
    made = Game()
    yield made
    made.server.close()


def of_kind(events: list[object], kind: type) -> list:
    return [each for each in events if isinstance(each, kind)]


def test_joining_and_leaving_are_events_and_players_follow_them(game: Game) -> None:
    client = game.connect(client_id=77, user_data=b"hello")
    game.run(0.1, client)
    (joined,) = of_kind(game.events, nc.Joined)
    player = joined.player
    assert game.players() == [player]
    assert (player.client_id, player.index) == (77, client.index)
    assert player.user_data.rstrip(b"\0") == b"hello"
    assert player.address.startswith("127.0.0.1:")
    assert player.connected
    client.close()
    game.run(0.1)
    (left,) = of_kind(game.events, nc.Left)
    assert left.player is player
    assert left.reason == "closed by peer"
    assert not player.connected
    assert game.players() == []
    assert len(game.ships) == 0
    with pytest.raises(nc.ConnectionClosed, match="has left"):
        player.send(Chat("too late"))


def test_inputs_move_the_ship_on_both_ends_alike(game: Game) -> None:
    client = game.connect()
    game.run(1.0, client, held=Input(thrust=True))
    (player,) = game.players()
    assert player.input == Input(thrust=True)
    (mine,) = client.view(Ship)
    assert mine.mine
    assert mine.id == player.entity
    server_x = game.ships[player.entity].x
    assert server_x > 140
    # Ahead of the server by what is on the way, never by more than a few ticks.
    assert 0 <= mine.state.x - server_x <= 6
    game.run(0.5, client, held=Input())
    (mine,) = client.view(Ship)
    assert mine.state.x == pytest.approx(game.ships[player.entity].x, abs=1 / 64)


def test_others_are_interpolated_in_the_past(game: Game) -> None:
    mover, watcher = game.connect(), game.connect()
    for _ in range(60):
        game.run(TICK, mover, held=Input(thrust=True))
        watcher.update(Input())
    other = next(each for each in watcher.view(Ship) if not each.mine)
    truth = game.ships[other.id].x
    assert 0.09 * 60 < truth - other.state.x < 0.16 * 60
    assert not watcher.world.predictor.states.keys() & {other.id}


def test_tick_inputs_is_a_row_for_each_player(game: Game) -> None:
    first, second = game.connect(), game.connect()
    for _ in range(10):
        game.run(TICK, first, held=Input(thrust=True, turn=-1))
        second.update(Input(turn=1))
    rows = game.ticks[-1].inputs
    assert rows.dtype.names == ("client", "thrust", "turn")
    assert dict(zip(rows["client"].tolist(), rows["turn"].tolist(), strict=True)) == {
        first.index: -1,
        second.index: 1,
    }
    assert rows["thrust"].dtype == np.bool_


def test_typed_messages_go_both_ways(game: Game) -> None:
    client = game.connect()
    client.send(Chat("hi"))
    client.send(Chat("psst"), channel="unreliable")
    game.run(0.1, client)
    got = of_kind(game.events, nc.Message)
    assert [(each.message, each.channel) for each in got] == [
        (Chat("hi"), "reliable"),
        (Chat("psst"), "unreliable"),
    ]
    match got[0]:
        case nc.Message(player, Chat() as chat):
            player.send(Chat(chat.text.upper()))
    assert game.server.broadcast(Chat("all"), to=[got[0].player]) == []
    arrived = game.run(0.1, client)
    assert [each.message for each in of_kind(arrived, nc.Received)] == [Chat("HI"), Chat("all")]


def test_one_message_to_many(game: Game) -> None:
    clients = [game.connect() for _ in range(3)]
    game.run(0.1, clients[0])
    first, second, third = sorted(game.server.players, key=lambda player: player.index)
    assert game.server.send_many([first, third], Chat("players")) == []
    game.server.send_many(game.ticks[-1].inputs["client"], Chat("rows"))
    game.server.send_many([second.index, 63], Chat("one is not here"))
    assert game.server.send_many([], Chat("nobody")) == []
    arrived = {}
    for client in clients:
        got = of_kind(game.run(0.1, client), nc.Received)
        arrived[client.index] = [each.message.text for each in got]
    assert arrived == {
        first.index: ["players", "rows"],
        second.index: ["rows", "one is not here"],
        third.index: ["players", "rows"],
    }
    for _ in range(20_000):
        full = game.server.send_many([second], Chat("x" * 80))
        if full:
            break
    assert full == [second]
    with pytest.raises(nc.ConfigError, match="Stranger is not a registered"):
        game.server.send_many([first], Stranger("x"))


def test_local_misuse_of_messages_raises_and_sends_nothing(game: Game) -> None:
    client = game.connect()
    with pytest.raises(nc.ConfigError, match="Stranger is not a registered message type"):
        client.send(Stranger("x"))
    with pytest.raises(nc.ConfigError, match="no channel 'voice'"):
        client.send(Chat("x"), channel="voice")
    with pytest.raises(nc.ConfigError, match="Stranger is not a registered"):
        game.server.broadcast(Stranger("x"))
    with pytest.raises(nc.EncodeError):
        client.send(Buy(item=101))
    with pytest.raises(nc.ConfigError, match="update\\(\\) got Chat; connect\\(\\) said Input"):
        client.update(Chat("not an input"))
    with pytest.raises(nc.ConfigError, match="Rock is not in tables="):
        client.view(Rock)
    game.run(0.1, client)
    assert of_kind(game.events, nc.Message) == []


def test_requests_get_their_replies(game: Game) -> None:
    def sell(event: object) -> None:
        match event:
            case nc.Message(_, Buy() as buy):
                assert event.is_request
                event.reply(Bought(price=buy.item * 2))

    game.on_event = sell
    client = game.connect()
    first, second = client.request(Buy(1)), client.request(Buy(2))
    assert not first.done
    assert (second.result(), first.result()) == (Bought(4), Bought(2))
    (player,) = game.players()
    asked = player.request(Buy(9), Bought, timeout=1.0)
    wrong = client.request(Buy(3), Chat)
    with pytest.raises(TypeError, match="the reply is a Bought, not a Chat"):
        wrong.result()
    with pytest.raises(RuntimeError, match="has not come yet"):
        asked.result()
    (question,) = of_kind(game.run(0.1, client), nc.Received)
    question.reply(Bought(price=18))
    with pytest.raises(nc.ConfigError, match="was sent, not requested"):
        nc.Received(Chat("x")).reply(Chat("y"))
    game.run(0.1, client)
    assert asked.result() == Bought(18)


def test_requests_end_with_a_timeout_or_with_the_connection(game: Game) -> None:
    client = game.connect()
    with pytest.raises(TimeoutError):
        client.request(Buy(1), timeout=0.2).result()
    (player,) = game.players()
    late = player.request(Buy(1), timeout=0.1)
    lost = player.request(Buy(2), timeout=60)
    game.run(0.2, client)
    with pytest.raises(TimeoutError):
        late.result()
    client.close()
    game.run(0.2)
    with pytest.raises(nc.ConnectionClosed, match="closed by peer"):
        lost.result()


def test_a_kick_tells_the_reason_to_both_sides(game: Game) -> None:
    client = game.connect()
    game.run(0.1, client)
    (player,) = game.players()
    player.kick("too loud")
    assert not player.connected
    player.send(Chat("into the void"))  # its Left is still to come
    with pytest.raises(nc.ConnectionClosed):
        player.request(Buy(1))
    events = game.run(0.2, client)
    assert events[-1] == nc.Disconnected("too loud", nc.CloseReason.KICKED)
    assert not client.connected
    (left,) = of_kind(game.events, nc.Left)
    assert left.reason == "kicked: too loud"
    with pytest.raises(nc.ConnectionClosed, match="too loud") as caught:
        client.update(Input())
    assert caught.value.reason == "too loud"
    game.run(1.5)
    assert game.server.endpoint.connected == []


def test_closing_the_server_tells_the_clients_at_once(game: Game) -> None:
    client = game.connect()
    game.run(0.1, client)
    game.server.close()
    game.server.close()
    events = game.run(0.05, client)
    assert events[-1] == nc.Disconnected("the server closed", nc.CloseReason.SERVER_CLOSED)
    with pytest.raises(nc.ConfigError, match="closed"):
        next(iter(game.server))


def test_a_server_that_vanishes_is_noticed_by_timeout(game: Game) -> None:
    client = game.connect(lost_after=1)
    game.run(0.1, client)
    game.network.background.clear()
    events = game.run(1.5, client)
    assert events[-1] == nc.Disconnected("timeout", nc.CloseReason.TIMEOUT)
    assert isinstance(client.stats, ConnectionStats)


def test_the_world_is_equal_at_every_complete_tick(game: Game) -> None:
    clients = [game.connect() for _ in range(3)]
    compared = 0

    def compare() -> None:
        nonlocal compared
        for client in clients:
            for tick in client.complete_ticks():
                assert client.world_hash(tick) == game.server.world_hash(tick)
                compared += 1

    game.run(1.0, *clients, held=Input(thrust=True, turn=1), each=compare)
    assert compared > 150
    assert clients[0].world_hash(10**6) is None
    assert game.server.world_hash(10**6) is None


def test_a_client_without_tables_or_input_only_talks(game: Game) -> None:
    with game.connect(tables=(), predict=None, input=None) as client:
        game.run(0.2, client)
        client.send(Chat("no body"))
        game.run(0.1, client)
        assert client.tick == 0
        assert of_kind(game.events, nc.Message)[0].message == Chat("no body")


def test_tables_are_made_before_the_first_tick_and_once_a_schema() -> None:
    server = nc.Server("127.0.0.1:0", input=Input)
    server.table(Ship)
    with pytest.raises(nc.ConfigError, match="a table of Ship already"):
        server.table(Ship)
    server.start()
    with pytest.raises(nc.ConfigError, match="before the first tick"):
        server.table(Rock)
    with pytest.raises(nc.ConfigError, match="runs already"):
        server.start()
    server.close()


def test_wrong_options_say_what_is_wrong() -> None:
    class NeedsValue(nc.Schema):
        turn: Annotated[int, nc.Range(0, 1)]

    with pytest.raises(nc.ConfigError, match="every field of an input needs a default"):
        nc.Server("127.0.0.1:0", input=NeedsValue)
    with pytest.raises(nc.ConfigError, match="tick_rate is 0"):
        nc.Server("127.0.0.1:0", tick_rate=0)
    with pytest.raises(nc.ConfigError, match="listed twice"):
        nc.Server("127.0.0.1:0", messages=[Chat, Chat])
    with pytest.raises(nc.ConfigError, match="not a Schema class"):
        nc.Server("127.0.0.1:0", messages=[str])  # type: ignore[list-item]
    with pytest.raises(nc.ConfigError, match="key is 5 bytes"):
        nc.Server("127.0.0.1:0", key=b"short")
    with pytest.raises(nc.ConfigError, match="max_clients"):
        nc.Server("127.0.0.1:0", max_clients=0)


def test_a_constructor_that_fails_releases_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with nc.Server("127.0.0.1:0") as server:
        address = server.address

    def fails(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("netcode.server.ServerThread", fails)
    with pytest.raises(ValueError, match="unpack"):
        nc.Server(address, link=(None, None, None))  # type: ignore[call-overload]
    nc.Server(address).close()
    if BACKENDS[0] != "python":
        with pytest.raises(OSError, match="Too many"):
            nc.Server(address, io="thread")
        nc.Server(address, io="poll").close()


def test_who_moves_the_datagrams(monkeypatch: pytest.MonkeyPatch) -> None:
    network = MemoryNetwork()
    with pytest.raises(nc.ConfigError, match="io is 'fast'; it must be"):
        nc.Server("127.0.0.1:0", io="fast")  # type: ignore[call-overload]
    for options, why in (
        ({"transport": network.bind(("127.0.0.1", 40000))}, "needs a UDP socket"),
        ({"link": (nc.testing.Link(seed=1), None)}, "no simulated lines"),
        ({"clock": network.now}, "keeps its own time"),
    ):
        with pytest.raises(nc.ConfigError, match=why):
            nc.Server("127.0.0.1:0", io="thread", **options)
        with nc.Server("127.0.0.1:0", max_clients=300, **options) as server:
            assert not isinstance(server.host, ThreadedHost)
    if BACKENDS[0] == "python":
        return
    for count, options, threaded in (
        (2, {}, False),
        (2, {"max_clients": 257}, True),
        (1, {"max_clients": 257}, False),
        (2, {"max_clients": 257, "io": "poll"}, False),
        (1, {"io": "thread"}, True),
    ):
        monkeypatch.setattr("netcode.server.processors", lambda n=count: n)
        with nc.Server("127.0.0.1:0", **options) as server:
            assert isinstance(server.host, ThreadedHost) is threaded


def test_only_processors_that_this_process_may_use_count(monkeypatch) -> None:
    """A machine of many, in a container of one: no thread."""
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {5}, raising=False)
    monkeypatch.setattr("os.process_cpu_count", lambda: 1, raising=False)
    assert processors() == 1
    if sys.version_info < (3, 13):
        monkeypatch.delattr("os.sched_getaffinity")  # macOS, Windows
        assert processors() == 64
        monkeypatch.setattr("os.cpu_count", lambda: None)
        assert processors() == 1


@pytest.mark.parametrize("address", [":40000", "0.0.0.0:40000", "[::]:0", "192.0.2.1:40000"])
def test_an_open_address_without_a_key_is_refused_with_advice(address: str) -> None:
    with pytest.raises(nc.ConfigError, match="without a key") as caught:
        nc.Server(address)
    assert "generate_key" in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


def test_slow_game_code_drops_ticks_and_reports_them() -> None:
    game = Game(catch_up=3)
    try:
        game.run(0.1)
        numbers = [tick.number for tick in game.ticks]
        assert numbers == list(range(1, len(numbers) + 1))
        game.network.time += 20 * TICK  # the body of one tick took that long
        game.run(0.2)
        overrun = [tick for tick in game.ticks if tick.overrun]
        assert len(overrun) == 1
        assert 17 <= overrun[0].overrun <= 18
        assert game.server.stats.overruns == overrun[0].overrun
        assert [tick.number for tick in game.ticks] == list(range(1, len(game.ticks) + 1))
    finally:
        game.server.close()


def test_an_authenticated_client_that_sends_rubbish_is_counted_then_kicked(game: Game) -> None:
    client = game.connect()
    game.run(0.1, client)
    for kind in (0x42, 0x44):
        client.endpoint.push_frame(kind, b"\xff" * 7)
    client.endpoint.push(1, b"\xff" * 9)
    game.run(0.1, client)
    counters = game.server.counters
    assert counters["input_malformed"] == counters["message_malformed"] == 1
    assert counters["frame_malformed"] == 1
    assert client.connected
    for _ in range(20):
        client.endpoint.push(1, b"\xff" * 9)
    events = game.run(0.3, client)
    assert events[-1] == nc.Disconnected("malformed messages", nc.CloseReason.MALFORMED)
    assert of_kind(game.events, nc.Left)[0].reason == "kicked: malformed messages"


def test_a_client_that_never_says_hello_is_dropped(game: Game, monkeypatch) -> None:
    monkeypatch.setattr("netcode.connecting.Attempt.say_hello", lambda self: None)
    monkeypatch.setattr("netcode.connecting.Attempt.close", lambda self: self.host.pump())
    with pytest.raises(nc.ConnectTimeout, match="accepted the connection and then said nothing"):
        game.connect(timeout=2.0)
    assert game.players() == []
    assert game.server.endpoint.connected == [0]
    game.run(10.0)
    assert game.server.endpoint.connected == []
    assert game.events == []


def test_a_server_follows_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Started before the time was set (no battery, a resumed VM), it must not refuse for ever."""
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)
    with nc.Server("127.0.0.1:0") as server:
        server.start()
        monkeypatch.undo()
        server.begin_tick()
        server.end_tick()
        assert abs(server.endpoint.epoch + time.monotonic() - time.time()) < 1


def test_tables_of_schemas_with_one_name_are_refused_on_both_ends() -> None:
    """Tables are matched by name: the client once decoded both as the last of them."""
    twin = type("Ship", (Rock,), {})
    game = Game()
    with nc.Server("127.0.0.1:0") as server:
        server.table(Ship)
        with pytest.raises(nc.ConfigError, match="named Ship"):
            server.table(twin)
    with pytest.raises(nc.ConfigError, match="same name"):
        game.connect(tables=[Ship, twin])
    game.server.close()
