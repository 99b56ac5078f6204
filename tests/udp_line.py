"""What the tests of the UDP back ends share."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from collections.abc import Iterator

import pytest

from netcode.io import Transport
from netcode.session import DatagramBatch

HostPort = tuple[str, int]
Received = list[tuple[bytes, HostPort]]


def batch_of(*items: tuple[bytes, HostPort]) -> DatagramBatch:
    batch = DatagramBatch()
    for data, address in items:
        batch.append(data, address)
    return batch


def receive(transport: Transport, count: int, *, seconds: float = 2.0, slots: int = 0) -> Received:
    """At most ``count`` datagrams, fewer when they do not come in time."""
    got: Received = []
    batch = DatagramBatch(slots=slots)
    end = time.monotonic() + seconds
    while len(got) < count and time.monotonic() < end:
        transport.wait(0.1)
        batch.clear()
        assert transport.receive_into(batch) == len(batch)
        got.extend(batch)
    return got


def quiet(transport: Transport) -> bool:
    """Whether nothing more arrives within a moment."""
    return receive(transport, 1, seconds=0.02) == []


@contextlib.contextmanager
def stuck(transport: Transport) -> Iterator[None]:
    """The system takes nothing from ``transport`` meanwhile: EAGAIN.

    Its descriptor stands for a TCP connection that never comes about, since nobody accepts those
    in the queue before it; and TCP ignores the address of a datagram.
    """
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(16):
            near = opened.enter_context(socket.socket())
            near.setblocking(False)
            near.connect_ex(listener.getsockname())
            if not select.select([], [near], [], 0.02)[1]:
                break
        else:
            pytest.skip("this system queues connections without end")
        descriptor = transport.fileno()
        saved = os.dup(descriptor)
        os.dup2(near.fileno(), descriptor)
        try:
            yield
        finally:
            os.dup2(saved, descriptor)
            os.close(saved)
