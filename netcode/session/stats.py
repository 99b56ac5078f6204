"""Measurements of one connection."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

from netcode.channel import ChannelStats
from netcode.session.events import CloseReason

__all__ = ["ConnectionStats"]


@dataclass(frozen=True, slots=True)
class ConnectionStats:
    """Measurements of one connection since it began; times in seconds.

    ``transport`` is None without channels (raw payloads), and what it measures is 0 then.
    """

    packets_sent: int
    """Datagrams sealed for the peer."""
    packets_received: int
    """Authentic datagrams from the peer."""
    bytes_sent: int
    """UDP payload bytes of the former."""
    bytes_received: int
    """UDP payload bytes of the latter."""
    rtt: float
    """Round-trip time, smoothed; 0 before the first sample."""
    jitter: float
    """Smoothed difference of successive samples."""
    packet_loss: float
    """Share of sent packets that were lost, 0 to 1, smoothed."""
    resumed: int
    """How often the client went on from another address, under new keys."""
    transport: ChannelStats | None
    """Everything the channels measured and counted."""
    closed: CloseReason | None = None
    """Why it ended, of a Client's or a Player's; None while it stands."""

    @classmethod
    def nothing(cls) -> Self:
        """Those of a connection of which nothing is known."""
        empty: dict[str, Any] = {each.name: 0 for each in fields(cls)}
        return cls(**empty | {"transport": None, "closed": None})
