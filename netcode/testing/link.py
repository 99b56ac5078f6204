"""One direction of a lossy path between two sans-IO ends."""

from __future__ import annotations

import heapq
import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from netcode.testing.conditions import Conditions

__all__ = ["Link", "LinkStats"]


@dataclass(slots=True)
class LinkStats:
    """Counters of one link, in datagrams unless they say bytes."""

    pushed: int = 0
    pushed_bytes: int = 0
    delivered: int = 0
    delivered_bytes: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    overflowed: int = 0
    """Dropped because ``capacity`` datagrams were on the way already."""


class Link:
    """Loses, delays, repeats and reorders datagrams by a seeded random generator.

    Time is an argument, so it works in virtual and in real time alike. Each push draws the same
    number of random values whatever the conditions are: changing them does not change the fate
    that later datagrams would have had.

    Args:
        seed: any int or str; printed by ``repr``.
        conditions: what the path is like; or give its fields by name instead.
        capacity: datagrams on the way at a time; more are dropped.
    """

    def __init__(
        self,
        seed: int | str = 0,
        conditions: Conditions | None = None,
        *,
        capacity: int = 65_536,
        **fields: float,
    ) -> None:
        if conditions is not None and fields:
            raise TypeError("give either conditions or their fields")
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}, less than 1")
        self.seed = seed
        self.conditions = Conditions(**fields) if conditions is None else conditions
        self.capacity = capacity
        self.stats = LinkStats()
        self._random = Random(seed)
        self._queue: list[tuple[float, int, bytes, Hashable]] = []
        self._count = 0
        self._last = -math.inf

    def change(self, **fields: float) -> Conditions:
        """Change some of the conditions from now on; what is on the way arrives as it was to."""
        self.conditions = replace(self.conditions, **fields)
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
        c = self.conditions
        payload = bytes(data)
        self.stats.pushed += 1
        self.stats.pushed_bytes += len(payload)
        if lost < c.loss:
            self.stats.lost += 1
            return
        arrival = now + c.latency + jitter * c.jitter
        if reorder < c.reorder:
            self.stats.reordered += 1
            arrival += held * c.reorder_delay
        else:
            arrival = max(arrival, self._last)
            self._last = arrival
        self._enqueue(arrival, payload, address)
        if duplicate < c.duplicate:
            self.stats.duplicated += 1
            self._enqueue(arrival + behind * c.reorder_delay, payload, address)

    def _enqueue(self, arrival: float, payload: bytes, address: Hashable) -> None:
        if len(self._queue) >= self.capacity:
            self.stats.overflowed += 1
            return
        self._count += 1
        heapq.heappush(self._queue, (arrival, self._count, payload, address))

    def pop(self, now: float) -> list[tuple[bytes, Any]]:
        """What has arrived by ``now``: (data, address) in order of arrival."""
        queue = self._queue
        arrived = []
        while queue and queue[0][0] <= now:
            _, _, payload, address = heapq.heappop(queue)
            self.stats.delivered += 1
            self.stats.delivered_bytes += len(payload)
            arrived.append((payload, address))
        return arrived

    @property
    def next_deadline(self) -> float:
        """When the next datagram arrives; ``inf`` when none is on the way."""
        return self._queue[0][0] if self._queue else math.inf

    def __len__(self) -> int:
        """Datagrams on the way."""
        return len(self._queue)

    def __repr__(self) -> str:
        return f"Link(seed={self.seed!r}, conditions={self.conditions!r})"
