"""A server and its clients in one process, in lockstep and without sockets.

Only the server's calls are timed, in CPU time of the thread, and only what happens in them counts
as its memory. Everything comes from fixed seeds.
"""

from __future__ import annotations

import ctypes
import random
import time
from collections.abc import Callable
from typing import Any, Final

from netcode.channel import TransportConfig
from netcode.security import ConnectToken
from netcode.session import (
    ClientConfig,
    ClientEndpoint,
    DatagramBatch,
    ServerConfig,
    ServerEndpoint,
)

__all__ = ["CHANNELS", "EPOCH", "KEY", "PROTOCOL", "SERVER", "UNRELIABLE", "Crowd", "token"]

PROTOCOL: Final = 7
KEY: Final = bytes(range(32))
EPOCH: Final = 1_700_000_000.0
SERVER: Final = ("10.0.0.1", 40_000)
CHANNELS: Final = TransportConfig()
UNRELIABLE: Final = CHANNELS.channel("unreliable")
SLICE: Final = 500
"""Clients whose handshakes share a batch, so that batches stay small beside connections."""


def token(client_id: int, rng: random.Random, unix_now: float = EPOCH) -> ConnectToken:
    return ConnectToken.create(
        protocol_id=PROTOCOL,
        private_key=KEY,
        client_id=client_id,
        servers=[SERVER],
        unix_now=unix_now,
        expires_in=1000,
        timeout=100,
        entropy=rng.randbytes,
    )


class Allocated(ctypes.Structure):
    """glibc's mallinfo2."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks",
                     "uordblks", "fordblks", "keepcost")
    ]  # fmt: skip


def heap_bytes() -> Callable[[], int] | None:
    """A function that says how many bytes are allocated, or None without glibc 2.33."""
    try:
        info = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError):
        return None
    info.restype = Allocated

    def read() -> int:
        found = info()
        return int(found.uordblks + found.hblkhd)

    return read


class Crowd:
    """``cpu`` adds up the nanoseconds spent in server calls, ``memory`` what they allocated."""

    def __init__(self, count: int, *, channels: TransportConfig | None) -> None:
        self.rng = random.Random(1)
        self.count = count
        self.channels = channels
        self.now = 0.0
        self.cpu = 0
        self.memory = 0
        self.heap = heap_bytes()
        self.server: ServerEndpoint = self.timed(
            lambda: ServerEndpoint(
                ServerConfig(
                    protocol_id=PROTOCOL,
                    private_key=KEY,
                    addresses=(SERVER,),
                    max_clients=count,
                    channels=channels,
                    inbox_bytes=1 << 28,
                    out_bytes=1 << 28,
                ),
                entropy=self.rng.randbytes,
                epoch=EPOCH,
            )
        )
        self.clients = [
            ClientEndpoint(ClientConfig(token=token(n, self.rng), channels=channels))
            for n in range(count)
        ]
        self.addresses = [(f"127.1.{n >> 8}.{n & 255}", 50_000) for n in range(count)]
        self.numbers = {address: n for n, address in enumerate(self.addresses)}

    def timed(self, call: Callable[[], Any]) -> Any:
        before = self.heap() if self.heap is not None else 0
        start = time.thread_time_ns()
        result = call()
        self.cpu += time.thread_time_ns() - start
        if self.heap is not None:
            self.memory += self.heap() - before
        return result

    def connect(self) -> None:
        """Everyone's whole handshake: request, challenge, response, and the keep-alive packet."""
        for first in range(0, self.count, SLICE):
            for _ in range(2):
                self.exchange(range(first, min(first + SLICE, self.count)))
        self.now += 0.2
        if len(self.server.connected) != self.count:
            raise AssertionError(f"{len(self.server.connected)} of {self.count} connected")

    def exchange(self, numbers: range) -> None:
        batch = DatagramBatch(limit=1 << 28)
        for n in numbers:
            client = self.clients[n]
            client.update(self.now)
            for data, _ in client.send(self.now):
                batch.append(data, self.addresses[n])
        self.timed(lambda: self.server.receive(batch, self.now))
        self.timed(lambda: self.server.update(self.now))
        self.timed(self.server.receive_events)
        answers = self.timed(lambda: self.server.send(self.now))
        for data, to in answers:
            self.clients[self.numbers[to]].receive_datagram(data, SERVER, self.now)
        self.now += 0.0001  # too short for keep-alive packets of those who are in

    def incoming(self, payload: bytes) -> DatagramBatch:
        """One datagram from each client, in random order."""
        batch = DatagramBatch(limit=1 << 28)
        order = list(range(self.count))
        self.rng.shuffle(order)
        for n in order:
            client = self.clients[n]
            if self.channels is None:
                client.send_payload(payload)
            else:
                client.push(UNRELIABLE, payload)
            for data, _ in client.send(self.now):
                batch.append(data, self.addresses[n])
        return batch

    def tick(self, payload: bytes) -> int:
        """One message in and one out for each client: the server's nanoseconds."""
        batch = self.incoming(payload)
        before = self.cpu
        self.timed(lambda: self.server.receive(batch, self.now))
        self.timed(lambda: self.server.update(self.now))
        received = self.timed(self.server.receive_messages)
        if len(received) != self.count:
            raise AssertionError(f"{len(received)} of {self.count} messages arrived")
        if self.channels is None:
            send = self.server.send_payload
            indices = received.records["index"].tolist()
            self.timed(lambda: [send(index, payload) for index in indices])
        else:
            records = received.records
            self.timed(lambda: self.server.push_many(records["index"], UNRELIABLE, payload))
        self.now += 0.025
        answers = self.timed(lambda: self.server.send(self.now))
        spent = self.cpu - before
        for data, to in answers:
            self.clients[self.numbers[to]].receive_datagram(data, SERVER, self.now)
        for client in self.clients:
            client.messages()
        self.now += 0.025
        return spent
