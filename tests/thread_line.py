"""Clients on real sockets for the tests of the I/O thread."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from netcode.channel import TransportConfig
from netcode.io import BatchSocket, ServerThread
from netcode.security import ConnectToken
from netcode.session import (
    ClientConfig,
    ClientEndpoint,
    DatagramBatch,
    ServerConfig,
    ServerEndpoint,
)

KEY = bytes(range(32))
PROTOCOL = 77
CHANNELS = TransportConfig()
RELIABLE = CHANNELS.channel("reliable")
UNRELIABLE = CHANNELS.channel("unreliable")


def open_thread(*, start: bool = True, many: bool | None = None, **options: Any) -> ServerThread:
    """A server on a free port, all its datagrams in the hands of its thread."""
    socket = BatchSocket(("127.0.0.1", 0), **({} if many is None else {"many": many}))
    settings: dict[str, Any] = {
        "protocol_id": PROTOCOL,
        "private_key": KEY,
        "addresses": [socket.address],
        "channels": CHANNELS,
        "max_clients": 64,
    }
    endpoint = ServerEndpoint(
        ServerConfig(**settings | options),
        entropy=random.Random(1).randbytes,
        epoch=time.time() - time.monotonic(),
    )
    thread = ServerThread(endpoint, socket)
    if start:
        thread.start()
    return thread


opened: list[Peer] = []
"""For a fixture to close."""


class Peer:
    """One client on a socket of its own; ``pump`` moves what there is."""

    def __init__(self, server: ServerThread, number: int, *, timeout: int = 5) -> None:
        self.open(server.socket.address, number, server.config.channels, timeout)

    @classmethod
    def at(
        cls, address: tuple[str, int], number: int, channels: TransportConfig | None = CHANNELS
    ) -> Peer:
        """A client of a server that another process runs."""
        peer = cls.__new__(cls)
        peer.open(address, number, channels, 5)
        return peer

    def open(
        self, address: tuple[str, int], number: int, channels: TransportConfig | None, timeout: int
    ) -> None:
        token = ConnectToken.create(
            protocol_id=PROTOCOL, private_key=KEY, client_id=number,
            servers=[address], unix_now=time.time(), timeout=timeout,
            entropy=random.Random(number).randbytes,
        )  # fmt: skip
        self.socket = BatchSocket(("127.0.0.1", 0))
        self.endpoint = ClientEndpoint(
            ClientConfig(token=token, channels=channels), entropy=random.Random(number).randbytes
        )
        self.batch = DatagramBatch()
        opened.append(self)

    @property
    def connected(self) -> bool:
        return int(self.endpoint.state) == 3

    def pump(self) -> None:
        now = time.monotonic()
        self.batch.clear()
        self.socket.receive_into(self.batch)
        self.endpoint.receive(self.batch, now)
        self.endpoint.update(now)
        self.socket.send(self.endpoint.send(now))

    def heard(self) -> list[tuple[int, bytes]]:
        return [(channel, data) for _, channel, data in self.endpoint.messages()]

    @property
    def queued(self) -> int:
        """Messages that the server has not acked."""
        transport = self.endpoint.stats().transport
        assert transport is not None
        return transport.messages_queued

    def close(self) -> None:
        if self.connected:
            self.endpoint.disconnect()
            self.pump()
        self.socket.close()


def until(
    condition: Callable[[], object], *peers: Peer, seconds: float = 10.0, pause: float = 0.002
) -> None:
    """Pump until it holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        for peer in peers:
            peer.pump()
        time.sleep(pause)
