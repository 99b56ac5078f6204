"""A bad line in front of any back end: loss, latency and the rest, in real or virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from netcode.io.address import HostPort
from netcode.io.transport import Buffer, Datagrams, Transport

__all__ = ["ConditionedTransport", "LinkLike"]


class LinkLike(Protocol):
    """One direction of a line, as ``netcode.testing.Link`` is."""

    @property
    def next_deadline(self) -> float:
        """When ``pop`` will next have something, or infinity."""

    def push(self, data: bytes, tag: HostPort, now: float, /) -> object: ...
    def pop(self, now: float, /) -> Sequence[tuple[Buffer, HostPort]]: ...


class Outgoing:
    """A list of datagrams with the face of a batch."""

    def __init__(self, items: Sequence[tuple[Buffer, HostPort]]) -> None:
        self.items = list(items)

    def append(self, data: Buffer, address: HostPort, /) -> None:
        self.items.append((bytes(data), address))

    def clear(self) -> None:
        self.items.clear()

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[tuple[Buffer, HostPort]]:
        return iter(self.items)


class ConditionedTransport:
    """Passes what ``inner`` sends and receives through links; None leaves a direction clean."""

    def __init__(
        self,
        inner: Transport,
        *,
        sending: LinkLike | None,
        receiving: LinkLike | None,
        clock: Callable[[], float],
    ) -> None:
        self.inner = inner
        self.sending = sending
        self.receiving = receiving
        self.clock = clock

    @property
    def address(self) -> HostPort:
        return self.inner.address

    @property
    def counters(self) -> dict[str, int]:
        return self.inner.counters

    @property
    def blocked(self) -> bool:
        return bool(getattr(self.inner, "blocked", False))

    @property
    def waiting(self) -> int:
        return int(getattr(self.inner, "waiting", 0))

    @property
    def next_deadline(self) -> float:
        links = (link for link in (self.sending, self.receiving) if link is not None)
        return min((self.inner.next_deadline, *(link.next_deadline for link in links)))

    def receive_into(self, batch: Datagrams) -> int:
        if self.sending is not None:
            self.inner.send(Outgoing(self.sending.pop(self.clock())))
        if self.receiving is None:
            return self.inner.receive_into(batch)
        arrived = Outgoing(())
        self.inner.receive_into(arrived)
        now = self.clock()
        for data, address in arrived.items:
            self.receiving.push(bytes(data), address, now)
        due = self.receiving.pop(now)
        for data, address in due:
            batch.append(data, address)
        return len(due)

    def send(self, batch: Datagrams) -> None:
        if self.sending is None:
            self.inner.send(batch)
            return
        now = self.clock()
        for data, address in batch:
            self.sending.push(bytes(data), address, now)
        self.inner.send(Outgoing(self.sending.pop(now)))

    def wait(self, timeout: float) -> bool:
        now, due = self.clock(), self.next_deadline
        if due <= now:
            return True
        return self.inner.wait(min(timeout, due - now)) or self.clock() >= due

    def fileno(self) -> int:
        return self.inner.fileno()

    def close(self) -> None:
        """Closes the back end; what is still under way on the simulated line goes out first."""
        if self.sending is not None:
            self.inner.send(Outgoing(self.sending.pop(float("inf"))))
        self.inner.close()
