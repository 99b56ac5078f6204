"""A server in virtual time whose endpoint is a desk: what an I/O thread is to the game, on one
thread."""

from __future__ import annotations

from typing import Any

from netcode.session import ServerDesk
from netcode.shell.host import Host


class DeskHost(Host):
    """Takes the turns of the owner whenever a Host would pump."""

    def __init__(self, endpoint: Any, transport: Any, clock: Any) -> None:
        super().__init__(ServerDesk(endpoint), transport, clock)

    def pump(self) -> None:
        with self.lock:
            if self.closed:
                return
            now = self.pumped = self.clock()
            self.batch.clear()
            self.transport.receive_into(self.batch)
            self.transport.send(self.endpoint.turn(self.batch, now))
            self.flush()
            self.endpoint.take()

    def flush(self) -> None:
        with self.lock:
            if self.closed:
                return
            self.endpoint.flush()
            # What was put in up to the flush, the sending, and what came behind it.
            for _ in range(3):
                self.transport.send(self.endpoint.turn(None, self.clock()))
