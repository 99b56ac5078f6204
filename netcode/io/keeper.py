"""A thread that keeps connections alive while game code is slow.

Between two ticks the game loop itself receives and sends. When game code holds the loop
for longer than ``patience`` (a level load, a garbage collection, a breakpoint), this
thread takes the same lock and does it, so that acks and keep-alives go out and peers do
not time out. It never runs game code and never delivers anything: what arrives waits in
the endpoint until the game asks. Code that holds the GIL without a break stops it too.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

__all__ = ["Keeper"]

log = logging.getLogger("netcode")

PATIENCE: Final = 0.05
"""Seconds without a pump after which the thread steps in: three ticks of 60 Hz, and far
below the resend times and timeouts of a connection."""


class Keeper:
    """Calls ``pump()`` whenever ``idle()`` says that nobody has for ``patience`` seconds.

    ``idle`` returns the seconds since the last pump; ``pump`` must take the lock that
    guards the endpoint. Both are called on the keeper's daemon thread. ``close`` stops it.
    """

    def __init__(
        self,
        pump: Callable[[], None],
        idle: Callable[[], float],
        *,
        patience: float = PATIENCE,
        name: str = "netcode keeper",
    ) -> None:
        self.pump = pump
        self.idle = idle
        self.patience = patience
        self.rescues = 0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.run, name=name, daemon=True)
        self.thread.start()

    def run(self) -> None:
        pause = self.patience
        while not self.stopped.wait(pause):
            idle = self.idle()
            if idle < self.patience:
                pause = self.patience - idle
                continue
            pause = self.patience / 2
            try:
                self.pump()
            except Exception:
                # A bug of ours must not take the game with it, nor be silent.
                log.exception("keeping connections alive failed; slow game code may now time out")
                return
            self.rescues += 1

    def close(self) -> None:
        """Stop the thread and wait for it. May be called twice, and from the thread itself."""
        self.stopped.set()
        if self.thread is not threading.current_thread():
            self.thread.join(timeout=1.0)
