"""A server's host whose connections and socket belong to an I/O thread."""

from __future__ import annotations

import math
import time
from typing import Any, Final

from netcode.io import ServerThread
from netcode.shell.host import Host

__all__ = ["ThreadedHost"]

CALM: Final = 0.004
"""Seconds between two looks at what was delivered, while the game waits for its tick: the
thread answers peers by itself, so nothing but replies to requests would gain by more."""
HEARTBEAT: Final = 0.1
"""Seconds between two looks of an event loop that the thread would wake: for what only time brings,
such as a reply that does not come."""


class ThreadedHost(Host):
    """A Host that only takes and flushes: the thread does the rest, at any time.

    ``lock`` is between the threads of the game; the I/O thread knows none.
    """

    def __init__(self, thread: ServerThread) -> None:
        driven: Any = thread  # not by this: it drives itself
        super().__init__(driven, thread.socket, time.monotonic)
        self.thread = thread
        self.listening = False
        self.looked = 0.0

    def start(self) -> None:
        self.thread.start()

    def pump(self) -> None:
        """Let the thread have what was queued, and take what it delivered."""
        with self.lock:
            if self.closed:
                return
            self.pumped = self.looked = self.clock()
            self.listening = False
            self.thread.flush()
            self.thread.take()

    def flush(self) -> None:
        with self.lock:
            if not self.closed:
                self.thread.flush()

    @property
    def next_deadline(self) -> float:
        if self.closed:
            return math.inf
        return self.looked + (HEARTBEAT if self.listening else CALM)

    def sleep(self, until: float) -> None:
        self.flush()  # answers that were put in while taking, such as a welcome
        now = self.clock()
        calm = min(until, self.looked + CALM) - now
        if calm > 0:
            time.sleep(calm)
            now = self.clock()
        if until > now:
            self.thread.wait(until - now)

    @property
    def socket_counters(self) -> dict[str, int]:
        return self.thread.socket_counters

    def fileno(self) -> int:
        return self.thread.fileno()

    def listen(self) -> None:
        self.flush()
        if not self.listening and self.clock() >= self.looked + CALM:
            self.listening = True
            self.thread.listen()

    @property
    def pumps_by_time(self) -> bool:
        # When the calm is over, listening says whether something came, and costs no poll.
        return self.listening

    @property
    def blocked(self) -> bool:
        return False

    def close(self) -> None:
        """Let the thread finish and end it. May be called twice."""
        with self.lock:
            if not self.closed:
                self.closed = True
                self.thread.close()
