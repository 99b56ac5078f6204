"""Every mode, for a long time, on a path that keeps changing: once, in order, bounded, no stall."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest

from netcode.channel import ChannelConfig, DeliveryMode, TransportConfig
from netcode.errors import ChannelFull
from netcode.testing import ChannelPair, Conditions

CHANNELS = (
    ChannelConfig(name="control"),
    ChannelConfig(name="ordered", priority=1),
    ChannelConfig(name="unordered", mode=DeliveryMode.RELIABLE_UNORDERED),
    ChannelConfig(name="unreliable", mode=DeliveryMode.UNRELIABLE, lifetime=1.0),
    ChannelConfig(name="sequenced", mode=DeliveryMode.UNRELIABLE_SEQUENCED),
    ChannelConfig(name="redundant", redundant=True, priority=2),
    ChannelConfig(name="bulk", send_rate=200_000.0, queue_bytes=1 << 18),
)
CONFIG = TransportConfig(
    channels=CHANNELS, initial_sequence=65_000, initial_message_id=65_000, max_packets=1_024
)
MEMORY = 4 << 20


def change(rng: random.Random, loss: float, rtt: float) -> dict[str, float]:
    return {
        "loss": loss,
        "latency": rtt / 2,
        "jitter": rng.choice([0.0, 0.005, 0.05]),
        "reorder": rng.choice([0.0, 0.0, 0.05]),
        "duplicate": rng.choice([0.0, 0.0, 0.05]),
        "rate": rng.choice([1e5, 1e6, float("inf")]),
        "queue_time": rng.choice([0.1, 1.0]),
    }


def live(seed: int, loss: float, rtt: float, seconds: float) -> None:
    rng = random.Random(seed)
    pair = ChannelPair(seed, Conditions(latency=rtt / 2), config=CONFIG, flush_interval=1 / 60)
    sent: dict[tuple[str, int], list[bytes]] = {}
    ends = {"a": (pair.a, pair.b), "b": (pair.b, pair.a)}
    end = pair.now + seconds
    for tick in itertools.count():
        if pair.now >= end:
            break
        if tick % 100 == 0:
            pair.network.change(**change(rng, loss, rtt))
        if tick % 700 == 699:  # nothing passes for a while
            pair.network.change(loss=1.0)
            pair.run(rng.random() * 3)
            pair.network.change(loss=loss)
        for name, (sender, receiver) in ends.items():
            for channel in range(1, len(CHANNELS)):
                size = rng.randrange(20_000 if channel == 6 else 60)
                if channel == 6 and tick % 20:
                    continue
                data = tick.to_bytes(4, "little") + rng.randbytes(size)
                try:
                    sender.endpoint.push(channel, data, pair.now)
                except ChannelFull:
                    continue
                sent.setdefault((name, channel), []).append(data)
            assert sender.endpoint.stats.memory < MEMORY
            assert set(receiver.refusals) <= {"duplicate"}
        pair.run(1 / 20)
    pair.network.change(**{**change(rng, loss, rtt), "rate": 1e6})
    assert pair.settle(timeout=600), pair
    for (name, channel), messages in sent.items():
        got = ends[name][1].messages(channel)
        mode = CHANNELS[channel].mode
        if mode is DeliveryMode.RELIABLE_ORDERED:
            assert got == messages, (name, channel)
        elif mode is DeliveryMode.RELIABLE_UNORDERED:
            assert Counter(got) == Counter(messages), (name, channel)
        else:
            assert not Counter(got) - Counter(messages), (name, channel)


@pytest.mark.parametrize(("loss", "rtt"), [(0.0, 0.0), (0.05, 0.05), (0.2, 0.2), (0.4, 0.6)])
def test_half_a_minute_on_a_changing_path(loss: float, rtt: float) -> None:
    live(1, loss, rtt, 30.0)


@pytest.mark.soak
@pytest.mark.parametrize("loss", [0.0, 0.02, 0.1, 0.4])
@pytest.mark.parametrize("rtt", [0.0, 0.05, 0.2, 0.6])
def test_hours_on_a_changing_path(loss: float, rtt: float) -> None:
    """Together 10,000 seconds."""
    live(2, loss, rtt, 625.0)
