"""Channel endpoints on a ``Network``, without the session floor between."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterator
from typing import Any

from netcode.channel import ChannelEndpoint, Frame, Message, TransportConfig
from netcode.testing.clock import VirtualClock
from netcode.testing.conditions import Conditions
from netcode.testing.network import Network
from netcode.testing.script import Script

__all__ = ["ChannelPair", "ChannelPeer"]


class ChannelPeer:
    """A ChannelEndpoint that talks to one address.

    Args:
        remote: address of the other end.
        config: of the endpoint.
        flush_interval: seconds between sends, as of a game's tick; 0 sends whenever due.
        capacity: bytes of a packet.
    """

    def __init__(
        self,
        remote: Hashable,
        config: TransportConfig | None = None,
        *,
        flush_interval: float = 0.0,
        capacity: int = 1200,
    ) -> None:
        self.remote = remote
        self.endpoint = ChannelEndpoint(config)
        self.flush_interval = flush_interval
        self.capacity = capacity
        self.refusals: Counter[str] = Counter()
        """Why packets were not applied, by reason."""
        self.delivered: list[Message | Frame] = []
        self._flush_at = -math.inf

    def receive_datagram(self, data: bytes, address: Any, now: float) -> None:
        """Take in a packet of the peer and keep what it delivers."""
        reason = self.endpoint.receive(data, now)
        if reason is not None:
            self.refusals[reason] += 1
        self.delivered += self.endpoint.drain()

    def update(self, now: float) -> None:
        """Nothing: building a packet runs the timers."""

    def send(self, now: float) -> Iterator[tuple[bytes, Hashable]]:
        """Every packet that may leave now."""
        if now < self._flush_at:
            return
        self._flush_at = now + self.flush_interval
        for packet in self.endpoint.build_all(now, self.capacity):
            yield packet, self.remote

    @property
    def next_deadline(self) -> float:
        """When ``send`` has something to do."""
        return max(self.endpoint.next_deadline, self._flush_at)

    def messages(self, channel: int) -> list[bytes]:
        """Payloads delivered on a channel so far, in order."""
        return [
            item.data
            for item in self.delivered
            if isinstance(item, Message) and item.channel == channel
        ]

    def frames(self, kind: int) -> list[bytes]:
        """Opaque frames of a kind delivered so far, in order."""
        return [
            item.data for item in self.delivered if isinstance(item, Frame) and item.kind == kind
        ]


class ChannelPair:
    """Two channel endpoints ``a`` and ``b`` with a link each way.

    Args:
        seed: of the network.
        conditions: both ways, or a Script of how they change; change one direction through
            ``network.link("a", "b")``.
        config: of both endpoints.
        flush_interval: seconds between sends; 0 sends whenever due.
    """

    def __init__(
        self,
        seed: int | str = 0,
        conditions: Conditions | Script | None = None,
        *,
        config: TransportConfig | None = None,
        flush_interval: float = 0.0,
        clock: VirtualClock | None = None,
    ) -> None:
        self.network = Network(seed, conditions, clock=clock)
        self.a = ChannelPeer("b", config, flush_interval=flush_interval)
        self.b = ChannelPeer("a", config, flush_interval=flush_interval)
        self.network.add("a", self.a)
        self.network.add("b", self.b)

    @property
    def now(self) -> float:
        """Virtual seconds."""
        return self.network.now

    def run(self, seconds: float) -> None:
        """Run for so many virtual seconds."""
        self.network.run(seconds)

    def settle(self, timeout: float = 3600.0) -> bool:
        """Run until both ends are idle; False when that takes longer than ``timeout``."""

        def idle() -> bool:
            return self.a.endpoint.idle and self.b.endpoint.idle

        return self.network.run_until(idle, timeout=timeout)

    def __repr__(self) -> str:
        return f"ChannelPair(network={self.network!r})"
