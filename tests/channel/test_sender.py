"""What goes into packets and when: coalescing, turns, acks, pacing."""

from __future__ import annotations

import random

import pytest
from oracle import channel as wire

from netcode.channel import ChannelConfig, ChannelEndpoint, DeliveryMode, TransportConfig
from netcode.testing import ChannelPair, Conditions

BULK = TransportConfig(
    channels=(
        ChannelConfig(name="control"),
        ChannelConfig(name="bulk", queue_bytes=1 << 24, window_bytes=1 << 24),
        ChannelConfig(name="chat"),
        ChannelConfig(name="loose", mode=DeliveryMode.UNRELIABLE),
        ChannelConfig(name="events", mode=DeliveryMode.RELIABLE_UNORDERED),
    )
)


def test_small_messages_share_a_packet() -> None:
    end = ChannelEndpoint(BULK)
    for number in range(50):
        end.push(number % 5, b"12345678")
    (packet,) = end.build_all(0.0)
    assert len(packet) == 3 + 50 * 9 + 4 * 5 + 3


def test_an_ack_waits_for_company_but_not_long() -> None:
    a, b = ChannelEndpoint(), ChannelEndpoint()
    a.push(1, b"x")
    (packet,) = a.build_all(0.0)
    assert b.receive(packet, 0.1) is None
    assert b.build(0.15) is None
    assert b.next_deadline == pytest.approx(0.16)
    ack = b.build(b.next_deadline)
    assert ack is not None
    assert wire.parse(ack, 0, 0).acks == [(0, 0)]
    assert wire.parse(ack, 0, 0).delay == 240  # of 250 us
    assert ack[0] == 1
    assert b.next_deadline == float("inf")


def test_an_ack_rides_with_data_at_once() -> None:
    a, b = ChannelEndpoint(), ChannelEndpoint()
    a.push(1, b"x")
    assert b.receive(a.build(0.0) or b"", 0.1) is None
    b.push(1, b"y", 0.1)
    assert wire.parse(b.build(0.1) or b"").acks == [(0, 0)]
    b.push(1, b"z", 0.1)
    assert wire.parse(b.build(0.1) or b"").acks == []  # nothing new to tell


def test_the_fourth_packet_and_a_gap_hurry_the_ack() -> None:
    a, b = ChannelEndpoint(), ChannelEndpoint()
    packets = []
    for _ in range(8):
        a.push(1, b"x")
        packets.append(a.build(0.0) or b"")
    for packet in packets[:3]:
        assert b.receive(packet, 0.0) is None
    assert b.next_deadline == pytest.approx(0.06)
    assert b.receive(packets[3], 0.0) is None
    assert b.build(0.0) is None  # those that come right behind share it
    assert b.next_deadline == pytest.approx(0.001)
    assert wire.parse(b.build(0.001) or b"").acks == [(0, 3)]
    assert b.receive(packets[5], 0.01) is None  # a gap: at once
    assert wire.parse(b.build(0.01) or b"", 0, 5).acks[0] == (5, 5)
    assert b.receive(packets[6], 0.02) is None  # the peer may not know of it yet: soon
    assert b.next_deadline == pytest.approx(0.021)
    assert wire.parse(b.build(0.021) or b"", 0, 6).acks[0] == (5, 6)
    assert b.receive(packets[4], 0.03) is None  # a late one tells of reordering
    assert wire.parse(b.build(0.03) or b"", 0, 6).acks[0][1] == 6


def test_acks_are_not_acked_for_ever() -> None:
    pair = ChannelPair(0, Conditions(latency=0.01))
    pair.a.endpoint.push(1, bytes(65_536))
    pair.run(10)
    before = pair.a.endpoint.stats.packets_sent + pair.b.endpoint.stats.packets_sent
    assert pair.network.next_deadline == float("inf")
    pair.run(1000)
    assert pair.a.endpoint.stats.packets_sent + pair.b.endpoint.stats.packets_sent == before


def test_a_pure_receiver_tells_each_arrival_about_once() -> None:
    """Its acks are acked now and then, so old ranges go away; one byte a message or less."""
    pair = ChannelPair(1, Conditions(latency=0.05), flush_interval=1 / 60)
    pair.network.link("a", "b").change(loss=0.05)
    for tick in range(1200):
        for _ in range(8):
            pair.a.endpoint.push(1, tick.to_bytes(4, "little") * 8, pair.now)
        pair.run(1 / 60)
    assert pair.settle()
    stats = pair.b.endpoint.stats
    assert stats.messages_delivered == 9600
    assert stats.bytes_sent / 9600 < 1.0


def test_an_ack_storm_of_losses_still_ends() -> None:
    """Data arrives, 95 % of the acks do not."""
    pair = ChannelPair(2, Conditions(latency=0.05))
    pair.network.link("b", "a").change(loss=0.95)
    sent = [random.Random(i).randbytes(3_000) for i in range(30)]
    for data in sent:
        pair.a.endpoint.push(1, data)
    assert pair.settle(timeout=600), pair
    assert pair.b.messages(1) == sent
    assert pair.a.endpoint.stats.packets_sent < 3_000


def test_bulk_does_not_starve_the_others() -> None:
    pair = ChannelPair(3, Conditions(latency=0.03), config=BULK, flush_interval=1 / 60)
    for _ in range(100):
        pair.a.endpoint.push(1, bytes(65_536))
    waits: dict[int, list[float]] = {0: [], 2: [], 3: [], 4: []}
    for tick in range(100):
        for channel in waits:
            pair.a.endpoint.push(channel, tick.to_bytes(2, "little") + bytes(900), pair.now)
        start = pair.now
        pair.run(1 / 60)
        for channel in waits:
            while len(waits[channel]) < len(pair.b.messages(channel)):
                waits[channel].append(start - len(waits[channel]) / 60)
    assert pair.a.endpoint.stats.bytes_queued > 0, "bulk was over too soon to tell"
    for channel, seen in waits.items():
        assert len(seen) > 85, channel
        assert max(seen) < 0.2, channel


def test_two_bulk_channels_share_alike() -> None:
    config = TransportConfig(
        channels=tuple(
            ChannelConfig(name=str(i), queue_bytes=1 << 24, window_bytes=1 << 24) for i in range(4)
        ),
        send_window=1 << 17,
    )
    pair = ChannelPair(4, Conditions(latency=0.03, loss=0.02), config=config)
    sizes = {1: 65_000, 2: 1_000, 3: 100}
    for channel, size in sizes.items():
        for _ in range(min(6_000_000 // size, 8_000)):
            pair.a.endpoint.push(channel, bytes(size))
    pair.run(1.0)
    got = {c: sum(len(m) for m in pair.b.messages(c)) for c in sizes}
    assert all(got.values()), got
    assert max(got.values()) < 1.25 * min(got.values()), got


def test_frames_and_unreliable_go_on_beside_a_full_window() -> None:
    config = TransportConfig(channels=BULK.channels, send_window=5_000)
    end = ChannelEndpoint(config)
    end.push(1, bytes(65_536))
    end.build_all(0.0)
    assert 5_000 <= end.stats.bytes_in_flight < 5_000 + 1_200
    end.push_frame(0x40, b"snapshot")
    packets = end.build_all(0.001)
    assert [wire.parse(p, 6).frames for p in packets] == [[(0x40, b"snapshot")]]


def test_the_window_bounds_what_is_in_flight_and_the_pace_spreads_it() -> None:
    config = TransportConfig(channels=BULK.channels, send_rate=100_000, send_window=1 << 20)
    end = ChannelEndpoint(config)
    end.push(1, bytes(65_536))
    at: list[tuple[float, int]] = []
    now = 0.0
    while end.stats.bytes_in_flight < 65_536 and now < 10:
        at += [(now, len(packet)) for packet in end.build_all(now)]
        assert end.next_deadline > now
        now = min(end.next_deadline, now + 1 / 60)
        if now > 0.3:
            break
    burst = sum(size for when, size in at if when == 0.0)
    assert burst <= 12_000 + 1_200
    total = sum(size for _, size in at)
    assert total == pytest.approx(12_000 + 100_000 * 0.3, rel=0.1)


def test_64_kib_does_not_flood_a_slow_flush() -> None:
    end = ChannelEndpoint()
    end.push(1, bytes(65_536))
    first = sum(len(p) for p in end.build_all(0.0))
    assert first <= 13_200
    second = sum(len(p) for p in end.build_all(1 / 60))
    assert 3_000 < second < 8_000  # the first window; more when acks have come
    assert not end.build_all(2 / 60)


def test_a_path_that_shrinks_gets_smaller_pieces() -> None:
    """A whole message and fragments are cut anew when a smaller packet must carry them."""
    a, b = ChannelEndpoint(), ChannelEndpoint()
    whole, large = random.Random(1).randbytes(1_000), random.Random(2).randbytes(20_000)
    a.push(1, whole)
    a.push(1, large)
    a.push(1, b"after")
    assert len(a.build_all(0.0, 1200)) > 5  # all lost
    now = 0.0
    while b.stats.messages_delivered < 3:
        now = min(a.next_deadline, b.next_deadline, now + 0.05)
        for packet in a.build_all(now, 548):
            assert len(packet) <= 548
            assert b.receive(packet, now) is None
        for packet in b.build_all(now, 548):
            assert a.receive(packet, now) is None
        assert now < 60
    assert [m.data for m in b.drain()] == [whole, large, b"after"]


def test_a_frame_too_large_for_the_packet_is_dropped_not_stuck() -> None:
    end = ChannelEndpoint()
    end.push_frame(0x40, bytes(1_100))
    end.push_frame(0x41, b"small")
    end.push(1, b"message")
    (packet,) = end.build_all(0.0, 548)
    assert wire.parse(packet).frames == [(0x41, b"small"), (1, 1, 0, [b"message"])]
    assert end.next_deadline > 0.0
