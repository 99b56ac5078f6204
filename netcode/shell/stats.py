"""How a server's ticks are doing, for overlays, logs and tests."""

from __future__ import annotations

from typing import Final

import numpy as np

__all__ = ["ServerStats"]

TICK_SAMPLES: Final = 4096
"""Tick durations remembered: about a minute at 60 Hz."""


class ServerStats:
    """How the tick loop is doing.

    A tick's time is what it works: from taking in what arrived, over the game's code, until
    its snapshots are encoded, encrypted and given to the system.

    Attributes:
        ticks: ticks finished.
        overruns: ticks dropped because the loop was too far behind.
    """

    def __init__(self) -> None:
        self.ticks = 0
        self.overruns = 0
        self.samples = np.zeros(TICK_SAMPLES)

    def add(self, seconds: float) -> None:
        """A tick took this long."""
        self.samples[self.ticks % TICK_SAMPLES] = seconds
        self.ticks += 1

    def tick_quantile(self, share: float) -> float:
        """Seconds that ``share`` (0 to 1) of the last ticks stayed below; 0 before the first."""
        kept = self.samples[: min(self.ticks, TICK_SAMPLES)]
        return float(np.quantile(kept, share)) if len(kept) else 0.0

    def __repr__(self) -> str:
        return (
            f"<ServerStats {self.ticks} ticks, p50 {self.tick_quantile(0.5) * 1e3:.2f} ms, "
            f"p99 {self.tick_quantile(0.99) * 1e3:.2f} ms, {self.overruns} overruns>"
        )
