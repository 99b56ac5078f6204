"""A back end through which nothing passes any more."""

from __future__ import annotations

from typing import Any

from netcode.session import DatagramBatch


class DeadLine:
    """Takes the place of ``inner``, whose address the world has forgotten."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.dropped = DatagramBatch()
        self.lost = 0

    def receive_into(self, batch: Any) -> int:
        self.dropped.clear()
        self.lost += self.inner.receive_into(self.dropped)
        return 0

    def send(self, batch: Any) -> None:
        self.lost += len(batch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def lose_address(client: Any) -> None:
    """Nothing passes from or to the address that ``client`` has now."""
    with client.host.lock:
        client.host.transport = DeadLine(client.host.transport)
