"""A server's connections in time: keep-alive packets, timeouts, disconnects, clocks, limits."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from session.harness import (
    EPOCH,
    KEY,
    PROTOCOL,
    SERVER,
    World,
    connect,
    entropy,
    make_client,
    make_server,
    make_token,
    opened,
    reasons,
    request,
    sealed,
)

from netcode.errors import ChannelFull, ConfigError, ConnectionClosed
from netcode.security import Address, PacketType, seal_packet
from netcode.session import (
    ClientConnected,
    ClientDisconnected,
    ClientEndpoint,
    DatagramBatch,
    DisconnectReason,
    ServerConfig,
    ServerEndpoint,
)

PEER = ("10.1.0.1", 50000)


def joined(now: float = 0.0, **options: Any) -> tuple[ServerEndpoint, Any]:
    """A server with one client, unconfirmed, whose keep-alive has been taken."""
    server, token = make_server(**options), make_token()
    server.receive_datagram(request(token), PEER, now)
    [(data, _)] = server.send(now)
    body = opened(token, data).body
    server.receive_datagram(sealed(token, PacketType.RESPONSE, 1, body), PEER, now)
    server.send(now)
    assert server.connected == [0]
    return server, token


def kinds(token: Any, batch: DatagramBatch) -> list[int]:
    return [opened(token, data).type for data, _ in batch]


def test_events_and_lookups() -> None:
    server, token = joined()
    user_data = token.open_private(KEY).user_data
    expected = ClientConnected(0, 1, PEER, user_data, 1)
    assert server.events() == [expected]
    assert server.events() == []
    assert server.client(0) == expected
    assert "user_data" not in repr(expected)
    assert repr(server) == "<ServerEndpoint 10.0.0.1:40000: 1 of 4 clients>"
    server.disconnect(0)
    assert server.events() == [ClientDisconnected(0, 1, DisconnectReason.CLOSED, 1)]
    assert server.connected == []


def test_keep_alive_at_ten_hertz() -> None:
    server, _ = joined()
    sent = []
    for tick in range(1, 61):
        now = tick / 60
        sent += [now] * len(server.send(now))
    assert 8 <= len(sent) <= 10
    assert min(b - a for a, b in itertools.pairwise(sent)) > 0.0999


def test_payload_replaces_keep_alive_once_confirmed() -> None:
    server, token = joined()
    server.send_payload(0, b"one")
    assert kinds(token, server.send(0.05)) == [PacketType.KEEP_ALIVE, PacketType.PAYLOAD]
    server.receive_datagram(sealed(token, PacketType.KEEP_ALIVE, 2, bytes(8)), PEER, 0.06)
    server.send_payload(0, b"two")
    assert kinds(token, server.send(0.07)) == [PacketType.PAYLOAD]
    assert kinds(token, server.send(0.15)) == []
    assert kinds(token, server.send(0.17)) == [PacketType.KEEP_ALIVE]


@pytest.mark.parametrize("kind", [PacketType.KEEP_ALIVE, PacketType.PAYLOAD])
def test_silence_is_measured_from_the_last_packet(kind: PacketType) -> None:
    server, token = joined()
    server.receive_datagram(sealed(token, kind, 2, bytes(8)), PEER, 3)
    server.update(7.99)
    assert server.connected == [0]
    server.update(8)
    assert server.connected == []
    server.send(8)
    assert server.events()[1].reason is DisconnectReason.TIMEOUT
    assert server.next_deadline == math.inf


def test_a_timed_out_client_gets_no_packets() -> None:
    server, _ = joined()
    server.update(5)
    assert list(server.send(5)) == []


def test_neither_forged_nor_replayed_packets_keep_a_client_alive() -> None:
    server, token = joined()
    good = sealed(token, PacketType.KEEP_ALIVE, 2, bytes(8))
    server.receive_datagram(good, PEER, 1)
    server.receive_datagram(good, PEER, 4)
    forged = sealed(make_token(2), PacketType.KEEP_ALIVE, 3, bytes(8))
    server.receive_datagram(forged, PEER, 4)
    server.receive_datagram(sealed(token, PacketType.RESPONSE, 3, bytes(308)), PEER, 4)
    server.update(6)
    assert server.connected == []
    assert reasons(server) == {"replayed": 1, "forged": 1, "challenge_forged": 1}


def test_ten_redundant_disconnects() -> None:
    server, token = joined()
    server.disconnect(0)
    batch = list(server.send(0))
    packets = [opened(token, data) for data, _ in batch]
    assert [p.type for p in packets] == [PacketType.DISCONNECT] * 10
    assert len({p.sequence for p in packets}) == 10
    with pytest.raises(ConnectionClosed):
        server.disconnect(0)


def test_closed_by_peer() -> None:
    server, token = joined()
    for sequence in range(2, 12):
        server.receive_datagram(sealed(token, PacketType.DISCONNECT, sequence), PEER, 1)
    assert server.events()[1].reason is DisconnectReason.CLOSED_BY_PEER
    assert reasons(server) == {"unknown_sender": 9}
    assert list(server.send(1)) == []


def test_disconnect_all() -> None:
    world = World(make_server(), [make_client(make_token(n)) for n in range(4)])
    world.until(lambda: len(world.server.connected) == 4)
    world.server.disconnect_all()
    assert world.server.connected == []
    world.run(0.1)
    assert {int(c.state) for c in world.clients.values()} == {0}


def test_deadlines_are_exact() -> None:
    """Woken at its deadlines alone, an endpoint does something each time and misses nothing."""
    server, token = make_server(), make_token()
    world = World(server, [make_client(token)])
    client = connect(world)
    world.run(1)
    now, wakes, sent = world.now, 0, {"c": 0, "s": 0}
    end = now + 10
    while now < end:
        due = min(server.next_deadline, client.next_deadline)
        assert due > now or wakes == 0
        now = max(now, due)
        for name, source, endpoint, other in (
            ("c", PEER, client, server),
            ("s", SERVER, server, client),
        ):
            endpoint.update(now)
            for data, _ in endpoint.send(now):
                sent[name] += 1
                other.receive_datagram(
                    data, source if name == "s" else next(iter(world.clients)), now
                )
        wakes += 1
    assert server.connected == [0]
    assert client.state == 3
    assert 95 <= sent["c"] <= 101
    assert 95 <= sent["s"] <= 101
    assert wakes <= 202


def test_deadline_is_now_while_something_waits() -> None:
    server, _ = joined()
    assert server.next_deadline == pytest.approx(0.1)
    server.update(0.05)
    server.send_payload(0, b"x")
    assert server.next_deadline == 0.05
    server.send(0.05)
    assert server.next_deadline == pytest.approx(0.15)


def test_clock_going_back_stands_still() -> None:
    server, token = joined(now=100.0, epoch=EPOCH - 100)
    server.receive_datagram(sealed(token, PacketType.KEEP_ALIVE, 2, bytes(8)), PEER, 50)
    server.update(0)
    assert list(server.send(0)) == []
    server.update(104.9)
    assert server.connected == [0]
    server.update(105)
    assert server.connected == []


def test_clock_jump_forward_spares_who_has_written() -> None:
    """After a stall, what waits in the socket is received first, and counts as of now."""
    server, token = joined()
    server.receive_datagram(sealed(token, PacketType.KEEP_ALIVE, 2, bytes(8)), PEER, 1000)
    server.update(1000)
    assert server.connected == [0]
    assert kinds(token, server.send(1000)) == [PacketType.KEEP_ALIVE]
    server.update(5000)
    assert server.connected == []


@pytest.mark.parametrize("now", [math.nan, math.inf, -math.inf, -1.0])
def test_time_must_be_a_time(now: float) -> None:
    server, client = make_server(), make_client()
    for endpoint in (server, client):
        for call in (
            lambda e=endpoint: e.update(now),
            lambda e=endpoint: e.send(now),
            lambda e=endpoint: e.receive(DatagramBatch(), now),
            lambda e=endpoint: e.receive_datagram(b"", PEER, now),
        ):
            with pytest.raises(ConfigError, match="now"):
                call()
    with pytest.raises(ConfigError):
        server.epoch = math.nan


def test_restart_on_the_same_port() -> None:
    world = World(make_server(), [make_client(make_token(1))])
    client = connect(world)
    world.servers[SERVER] = make_server(seed=2, epoch=EPOCH, max_token_lifetime=30)
    world.run(2)
    assert client.state == 3  # it cannot know yet
    assert world.server.counters["unknown_sender"] > 10
    old = make_client(make_token(1))
    world.add(old)
    world.run(5.1)
    assert client.state == -4
    assert old.state == -2
    assert set(reasons(world.server)) == {"unknown_sender", "request_before_start"}
    fresh = make_client(make_token(1, unix_now=EPOCH + world.now, entropy=entropy(5)))
    world.add(fresh)
    world.run(1)
    assert fresh.state == 3


def test_peer_that_changes_its_address_times_out() -> None:
    """netcode 1.02 ties a connection to its address: a moved client joins with a new token."""
    world = World(make_server(), [make_client(make_token(1))])
    client = connect(world)
    world.server.events()
    (old,) = world.clients
    world.clients = {("10.9.9.9", 1): client}
    world.run(5.5)
    [event] = world.server.events()
    assert event.reason is DisconnectReason.TIMEOUT
    assert world.server.counters["unknown_sender"] > 10
    assert client.state == -4
    assert old != ("10.9.9.9", 1)


def test_many_clients_vanish_in_one_tick() -> None:
    world = World(make_server(max_clients=50), [make_client(make_token(n)) for n in range(50)])
    world.until(lambda: len(world.server.connected) == 50)
    world.server.events()
    world.clients.clear()
    world.run(6)
    events = world.server.events()
    assert len(events) == 50
    assert {event.reason for event in events} == {DisconnectReason.TIMEOUT}
    for n in range(50):
        world.add(make_client(make_token(n, entropy=entropy(1000 + n), unix_now=EPOCH + world.now)))
    world.run(1)
    assert len(world.server.connected) == 50


def test_receive_takes_a_batch() -> None:
    server, token = joined()
    batch = DatagramBatch(slots=4)
    for sequence, data in enumerate((b"a", b"b", b"c")):
        batch.append(sealed(token, PacketType.PAYLOAD, sequence + 2, data), PEER)
    server.receive(batch, 1)
    assert server.payloads() == [(0, b"a"), (0, b"b"), (0, b"c")]
    assert server.payloads() == []
    stats = server.stats(0)
    assert stats.packets_received == 3
    assert stats.transport is None


def test_misuse_raises() -> None:
    server, _ = joined()
    for index in (-1, 4, "0", None):
        with pytest.raises(ConfigError, match="index"):
            server.send_payload(index, b"x")
    with pytest.raises(ConnectionClosed, match="client 3"):
        server.send_payload(3, b"x")
    for size in (0, 1201):
        with pytest.raises(ConfigError, match=f"{size} bytes, must be 1 to 1200"):
            server.send_payload(0, bytes(size))
    for call in (server.push, server.push_frame):
        with pytest.raises(ConfigError, match="channels: None"):
            call(0, 0x40, b"x")
    with pytest.raises(TypeError):
        server.receive(None, 0)
    with pytest.raises(ConfigError, match="at most 65535"):
        server.receive_datagram(bytes(70_000), PEER, 0)
    with pytest.raises(ConfigError):
        server.receive_datagram(b"", ("not an address", 1), 0)


def test_payloads_that_nobody_sends_are_limited() -> None:
    server, _ = joined(out_bytes=8192)
    for _ in range(7):
        server.send_payload(0, bytes(1100))
    with pytest.raises(ChannelFull, match="8192"):
        server.send_payload(0, bytes(1200))
    assert len(server.send(0)) > 0
    server.send_payload(0, bytes(1200))
    assert reasons(server) == {"out_full": 1}


def test_payloads_that_nobody_reads_are_limited() -> None:
    server, token = joined(inbox_bytes=4096)
    for sequence in range(2, 12):
        server.receive_datagram(sealed(token, PacketType.PAYLOAD, sequence, bytes(1000)), PEER, 0)
    assert server.counters["payload_inbox_share"] > 0
    assert len(server.payloads()) == 10 - server.counters["payload_inbox_share"]
    server.receive_datagram(sealed(token, PacketType.PAYLOAD, 12, bytes(1000)), PEER, 0)
    assert len(server.payloads()) == 1


def test_dialect_payload_limit() -> None:
    server, token = joined(max_payload=1300)
    server.send_payload(0, bytes(1300))
    strict, token = joined()
    long = sealed_long(token, 2, bytes(1300))
    strict.receive_datagram(long, PEER, 0)
    assert reasons(strict) == {"body_size": 1}
    wide, token = joined(max_payload=1300)
    wide.receive_datagram(sealed_long(token, 2, bytes(1300)), PEER, 0)
    assert wide.payloads() == [(0, bytes(1300))]


def sealed_long(token: Any, sequence: int, body: bytes) -> bytes:
    return seal_packet(
        PacketType.PAYLOAD,
        sequence,
        body,
        protocol_id=PROTOCOL,
        key=token.client_to_server_key,
        max_payload=1300,
    )


def test_replies_that_nobody_sends_are_limited() -> None:
    server = make_server(out_bytes=4096)
    for n in range(100):
        server.receive_datagram(request(make_token(n)), ("10.2.0.1", 1000 + n), 0)
    assert server.counters["out_full"] > 50
    assert sum(len(data) for data, _ in server.send(0)) <= 4096


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"protocol_id": -1}, "protocol_id: -1"),
        ({"protocol_id": 2**64}, "protocol_id"),
        ({"protocol_id": 1.5}, "protocol_id: 1.5 is a float"),
        ({"private_key": bytes(31)}, "private_key: 31 bytes, must be 32"),
        ({"private_key": "x" * 32}, "private_key: a str"),
        ({"previous_private_key": b""}, "previous_private_key: 0 bytes"),
        ({"addresses": []}, "addresses: 0"),
        ({"addresses": ["10.0.0.1"]}, "no port"),
        ({"addresses": ["example.com:1"]}, "addresses"),
        ({"addresses": [("10.0.0.1", 1)] * 17}, "addresses: 17"),
        ({"addresses": 5}, "addresses: 5"),
        ({"max_clients": 0}, "max_clients: 0, must be 1 to 65535"),
        ({"max_clients": 65_536}, "max_clients"),
        ({"max_clients": True}, "max_clients: True is a bool"),
        ({"channels": "raw"}, "channels: a str"),
        ({"max_payload": 1301}, "max_payload: 1301"),
        ({"malformed_limit": 0}, "malformed_limit"),
        ({"flush_packets": 0}, "flush_packets"),
        ({"max_token_lifetime": -1}, "max_token_lifetime"),
        ({"token_history": 0}, "token_history"),
        ({"max_handshakes": 0}, "max_handshakes"),
        ({"token_order": "big"}, "token_order"),
        ({"inbox_bytes": 1}, "inbox_bytes"),
        ({"out_bytes": 1}, "out_bytes"),
    ],
)
def test_config_names_what_is_wrong(options: dict[str, Any], names: str) -> None:
    with pytest.raises(ConfigError, match=names):
        make_server(**options)


def test_config_keeps_its_secrets() -> None:
    config = ServerConfig(protocol_id=1, private_key=KEY, addresses="10.0.0.1:1")
    assert "private_key" not in repr(config)
    assert config.addresses == (("10.0.0.1", 1),)
    assert (config.token_history, config.max_handshakes) == (4096, 256)


def test_entropy_is_checked() -> None:
    config = ServerConfig(protocol_id=1, private_key=KEY, addresses="10.0.0.1:1")
    for bad in (lambda n: b"short", lambda n: "x" * n):
        with pytest.raises(ConfigError, match="entropy"):
            ServerEndpoint(config, entropy=bad, epoch=0.0)
    with pytest.raises(ConfigError, match="config"):
        ServerEndpoint("config", entropy=entropy(), epoch=0.0)  # type: ignore[arg-type]


def test_full_size_pool_is_made_quickly() -> None:
    server = make_server(max_clients=65_535)
    assert server.max_clients == 65_535
    world = World(server, [make_client()])
    assert isinstance(connect(world), ClientEndpoint)


@pytest.mark.parametrize("one", [("10.0.0.1", 40000), "10.0.0.1:40000", Address("10.0.0.1", 40000)])
def test_one_address_needs_no_list(one: Any) -> None:
    config = ServerConfig(protocol_id=1, private_key=bytes(range(32)), addresses=one)
    assert config.addresses == (Address("10.0.0.1", 40000),)
