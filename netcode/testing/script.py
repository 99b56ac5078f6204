"""Conditions that change as time goes by."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from netcode.errors import ConfigError
from netcode.testing.conditions import Conditions

__all__ = ["Script"]

MAX_STEPS = 10_000


class Script:
    """A timeline for one direction: from each time on, what the link is like.

    Args:
        steps: (seconds since the beginning, conditions), in order of time; the first is at 0.
        repeat: seconds after which it begins again; infinite for once, the last step staying.

    Raises:
        ConfigError: the times do not start at 0 or do not rise, or ``repeat`` is not after them.
    """

    def __init__(
        self, steps: Iterable[tuple[float, Conditions]], *, repeat: float = math.inf
    ) -> None:
        self.steps = tuple((float(at), conditions) for at, conditions in steps)
        self.repeat = float(repeat)
        self.times = [at for at, _ in self.steps]
        if not 1 <= len(self.steps) <= MAX_STEPS:
            raise ConfigError(f"Script.steps: {len(self.steps)} of them, must be 1 to {MAX_STEPS}")
        if self.times[0] != 0:
            raise ConfigError(f"Script.steps: the first is at {self.times[0]}, must be at 0")
        for before, after in zip(self.times, self.times[1:], strict=False):
            if not before < after < math.inf:
                raise ConfigError(f"Script.steps: {after} does not come after {before}")
        if not self.repeat > self.times[-1]:
            raise ConfigError(
                f"Script.repeat: {self.repeat}, must be after the last step at {self.times[-1]}"
            )

    def at(self, elapsed: float) -> Conditions:
        """The conditions so many seconds after the beginning; those of the first step before."""
        if elapsed > 0 and self.repeat < math.inf:
            elapsed %= self.repeat
        return self.steps[max(0, bisect.bisect_right(self.times, elapsed) - 1)][1]

    def changed(self, **fields: Any) -> Script:
        """The same script with some fields of the conditions fixed in every step."""
        return Script(
            ((at, replace(conditions, **fields)) for at, conditions in self.steps),
            repeat=self.repeat,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Script):
            return NotImplemented
        return (self.steps, self.repeat) == (other.steps, other.repeat)

    def __hash__(self) -> int:
        return hash((self.steps, self.repeat))

    def __repr__(self) -> str:
        ending = "" if self.repeat == math.inf else f", repeat={self.repeat!r}"
        return f"Script({list(self.steps)!r}{ending})"
