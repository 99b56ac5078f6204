"""A back end with no network: datagrams move between sockets of one process in virtual time.

For tests, simulations and embedding a server in its client. ``wait`` does not sleep: it
moves the network's clock and lets the other parties of the network act, so blocking
calls such as ``connect()`` work unchanged on one thread.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Final

from netcode.errors import ConfigError
from netcode.io.address import HostPort
from netcode.io.transport import Buffer, Datagrams

__all__ = ["MemoryNetwork", "MemoryTransport"]

INBOX: Final = 65_536
"""Datagrams one socket holds; more are lost, as in a full receive buffer."""


class MemoryNetwork:
    """The wires, and the clock: ``now`` is seconds since the network was made.

    ``background`` holds callables that act whenever somebody waits (a server's pump, say);
    they are called with no argument every ``step`` seconds of virtual time.
    """

    def __init__(self, *, step: float = 0.001) -> None:
        self.time = 0.0
        self.step = step
        self.sockets: dict[HostPort, MemoryTransport] = {}
        self.background: list[Callable[[], object]] = []
        self.acting = False
        self.next_port = 49_152

    def now(self) -> float:
        return self.time

    def bind(self, address: HostPort) -> MemoryTransport:
        """A socket at ``address``; port 0 takes a free one. ConfigError when it is taken."""
        host, port = address
        if port == 0:
            port, self.next_port = self.next_port, self.next_port + 1
        if (host, port) in self.sockets:
            raise ConfigError(f"cannot bind {host}:{port}: address already in use")
        made = self.sockets[host, port] = MemoryTransport(self, (host, port))
        return made

    def advance(self, seconds: float, until: Callable[[], bool] = bool) -> bool:
        """Let time pass and the background act; stops early when ``until()`` is true."""
        end = self.time + seconds
        while not until():
            if self.time >= end:
                return False
            self.time = min(end, self.time + self.step)
            if not self.acting:
                self.acting = True
                try:
                    for act in tuple(self.background):
                        act()
                finally:
                    self.acting = False
        return True


class MemoryTransport:
    """One socket of a MemoryNetwork."""

    def __init__(self, network: MemoryNetwork, address: HostPort) -> None:
        self.network = network
        self.bound = address
        self.inbox: collections.deque[tuple[bytes, HostPort]] = collections.deque()
        self.counters: dict[str, int] = dict.fromkeys(
            ("received", "received_bytes", "sent", "sent_bytes", "send_errors", "receive_overflow"),
            0,
        )

    @property
    def address(self) -> HostPort:
        return self.bound

    @property
    def next_deadline(self) -> float:
        return float("inf")

    def receive_into(self, batch: Datagrams) -> int:
        count = len(self.inbox)
        for _ in range(count):
            data, source = self.inbox.popleft()
            batch.append(data, source)
            self.counters["received_bytes"] += len(data)
        self.counters["received"] += count
        return count

    def send(self, batch: Datagrams) -> None:
        for data, address in batch:
            self.deliver(data, address)

    def deliver(self, data: Buffer, address: HostPort) -> None:
        peer = self.network.sockets.get(address)
        self.counters["sent"] += 1
        self.counters["sent_bytes"] += len(data)
        if peer is None:
            self.counters["send_errors"] += 1
        elif len(peer.inbox) >= INBOX:
            peer.counters["receive_overflow"] += 1
        else:
            peer.inbox.append((bytes(data), self.bound))

    def wait(self, timeout: float) -> bool:
        return self.network.advance(max(0.0, timeout), lambda: bool(self.inbox))

    def reopen(self) -> MemoryTransport:
        """Another socket of the same host: a connection may go on there."""
        return self.network.bind((self.bound[0], 0))

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        self.network.sockets.pop(self.bound, None)
