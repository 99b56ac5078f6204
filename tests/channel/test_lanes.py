"""Priority, weight, rate, lifetime, redundancy and room: what a channel's own settings do."""

from __future__ import annotations

import pytest
from oracle import channel as wire

from netcode.channel import ChannelConfig, ChannelEndpoint, DeliveryMode, TransportConfig
from netcode.errors import ChannelFull, ConfigError, EncodeError
from netcode.testing import ChannelPair, Conditions

ROOM = {"queue_bytes": 1 << 24, "window_bytes": 1 << 24}


def config_of(*channels: ChannelConfig, **fields: object) -> TransportConfig:
    return TransportConfig(channels=(ChannelConfig(name="control"), *channels), **fields)  # type: ignore[arg-type]


def received(config: TransportConfig, seconds: float, sizes: dict[int, int]) -> dict[int, int]:
    """Bytes delivered of each channel, all with more queued than the time allows."""
    link = Conditions(latency=0.01, rate=1e6, overhead=0)
    pair = ChannelPair(1, link, config=config)
    for channel, size in sizes.items():
        for _ in range(4_000_000 // size):
            pair.a.endpoint.push(channel, bytes(size))
    pair.run(seconds)
    return {channel: sum(map(len, pair.b.messages(channel))) for channel in sizes}


def test_weights_share_a_priority() -> None:
    config = config_of(
        ChannelConfig(name="one", **ROOM),  # type: ignore[arg-type]
        ChannelConfig(name="three", weight=3, **ROOM),  # type: ignore[arg-type]
    )
    got = received(config, 2.0, {1: 1_000, 2: 1_000})
    assert got[2] == pytest.approx(3 * got[1], rel=0.1)


def test_a_higher_priority_goes_first() -> None:
    config = config_of(
        ChannelConfig(name="low", **ROOM),  # type: ignore[arg-type]
        ChannelConfig(name="high", priority=3, **ROOM),  # type: ignore[arg-type]
    )
    got = received(config, 2.0, {1: 1_000, 2: 1_000})
    assert got[1] < 0.1 * got[2]


def test_a_rate_cap_holds_and_leaves_the_rest_to_others() -> None:
    config = config_of(
        ChannelConfig(name="capped", priority=7, send_rate=50_000, **ROOM),  # type: ignore[arg-type]
        ChannelConfig(name="free", **ROOM),  # type: ignore[arg-type]
    )
    got = received(config, 2.0, {1: 1_000, 2: 1_000})
    assert got[1] == pytest.approx(105_000, rel=0.1)
    assert got[2] > 1_200_000


def test_a_capped_channel_alone_wakes_up_for_its_rate() -> None:
    config = config_of(ChannelConfig(name="capped", send_rate=10_000))
    pair = ChannelPair(1, Conditions(latency=0.01), config=config)
    for _ in range(50):
        pair.a.endpoint.push(1, bytes(1_000))
    assert pair.network.run_until(lambda: len(pair.b.messages(1)) == 50, timeout=10)
    assert pair.now == pytest.approx(4.9, abs=0.2)


def test_what_waited_too_long_is_not_sent() -> None:
    config = config_of(
        ChannelConfig(name="voice", mode=DeliveryMode.UNRELIABLE, lifetime=0.1, queue_messages=4),
        send_rate=1_200.0,
    )
    end = ChannelEndpoint(config)
    for number in range(4):
        end.push(1, bytes([number]), 0.0)
    assert not end.has_room(1, 1, 0.05)
    with pytest.raises(ChannelFull):
        end.push(1, b"5", 0.05)
    assert end.has_room(1, 1, 0.1)
    end.push(1, b"fresh", 0.1)
    (packet,) = end.build_all(0.15)
    assert wire.parse(packet).frames == [(3, 1, None, [b"fresh"])]
    assert end.stats.messages_expired == 4
    assert end.stats.bytes_queued == 0
    assert end.idle


def test_one_that_is_partly_sent_goes_on() -> None:
    config = config_of(ChannelConfig(name="v", mode=DeliveryMode.UNRELIABLE, lifetime=0.1))
    a, b = ChannelEndpoint(config), ChannelEndpoint(config)
    a.push(1, bytes(40_000), 0.0)
    a.push(1, b"late", 0.0)
    now = 0.0
    while not a.idle:
        now += 0.05
        for packet in a.build_all(now):
            assert b.receive(packet, now) is None
        for packet in b.build_all(now):
            assert a.receive(packet, now) is None
    assert [len(message.data) for message in b.drain()] == [40_000]
    assert a.stats.messages_expired == 1


def test_redundant_messages_go_again_until_they_are_acked() -> None:
    config = config_of(ChannelConfig(name="input", redundant=True))
    end = ChannelEndpoint(config)
    found = []
    for tick in range(4):
        end.push(1, bytes([tick]), tick / 60)
        (packet,) = end.build_all(tick / 60)
        found.append([frame[2:] for frame in wire.parse(packet).frames])
    assert found[0] == [(0, [b"\0"])]
    assert found[1] == [(1, [b"\1"]), (0, [b"\0"])]
    assert found[3] == [(3, [b"\3"]), (0, [b"\0", b"\1", b"\2"])]
    assert end.receive(wire.packet(0, acks=wire.encode_acks([(2, 2)])), 0.07) is None
    end.push(1, b"x", 0.08)
    (packet,) = end.build_all(0.08)
    assert [frame[2:] for frame in wire.parse(packet).frames] == [(4, [b"x"]), (3, [b"\3"])]


def test_a_redundant_message_is_lost_only_with_its_last_packet() -> None:
    config = config_of(ChannelConfig(name="input", redundant=True))
    end = ChannelEndpoint(config)
    for tick in range(2):
        end.push(1, bytes([tick]), tick / 60)
        end.build_all(tick / 60)
    for tick in range(2, 6):  # nothing of channel 1, but its messages go along
        end.push(0, bytes([tick]), tick / 60)
        end.build_all(tick / 60)
    assert end.receive(wire.packet(0, acks=wire.encode_acks([(5, 5)])), 0.1) is None
    assert end.stats.packets_lost > 0
    assert end.stats.messages_queued == 4  # two of channel 0 are with packet 5 or lost
    frames = [f for p in end.build_all(0.1) for f in wire.parse(p, 6).frames]
    assert all(frame[1] == 0 for frame in frames), frames


@pytest.mark.parametrize("loss", [0.0, 0.1, 0.4])
def test_redundant_messages_arrive_once_in_order(loss: float) -> None:
    config = config_of(ChannelConfig(name="input", redundant=True), initial_message_id=65_000)
    pair = ChannelPair(3, Conditions(latency=0.04, loss=loss, reorder=0.05), config=config,
                       flush_interval=1 / 60)  # fmt: skip
    sent = []
    for tick in range(1_200):
        sent.append(tick.to_bytes(4, "little"))
        pair.a.endpoint.push(1, sent[-1], pair.now)
        pair.run(1 / 60)
    assert pair.settle(timeout=60)
    assert pair.b.messages(1) == sent
    pair.run(10)
    assert pair.a.endpoint.next_deadline == float("inf")


def test_room_is_what_push_finds() -> None:
    config = config_of(ChannelConfig(name="c", max_message=100, queue_bytes=150))
    end = ChannelEndpoint(config)
    assert end.has_room(1, 100)
    end.push(1, bytes(100))
    assert end.has_room(1, 50)
    assert not end.has_room(1, 51)
    with pytest.raises(EncodeError):
        end.has_room(1, 101)
    with pytest.raises(ConfigError):
        end.has_room(2, 1)
    with pytest.raises(ConfigError):
        end.has_room(-1, 1)
    with pytest.raises(ValueError, match="size is -1"):
        end.has_room(1, -1)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"priority": 8}, "priority: 8"),
        ({"priority": -2}, "priority: -2"),
        ({"weight": 0}, "weight: 0"),
        ({"weight": 65}, "weight: 65"),
        ({"send_rate": 50.0}, "send_rate: 50.0"),
        ({"send_rate": -1}, "send_rate: -1"),
        ({"lifetime": 1.0}, "lifetime: 1.0"),
        ({"lifetime": -1.0, "mode": DeliveryMode.UNRELIABLE}, "lifetime: -1.0"),
        ({"redundant": True, "mode": DeliveryMode.UNRELIABLE}, "redundant: True"),
        ({"redundant": 1}, "redundant: 1"),
    ],
)
def test_wrong_settings_are_named(fields: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        ChannelConfig(name="c", **fields)  # type: ignore[arg-type]
