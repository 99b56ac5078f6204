"""The client's state machine: every state, the walk along the servers, and every way to fail."""

from __future__ import annotations

import math
from typing import Any

import pytest
from session.harness import (
    EPOCH,
    PROTOCOL,
    SERVER,
    World,
    connect,
    make_client,
    make_server,
    make_token,
    reasons,
    sealed,
)

from netcode.errors import ConfigError, ConnectionClosed
from netcode.security import PacketType, open_packet, seal_packet
from netcode.session import (
    ClientConfig,
    ClientEndpoint,
    ClientState,
    Connected,
    Disconnected,
    DisconnectReason,
)

OTHER = ("10.0.0.2", 40000)
THIRD = ("10.0.0.3", 40000)


def from_server(token: Any, kind: int, sequence: int, body: bytes = b"") -> bytes:
    return seal_packet(kind, sequence, body, protocol_id=PROTOCOL, key=token.server_to_client_key)


def first(client: ClientEndpoint, now: float) -> Any:
    [(data, address)] = client.send(now)
    return data, address


def alone(seconds: float, client: ClientEndpoint, dt: float = 0.05) -> list[tuple[float, Any]]:
    """Run a client against nothing; (time, where its datagrams went)."""
    sent, now = [], 0.0
    while now < seconds:
        client.update(now)
        sent += [(now, address) for _, address in client.send(now)]
        now += dt
    return sent


def test_connects_and_tells() -> None:
    world = World(make_server(), [make_client()])
    client = next(iter(world.clients.values()))
    assert (client.state, client.next_deadline) == (1, -math.inf)
    connect(world)
    assert client.events() == [Connected(0, 4, SERVER)]
    assert (client.client_index, client.max_clients, client.server_address) == (0, 4, SERVER)
    assert client.events() == []
    world.server.disconnect(0)
    world.run(0.1)
    assert client.state is ClientState.DISCONNECTED
    assert client.events() == [
        Disconnected(DisconnectReason.CLOSED_BY_PEER, ClientState.DISCONNECTED)
    ]
    assert client.next_deadline == math.inf


def test_connects_within_one_round_trip_and_a_half() -> None:
    world = World(make_server(), [make_client()], latency=0.02)
    connect(world)
    assert world.now < 0.17
    slow = World(make_server(), [make_client(answer_at_once=False)], latency=0.02)
    connect(slow)
    assert slow.now > world.now


def test_requests_at_ten_hertz_until_timeout() -> None:
    client = make_client(make_token(timeout=2))
    sent = alone(3, client, dt=0.01)
    assert 18 <= len(sent) <= 21
    assert {address for _, address in sent} == {SERVER}
    assert client.state is ClientState.CONNECTION_REQUEST_TIMED_OUT
    assert client.events() == [
        Disconnected(DisconnectReason.REQUEST_TIMEOUT, ClientState.CONNECTION_REQUEST_TIMED_OUT)
    ]


def test_response_times_out() -> None:
    client, token = make_client(make_token(timeout=2)), make_token(timeout=2)
    client.send(0)
    client.receive_datagram(
        from_server(token, PacketType.CHALLENGE, 1 << 63, bytes(308)), SERVER, 1
    )
    assert client.state == 2
    data, _ = first(client, 1)
    packet = open_packet(data, protocol_id=PROTOCOL, key=token.client_to_server_key)
    assert (packet.type, packet.sequence, packet.body) == (PacketType.RESPONSE, 1, bytes(308))
    client.update(2.9)
    assert client.state == 2
    client.update(3)
    assert client.state is ClientState.CONNECTION_RESPONSE_TIMED_OUT


def test_connection_times_out_without_packets() -> None:
    world = World(make_server(), [make_client()])
    client = connect(world)
    world.servers.clear()
    world.run(5.1)
    assert client.state is ClientState.CONNECTION_TIMED_OUT
    assert [type(e).__name__ for e in client.events()] == ["Connected", "Disconnected"]
    assert list(client.send(world.now)) == []


def test_denied() -> None:
    world = World(
        make_server(max_clients=1), [make_client(make_token(1)), make_client(make_token(2))]
    )
    world.run(1)
    states = sorted(int(c.state) for c in world.clients.values())
    assert states == [ClientState.CONNECTION_DENIED, ClientState.CONNECTED]


def test_token_expires_during_the_attempt() -> None:
    client = make_client(make_token(timeout=60, expires_in=2))
    alone(2.5, client)
    assert client.state is ClientState.CONNECT_TOKEN_EXPIRED


def test_token_expired_by_the_local_clock() -> None:
    token = make_token(expires_in=30)
    for epoch, now, state in [
        (EPOCH + 30, 0.0, ClientState.CONNECT_TOKEN_EXPIRED),
        (EPOCH, 31.5, ClientState.CONNECT_TOKEN_EXPIRED),
        (EPOCH, 29.5, ClientState.SENDING_CONNECTION_REQUEST),
        (None, 10**9, ClientState.SENDING_CONNECTION_REQUEST),
    ]:
        client = ClientEndpoint(token, epoch=epoch)
        client.update(now)
        assert client.state is state
        assert len(client.send(now)) == (state == 1)
        assert len(client.events()) == (state != 1)
    with pytest.raises(ConfigError):
        ClientEndpoint(token, epoch=math.nan)


def test_the_whole_walk_is_bounded_by_the_token() -> None:
    client = make_client(make_token(timeout=2, expires_in=3, servers=[SERVER, OTHER, THIRD]))
    sent = alone(10, client)
    assert client.state is ClientState.CONNECT_TOKEN_EXPIRED
    assert {address for _, address in sent} == {SERVER, OTHER}
    assert sent[-1][0] < 3.1


@pytest.mark.parametrize("data", [b"", bytes(2047), bytes(2048), b"\xff" * 2048])
def test_invalid_token(data: bytes) -> None:
    client = ClientEndpoint(ClientConfig(token=data))
    assert client.state is ClientState.INVALID_CONNECT_TOKEN
    assert client.events() == [
        Disconnected(DisconnectReason.TOKEN_INVALID, ClientState.INVALID_CONNECT_TOKEN)
    ]
    client.update(0)
    client.receive_datagram(b"x" * 100, SERVER, 0)
    client.disconnect()
    assert list(client.send(1)) == []
    assert client.state is ClientState.INVALID_CONNECT_TOKEN
    assert client.next_deadline == math.inf


def test_token_created_after_its_expiry_is_invalid() -> None:
    data = bytearray(make_token().to_bytes())
    data[21:29], data[29:37] = data[29:37], data[21:29]
    assert make_client(bytes(data)).state is ClientState.INVALID_CONNECT_TOKEN


def test_walks_on_after_a_timeout() -> None:
    token = make_token(timeout=1, servers=[OTHER, SERVER])
    world = World(make_server(), [make_client(token)])
    client = connect(world)
    assert 1 < world.now < 1.5
    assert client.events() == [Connected(0, 4, SERVER)]
    world.run(1)
    assert client.state == 3


def test_walks_on_after_a_denial() -> None:
    full = make_server(max_clients=1, addresses=[OTHER])
    world = World(make_server(), [make_client(make_token(1, servers=[OTHER]))])
    world.servers[OTHER] = full
    connect(world)
    world.add(make_client(make_token(2, servers=[OTHER, SERVER])))
    client = connect(world, index=1)
    assert client.server_address == SERVER
    assert full.counters["denials_sent"] == 1


def test_last_failure_of_the_walk_is_the_error() -> None:
    full = make_server(max_clients=1, addresses=[OTHER])
    world = World(full, [make_client(make_token(1, servers=[OTHER]))])
    world.servers = {OTHER: full}
    connect(world)
    client = make_client(make_token(2, timeout=1, servers=[OTHER, THIRD]))
    world.add(client)
    world.run(2)
    assert client.state is ClientState.CONNECTION_REQUEST_TIMED_OUT
    client = make_client(make_token(3, timeout=1, servers=[THIRD, OTHER]))
    world.add(client)
    world.run(2)
    assert client.state is ClientState.CONNECTION_DENIED


def test_send_sequence_never_starts_again() -> None:
    """The walk keeps the key, so it must keep counting: a sequence is a nonce."""
    token = make_token(timeout=1, servers=[OTHER, SERVER])
    world = World(make_server(), [make_client(token)])
    connect(world)
    world.run(1)
    seen = []
    for source, _, data in world.log:
        if source != SERVER and data[0] != 0:
            packet = open_packet(data, protocol_id=PROTOCOL, key=token.client_to_server_key)
            seen.append(packet.sequence)
    assert len(seen) == len(set(seen))
    assert seen[0] >= 10


@pytest.mark.parametrize("state", [1, 2, 3])
def test_disconnect_in_every_state(state: int) -> None:
    token = make_token()
    client = make_client(token)
    client.send(0)
    if state >= 2:
        client.receive_datagram(from_server(token, PacketType.CHALLENGE, 0, bytes(308)), SERVER, 0)
        client.send(0)
    if state == 3:
        client.receive_datagram(from_server(token, PacketType.KEEP_ALIVE, 1, bytes(8)), SERVER, 0)
    assert client.state == state
    client.disconnect()
    client.disconnect()
    packets = [
        open_packet(data, protocol_id=PROTOCOL, key=token.client_to_server_key).type
        for data, _ in client.send(0)
    ]
    assert packets == ([] if state == 1 else [PacketType.DISCONNECT] * 10)
    assert client.state == 0
    assert client.events()[-1].reason is DisconnectReason.CLOSED
    client.receive_datagram(from_server(token, PacketType.KEEP_ALIVE, 2, bytes(8)), SERVER, 1)
    assert client.state == 0
    assert client.counters["unexpected_type"] == 1


def test_disconnect_before_the_first_call() -> None:
    client = make_client()
    client.disconnect()
    assert client.state == 0
    assert list(client.send(0)) == []
    assert client.events() == [Disconnected(DisconnectReason.CLOSED, ClientState.DISCONNECTED)]


def test_a_response_that_was_accepted_unheard_is_taken_back() -> None:
    """Leaving in state 2 frees the server's slot though the client never heard of it."""
    token = make_token()
    world = World(make_server(), [make_client(token)], latency=0.05)
    client = next(iter(world.clients.values()))
    world.until(lambda: len(world.server.connected) == 1)
    assert client.state == 2
    client.disconnect()
    world.run(0.2)
    assert world.server.connected == []


def test_only_its_server_is_heard() -> None:
    token = make_token()
    client = make_client(token)
    client.send(0)
    challenge = from_server(token, PacketType.CHALLENGE, 0, bytes(308))
    for address in (OTHER, (SERVER[0], SERVER[1] + 1)):
        client.receive_datagram(challenge, address, 0)
    assert reasons(client) == {"unknown_sender": 2}
    client.receive_datagram(challenge, ("::ffff:" + SERVER[0], SERVER[1]), 0)
    assert client.state == 2


@pytest.mark.parametrize("state", [1, 2, 3])
@pytest.mark.parametrize(
    ("kind", "size", "heard"),
    [
        (PacketType.DENIED, 0, {1, 2}),
        (PacketType.CHALLENGE, 308, {1}),
        (PacketType.KEEP_ALIVE, 8, {2, 3}),
        (PacketType.PAYLOAD, 5, {3}),
        (PacketType.DISCONNECT, 0, {3}),
    ],
)
def test_what_each_state_hears(state: int, kind: PacketType, size: int, heard: set[int]) -> None:
    token = make_token()
    client = make_client(token)
    client.send(0)
    if state >= 2:
        client.receive_datagram(from_server(token, PacketType.CHALLENGE, 0, bytes(308)), SERVER, 0)
    if state == 3:
        client.receive_datagram(from_server(token, PacketType.KEEP_ALIVE, 1, bytes(8)), SERVER, 0)
    client.receive_datagram(from_server(token, kind, 5, bytes(size)), SERVER, 1)
    assert client.counters["unexpected_type"] == (state not in heard)
    if state not in heard:
        assert client.state == state


def test_server_only_packets_are_refused() -> None:
    token = make_token()
    client = make_client(token)
    client.send(0)
    client.receive_datagram(from_server(token, PacketType.RESPONSE, 0, bytes(308)), SERVER, 0)
    client.receive_datagram(bytes(1078), SERVER, 0)
    assert reasons(client) == {"type_not_allowed": 2}
    client.receive_datagram(sealed(token, PacketType.KEEP_ALIVE, 0, bytes(8)), SERVER, 0)
    assert reasons(client)["forged"] == 1


def test_token_without_timeout_waits_for_the_expiry() -> None:
    client = make_client(make_token(timeout=None, expires_in=20))
    alone(19, client, dt=0.5)
    assert client.state == 1
    client.update(20)
    assert client.state is ClientState.CONNECT_TOKEN_EXPIRED


def test_misuse_raises() -> None:
    with pytest.raises(ConfigError, match="token: a str"):
        ClientConfig(token="x")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="config: a str"):
        ClientEndpoint("x")  # type: ignore[arg-type]
    client = make_client()
    with pytest.raises(ConnectionClosed, match="SENDING_CONNECTION_REQUEST"):
        client.send_payload(b"x")
    assert repr(client) == "<ClientEndpoint SENDING_CONNECTION_REQUEST>"
    assert "token" not in repr(client.config)


def test_takes_a_token_alone() -> None:
    client = ClientEndpoint(make_token())
    assert client.config.channels is not None
    assert client.state == 1
