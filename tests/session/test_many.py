"""Sixty-four clients and a server on seeded bad links, woken by their deadlines alone."""

from __future__ import annotations

import pytest
from session.harness import SERVER, make_client, make_server, make_token

from netcode.channel import TransportConfig
from netcode.session import ClientEndpoint, ServerEndpoint
from netcode.testing import Conditions, Network

CLIENTS = 64
CHANNELS = TransportConfig()
RELIABLE = CHANNELS.channel("reliable")
BAD = Conditions(loss=0.2, latency=0.1, jitter=0.03, duplicate=0.05, reorder=0.05)


class Party:
    """A server and its clients on one network, and all that was said."""

    def __init__(self, seed: int) -> None:
        self.network = Network(seed, BAD)
        self.server: ServerEndpoint = make_server(max_clients=CLIENTS, channels=CHANNELS)
        self.network.add(SERVER, self.server)
        self.clients: list[ClientEndpoint] = []
        for number in range(CLIENTS):
            token = make_token(number, timeout=10, expires_in=120)
            self.clients.append(make_client(token, channels=CHANNELS))
            self.network.add((f"10.1.0.{number + 1}", 50_000), self.clients[-1])
        self.up: dict[int, list[bytes]] = {n: [] for n in range(CLIENTS)}
        self.down: dict[int, list[bytes]] = {n: [] for n in range(CLIENTS)}

    def drain(self) -> None:
        self.server.events()
        for index, _, data in self.server.messages():
            self.up[index].append(data)
        for client in self.clients:
            self.down[client.client_index] += [data for _, _, data in client.messages()]


@pytest.fixture(scope="module")
def party() -> Party:
    party = Party(seed=11)
    assert party.network.run_until(lambda: all(c.state == 3 for c in party.clients), timeout=60)
    party.drain()
    return party


def test_everyone_gets_a_slot_of_their_own(party: Party) -> None:
    assert party.server.connected == list(range(CLIENTS))
    assert sorted(c.client_index for c in party.clients) == party.server.connected
    for number, client in enumerate(party.clients):
        assert party.server.client(client.client_index).client_id == number


def test_every_message_once_and_in_order(party: Party) -> None:
    count = 40
    for number in range(count):
        for client in party.clients:
            client.push(RELIABLE, b"up %d" % number)
        for index in party.server.connected:
            party.server.push(index, RELIABLE, b"down %d" % number)
        party.network.run(0.05)
        party.drain()
    for _ in range(100):
        if all(len(said) >= count for said in [*party.up.values(), *party.down.values()]):
            break
        party.network.run(0.2)
        party.drain()
    party.network.run(2)
    party.drain()
    assert all(said == [b"up %d" % n for n in range(count)] for said in party.up.values())
    assert all(said == [b"down %d" % n for n in range(count)] for said in party.down.values())


def test_nobody_was_dropped_and_measurements_are_sane(party: Party) -> None:
    assert party.server.connected == list(range(CLIENTS))
    stats = [party.server.stats(index) for index in party.server.connected]
    assert all(0.2 <= s.rtt < 0.5 for s in stats)
    assert 0.1 < sum(s.packet_loss for s in stats) / CLIENTS < 0.35
    assert all(s.jitter > 0 for s in stats)
    counters = party.server.counters
    assert counters["payload_malformed"] == counters["forged"] == 0


def test_idle_connections_only_keep_alive(party: Party) -> None:
    before = party.server.counters["datagrams_sent"]
    party.network.run(5)
    sent = party.server.counters["datagrams_sent"] - before
    assert 45 * CLIENTS <= sent <= 51 * CLIENTS


def test_all_leave(party: Party) -> None:
    for client in party.clients:
        client.disconnect()
    party.network.run(1)
    party.drain()
    assert party.server.connected == []  # one of ten copies gets through
    party.network.run(1)
    assert party.network.next_deadline == float("inf")
