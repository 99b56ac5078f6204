"""What we put on the wire, byte for byte, against the oracle's independent reading."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from oracle import channel as wire

from netcode.channel import ChannelEndpoint, DeliveryMode, Frame, Message
from netcode.channel.config import ChannelConfig, TransportConfig

CONFIG = TransportConfig(
    channels=(
        ChannelConfig(name="control"),
        ChannelConfig(name="loose", mode=DeliveryMode.UNRELIABLE),
        ChannelConfig(name="newest", mode=DeliveryMode.UNRELIABLE_SEQUENCED),
    ),
    initial_sequence=0x1_2345,
    initial_message_id=0x2_0102,
)


def test_one_packet_of_everything_to_the_byte() -> None:
    end = ChannelEndpoint(CONFIG)
    assert end.receive(bytes.fromhex("024523" + "41021234"), 1.0) is None
    end.push(0, b"hello")
    end.push(0, b"")
    end.push(1, b"u")
    end.push_frame(0x40, b"\xaa\xbb")
    assert end.build(1.002) == bytes.fromhex(
        "03 4523"  # ack present, ack-eliciting; sequence 0x12345
        "4523 08 00 00"  # largest 0x12345, 8 x 250 us later, nothing before it, no more ranges
        "40 02 aabb"  # opaque frame
        "01 00 0201 02 05 68656c6c6f 00"  # channel 0, two messages from id 0x20102
        "03 01 01 01 75"  # channel 1, one unreliable message
    )
    assert end.build(1.002) is None


def test_fragments_to_the_byte() -> None:
    end = ChannelEndpoint(CONFIG)
    data = random.Random(1).randbytes(1_300)
    end.push(0, data)
    end.push(2, data)
    first, second, third = end.build_all(0.0)
    # 1,186 bytes of room take 18 units of 64 bytes.
    head = bytes.fromhex("02 4523 02 00 0201 940a 00 8009")
    assert first == head + data[:1152]
    rest = bytes.fromhex("02 4623 02 00 0201 940a 12 9401") + data[1152:]
    assert second[: len(rest)] == rest
    assert second[len(rest) :][:9] == bytes.fromhex("04 02 0201 940a 00 8008")
    assert third == bytes.fromhex("02 4723 04 02 0201 940a 10 9402") + data[1024:]
    other = ChannelEndpoint(CONFIG)
    for packet in (third, first, second):
        assert other.receive(packet, 0.0) is None
    assert other.drain() == [Message(0, data), Message(2, data)]


@given(st.randoms(use_true_random=False), st.integers(0, 40), st.sampled_from([200, 500, 1200]))
def test_the_oracle_reads_what_we_write(rng: random.Random, count: int, capacity: int) -> None:
    end, other = ChannelEndpoint(CONFIG), ChannelEndpoint(CONFIG)
    pushed: dict[int, list[bytes]] = {0: [], 1: [], 2: []}
    for _ in range(count):
        channel = rng.randrange(3)
        data = rng.randbytes(rng.choice([0, 1, 30, 200, 1024, 1025, 4000]))
        end.push(channel, data)
        pushed[channel].append(data)
    frames = [rng.randbytes(rng.randrange(100)) for _ in range(rng.randrange(5))]
    for data in frames:
        end.push_frame(0x7F, data)
    seen: dict[int, dict[int, bytearray]] = {0: {}, 1: {}, 2: {}}
    got_frames = []
    whole: dict[int, list[bytes]] = {1: [], 2: []}
    now = 0.0
    sequence = CONFIG.initial_sequence
    while packets := end.build_all(now, capacity):
        for packet in packets:
            assert len(packet) <= capacity
            parsed = wire.parse(packet, sequence)
            assert parsed.sequence == sequence
            assert parsed.flags == 2
            sequence += 1
            for frame in parsed.frames:
                match frame:
                    case (1, channel, message_id, payloads):
                        for step, data in enumerate(payloads):
                            seen[channel][(message_id + step) & 0xFFFF] = bytearray(data)
                    case (2 | 4, channel, message_id, total, first, data):
                        buffer = seen[channel].setdefault(message_id, bytearray(total))
                        assert len(buffer) == total
                        buffer[first * 64 : first * 64 + len(data)] = data
                    case (3, channel, None, payloads):
                        whole[channel] += payloads
                    case (0x7F, data):
                        got_frames.append(data)
            assert other.receive(packet, now) is None
        now += 0.02
        for packet in other.build_all(now):
            assert end.receive(packet, now) is None
    assert got_frames == frames
    expected = {(0x0102 + step) & 0xFFFF: data for step, data in enumerate(pushed[0])}
    assert {k: bytes(v) for k, v in seen[0].items()} == expected
    for channel in (1, 2):
        parts = sorted(whole[channel] + [bytes(v) for v in seen[channel].values()])
        assert parts == sorted(pushed[channel])
    delivered = other.drain()
    for channel in (0, 1, 2):
        got = [d.data for d in delivered if isinstance(d, Message) and d.channel == channel]
        assert got == pushed[channel]
    assert [d.data for d in delivered if isinstance(d, Frame)] == frames


def test_a_message_in_a_run_costs_one_byte() -> None:
    end = ChannelEndpoint()
    for _ in range(35):
        end.push(1, bytes(32))
    packet = end.build(0.0)
    assert packet is not None
    assert len(packet) == 3 + 5 + 35 * 33
