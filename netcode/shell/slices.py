"""A server's host on the game's own thread: a tick to thousands of clients leaves in slices."""

from __future__ import annotations

from typing import Final

from netcode.io import Transport
from netcode.session import DatagramBatch, ServerEndpoint
from netcode.shell.host import Clock, Host

__all__ = ["ServerHost"]

SEND_SLICE: Final = 256
"""Datagrams sealed and sent before the socket is read again: what answers the first of a burst
would fill a receive buffer that holds some 300 while the last of it is sealed."""

MOST_SLICES: Final = 256
"""Slices in one go, a datagram to each of the most clients there can be; who floods meanwhile
cannot keep the game waiting for more."""

BACKLOG: Final = 2048
"""Datagrams that the system did not take, from which on no more are sealed: the back ends keep
4,096 and lose the oldest beyond them. Messages wait in their queues instead."""

RETRY_SECONDS: Final = 0.001
"""After which the rest is tried again."""


class ServerHost(Host):
    """A Host that sends in slices, receives between them, and stops while the system is full."""

    endpoint: ServerEndpoint

    def __init__(self, endpoint: ServerEndpoint, transport: Transport, clock: Clock) -> None:
        super().__init__(endpoint, transport, clock)
        self.nothing = DatagramBatch()

    @property
    def stuck(self) -> bool:
        """Whether so much waits for the system already that more would only be lost."""
        waiting: int = getattr(self.transport, "waiting", 0)
        return waiting >= BACKLOG

    def transmit(self, now: float) -> None:
        """Send what is due; what does not fit the system now is sent by later calls."""
        endpoint, transport = self.endpoint, self.transport
        if self.stuck:
            transport.send(self.nothing)  # which offers what waits
        for _ in range(MOST_SLICES):
            if self.stuck:
                return
            transport.send(endpoint.send(now, limit=SEND_SLICE))
            if not endpoint.waiting:
                return
            now = self.clock()
            self.receive(now)

    @property
    def next_deadline(self) -> float:
        with self.lock:
            due = super().next_deadline
            # What waits in the endpoint is due at once, and cannot leave at once.
            return max(due, self.clock() + RETRY_SECONDS) if self.stuck else due
