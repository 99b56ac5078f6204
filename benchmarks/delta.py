"""Bytes and time of the snapshot delta coder on a recording, beside what else one might do.

    python benchmarks/delta.py cubes --data cubes.npz --train cubes_train_1.npz cubes_train_2.npz
    python benchmarks/delta.py mmo --data mmo.npz --model mmo.model --json out.json
    python benchmarks/delta.py cubes --data cubes.npz --loss 0.2 --seed 7

Every snapshot is decoded and compared. ``bytes_per_snapshot`` is of sections of at most 1,100
bytes that can each be decoded alone: what the coder writes, the slot range (4 bytes, where a table
does not fit one section), and a header of 5: table (1), low bits of the tick (2), how far A lies
before it (1) and B before A (1). ``payload_bytes_per_snapshot`` leaves the headers out, and
``stream_bytes_per_snapshot`` is the whole table in one run of the coder, whatever its length. The
peers' figures, ours and quoted ones, have no headers.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent))

from delta_data import LAG, SHAPES, load
from delta_peers import PEERS, QUOTED

from netcode.delta import HISTORY_TICKS
from netcode.delta.model import Model
from netcode.delta.train import train

LIMIT = 1100
RANGE_BYTES = 4
HEADER_BYTES = 5
STREAM_LIMIT = 1 << 20


def baselines(n: int, lag: int, loss: float, seed: int) -> Iterator[tuple[int, int, int | None]]:
    """(T, A, B): A is the newest acked that is at least ``lag`` old; B, or None, the oldest acked
    that is no further before A than A is before T, and that a section can name."""
    acked = np.random.default_rng(seed).random(n) >= loss
    known = np.flatnonzero(acked)
    for tick in range(2 * lag, n):
        at = int(np.searchsorted(known, tick - lag, side="right")) - 1
        if at < 0:
            continue
        a = int(known[at])
        if tick - a < HISTORY_TICKS:
            wanted = max(a - (tick - a), tick - HISTORY_TICKS + 1)
            b = int(known[np.searchsorted(known, wanted)])
            yield tick, a, b if b < a else None


class Sections:
    """Cuts a table into sections: equal shares, by what the snapshot before took."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.last = 0
        self.parts: dict[int, list[np.ndarray]] = {}

    def cut(self) -> list[np.ndarray]:
        n = max(1, math.ceil(self.last * 1.06 / (LIMIT - RANGE_BYTES - HEADER_BYTES)))
        if n not in self.parts:
            self.parts[n] = np.array_split(np.arange(self.capacity, dtype=np.uint16), n)
        return self.parts[n]

    def encode(self, coder: Any, t: Any, a: Any, b: Any, num: int, den: int) -> list[Any]:
        waiting = list(reversed(self.cut()))
        done = []
        total = 0
        while waiting:
            slots = waiting.pop()
            data = coder.encode(t, a, b, num, den, slots, LIMIT - RANGE_BYTES - HEADER_BYTES)
            if data is None:
                half = len(slots) // 2
                waiting += [slots[half:], slots[:half]]
            else:
                total += len(data)
                done.append((data, slots))
        self.last = total
        return done


def percentiles(values: list[int]) -> dict[str, float]:
    return {f"p{q}": float(np.percentile(values, q)) for q in (5, 50, 95, 100)}


def measure(options: argparse.Namespace, data: np.ndarray, model: Model) -> dict[str, Any]:
    capacity = data.shape[2]
    encoder, decoder = model.coder(capacity), model.coder(capacity)
    sections = Sections(capacity)
    out = np.zeros_like(data[0])
    whole = np.arange(capacity, dtype=np.uint16)
    sizes, streams, headers, entities = [], [], 0, 0
    encode_ns, decode_ns = [], []
    for tick, a, b in list(baselines(len(data), options.lag, options.loss, options.seed))[
        :: options.every
    ]:
        base, older = data[a], data[b] if b is not None else None
        num, den = tick - a, a - b if b is not None else 1
        begin = time.thread_time_ns()
        coded = sections.encode(encoder, data[tick], base, older, num, den)
        middle = time.thread_time_ns()
        for section, slots in coded:
            decoder.decode(section, out, base, older, num, den, slots)
        end = time.thread_time_ns()
        if not np.array_equal(out, data[tick]):
            raise AssertionError(f"snapshot {tick} did not come back")
        encode_ns.append(middle - begin)
        decode_ns.append(end - middle)
        size = sum(len(section) for section, _ in coded)
        sizes.append(size + RANGE_BYTES * len(coded) * (len(coded) > 1))
        sizes[-1] += HEADER_BYTES * len(coded)
        headers += HEADER_BYTES * len(coded)
        entities += int((data[tick] != base).any(0).sum())
        stream = encoder.encode(data[tick], base, older, num, den, whole, STREAM_LIMIT)
        streams.append(len(stream))
    n = len(sizes)
    return {
        "bytes_per_snapshot": sum(sizes) / n,
        "payload_bytes_per_snapshot": (sum(sizes) - headers) / n,
        "stream_bytes_per_snapshot": sum(streams) / n,
        "headers_per_snapshot": headers / n,
        "snapshots": n,
        "changed_entities": entities / n,
        "spread": percentiles(sizes),
        "encode_us": float(np.median(encode_ns)) / 1000,
        "decode_us": float(np.median(decode_ns)) / 1000,
        "encode_mean_us": sum(encode_ns) / n / 1000,
        "decode_mean_us": sum(decode_ns) / n / 1000,
    }


def peers(options: argparse.Namespace, data: np.ndarray) -> dict[str, dict[str, float]]:
    """The baselines on a sample of the same snapshots."""
    rows = list(baselines(len(data), options.lag, options.loss, options.seed))
    result = {}
    for name, peer in PEERS.items():
        total = elapsed = 0
        sample = rows[:: max(1, len(rows) // 40)]
        for tick, a, _ in sample:
            begin = time.thread_time_ns()
            total += peer(options.kind, data[tick], data[a])
            elapsed += time.thread_time_ns() - begin
        result[name] = {"bytes": total / len(sample), "us": elapsed / len(sample) / 1000}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("kind", choices=sorted(SHAPES))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--train", type=Path, nargs="+", default=[])
    parser.add_argument("--model", type=Path, help="read it; with --train, write it")
    parser.add_argument("--lag", type=int)
    parser.add_argument("--loss", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=1, help="take every so many snapshots")
    parser.add_argument("--step", type=int, default=1, help="of the training")
    parser.add_argument(
        "--adaptive", type=int, default=0, metavar="N",
        help="let each section adapt the tables, which count as N decisions, 1 to 255 (default 0: frozen)",
    )  # fmt: skip
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.lag = options.lag or LAG[options.kind]
    shape = SHAPES[options.kind]()
    if options.train:
        recordings = [load(options.kind, path) for path in options.train]
        model = train(shape, recordings, step=options.step, adaptive=options.adaptive)
        if options.model:
            options.model.write_bytes(model.to_bytes())
    elif options.model:
        model = Model.from_bytes(options.model.read_bytes(), shape)
    else:
        model = Model.untrained(shape, adaptive=options.adaptive)
    data = load(options.kind, options.data)
    result: dict[str, Any] = {
        "kind": options.kind,
        "data": options.data.name,
        "model": "untrained" if not (options.train or options.model) else f"{model.hash:016x}",
        "model_bytes": len(model.to_bytes()),
        "lag": options.lag,
        "loss": options.loss,
        **measure(options, data, model),
    }
    result["peers"] = peers(options, data)
    ours = result["bytes_per_snapshot"]
    print(
        f"{options.kind} {options.data.name}: {ours:.1f} bytes a snapshot in sections, "
        f"{result['payload_bytes_per_snapshot']:.1f} without their headers, "
        f"{result['stream_bytes_per_snapshot']:.1f} in one stream; "
        f"encode {result['encode_us']:.0f} us, decode {result['decode_us']:.0f} us (medians); "
        f"model {result['model_bytes']:,} bytes; {result['snapshots']} snapshots decoded"
    )
    print(f"\n{'peer':34}{'bytes':>10}{'ours/peer':>11}{'us':>9}")
    for name, row in result["peers"].items():
        print(f"{name:34}{row['bytes']:10.1f}{ours / row['bytes']:11.3f}{row['us']:9.0f}")
    result["quoted"] = QUOTED.get(options.data.name, {})
    for name, size in result["quoted"].items():
        print(f"{name + ' (quoted)':34}{size:10.1f}{ours / size:11.3f}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
