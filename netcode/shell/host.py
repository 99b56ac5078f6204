"""An endpoint, its back end, and the lock between the game's thread and the keeper's."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Final, Protocol

from netcode.io import ConditionedTransport, Keeper, LinkLike, Transport
from netcode.session import DatagramBatch

__all__ = ["VIRTUAL_EPOCH", "Clock", "Host", "LinkPair", "conditioned", "epoch_of"]

log = logging.getLogger("netcode")

Clock = Callable[[], float]
LinkPair = tuple[LinkLike | None, LinkLike | None]


VIRTUAL_EPOCH: Final = 1_700_000_000.0
"""Unix time at which every virtual clock stands at 0: the same tokens expire in every run."""


def epoch_of(clock: Clock) -> float:
    """What to add to ``clock()`` for unix time."""
    return time.time() - clock() if clock is time.monotonic else VIRTUAL_EPOCH


class EndpointLike(Protocol):
    """What a ServerEndpoint and a ClientEndpoint have in common."""

    @property
    def next_deadline(self) -> float: ...
    def receive(self, batch: DatagramBatch, now: float) -> Any: ...
    def update(self, now: float) -> Any: ...
    def send(self, now: float) -> DatagramBatch: ...


def conditioned(transport: Transport, link: LinkPair | None, clock: Clock) -> Transport:
    """``transport`` behind the (sending, receiving) links of ``link``, if any."""
    if link is None:
        return transport
    sending, receiving = link
    return ConditionedTransport(transport, sending=sending, receiving=receiving, clock=clock)


hosts: weakref.WeakSet[Host] = weakref.WeakSet()
"""All of this process, for a child that is forked off."""


class Host:
    """Moves datagrams between one endpoint and one back end.

    ``lock`` guards both: the game's thread holds it while it touches the endpoint, and the
    keeper takes it when the game has not pumped for a while. Game code never runs under it.
    The clock must be monotonic; with any but ``time.monotonic`` (virtual time) there is no
    keeper, since nothing happens while virtual time stands still.
    """

    def __init__(self, endpoint: EndpointLike, transport: Transport, clock: Clock) -> None:
        self.endpoint = endpoint
        self.transport = transport
        self.clock = clock
        self.lock = threading.RLock()
        self.batch = DatagramBatch()
        self.pumped = clock()
        self.closed = False
        self.keeper: Keeper | None = None
        self.process = os.getpid()
        hosts.add(self)

    @property
    def ours(self) -> bool:
        """False in a forked child, which must not speak for its parent."""
        return self.process == os.getpid()

    def start(self) -> None:
        """Begin to keep connections alive beside slow game code."""
        self.pumped = self.clock()
        if self.keeper is None and self.clock is time.monotonic:
            self.keeper = Keeper(self.pump, lambda: self.clock() - self.pumped)

    def pump(self) -> None:
        """Receive what has arrived, run the timers, send what is due."""
        with self.lock:
            if self.closed:
                return
            now = self.pumped = self.clock()
            self.receive(now)
            self.endpoint.update(now)
            self.transmit(now)

    def transmit(self, now: float) -> None:
        """Send what is due, with ``lock`` held."""
        self.transport.send(self.endpoint.send(now))

    def receive(self, now: float) -> None:
        batch = self.batch
        batch.clear()
        if self.transport.receive_into(batch):
            self.endpoint.receive(batch, now)

    def flush(self) -> None:
        """Send what is due."""
        with self.lock:
            if not self.closed:
                self.transmit(self.clock())

    @property
    def next_deadline(self) -> float:
        """When ``pump`` has something to do although nothing arrives, or infinity."""
        with self.lock:
            if self.closed:
                return math.inf
            due = self.endpoint.next_deadline
            return due if self.blocked else min(due, self.transport.next_deadline)

    def sleep(self, until: float) -> None:
        """Sleep until ``until``, a datagram, or the next deadline; then it is time to pump."""
        self.transport.wait(max(0.0, min(until, self.next_deadline) - self.clock()))

    @property
    def socket_counters(self) -> dict[str, int]:
        """What the back end counted; ask with ``lock`` held."""
        return self.transport.counters

    # For event loops.

    def fileno(self) -> int:
        """The descriptor to watch for reading, or -1 when there is none."""
        return self.transport.fileno()

    def listen(self) -> None:
        """Have ``fileno`` become readable when there is something for ``pump``."""

    pushed: Callable[[], None] | None = None
    """Called with ``lock`` held, on any thread, when something was pushed that no flush follows."""

    @property
    def pumps_by_time(self) -> bool:
        """Whether there is something for ``pump`` at ``next_deadline``; else only to ``listen``."""
        return True

    @property
    def blocked(self) -> bool:
        """Whether datagrams wait until ``fileno`` can be written."""
        return bool(getattr(self.transport, "blocked", False))

    def close(self) -> None:
        """Stop the keeper and close the back end. May be called twice."""
        if self.keeper is not None:
            self.keeper.close()
        with self.lock:
            if not self.closed:
                self.closed = True
                self.transport.close()


def fall_silent() -> None:
    """In a forked child: it has the keys and the next sequence of its parent's connections.

    Sealing anything else under them would give away both, and a goodbye would be the parent's.
    The lock may have been held by a thread that is not here.
    """
    for host in list(hosts):
        host.lock = threading.RLock()
        host.closed = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=fall_silent)
