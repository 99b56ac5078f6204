import array
import gc

import pytest

from netcode.channel import ChannelEndpoint, Frame, Message
from netcode.errors import ChannelFull, ConfigError, EncodeError


def pass_on(a: ChannelEndpoint, b: ChannelEndpoint, now: float) -> None:
    for packet in a.build_all(now):
        assert b.receive(packet, now) is None


def test_messages_and_frames_arrive() -> None:
    a, b = ChannelEndpoint(), ChannelEndpoint()
    assert a.idle
    assert a.build(0.0) is None
    assert a.next_deadline == float("inf")
    a.push(1, b"one", 0.0)
    a.push(2, bytearray(b"two"), 0.0)
    a.push(1, memoryview(array.array("H", [1, 2])), 0.0)
    a.push_frame(0x40, b"frame")
    assert not a.idle
    assert a.next_deadline == 0.0
    pass_on(a, b, 0.5)
    assert b.drain() == [
        Frame(0x40, b"frame"),
        Message(1, b"one"),
        Message(1, array.array("H", [1, 2]).tobytes()),
        Message(2, b"two"),
    ]
    assert b.drain() == []
    assert b.next_deadline == pytest.approx(0.56)
    assert b.build(0.55) is None
    pass_on(b, a, 0.56)
    assert a.idle
    assert a.stats.rtt == pytest.approx(0.0, abs=1e-6)  # the peer said that it waited 60 ms


def test_an_idle_connection_is_small() -> None:
    end = ChannelEndpoint()
    assert end.stats.memory < 2_048
    end.push(1, b"x")
    end.build(0.0)
    assert end.stats.memory < 4_096


def test_pushes_that_cannot_work() -> None:
    end = ChannelEndpoint()
    with pytest.raises(ConfigError, match="channel 3 does not exist; there are 0 to 2"):
        end.push(3, b"")
    with pytest.raises(ConfigError, match="channel -1 does not exist"):
        end.push(-1, b"")
    with pytest.raises(
        EncodeError, match=r"65537 bytes on channel 1 \('reliable'\): the most is 65536"
    ) as caught:
        end.push(1, bytes(65_537))
    assert caught.value.value == 65_537
    assert caught.value.limit == "65536 bytes"
    with pytest.raises(ConfigError, match="frame kind 0x3f is not between 0x40 and 0x7f"):
        end.push_frame(0x3F, b"")
    with pytest.raises(ConfigError, match="frame kind 0x80"):
        end.push_frame(0x80, b"")
    with pytest.raises(EncodeError, match="frame of 1153 bytes: the most is 1152"):
        end.push_frame(0x40, bytes(1153))
    with pytest.raises(TypeError):
        end.push(1, "text")  # type: ignore[arg-type]
    assert end.stats.messages_pushed == 0
    assert end.build(0.0) is None


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_a_full_queue_raises_and_takes_again_later(channel: int) -> None:
    a, b = ChannelEndpoint(), ChannelEndpoint()
    for _ in range(16):
        a.push(channel, bytes(65_536))
    with pytest.raises(
        ChannelFull, match=f"channel {channel} .* of 8192 messages and 1048576 bytes"
    ):
        a.push(channel, b"x")
    assert a.stats.messages_queued == 16
    now = 0.0
    while not a.idle:
        pass_on(a, b, now)
        pass_on(b, a, now)
        now += 0.03
    a.push(channel, b"x", now)
    pass_on(a, b, now)
    assert [len(m.data) for m in b.drain()] == [65_536] * 16 + [1]


def test_a_full_frame_queue_raises() -> None:
    end = ChannelEndpoint()
    for _ in range(261):
        end.push_frame(0x40, bytes(1000))
    with pytest.raises(ChannelFull, match="frame of 1152 bytes does not fit the queue of 262144"):
        end.push_frame(0x40, bytes(1152))
    assert len(end.build_all(0.0)) == end.stats.frames_sent == 261
    end.push_frame(0x40, bytes(1152))


def test_arguments_are_checked() -> None:
    end = ChannelEndpoint()
    for now in (float("nan"), float("inf"), -1.0):
        with pytest.raises(ValueError, match="finite number of seconds"):
            end.build(now)
        with pytest.raises(ValueError, match="finite number of seconds"):
            end.receive(b"", now)
        with pytest.raises(ValueError, match="finite number of seconds"):
            end.push(1, b"", now)
    with pytest.raises(ValueError, match="capacity 127"):
        end.build(0.0, 127)
    with pytest.raises(TypeError):
        ChannelEndpoint({})  # type: ignore[arg-type]


def test_time_that_goes_back_counts_as_standing_still() -> None:
    a, b = ChannelEndpoint(), ChannelEndpoint()
    a.push(1, b"x", 5.0)
    packet = a.build(5.0)
    assert packet is not None
    assert b.receive(packet, 5.0) is None
    ack = b.build(5.1)
    assert ack is not None
    assert a.receive(ack, 4.0) is None
    assert a.stats.rtt < 1e-6
    assert a.build(3.0) is None


def test_large_packets_where_the_path_takes_them() -> None:
    a, b = ChannelEndpoint(), ChannelEndpoint()
    data = bytes(range(256)) * 200
    a.push(1, data)
    packet = a.build(0.0, 60_000)
    assert packet is not None
    assert len(packet) > 51_200
    assert b.receive(packet, 0.0) is None
    assert b.drain() == [Message(1, data)]


def test_a_packet_longer_than_udp_is_refused() -> None:
    assert ChannelEndpoint().receive(bytes(65_508), 0.0) == "packet_long"


def test_the_collector_may_take_an_endpoint_in_a_cycle() -> None:
    for _ in range(20):
        end = ChannelEndpoint()
        end.push(1, bytes(5_000))
        end.build_all(0.0)
        cycle = [end]
        cycle.append(cycle)  # type: ignore[arg-type]
        del end, cycle
    gc.collect()
