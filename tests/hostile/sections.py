"""Mutated sections against the section coder, seeded and resumable.

    python tests/hostile/sections.py --cases 10000000 --seed 1 --state sections.json

Run it on a sanitizer build (CONTRIBUTING.md). One case in a thousand is of a full-size table, the
others have up to 64 entities. What decodes must be in range, and be what its bytes encode.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from netcode.delta.model import Heading, Model
from netcode.delta.shape import Shape
from netcode.errors import DecodeError

__all__ = ["fuzz"]

LIMIT = 1 << 16
FULL = (901, 2000)
BATCH = 50
"""Mutations of one section."""


def random_shape(rng: np.random.Generator) -> Shape:
    groups: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = []
    lane = 0

    def top(most: int = 32) -> int:
        bits = int(rng.integers(1, most + 1))
        return int(rng.integers(1 << (bits - 1), 1 << bits))

    def add(kind: str) -> None:
        nonlocal lane
        tops: tuple[int, ...] = (top(),)
        if kind == "vector":
            tops = tuple(top() for _ in range(int(rng.integers(1, 4))))
        elif kind == "quaternion":
            tops = (3, *[top(18)] * 3)
        elif kind in ("angle", "flags"):
            tops = ((1 << int(rng.integers(1, 33))) - 1,)
        groups.append((kind, tuple(range(lane, lane + len(tops))), tops))
        lane += len(tops)

    roles: dict[str, int] = {}
    style = int(rng.integers(4))
    if style == 1 or style == 2:
        add("vector")
        roles["position"] = 0
    if style == 2:
        add("quaternion")
        roles["rotation"] = 1
    if style == 3:
        add("angle")
        groups.append(("vector", (1, 2), (top(), top())))
        lane = 3
        roles = {"heading": 0, "course": 1}
    kinds = ("vector", "quaternion", "angle", "enum", "flags", "id", "int")
    for _ in range(int(rng.integers(0 if groups else 1, 5))):
        add(kinds[int(rng.integers(len(kinds)))])
    return Shape(groups, **roles)


def random_model(rng: np.random.Generator, shape: Shape) -> Model:
    probabilities = Model.untrained(shape).probabilities
    if rng.random() < 0.3:
        probabilities = rng.integers(16, 65521, shape.contexts).astype(np.uint16)
    heading = None
    if shape.roles[2] >= 0 and rng.random() < 0.7:
        speeds = tuple(sorted(int(speed) for speed in rng.integers(1, 1 << 20, 5)))
        heading = Heading(1 - 2 * int(rng.integers(2)), int(rng.integers(65536)), speeds)
    return Model(shape, probabilities, heading)


def worlds(rng: np.random.Generator, shape: Shape, capacity: int) -> tuple[Any, list[Any]]:
    """Largest codes, and T, A and B."""
    tops = np.zeros((sum(len(lanes) for _, lanes, _ in shape.spec), 1), dtype=np.int64)
    for _, lanes, limits in shape.spec:
        tops[list(lanes), 0] = limits
    size = (len(tops), capacity)
    now = rng.integers(0, tops + 1, size)
    share, spread = rng.random(), 10.0 ** rng.uniform(0, 8)
    made = [now]
    for _ in range(2):
        moves = (rng.random((1, capacity)) < share) & (rng.random(size) < 0.7)
        step = np.where(moves, rng.normal(0, spread, size).astype(np.int64), 0)
        now = np.clip(now + step, 0, tops)
        made.append(now)
    b, a, t = (np.ascontiguousarray(each.astype(np.uint32).view(np.int32)) for each in made)
    return tops, [t, a, b]


def mutated(rng: np.random.Generator, data: bytes) -> Iterator[bytes]:
    """``BATCH`` of them: flips, cuts, additions, splices, noise."""
    for _ in range(BATCH):
        bad = bytearray(data or b"\x80")
        way = int(rng.integers(6))
        if way <= 2:
            for _ in range(1 + int(rng.integers(3))):
                bad[int(rng.integers(len(bad)))] ^= 1 << int(rng.integers(8))
        elif way == 3:
            bad = bad[: int(rng.integers(len(bad)))]
        elif way == 4:
            at = int(rng.integers(len(bad)))
            bad[at:] = rng.bytes(len(bad) - at + int(rng.integers(4)))
        else:
            bad = bytearray(rng.bytes(int(rng.integers(1, 1100))))
        yield bytes(bad)


def batch(seed: int, number: int, full: bool) -> dict[str, int]:
    """Mutations of one section; the same arguments do the same."""
    rng = np.random.default_rng((seed, number))
    capacity = FULL[number % 2] if full else int(rng.integers(1, 65))
    shape = random_shape(rng)
    model = random_model(rng, shape)
    coder = model.coder(capacity)
    tops, (t, a, b) = worlds(rng, shape, capacity)
    older = None if rng.random() < 0.2 else b
    num, den = (int(each) for each in rng.integers(1, 256, 2))
    slots = np.flatnonzero(rng.random(capacity) < rng.choice([0.5, 1.0])).astype(np.uint16)
    if not slots.size:
        slots = np.zeros(1, dtype=np.uint16)
    data = coder.encode(t, a, older, num, den, slots, LIMIT)
    counts = {"cases": 0, "refused": 0, "decoded": 0}
    for bad in mutated(rng, data or b""):
        out = np.zeros_like(t)
        # now and then against another baseline
        wrong = rng.random() < 0.1
        base = b if wrong else a
        counts["cases"] += 1
        try:
            coder.decode(bad, out, base, older, num, den, slots)
        except DecodeError:
            counts["refused"] += 1
        else:
            counts["decoded"] += 1
            if coder.encode(out, base, older, num, den, slots, LIMIT) != bad:
                raise AssertionError(f"seed {seed}, batch {number}: not the only spelling")
        if (out.view(np.uint32)[:, slots] > tops).any():
            raise AssertionError(f"seed {seed}, batch {number}: a code out of range")
    return counts


def fuzz(cases: int, seed: int, state: Path | None = None, seconds: float = 0) -> dict[str, int]:
    """Run ``cases`` mutations, going on from ``state`` when it is there; the totals."""
    total = {"seed": seed, "batches": 0, "cases": 0, "refused": 0, "decoded": 0, "full": 0}
    if state is not None and state.is_file():
        total = json.loads(state.read_text())
    begin = time.monotonic()
    while total["cases"] < cases:
        full = total["batches"] % 500 == 499
        for key, count in batch(total["seed"], total["batches"], full).items():
            total[key] += count
            if full and key == "cases":
                total["full"] += count
        total["batches"] += 1
        if state is not None and total["batches"] % 500 == 0:
            state.write_text(json.dumps(total))
        if seconds and time.monotonic() - begin > seconds:
            break
    if state is not None:
        state.write_text(json.dumps(total))
    return total


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--state", type=Path, help="progress, to go on from after a stop")
    parser.add_argument("--seconds", type=float, default=0, help="stop after so long")
    options = parser.parse_args()
    print(json.dumps(fuzz(options.cases, options.seed, options.state, options.seconds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
