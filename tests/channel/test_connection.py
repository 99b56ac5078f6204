"""Two connections over a hostile network, driven by Hypothesis in virtual time."""

from __future__ import annotations

import random
from collections import Counter, deque
from typing import Any

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from netcode.channel import ChannelConfig, DeliveryMode, TransportConfig
from netcode.errors import ChannelFull
from netcode.testing import ChannelPair, ChannelPeer, Conditions

MODES = (
    DeliveryMode.RELIABLE_ORDERED,
    DeliveryMode.RELIABLE_ORDERED,
    DeliveryMode.RELIABLE_UNORDERED,
    DeliveryMode.UNRELIABLE,
    DeliveryMode.UNRELIABLE_SEQUENCED,
    DeliveryMode.RELIABLE_ORDERED,
    DeliveryMode.UNRELIABLE,
)
EXTRAS: dict[int, dict[str, Any]] = {
    1: {"send_rate": 100_000.0},
    2: {"priority": 2, "weight": 5},
    5: {"redundant": True, "priority": 2},
    6: {"lifetime": 0.5, "weight": 2},
}

sizes = st.one_of(
    st.integers(0, 40),
    st.sampled_from([0, 1, 63, 64, 65, 1023, 1024, 1025, 1152, 1200]),
    st.integers(0, 5_000),
    st.sampled_from([65_535, 65_536]),
)
conditions = st.builds(
    Conditions,
    loss=st.sampled_from([0.0, 0.05, 0.2, 0.4]),
    latency=st.sampled_from([0.0, 0.001, 0.05, 0.3]),
    jitter=st.sampled_from([0.0, 0.01, 0.1]),
    duplicate=st.sampled_from([0.0, 0.1, 0.5]),
    reorder=st.sampled_from([0.0, 0.1, 0.5]),
    reorder_delay=st.sampled_from([0.001, 0.05, 0.5]),
)


def make_config(wrap: bool, tight: bool) -> TransportConfig:
    limits = {"window_messages": 8, "window_bytes": 65_536, "queue_messages": 64} if tight else {}
    channels = tuple(
        ChannelConfig(name=f"{number}", mode=mode, **limits, **EXTRAS.get(number, {}))
        for number, mode in enumerate(MODES)
    )
    start = {"initial_sequence": 65_500, "initial_message_id": 65_530} if wrap else {}
    return TransportConfig(
        channels=channels, max_packets=64 if tight else 1024, send_window=20_000, **start
    )


def memory_limit(config: TransportConfig) -> int:
    """What the configuration allows a connection to hold, with its bookkeeping."""
    total = 4_096 + config.frame_bytes + config.max_packets * (64 + 4 * 24)
    for channel in config.channels:
        total += channel.queue_bytes * 65 // 64 + channel.window_bytes * 65 // 64
        total += 64 * channel.queue_messages + 128 * channel.window_messages + 4_096
    return total


class TapedPeer(ChannelPeer):
    """Remembers what it applied lately."""

    def __init__(self, remote: str, config: TransportConfig, flush_interval: float) -> None:
        super().__init__(remote, config, flush_interval=flush_interval)
        self.tape: deque[bytes] = deque(maxlen=30)

    def receive_datagram(self, data: bytes, address: object, now: float) -> None:
        before = sum(self.refusals.values())
        super().receive_datagram(data, address, now)
        if sum(self.refusals.values()) == before:
            self.tape.append(data)


class Machine(RuleBasedStateMachine):
    @initialize(
        seed=st.integers(0, 1 << 32),
        start=conditions,
        wrap=st.booleans(),
        tight=st.booleans(),
        flush_interval=st.sampled_from([0.0, 1 / 60]),
    )
    def connect(
        self, seed: int, start: Conditions, wrap: bool, tight: bool, flush_interval: float
    ) -> None:
        self.config = make_config(wrap, tight)
        self.pair = ChannelPair(seed, start)
        self.pair.a = TapedPeer("b", self.config, flush_interval)
        self.pair.b = TapedPeer("a", self.config, flush_interval)
        self.pair.network.add("a", self.pair.a)
        self.pair.network.add("b", self.pair.b)
        self.random = random.Random(seed)
        self.ends = {"a": (self.pair.a, self.pair.b), "b": (self.pair.b, self.pair.a)}
        self.pushed: dict[tuple[str, int], list[bytes]] = {}
        self.frames: dict[str, list[bytes]] = {"a": [], "b": []}
        self.count = 0
        note(f"{self.pair!r} {self.config!r}")

    def payload(self, size: int) -> bytes:
        self.count += 1
        return (self.count.to_bytes(4, "little") + self.random.randbytes(size))[:size]

    @rule(
        end=st.sampled_from("ab"),
        channel=st.integers(0, len(MODES) - 1),
        size=sizes,
        count=st.sampled_from([1, 1, 2, 20]),
    )
    def push(self, end: str, channel: int, size: int, count: int) -> None:
        sender: ChannelPeer = self.ends[end][0]
        for _ in range(count if size < 5_000 else 1):
            data = self.payload(size)
            try:
                sender.endpoint.push(channel, data, self.pair.now)
            except ChannelFull:
                return
            self.pushed.setdefault((end, channel), []).append(data)

    @rule(end=st.sampled_from("ab"), size=st.sampled_from([0, 1, 100, 1152]))
    def push_frame(self, end: str, size: int) -> None:
        data = self.payload(size)
        try:
            self.ends[end][0].endpoint.push_frame(0x41, data)
        except ChannelFull:
            return
        self.frames[end].append(data)

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.02, 0.1, 1.0]))
    def run_on(self, seconds: float) -> None:
        self.pair.run(seconds)

    @rule(end=st.sampled_from("ab"), conditions=conditions)
    def change(self, end: str, conditions: Conditions) -> None:
        other = "b" if end == "a" else "a"
        self.pair.network.link(end, other).conditions = conditions

    @rule(end=st.sampled_from("ab"), seconds=st.sampled_from([0.5, 3.0]))
    def outage(self, end: str, seconds: float) -> None:
        link = self.pair.network.link(end, "b" if end == "a" else "a")
        before = link.conditions
        link.change(loss=1.0)
        self.pair.run(seconds)
        link.conditions = before

    @rule(end=st.sampled_from("ab"))
    def replay(self, end: str) -> None:
        """Old packets come again."""
        receiver = self.ends[end][1]
        assert isinstance(receiver, TapedPeer)
        for packet in receiver.tape:
            assert receiver.endpoint.receive(packet, self.pair.now) == "duplicate"
        assert receiver.endpoint.drain() == []

    @invariant()
    def delivered_is_right(self) -> None:
        if not hasattr(self, "pair"):
            return
        for end, (_, receiver) in self.ends.items():
            assert set(receiver.refusals) <= {"duplicate"}, receiver.refusals
            for channel, mode in enumerate(MODES):
                got = receiver.messages(channel)
                sent = self.pushed.get((end, channel), [])
                if mode is DeliveryMode.RELIABLE_ORDERED:
                    assert got == sent[: len(got)]
                else:
                    assert not Counter(got) - Counter(sent)
                if mode is DeliveryMode.UNRELIABLE_SEQUENCED:
                    places = iter(sent)
                    assert all(data in places for data in got)
            assert not Counter(receiver.frames(0x41)) - Counter(self.frames[end])

    @invariant()
    def memory_is_bounded(self) -> None:
        if not hasattr(self, "pair"):
            return
        for sender, _ in self.ends.values():
            stats = sender.endpoint.stats
            assert stats.memory <= memory_limit(self.config)
            for channel in self.config.channels:
                assert stats.bytes_held <= 5 * channel.window_bytes

    def teardown(self) -> None:
        if not hasattr(self, "pair"):
            return
        assert self.pair.settle(timeout=3600), self.pair
        for end, (_, receiver) in self.ends.items():
            for channel, mode in enumerate(MODES):
                if mode.reliable:
                    got = receiver.messages(channel)
                    sent = self.pushed.get((end, channel), [])
                    if mode is DeliveryMode.RELIABLE_ORDERED:
                        assert got == sent
                    else:
                        assert Counter(got) == Counter(sent)
        self.delivered_is_right()
        self.pair.run(10)  # acks of acks, time-outs of what stayed incomplete
        for sender, _ in self.ends.values():
            assert sender.endpoint.next_deadline > self.pair.now
            assert sender.endpoint.stats.bytes_held == 0
            assert sender.endpoint.stats.bytes_in_flight == 0


TestConnection = Machine.TestCase
TestConnection.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.parametrize("seed", range(3))
def test_every_message_once_in_order_through_a_bad_link(seed: int) -> None:
    """20 % loss, 100 ms, jitter, reordering and duplication, both ways, at 60 Hz."""
    bad = Conditions(loss=0.2, latency=0.1, jitter=0.03, duplicate=0.1, reorder=0.1)
    config = TransportConfig(initial_sequence=65_000, initial_message_id=64_000)
    pair = ChannelPair(seed, bad, config=config, flush_interval=1 / 60)
    rng = random.Random(seed)
    sent: dict[str, list[bytes]] = {"a": [], "b": []}
    for tick in range(600):
        for name, peer in (("a", pair.a), ("b", pair.b)):
            for _ in range(rng.randrange(8)):
                data = tick.to_bytes(2, "little") + rng.randbytes(rng.randrange(60))
                peer.endpoint.push(1, data, pair.now)
                sent[name].append(data)
            peer.endpoint.push_frame(0x40, tick.to_bytes(2, "little") * 50)
        pair.run(1 / 60)
    assert pair.settle(timeout=60), pair
    assert pair.b.messages(1) == sent["a"]
    assert pair.a.messages(1) == sent["b"]
    assert len(pair.b.frames(0x40)) > 400
    stats = pair.a.endpoint.stats
    assert 0.19 < stats.rtt < 0.40
    assert stats.memory < 200_000


@pytest.mark.parametrize("seed", range(4))
def test_a_64_kib_message_through_20_percent_loss(seed: int) -> None:
    bad = Conditions(loss=0.2, latency=0.05, jitter=0.01, duplicate=0.05, reorder=0.05)
    pair = ChannelPair(seed, bad)
    data = random.Random(seed).randbytes(65_536)
    pair.a.endpoint.push(1, data)
    assert pair.network.run_until(lambda: pair.b.messages(1) == [data], timeout=3), pair
    stats = pair.a.endpoint.stats
    # Only what was lost went again: not the whole message.
    assert stats.bytes_sent < 65_536 * 1.8


def test_a_16_mib_message_where_the_configuration_allows_it() -> None:
    bulk = ChannelConfig(
        name="bulk", max_message=1 << 24, queue_bytes=1 << 24, window_bytes=1 << 24
    )
    config = TransportConfig(
        channels=(ChannelConfig(name="control"), bulk), send_window=1 << 21, max_packets=4096
    )
    pair = ChannelPair(1, Conditions(loss=0.02, latency=0.02), config=config)
    data = random.Random(1).randbytes(1 << 24)
    pair.a.endpoint.push(1, data)
    pair.run(0.2)
    pair.a.endpoint.push(0, b"no head-of-line blocking between channels", pair.now)
    assert pair.network.run_until(lambda: pair.b.messages(0), timeout=1)
    assert not pair.b.messages(1)
    assert pair.network.run_until(lambda: pair.b.messages(1), timeout=60), pair
    assert pair.b.messages(1) == [data]


def test_ids_and_sequences_wrap_many_times() -> None:
    pair = ChannelPair(3, Conditions(loss=0.1, latency=0.01, reorder=0.1))
    sent = 0
    while sent < 200_000:
        for _ in range(4_000):
            pair.a.endpoint.push(1, sent.to_bytes(4, "little"), pair.now)
            pair.b.endpoint.push(2, b"x", pair.now) if sent % 3 == 0 else None
            sent += 1
        assert pair.settle(timeout=60)
        got = pair.b.messages(1)
        assert [int.from_bytes(m, "little") for m in got] == list(range(sent - 4_000, sent))
        pair.b.delivered.clear()
        pair.a.delivered.clear()
