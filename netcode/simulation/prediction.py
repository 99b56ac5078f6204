"""Prediction: the client runs ``step`` on its own entities at once, and corrects them later.

Inputs are kept until the server says that it applied them. When a complete snapshot
arrives, the entities take the server's state and the inputs that the server had not yet
applied are run again on top.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Final, Generic, TypeVar

__all__ = ["PENDING_INPUTS", "Predictor"]

S = TypeVar("S")
I = TypeVar("I")  # noqa: E741

PENDING_INPUTS: Final = 128
"""Inputs kept for replay: two seconds of 60 Hz. With a longer round trip, the oldest are
forgotten and the prediction is short by them."""


class Predictor(Generic[S, I]):
    """The predicted states of one client's entities, by entity id.

    ``step(state, input, dt)`` changes ``state`` in place, the same function that the
    server runs; whatever it returns is ignored.
    """

    def __init__(self, step: Callable[[S, I, float], object], dt: float) -> None:
        self.step = step
        self.dt = dt
        self.states: dict[int, S] = {}
        self.inputs: collections.deque[tuple[int, I]] = collections.deque(maxlen=PENDING_INPUTS)

    def apply(self, tick: int, value: I) -> None:
        """Run one input now and keep it for replay; ``tick`` must be above every earlier one."""
        self.inputs.append((tick, value))
        for state in self.states.values():
            self.step(state, value, self.dt)

    def reconcile(self, states: dict[int, S], applied: int) -> int:
        """Take the server's ``states`` (owned from here on), replay the inputs after ``applied``.

        Entities that are not in ``states`` are gone. Returns how many inputs were replayed.
        """
        while self.inputs and self.inputs[0][0] <= applied:
            self.inputs.popleft()
        for state in states.values():
            for _, value in self.inputs:
                self.step(state, value, self.dt)
        self.states = states
        return len(self.inputs)
