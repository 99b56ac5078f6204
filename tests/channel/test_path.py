"""Paths that shrink: large packets vanish, and messages arrive all the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netcode.channel import ChannelConfig, ChannelEndpoint, Frame, Message, TransportConfig
from netcode.testing import Conditions, Link, Script

FLOOR = 480
CHANNELS = TransportConfig(
    channels=(
        ChannelConfig(name="control"),
        ChannelConfig(name="bulk", max_message=1 << 20, queue_bytes=1 << 23, window_bytes=1 << 22),
        ChannelConfig(name="small"),
    )
)


class Line:
    """Two ends, a link each way, and what the second one got."""

    def __init__(self, there: Conditions | Script, seed: int = 1, **back: float) -> None:
        self.a, self.b = ChannelEndpoint(CHANNELS), ChannelEndpoint(CHANNELS)
        self.there = Link(seed, there, start=0.0)
        self.back = Link(seed + 1, latency=0.03, **back)
        self.got: list[Message | Frame] = []
        self.largest = 0
        self.now = 0.0

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 0.002
            for sender, link, receiver in (
                (self.a, self.there, self.b),
                (self.b, self.back, self.a),
            ):
                for data, _ in link.pop(self.now):
                    receiver.receive(data, self.now)
                for packet in sender.build_all(self.now):
                    link.push(packet, None, self.now)
            self.got += self.b.drain()

    def until_idle(self, seconds: float) -> float:
        start = self.now
        while not self.a.idle:
            assert self.now - start < seconds, self.a.stats
            self.run(0.05)
        return self.now - start


def shrinking(at: float, to: float, until: float = 1e9) -> Script:
    wide = Conditions(latency=0.03, rate=1_000_000, queue_time=0.2)
    return Script([(0.0, wide), (at, replace(wide, mtu=to)), (until, wide)])


@pytest.mark.parametrize("size", [100, 1000, 100_000])
@pytest.mark.parametrize("to", [FLOOR, 700, 1100])
def test_a_path_that_shrinks_carries_on(size: int, to: int) -> None:
    line = Line(shrinking(0.5, to))
    number = 0
    while number < 40:
        for _ in range(4):
            line.a.push(1, number.to_bytes(4, "little") + bytes(size - 4), line.now)
            number += 1
        line.run(0.1)
    line.until_idle(10.0)
    heard = [each.data[:4] for each in line.got if isinstance(each, Message)]
    assert heard == [n.to_bytes(4, "little") for n in range(40)]
    if size > to:
        assert line.a.stats.black_holes >= 1
        assert line.a.stats.mtu <= to


def test_a_black_hole_is_found_soon() -> None:
    line = Line(shrinking(0.5, 600))
    for _ in range(4):
        line.a.push(1, bytes(1 << 20), line.now)
    line.run(0.5)
    assert line.a.stats.black_holes == 0
    start = line.now
    while line.a.stats.black_holes == 0:
        line.run(0.01)
        assert line.now - start < 3.0
    assert line.a.stats.mtu == FLOOR
    delivered = line.b.stats.bytes_received
    line.run(2.0)
    assert line.b.stats.bytes_received > delivered + 100_000


def test_a_path_that_widens_again_is_found_out() -> None:
    line = Line(shrinking(0.5, 600, until=6.0))
    while line.now < 40.0:
        if line.a.has_room(1, 20_000, line.now):
            line.a.push(1, bytes(20_000), line.now)
        line.run(0.1)
    assert line.a.stats.black_holes == 1
    assert line.a.stats.mtu == 1200


def test_a_path_in_between_is_searched() -> None:
    line = Line(shrinking(0.5, 900))
    while line.now < 90.0:
        if line.a.has_room(1, 20_000, line.now):
            line.a.push(1, bytes(20_000), line.now)
        line.run(0.2)
    assert FLOOR < line.a.stats.mtu <= 900


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "lossy",
    [
        {"loss": 0.2},
        {"burst_enter": 0.005, "burst_exit": 0.05},
        {"jitter": 0.03, "reorder": 0.2, "loss": 0.05},
    ],
)
def test_loss_alone_is_no_black_hole(seed: int, lossy: dict[str, float]) -> None:
    line = Line(Conditions(latency=0.03, **lossy), seed, loss=0.1)
    while line.now < 20.0:
        line.a.push(2, bytes(20), line.now)
        if line.a.has_room(1, 5_000, line.now):
            line.a.push(1, bytes(5_000), line.now)
        line.run(0.05)
    assert line.a.stats.black_holes == 0
    assert line.a.stats.mtu == 1200


def test_an_outage_is_no_black_hole() -> None:
    up = Conditions(latency=0.03, rate=1_000_000, queue_time=0.2)
    line = Line(Script([(0.0, up), (2.0, replace(up, loss=1.0)), (6.0, up)]))
    for _ in range(6):
        line.a.push(1, bytes(1 << 20), line.now)
        line.run(2.0)
    line.until_idle(30.0)
    assert line.a.stats.black_holes == 0


def test_frames_that_no_packet_takes_are_counted_and_try_the_path() -> None:
    line = Line(shrinking(0.5, 600, until=8.0))
    line.a.push(1, bytes(1 << 20), line.now)
    line.run(5.0)
    assert line.a.stats.mtu == FLOOR
    line.a.push_frame(0x40, bytes(1000))
    line.run(0.1)
    assert line.a.stats.frames_dropped == 1
    while line.now < 40.0:
        line.a.push_frame(0x40, bytes(1000))
        line.run(0.1)
    assert line.a.stats.mtu == 1200
    assert any(isinstance(each, Frame) for each in line.got)
