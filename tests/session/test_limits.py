"""What one address and one client may cost the others."""

from __future__ import annotations

from typing import Any

import pytest
from session.harness import (
    World,
    connect,
    make_client,
    make_server,
    make_token,
    opened,
    reasons,
    request,
    sealed,
)

from netcode.channel import TransportConfig
from netcode.errors import ConfigError
from netcode.security import PacketType
from netcode.session import ClientDisconnected, DatagramBatch, DisconnectReason
from netcode.session.limiter import HandshakeLimiter

PEER = ("10.1.0.1", 50000)
OTHER = ("10.1.0.2", 50000)
SECRET = bytes(range(16))
CHANNELS = TransportConfig()
UNRELIABLE = CHANNELS.channel("unreliable")


# Failed handshakes


def test_a_bucket_empties_and_fills() -> None:
    limiter = HandshakeLimiter(10, 5, SECRET)
    for _ in range(5):
        assert limiter.allows(PEER, 0)
        limiter.charge(PEER, 0)
    assert not limiter.allows(PEER, 0)
    assert not limiter.allows(("10.1.0.1", 1), 0)  # the port does not matter
    assert limiter.allows(OTHER, 0)
    assert not limiter.allows(PEER, 0.09)
    assert limiter.allows(PEER, 0.11)
    limiter.charge(PEER, 0.11)
    assert not limiter.allows(PEER, 0.12)
    for _ in range(5):
        assert limiter.allows(PEER, 60)
        limiter.charge(PEER, 60)
    assert not limiter.allows(PEER, 60)


def test_prefixes() -> None:
    limiter = HandshakeLimiter(1, 1, SECRET)
    limiter.charge(("2001:db8:1:2::1", 1), 0)
    assert not limiter.allows(("2001:db8:1:2:ffff::2", 2), 0)
    assert limiter.allows(("2001:db8:1:3::1", 1), 0)
    limiter.charge(("::ffff:10.0.0.7", 1), 0)
    assert not limiter.allows(("10.0.0.7", 1), 0)
    assert limiter.allows(("10.0.0.8", 1), 0)


def test_a_thousand_floods_do_not_shut_out_the_rest() -> None:
    limiter = HandshakeLimiter(1, 1, SECRET)
    for number in range(1000):
        limiter.charge((f"10.2.{number >> 8}.{number & 255}", 1), 0, 100.0)
    shut = sum(not limiter.allows((f"10.3.{n >> 8}.{n & 255}", 1), 0) for n in range(2000))
    # Both buckets have to be a flooder's: (1000 / 8192) squared of them.
    assert shut < 2000 * 0.03


def test_no_limit_and_misuse() -> None:
    limiter = HandshakeLimiter(0, 1, SECRET)
    limiter.charge(PEER, 0, 1e6)
    assert limiter.allows(PEER, 0)
    for arguments in ((-1, 1, SECRET), (1, 0, SECRET), (1, 1, b"short")):
        with pytest.raises(ConfigError):
            HandshakeLimiter(*arguments)


def test_forged_requests_are_dropped_before_decryption() -> None:
    server = make_server(handshake_rate=10, handshake_burst=20)
    forged = bytearray(request(make_token()))
    forged[-1] ^= 1
    for _ in range(50):
        server.receive_datagram(forged, PEER, 0)
    assert reasons(server) == {"request_forged": 20, "request_rate": 30}
    server.receive_datagram(request(make_token(1)), PEER, 0)
    assert len(server.send(0)) == 0  # shares the address
    server.receive_datagram(request(make_token(2)), OTHER, 0)
    assert len(server.send(0)) == 1
    server.receive_datagram(request(make_token(1)), PEER, 0.2)
    assert len(server.send(0.2)) == 1


def test_fresh_tokens_cost_nothing_and_repeated_ones_an_eighth() -> None:
    server = make_server(max_clients=300, handshake_rate=10, handshake_burst=10)
    for number in range(300):
        server.receive_datagram(request(make_token(number)), ("10.1.0.1", 1000 + number), 0)
    assert len(server.send(0)) == 300
    for _ in range(100):
        server.receive_datagram(request(make_token(7)), ("10.1.0.1", 1007), 0)
    assert 70 <= len(server.send(0)) <= 80  # of the burst of 10, an eighth each
    assert set(reasons(server)) == {"request_rate"}


def test_forged_responses_are_dropped_before_decryption() -> None:
    server, token = make_server(handshake_rate=10, handshake_burst=20), make_token()
    server.receive_datagram(request(token), PEER, 0)
    body = opened(token, server.send(0)[0][0]).body
    forged = bytearray(sealed(token, PacketType.RESPONSE, 1, body))
    forged[-1] ^= 1
    for _ in range(50):
        server.receive_datagram(forged, PEER, 0)
    assert reasons(server) == {"forged": 20, "response_rate": 30}
    server.receive_datagram(sealed(token, PacketType.RESPONSE, 2, body), PEER, 0.2)
    assert server.connected == [0]


# A client's messages and bytes


def joined_server(**options: Any) -> tuple[Any, Any]:
    server, token = make_server(**options), make_token()
    server.receive_datagram(request(token), PEER, 0)
    body = opened(token, server.send(0)[0][0]).body
    server.receive_datagram(sealed(token, PacketType.RESPONSE, 1, body), PEER, 0)
    server.send(0)
    server.events()
    return server, token


@pytest.mark.parametrize(
    ("options", "taken"), [({"receive_messages": 20}, 21), ({"receive_bytes": 4000}, 9)]
)
def test_too_much_at_once_is_dropped_and_later_taken(options: dict[str, int], taken: int) -> None:
    server, token = joined_server(**options)
    for sequence in range(2, 42):
        data = sealed(token, PacketType.PAYLOAD, sequence, bytes(480))  # 500 bytes and a few
        server.receive_datagram(data, PEER, 0)
    assert abs(len(server.payloads()) - taken) <= 1
    dropped = server.counters["rate_limited"]
    assert abs(dropped - (40 - taken)) <= 1
    server.receive_datagram(sealed(token, PacketType.PAYLOAD, 50, b"later"), PEER, 1.2)
    assert server.payloads() == [(0, b"later")]
    assert reasons(server) == {"rate_limited": dropped}


def test_a_flood_disconnects() -> None:
    server, token = joined_server(receive_messages=10, flood_limit=30)
    for sequence in range(2, 100):
        server.receive_datagram(sealed(token, PacketType.PAYLOAD, sequence, b"x"), PEER, 0)
    assert [(e.index, e.reason) for e in server.events() if isinstance(e, ClientDisconnected)] == [
        (0, DisconnectReason.FLOOD)
    ]
    assert server.counters["flooded"] == 1
    assert server.counters["rate_limited"] == 31
    leaving = [opened(token, data).type for data, _ in server.send(0)]
    assert leaving[-10:] == [PacketType.DISCONNECT] * 10
    assert server.connected == []
    assert server.counters["unknown_sender"] > 50  # the rest is cheap


def test_drops_are_forgiven_in_time() -> None:
    server, token = joined_server(receive_messages=10, flood_limit=30)
    sequence = 2
    for second in range(0, 60, 2):
        for _ in range(15):
            data = sealed(token, PacketType.PAYLOAD, sequence, b"x")
            server.receive_datagram(data, PEER, float(second))
            sequence += 1
    assert server.connected == [0]
    assert server.counters["rate_limited"] > 60


def test_keep_alive_packets_count_as_well() -> None:
    server, token = joined_server(receive_messages=10, flood_limit=30)
    for sequence in range(2, 100):
        data = sealed(token, PacketType.KEEP_ALIVE, sequence, bytes(8))
        server.receive_datagram(data, PEER, 0)
    assert server.connected == []


def test_many_messages_in_one_datagram_count_each() -> None:
    world = World(
        make_server(channels=CHANNELS, receive_messages=100), [make_client(channels=CHANNELS)]
    )
    client = connect(world)
    for _ in range(1000):
        client.push(UNRELIABLE, b"x")
    world.run(0.2)
    assert 100 <= len(world.server.messages()) < 900  # the packet that passes the limit counts
    assert world.server.counters["rate_limited"] > 0
    assert world.server.connected == [0]


def test_reliable_messages_above_the_limit_arrive_later() -> None:
    world = World(
        make_server(channels=CHANNELS, receive_bytes=20_000), [make_client(channels=CHANNELS)]
    )
    client = connect(world)
    sent = [b"%03d" % n + bytes(997) for n in range(60)]
    for data in sent:
        client.push(1, data)
    got: list[bytes] = []

    def drain() -> bool:
        got.extend(data for _, _, data in world.server.messages())
        return len(got) == 60

    world.until(drain, 30)
    assert got == sent
    assert world.server.counters["rate_limited"] > 0
    assert world.now > 1.5


# The inbox


def test_one_client_cannot_fill_the_inbox() -> None:
    server = make_server(channels=None, inbox_bytes=64_000)
    tokens = [make_token(1), make_token(2)]
    for token, peer in zip(tokens, (PEER, OTHER), strict=True):
        server.receive_datagram(request(token), peer, 0)
        body = opened(token, server.send(0)[0][0]).body
        server.receive_datagram(sealed(token, PacketType.RESPONSE, 1, body), peer, 0)
        server.send(0)
    flood = DatagramBatch()
    for sequence in range(2, 200):
        flood.append(sealed(tokens[0], PacketType.PAYLOAD, sequence, bytes(1000)), PEER)
    server.receive(flood, 0)
    quiet = DatagramBatch()
    for sequence in range(2, 12):
        quiet.append(sealed(tokens[1], PacketType.PAYLOAD, sequence, bytes(1000)), OTHER)
    server.receive(quiet, 0)
    senders = [index for index, _ in server.payloads()]
    assert senders.count(1) == 10
    assert 30 <= senders.count(0) <= 34
    assert server.counters["payload_inbox_share"] == 198 - senders.count(0)
    # Read, and the share is there again.
    server.receive_datagram(sealed(tokens[0], PacketType.PAYLOAD, 300, b"x"), PEER, 0)
    assert server.payloads() == [(0, b"x")]


def test_settings_are_checked() -> None:
    for name, value in (
        ("handshake_rate", -1),
        ("handshake_burst", 0),
        ("receive_messages", -1),
        ("receive_bytes", -1),
        ("flood_limit", 0),
    ):
        with pytest.raises(ConfigError, match=name):
            make_server(**{name: value})
    server, token = joined_server(receive_messages=0, receive_bytes=0)
    for sequence in range(2, 2000):
        server.receive_datagram(sealed(token, PacketType.PAYLOAD, sequence, b"x"), PEER, 0)
    assert len(server.payloads()) == 1998
