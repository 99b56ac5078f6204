"""Any number of sans-IO endpoints and the links between them, in virtual time."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from typing import Any, Protocol

from netcode.errors import ConfigError
from netcode.testing.clock import VirtualClock
from netcode.testing.conditions import Conditions
from netcode.testing.link import Link
from netcode.testing.scenario import Scenario
from netcode.testing.script import Script

__all__ = ["Network", "SansIO"]

STUCK_STEPS = 10_000
"""Steps at one instant after which an endpoint that always wants to run again is a fault."""


class SansIO(Protocol):
    """What an endpoint offers: session endpoints and ``ChannelPeer`` do."""

    @property
    def next_deadline(self) -> float:
        """When ``update`` and ``send`` next have something to do."""

    def receive_datagram(self, data: bytes, address: Any, now: float) -> object:
        """Take in one datagram."""

    def update(self, now: float) -> object:
        """Run timers."""

    def send(self, now: float) -> Iterable[tuple[Any, Any]]:
        """(data, address) to send now; copied at once."""


class Network:
    """Endpoints at addresses, with a ``Link`` for each direction between two that talk.

    Args:
        seed: of the whole network; each link's own follows from it and its two addresses.
        conditions: of links for which nothing else was said; a Script of how they change runs
            from now on for all of them, whenever each is made. Or a Scenario: its ``up`` is for
            links to an address in ``servers``, its ``down`` for all others.
        servers: addresses that a Scenario's clients send up to.
        clock: shared with the test, or a new one.
    """

    def __init__(
        self,
        seed: int | str = 0,
        conditions: Conditions | Script | Scenario | None = None,
        *,
        servers: Iterable[Hashable] = (),
        clock: VirtualClock | None = None,
    ) -> None:
        self.seed = seed
        self.conditions = Conditions() if conditions is None else conditions
        self.servers = frozenset(servers)
        if isinstance(conditions, Scenario) != bool(self.servers):
            raise ConfigError("Network.servers: needed with a Scenario, and for nothing else")
        self.clock = VirtualClock() if clock is None else clock
        self.begun = self.clock.now
        """When the script began."""
        self.endpoints: dict[Hashable, SansIO] = {}
        self.unroutable = 0
        """Datagrams to an address where nobody is."""
        self._links: dict[tuple[Hashable, Hashable], Link] = {}
        self._arrivals: list[tuple[float, int, tuple[Hashable, Hashable]]] = []
        self._due: dict[tuple[Hashable, Hashable], float] = {}
        self._scheduled: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()

    @property
    def now(self) -> float:
        """Virtual seconds."""
        return self.clock.now

    def add(self, address: Hashable, endpoint: SansIO) -> None:
        """Put an endpoint at an address; datagrams to it go there from now on."""
        self.endpoints[address] = endpoint

    def remove(self, address: Hashable) -> SansIO:
        """Take the endpoint away; what is on the way to it gets lost."""
        return self.endpoints.pop(address)

    def link(self, source: Hashable, target: Hashable) -> Link:
        """The link of one direction, made when it is first asked for."""
        link = self._links.get((source, target))
        if link is None:
            link = Link(f"{self.seed}/{source!r}/{target!r}", self.line(target), start=self.begun)
            self._links[source, target] = link
        return link

    def line(self, target: Hashable) -> Conditions | Script:
        """What a link towards ``target`` is like."""
        if isinstance(self.conditions, Scenario):
            return self.conditions.up if target in self.servers else self.conditions.down
        return self.conditions

    @property
    def links(self) -> dict[tuple[Hashable, Hashable], Link]:
        """Every link so far, by (source, target)."""
        return dict(self._links)

    def change(self, **fields: float) -> None:
        """Change conditions of every link, those to come included.

        With a script, these fields stay as they are said here through all its steps.
        """
        lines = self.conditions
        if isinstance(lines, Scenario):
            up, down = lines.up.changed(**fields), lines.down.changed(**fields)
            self.conditions = replace(lines, up=up, down=down)
        elif isinstance(lines, Script):
            self.conditions = lines.changed(**fields)
        else:
            self.conditions = replace(lines, **fields)
        for link in self._links.values():
            link.change(**fields)

    def schedule(self, at: float, function: Callable[[], object]) -> None:
        """Call ``function`` when virtual time reaches ``at``."""
        heapq.heappush(self._scheduled, (max(at, self.now), next(self._order), function))

    def transmit(self, data: Any, source: Hashable, target: Hashable) -> None:
        """Put a datagram on the link from ``source`` to ``target``; tests inject with it."""
        self.link(source, target).push(data, source, self.now)
        self._watch((source, target))

    def _watch(self, key: tuple[Hashable, Hashable]) -> None:
        """Have one live entry for a link that has something on the way; older ones are ignored."""
        due = self._links[key].next_deadline
        if due < self._due.get(key, math.inf):
            self._due[key] = due
            heapq.heappush(self._arrivals, (due, next(self._order), key))

    def flush(self, address: Hashable) -> None:
        """Let one endpoint update and send at the present instant."""
        endpoint = self.endpoints[address]
        endpoint.update(self.now)
        for data, target in endpoint.send(self.now):
            self.transmit(data, address, target)

    @property
    def next_deadline(self) -> float:
        """When anything next happens; ``inf`` when all is quiet."""
        due = min((e.next_deadline for e in self.endpoints.values()), default=math.inf)
        if self._arrivals:
            due = min(due, self._arrivals[0][0])
        if self._scheduled:
            due = min(due, self._scheduled[0][0])
        return due

    def step(self) -> None:
        """Do everything that is due at the present instant, without moving time."""
        now = self.now
        while self._scheduled and self._scheduled[0][0] <= now:
            heapq.heappop(self._scheduled)[2]()
        touched: dict[Hashable, None] = {}
        while self._arrivals and self._arrivals[0][0] <= now:
            due, _, key = heapq.heappop(self._arrivals)
            if self._due.get(key) != due:
                continue
            del self._due[key]
            target = key[1]
            for data, source in self._links[key].pop(now):
                endpoint = self.endpoints.get(target)
                if endpoint is None:
                    self.unroutable += 1
                else:
                    endpoint.receive_datagram(data, source, now)
                    touched[target] = None
            self._watch(key)
        for address, endpoint in list(self.endpoints.items()):
            if address in touched or endpoint.next_deadline <= now:
                self.flush(address)

    def run_until(self, until: float | Callable[[], object], *, timeout: float = 3600.0) -> bool:
        """Run to a time, or until a condition holds.

        Args:
            until: virtual seconds; or a function, asked after every step.
            timeout: virtual seconds from now after which a condition is given up.

        Returns:
            False when the condition did not come true in time.

        Raises:
            RuntimeError: an endpoint wants to run again and again without time moving on.
        """
        condition = until if callable(until) else None
        end = self.now + timeout if callable(until) else float(until)
        steps = 0
        while True:
            before = self.now
            self.step()
            if condition is not None and condition():
                return True
            due = max(self.next_deadline, before)
            steps = steps + 1 if due == before else 0
            if steps > STUCK_STEPS:
                late = [a for a, e in self.endpoints.items() if e.next_deadline <= before]
                raise RuntimeError(f"{late} at {before} s do not come to rest in {self!r}")
            if due > end:
                self.clock.advance_to(max(end, before))
                return condition is None
            self.clock.advance_to(due)

    def run(self, seconds: float) -> None:
        """Run for so many virtual seconds."""
        self.run_until(self.now + seconds)

    def __repr__(self) -> str:
        return f"Network(seed={self.seed!r}, conditions={self.conditions!r}, now={self.now!r})"
