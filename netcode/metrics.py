"""What servers count, for Prometheus: needs ``pip install netcode[metrics]``.

    from prometheus_client import REGISTRY, start_http_server
    from netcode.metrics import ServerCollector

    REGISTRY.register(ServerCollector(server))
    start_http_server(9400, addr="127.0.0.1")

Nothing is done until somebody asks, and the loop is not stopped then: the counters are read in
one short moment under the lock that a slow tick does not hold, the players one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np

from netcode.errors import ConfigError
from netcode.server import Server
from netcode.session import ConnectionStats

try:
    from prometheus_client import Metric
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
    from prometheus_client.registry import Collector
except ImportError:
    raise ImportError(
        "netcode.metrics needs prometheus-client: pip install 'netcode[metrics]'"
    ) from None

__all__ = ["SAMPLED_PLAYERS", "ServerCollector"]

# Players whose connections are looked at; of more, as many evenly spread ones.
SAMPLED_PLAYERS: Final = 1000

QUANTILES: Final = (0.5, 0.9, 0.99, 1.0)

TRAFFIC: Final = {
    "datagrams_received": ("datagrams", "received"),
    "datagrams_sent": ("datagrams", "sent"),
    "bytes_received": ("bytes", "received"),
    "bytes_sent": ("bytes", "sent"),
    "payloads_received": ("payloads", "received"),
    "payloads_sent": ("payloads", "sent"),
    "connected": ("connections", "opened"),
    "disconnected": ("connections", "closed"),
    "challenges_sent": ("handshake_answers", "challenge"),
    "denials_sent": ("handshake_answers", "denial"),
}
"""Counters that count no fault: metric and the value of its label."""

LABELS: Final = {
    "datagrams": ("direction", "Datagrams of netcode, as the endpoint saw them."),
    "bytes": ("direction", "Bytes of those datagrams, without UDP and IP headers."),
    "payloads": ("direction", "Payload packets."),
    "connections": ("event", "Connections opened and closed."),
    "handshake_answers": ("kind", "Answers to connection requests."),
    "socket_events": ("event", "What the socket counted."),
    "refused": ("reason", "Datagrams, requests and messages refused, by reason."),
}


class ServerCollector(Collector):
    """The metrics of one or more servers, labelled ``server`` with the address of each.

    Counters: ``netcode_datagrams_total``, ``netcode_bytes_total``, ``netcode_payloads_total``
    (``direction``), ``netcode_connections_total`` (``event``), ``netcode_handshake_answers_total``
    (``kind``), ``netcode_refused_total`` (``reason``: the names of ``Server.counters``),
    ``netcode_socket_events_total`` (``event``), ``netcode_ticks_total``,
    ``netcode_tick_overruns_total``.

    Gauges: ``netcode_players``, ``netcode_max_players``, ``netcode_tick_rate_hertz``,
    ``netcode_queued_bytes``; and with the label ``quantile`` 0.5, 0.9, 0.99 and 1:
    ``netcode_tick_seconds`` of the last 4,096 ticks, ``netcode_rtt_seconds``,
    ``netcode_jitter_seconds`` and ``netcode_packet_loss_ratio`` over the players (over
    1,000 evenly spread ones where there are more).

    Closed servers are left out. Any thread may collect.

    Raises:
        ConfigError: no server, or something else.
    """

    def __init__(self, *servers: Server[Any]) -> None:
        if not servers or not all(isinstance(server, Server) for server in servers):
            raise ConfigError("ServerCollector takes one Server or more")
        self.servers = {server.address: server for server in servers}

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry need not collect to learn the names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric, now."""
        families: Families = {}
        for name, server in self.servers.items():
            if not server.closed:
                read_counters(families, name, server.counters)
                read_ticks(families, name, server)
                read_players(families, name, server)
        yield from families.values()


Families = dict[str, CounterMetricFamily | GaugeMetricFamily]


def counter(
    families: Families, name: str, about: str, labels: Mapping[str, str], value: float
) -> None:
    if name not in families:
        families[name] = CounterMetricFamily(f"netcode_{name}", about, labels=tuple(labels))
    families[name].add_metric(tuple(labels.values()), value)


def gauge(
    families: Families, name: str, about: str, labels: Mapping[str, str], value: float
) -> None:
    if name not in families:
        families[name] = GaugeMetricFamily(f"netcode_{name}", about, labels=tuple(labels))
    families[name].add_metric(tuple(labels.values()), value)


def read_counters(families: Families, server: str, counted: Mapping[str, int]) -> None:
    for name, value in counted.items():
        if name in TRAFFIC:
            metric, which = TRAFFIC[name]
        elif name.startswith("socket_"):
            metric, which = "socket_events", name.removeprefix("socket_")
        else:
            metric, which = "refused", name
        label, help_text = LABELS[metric]
        counter(families, metric, help_text, {"server": server, label: which}, value)


def read_ticks(families: Families, name: str, server: Server[Any]) -> None:
    stats, here = server.stats, {"server": name}
    counter(families, "ticks", "Ticks finished.", here, stats.ticks)
    counter(families, "tick_overruns", "Ticks dropped, being too late.", here, stats.overruns)
    gauge(families, "tick_rate_hertz", "Ticks a second, as set.", here, server.tick_rate)
    for share in QUANTILES:
        labels = here | {"quantile": f"{share:g}"}
        seconds = stats.tick_quantile(share)
        gauge(families, "tick_seconds", "From due to sent, recent ticks.", labels, seconds)


def read_players(families: Families, name: str, server: Server[Any]) -> None:
    here = {"server": name}
    players = server.players
    gauge(families, "players", "Players in the game.", here, len(players))
    gauge(families, "max_players", "Slots.", here, server.endpoint.max_clients)
    step = -(-len(players) // SAMPLED_PLAYERS) or 1
    seen: list[ConnectionStats] = []
    for player in players[::step]:
        stats = player.stats
        if stats.closed is None:  # else it left a moment ago
            seen.append(stats)
    queued = sum(each.transport.bytes_queued for each in seen if each.transport) * step
    gauge(families, "queued_bytes", "Of messages that wait, all players.", here, queued)
    for metric, help_text, values in (
        ("rtt_seconds", "Round-trip time of the players.", [each.rtt for each in seen]),
        ("jitter_seconds", "Jitter of the players.", [each.jitter for each in seen]),
        ("packet_loss_ratio", "Packets lost, 0 to 1.", [each.packet_loss for each in seen]),
    ):
        if values:
            for share, value in zip(QUANTILES, np.quantile(values, QUANTILES), strict=True):
                labels = here | {"quantile": f"{share:g}"}
                gauge(families, metric, help_text, labels, float(value))
