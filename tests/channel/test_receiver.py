"""Packets from a peer that means harm: refused whole, counted, bounded."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import channel as wire

from netcode.channel import (
    REFUSALS,
    ChannelConfig,
    ChannelEndpoint,
    DeliveryMode,
    Frame,
    Message,
    TransportConfig,
)

CONFIG = TransportConfig(
    channels=(
        ChannelConfig(name="control"),
        ChannelConfig(name="unordered", mode=DeliveryMode.RELIABLE_UNORDERED),
        ChannelConfig(name="unreliable", mode=DeliveryMode.UNRELIABLE),
        ChannelConfig(name="sequenced", mode=DeliveryMode.UNRELIABLE_SEQUENCED),
        ChannelConfig(
            name="small",
            max_message=1_000,
            window_messages=4,
            window_bytes=2_000,
            queue_bytes=4_000,
        ),
    )
)


def endpoint(sent: int = 0) -> ChannelEndpoint:
    """An endpoint that has sent so many packets."""
    end = ChannelEndpoint(CONFIG)
    for _ in range(sent):
        end.push(0, b"x")
        assert end.build(0.0) is not None
    return end


def refused(end: ChannelEndpoint, packet: bytes, reason: str | None) -> None:
    """The packet is refused for the reason, nothing of it took effect, and it is counted."""
    before = end.stats
    assert end.receive(packet, 1.0) == reason
    after = end.stats
    assert end.drain() == []
    assert after.packets_refused == before.packets_refused + 1
    assert after.packets_received == before.packets_received
    assert after.packets_acked == before.packets_acked
    assert after.bytes_held == before.bytes_held
    assert after.bytes_queued == before.bytes_queued


# A valid ack and message in front of what is wrong: neither may take effect.
GOOD = wire.messages(0, 0, [b"good"])
ACK = wire.encode_acks([(0, 1)])


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (b"\x00", "frame_kind"),
        (b"\x05", "frame_kind"),
        (b"\x3f\x00", "frame_kind"),
        (b"\x80\x00", "frame_kind"),
        (b"\xff", "frame_kind"),
        (b"\x01", "frame_cut"),
        (b"\x01\x00\x00\x00", "frame_cut"),
        (b"\x01\x00\x00\x00\x01", "frame_cut"),
        (b"\x01\x00\x00\x00\x00", "frame_cut"),  # a run of none
        (b"\x01\x00\x00\x00\x01\x05abcd", "frame_cut"),
        (b"\x01\x00\x00\x00\x02\x01a", "frame_cut"),
        (b"\x01\x00\x00\x00\x01\x81\x00a", "frame_cut"),  # an overlong varint
        (b"\x01\x00\x00\x00\x01" + b"\xff" * 9 + b"\x01", "frame_cut"),
        (b"\x03\x02\x00", "frame_cut"),
        (b"\x03\x02\x01\x02a", "frame_cut"),
        (b"\x40", "frame_cut"),
        (b"\x40\x02a", "frame_cut"),
        (wire.opaque(0x40, bytes(1153)), "message_size"),
        (wire.messages(5, 0, [b""]), "channel_unknown"),
        (wire.messages(255, 0, [b""]), "channel_unknown"),
        (wire.unreliable(64, [b""]), "channel_unknown"),
        (wire.messages(2, 0, [b""]), "channel_mode"),
        (wire.messages(3, 0, [b""]), "channel_mode"),
        (wire.unreliable(0, [b""]), "channel_mode"),
        (wire.unreliable(1, [b""]), "channel_mode"),
        (wire.fragment(2, 0, 64, 0, bytes(64)), "channel_mode"),
        (wire.fragment(0, 0, 64, 0, bytes(64), kind=4), "channel_mode"),
        (wire.messages(4, 0, [bytes(1001)]), "message_size"),
        (wire.messages(4, 4, [b""]), "message_window"),
        (wire.messages(4, 3, [b"", b""]), "message_window"),
        (wire.messages(4, 0x7FFF, [b""]), "message_window"),
        (wire.messages(4, 1, [bytes(900), bytes(900), bytes(300)]), "held_bytes"),
        (wire.fragment(4, 4, 64, 0, bytes(64)), "message_window"),
        (wire.fragment(4, 0, 1001, 0, bytes(64)), "message_size"),
        (wire.fragment(0, 0, 1 << 60, 0, bytes(64)), "message_size"),
        (wire.fragment(0, 1, 0, 0, b""), "fragment_malformed"),
        (wire.fragment(0, 1, 100, 0, b""), "fragment_malformed"),
        (wire.fragment(0, 1, 100, 0, bytes(63)), "fragment_malformed"),  # not whole units
        (wire.fragment(0, 1, 100, 1, bytes(37)), "fragment_malformed"),  # past the end
        (wire.fragment(0, 1, 100, 2, bytes(36)), "fragment_malformed"),
        (wire.fragment(0, 1, 100, (1 << 58), bytes(36)), "fragment_malformed"),
        (wire.fragment(0, 1, 100, (1 << 64) - 1, bytes(36)), "fragment_malformed"),
        (wire.fragment(0, 1, 100, 1, bytes(36))[:-1], "frame_cut"),
        (
            wire.fragment(0, 1, 128, 0, bytes(64)) + wire.fragment(0, 1, 192, 1, bytes(64)),
            "fragment_changed",
        ),
        (
            wire.fragment(2, 1, 128, 0, bytes(64), 4) + wire.fragment(2, 1, 192, 1, bytes(64), 4),
            "fragment_changed",
        ),
        (wire.fragment(2, 1, 1, 0, b"x", 4) * 65, "fragment_count"),
    ],
)
def test_one_bad_frame_refuses_the_packet(frames: bytes, reason: str) -> None:
    assert reason in REFUSALS
    end = endpoint(sent=2)
    refused(end, wire.packet(0, GOOD + frames, ACK), reason)
    # The connection works on, and the same sequence may still come with a good packet.
    assert end.receive(wire.packet(0, GOOD, ACK), 1.0) is None
    assert end.drain() == [Message(0, b"good")]
    assert end.stats.packets_acked == 2


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"", "packet_short"),
        (b"\x02", "packet_short"),
        (b"\x02\x00", "packet_short"),
        (b"\x00\x00\x00", "packet_flags"),
        (b"\x04\x00\x00", "packet_flags"),
        (b"\x82\x00\x00", "packet_flags"),
        (wire.packet(0, GOOD, eliciting=False), "packet_flags"),
        (wire.packet(0, GOOD, ACK, eliciting=False), "packet_flags"),
        (b"\x01\x00\x00", "ack_malformed"),
        (wire.packet(0, acks=ACK)[:-1], "ack_malformed"),
        (wire.packet(0, GOOD, wire.encode_acks([(2, 2)])), "ack_never_sent"),
        (wire.packet(0, GOOD, wire.encode_acks([(0, 9)])), "ack_never_sent"),
        (wire.packet(0, GOOD, b"\x01\x00\x00\x02\x00"), "ack_never_sent"),
        (wire.packet(0, GOOD, b"\x01\x00\x00\x00\x01\x00\x00"), "ack_never_sent"),
        (wire.packet(0, GOOD, b"\xff\xff\x00\x00\x00"), "ack_never_sent"),
    ],
)
def test_bad_headers(packet: bytes, reason: str) -> None:
    refused(endpoint(sent=2), packet, reason)


def test_a_bare_probe_and_a_bare_ack_are_valid() -> None:
    end = endpoint()
    assert end.receive(b"\x02\x00\x00", 1.0) is None
    assert end.next_deadline == pytest.approx(1.06)
    end = endpoint(sent=2)
    assert end.receive(wire.packet(1, acks=ACK), 1.0) is None
    assert end.receive(wire.packet(1, acks=ACK), 1.0) == "duplicate"


def test_a_fragment_may_not_change_its_message() -> None:
    end = endpoint()
    assert end.receive(wire.packet(0, wire.fragment(0, 1, 128, 0, bytes(64))), 0) is None
    refused(end, wire.packet(1, wire.fragment(0, 1, 127, 1, bytes(63))), "fragment_changed")
    assert end.receive(wire.packet(1, wire.fragment(2, 9, 128, 0, bytes(64), 4)), 0) is None
    refused(end, wire.packet(2, wire.fragment(2, 9, 192, 1, bytes(64), 4)), "fragment_changed")


def test_overlapping_and_repeated_fragments_keep_the_first_bytes() -> None:
    end = endpoint()
    first, second = bytes([1]) * 128, bytes([2]) * 128
    assert end.receive(wire.packet(0, wire.fragment(0, 0, 256, 1, first)), 0) is None
    assert end.receive(wire.packet(1, wire.fragment(0, 0, 256, 0, second)), 0) is None
    assert end.receive(wire.packet(2, wire.fragment(0, 0, 256, 2, second)), 0) is None
    assert end.drain() == [Message(0, second[:64] + first + second[:64])]
    assert end.receive(wire.packet(3, wire.fragment(0, 0, 256, 2, second)), 0) is None
    assert end.drain() == []
    assert end.stats.bytes_held == 0


def test_a_completed_message_may_not_come_back_as_another() -> None:
    end = endpoint()
    assert end.receive(wire.packet(0, wire.messages(0, 1, [b"second"])), 0) is None
    assert end.receive(wire.packet(1, wire.fragment(0, 1, 6, 0, b"SECOND")), 0) is None
    refused(end, wire.packet(2, wire.fragment(0, 1, 64, 0, bytes(64))), "fragment_changed")
    assert end.receive(wire.packet(2, wire.messages(0, 1, [b"again!"])), 0) is None
    assert end.receive(wire.packet(3, wire.messages(0, 0, [b"first"])), 0) is None
    assert end.drain() == [Message(0, b"first"), Message(0, b"second")]


def test_a_bomb_of_first_fragments_is_bounded() -> None:
    """Each claims the largest message; a reliable channel refuses, an unreliable one forgets."""
    end = endpoint()
    sequence = refusals = 0
    for message_id in range(1, 200):
        for frame in (
            wire.fragment(0, message_id, 65_536, 1, bytes(64)),
            wire.fragment(1, message_id, 65_536, 1, bytes(64)),
            wire.fragment(2, message_id, 65_536, 1, bytes(64), 4),
            wire.fragment(3, message_id, 65_536, 1, bytes(64), 4),
        ):
            reason = end.receive(wire.packet(sequence, frame), 0.0)
            sequence += reason is None
            refusals += reason == "held_bytes"
            assert reason in (None, "held_bytes")
            assert end.stats.bytes_held <= 4 * 262_144
    assert refusals == 2 * (199 - 4)
    assert end.stats.messages_dropped == 2 * (199 - 4)
    assert end.stats.memory < 4 * 262_144 + 100_000
    # Unreliable leftovers time out without another packet.
    assert end.next_deadline <= 3.0
    end.build_all(3.1)
    assert end.stats.bytes_held == 2 * 262_144


def test_small_messages_far_ahead_are_bounded() -> None:
    end = endpoint()
    sequence = 0
    for message_id in reversed(range(1, 4096, 15)):
        run = wire.messages(0, message_id, [b"ab"] * min(15, 4096 - message_id))
        assert end.receive(wire.packet(sequence, run), 0.0) is None
        sequence += 1
    assert end.stats.bytes_held == 2 * 4095
    assert end.stats.memory < 250_000
    assert end.receive(wire.packet(sequence, wire.messages(0, 0, [b"ab"])), 0.0) is None
    assert len(end.drain()) == 4096
    assert end.stats.bytes_held == 0
    assert end.stats.memory < 10_000


def test_packets_that_skip_sequences_are_bounded() -> None:
    end = endpoint()
    sequence = 0
    for _ in range(500):
        assert end.receive(wire.packet(sequence, GOOD), 0.0) is None
        sequence += 32_000
    assert end.receive(wire.packet(sequence - 32_000 * 2, GOOD), 0.0) == "duplicate"
    assert end.stats.memory < 8_000
    block = end.build(0.1)
    assert block is not None
    assert len(block) < 120
    assert len(end.drain()) == 1


def test_acks_that_overlap_lost_and_settled_packets_are_harmless() -> None:
    end = endpoint(sent=100)
    for sequence, ranges in enumerate(
        ([(90, 99)], [(0, 99)], [(50, 60), (10, 20)], [(99, 99), (0, 0)], [(0, 99)])
    ):
        assert end.receive(wire.packet(sequence, acks=wire.encode_acks(ranges)), 1.0) is None
    assert end.stats.packets_acked == 100
    assert end.stats.packets_lost == 90
    assert end.stats.packets_spurious == 90
    assert end.idle
    assert end.stats.bytes_in_flight == 0
    assert end.stats.packet_loss == 0


def test_an_optimistic_peer_hurts_only_itself() -> None:
    """Acks of what it never got: its own messages stay away, nothing else happens."""
    end = endpoint(sent=10)
    assert end.receive(wire.packet(0, acks=wire.encode_acks([(0, 9)])), 0.05) is None
    assert end.idle
    end.push(0, b"next", 0.05)
    packet = end.build(0.05)
    assert packet is not None
    assert wire.parse(packet, 10).frames == [(1, 0, 10, [b"next"])]


def test_claimed_ack_delays_do_not_bend_the_clock() -> None:
    end = endpoint(sent=1)
    acks = wire.encode_acks([(0, 0)], delay_units=(1 << 64) - 1)
    assert end.receive(wire.packet(0, acks=acks), 0.1) is None
    assert end.stats.rtt == pytest.approx(0.04)  # no more than max_ack_delay is believed
    end.push(0, b"x", 0.2)
    end.build(0.2)
    acks = wire.encode_acks([(1, 1)], delay_units=1_000_000)
    assert end.receive(wire.packet(1, acks=acks), 0.5) is None
    assert end.stats.latest_rtt == pytest.approx(0.24)


def test_a_full_inbox_refuses_without_losing_anything() -> None:
    config = TransportConfig(
        channels=(
            ChannelConfig(name="c", max_message=1 << 24, queue_bytes=1 << 24, window_bytes=1 << 25),
        ),
        send_window=1 << 30,
    )
    a, b = ChannelEndpoint(config), ChannelEndpoint(config)
    a.push(0, bytes(1 << 24))
    now, reasons, delivered = 0.0, set(), 0
    pushed = False
    while delivered < 2:
        now = max(now + 0.005, 0.0)
        for packet in a.build_all(now):
            reasons.add(b.receive(packet, now))
        if not pushed and a.idle:
            a.push(0, bytes(4_000_000), now)
            pushed = True
        for packet in b.build_all(now):
            a.receive(packet, now)
        if "inbox_full" in reasons:
            delivered += len(b.drain())
        assert now < 600
    assert reasons == {None, "inbox_full"}


def corpus() -> list[bytes]:
    """Valid packets of every kind, for an endpoint that has sent two."""
    fragmented = wire.fragment(0, 0, 200, 0, bytes(128)) + wire.fragment(1, 3, 65, 1, b"z")
    loose = wire.fragment(3, 7, 65_000, 1000, bytes(64), 4)
    return [
        b"\x02\x00\x00",
        wire.packet(0, acks=ACK),
        wire.packet(5, wire.messages(0, 0, [b"one", b"", b"three" * 40]), ACK),
        wire.packet(1, fragmented + loose, wire.encode_acks([(1, 1)], 300)),
        wire.packet(2, wire.unreliable(2, [b"u", b"v"]) + wire.unreliable(3, [b"w" * 130])),
        wire.packet(3, wire.opaque(0x40, b"") + wire.opaque(0x7F, bytes(200)) + GOOD, ACK),
    ]


def check_sane(end: ChannelEndpoint, packet: bytes) -> None:
    reason = end.receive(packet, 0.5)
    assert reason in (None, "duplicate", *REFUSALS)
    delivered = end.drain()
    if reason is not None:
        assert delivered == []
    for item in delivered:
        assert len(item.data) <= len(packet)
        if isinstance(item, Frame):
            assert 0x40 <= item.kind <= 0x7F
        else:
            assert 0 <= item.channel < 5
    for built in end.build_all(0.6):
        wire.parse(built)


@pytest.mark.parametrize("number", range(6))
def test_every_truncation_and_every_bit_flip(number: int) -> None:
    packet = corpus()[number]
    for size in range(len(packet)):
        check_sane(endpoint(sent=2), packet[:size])
    for bit in range(len(packet) * 8):
        flipped = bytearray(packet)
        flipped[bit // 8] ^= 1 << bit % 8
        check_sane(endpoint(sent=2), bytes(flipped))


def test_truncations_and_flips_of_a_live_stream() -> None:
    """One receiver eats damaged copies between the real packets and still gets everything."""
    rng = random.Random(5)
    a, b = ChannelEndpoint(CONFIG), ChannelEndpoint(CONFIG)
    sent = [rng.randbytes(rng.choice([0, 10, 500, 3000])) for _ in range(60)]
    for data in sent:
        a.push(1, data)
    for packet in a.build_all(0.0):
        for _ in range(20):
            b.receive(packet[: rng.randrange(3)], 0.0)
        assert b.receive(packet, 0.0) is None
    assert b.stats.packets_refused > 0


@given(st.lists(st.binary(max_size=300), max_size=20), st.integers(0, 3))
def test_any_bytes(packets: list[bytes], sent: int) -> None:
    end = endpoint(sent)
    for packet in packets:
        check_sane(end, packet)
        check_sane(end, b"\x02" + packet)
        check_sane(end, b"\x02\x00\x00" + packet)
    assert end.stats.memory < 1 << 20


frame_soup = st.lists(
    st.one_of(
        st.builds(
            wire.messages,
            st.integers(0, 5),
            st.integers(0, 65535) | st.integers(0, 5),
            st.lists(st.binary(max_size=20), min_size=1, max_size=4),
        ),
        st.builds(
            wire.fragment,
            st.integers(0, 5),
            st.integers(0, 3),
            st.sampled_from([1, 63, 64, 65, 128, 1000, 65_536]),
            st.integers(0, 20),
            st.binary(max_size=130),
            st.sampled_from([2, 4]),
        ),
        st.builds(
            wire.unreliable,
            st.integers(0, 5),
            st.lists(st.binary(max_size=20), min_size=1, max_size=4),
        ),
        st.builds(wire.opaque, st.integers(0x40, 0x80), st.binary(max_size=20)),
    ),
    max_size=6,
)


@given(st.lists(st.tuples(st.integers(0, 20), frame_soup), max_size=12))
def test_well_formed_nonsense(packets: list[tuple[int, list[bytes]]]) -> None:
    end = endpoint(2)
    for sequence, frames in packets:
        before = end.stats
        reason = end.receive(wire.packet(sequence, b"".join(frames), eliciting=True), 0.5)
        delivered = end.drain()
        if reason is not None:
            assert delivered == []
            assert end.stats.bytes_held == before.bytes_held
            assert end.stats.messages_delivered == before.messages_delivered
        assert end.stats.bytes_held <= 5 * 262_144
