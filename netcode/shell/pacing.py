"""The two ways to drive a tick loop: ``for`` on a thread, ``async for`` on an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Generator
from typing import Final, Generic, Protocol, TypeVar

from netcode.errors import ConfigError
from netcode.shell.host import Host

__all__ = ["AsyncTicks", "Paced", "Watch", "refuse_event_loop", "ticks"]

log = logging.getLogger("netcode")

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

POLL_SECONDS: Final = 0.004
"""How often an event loop that cannot watch sockets (Windows, Proactor) looks for datagrams."""


class Polled(Protocol):
    """What an event loop can watch."""

    host: Host

    def poll(self) -> None:
        """Receive, keep connections going, take in what arrived."""


class Paced(Polled, Protocol[T_co]):
    """What a loop drives."""

    @property
    def next_tick_at(self) -> float:
        """When the next tick is due, on the host's clock."""

    @property
    def stopped(self) -> bool:
        """Whether the loop ends before the next tick."""

    def start(self) -> None:
        """Called once, before anything else."""

    def begin_tick(self) -> T_co:
        """Called at ``next_tick_at`` or later."""

    def end_tick(self) -> None:
        """Called when the body of the loop is done."""

    def close(self) -> None:
        """Flush an open tick, tell the peers, release everything. May be called twice."""


def refuse_event_loop(what: str) -> None:
    """ConfigError when an event loop runs on this thread: blocking would stop it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ConfigError(f"an event loop runs on this thread and would stand still: use {what}")


def ticks(loop: Paced[T]) -> Generator[T, None, None]:
    """The ticks of ``loop``; closing the generator, as leaving a ``for`` does, closes the loop."""
    try:
        loop.start()
        host = loop.host
        while not loop.stopped:
            while host.clock() < loop.next_tick_at:
                host.sleep(loop.next_tick_at)
                loop.poll()
            yield loop.begin_tick()
            loop.end_tick()
    finally:
        loop.close()


class Watch:
    """Polls ``loop`` whenever its socket has something, for as long as it is open."""

    def __init__(self, loop: Polled) -> None:
        self.loop = loop
        self.events = asyncio.get_running_loop()
        self.descriptor = loop.host.transport.fileno()
        self.watching = False
        if self.descriptor >= 0:
            with contextlib.suppress(NotImplementedError):  # Windows, Proactor
                self.events.add_reader(self.descriptor, loop.poll)
                self.watching = True

    async def sleep(self, until: float) -> None:
        """Sleep until ``until`` on the host's clock, or one timer of the connection, and poll."""
        host = self.loop.host
        pause = max(0.0, min(until, host.next_deadline) - host.clock())
        await asyncio.sleep(pause if self.watching else min(pause, POLL_SECONDS))
        self.loop.poll()

    def close(self) -> None:
        """Stop watching. May be called twice, and after the event loop closed."""
        if self.watching:
            self.watching = False
            with contextlib.suppress(RuntimeError, ValueError):
                self.events.remove_reader(self.descriptor)


class AsyncTicks(Generic[T]):
    """The asynchronous twin of ``ticks``.

    A class and not an async generator: leaving ``async for`` drops the last reference, and
    then ``__del__`` closes the loop at once, where an async generator would wait for a later
    turn of an event loop that may be ending.
    """

    def __init__(self, loop: Paced[T]) -> None:
        self.loop = loop
        self.watch: Watch | None = None
        self.open = False

    def __aiter__(self) -> AsyncTicks[T]:
        return self

    async def __anext__(self) -> T:
        loop = self.loop
        try:
            if self.watch is None:
                loop.start()
                self.watch = Watch(loop)
            if self.open:
                self.open = False
                loop.end_tick()
            # Every tick yields to other tasks, also when it is late.
            await asyncio.sleep(0)
            while not loop.stopped and loop.host.clock() < loop.next_tick_at:
                await self.watch.sleep(loop.next_tick_at)
            if loop.stopped:
                raise StopAsyncIteration
            tick = loop.begin_tick()
        except BaseException:
            self.close()
            raise
        self.open = True
        return tick

    def close(self) -> None:
        if self.watch is not None:
            self.watch.close()
        self.loop.close()

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:
            log.exception("closing a loop that was left failed")
