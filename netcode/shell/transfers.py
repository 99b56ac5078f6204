"""Files and streams to and from the other end, as game code sees them."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable
from typing import Any, BinaryIO, ClassVar, Final, NamedTuple

from netcode.channel import TransferReason
from netcode.channel.transfers import WINDOW, Incoming, Outgoing, Source, Transfers
from netcode.errors import ConfigError, TransferFailed
from netcode.replication.hello import TRANSFER
from netcode.shell.sources import open_file, open_stream

__all__ = ["IncomingTransfer", "OutgoingTransfer", "Progress", "Stream", "TransferDesk"]

Stream = Iterable[bytes | bytearray | memoryview] | AsyncIterable[bytes | bytearray | memoryview]
"""Pieces of bytes of any size."""

NOTE: Final = bytes([TRANSFER])

MIN_WINDOW: Final = 4096
MAX_WINDOW: Final = 1 << 30


class Progress(NamedTuple):
    """How far an outgoing transfer is, in bytes."""

    sent: int
    """Given to the channel."""
    acked: int
    """Taken by the game at the other end."""
    total: int | None
    """In all, or None while it is not known."""


class Awaited:
    """Wakes who waits for a change."""

    deadline: ClassVar[float] = math.inf
    core: Incoming | Outgoing

    def __init__(
        self, core: Incoming | Outgoing, pump: Callable[[Any], None], kick: Callable[[], None]
    ) -> None:
        self.core = core
        self.pump = pump
        self.kick = kick
        self.waiters: list[asyncio.Future[None]] = []
        core.changed = self.wake

    @property
    def name(self) -> str:
        """What the sending end calls it; up to 200 bytes, of a peer's choosing."""
        return self.core.name

    @property
    def done(self) -> bool:
        """Whether it is over, well or not."""
        return self.core.done

    @property
    def reason(self) -> TransferReason | None:
        """Why it failed; None while it runs, and when it went well."""
        return self.core.reason

    def wake(self) -> None:
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def change(self) -> asyncio.Future[None]:
        """Awaited, it comes back when something changed."""
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        return waiter

    def check(self) -> None:
        reason = self.core.reason
        if reason is not None:
            error = TransferFailed(
                f"the transfer {self.core.name!r} failed: {reason.name.lower()}",
                reason=reason.name.lower(),
            )
            raise error from getattr(self.core, "error", None)


class OutgoingTransfer(Awaited):
    """A file or a stream under way to the other end.

    Look at ``progress`` and ``done``, call ``result()``, or await it under asyncio. It is done
    when the game at the other end has taken all of it, or when it failed.
    """

    core: Outgoing

    @property
    def progress(self) -> Progress:
        """Bytes sent, acked, and in all."""
        core = self.core
        total = core.sent if core.complete else core.total
        return Progress(core.sent, core.acked, total)

    def cancel(self) -> None:
        """Give it up; the other end is told. Nothing happens when it is done."""
        self.core.stop(TransferReason.CANCELLED)
        self.kick()

    def result(self) -> int:
        """The bytes that were sent. A client that drives its own loop waits here; elsewhere it
        must be done.

        Raises TransferFailed, or RuntimeError when it is not done.
        """
        if not self.done:
            self.pump(self)
        self.check()
        if not self.done:
            raise RuntimeError("the transfer is not done: await it, or ask again when done")
        return self.core.sent

    def __await__(self) -> Generator[Any, None, int]:
        while not self.done:
            yield from self.change()
        return self.result()

    def __repr__(self) -> str:
        state = "done" if self.done else "under way"
        return f"<OutgoingTransfer {self.name!r}, {self.core.sent} bytes sent, {state}>"


class IncomingTransfer(Awaited):
    """A file or a stream that the other end offers.

    Nothing of it comes before ``accept``. Then ``read`` it each tick, or ``async for piece`` under
    asyncio; what is not read holds up its sender, and nothing else.

    Attributes:
        player: who offers it, at a server; None at a client.
    """

    core: Incoming

    def __init__(
        self,
        core: Incoming,
        pump: Callable[[Any], None],
        kick: Callable[[], None],
        player: Any = None,
    ) -> None:
        super().__init__(core, pump, kick)
        self.player = player

    @property
    def total(self) -> int | None:
        """Bytes in all, as the other end says; None for a stream of which it does not know."""
        return self.core.total

    @property
    def received(self) -> int:
        """Bytes that arrived."""
        return self.core.received

    @property
    def available(self) -> int:
        """Bytes that ``read`` would give now; at most the window."""
        return len(self.core.data)

    def accept(self, limit: int, *, window: int = WINDOW) -> None:
        """Let it come. Once; it may have been cancelled meanwhile, which is no error.

        Args:
            limit: the most bytes in all; one that has more fails as too large, before anything
                is sent when its size is known.
            window: bytes that are held here until they are read, 4,096 to 1 GiB; the transfer is
                no faster than one window each round trip.

        Raises ConfigError when it was accepted already, or an argument is out of range.
        """
        if self.core.most >= 0:
            raise ConfigError("the transfer was accepted already")
        if limit < 0:
            raise ConfigError(f"limit: {limit}, must be 0 or more")
        if not MIN_WINDOW <= window <= MAX_WINDOW:
            raise ConfigError(f"window: {window}, must be {MIN_WINDOW} to {MAX_WINDOW}")
        self.core.accept(limit, window)
        self.kick()

    def cancel(self) -> None:
        """Want it not, or no more; the other end is told. Nothing happens when it is done."""
        self.core.refuse(TransferReason.CANCELLED)
        self.kick()

    def read(self, most: int = -1) -> bytes:
        """What is here, up to ``most`` bytes (-1: all); empty when there is nothing, now or any
        more: see ``done``.

        Raises TransferFailed when it failed.
        """
        self.check()
        piece = self.core.read(len(self.core.data) if most < 0 else most)
        if piece:
            self.kick()
        return piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            piece = self.read()
            if piece:
                yield piece
            elif self.done:
                return
            else:
                await self.change()

    def __repr__(self) -> str:
        state = "done" if self.done else "under way" if self.core.most >= 0 else "offered"
        return f"<IncomingTransfer {self.name!r}, {self.received} bytes received, {state}>"


class TransferDesk:
    """The transfers of one connection: between their core and the connection's queues.

    Args:
        channel: number of the transfers' channel, or None when there is no room for one.
        push: puts a message into a channel's queue, or says False.
        pump: waits for a transfer, where one may wait.
        offered: called with what the other end opens.
        player: whose connection it is, at a server.
    """

    __slots__ = ("busy", "channel", "core", "offered", "player", "push", "wait")

    def __init__(
        self,
        channel: int | None,
        push: Callable[[int, bytes], bool],
        wait: Callable[[Any], None],
        offered: Callable[[IncomingTransfer], None],
        player: Any = None,
    ) -> None:
        self.channel = channel
        self.push = push
        self.wait = wait
        self.offered = offered
        self.player = player
        self.busy = False
        self.core = Transfers(self.take_offer)

    @property
    def idle(self) -> bool:
        """Whether ``pump`` has nothing to do."""
        return self.core.idle

    def take_offer(self, incoming: Incoming) -> None:
        self.offered(IncomingTransfer(incoming, self.wait, self.pump, self.player))

    def send_file(
        self, file: str | os.PathLike[str] | BinaryIO, name: str | None
    ) -> OutgoingTransfer:
        """See ``Player.send_file``."""
        self.check()
        own, total, source = open_file(file)
        return self.open(own if name is None else name, total, source)

    def send_stream(self, stream: Stream, name: str, total: int | None) -> OutgoingTransfer:
        """See ``Player.send_stream``."""
        self.check()
        return self.open(name, total, open_stream(stream, self.pump))

    def check(self) -> None:
        if self.channel is None:
            raise ConfigError("channels= has 64 channels already: none is left for transfers")

    def open(self, name: str, total: int | None, source: Source) -> OutgoingTransfer:
        try:
            core = self.core.open(name, total, source)
        except BaseException:
            source.close()
            raise
        made = OutgoingTransfer(core, self.wait, self.pump)
        self.pump()
        return made

    def receive(self, data: bytes, *, data_channel: bool) -> None:
        """A message of the transfers' channel, or a note on the control channel; DecodeError."""
        self.core.receive(data, data_channel=data_channel)

    def pump(self) -> None:
        """Push what the queues take."""
        if self.busy or self.channel is None or self.core.closed:
            return  # a stream of the game's may cancel itself
        self.busy = True
        try:
            self.core.pump(self.push_data, self.push_note)
        finally:
            self.busy = False

    def push_data(self, data: bytes) -> bool:
        return self.channel is not None and self.push(self.channel, data)

    def push_note(self, data: bytes) -> bool:
        return self.push(0, NOTE + data)

    def close(self) -> None:
        """The connection is over."""
        self.core.close()
