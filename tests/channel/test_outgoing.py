"""What the sender keeps, sends again and lets go of."""

from __future__ import annotations

import random

import pytest
from oracle import channel as wire

from netcode.channel import ChannelConfig, ChannelEndpoint, DeliveryMode, TransportConfig
from netcode.testing import ChannelPair, Conditions


def parsed(end: ChannelEndpoint, now: float, near: int = 0) -> list[tuple[object, ...]]:
    return [f for p in end.build_all(now) for f in wire.parse(p, near).frames]


def test_the_window_in_messages_stops_the_sender() -> None:
    config = TransportConfig(
        channels=(ChannelConfig(name="c", window_messages=3), ChannelConfig(name="d"))
    )
    end = ChannelEndpoint(config)
    for number in range(5):
        end.push(0, bytes([number]))
        end.push(1, bytes([number]))
    frames = parsed(end, 0.0)
    assert frames == [
        (1, 0, 0, [b"\0", b"\1", b"\2"]),
        (1, 1, 0, [b"\0", b"\1", b"\2", b"\3", b"\4"]),
    ]
    assert end.receive(wire.packet(0, acks=wire.encode_acks([(0, 0)])), 0.1) is None
    assert parsed(end, 0.1) == [(1, 0, 3, [b"\3", b"\4"])]


def test_the_window_in_bytes_counts_from_the_oldest_missing() -> None:
    """What the receiver must hold back counts until the message before it is acked."""
    config = TransportConfig(
        channels=(ChannelConfig(name="c", max_message=1_000, window_bytes=2_500),)
    )
    end = ChannelEndpoint(config)
    for _ in range(5):
        end.push(0, bytes(1_000))
    assert len(parsed(end, 0.0)) == 2
    assert end.receive(wire.packet(0, acks=wire.encode_acks([(1, 1)])), 0.1) is None
    assert parsed(end, 0.1) == []
    assert end.receive(wire.packet(1, acks=wire.encode_acks([(0, 1)])), 0.11) is None
    assert len(parsed(end, 0.11)) == 2


def test_only_the_lost_units_go_again() -> None:
    end = ChannelEndpoint()
    data = random.Random(1).randbytes(6_000)
    end.push(1, data)
    packets = end.build_all(0.0)
    assert len(packets) == 6
    lost = wire.parse(packets[1]).frames[0]
    assert end.receive(wire.packet(0, acks=wire.encode_acks([(2, 5), (0, 0)])), 0.1) is None
    assert parsed(end, 0.1) == [lost]
    assert end.receive(wire.packet(1, acks=wire.encode_acks([(6, 6)])), 0.2) is None
    assert end.idle
    assert end.stats.bytes_queued == 0


def test_a_late_ack_cancels_what_waits_to_go_again() -> None:
    config = TransportConfig(send_window=6_000)
    end = ChannelEndpoint(config)
    for number in range(8):
        end.push(1, bytes([number]) * 1_000)
    assert len(end.build_all(0.0)) == 6
    assert end.receive(wire.packet(0, acks=wire.encode_acks([(3, 5)])), 0.1) is None
    # 0 to 2 are lost; before they go again, acks of two of them come.
    assert end.receive(wire.packet(1, acks=wire.encode_acks([(3, 5), (0, 1)])), 0.1) is None
    frames = parsed(end, 0.1)
    assert [(f[2], len(f[3])) for f in frames] == [(2, 1), (6, 1), (7, 1)]  # type: ignore[arg-type]


def test_a_message_is_sent_once_while_its_packet_is_out() -> None:
    end = ChannelEndpoint()
    end.push(1, b"once")
    assert len(parsed(end, 0.0)) == 1
    for step in range(30):
        assert parsed(end, step * 0.01) == []


def test_unreliable_messages_are_forgotten_once_sent() -> None:
    config = TransportConfig(
        channels=(
            ChannelConfig(name="c"),
            ChannelConfig(name="u", mode=DeliveryMode.UNRELIABLE_SEQUENCED),
        )
    )
    end = ChannelEndpoint(config)
    end.push(1, bytes(5_000))
    end.push(1, b"small")
    assert not end.idle
    frames = parsed(end, 0.0)
    assert [f[0] for f in frames] == [4, 4, 4, 4, 4, 3]
    assert end.idle
    assert end.stats.bytes_queued == 0
    assert parsed(end, 10.0) == []


def test_queues_give_their_memory_back() -> None:
    a, b = ChannelEndpoint(), ChannelEndpoint()
    now = 0.0
    for number in range(8_000):
        a.push(1, number.to_bytes(2, "little"))
    large = a.stats.memory
    while not a.idle:
        for packet in a.build_all(now):
            assert b.receive(packet, now) is None
        for packet in b.build_all(now):
            assert a.receive(packet, now) is None
        now += 0.03
    assert len(b.drain()) == 8_000
    assert large > 200_000
    assert a.stats.memory < 20_000
    assert b.stats.memory < 20_000


def bulk(pair: ChannelPair, size: int) -> int:
    """Send so many bytes; the most memory that took."""
    pair.a.endpoint.push(1, bytes(size), pair.now)
    most = 0
    while not pair.b.messages(1) or len(pair.b.messages(1)[-1]) != size:
        pair.run(0.02)
        most = max(most, pair.a.endpoint.stats.memory - pair.a.endpoint.stats.bytes_queued)
    return most


WIDE = TransportConfig(
    channels=(
        ChannelConfig(name="control"),
        ChannelConfig(name="bulk", max_message=4 << 20, queue_bytes=8 << 20, window_bytes=8 << 20),
        ChannelConfig(name="game", mode=DeliveryMode.UNRELIABLE, priority=1),
    )
)


@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_the_rings_of_packets_shrink_when_bulk_is_over(loss: float) -> None:
    pair = ChannelPair(7, Conditions(latency=0.05, loss=loss), config=WIDE)
    most = bulk(pair, 3_000_000)
    assert most > 100_000
    assert pair.settle()
    # Nothing follows, and yet it is given back.
    assert pair.a.endpoint.stats.memory < 25_000
    assert bulk(pair, 3_000_001) > 100_000  # and it grows again


def test_the_rings_of_packets_shrink_beside_a_game_that_goes_on() -> None:
    pair = ChannelPair(7, Conditions(latency=0.1, loss=0.02), config=WIDE)

    def play(seconds: float) -> None:
        for _ in range(int(seconds * 60)):
            pair.a.endpoint.push(2, b"position", pair.now)
            pair.run(1 / 60)

    most = bulk(pair, 3_000_000)
    assert most > 100_000
    play(3.0)
    assert pair.a.endpoint.stats.bytes_in_flight > 0
    assert pair.a.endpoint.stats.memory < 25_000
    assert len(pair.b.messages(2)) > 150


def test_one_message_a_tick_lives_in_the_memory_of_the_last() -> None:
    """Sizes up and down: the bytes are right, and what is kept for the next stays small."""
    rng = random.Random(3)
    end, other = ChannelEndpoint(), ChannelEndpoint()
    unreliable = TransportConfig().channel("unreliable")
    seen = []
    for tick in range(400):
        now = tick * 0.05
        data = [
            rng.randbytes(rng.choice((0, 1, 63, 64, 65, 300, 1024, 1025, 3000)))
            for _ in range(rng.randrange(1, 4))
        ]
        for each in data:
            end.push(unreliable, each, now)
        for packet in end.build_all(now):
            assert other.receive(packet, now) is None
        assert sorted(each.data for each in other.drain()) == sorted(data)
        for packet in other.build_all(now):
            assert end.receive(packet, now) is None
        seen.append(end.stats.memory)
    assert max(seen[200:]) == max(seen[:200])
    assert max(seen) < 6_000
