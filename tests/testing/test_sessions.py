"""Session endpoints on a Network: the whole stack below the game, encrypted, in virtual time."""

from __future__ import annotations

import random

import pytest

from netcode.channel import TransportConfig
from netcode.security import ConnectToken
from netcode.session import ClientConfig, ClientEndpoint, ServerConfig, ServerEndpoint
from netcode.testing import Conditions, Network

KEY = bytes(range(32))
PROTOCOL = 7
EPOCH = 1_700_000_000.0
SERVER = ("10.0.0.1", 40_000)
BAD = Conditions(loss=0.2, latency=0.1, jitter=0.02, duplicate=0.1, reorder=0.1)


@pytest.mark.parametrize("seed", [1])
def test_64_clients_through_a_bad_network_for_2000_ticks(seed: int) -> None:
    """20 % loss, 100 ms, jitter, reordering, duplication: every reliable message once, in order,
    both ways, and nothing grows."""
    rng = random.Random(seed)
    channels = TransportConfig(initial_sequence=65_000, initial_message_id=65_400)
    network = Network(seed, BAD)
    server = ServerEndpoint(
        ServerConfig(
            protocol_id=PROTOCOL,
            private_key=KEY,
            addresses=[SERVER],
            max_clients=64,
            channels=channels,
        ),
        entropy=rng.randbytes,
        epoch=EPOCH,
    )
    network.add(SERVER, server)
    clients: list[ClientEndpoint] = []
    for number in range(64):
        token = ConnectToken.create(
            protocol_id=PROTOCOL,
            private_key=KEY,
            client_id=number + 1,
            servers=[SERVER],
            unix_now=EPOCH,
            timeout=15,
            entropy=rng.randbytes,
        )
        config = ClientConfig(token=token, channels=channels)
        client = ClientEndpoint(config, entropy=rng.randbytes, epoch=EPOCH)
        clients.append(client)
        network.add(("10.1.0.1", 50_000 + number), client)
    assert network.run_until(
        lambda: len(server.connected) == 64 and all(c.state == 3 for c in clients), timeout=30
    ), network
    up: list[list[bytes]] = [[] for _ in clients]
    down: list[list[bytes]] = [[] for _ in clients]
    got_up: list[list[bytes]] = [[] for _ in clients]
    got_down: list[list[bytes]] = [[] for _ in clients]
    peak = 0

    def collect() -> None:
        for index, channel, data in server.messages():
            assert channel == 1
            got_up[index].append(bytes(data))
        for client in clients:
            for _, channel, data in client.messages():
                assert channel == 1
                got_down[client.client_index].append(bytes(data))

    for tick in range(2_000):
        for client in clients:
            index = client.client_index
            if tick % 8 == index % 8:
                data = tick.to_bytes(2, "little") + rng.randbytes(rng.randrange(40))
                client.push(1, data)
                up[index].append(data)
                data = tick.to_bytes(2, "little") + rng.randbytes(rng.randrange(200))
                server.push(index, 1, data)
                down[index].append(data)
        network.run(1 / 60)
        collect()
        if tick % 100 == 0:
            for index in server.connected:
                transport = server.stats(index).transport
                assert transport is not None
                peak = max(peak, transport.memory)
    assert len(server.connected) == 64
    for _ in range(600):
        network.run(1 / 60)
        collect()
        if got_up == up and got_down == down:
            break
    assert got_up == up, network
    assert got_down == down, network
    assert peak < 40_000
