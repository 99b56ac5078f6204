"""An estimate of the server's tick from when its snapshots arrive."""

from __future__ import annotations

from typing import Final

__all__ = ["ServerClock"]

GAIN: Final = 0.1
"""Share of a new sample in the estimate: jitter averages out over some ten snapshots."""

SNAP: Final = 0.25
"""Seconds off after which the estimate jumps instead of drifting."""


class ServerClock:
    """Maps local ``now`` to the server's tick, delayed by half the round trip and jitter.

    ``rate`` is ticks a second. Until the first ``observe`` every tick is 0.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.offset: float | None = None

    def observe(self, tick: int, now: float) -> None:
        """A snapshot of ``tick`` arrived at ``now``."""
        sample = tick / self.rate - now
        if self.offset is None or abs(sample - self.offset) > SNAP:
            self.offset = sample
        else:
            self.offset += GAIN * (sample - self.offset)

    def tick(self, now: float) -> float:
        """The tick, with its fraction, whose snapshot would arrive at ``now``."""
        return 0.0 if self.offset is None else (now + self.offset) * self.rate
