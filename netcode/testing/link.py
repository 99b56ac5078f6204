"""One direction of a lossy path between two sans-IO ends."""

from __future__ import annotations

import heapq
import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from netcode.testing.conditions import Conditions
from netcode.testing.script import Script

__all__ = ["Link", "LinkStats"]


@dataclass(slots=True)
class LinkStats:
    """Counters of one link, in datagrams unless they say bytes or seconds."""

    pushed: int = 0
    pushed_bytes: int = 0
    delivered: int = 0
    delivered_bytes: int = 0
    lost: int = 0
    """Lost on the way, in bursts or not."""
    lost_in_bursts: int = 0
    """Those of ``lost`` that were pushed while the link was bad."""
    too_large: int = 0
    """Above the ``mtu``."""
    queue_dropped: int = 0
    """Dropped because the queue of the bottleneck had no room."""
    duplicated: int = 0
    reordered: int = 0
    overflowed: int = 0
    """Dropped because ``capacity`` datagrams were on the way already."""
    delay: float = 0.0
    """Seconds from push to arrival, summed over all that were put on the way, copies apart."""
    queue_delay: float = 0.0
    """Seconds in the queue of the bottleneck, summed over all that entered it."""


class Link:
    """Queues, loses, delays, repeats and reorders datagrams by a seeded random generator.

    Time is an argument, so it works in virtual and in real time alike. Each push draws the same
    number of random values whatever the conditions are: changing them does not change the fate
    that later datagrams would have had. The same seed and the same pushes give the same fates.

    A datagram's fate is decided when it is pushed, by the conditions of that moment: what waits
    in the queue when the rate changes still leaves at the old one.

    Args:
        seed: any int or str; printed by ``repr``.
        conditions: what the path is like, or a Script of how that changes; or give the fields
            of Conditions by name instead.
        capacity: datagrams on the way at a time; more are dropped.
        start: when the script begins, in seconds; None is at the first push.
    """

    def __init__(
        self,
        seed: int | str = 0,
        conditions: Conditions | Script | None = None,
        *,
        capacity: int = 65_536,
        start: float | None = None,
        **fields: float,
    ) -> None:
        if conditions is not None and fields:
            raise TypeError("give either conditions or their fields")
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}, less than 1")
        self.seed = seed
        self.script = conditions if isinstance(conditions, Script) else None
        self.start = start
        if isinstance(conditions, Script):
            conditions = conditions.at(0.0)
        self.conditions = Conditions(**fields) if conditions is None else conditions
        self.capacity = capacity
        self.bad = False
        """Whether a burst of loss is on."""
        self.stats = LinkStats()
        self.held_bytes = 0
        """Bytes of the datagrams on the way."""
        self._random = Random(seed)
        # Its own generator: links that know no bursts keep the fates they always had.
        self._bursts = Random(f"{seed!r}/bursts")
        self._queue: list[tuple[float, int, bytes, Hashable]] = []
        self._count = 0
        self._last = -math.inf
        self._free = -math.inf
        self._changes: dict[str, float] = {}
        self._step: Conditions | None = None

    def change(self, **fields: float) -> Conditions:
        """Change some of the conditions from now on; what is on the way arrives as it was to.

        With a script, these fields stay as they are said here through all its steps.
        """
        self.conditions = replace(self.conditions, **fields)
        self._changes.update(fields)
        return self.conditions

    def follow(self, now: float) -> Conditions:
        """The conditions at ``now``: the script's, with what ``change`` said; ``push`` asks."""
        if self.script is not None:
            if self.start is None:
                self.start = now
            step = self.script.at(now - self.start)
            if step is not self._step:
                self._step = step
                self.conditions = replace(step, **self._changes) if self._changes else step
        return self.conditions

    def push(self, data: Any, address: Hashable, now: float) -> None:
        """Put a datagram on the way.

        Args:
            data: bytes-like; copied.
            address: handed back with it, for instance where it came from.
            now: seconds.
        """
        draw = self._random.random
        lost, jitter, reorder, held, duplicate, behind = (
            draw(),
            draw(),
            draw(),
            draw(),
            draw(),
            draw(),
        )
        c = self.conditions if self.script is None else self.follow(now)
        payload = bytes(data)
        self.stats.pushed += 1
        self.stats.pushed_bytes += len(payload)
        if self._bursts.random() < (c.burst_exit if self.bad else c.burst_enter):
            self.bad = not self.bad
        if len(payload) > c.mtu:
            self.stats.too_large += 1
            return
        left = now
        if c.rate < math.inf:
            waited = max(self._free - now, 0.0)
            size = len(payload) + c.overhead
            if waited > 0 and (waited > c.queue_time or waited * c.rate + size > c.queue):
                self.stats.queue_dropped += 1
                return
            self.stats.queue_delay += waited
            left = self._free = now + waited + size / c.rate
        if lost < (c.burst_loss if self.bad else c.loss):
            self.stats.lost += 1
            self.stats.lost_in_bursts += self.bad
            return
        arrival = left + c.latency + jitter * c.jitter
        if reorder < c.reorder:
            self.stats.reordered += 1
            arrival += held * c.reorder_delay
        else:
            arrival = max(arrival, self._last)
            self._last = arrival
        if self._enqueue(arrival, payload, address):
            self.stats.delay += arrival - now
        if duplicate < c.duplicate:
            self.stats.duplicated += 1
            self._enqueue(arrival + behind * c.reorder_delay, payload, address)

    def _enqueue(self, arrival: float, payload: bytes, address: Hashable) -> bool:
        if len(self._queue) >= self.capacity:
            self.stats.overflowed += 1
            return False
        self._count += 1
        self.held_bytes += len(payload)
        heapq.heappush(self._queue, (arrival, self._count, payload, address))
        return True

    def pop(self, now: float) -> list[tuple[bytes, Any]]:
        """What has arrived by ``now``: (data, address) in order of arrival."""
        queue = self._queue
        arrived = []
        while queue and queue[0][0] <= now:
            _, _, payload, address = heapq.heappop(queue)
            self.stats.delivered += 1
            self.stats.delivered_bytes += len(payload)
            self.held_bytes -= len(payload)
            arrived.append((payload, address))
        return arrived

    def waiting(self, now: float) -> float:
        """Seconds that a datagram pushed at ``now`` would wait in the queue of the bottleneck."""
        return max(self._free - now, 0.0)

    @property
    def next_deadline(self) -> float:
        """When the next datagram arrives; ``inf`` when none is on the way."""
        return self._queue[0][0] if self._queue else math.inf

    def __len__(self) -> int:
        """Datagrams on the way."""
        return len(self._queue)

    def __repr__(self) -> str:
        if self.script is not None:
            return f"Link(seed={self.seed!r}, conditions={self.script!r})"
        return f"Link(seed={self.seed!r}, conditions={self.conditions!r})"
