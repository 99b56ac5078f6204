"""Endpoints wired together in virtual time, for the tests of this folder."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from netcode.security import ConnectToken, open_packet, seal_packet, seal_request
from netcode.session import ClientConfig, ClientEndpoint, ServerConfig, ServerEndpoint

PROTOCOL = 0x1122334455667788
KEY = bytes(range(32))
EPOCH = 1_700_000_000.0
SERVER = ("10.0.0.1", 40000)
TICK = 1 / 60

TRAFFIC = {
    "datagrams_received",
    "bytes_received",
    "datagrams_sent",
    "bytes_sent",
    "payloads_received",
    "payloads_sent",
    "challenges_sent",
    "denials_sent",
    "connected",
    "disconnected",
}


def entropy(seed: int = 1) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


def make_token(client_id: int = 1, **options: Any) -> ConnectToken:
    settings: dict[str, Any] = {
        "protocol_id": PROTOCOL,
        "private_key": KEY,
        "client_id": client_id,
        "servers": [SERVER],
        "unix_now": EPOCH,
        "timeout": 5,
        "entropy": entropy(client_id),
    }
    return ConnectToken.create(**settings | options)


def make_server(*, seed: int = 1, epoch: float = EPOCH, **options: Any) -> ServerEndpoint:
    settings: dict[str, Any] = {
        "protocol_id": PROTOCOL,
        "private_key": KEY,
        "addresses": [SERVER],
        "max_clients": 4,
        "channels": None,
    }
    return ServerEndpoint(ServerConfig(**settings | options), entropy=entropy(seed), epoch=epoch)


def make_client(token: ConnectToken | bytes | None = None, **options: Any) -> ClientEndpoint:
    settings: dict[str, Any] = {"token": token or make_token(), "channels": None}
    return ClientEndpoint(ClientConfig(**settings | options), entropy=entropy())


def request(token: ConnectToken) -> bytes:
    return seal_request(
        protocol_id=token.protocol_id,
        expire_timestamp=token.expire_timestamp,
        nonce=token.nonce,
        sealed=token.sealed,
    )


def sealed(token: ConnectToken, kind: int, sequence: int, body: bytes = b"") -> bytes:
    """A packet from the client who holds ``token``."""
    return seal_packet(kind, sequence, body, protocol_id=PROTOCOL, key=token.client_to_server_key)


def opened(token: ConnectToken, data: bytes) -> Any:
    """A packet to the client who holds ``token``."""
    return open_packet(data, protocol_id=PROTOCOL, key=token.server_to_client_key)


def reasons(endpoint: ServerEndpoint | ClientEndpoint) -> dict[str, int]:
    """The refusals counted so far."""
    return {k: v for k, v in endpoint.counters.items() if v and k not in TRAFFIC}


class World:
    """Servers and clients joined by a network that drops, delays and doubles datagrams."""

    def __init__(
        self,
        server: ServerEndpoint | None = None,
        clients: Iterable[ClientEndpoint] = (),
        *,
        loss: float = 0.0,
        duplicate: float = 0.0,
        latency: float = 0.0,
        jitter: float = 0.0,
        seed: int = 1,
        now: float = 0.0,
    ) -> None:
        self.servers: dict[tuple[str, int], ServerEndpoint] = {}
        if server is not None:
            self.servers[SERVER] = server
        self.clients: dict[tuple[str, int], ClientEndpoint] = {}
        self.random = random.Random(seed)
        self.loss, self.duplicate = loss, duplicate
        self.latency, self.jitter = latency, jitter
        self.now = now
        self.flying: list[tuple[float, int, tuple[str, int], tuple[str, int], bytes]] = []
        self.count = 0
        self.log: deque[tuple[tuple[str, int], tuple[str, int], bytes]] = deque(maxlen=10_000)
        for client in clients:
            self.add(client)

    @property
    def server(self) -> ServerEndpoint:
        return self.servers[SERVER]

    def add(self, client: ClientEndpoint, port: int | None = None) -> tuple[str, int]:
        address = ("10.1.0.1", port or 50_000 + len(self.clients))
        self.clients[address] = client
        return address

    def carry(self, source: tuple[str, int], batch: Iterable[tuple[Any, Any]]) -> None:
        for data, to in batch:
            self.log.append((source, to, data))
            copies = 1 + (self.random.random() < self.duplicate)
            for _ in range(copies):
                if self.random.random() < self.loss:
                    continue
                due = self.now + self.latency + self.jitter * self.random.random()
                self.count += 1
                self.flying.append((due, self.count, source, to, data))

    def deliver(self) -> None:
        self.flying.sort()
        while self.flying and self.flying[0][0] <= self.now:
            _, _, source, to, data = self.flying.pop(0)
            receiver = self.servers.get(to) or self.clients.get(to)
            if receiver is not None:
                receiver.receive_datagram(data, source, self.now)

    def step(self, dt: float = TICK) -> None:
        self.deliver()
        for endpoints in (self.clients, self.servers):
            for address, endpoint in list(endpoints.items()):
                endpoint.update(self.now)
                self.carry(address, endpoint.send(self.now))
            self.deliver()
        self.now += dt

    def run(self, seconds: float, dt: float = TICK) -> None:
        end = self.now + seconds - dt / 2
        while self.now < end:
            self.step(dt)

    def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        end = self.now + seconds
        while not condition():
            assert self.now < end, "it did not happen in time"
            self.step()


def connect(world: World, *, index: int = 0) -> ClientEndpoint:
    """Run until the client number ``index`` of ``world`` is connected."""
    client = list(world.clients.values())[index]
    world.until(lambda: client.state == 3)
    return client
