"""Every truncation and every single-bit flip of every packet kind, in every state, and worse.

No exception, one counted reason for each datagram, and the connection goes on as if nothing came.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from session.harness import (
    PROTOCOL,
    SERVER,
    World,
    entropy,
    make_client,
    make_server,
    make_token,
    opened,
    reasons,
    request,
    sealed,
)

from netcode.security import PacketType, seal_packet
from netcode.session import ClientEndpoint, DatagramBatch, ServerEndpoint

PEER = ("10.1.0.1", 50000)
STATES = ["nobody", "challenged", "unconfirmed", "confirmed"]


def damaged(packet: bytes) -> Iterator[bytes]:
    """Every truncation, one byte more, and every flipped bit."""
    for size in range(len(packet)):
        yield packet[:size]
    yield packet + b"\0"
    for bit in range(8 * len(packet)):
        flipped = bytearray(packet)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        yield bytes(flipped)


def refusals(endpoint: Any) -> int:
    return sum(reasons(endpoint).values())


def feed(endpoint: Any, source: tuple[str, int], packet: bytes, now: float) -> int:
    batch = DatagramBatch()
    for data in damaged(packet):
        batch.append(data, source)
    before = refusals(endpoint)
    endpoint.receive(batch, now)
    assert refusals(endpoint) - before == len(batch)
    assert endpoint.payloads() == []
    return len(batch)


def server_in(state: str) -> tuple[ServerEndpoint, Any, bytes]:
    """A server, the token of its client, and the challenge body of their handshake."""
    server, token = make_server(handshake_rate=0), make_token()
    body = bytes(308)
    if state != "nobody":
        server.receive_datagram(request(token), PEER, 0)
        body = opened(token, server.send(0)[0][0]).body
    if state in ("unconfirmed", "confirmed"):
        server.receive_datagram(sealed(token, PacketType.RESPONSE, 1, body), PEER, 0)
    if state == "confirmed":
        server.receive_datagram(sealed(token, PacketType.KEEP_ALIVE, 2, bytes(8)), PEER, 0)
    server.send(0)
    return server, token, body


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", [0, 3, 4, 5, 6])
def test_damaged_packets_at_a_server(state: str, kind: int) -> None:
    server, token, body = server_in(state)
    bodies = {3: body, 4: bytes(8), 5: b"payload!" * 3, 6: b""}
    packet = sealed(token, kind, 300, bodies[kind]) if kind else request(token)
    here, events = server.connected, len(server.events())
    feed(server, PEER, packet, 0.01)
    assert server.connected == here
    assert server.events() == []
    assert list(server.send(0.01)) == []
    if state in ("unconfirmed", "confirmed"):
        assert events == 1
        # Still unconfirmed or confirmed as before, and the undamaged packet still counts.
        server.send_payload(0, b"x")
        assert len(server.send(0.01)) == (2 if state == "unconfirmed" else 1)
        server.receive_datagram(sealed(token, PacketType.PAYLOAD, 300, b"fine"), PEER, 0.02)
        assert server.payloads() == [(0, b"fine")]
    elif state == "challenged":
        server.receive_datagram(sealed(token, PacketType.RESPONSE, 1, body), PEER, 0.02)
        assert server.connected == [0]
    else:
        server.receive_datagram(request(token), PEER, 0.02)
        assert len(server.send(0.02)) == 1


def from_server(token: Any, kind: int, sequence: int, body: bytes) -> bytes:
    return seal_packet(kind, sequence, body, protocol_id=PROTOCOL, key=token.server_to_client_key)


def client_in(state: int) -> tuple[ClientEndpoint, Any]:
    token = make_token()
    client = make_client(token)
    client.send(0)
    if state >= 2:
        client.receive_datagram(from_server(token, 2, 1 << 63, bytes(308)), SERVER, 0)
        client.send(0)
    if state == 3:
        client.receive_datagram(from_server(token, 4, 0, bytes(8)), SERVER, 0)
        client.send(0)
        client.events()
    assert client.state == state
    return client, token


@pytest.mark.parametrize("state", [1, 2, 3])
@pytest.mark.parametrize(("kind", "size"), [(1, 0), (2, 308), (4, 8), (5, 24), (6, 0)])
def test_damaged_packets_at_a_client(state: int, kind: int, size: int) -> None:
    client, token = client_in(state)
    feed(client, SERVER, from_server(token, kind, 300, bytes(size)), 0.01)
    assert client.state == state
    assert client.events() == []
    assert list(client.send(0.01)) == []
    if state == 1:
        client.receive_datagram(from_server(token, 2, 1 << 63, bytes(308)), SERVER, 0.02)
        assert client.state == 2
    elif state == 2:
        client.receive_datagram(from_server(token, 4, 300, bytes(8)), SERVER, 0.02)
        assert client.state == 3
    else:
        client.receive_datagram(from_server(token, 5, 300, b"fine"), SERVER, 0.02)
        assert client.payloads() == [(0, b"fine")]


def test_requests_and_responses_again_and_again() -> None:
    """Replays of a handshake's own packets neither connect twice nor disturb the connection."""
    server, token, body = server_in("confirmed")
    before = refusals(server)
    for _ in range(100):
        server.receive_datagram(request(token), PEER, 0.01)
        server.receive_datagram(sealed(token, PacketType.RESPONSE, 1, body), PEER, 0.01)
        server.receive_datagram(request(token), ("10.6.6.6", 1), 0.01)
        server.receive_datagram(sealed(token, PacketType.RESPONSE, 1, body), ("10.6.6.6", 1), 0.01)
    assert refusals(server) - before == 400
    assert server.connected == [0]
    assert list(server.send(0.01)) == []


def test_stolen_token_cannot_take_a_connection() -> None:
    """Whoever presents a token first has it; the other address is refused until it expires."""
    token = make_token()
    world = World(make_server(), [make_client(token), make_client(token)])
    world.run(3)
    states = sorted(int(c.state) for c in world.clients.values())
    assert states == [1, 3]
    assert world.server.connected == [0]
    assert set(reasons(world.server)) <= {"request_client_connected", "request_token_elsewhere"}


def test_two_clients_with_the_same_id() -> None:
    tokens = [make_token(7), make_token(7, entropy=entropy(70))]
    world = World(make_server(), [make_client(token) for token in tokens])
    world.run(3)
    assert len(world.server.connected) == 1
    [winner] = [c for c in world.clients.values() if c.state == 3]
    winner.disconnect()
    world.run(1)
    world.server.events()
    world.run(1)
    assert len(world.server.connected) == 1  # the other came in with its own token


def test_two_tokens_from_one_address() -> None:
    """The newer handshake of an address replaces the older; a connection is not replaced."""
    server, old, new = make_server(), make_token(1), make_token(2)
    server.receive_datagram(request(old), PEER, 0)
    server.receive_datagram(request(new), PEER, 0)
    first, second = (data for data, _ in server.send(0))
    server.receive_datagram(sealed(old, PacketType.RESPONSE, 1, opened(old, first).body), PEER, 0)
    assert server.connected == []
    server.receive_datagram(sealed(new, PacketType.RESPONSE, 1, opened(new, second).body), PEER, 0)
    assert server.client(0).client_id == 2


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=1500), max_size=20), st.sampled_from(STATES))
def test_noise_at_a_server(datagrams: list[bytes], state: str) -> None:
    server, _, _ = server_in(state)
    before = refusals(server)
    for data in datagrams:
        server.receive_datagram(data, PEER, 0.01)
        server.receive_datagram(data, ("10.6.6.6", 1), 0.01)
    assert refusals(server) - before == 2 * len(datagrams)
    assert list(server.send(0.01)) == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=1500), max_size=20), st.sampled_from([1, 2, 3]))
def test_noise_at_a_client(datagrams: list[bytes], state: int) -> None:
    client, _ = client_in(state)
    before = refusals(client)
    for data in datagrams:
        client.receive_datagram(data, SERVER, 0.01)
    assert refusals(client) - before == len(datagrams)
    assert client.state == state


def test_recorded_traffic_in_any_order() -> None:
    """All datagrams of a session, replayed shuffled into both ends, change nothing."""
    token = make_token()
    world = World(make_server(), [make_client(token)])
    world.run(1)
    (client,) = world.clients.values()
    world.server.send_payload(0, b"down")
    client.send_payload(b"up")
    world.run(0.1)
    assert (world.server.payloads(), client.payloads()) == ([(0, b"up")], [(0, b"down")])
    recorded = list(world.log)
    random.Random(1).shuffle(recorded)
    for source, to, data in recorded:
        receiver: Any = world.server if to == SERVER else client
        before = refusals(receiver)
        receiver.receive_datagram(data, source, world.now)
        assert refusals(receiver) == before + 1
    assert (world.server.payloads(), client.payloads()) == ([], [])
    world.run(2)
    assert client.state == 3
    assert world.server.connected == [0]


def test_a_peer_with_a_valid_token_and_bad_intent() -> None:
    """Authentic packets of every kind, size and sequence, also near the ends of the space."""
    server, token, body = server_in("confirmed")
    rng = random.Random(3)
    sequences = [0, 1, 255, 256, 2**63 - 1, 2**63, 2**64 - 257, 2**64 - 2, 2**64 - 1]
    for number in range(2000):
        kind = rng.choice([3, 4, 5])
        content = {3: body, 4: rng.randbytes(8), 5: rng.randbytes(rng.randint(1, 1200))}[kind]
        sequence = rng.choice(sequences) - rng.randint(0, 3)
        server.receive_datagram(sealed(token, kind, sequence % 2**64, content), PEER, number / 1000)
        server.update(number / 1000)
        server.send(number / 1000)
    assert server.connected == [0]
    server.receive_datagram(sealed(token, PacketType.DISCONNECT, 2**64 - 200), PEER, 2)
    assert server.connected == []


def test_flood_of_strangers_leaves_a_client_alone() -> None:
    world = World(make_server(), [make_client()])
    world.run(1)
    (client,) = world.clients.values()
    batch = DatagramBatch()
    expired = request(make_token(5, unix_now=1_600_000_000))
    forged = request(make_token(6, private_key=bytes(32)))
    for n in range(3000):
        data = [expired, forged, bytes(1078), b"\x15" + bytes(40), b""][n % 5]
        batch.append(data, (f"10.7.{n % 250}.1", 1000 + n))
    world.server.receive(batch, world.now)
    world.run(1)
    assert client.state == 3
    assert len(world.server.connected) == 1
    assert refusals(world.server) == 3000
