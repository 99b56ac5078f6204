"""One sender and one receiver over real UDP on loopback, both ends on this thread: ours, pyenet's.

Workloads W1a and W2a: messages of 32 bytes, 64 to a batch, as many in flight as fit. Time is CPU
time of the thread, so it holds both ends and the kernel's part of both.
"""

from __future__ import annotations

import random
from typing import Any, Final

import numpy as np
from crowd import EPOCH, KEY, PROTOCOL
from peers import Missing

from netcode.io import open_udp
from netcode.security import ConnectToken
from netcode.session import (
    ClientConfig,
    ClientEndpoint,
    ClientState,
    DatagramBatch,
    ServerConfig,
    ServerEndpoint,
)

__all__ = ["BATCH", "ROUNDS", "ENetPair", "OurPair"]

SIZE: Final = 32
BATCH: Final = 64
ROUNDS: Final = 16
"""Batches in one call."""
STEP: Final = 0.0002
"""Virtual seconds from batch to batch: ours takes its time as an argument."""


class OurPair:
    """An encrypted server that sends in batches, and its client."""

    def __init__(self, channel: int) -> None:
        self.channel = channel
        self.now = 0.0
        self.near = open_udp(("127.0.0.1", 0), receive_buffer=4 << 20, send_buffer=4 << 20)
        self.far = open_udp(("127.0.0.1", 0), receive_buffer=4 << 20, send_buffer=4 << 20)
        address = self.near.address
        self.server = ServerEndpoint(
            ServerConfig(protocol_id=PROTOCOL, private_key=KEY, addresses=(address,),
                         max_clients=1),
            entropy=random.Random(4).randbytes, epoch=EPOCH,
        )  # fmt: skip
        token = ConnectToken.create(
            protocol_id=PROTOCOL, private_key=KEY, client_id=1, servers=[address],
            unix_now=EPOCH, expires_in=1000, timeout=100, entropy=random.Random(5).randbytes,
        )  # fmt: skip
        self.client = ClientEndpoint(ClientConfig(token=token))
        self.batch = DatagramBatch(slots=128)
        self.got = 0
        self.sent = 0
        for _ in range(1000):
            self.turn()
            if self.client.state is ClientState.CONNECTED and self.server.connected:
                break
        self.indices = np.zeros(BATCH, np.uint32)
        self.data = bytes(SIZE * BATCH)
        self.offsets = np.arange(BATCH + 1, dtype=np.int64) * SIZE

    def take(self, socket: Any, endpoint: Any) -> None:
        while True:
            self.batch.clear()
            if not socket.receive_into(self.batch):
                break
            endpoint.receive(self.batch, self.now)
        endpoint.update(self.now)

    def turn(self) -> None:
        self.now += STEP
        self.near.send(self.server.send(self.now))
        self.take(self.far, self.client)
        self.got += len(self.client.receive_messages())
        self.far.send(self.client.send(self.now))
        self.take(self.near, self.server)

    def run(self) -> None:
        for _ in range(ROUNDS):
            results = self.server.push_many(self.indices, self.channel, self.data, self.offsets)
            self.sent += BATCH - int(np.count_nonzero(results))
            self.turn()

    def close(self) -> None:
        self.near.close()
        self.far.close()


class ENetPair:
    """The same with pyenet, in the clear."""

    def __init__(self, reliable: bool) -> None:
        try:
            import enet
        except ImportError as error:
            raise Missing(str(error)) from error
        self.enet = enet
        self.flags = enet.PACKET_FLAG_RELIABLE if reliable else 0
        for port in range(47_000, 47_100):
            try:
                self.host = enet.Host(enet.Address(b"127.0.0.1", port), 4, 2, 0, 0)
                break
            except (OSError, MemoryError):
                continue
        self.guest = enet.Host(None, 1, 2, 0, 0)
        self.guest.connect(enet.Address(b"127.0.0.1", port), 2)
        self.peer: Any = None
        self.got = 0
        self.sent = 0
        for _ in range(1000):
            self.turn()
            if self.peer is not None:
                break
        self.data = bytes(SIZE)

    def drain(self, host: Any) -> None:
        while True:
            event = host.service(0)
            if event.type == self.enet.EVENT_TYPE_NONE:
                return
            if event.type == self.enet.EVENT_TYPE_RECEIVE:
                self.got += len(event.packet.data) == SIZE
            elif event.type == self.enet.EVENT_TYPE_CONNECT and host is self.host:
                self.peer = event.peer

    def turn(self) -> None:
        self.host.flush()
        self.drain(self.guest)
        self.drain(self.host)

    def run(self) -> None:
        for _ in range(ROUNDS):
            for _ in range(BATCH):
                self.sent += self.peer.send(0, self.enet.Packet(self.data, self.flags)) == 0
            self.turn()
