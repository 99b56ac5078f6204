"""Time that moves when told to."""

from __future__ import annotations

import math

__all__ = ["VirtualClock"]


class VirtualClock:
    """A monotonic clock under the test's control.

    Call it where code wants a clock function: ``clock()`` is ``clock.now``.

    Args:
        now: seconds to start at.
    """

    def __init__(self, now: float = 0.0) -> None:
        if not math.isfinite(now):
            raise ValueError(f"now is {now}, not a finite number of seconds")
        self._now = float(now)

    @property
    def now(self) -> float:
        """Seconds."""
        return self._now

    def __call__(self) -> float:
        return self._now

    def advance(self, seconds: float) -> float:
        """Move on by ``seconds`` and return the new time."""
        return self.advance_to(self._now + seconds)

    def advance_to(self, now: float) -> float:
        """Move on to ``now`` and return it; ValueError for a time that has passed."""
        if not (math.isfinite(now) and now >= self._now):
            raise ValueError(f"time cannot go from {self._now} to {now}")
        self._now = float(now)
        return self._now

    def __repr__(self) -> str:
        return f"VirtualClock(now={self._now!r})"
