"""The two ways to drive a tick loop: ``for`` on a thread, ``async for`` on an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import threading
from collections.abc import Generator
from typing import Final, Generic, Protocol, TypeVar

from netcode.errors import ConfigError
from netcode.shell.host import Host

__all__ = ["AsyncTicks", "Paced", "Watch", "refuse_event_loop", "ticks"]

log = logging.getLogger("netcode")

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

FLUSH_SECONDS: Final = 0.004
"""How long what is pushed beside a tick may wait for more, on an event loop that sleeps."""

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
    """Polls ``loop`` whenever its socket has something, for as long as it is open.

    A poll takes a bounded number of datagrams, and the event loop comes back for the rest. One
    timer stands for whatever the connections wait for next, whatever the loop's body awaits
    meanwhile. The socket is watched for writing only while the system takes nothing.
    """

    def __init__(self, loop: Polled) -> None:
        self.loop = loop
        self.events = asyncio.get_running_loop()
        self.descriptor = loop.host.fileno()
        self.watching = False
        self.writing = False
        self.timer: asyncio.TimerHandle | None = None
        self.thread = threading.get_ident()
        self.flushing = False
        loop.host.pushed = self.pushed
        self.begin()
        self.arm()

    def begin(self) -> None:
        """Watch the socket for reading."""
        if self.descriptor >= 0:
            with contextlib.suppress(NotImplementedError):  # Windows, Proactor
                self.events.add_reader(self.descriptor, self.poll)
                self.watching = True

    def poll(self) -> None:
        """Poll the loop, and see what to wait for next."""
        self.loop.poll()
        self.arm()

    def arm(self) -> None:
        """Watch and time what is due next."""
        host = self.loop.host
        if not self.watching or host.closed:
            return
        if host.fileno() != self.descriptor:  # the connection goes on at another socket
            self.end()
            self.descriptor = host.fileno()
            self.begin()
        host.listen()
        if host.blocked != self.writing:
            self.writing = not self.writing
            if self.writing:
                self.events.add_writer(self.descriptor, self.poll)
            else:
                self.events.remove_writer(self.descriptor)
        due = host.next_deadline
        if due == math.inf:
            return  # a timer that runs looks once more, and that is all
        at = self.events.time() + max(0.0, due - host.clock())
        if self.timer is not None:
            if self.timer.when() <= at:
                return  # it will see then that it came early
            self.timer.cancel()
        self.timer = self.events.call_at(at, self.on_timer)

    def on_timer(self) -> None:
        self.timer = None
        if self.loop.host.pumps_by_time:
            self.poll()
        else:
            self.arm()

    def pushed(self) -> None:
        """Flush soon: no poll comes by for what the body of a tick, or a task beside it, pushes."""
        if self.flushing or not self.watching:
            return
        self.flushing = True
        if threading.get_ident() == self.thread:
            self.events.call_later(FLUSH_SECONDS, self.flush)
        else:
            with contextlib.suppress(RuntimeError):  # the event loop is closed
                self.events.call_soon_threadsafe(self.flush)

    def flush(self) -> None:
        self.flushing = False
        self.loop.host.flush()

    async def sleep(self, until: float) -> None:
        """Sleep until ``until`` on the host's clock and poll."""
        pause = max(0.0, until - self.loop.host.clock())
        await asyncio.sleep(pause if self.watching else min(pause, POLL_SECONDS))
        self.poll()

    def close(self) -> None:
        """Stop watching. May be called twice, and after the event loop closed."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.end()

    def end(self) -> None:
        """Watch the socket no more."""
        if self.watching:
            self.watching = False
            with contextlib.suppress(RuntimeError, ValueError):
                self.events.remove_reader(self.descriptor)
                if self.writing:
                    self.writing = False
                    self.events.remove_writer(self.descriptor)


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
            self.watch.arm()  # it polled, which ends what the watch was told to listen for
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
