"""Mutated sections against the section coder and the decoder, seeded and resumable.

    python tests/hostile/sections.py --cases 10000000 --seed 1 --state sections.json

Run it on a sanitizer build (CONTRIBUTING.md). Thousands of mutants share a world and a model; the
loop over them is compiled (mutants.pyx). One batch in a hundred is of a full-size table, the others
have up to 64 entities. Three in four go to the coder: what decodes must be in range, and be what
its bytes encode. The fourth goes, header and slot set included, to the decoder of a client.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from netcode.delta import Decoder, Held, History, Layout, encode_sections
from netcode.delta.model import Heading, Model
from netcode.delta.shape import Shape

__all__ = ["batch", "fuzz"]

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
LIMIT = 1 << 16
FULL = (901, 2000)
BATCH = 4000
"""Mutants of one section."""
FULL_BATCH = 400
FULL_EVERY = 100
FAULTS = ("", "a code is out of range", "a section has two spellings")


@functools.cache
def loop() -> Any:
    """The compiled loop."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        from native import load
    finally:
        sys.path.remove(str(BENCHMARKS))
    # The time goes into the library's own code, and a better compiled loop takes longer to compile.
    return load("mutants", Path(__file__).resolve().parent, ["-O1", "-g0"])


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
    adaptive = int(rng.integers(1, 256)) if rng.random() < 0.3 else 0
    return Model(shape, probabilities, heading, adaptive=adaptive)


def largest(shape: Shape) -> Any:
    """Largest code of each lane."""
    tops = np.zeros(sum(len(lanes) for _, lanes, _ in shape.spec), dtype=np.int64)
    for _, lanes, limits in shape.spec:
        tops[list(lanes)] = limits
    return tops


def worlds(rng: np.random.Generator, shape: Shape, capacity: int) -> tuple[Any, list[Any]]:
    """Largest codes, and T, A and B."""
    tops = largest(shape)[:, None]
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


def layout_of(shape: Shape, tops: Any, capacity: int) -> Layout:
    """A table's layout with a field for each group of a shape."""
    fields = np.zeros(len(tops), dtype=np.int64)
    for number, (_, lanes, _) in enumerate(shape.spec):
        fields[list(lanes)] = number
    return Layout([int(top).bit_length() for top in tops], fields, capacity, tops)


def decoded(
    rng: np.random.Generator, model: Model, lanes: list[Any], seed: int, cases: int, counts: Any
) -> tuple[int, int]:
    """Mutants of whole sections, at a client that holds A and B."""
    tops, capacity = largest(model.shape), lanes[0].shape[1]
    layout = layout_of(model.shape, tops, capacity)
    history, held = History(layout), Held(layout)
    decoder = Decoder(held, model)
    den = int(rng.integers(1, 32))
    ticks = [100, 100 + den, 100 + den + int(rng.integers(1, 63 - den))]
    life = rng.integers(1, 4, capacity).astype(np.uint16)
    owner = rng.integers(-1, 3, capacity).astype(np.int32)
    slots = np.flatnonzero(rng.random(capacity) < rng.choice([0.5, 1.0]))
    slots = slots if slots.size else np.zeros(1, dtype=np.int64)
    for tick, codes in zip(ticks, reversed(lanes), strict=True):
        history.stage(tick)[:] = codes
        history.commit(np.ones(capacity, dtype=bool), life, owner)
        if tick != ticks[-1]:
            for section, _ in encode_sections(history, range(capacity)):
                decoder.receive(section, tick)
    coder = model.coder(capacity, 1024)
    older = None if rng.random() < 0.2 else ticks[0]
    made = encode_sections(history, slots, baseline=ticks[1], older=older, coder=coder)
    other = encode_sections(history, slots, baseline=ticks[0], coder=coder)
    found: tuple[int, int] = loop().run_decoder(
        decoder, ticks[1], made[0][0], other[-1][0], seed, cases, counts
    )
    return found


def coded(
    rng: np.random.Generator, model: Model, lanes: list[Any], seed: int, cases: int, counts: Any
) -> tuple[int, int]:
    """Mutants of what the coder wrote."""
    t, a, b = lanes
    capacity = t.shape[1]
    coder = model.coder(capacity)
    older = None if rng.random() < 0.2 else b
    num, den = (int(each) for each in rng.integers(1, 256, 2))
    slots = np.flatnonzero(rng.random(capacity) < rng.choice([0.5, 1.0])).astype(np.uint16)
    if not slots.size:
        slots = np.zeros(1, dtype=np.uint16)
    data = coder.encode(t, a, older, num, den, slots, LIMIT) or b"\x80"
    other = coder.encode(b, a, older, num, den, slots, LIMIT) or b"\x80"
    tops = largest(model.shape).astype(np.uint32)
    found: tuple[int, int] = loop().run_coder(
        coder, np.zeros_like(t), a, older, b, num, den, slots, tops, data, other, seed, cases,
        counts,
    )  # fmt: skip
    return found


def batch(seed: int, number: int, full: bool, cases: int = 0) -> dict[str, int]:
    """Mutants of one section; the same arguments do the same."""
    rng = np.random.default_rng((seed, number))
    cases = cases or (FULL_BATCH if full else BATCH)
    capacity = FULL[number // FULL_EVERY % 2] if full else int(2.0 ** rng.uniform(0, 6.02))
    shape = random_shape(rng)
    model = random_model(rng, shape)
    _, lanes = worlds(rng, shape, capacity)
    counts = np.zeros(2, dtype=np.int64)
    draws = int(rng.integers(1 << 62))
    run = decoded if number % 4 == 3 and not full else coded
    fault, case = run(rng, model, lanes, draws, cases, counts)
    if fault:
        raise AssertionError(f"seed {seed}, batch {number}, mutant {case}: {FAULTS[fault]}")
    return {"cases": cases, "refused": int(counts[0]), "decoded": int(counts[1])}


def fuzz(cases: int, seed: int, state: Path | None = None, seconds: float = 0) -> dict[str, int]:
    """Run at least ``cases`` mutants, going on from ``state`` when it is there; the totals."""
    total = {"seed": seed, "batches": 0, "cases": 0, "refused": 0, "decoded": 0, "full": 0}
    if state is not None and state.is_file():
        total = json.loads(state.read_text())
    begin = time.monotonic()
    while total["cases"] < cases:
        full = total["batches"] % FULL_EVERY == FULL_EVERY - 1
        for key, count in batch(total["seed"], total["batches"], full).items():
            total[key] += count
            if full and key == "cases":
                total["full"] += count
        total["batches"] += 1
        if state is not None and total["batches"] % 20 == 0:
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
    total = fuzz(options.cases, options.seed, options.state, options.seconds)
    print(json.dumps({**total, "cpu_s": round(time.process_time())}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
