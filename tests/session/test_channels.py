"""Messages and frames over encrypted connections, and what keeps one peer from hurting others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from session.harness import (
    EPOCH,
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

from netcode.channel import TransportConfig
from netcode.errors import ChannelFull, ConfigError, ConnectionClosed, EncodeError
from netcode.security import PacketType, seal_challenge
from netcode.session import ClientEndpoint, DisconnectReason, ServerEndpoint

CHANNELS = TransportConfig()
RELIABLE, UNRELIABLE = CHANNELS.channel("reliable"), CHANNELS.channel("unreliable")
PEER = ("10.1.0.1", 50000)


def world_of(count: int, **link: Any) -> World:
    world = World(
        make_server(max_clients=max(count, 1), channels=CHANNELS),
        [
            make_client(make_token(n, timeout=10, expires_in=60), channels=CHANNELS)
            for n in range(count)
        ],
        **link,
    )
    world.until(lambda: all(c.state == 3 for c in world.clients.values()), 60)
    world.server.events()
    return world


def only(world: World) -> ClientEndpoint:
    (client,) = world.clients.values()
    return client


def test_both_ways() -> None:
    world = world_of(1)
    client = only(world)
    client.push(RELIABLE, b"up")
    client.push(UNRELIABLE, b"quick")
    client.push_frame(0x41, b"frame up")
    world.server.push(0, RELIABLE, b"down")
    world.server.push_frame(0, 0x40, b"frame down")
    world.run(0.1)
    assert sorted(world.server.messages()) == [(0, RELIABLE, b"up"), (0, UNRELIABLE, b"quick")]
    assert world.server.frames() == [(0, 0x41, b"frame up")]
    assert client.messages() == [(0, RELIABLE, b"down")]
    assert client.frames() == [(0, 0x40, b"frame down")]
    assert world.server.messages() == client.frames() == []


def test_push_leaves_in_the_next_send() -> None:
    world = world_of(1)
    world.run(0.5)
    for endpoint, push in (
        (world.server, lambda: world.server.push(0, RELIABLE, b"x")),
        (only(world), lambda: only(world).push(RELIABLE, b"x")),
    ):
        endpoint.update(world.now)
        endpoint.send(world.now)
        push()
        assert endpoint.next_deadline <= world.now
        assert len(endpoint.send(world.now)) == 1
        assert endpoint.next_deadline > world.now


def test_messages_of_64_kib_and_empty_ones() -> None:
    world = world_of(1)
    large = bytes(range(256)) * 256
    only(world).push(RELIABLE, large)
    only(world).push(RELIABLE, b"")
    world.server.push(0, RELIABLE, large)
    world.run(3)
    assert world.server.messages() == [(0, RELIABLE, large), (0, RELIABLE, b"")]
    assert only(world).messages() == [(0, RELIABLE, large)]


def test_sixty_four_clients_over_a_bad_link() -> None:
    """20 % loss, 100 ms, jitter, reordering, doubles: each message once, in order, both ways."""
    world = world_of(64, loss=0.2, duplicate=0.1, latency=0.1, jitter=0.05, seed=7)
    server = world.server
    clients = list(world.clients.values())
    up: dict[int, list[bytes]] = {n: [] for n in range(64)}
    down: dict[int, list[bytes]] = {n: [] for n in range(64)}
    count = 20
    for number in range(count):
        for client in clients:
            client.push(RELIABLE, b"up %d" % number)
            client.push(UNRELIABLE, b"?")
        for index in server.connected:
            server.push(index, RELIABLE, b"down %d" % number)
        world.run(0.05)
    for _ in range(100):
        for index, channel, data in server.messages():
            if channel == RELIABLE:
                up[index].append(data)
        for client in clients:
            down[client.client_index] += [d for _, c, d in client.messages() if c == RELIABLE]
        if all(len(x) >= count for x in [*up.values(), *down.values()]):
            break
        world.run(0.1)
    assert server.connected == list(range(64))
    assert all(x == [b"up %d" % n for n in range(count)] for x in up.values())
    assert all(x == [b"down %d" % n for n in range(count)] for x in down.values())
    stats = server.stats(0)
    assert stats.transport is not None
    assert 0.2 < stats.rtt < 0.5
    assert 0 < stats.packet_loss < 0.6
    assert stats.jitter > 0
    assert "payload_malformed" not in reasons(server)


def repeat(call: Callable[..., None], *arguments: Any) -> None:
    for _ in range(1000):
        call(*arguments)


@pytest.mark.parametrize("end", ["server", "client"])
def test_misuse_raises(end: str) -> None:
    world = world_of(1)
    push: Callable[..., None]
    frame: Callable[..., None]
    if end == "server":
        push = lambda *args: world.server.push(0, *args)  # noqa: E731
        frame = lambda *args: world.server.push_frame(0, *args)  # noqa: E731
        payload: Callable[..., None] = lambda data: world.server.send_payload(0, data)  # noqa: E731
    else:
        client = only(world)
        push, frame, payload = client.push, client.push_frame, client.send_payload
    for channel in (-1, 3, 255):
        with pytest.raises(ConfigError, match="does not exist"):
            push(channel, b"x")
    with pytest.raises(EncodeError, match="65537 bytes"):
        push(RELIABLE, bytes(65_537))
    with pytest.raises(ChannelFull):
        repeat(push, RELIABLE, bytes(65_536))
    for kind in (0x3F, 0x80):
        with pytest.raises(ConfigError, match="frame kind"):
            frame(kind, b"x")
    with pytest.raises(EncodeError, match="1153 bytes"):
        frame(0x40, bytes(1153))
    with pytest.raises(ChannelFull):
        repeat(frame, 0x40, bytes(1152))
    with pytest.raises(ConfigError, match="push a message"):
        payload(b"x")


def test_push_needs_a_connection() -> None:
    client = make_client(channels=CHANNELS)
    with pytest.raises(ConnectionClosed):
        client.push(RELIABLE, b"x")
    with pytest.raises(ConnectionClosed):
        make_server(channels=CHANNELS).push(0, RELIABLE, b"x")


def connected_by_hand(**options: Any) -> tuple[ServerEndpoint, Any]:
    server, token = make_server(channels=CHANNELS, **options), make_token()
    server.receive_datagram(request(token), PEER, 0)
    body = opened(token, server.send(0)[0][0]).body
    server.receive_datagram(sealed(token, PacketType.RESPONSE, 1, body), PEER, 0)
    server.send(0)
    server.events()
    return server, token


def test_malformed_payloads_end_the_connection() -> None:
    server, token = connected_by_hand(malformed_limit=3)
    for sequence in (2, 3):
        server.receive_datagram(sealed(token, PacketType.PAYLOAD, sequence, b"\xff\xff"), PEER, 0)
    assert server.connected == [0]
    server.receive_datagram(sealed(token, PacketType.PAYLOAD, 4, b"\xff\xff"), PEER, 0)
    assert server.connected == []
    assert server.events()[0].reason is DisconnectReason.PROTOCOL_VIOLATION
    assert [opened(token, data).type for data, _ in server.send(0)] == [6] * 10
    counters = server.counters
    assert counters["payload_malformed"] == 3
    assert sum(v for k, v in counters.items() if k.startswith("malformed_")) == 3


def test_client_leaves_a_malformed_server() -> None:
    from session.test_client import from_server

    token = make_token()
    client = make_client(token, channels=CHANNELS, malformed_limit=1)
    client.send(0)
    server = ("10.0.0.1", 40000)
    client.receive_datagram(from_server(token, 2, 0, bytes(308)), server, 0)
    client.receive_datagram(from_server(token, 4, 1, bytes(8)), server, 0)
    client.send(0)
    client.receive_datagram(from_server(token, 5, 2, b"\xff"), server, 0)
    assert client.state == 0
    assert client.events()[-1].reason is DisconnectReason.PROTOCOL_VIOLATION
    assert len(client.send(0)) == 10


def test_undrained_messages_push_back_and_nothing_is_lost() -> None:
    world = World(
        make_server(channels=CHANNELS, inbox_bytes=8192), [make_client(channels=CHANNELS)]
    )
    client = connect(world)
    for number in range(100):
        client.push(RELIABLE, b"%04d" % number + bytes(500))
    world.run(2)
    assert world.server.counters["payload_inbox_share"] > 0
    got = []
    for _ in range(200):
        got += world.server.messages()
        world.run(0.1)
    assert [data[:4] for _, _, data in got] == [b"%04d" % n for n in range(100)]
    assert client.state == 3


def test_frames_that_nobody_drains_are_dropped_and_messages_still_flow() -> None:
    world = World(
        make_server(channels=CHANNELS, inbox_bytes=8192), [make_client(channels=CHANNELS)]
    )
    client = connect(world)
    got = 0
    for number in range(50):
        client.push_frame(0x50, bytes(1000))
        client.push(RELIABLE, b"%d" % number)
        world.run(0.05)
        got += len(world.server.messages())
    world.run(0.5)
    got += len(world.server.messages())
    assert got == 50
    assert world.server.counters["frames_dropped"] > 20
    assert len(world.server.frames()) < 20


def test_messages_survive_an_application_that_reads_frames_only() -> None:
    world = World(
        make_server(channels=CHANNELS, inbox_bytes=8192), [make_client(channels=CHANNELS)]
    )
    client = connect(world)
    for number in range(100):
        client.push(RELIABLE, b"%04d" % number + bytes(500))
        world.run(0.02)
        world.server.frames()
    got = []
    for _ in range(200):
        got += world.server.messages()
        world.run(0.1)
    assert [data[:4] for _, _, data in got] == [b"%04d" % n for n in range(100)]


def test_flush_is_bounded_and_goes_on() -> None:
    world = World(make_server(channels=CHANNELS, flush_packets=4), [make_client(channels=CHANNELS)])
    connect(world)
    world.run(0.5)
    world.server.push(0, RELIABLE, bytes(40_000))
    world.server.update(world.now)
    assert len(world.server.send(world.now)) == 4
    assert world.server.next_deadline <= world.now
    assert len(world.server.send(world.now)) == 4


def test_new_owner_of_a_slot_starts_clean() -> None:
    world = world_of(1)
    only(world).push(RELIABLE, b"old")
    world.server.push(0, RELIABLE, b"for the old one")
    only(world).disconnect()
    world.run(0.1)
    world.server.messages()
    world.server.events()
    fresh = make_client(
        make_token(0, entropy=entropy(99), unix_now=EPOCH + world.now), channels=CHANNELS
    )
    world.add(fresh)
    world.run(1)
    fresh.push(RELIABLE, b"new")
    world.run(0.2)
    assert world.server.messages() == [(0, RELIABLE, b"new")]
    assert fresh.messages() == []


def test_slots_change_owners_between_sends() -> None:
    """Connect, push and leave many times without a send: the list of what to flush holds."""
    server = make_server(channels=CHANNELS, max_clients=1)
    challenge_key = entropy()(32)
    for number in range(50):
        token = make_token(number)
        challenge = number.to_bytes(8, "little") + seal_challenge(
            number, bytes(256), sequence=number, key=challenge_key
        )
        server.receive_datagram(request(token), PEER, 0)
        server.receive_datagram(sealed(token, PacketType.RESPONSE, 1, challenge), PEER, 0)
        for _ in range(3):
            server.push(0, RELIABLE, b"x")
        if number < 49:
            server.disconnect(0)
        server.events()
    sent = [opened(token, data) for data, _ in server.send(0)]
    assert [p.type for p in sent if p.reason == "ok"] == [
        PacketType.CHALLENGE,
        PacketType.KEEP_ALIVE,
        PacketType.KEEP_ALIVE,
        PacketType.PAYLOAD,
    ]


def test_max_payload_must_carry_every_frame() -> None:
    with pytest.raises(ConfigError, match="max_payload: 1199, must be at least 1200"):
        make_server(channels=CHANNELS, max_payload=1199)


def test_an_ack_is_due_whatever_is_called_before_the_deadline_is_asked() -> None:
    """Deadlines that come nearer while receiving are known to all that look at them later."""
    for calls in (("next_deadline",), ("update", "next_deadline"), ("send", "next_deadline")):
        world = world_of(1)
        world.run(0.5)
        client, server = only(world), world.server
        now = server.next_deadline
        server.send(now)
        idle = server.next_deadline
        client.push(RELIABLE, b"x")
        for data, _ in client.send(now):
            server.receive_datagram(data, next(iter(world.clients)), now)
        for call in calls:
            if call != "next_deadline":
                getattr(server, call)(now)
        due = server.next_deadline
        assert now <= due <= now + CHANNELS.max_ack_delay < idle
        assert len(server.send(due)) == 1
        assert server.next_deadline > due


def test_a_slot_that_changes_owners_after_it_was_heard_has_the_new_ones_deadline() -> None:
    world = world_of(2)
    server = world.server
    server.send(world.now)
    for address, client in world.clients.items():
        client.push(UNRELIABLE, b"x")
        for data, _ in client.send(world.now):
            server.receive_datagram(data, address, world.now)
    server.disconnect(0)
    server.events()
    token = make_token(9, timeout=3, expires_in=60)
    address = ("10.9.9.9", 50_000)
    late = make_client(token, channels=CHANNELS)
    for _ in range(3):
        for data, _ in late.send(world.now):
            server.receive_datagram(data, address, world.now)
        for data, to in server.send(world.now):
            if to == address:
                late.receive_datagram(data, SERVER, world.now)
    assert server.client(0).client_id == 9
    world.clients.clear()
    server.send(world.now)
    server.update(world.now + 3.01)
    assert server.connected == [1]
