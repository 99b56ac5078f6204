"""The congestion controller: what it finds out about a path, and what it does to it."""

from __future__ import annotations

import itertools

import pytest
from oracle import channel as wire

from netcode.channel import ChannelConfig, ChannelEndpoint, TransportConfig
from netcode.errors import ChannelFull
from netcode.testing import ChannelPair, ChannelPeer, Conditions

BULK = TransportConfig(
    channels=(
        ChannelConfig(name="control"),
        ChannelConfig(name="bulk", queue_bytes=1 << 23, window_bytes=1 << 23),
    )
)
MBIT = 1e6 / 8


class Greedy(ChannelPeer):
    """Always has more to send."""

    def send(self, now: float):  # type: ignore[no-untyped-def]
        try:
            while True:
                self.endpoint.push(1, bytes(30_000), now)
        except ChannelFull:
            pass
        self.delivered.clear()
        yield from super().send(now)


def bulk_pair(link: Conditions, seed: int = 1, config: TransportConfig = BULK) -> ChannelPair:
    pair = ChannelPair(seed, Conditions(latency=link.latency, loss=link.loss), config=config)
    pair.network.link("a", "b").conditions = link
    pair.a = Greedy("b", config)
    pair.network.add("a", pair.a)
    pair.network.flush("a")
    return pair


def waits(pair: ChannelPair, seconds: float) -> list[float]:
    """What a datagram would wait in the queue, every 10 ms; sorted."""
    link, found = pair.network.link("a", "b"), []
    for _ in range(round(seconds * 100)):
        pair.run(0.01)
        pair.b.delivered.clear()
        found.append(link.waiting(pair.now))
    return sorted(found)


@pytest.mark.parametrize("mbit", [1, 10, 100])
@pytest.mark.parametrize("latency", [0.005, 0.05])
def test_the_estimate_is_the_bottleneck_and_the_queue_stays_short(
    mbit: float, latency: float
) -> None:
    link = Conditions(latency=latency, rate=mbit * MBIT, queue_time=1.0, overhead=0)
    pair = bulk_pair(link)
    pair.run(2.0)
    found = waits(pair, 3.0)
    stats = pair.a.endpoint.stats
    assert stats.bandwidth == pytest.approx(mbit * MBIT, rel=0.15)
    # A few packets, or a quarter of the round trip while looking for more.
    most = 14 * 1200 / (mbit * MBIT) + latency / 2 + 0.005
    assert found[len(found) * 95 // 100] < most
    assert stats.queue_delay < most
    used = pair.network.link("a", "b").stats.delivered_bytes / pair.now / (mbit * MBIT)
    assert used > 0.8


def test_random_loss_does_not_slow_it_down() -> None:
    rates = []
    for loss in (0.0, 0.05, 0.2):
        pair = bulk_pair(Conditions(latency=0.025, rate=10 * MBIT, queue_time=0.5, loss=loss))
        pair.run(4.0)
        rates.append(pair.network.link("a", "b").stats.delivered_bytes / 4 / (1 - loss))
    assert min(rates) > 0.8 * max(rates)


@pytest.mark.parametrize(("before", "after"), [(20, 2), (2, 20)])
def test_it_follows_a_path_that_changes(before: float, after: float) -> None:
    pair = bulk_pair(Conditions(latency=0.02, rate=before * MBIT, queue_time=1.0, overhead=0))
    pair.run(3.0)
    pair.network.link("a", "b").change(rate=after * MBIT)
    pair.run(5.0)
    found = waits(pair, 2.0)
    assert pair.a.endpoint.stats.bandwidth == pytest.approx(after * MBIT, rel=0.25)
    assert found[len(found) * 9 // 10] < 0.1


def test_what_the_game_sends_is_no_estimate_of_the_path() -> None:
    """A bulk transfer finds 10 Mbit/s; a quiet minute does not make that less."""
    pair = ChannelPair(1, Conditions(latency=0.02, rate=10 * MBIT), config=BULK)
    pair.a.endpoint.push(1, bytes(65_536))
    for _ in range(40):
        pair.run(0.05)
        pair.a.endpoint.push(1, bytes(65_536), pair.now)
    found = pair.a.endpoint.stats.bandwidth
    assert found > 0.7 * 10 * MBIT
    for _ in range(600):
        pair.run(0.1)
        pair.a.endpoint.push(1, b"hello", pair.now)
    assert pair.a.endpoint.stats.bandwidth == pytest.approx(found, rel=0.02)
    assert pair.a.endpoint.stats.rtt == pytest.approx(0.04, abs=0.002)


def test_a_game_that_sends_little_may_send_much_at_any_time() -> None:
    pair = ChannelPair(1, Conditions(latency=0.02), config=BULK)
    for _ in range(300):
        pair.a.endpoint.push(1, b"hello", pair.now)
        pair.run(1 / 30)
    start = pair.now
    pair.a.endpoint.push(1, bytes(65_536), start)
    assert pair.network.run_until(lambda: len(pair.b.messages(1)) == 301, timeout=5)
    assert pair.now - start < 0.15  # 20 ms, and four windows, each twice the one before


def test_fixed_mode_sends_at_its_rate_whatever_the_path_says() -> None:
    config = TransportConfig(channels=BULK.channels, send_rate=50_000.0)
    pair = bulk_pair(Conditions(latency=0.02), config=config)
    pair.run(10.0)
    assert pair.a.endpoint.stats.bytes_sent == pytest.approx(500_000, rel=0.05)
    assert pair.a.endpoint.stats.send_rate == 50_000
    assert pair.a.endpoint.stats.send_window == config.send_window


def test_frames_take_of_the_window_but_messages_are_not_starved() -> None:
    """Snapshots of more than the path carries: messages trickle on."""
    pair = ChannelPair(1, Conditions(latency=0.02, rate=1 * MBIT, queue_time=0.2), config=BULK)
    pair.a.endpoint.push(1, bytes(20_000))
    for _ in range(600):
        pair.a.endpoint.push_frame(0x40, bytes(1_100))
        pair.a.endpoint.push_frame(0x40, bytes(1_100))
        pair.a.endpoint.push_frame(0x40, bytes(1_100))
        pair.run(1 / 60)
    assert pair.b.messages(1) == [bytes(20_000)]


def test_acks_ahead_of_arrival_gain_no_more_than_the_window() -> None:
    """A peer that acks all that was sent, at once: the window's limit holds, nothing breaks."""
    config = TransportConfig(channels=BULK.channels, send_window=100_000)
    end = ChannelEndpoint(config)
    sequence, now = 0, 0.0
    for turn in range(2_000):
        try:
            while True:
                end.push(1, bytes(30_000), now)
        except ChannelFull:
            pass
        packets = end.build_all(now)
        assert sum(map(len, packets)) <= 100_000 + 1_200
        sent = end.stats.packets_sent
        block = wire.encode_acks([(0, sent - 1)] if turn < 3 else [(sent - 1, sent - 1)])
        if sent:
            assert end.receive(wire.packet(sequence, acks=block), now) is None
            sequence += 1
        now += 0.0001
    assert end.stats.send_window <= 100_000
    assert end.stats.memory < 20_000_000


@pytest.mark.parametrize("loss", [0.0, 0.05, 0.4])
@pytest.mark.parametrize("latency", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("jitter", [0.0, 0.03])
def test_bulk_arrives_on_any_path(loss: float, latency: float, jitter: float) -> None:
    bad = Conditions(loss=loss, latency=latency, jitter=jitter, reorder=0.02, duplicate=0.02)
    pair = ChannelPair(5, bad, config=BULK)
    data = [bytes([i]) * 30_000 for i in range(20)]
    for message in data:
        pair.a.endpoint.push(1, message)
    assert pair.network.run_until(lambda: pair.b.messages(1) == data, timeout=60), pair
    stats = pair.a.endpoint.stats
    assert stats.bytes_sent < 600_000 / (1 - loss) * 1.6
    for a, b in itertools.pairwise([0.0, stats.bandwidth, float("inf")]):
        assert a <= b
