"""A bad line for any number of clients, as a proxy holds it: sans-IO, time is an argument."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, fields
from typing import Any

from netcode.errors import ConfigError
from netcode.testing.link import Link, LinkStats
from netcode.testing.scenario import Scenario

__all__ = ["ProxyCore", "ProxyStats", "WayStats"]

CAPACITY = 4096
"""Datagrams on one link at a time."""
MAX_BYTES = 256 << 20
"""Of all datagrams that are on the way together."""

COUNTED = tuple(each.name for each in fields(LinkStats))


@dataclass
class WayStats(LinkStats):
    """One direction of all clients together, those that have gone included: sums, as in
    LinkStats, and two values of the moment."""

    on_the_way: int = 0
    """Datagrams that were pushed and have not arrived yet."""
    waiting: float = 0.0
    """Seconds a datagram would wait in the queue of the bottleneck, the longest of any client."""

    def add(self, link: Link, now: float) -> None:
        """Count a link in."""
        self.count(link.stats)
        self.on_the_way += len(link)
        self.waiting = max(self.waiting, link.waiting(now))

    def count(self, stats: LinkStats) -> None:
        """Count only what a link has counted."""
        for name in COUNTED:
            setattr(self, name, getattr(self, name) + getattr(stats, name))


@dataclass(frozen=True, slots=True)
class ProxyStats:
    """What a proxy has done so far.

    Attributes:
        clients: addresses it knows at the moment.
        opened: clients there have been, those of now included.
        expired: clients forgotten after a silence.
        refused: datagrams of new clients when there were ``max_clients`` already.
        unroutable: datagrams for clients that it does not know (any more).
        overfull: datagrams dropped because it held ``MAX_BYTES`` already, 256 MiB.
        up, down: the two directions, from and to the clients.
    """

    clients: int
    opened: int
    expired: int
    refused: int
    unroutable: int
    overfull: int
    up: WayStats
    down: WayStats


@dataclass(slots=True)
class Client:
    up: Link
    down: Link
    heard: float


class ProxyCore:
    """Which client's datagrams are where, and when they are due; opens no socket.

    A client is an address. It gets a line of its own, whose seed follows from ``seed`` and from
    how many came before it; so the same datagrams at the same times have the same fate. After
    ``idle`` seconds in which nothing came from it or for it, it is forgotten.

    Args:
        scenario: what the line is like.
        seed: any int or str.
        max_clients: at a time; datagrams of others are dropped and counted.
        idle: seconds, see above.
        shared: all clients go through one line, as behind one router, rather than each through
            its own.
        start: when the scripts of the scenario begin; None is at the first datagram.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        seed: int | str = 0,
        max_clients: int = 64,
        idle: float = 60.0,
        shared: bool = False,
        start: float | None = None,
    ) -> None:
        if not 1 <= max_clients <= 65_535:
            raise ConfigError(f"max_clients: {max_clients}, must be 1 to 65535")
        if not idle > 0:
            raise ConfigError(f"idle: {idle!r}, must be a number of seconds above 0")
        self.scenario = scenario
        self.seed = seed
        self.max_clients = max_clients
        self.idle = idle
        self.start = start
        self.clients: OrderedDict[Hashable, Client] = OrderedDict()
        """By address; those that were silent longest come first."""
        self.opened = self.expired = self.refused = self.unroutable = self.overfull = 0
        self.held = 0
        """Bytes on the way."""
        self.gone = WayStats(), WayStats()
        self.shared = (
            scenario.links(f"{seed}/shared", start=start, capacity=CAPACITY) if shared else None
        )

    def from_client(self, data: Any, client: Hashable, now: float) -> bool:
        """Take in a datagram for the server; False when it was refused, and counted."""
        known = self.clients.get(client)
        if known is None:
            if len(self.clients) >= self.max_clients:
                self.refused += 1
                return False
            known = self.clients[client] = self.admit(now)
        return self.push(known, known.up, data, client, now)

    def from_target(self, data: Any, client: Hashable, now: float) -> bool:
        """Take in what the server answered a client; False when the client is not known."""
        known = self.clients.get(client)
        if known is None:
            self.unroutable += 1
            return False
        return self.push(known, known.down, data, client, now)

    def admit(self, now: float) -> Client:
        if self.start is None:
            self.start = now
        links = self.shared
        if links is None:
            seed = f"{self.seed}/{self.opened}"
            links = self.scenario.links(seed, start=self.start, capacity=CAPACITY)
        elif links[0].start is None:
            links[0].start = links[1].start = now
        self.opened += 1
        return Client(*links, heard=now)

    def push(self, known: Client, link: Link, data: Any, client: Hashable, now: float) -> bool:
        known.heard = max(known.heard, now)
        self.clients.move_to_end(client)
        if self.held + 2 * len(data) > MAX_BYTES:  # twice: there may be a copy
            self.overfull += 1
            return True
        before = link.held_bytes
        link.push(data, client, now)
        self.held += link.held_bytes - before
        return True

    def pop_up(self, now: float) -> list[tuple[bytes, Any]]:
        """What is due for the server by ``now``: (data, client)."""
        return self.pop(0, now)

    def pop_down(self, now: float) -> list[tuple[bytes, Any]]:
        """What is due for clients by ``now``: (data, client)."""
        return self.pop(1, now)

    def pop(self, way: int, now: float) -> list[tuple[bytes, Any]]:
        due = [each for link in self.links(way) for each in link.pop(now)]
        self.held -= sum(len(data) for data, _ in due)
        if self.shared is None:
            return due
        kept = [each for each in due if each[1] in self.clients]
        self.unroutable += len(due) - len(kept)
        return kept

    def links(self, way: int) -> list[Link]:
        if self.shared is not None:
            return [self.shared[way]]
        return [each.down if way else each.up for each in self.clients.values()]

    def expire(self, now: float) -> list[Any]:
        """Forget the clients that have been silent for too long; returns their addresses."""
        late = []
        for address, client in self.clients.items():
            if client.heard + self.idle > now:
                break
            # What is still on its own line may be the answer it waits for.
            if self.shared is not None or not (len(client.up) or len(client.down)):
                late.append(address)
        for address in late:
            self.forget(address)
            self.expired += 1
        return late

    def forget(self, client: Hashable) -> None:
        """Drop a client and what is on its own line."""
        gone = self.clients.pop(client)
        if self.shared is None:
            self.held -= gone.up.held_bytes + gone.down.held_bytes
            self.gone[0].count(gone.up.stats)
            self.gone[1].count(gone.down.stats)

    @property
    def next_deadline(self) -> float:
        """When a datagram or the expiry of a client is due; ``inf`` when nothing is."""
        due = [link.next_deadline for way in (0, 1) for link in self.links(way)]
        for client in self.clients.values():
            if self.shared is not None or not (len(client.up) or len(client.down)):
                due.append(client.heard + self.idle)
                break
        return min(due, default=math.inf)

    def stats(self, now: float) -> ProxyStats:
        """Counters so far, and the queues at ``now``."""
        ways = WayStats(), WayStats()
        for way, total in enumerate(ways):
            total.count(self.gone[way])
            for link in self.links(way):
                total.add(link, now)
        return ProxyStats(
            len(self.clients),
            self.opened,
            self.expired,
            self.refused,
            self.unroutable,
            self.overfull,
            *ways,
        )
