"""What a link does to the datagrams on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from netcode.errors import ConfigError

__all__ = ["Conditions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """One direction of a network path. Times are seconds, the rest probabilities from 0 to 1.

    Jitter alone keeps the order, as a queue does; only ``reorder`` and ``duplicate`` let a
    datagram arrive after later ones.

    Attributes:
        loss: a datagram never arrives.
        latency: from push to arrival.
        jitter: uniform extra delay of up to this much.
        duplicate: a second copy arrives, up to ``reorder_delay`` later.
        reorder: a datagram is held back by up to ``reorder_delay`` while others pass it.
        reorder_delay: see above.
    """

    loss: float = 0.0
    latency: float = 0.0
    jitter: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    reorder_delay: float = 0.05

    def __post_init__(self) -> None:
        for name in ("loss", "duplicate", "reorder"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigError(f"Conditions.{name}: {value!r} is not a probability from 0 to 1")
        for name in ("latency", "jitter", "reorder_delay"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"Conditions.{name}: {value!r} is not a number of seconds from 0")
