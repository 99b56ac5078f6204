"""metrics: what a scrape shows, while a game goes on."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from virtual_game import Game

import netcode as nc
from netcode.session import COUNTER_NAMES

prometheus_client = pytest.importorskip("prometheus_client")

from netcode import metrics  # noqa: E402


@pytest.fixture
def game() -> Iterator[Game]:
    made = Game()
    yield made
    made.server.close()


def scrape(*servers: nc.Server[Any]) -> Any:
    registry = prometheus_client.CollectorRegistry()
    registry.register(metrics.ServerCollector(*servers))
    return registry


def test_a_scrape(game: Game) -> None:
    clients = [game.connect() for _ in range(3)]
    for _ in range(30):
        game.run(1 / 60, *clients)
    game.server.endpoint.receive_datagram(b"x", ("127.0.0.1", 9), game.network.now())
    registry = scrape(game.server)
    here = {"server": game.server.address}

    def value(name: str, **labels: str) -> float:
        found = registry.get_sample_value(f"netcode_{name}", here | labels)
        assert found is not None, (name, labels)
        return float(found)

    assert value("players") == 3
    assert value("max_players") == 64
    assert value("refused_total", reason="too_small") == 1
    assert value("connections_total", event="opened") == 3
    assert value("handshake_answers_total", kind="challenge") == 3
    assert value("ticks_total") == game.server.stats.ticks > 0
    assert value("tick_rate_hertz") == 60
    assert value("tick_overruns_total") == 0
    assert value("queued_bytes") >= 0
    counted = game.server.counters
    for way in ("received", "sent"):
        assert value("datagrams_total", direction=way) == counted[f"datagrams_{way}"] > 0
        assert value("bytes_total", direction=way) == counted[f"bytes_{way}"]
    for metric in ("tick_seconds", "rtt_seconds", "jitter_seconds", "packet_loss_ratio"):
        shares = [value(metric, quantile=share) for share in ("0.5", "0.9", "0.99", "1")]
        assert shares == sorted(shares)
    text = prometheus_client.generate_latest(registry).decode()
    assert text.count("# TYPE netcode_refused_total counter") == 1


def test_every_counter_is_somewhere(game: Game) -> None:
    registry = scrape(game.server)
    samples = [each for family in registry.collect() for each in family.samples]
    shown = sum(each.name.endswith("_total") for each in samples)
    assert shown == len(game.server.counters) + 2  # ticks, overruns
    assert set(metrics.TRAFFIC) <= set(COUNTER_NAMES)
    reasons = {each.labels.get("reason") for each in samples}
    assert {"replayed", "request_forged", "schema_mismatches", "input_malformed"} <= reasons


def test_an_empty_and_a_closed_server(game: Game) -> None:
    registry = scrape(game.server)
    here = {"server": game.server.address}
    assert registry.get_sample_value("netcode_players", here) == 0
    game.server.close()
    assert list(registry.collect()) == []


def test_many_players_are_sampled(game: Game, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = [game.connect() for _ in range(5)]
    game.run(0.1, *clients)
    monkeypatch.setattr(metrics, "SAMPLED_PLAYERS", 2)
    looked = 0
    original = type(game.server).connection_stats

    def counted(self: Any, player: Any) -> Any:
        nonlocal looked
        looked += 1
        return original(self, player)

    monkeypatch.setattr(type(game.server), "connection_stats", counted)
    here = {"server": game.server.address}
    assert scrape(game.server).get_sample_value("netcode_players", here) == 5
    assert looked == 2


def test_scrapes_from_another_thread_while_players_come_and_go(game: Game) -> None:
    registry, faults, stop = scrape(game.server), [], threading.Event()

    def scraping() -> None:
        while not stop.is_set():
            try:
                prometheus_client.generate_latest(registry)
            except Exception as error:
                faults.append(error)

    thread = threading.Thread(target=scraping)
    thread.start()
    try:
        for _ in range(10):
            with game.connect() as client:
                game.run(0.1, client)
            game.run(0.1)
    finally:
        stop.set()
        thread.join(10)
    assert faults == []


def test_misuse() -> None:
    for wrong in ((), (None,)):
        with pytest.raises(nc.ConfigError, match="takes one Server"):
            metrics.ServerCollector(*wrong)


def test_without_prometheus_client(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "netcode.metrics")
    with pytest.raises(ImportError, match=r"pip install 'netcode\[metrics\]'"):
        importlib.import_module("netcode.metrics")
