"""zstd with a dictionary made of recordings: the strongest general compressor that both ends
could agree on, in each of several forms of the same difference."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from delta_peers import FORMS, Form, Lanes, Peer, row_bytes, zstandard, zstd_codec

__all__ = ["Pair", "dictionary_peers"]

LEVELS = (3, 19)
DICTIONARY_FORMS = ("XOR", "delta byte planes", "mask + linear planes")
SIZES = (16_384, 65_536, 112_640)
"""Bytes; the last is the default of zstd's own trainer."""
SAMPLE_BYTES = 3 << 20
TRIALS = 24

Rows = Sequence[tuple[int, int, int | None]]


@dataclass(frozen=True, slots=True)
class Pair:
    """The codec for a whole snapshot and for a part of one, and what dictionaries they have."""

    whole: Peer
    part: Peer
    note: str


def views(data: Lanes, row: tuple[int, int, int | None], parts: int) -> list[tuple[Lanes, ...]]:
    """(t, a, b) of each of so many shares of the entities."""
    tick, a, b = row
    three = [data[tick], data[a], data[a if b is None else b]]
    edges = np.linspace(0, data.shape[2], parts + 1).astype(int)
    return [
        tuple(np.ascontiguousarray(one[:, low:high]) for one in three)
        for low, high in itertools.pairwise(edges)
    ]


def samples(form: Form, recordings: Sequence[Lanes], lag: int, parts: int) -> list[bytes]:
    """What the training recordings would send, evenly over them, up to ``SAMPLE_BYTES``."""
    total = sum(map(len, recordings))
    step = max(1, total // 1200)
    found = [
        form.write(t, a, b, lag, lag)
        for data in recordings
        for tick in range(2 * lag, len(data), step)
        for t, a, b in views(data, (tick, tick - lag, tick - 2 * lag), parts)
    ]
    return found[:: max(1, sum(map(len, found)) // SAMPLE_BYTES)]


def size_of(peer: Peer, data: Lanes, rows: Rows, parts: int) -> float:
    total = 0
    for row in rows:
        tick, a, b = row
        for one, base, older in views(data, row, parts):
            older_or_none = None if b is None else older
            total += len(peer.encode(one, base, older_or_none, tick - a, a - (b or 0)))
    return total / len(rows)


def dictionary_peers(
    kind: str, recordings: Sequence[Lanes], lag: int, data: Lanes, rows: Rows, limit: int
) -> dict[str, Pair]:
    """A pair for each form and level.

    Dictionaries are made of whole snapshots, and of shares as large as fit ``limit``; which
    serves best is tried on some of the snapshots that are measured, in the peer's favour.
    """
    trial = rows[:: max(1, len(rows) // TRIALS)]
    raw = row_bytes(kind) * data.shape[2]
    result = {}
    for name in DICTIONARY_FORMS:
        form = FORMS[name](kind)
        bare = zstd_codec(form, LEVELS[-1], raw)
        parts = max(1, math.ceil(size_of(bare, data, trial, 1) / limit))
        made = {}
        for cut in sorted({1, parts}):
            packets = samples(form, recordings, lag, cut)
            for size in SIZES:
                # one set of the trainer's parameters: its search takes many times as long for a
                # few percent
                trained = zstandard.train_dictionary(size, packets, k=1024, d=8, level=LEVELS[-1])
                made[f"{size // 1024} KiB of {'shares' if cut > 1 else 'snapshots'}"] = (
                    trained.as_bytes()
                )
        for level in LEVELS:
            best = []
            for cut in (1, parts):
                tried = {
                    said: zstd_codec(form, level, raw // cut, words) for said, words in made.items()
                }
                sizes = {said: size_of(peer, data, trial, cut) for said, peer in tried.items()}
                least = min(sizes, key=sizes.__getitem__)
                best.append((tried[least], least))
            note = " and ".join(dict.fromkeys(said for _, said in best))
            result[f"{name} + zstd-{level} + dictionary"] = Pair(best[0][0], best[1][0], note)
    return result
