"""The client under asyncio. (A Server needs nothing special: ``async for tick in server``.)

    async with netcode.asyncio.connect("127.0.0.1:40000", input=Input, tables=[Ship]) as client:
        async for _ in client:                # once a server tick
            client.update(Input(thrust=True))

``AsyncClient`` is a ``Client`` whose datagrams are received in the background, so acks and
replies do not wait for ``update``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, Unpack, overload

from netcode.client import Client
from netcode.connecting import Connecting
from netcode.joining import ConnectOptions, prepare
from netcode.schema import Schema
from netcode.security import ConnectToken
from netcode.server import NoInput
from netcode.shell.drains import Drain
from netcode.shell.pacing import Watch
from netcode.shell.requests import Request
from netcode.shell.schedule import TickSchedule
from netcode.shell.transfers import OutgoingTransfer

__all__ = ["AsyncClient", "connect"]

I = TypeVar("I", bound=Schema)  # noqa: E741

POLL_SECONDS = 0.002
"""Between looks at a handshake."""


class AsyncClient(Client[I], Generic[I]):
    """A Client on an event loop; made by ``netcode.asyncio.connect``.

    ``async for number in client`` runs once a server tick until the connection ends;
    ``await client.request(...)`` gives the reply.
    """

    watch: Watch | None = None

    def watch_socket(self) -> None:
        """Receive in the background from here on."""
        self.watch = Watch(self)

    async def __aiter__(self) -> AsyncIterator[int]:
        assert self.watch is not None
        schedule = TickSchedule(self.tick_rate)
        schedule.start(self.clock())
        ended = False
        while not ended and not self.host.closed:
            while self.connected and self.clock() < schedule.deadline:
                await self.watch.sleep(schedule.deadline)
            schedule.advance(self.clock())
            # The end may come while the body awaits, or in the sleep below: a last turn for it.
            ended = not self.connected
            if not ended or self.arrived:
                yield schedule.number
            await asyncio.sleep(0)

    def wait_for(self, request: Request[Any] | Drain | OutgoingTransfer) -> None:
        """Nothing to do: the event loop brings the reply, or the room, to those who await it."""

    def close(self) -> None:
        if self.watch is not None:
            self.watch.close()
        super().close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Connect(Generic[I]):
    """What ``connect`` returns: await it for the client, or use it with ``async with``."""

    def __init__(self, connecting: Connecting) -> None:
        self.connecting = connecting
        self.client: AsyncClient[I] | None = None

    async def run(self) -> AsyncClient[I]:
        connecting = self.connecting
        try:
            while True:
                connecting.poll()
                if connecting.done:
                    break
                await asyncio.sleep(POLL_SECONDS)
            client: AsyncClient[I] = connecting.client(AsyncClient)
        finally:
            connecting.close()
        client.watch_socket()
        return client

    def __await__(self) -> Generator[Any, None, AsyncClient[I]]:
        return self.run().__await__()

    async def __aenter__(self) -> AsyncClient[I]:
        self.client = await self.run()
        return self.client

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self.client is not None
        self.client.close()


@overload
def connect(
    address: str | ConnectToken | bytes | None = None,
    *,
    input: None = None,
    **options: Unpack[ConnectOptions],
) -> Connect[NoInput]: ...
@overload
def connect(
    address: str | ConnectToken | bytes | None = None,
    *,
    input: type[I],
    **options: Unpack[ConnectOptions],
) -> Connect[I]: ...
def connect(
    address: str | ConnectToken | bytes | None = None,
    *,
    input: type[Any] | None = None,  # noqa: A002
    **options: Unpack[ConnectOptions],
) -> Connect[Any]:
    """``netcode.connect`` for an event loop: ``async with`` it, or ``await`` it.

    Takes and raises the same. Looking up a host name blocks for as long as the system takes.
    """
    return Connect(prepare(address, input, **options))
