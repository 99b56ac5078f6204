"""A core driven by ServerDesk.turn, with the methods of a ServerEndpoint: for tests of both."""

from __future__ import annotations

from typing import Any

from netcode.session import DatagramBatch, ServerDesk, ServerEndpoint

Address = tuple[str, int]


class OwnedServer:
    """What is received is a turn of the owner, and so is what is sent; the game sits between."""

    def __init__(self, endpoint: ServerEndpoint) -> None:
        self.desk = ServerDesk(endpoint)
        self.out: list[tuple[bytes, Address]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.desk, name)

    @property
    def epoch(self) -> float:
        return self.desk.epoch

    @epoch.setter
    def epoch(self, value: float) -> None:
        self.desk.epoch = value

    def turn(self, batch: DatagramBatch | None, now: float) -> None:
        self.out += [(bytes(data), to) for data, to in self.desk.turn(batch, now)]

    def receive(self, batch: DatagramBatch, now: float) -> None:
        self.turn(batch, now)
        self.desk.take()

    def receive_datagram(self, data: bytes, address: Address, now: float) -> None:
        batch = DatagramBatch()
        batch.append(data, address)
        self.receive(batch, now)

    def update(self, now: float) -> None:
        self.turn(None, now)
        self.desk.take()

    def send(self, now: float) -> list[tuple[bytes, Address]]:
        self.desk.flush()
        for _ in range(3):  # what was flushed, the rest, and what came behind it
            self.turn(None, now)
        out, self.out = self.out, []
        return out
