"""Requests that wait for their reply."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Generator
from typing import Any, Final, Generic, TypeVar

from netcode.errors import ChannelFull, ConnectionClosed
from netcode.schema import Schema

__all__ = ["Request", "RequestTable"]

R = TypeVar("R", bound=Schema)

MAX_PENDING: Final = 1024
"""Requests of one connection that wait at a time."""


class Request(Generic[R]):
    """A reply that will come: poll ``done``, call ``result()``, or await it under asyncio.

    It ends with the reply, with TimeoutError, with ConnectionClosed, or with TypeError when
    the reply is of another type than the request asked for.
    """

    __slots__ = ("correlation", "deadline", "error", "expected", "message", "pump", "waiters")

    def __init__(
        self,
        correlation: int,
        expected: type[R],
        deadline: float,
        pump: Callable[[Request[Any]], None],
    ) -> None:
        self.correlation = correlation
        self.expected = expected
        self.deadline = deadline
        self.pump = pump
        self.message: R | None = None
        self.error: Exception | None = None
        self.waiters: list[asyncio.Future[None]] = []

    @property
    def done(self) -> bool:
        """Whether the reply, or its failure, is known."""
        return self.message is not None or self.error is not None

    def result(self) -> R:
        """The reply. A client that drives its own loop waits here; elsewhere it must have come.

        Raises TimeoutError, ConnectionClosed, TypeError, or RuntimeError when it has not come.
        """
        if not self.done:
            self.pump(self)
        if self.error is not None:
            raise self.error
        if self.message is None:
            raise RuntimeError("the reply has not come yet: await it, or ask again when done")
        return self.message

    def __await__(self) -> Generator[Any, None, R]:
        if not self.done:
            waiter = asyncio.get_running_loop().create_future()
            self.waiters.append(waiter)
            yield from waiter
        return self.result()

    def answer(self, message: Schema) -> None:
        """The reply came."""
        if isinstance(message, self.expected):
            self.message = message
        else:
            got, wanted = type(message).__name__, self.expected.__name__
            self.error = TypeError(f"the reply is a {got}, not a {wanted}")
        self.wake()

    def fail(self, error: Exception) -> None:
        """No reply will come."""
        self.error = error
        self.wake()

    def wake(self) -> None:
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
        self.waiters.clear()


class RequestTable:
    """The waiting requests of one connection, by correlation."""

    def __init__(self) -> None:
        self.waiting: dict[int, Request[Any]] = {}
        self.numbers = itertools.count(1)

    def open(
        self, expected: type[R], deadline: float, pump: Callable[[Request[Any]], None]
    ) -> Request[R]:
        """Raises ChannelFull when MAX_PENDING wait already."""
        if len(self.waiting) >= MAX_PENDING:
            raise ChannelFull(f"{MAX_PENDING} requests wait for a reply already")
        number = next(self.numbers) & 0xFFFFFFFF
        request = Request(number, expected, deadline, pump)
        self.waiting[number] = request
        return request

    def answer(self, correlation: int, message: Schema) -> bool:
        """False for a reply nobody waits for: late, repeated, or made up."""
        request = self.waiting.pop(correlation, None)
        if request is None:
            return False
        request.answer(message)
        return True

    def expire(self, now: float) -> None:
        """Fail those whose time is up."""
        for number in [n for n, each in self.waiting.items() if each.deadline <= now]:
            self.waiting.pop(number).fail(TimeoutError("no reply in time"))

    def close(self, reason: str) -> None:
        """Fail all that wait: the connection is over."""
        waiting, self.waiting = self.waiting, {}
        for request in waiting.values():
            request.fail(ConnectionClosed(f"the connection closed: {reason}", reason=reason))
