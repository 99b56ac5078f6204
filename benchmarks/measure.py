"""How every number of the report is taken.

Two functions are compared in one process, one slice of each in turn, so that a change in the
machine's speed meets both. Slices are timed in CPU time of the thread, with the cyclic garbage
collector off; the result is the median of the slices' ratios, which one disturbed slice does not
move. Inputs come from fixed seeds.
"""

from __future__ import annotations

import gc
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

__all__ = ["Comparison", "Row", "compare", "row", "row_of_values", "two_threads"]

QUICK_ROUNDS, ROUNDS = 11, 41
QUICK_SLICE, SLICE = 2_000_000, 5_000_000
"""Nanoseconds that one slice should take; far above the clock's resolution."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report. ``ratio`` is ours / peer; with ``better`` "lower" small is good.

    ``goal`` must be met; ``moonshot`` is what we hope for, None where there is none.
    """

    family: str
    name: str
    unit: str
    ours: float
    peer: str
    peer_value: float
    ratio: float
    goal: float
    moonshot: float | None
    better: Literal["lower", "higher"]
    met: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """Medians, in nanoseconds per unit of work, and the median of the pairs' ratios."""

    ours: float
    peer: float
    ratio: float


def compare(
    ours: Callable[[], object], peer: Callable[[], object], *, units: int = 1, quick: bool = False
) -> Comparison:
    """Time two functions that each do ``units`` units of work."""
    rounds, slice_ns = (QUICK_ROUNDS, QUICK_SLICE) if quick else (ROUNDS, SLICE)
    with collector_off():
        our_loops, peer_loops = loops_for(ours, slice_ns), loops_for(peer, slice_ns)
        ours_ns, peer_ns = [], []
        for turn in range(rounds):
            # Who comes first alternates, as the first of a pair may find a colder cache.
            if turn % 2:
                peer_ns.append(timed(peer, peer_loops))
                ours_ns.append(timed(ours, our_loops))
            else:
                ours_ns.append(timed(ours, our_loops))
                peer_ns.append(timed(peer, peer_loops))
    return Comparison(
        statistics.median(ours_ns) / units,
        statistics.median(peer_ns) / units,
        statistics.median(a / b for a, b in zip(ours_ns, peer_ns, strict=True)),
    )


def row(
    family: str,
    name: str,
    unit: str,
    result: Comparison,
    *,
    peer: str,
    goal: float,
    moonshot: float | None = None,
) -> Row:
    """The report's line of a comparison of times; lower is better."""
    return Row(
        family,
        name,
        unit,
        result.ours,
        peer,
        result.peer,
        result.ratio,
        goal,
        moonshot,
        "lower",
        result.ratio <= goal,
    )


def row_of_values(
    family: str,
    name: str,
    unit: str,
    *,
    ours: float,
    peer: str,
    peer_value: float,
    goal: float,
    moonshot: float | None = None,
    better: Literal["lower", "higher"] = "lower",
) -> Row:
    """The report's line of two plain values, such as sizes."""
    ratio = ours / peer_value
    met = ratio <= goal if better == "lower" else ratio >= goal
    return Row(family, name, unit, ours, peer, peer_value, ratio, goal, moonshot, better, met)


def two_threads(
    first: Callable[[], object], second: Callable[[], object], *, quick: bool = False
) -> tuple[float, float]:
    """Nanoseconds that one call takes of the wall clock: one thread alone, and two side by side.

    Each of the two threads has a function of its own. Runs alternate, and the best of each counts:
    of many short ones some have the machine to themselves, which a median of wall times has not.
    """
    rounds = (4 if quick else 20) * ROUNDS
    slice_ns = QUICK_SLICE
    both = (first, second)
    alone, together = [], []
    with collector_off(), ThreadPoolExecutor(2) as pool:
        loops = min(loops_for(call, slice_ns) for call in both)
        start = threading.Barrier(2)

        def run(call: Callable[[], object], wait: bool) -> tuple[int, int]:
            turns = range(loops)
            if wait:
                start.wait()
            began = time.perf_counter_ns()
            for _ in turns:
                call()
            return began, time.perf_counter_ns()

        for turn in range(rounds):
            began, ended = pool.submit(run, both[turn % 2], False).result()
            alone.append((ended - began) / loops)
            spans = [pool.submit(run, call, True) for call in both]
            times = [span.result() for span in spans]
            whole = max(ended for _, ended in times) - min(began for began, _ in times)
            together.append(whole / (2 * loops))
    return min(alone), min(together)


@contextmanager
def collector_off() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def timed(function: Callable[[], object], loops: int) -> float:
    """CPU nanoseconds of one call, over ``loops`` calls."""
    turns = range(loops)
    start = time.thread_time_ns()
    for _ in turns:
        function()
    return (time.thread_time_ns() - start) / loops


def loops_for(function: Callable[[], object], slice_ns: int) -> int:
    """Calls that fill one slice; this also warms the function up."""
    loops = 1
    while True:
        total = timed(function, loops) * loops
        if total >= slice_ns / 4:
            return max(1, round(loops * slice_ns / total))
        loops *= 4
