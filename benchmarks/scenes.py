"""Flows for the benchmarks of the channel: bulk, paced, a Reno to compete with, a shared link."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from typing import Any

from netcode.channel import ChannelConfig, ChannelEndpoint, Message, TransportConfig
from netcode.errors import ChannelFull
from netcode.testing import Conditions, Network

__all__ = ["Bulk", "Clocked", "Hub", "Paced", "Reno", "channels_for", "pair_of", "transfer"]

BULK_MESSAGE = 65_536
TICK = 1 / 60


def channels_for(*, redundant: bool = False) -> TransportConfig:
    """Channel 1 for small messages, 2 with the memory that bulk over long links needs."""
    small = {"redundant": True} if redundant else {}
    return TransportConfig(
        channels=(
            ChannelConfig(name="control"),
            ChannelConfig(name="small", **small),  # type: ignore[arg-type]
            ChannelConfig(name="bulk", queue_bytes=1 << 24, window_bytes=1 << 23),
        )
    )


class Clocked:
    """A channel endpoint that counts what arrives and remembers when."""

    def __init__(self, config: TransportConfig) -> None:
        self.endpoint = ChannelEndpoint(config)
        self.got = 0.0
        self.count = 0
        self.arrivals: list[tuple[int, float]] = []

    def receive(self, data: bytes, now: float) -> None:
        self.endpoint.receive(data, now)
        for item in self.endpoint.drain():
            assert isinstance(item, Message)
            self.got += len(item.data)
            self.count += 1
            if item.channel == 1:
                self.arrivals.append((int.from_bytes(item.data[:8], "little"), now))

    def refill(self, now: float) -> None:
        """Push what the workload wants to send."""

    def build(self, now: float) -> list[bytes]:
        self.refill(now)
        return self.endpoint.build_all(now)

    @property
    def deadline(self) -> float:
        return self.endpoint.next_deadline

    def delays(self, sender: Paced) -> list[tuple[float, int]]:
        """(one-way seconds, number) of every message so far."""
        return [(now - sender.times[number], number) for number, now in self.arrivals]


class Bulk(Clocked):
    """Sends ``size`` bytes in messages of 64 KiB, as fast as its queue lets it."""

    def __init__(self, config: TransportConfig, size: float = math.inf) -> None:
        super().__init__(config)
        self.left = size
        self.data = bytes(BULK_MESSAGE)
        self.started = False

    @property
    def deadline(self) -> float:
        return self.endpoint.next_deadline if self.started else -math.inf

    def refill(self, now: float) -> None:
        self.started = True
        while self.left > 0:
            try:
                self.endpoint.push(2, self.data, now)
            except ChannelFull:
                return
            self.left -= BULK_MESSAGE


class Paced(Clocked):
    """Eight messages of 32 bytes, sixty times a second."""

    def __init__(self, config: TransportConfig) -> None:
        super().__init__(config)
        self.times: list[float] = []
        self.tick = 0
        self.stopped = False

    @property
    def sent(self) -> int:
        return len(self.times)

    def stop(self) -> None:
        self.stopped = True

    def refill(self, now: float) -> None:
        while not self.stopped and self.tick * TICK <= now:
            self.tick += 1
            for _ in range(8):
                self.endpoint.push(1, len(self.times).to_bytes(8, "little") + bytes(24), now)
                self.times.append(now)

    @property
    def deadline(self) -> float:
        due = self.endpoint.next_deadline
        return due if self.stopped else min(due, self.tick * TICK)


class Reno(Clocked):
    """A flow as RFC 5681 has it: 1,200-byte segments, an ack for each, no pacing."""

    SEGMENT = 1200

    def __init__(self, sender: bool) -> None:
        self.sender = sender
        self.got = 0.0
        self.count = 0
        self.window = 10.0
        self.threshold = math.inf
        self.next = 0
        self.flying: dict[int, float] = {}
        self.acks: list[bytes] = []
        self.recovery = -1
        self.rtt = 0.1
        self.now = 0.0

    def receive(self, data: bytes, now: float) -> None:
        number = int.from_bytes(data[:8], "little")
        if not self.sender:
            self.got += len(data)
            self.acks.append(data[:8])
            return
        sent = self.flying.pop(number, None)
        if sent is None:
            return
        self.rtt += (now - sent - self.rtt) / 8
        if self.window < self.threshold:
            self.window += 1
        else:
            self.window += 1 / self.window
        self._lose([n for n in self.flying if n + 3 <= number])

    def _lose(self, lost: list[int]) -> None:
        for number in lost:
            del self.flying[number]
        if lost and lost[-1] > self.recovery:
            self.recovery = self.next
            self.threshold = self.window = max(self.window / 2, 2)

    def build(self, now: float) -> list[bytes]:
        if not self.sender:
            out, self.acks = self.acks, []
            return out
        if self.flying and now >= self._timeout():
            self._lose(list(self.flying))
            self.window = 2
        out = []
        while len(self.flying) < int(self.window):
            self.flying[self.next] = now
            out.append(self.next.to_bytes(8, "little") + bytes(self.SEGMENT - 8))
            self.next += 1
        return out

    def _timeout(self) -> float:
        return next(reversed(self.flying.values())) + 3 * self.rtt + 0.2

    @property
    def deadline(self) -> float:
        if not self.sender:
            return -math.inf if self.acks else math.inf
        return self._timeout() if self.flying else -math.inf


class Hub:
    """Several flows behind one address, so that they share its link. A byte tells them apart."""

    def __init__(self, remote: Hashable, flows: list[Any], *, stagger: float = 0.0) -> None:
        self.remote = remote
        self.flows = flows
        self.starts = [i * stagger for i in range(len(flows))]

    def receive_datagram(self, data: bytes, address: Any, now: float) -> None:
        self.flows[data[0]].receive(data[1:], now)

    def update(self, now: float) -> None:
        """Nothing: building runs the timers."""

    def send(self, now: float) -> Iterator[tuple[bytes, Hashable]]:
        for index, flow in enumerate(self.flows):
            if now >= self.starts[index]:
                for packet in flow.build(now):
                    yield bytes([index]) + packet, self.remote

    @property
    def next_deadline(self) -> float:
        due = zip(self.flows, self.starts, strict=True)
        return min(max(flow.deadline, start) for flow, start in due)


def pair_of(seed: int, link: Conditions, sender: Any, config: TransportConfig, **options: Any) -> (
    tuple[Network, Any, Clocked]
):  # fmt: skip
    """A sender at "a" and a receiver at "b", with equal links both ways."""
    net = Network(seed, link)
    left, right = sender(config, **options), Clocked(config)
    net.add("a", Hub("b", [left]))
    net.add("b", Hub("a", [right]))
    return net, left, right


def transfer(seed: int, link: Conditions, size: int) -> float:
    """Virtual seconds that ``size`` bytes take."""
    net, left, right = pair_of(seed, link, Bulk, channels_for(), size=size)
    if not net.run_until(lambda: right.got >= size, timeout=600):
        raise RuntimeError(f"only {right.got:.0f} of {size} bytes arrived in 600 s")
    assert left.left <= 0
    return net.now
