"""A client's host, whose connection may go on from another socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from netcode.errors import ConfigError
from netcode.io import Transport
from netcode.session import ClientEndpoint
from netcode.shell.host import Clock, Host

__all__ = ["RoamingHost"]

LOOK: Final = 0.01
"""Seconds between two looks at the second socket, which nobody waits for."""

LINGER: Final = 1.0
"""Seconds that a socket is kept when another took its place: an event loop may watch it yet."""


class RoamingHost(Host):
    """A Host that opens a second back end when its endpoint looks for another way.

    ``reopen`` opens it, at another address than the first one has. What the endpoint says decides
    which of the two stays.
    """

    def __init__(
        self,
        endpoint: ClientEndpoint,
        transport: Transport,
        clock: Clock,
        reopen: Callable[[], Transport] | None,
    ) -> None:
        super().__init__(endpoint, transport, clock)
        self.roamer = endpoint
        self.reopen = reopen
        self.other: Transport | None = None
        self.attempt = 0
        self.resumed = 0
        self.left: list[tuple[float, Transport]] = []
        self.past: dict[str, int] = {}

    def receive(self, now: float) -> None:
        super().receive(now)
        if self.other is None:
            return
        self.batch.clear()
        if self.other.receive_into(self.batch):
            self.roamer.receive_roaming(self.batch, now)
        if self.roamer.resumed != self.resumed:
            self.resumed = self.roamer.resumed
            self.left.append((now + LINGER, self.transport))
            self.transport, self.other = self.other, None

    def transmit(self, now: float) -> None:
        super().transmit(now)
        attempt = self.roamer.roaming
        if attempt != self.attempt:
            self.attempt = attempt
            if self.other is not None:
                self.discard(self.other)
                self.other = None
            if attempt and self.reopen is not None:
                try:
                    self.other = self.reopen()
                except (ConfigError, OSError):
                    self.other = None  # no network now: another attempt will come
        if attempt:
            asked = self.roamer.send_roaming(now)
            if self.other is not None:
                self.other.send(asked)
        while self.left and self.left[0][0] <= now:
            self.discard(self.left.pop(0)[1])

    def discard(self, transport: Transport) -> None:
        """Close a back end, and keep what it counted."""
        for name, count in transport.counters.items():
            self.past[name] = self.past.get(name, 0) + count
        transport.close()

    @property
    def next_deadline(self) -> float:
        with self.lock:
            due = super().next_deadline
            return due if self.other is None else min(due, self.clock() + LOOK)

    @property
    def socket_counters(self) -> dict[str, int]:
        counted = dict(self.past)
        opened = [self.transport, *(each for _, each in self.left)]
        if self.other is not None:
            opened.append(self.other)
        for each in opened:
            for name, count in each.counters.items():
                counted[name] = counted.get(name, 0) + count
        return counted

    def close(self) -> None:
        super().close()
        with self.lock:
            if self.other is not None:
                self.left.append((0.0, self.other))
                self.other = None
            while self.left:
                self.discard(self.left.pop()[1])
