"""Moves the datagrams of a ProxyCore over transports, in real or virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from netcode.errors import ConfigError
from netcode.io.address import HostPort
from netcode.io.conditioned import Outgoing
from netcode.io.transport import Transport
from netcode.testing.proxy import ProxyCore

__all__ = ["Relay"]


class Relay:
    """One transport that clients send to, and one for each client towards the server, as a NAT
    has them; so the server tells the clients apart. Call ``step`` when something arrived or
    ``next_deadline`` has come.

    Args:
        core: holds the lines.
        listening: where clients send to; the relay closes it.
        target: the server.
        bind: opens a transport for one more client; ConfigError when there is none to be had.
        clock: returns the time in seconds; ``netcode.testing.VirtualClock`` is one.
        closing: called with each client's transport before it is closed.
    """

    def __init__(
        self,
        core: ProxyCore,
        listening: Transport,
        target: HostPort,
        *,
        bind: Callable[[], Transport],
        clock: Callable[[], float],
        closing: Callable[[Transport], object] | None = None,
    ) -> None:
        self.core = core
        self.listening = listening
        self.target = target
        self.bind = bind
        self.clock = clock
        self.closing = closing
        self.transports: dict[HostPort, Transport] = {}
        """The client's own, by its address."""
        self.strangers = 0
        """Datagrams to a client's own transport that were not from the server; dropped."""
        self.unbound = 0
        """Datagrams of clients for which no transport could be opened; dropped."""

    def step(self) -> None:
        """Take in what has arrived, pass on what is due, forget who is silent."""
        arrived = Outgoing(())
        self.listening.receive_into(arrived)
        now = self.clock()
        for data, client in arrived:
            self.take(data, client, now)
        for client, transport in self.transports.items():
            arrived.clear()
            transport.receive_into(arrived)
            for data, source in arrived:
                if source == self.target:
                    self.core.from_target(data, client, now)
                else:
                    self.strangers += 1
        for data, client in self.core.pop_up(now):
            self.transports[client].send(Outgoing([(data, self.target)]))
        due = self.core.pop_down(now)
        if due:
            self.listening.send(Outgoing(due))
        for client in self.core.expire(now):
            self.hang_up(client)
        self.retry()

    def take(self, data: Any, client: HostPort, now: float) -> None:
        if not self.core.from_client(data, client, now) or client in self.transports:
            return
        try:
            self.transports[client] = self.bind()
        except ConfigError:
            self.unbound += 1
            self.core.forget(client)

    def retry(self) -> None:
        """Offer again what a system refused: a transport keeps it until its next ``send``."""
        for transport in self.everything():
            if transport.next_deadline < float("inf"):
                transport.send(Outgoing(()))

    def hang_up(self, client: HostPort) -> None:
        transport = self.transports.pop(client)
        if self.closing is not None:
            self.closing(transport)
        transport.close()

    def everything(self) -> Iterator[Transport]:
        """Every transport there is."""
        yield self.listening
        yield from self.transports.values()

    @property
    def next_deadline(self) -> float:
        """When to call ``step`` although nothing arrived; ``inf`` when nothing is due."""
        return min(self.core.next_deadline, *(each.next_deadline for each in self.everything()))

    def close(self) -> None:
        """Close every transport; what is on the way is lost."""
        for client in list(self.transports):
            self.hang_up(client)
        self.listening.close()
