"""Hundreds of clients and a server in virtual time, a batch of datagrams at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from session.harness import SERVER, make_client, make_server, make_token

from netcode.channel import TransportConfig
from netcode.session import ClientEndpoint, DatagramBatch, ServerEndpoint

CHANNELS = TransportConfig()
RELIABLE = CHANNELS.channel("reliable")
UNRELIABLE = CHANNELS.channel("unreliable")
STEP = 0.05

Address = tuple[str, int]


class Crowd:
    """A server and its clients on a clean line; ``step`` is one turn of a 20 Hz loop."""

    def __init__(self, clients: int, *, capture: bool = False, **options: Any) -> None:
        settings: dict[str, Any] = {"max_clients": clients + 100, "channels": CHANNELS}
        self.server: ServerEndpoint = make_server(**settings | options)
        self.clients: dict[Address, ClientEndpoint] = {}
        self.now = 0.0
        self.count = 0
        self.captured: list[tuple[bytes, Address]] = []
        self.capture = capture
        self.sent: dict[int, int] = {}
        self.got: dict[int, int] = {}
        self.events: list[Any] = []
        for _ in range(clients):
            self.add()
        for _ in range(4):
            self.step()
        assert len(self.server.connected) == clients
        self.events.clear()

    def add(self, address: Address | None = None, **token: Any) -> ClientEndpoint:
        number, self.count = self.count, self.count + 1
        settings = {"unix_now": 1_700_000_000.0 + self.now, "client_id": number}
        client = make_client(make_token(**settings | token), channels=CHANNELS)
        self.clients[address or (f"10.8.{number >> 8}.{number & 255}", 50_000)] = client
        return client

    def step(self, hostile: Iterable[tuple[bytes, Address]] = ()) -> None:
        batch = DatagramBatch()
        for address, client in self.clients.items():
            client.update(self.now)
            for data, _ in client.send(self.now):
                batch.append(data, address)
                if self.capture:
                    self.captured.append((data, address))
        for data, address in hostile:
            batch.append(data, address)
        self.server.receive(batch, self.now)
        self.server.update(self.now)
        self.events += self.server.events()
        for index, _, data in self.server.messages():
            number = int.from_bytes(data, "little")
            assert number == self.got.get(index, 0), "lost or out of order"
            self.got[index] = number + 1
        for data, to in self.server.send(self.now):
            client = self.clients.get(to)
            if client is not None:
                client.receive_datagram(data, SERVER, self.now)
        self.now += STEP

    def talk(self) -> None:
        """Everyone says the next number, unreliably: what is lost would be missing."""
        for client in self.clients.values():
            if client.state == 3:
                index = client.client_index
                number = self.sent.get(index, 0)
                client.push(UNRELIABLE, number.to_bytes(4, "little"))
                self.sent[index] = number + 1

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP)):
            self.step()
