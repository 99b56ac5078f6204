"""Fuzz every decoder of bits, schemas and the serialize dialect, for as long as you like.

    python tests/fuzz_decoders.py --cases 1000000 --seed 1

Cases come in shards of 100,000; the seed and the number of a shard decide all of it. A run that
was stopped goes on with ``--start``, and ranges may run beside each other. Build with sanitizers
first, as CONTRIBUTING.md says, to see reads and writes outside of buffers.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from fuzz.campaign import SHARD, Finding, Shard, Tally, Watch


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=SHARD, help="how many (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of all cases (default %(default)s)")
    parser.add_argument(
        "--start", type=int, default=0, help=f"first case, rounded down to a shard of {SHARD}"
    )
    parser.add_argument(
        "--last", type=Path, help="keep each input in this file, for the one that ends the process"
    )
    return parser.parse_args(given)


def keeper(path: Path) -> Watch:
    """Writes each input over the one before."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)

    def keep(data: bytes) -> None:
        os.ftruncate(file, 0)
        os.pwrite(file, data, 0)

    return keep


def summary(tally: Tally) -> str:
    """Cases by target, by what was done to the input, and by outcome."""
    lines = []
    for title, part in (("target", 0), ("input", 1), ("outcome", 2)):
        counts: Counter[str] = Counter()
        accepted: Counter[str] = Counter()
        for key, count in tally.items():
            counts[key[part]] += count
            accepted[key[part]] += count * (key[2] in ("accepted", "in range"))
        lines.append(f"\n{title:<68}  {'cases':>12}  accepted")
        for name, count in counts.most_common():
            lines.append(f"{name:<68}  {count:>12,}  {accepted[name] / count:8.2%}")
    return "\n".join(lines)


def main(given: list[str] | None = None) -> int:
    options = arguments(given)
    watch = keeper(options.last) if options.last else None
    tally: Tally = Counter()
    began = time.process_time()
    number = options.start // SHARD
    try:
        while (done := sum(tally.values())) < options.cases:
            shard = Shard(options.seed, number, min(SHARD, options.cases - done), watch=watch)
            tally += shard.run()
            number += 1
            done = sum(tally.values())
            seconds = time.process_time() - began
            print(
                f"{done:,} of {options.cases:,} cases, next --start {number * SHARD}, "
                f"{seconds:.0f} s of CPU time, {1e6 * seconds / done:.1f} us a case",
                file=sys.stderr, flush=True,
            )  # fmt: skip
    except Finding as finding:
        again = f"--seed {options.seed} --start {number * SHARD} --cases {shard.cases}"
        raise SystemExit(f"{finding}\nagain with: {again}") from finding
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    print(summary(tally))
    done = sum(tally.values())
    first = options.start // SHARD * SHARD
    print(f"\n{done:,} cases from {first:,} on with seed {options.seed}, nothing found")
    return 0 if done >= options.cases else 1


if __name__ == "__main__":
    faulthandler.enable()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
