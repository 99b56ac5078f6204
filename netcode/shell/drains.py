"""Waiting for room in a send queue."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Generator
from typing import Any, Final

from netcode.errors import ConnectionClosed

__all__ = ["Drain", "DrainTable"]


class Drain:
    """Room that will be there: poll ``done``, call ``result()``, or await it under asyncio.

    It ends when the queue has room, or with ConnectionClosed.
    """

    __slots__ = ("channel", "error", "finished", "pump", "size", "waiters")

    deadline: Final = math.inf
    """A queue has no time by which it must be empty; the connection's timeout ends it."""

    def __init__(self, channel: int, size: int, pump: Callable[[Any], None]) -> None:
        self.channel = channel
        self.size = size
        self.pump = pump
        self.finished = False
        self.error: Exception | None = None
        self.waiters: list[asyncio.Future[None]] = []

    @property
    def done(self) -> bool:
        """Whether there was room, or there will be none."""
        return self.finished

    def result(self) -> None:
        """Return when there is room. A client that drives its own loop waits here; elsewhere it
        must be done.

        Raises ConnectionClosed, or RuntimeError when it is not done.
        """
        if not self.finished:
            self.pump(self)
        if self.error is not None:
            raise self.error
        if not self.finished:
            raise RuntimeError("there is no room yet: await it, or ask again when done")

    def __await__(self) -> Generator[Any, None, None]:
        if not self.finished:
            waiter = asyncio.get_running_loop().create_future()
            self.waiters.append(waiter)
            yield from waiter
        self.result()

    def finish(self, error: Exception | None = None) -> None:
        """There is room, or ``error``."""
        self.finished = True
        self.error = error
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
        self.waiters.clear()


class DrainTable:
    """What waits for room in the queues of one connection, first come, first served."""

    def __init__(self) -> None:
        self.waiting: list[Drain] = []

    def open(
        self, channel: int, size: int, has_room: Callable[[int, int], bool],
        pump: Callable[[Any], None],
    ) -> Drain:  # fmt: skip
        """A drain, done already when there is room now."""
        drain = Drain(channel, size, pump)
        if has_room(channel, size):
            drain.finish()
        else:
            self.waiting.append(drain)
        return drain

    def look(self, has_room: Callable[[int, int], bool]) -> None:
        """Finish those for which there is room."""
        waiting, self.waiting = self.waiting, []
        for drain in waiting:
            if has_room(drain.channel, drain.size):
                drain.finish()
            else:
                self.waiting.append(drain)

    def close(self, reason: str) -> None:
        """The connection is over."""
        waiting, self.waiting = self.waiting, []
        for drain in waiting:
            drain.finish(ConnectionClosed(f"the connection closed: {reason}", reason=reason))
