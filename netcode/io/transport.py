"""The interface between a driver and whatever carries datagrams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from netcode.io.address import HostPort

__all__ = ["Buffer", "Datagrams", "Transport"]

Buffer = bytes | bytearray | memoryview


class Datagrams(Protocol):
    """What a back end needs of ``netcode.session.DatagramBatch``."""

    def append(self, data: Buffer, address: HostPort, /) -> None: ...
    def clear(self) -> None: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[tuple[Buffer, HostPort]]: ...


class Transport(Protocol):
    """Sends and receives batches of datagrams; owned by one thread at a time.

    No method but ``close`` raises for what the network or a peer did: such things are
    counted in ``counters`` by name.
    """

    @property
    def address(self) -> HostPort:
        """The address peers see, as far as this host knows it."""

    @property
    def counters(self) -> dict[str, int]:
        """Datagrams received, sent, delayed and lost, by reason."""

    @property
    def next_deadline(self) -> float:
        """When to call ``receive_into`` even if ``wait`` says nothing arrived, or infinity."""

    def receive_into(self, batch: Datagrams) -> int:
        """Append what has arrived, at most a bounded number a call; returns how many."""

    def send(self, batch: Datagrams) -> None:
        """Send all of ``batch``; what the system does not take now is kept for the next call."""

    def wait(self, timeout: float) -> bool:
        """Sleep until something can be received (True) or ``timeout`` seconds passed."""

    def fileno(self) -> int:
        """The file descriptor to watch for reading, or -1 when there is none."""

    def close(self) -> None:
        """Release the address. May be called twice."""
