"""Why a connection ended: what each end says, believes, and shows; and the page about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from pages import ROOT
from virtual_game import Game

import netcode as nc
from netcode.channel import ChannelStats
from netcode.replication.hello import BYE, Bye
from netcode.session import DisconnectReason
from netcode.testing import Link

PAGE = (ROOT / "docs" / "reference" / "statistics.md").read_text(encoding="utf-8")


pytestmark = pytest.mark.usefixtures("owner")


@pytest.fixture
def game() -> Iterator[Game]:
    made = Game()
    yield made
    made.server.close()


def joined(game: Game, **options: Any) -> tuple[nc.Client[Any], nc.Player[Any]]:
    client = game.connect(**options)
    game.run(0.1, client)
    (player,) = game.players()
    assert player.close_reason is None
    assert client.close_reason is None
    assert player.stats.closed is None
    assert client.stats.closed is None
    return client, player


def left(game: Game) -> nc.Left[Any]:
    (event,) = [each for each in game.events if isinstance(each, nc.Left)]
    return event


def test_a_client_that_closes_says_so(game: Game) -> None:
    client, player = joined(game)
    before = player.stats
    client.close()
    assert client.close_reason is client.stats.closed is nc.CloseReason.CLOSED
    assert client.stats.packets_sent > 0
    game.run(0.1)
    event = left(game)
    assert event.code is player.close_reason is nc.CloseReason.CLOSED
    assert event.reason == "closed by peer"
    # What was asked for last, and why it ended.
    assert player.stats.closed is nc.CloseReason.CLOSED
    assert player.stats.packets_received == before.packets_received > 0


def test_statistics_of_one_whose_end_is_not_known_here_yet(
    game: Game, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An I/O thread knows before the game that somebody left; asking then is no mistake."""
    _, player = joined(game)
    before = player.stats

    def gone(player: Any) -> Any:
        raise nc.ConnectionClosed("client 0 is not connected")

    monkeypatch.setattr(game.server, "connection_stats", gone)
    assert player.connected
    assert player.stats == before
    player.last_stats = None
    assert player.stats.packets_received == 0


def test_a_kick_reaches_both_ends_as_one(game: Game) -> None:
    client, player = joined(game)
    player.kick("too loud")
    assert player.close_reason is player.stats.closed is nc.CloseReason.KICKED
    assert player.stats.packets_received > 0
    game.run(0.1, client)
    assert left(game).code is nc.CloseReason.KICKED
    assert client.close_reason is client.stats.closed is nc.CloseReason.KICKED
    assert client.reason == "too loud"


def test_a_server_that_closes_says_so(game: Game) -> None:
    client, player = joined(game)
    game.server.close()
    assert player.close_reason is nc.CloseReason.SERVER_CLOSED
    game.network.advance(0.1)
    client.update()
    assert client.events == [nc.Disconnected("the server closed", nc.CloseReason.SERVER_CLOSED)]
    assert client.stats.closed is nc.CloseReason.SERVER_CLOSED


def test_malformed_messages_are_told_from_a_kick(game: Game) -> None:
    client, _ = joined(game)
    for _ in range(16):
        client.endpoint.push(1, b"\xff\xff\xff")
    game.run(0.2, client)
    assert left(game).code is nc.CloseReason.MALFORMED
    assert client.close_reason is nc.CloseReason.MALFORMED


def test_silence_is_a_timeout_at_either_end(game: Game) -> None:
    lines = Link(1), Link(2)
    client, player = joined(game, link=lines, lost_after=3)
    for line in lines:
        line.change(loss=1.0)
    game.run(4.0, client)
    assert left(game).code is player.stats.closed is nc.CloseReason.TIMEOUT
    assert client.close_reason is nc.CloseReason.TIMEOUT


def test_without_a_goodbye_nothing_is_known(game: Game) -> None:
    client, player = joined(game)
    client.endpoint.disconnect()  # as a client of another make
    client.host.flush()
    game.run(0.1)
    assert left(game).code is player.close_reason is nc.CloseReason.UNKNOWN


@pytest.mark.parametrize("code", [2, 3, 4, 5, 127, 128, 130, 255])
def test_a_client_cannot_claim_what_only_a_server_decides(game: Game, code: int) -> None:
    client, player = joined(game)
    client.endpoint.push(0, Bye("I was kicked", code).encode())
    game.run(0.1, client)
    assert player.connected  # a goodbye alone ends nothing
    client.endpoint.disconnect()
    client.host.flush()
    game.run(0.1)
    assert left(game).code is nc.CloseReason.UNKNOWN
    assert left(game).reason == "closed by peer"


def test_a_malformed_goodbye_is_a_strike(game: Game) -> None:
    client, _ = joined(game)
    for _ in range(15):
        client.endpoint.push(0, bytes([BYE]))
    game.run(0.2, client)
    assert game.server.counters["control_malformed"] == 15
    assert client.connected


def test_a_goodbye_does_not_outlive_a_timeout(game: Game) -> None:
    """It says why the client closes; when nobody closed, the silence is the reason."""
    lines = Link(1), Link(2)
    client, player = joined(game, link=lines, lost_after=3)
    client.endpoint.push(0, Bye("", nc.CloseReason.CLOSED).encode())
    game.run(0.1, client)
    for line in lines:
        line.change(loss=1.0)
    game.run(4.0, client)
    assert player.close_reason is nc.CloseReason.TIMEOUT


def test_every_number_on_the_wire_means_something() -> None:
    for code in range(256):
        reason = nc.CloseReason.told(code)
        assert reason == (code if code in (1, 2, 3, 4) else 0)
    for each in DisconnectReason:
        assert isinstance(nc.CloseReason.of(each), nc.CloseReason)


def table(heading: str) -> list[list[str]]:
    """The rows of the table under a heading, as cells."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


@pytest.mark.parametrize("kind", [nc.ConnectionStats, ChannelStats])
def test_the_page_has_every_statistic(kind: type[Any]) -> None:
    rows = table(kind.__name__)
    names = [re.sub(r"^`(\w+)`$", r"\1", row[0]) for row in rows]
    assert names == [each.name for each in fields(kind)]
    for name, unit, meaning in rows:
        assert meaning, name
        assert unit or name == "`transport`", name


def test_the_page_has_every_reason() -> None:
    rows = [(int(row[0]), row[1].strip("`")) for row in table("Why it ended")]
    assert rows == [(each.value, each.name) for each in nc.CloseReason]
