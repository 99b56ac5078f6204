"""What a link does to the datagrams on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from netcode.errors import ConfigError

__all__ = ["Conditions"]

PROBABILITIES = ("loss", "burst_enter", "burst_exit", "burst_loss", "duplicate", "reorder")
TIMES = ("latency", "jitter", "reorder_delay")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """One direction of a network path. Times are seconds, the rest probabilities from 0 to 1,
    unless they say bytes.

    A datagram first waits in the queue of the bottleneck, which sends ``rate`` bytes a second;
    then it may get lost, and then it takes ``latency`` and a share of ``jitter`` to arrive.

    Jitter alone keeps the order, as a queue does; only ``reorder`` and ``duplicate`` let a
    datagram arrive after later ones.

    Bursts of loss are those of Gilbert and Elliott: the link is good or bad, starts good, and
    may change with each datagram. It loses ``loss`` of the datagrams while it is good and
    ``burst_loss`` while it is bad; a bad time lasts ``1 / burst_exit`` datagrams on average. In
    the letters of ``tc netem loss gemodel``: p is ``burst_enter``, r ``burst_exit``, 1-h
    ``burst_loss`` and 1-k ``loss``.

    Attributes:
        loss: a datagram never arrives.
        latency: from push to arrival, without the queue.
        jitter: uniform extra delay of up to this much.
        duplicate: a second copy arrives, up to ``reorder_delay`` later.
        reorder: a datagram is held back by up to ``reorder_delay`` while others pass it.
        reorder_delay: see above.
        burst_enter: a good link turns bad, at each datagram; 0 for no bursts.
        burst_exit: a bad link turns good, at each datagram.
        burst_loss: a datagram never arrives while the link is bad.
        rate: bytes per second that leave the bottleneck, above 0; infinite for no bottleneck.
        overhead: bytes that each datagram takes of ``rate`` and ``queue`` besides its own: 28
            for the headers of IPv4 and UDP.
        queue: bytes that may wait in front of the bottleneck; a datagram that does not fit is
            dropped. One always fits when nothing waits.
        queue_time: seconds that a datagram may wait there at the most; the same for whoever
            thinks of the queue in seconds. The smaller of the two counts.
        mtu: bytes of the largest datagram that passes, headers not counted; larger ones vanish,
            and nobody is told.
    """

    loss: float = 0.0
    latency: float = 0.0
    jitter: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    reorder_delay: float = 0.05
    burst_enter: float = 0.0
    burst_exit: float = 0.25
    burst_loss: float = 1.0
    rate: float = math.inf
    overhead: float = 28.0
    queue: float = math.inf
    queue_time: float = math.inf
    mtu: float = math.inf

    def __post_init__(self) -> None:
        for name in PROBABILITIES:
            value = self.number(name)
            if not 0 <= value <= 1:
                raise ConfigError(f"Conditions.{name}: {value!r} is not a probability from 0 to 1")
        for name in TIMES:
            value = self.number(name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"Conditions.{name}: {value!r} is not a number of seconds from 0")
        if not self.number("rate") > 0:
            raise ConfigError(
                f"Conditions.rate: {self.rate!r} is not a number of bytes per second above 0; "
                f"loss=1 is a line that is down"
            )
        if not (math.isfinite(self.number("overhead")) and self.overhead >= 0):
            raise ConfigError(f"Conditions.overhead: {self.overhead!r} is not a number of bytes")
        for name, unit in (("queue", "bytes"), ("queue_time", "seconds"), ("mtu", "bytes")):
            if not self.number(name) >= 0:
                value = getattr(self, name)
                raise ConfigError(f"Conditions.{name}: {value!r} is not a number of {unit} from 0")

    def number(self, name: str) -> float:
        """A field; ConfigError when it is no number."""
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"Conditions.{name}: {value!r} is not a number")
        return value

    @property
    def average_loss(self) -> float:
        """The share of datagrams that get lost in the long run, bursts included, 0 to 1; without
        those that the queue has no room for."""
        both = self.burst_enter + self.burst_exit
        if not self.burst_enter:
            return self.loss
        bad = self.burst_enter / both
        return (1 - bad) * self.loss + bad * self.burst_loss
