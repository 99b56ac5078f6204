"""Round-trip time, loss detection, probes: the sender's judgement."""

from __future__ import annotations

import itertools

import pytest
from oracle import channel as wire

from netcode.channel import ChannelEndpoint, Message, TransportConfig
from netcode.testing import ChannelPair, Conditions


def send(end: ChannelEndpoint, now: float, data: bytes = b"x") -> bytes:
    """One packet with one reliable message."""
    end.push(1, data, now)
    packet = end.build(now)
    assert packet is not None
    assert end.build(now) is None
    return packet


class Acker:
    """A peer that acks exactly what it is told to."""

    def __init__(self, end: ChannelEndpoint) -> None:
        self.end = end
        self.sequence = 0

    def ack(self, now: float, *ranges: tuple[int, int], delay: float = 0.0) -> None:
        block = wire.encode_acks(list(ranges), round(delay / 250e-6))
        assert self.end.receive(wire.packet(self.sequence, acks=block), now) is None
        self.sequence += 1


def test_rtt_follows_rfc_6298_with_the_ack_delay_taken_out() -> None:
    end = ChannelEndpoint()
    peer = Acker(end)
    srtt = rttvar = 0.0
    jitter, previous, now = 0.0, None, 0.0
    for sequence, (rtt, delay) in enumerate(
        [(0.1, 0.0), (0.14, 0.02), (0.1, 0.02), (0.3, 0.0), (0.05, 0.01), (0.2, 0.02), (0.3, 0.2)]
    ):
        send(end, now)
        peer.ack(now + rtt, (sequence, sequence), delay=delay)
        sample = rtt - min(delay, 0.06)  # no more than max_ack_delay is believed
        low = min(sample, low) if sequence else sample  # noqa: F821
        if previous is None:
            srtt, rttvar = sample, sample / 2
        else:
            jitter += (abs(sample - previous) - jitter) / 16
            rttvar += (abs(srtt - sample) - rttvar) / 4
            srtt += (sample - srtt) / 8
        previous = sample
        stats = end.stats
        assert stats.rtt == pytest.approx(srtt)
        assert stats.rtt_variance == pytest.approx(rttvar)
        assert stats.jitter == pytest.approx(jitter)
        assert stats.latest_rtt == pytest.approx(sample)
        assert stats.min_rtt == pytest.approx(low)
        now += 1.0


def test_only_the_newest_packet_gives_a_sample() -> None:
    end = ChannelEndpoint()
    peer = Acker(end)
    send(end, 0.0)
    send(end, 0.05)
    peer.ack(0.1, (0, 1))
    assert end.stats.rtt == pytest.approx(0.05)
    peer.ack(5.0, (0, 1))
    assert end.stats.rtt == pytest.approx(0.05)


def test_three_later_acks_make_a_packet_lost() -> None:
    end = ChannelEndpoint()
    peer = Acker(end)
    for i in range(4):
        send(end, 0.0, bytes([i]))
    peer.ack(0.1, (1, 2))
    assert end.stats.packets_lost == 0
    assert end.build(0.1) is None
    peer.ack(0.1, (1, 3))
    assert end.stats.packets_lost == 1
    assert end.stats.packet_loss > 0
    again = end.build(0.1)
    assert again is not None
    assert wire.parse(again).frames == [(1, 1, 0, [b"\x00"])]
    assert end.stats.messages_resent == 1


def test_time_makes_a_packet_lost_when_too_few_follow() -> None:
    end = ChannelEndpoint()
    peer = Acker(end)
    send(end, 0.0, b"lost")
    send(end, 0.01, b"here")
    peer.ack(0.11, (1, 1))
    # 9/8 of the round trip of 100 ms after it left.
    assert end.next_deadline == pytest.approx(0.1125)
    assert end.build(0.112) is None
    again = end.build(0.1126)
    assert again is not None
    assert wire.parse(again).frames == [(1, 1, 0, [b"lost"])]


def test_a_late_ack_takes_the_loss_back_and_makes_us_patient() -> None:
    end = ChannelEndpoint()
    peer = Acker(end)
    for _ in range(5):
        send(end, 0.0)
    peer.ack(0.1, (1, 4))
    assert end.stats.packets_lost == 1
    peer.ack(0.101, (0, 4))
    assert end.stats.packets_spurious == 1
    assert end.stats.packet_loss < 0.001
    assert end.build(0.101) is None  # nothing goes again
    assert end.idle
    for _ in range(5):
        send(end, 0.2)
    peer.ack(0.3, (6, 9))  # the same reordering as before
    assert end.stats.packets_lost == 1


def test_probes_back_off_and_never_stop() -> None:
    end = ChannelEndpoint()
    send(end, 0.0, b"precious")
    now, times = 0.0, []
    for _ in range(12):
        now = end.next_deadline
        packets = end.build_all(now)
        assert packets
        assert wire.parse(packets[0], 10).frames == [(1, 1, 0, [b"precious"])]
        times.append(now)
    assert times[0] == pytest.approx(0.36)  # 3 x the guessed round trip, and the ack delay
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps == pytest.approx([0.5] * len(gaps))
    assert end.stats.probes == 12


def test_a_probe_without_data_is_bare() -> None:
    end = ChannelEndpoint()
    end.push(2, b"unreliable")
    end.build_all(0.0)
    (probe,) = end.build_all(end.next_deadline)
    assert probe == b"\x02\x01\x00"
    assert end.receive(wire.packet(0, acks=wire.encode_acks([(1, 1)])), 0.4) is None
    assert end.stats.packets_lost == 1
    assert end.next_deadline == float("inf")


def test_loss_estimate_finds_the_loss_of_the_link() -> None:
    for loss in (0.0, 0.1, 0.3):
        pair = ChannelPair(7, Conditions(latency=0.02))
        pair.network.link("a", "b").change(loss=loss)
        seen = []
        for tick in range(1500):
            pair.a.endpoint.push_frame(0x40, b"state")
            pair.run(1 / 60)
            if tick > 300:
                seen.append(pair.a.endpoint.stats.packet_loss)
        assert sum(seen) / len(seen) == pytest.approx(loss, abs=0.04)


def test_nothing_acked_for_long_gives_packets_up_and_stays_bounded() -> None:
    config = TransportConfig(max_packets=64)
    end = ChannelEndpoint(config)
    now = 0.0
    carried = 0
    end.push(1, b"precious", now)
    for tick in range(3_000):
        now = tick / 60
        end.push_frame(0x40, b"state")
        packets = end.build_all(now)
        assert packets
        for packet in packets:
            frames = wire.parse(packet).frames
            carried += (1, 1, 0, [b"precious"]) in frames
    assert 40 < carried < 60  # again with each round of the ring
    assert end.stats.memory < 40_000


def test_a_dead_link_cannot_outrun_sixteen_bits() -> None:
    a, b = ChannelEndpoint(), ChannelEndpoint()
    a.push(1, b"first", 0.0)
    first = a.build(0.0)
    assert first is not None
    assert b.receive(first, 0.0) is None
    now, quiet = 0.0, 0
    for _ in range(40_000):
        now += 0.001
        a.push_frame(0x40, b"s")
        quiet += not a.build_all(now)
    assert 30_000 < a.stats.packets_sent < 30_200
    assert quiet > 5_000
    # And it comes back to life.
    deadline = now + 30
    a.push(1, b"second", now)
    while b.stats.messages_delivered < 2:
        assert now < deadline
        for packet in a.build_all(now):
            assert b.receive(packet, now) is None
        for packet in b.build_all(now):
            assert a.receive(packet, now) is None
        now += 0.01
    assert [m for m in b.drain() if isinstance(m, Message)] == [
        Message(1, b"first"),
        Message(1, b"second"),
    ]


def test_another_path_is_measured_anew_and_what_was_on_the_way_leaves_again() -> None:
    """As when a client roams: acks that were lost with the old path say nothing of the new one."""
    pair = ChannelPair(3, Conditions(latency=0.02))
    for _ in range(20):
        pair.a.endpoint.push(1, b"before", pair.now)
        pair.run(0.05)
    assert pair.a.endpoint.stats.rtt == pytest.approx(0.04, abs=0.005)
    # The other end gets the next one, but its ack and all after it are lost with the path.
    pair.network.link("b", "a").change(loss=1.0)
    pair.a.endpoint.push(1, b"arrived", pair.now)
    pair.run(0.1)
    pair.network.link("a", "b").change(loss=1.0)
    pair.a.endpoint.push(1, b"on the way", pair.now)
    pair.run(3.0)
    for link in pair.network.links.values():
        link.change(loss=0.0, latency=0.05)
    moved = pair.now
    pair.a.endpoint.move(moved)
    pair.b.endpoint.move(moved)
    stats = pair.a.endpoint.stats
    assert (stats.rtt, stats.bytes_in_flight) == (0.0, 0)
    assert pair.a.endpoint.next_deadline <= moved
    pair.run(0.06)
    assert pair.b.messages(1) == [b"before"] * 20 + [b"arrived", b"on the way"]
    pair.run(1.0)
    stats = pair.a.endpoint.stats
    # Not the three seconds for which the ack of "arrived" was away.
    assert stats.rtt == pytest.approx(0.1, abs=0.02)
    assert stats.min_rtt == pytest.approx(0.1, abs=0.02)
    assert pair.a.endpoint.idle


def test_a_move_in_the_middle_of_bulk_neither_stops_nor_doubles_it() -> None:
    config = TransportConfig(max_packets=8192, send_window=1 << 24)
    pair = ChannelPair(5, Conditions(latency=0.1), config=config)
    words = [number.to_bytes(4, "little") * 250 for number in range(2000)]
    left = iter(words)
    for step in range(2000):
        while pair.a.endpoint.has_room(1, 1000, pair.now) and (word := next(left, None)):
            pair.a.endpoint.push(1, word, pair.now)
        pair.run(0.01)
        if step in (100, 150, 151, 220):
            pair.network.change(loss=1.0)
            pair.run(0.7)
            pair.network.change(loss=0.02, latency=0.03)
            pair.a.endpoint.move(pair.now)
            pair.b.endpoint.move(pair.now)
        if len(pair.b.messages(1)) == len(words):
            break
    assert pair.b.messages(1) == words
    assert pair.settle()
