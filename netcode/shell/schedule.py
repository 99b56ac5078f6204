"""When ticks are due. Pure: time is an argument."""

from __future__ import annotations

import math
from typing import Final

from netcode.errors import ConfigError

__all__ = ["TickSchedule"]

CATCH_UP: Final = 5
"""Ticks run back to back after a stall; more are dropped, or a server that is a little
too slow would fall behind for ever and answer ever later."""


class TickSchedule:
    """Absolute deadlines, so that lateness of one tick does not shift the next.

    ``rate`` is ticks a second (up to 1,000). After ``advance`` the tick ``number`` runs;
    ``dropped`` counts the ticks given up just before it, ``late`` is how many seconds after
    its deadline it starts. Dropped ticks move the schedule, not the numbers.
    """

    def __init__(self, rate: float, *, catch_up: int = CATCH_UP) -> None:
        if not 0 < rate <= 1000:
            raise ConfigError(f"tick_rate is {rate}; it must be over 0 and at most 1000")
        if catch_up < 1:
            raise ConfigError(f"catch_up is {catch_up}; it must be at least 1")
        self.rate = float(rate)
        self.dt = 1.0 / rate
        self.catch_up = catch_up
        self.number = 0
        self.dropped = 0
        self.dropped_total = 0
        self.late = 0.0
        self.epoch = 0.0
        self.steps = 0

    def start(self, now: float) -> None:
        """The first tick is due at ``now``."""
        self.epoch, self.steps = now, 0

    @property
    def deadline(self) -> float:
        """When the next tick is due; a product, so that no error adds up."""
        return self.epoch + self.steps * self.dt

    def advance(self, now: float) -> None:
        """Begin the next tick; call it at or after ``deadline``."""
        behind = now - self.deadline
        self.dropped = 0
        if behind >= self.catch_up * self.dt:
            self.dropped = math.floor(behind / self.dt) - self.catch_up + 1
            self.steps += self.dropped
            self.dropped_total += self.dropped
        self.late = max(0.0, now - self.deadline)
        self.steps += 1
        self.number += 1
