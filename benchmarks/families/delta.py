"""Snapshots against acked baselines: bytes and time of sections, on the recordings.

The recordings are not part of the repository. ``NETCODE_DATA`` names their folder; without it,
``shared/data`` beside the repository. Nothing is measured where there is none.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measure import Comparison, Row, row, row_of_values

FAMILY = "delta"
REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("NETCODE_DATA") or REPOSITORY.parent / "shared" / "data")
ZSTD = "XOR + zstd-3"
TIMES_ZSTD = 5.0

GOALS = {
    # what must be, what we hope for
    "cubes_bytes": (300, 262),
    "mmo_bytes": (1750, 1500),
    "cubes_untrained_bytes": (400, 300),
    "cubes_wire_bytes": (300, 262),
    "mmo_wire_bytes": (1750, 1500),
    "cubes_encode_us": (300, 80),
    "cubes_decode_us": (300, 80),
    "mmo_encode_us": (400, 120),
    "mmo_decode_us": (400, 120),
    "unchanged_fields_per_s": (50e6, 300e6),
}


class Absent(Exception):
    """What a measure needs is not here."""


@functools.cache
def recordings(kind: str) -> tuple[Any, list[Any]]:
    """The visible recording, and those to train on."""
    from delta_data import load

    paths = sorted(FOLDER.glob(f"{kind}_train*.npz"))
    test = FOLDER / f"{kind}.npz"
    if not test.is_file() or not paths:
        raise Absent(f"no recordings of {kind} in {FOLDER}; set NETCODE_DATA")
    return load(kind, test), [load(kind, path) for path in paths]


@functools.cache
def model_of(kind: str, trained: bool, quick: bool) -> Any:
    from delta_data import SHAPES

    from netcode.delta.model import Model
    from netcode.delta.train import train

    _, others = recordings(kind)
    shape = SHAPES[kind]()
    return train(shape, others, step=4 if quick else 1) if trained else Model.untrained(shape)


def options_of(kind: str, quick: bool, every: int = 1) -> argparse.Namespace:
    from delta_data import LAG

    every = 20 if quick else every
    return argparse.Namespace(kind=kind, lag=LAG[kind], loss=0.0, seed=1, every=every)


@functools.cache
def measured(kind: str, trained: bool, quick: bool) -> dict[str, Any]:
    """What benchmarks/delta.py measures; every snapshot taken is decoded and compared."""
    from delta_measure import measure

    data, _ = recordings(kind)
    return measure(options_of(kind, quick), data, model_of(kind, trained, quick))


@functools.cache
def zstd(kind: str, quick: bool) -> dict[str, Any]:
    """XOR + zstd-3 and ours, in turn on the same snapshots."""
    from delta_beside import peers

    data, _ = recordings(kind)
    found = peers(options_of(kind, quick), data, model_of(kind, True, quick), only=[ZSTD])[ZSTD]
    if "absent" in found:
        raise Absent(found["absent"])
    return found


def against_goal(name: str, unit: str, ours: float, better: Any = "lower") -> Row:
    """A row beside what the measure must reach."""
    must, moonshot = GOALS[name]
    more: dict[str, Any] = {}
    if any(field.name == "moonshot" for field in dataclasses.fields(Row)):
        more["moonshot"] = moonshot / must
    return row_of_values(
        FAMILY, name, unit, ours=ours, peer="the budget", peer_value=must, goal=1.0,
        better=better, **more,
    )  # fmt: skip


def size(name: str, quick: bool) -> Row:
    kind, trained = name.partition("_")[0], "untrained" not in name
    key = "wire_bytes_per_snapshot" if "wire" in name else "bytes_per_snapshot"
    return against_goal(name, "B/snapshot", measured(kind, trained, quick)[key])


def duration(name: str, quick: bool) -> Row:
    kind, _, key = name.partition("_")
    return against_goal(name, "us/snapshot", measured(kind, True, quick)[key])


def bytes_beside_zstd(name: str, quick: bool) -> Row:
    kind = name.partition("_")[0]
    return row_of_values(
        FAMILY, name, "B/snapshot", ours=measured(kind, True, quick)["bytes_per_snapshot"],
        peer=ZSTD, peer_value=zstd(kind, quick)["bytes"], goal=0.3,
    )  # fmt: skip


def time_beside_zstd(name: str, quick: bool) -> Row:
    """The ratio is the median of those of the snapshots, as of ``measure.compare``."""
    kind, key = name.split("_")[:2]
    found = zstd(kind, quick)
    times = Comparison(found[f"ours_{key}_us"], found[f"{key}_us"], found[f"{key}_ratio"])
    return row(FAMILY, name, "us/snapshot", times, peer=ZSTD, goal=TIMES_ZSTD)


def beside_dictionary(name: str, quick: bool) -> Row:
    """Untrained tables beside the smallest of zstd with a dictionary, both in sections, over every
    seventh snapshot: zstd-19 takes its time, and mmo sends some fields every fifth."""
    from delta_beside import against_dictionaries, dictionaries
    from delta_measure import measure

    kind = name.partition("_")[0]
    data, others = recordings(kind)
    options, model = options_of(kind, quick, every=7), model_of(kind, False, quick)
    found = dictionaries(options, data, model, others, timed=False)
    for peer in found.values():
        if "absent" in peer:
            raise Absent(peer["absent"])
    best = against_dictionaries(measure(options, data, model), found)["sections"]
    return row_of_values(
        FAMILY, name, "B/snapshot",
        ours=best["ours"], peer=best["name"], peer_value=best["bytes"], goal=1.0,
    )  # fmt: skip


def unchanged(name: str, quick: bool) -> Row:
    """Fields of a table in which nothing changed, coded in a second."""
    from delta_data import SHAPES

    from netcode.delta.model import Model

    data, _ = recordings("mmo")
    shape = SHAPES["mmo"]()
    coder = Model.untrained(shape).coder(data.shape[2])
    slots = np.arange(data.shape[2], dtype=np.uint16)
    still = np.ascontiguousarray(data[0])
    times = []
    for _ in range(50 if quick else 400):
        begin = time.thread_time_ns()
        coder.encode(still, still, still, 3, 3, slots)
        times.append(time.thread_time_ns() - begin)
    rate = data.shape[1] * data.shape[2] / float(np.median(times)) * 1e9
    return against_goal(name, "fields/s", rate, "higher")


MEASURES: dict[str, Callable[[str, bool], Row]] = {
    "cubes_bytes": size,
    "mmo_bytes": size,
    "cubes_untrained_bytes": size,
    "cubes_wire_bytes": size,
    "mmo_wire_bytes": size,
    "cubes_encode_us": duration,
    "cubes_decode_us": duration,
    "mmo_encode_us": duration,
    "mmo_decode_us": duration,
    "unchanged_fields_per_s": unchanged,
    "cubes_bytes_vs_zstd3": bytes_beside_zstd,
    "cubes_encode_us_vs_zstd3": time_beside_zstd,
    "cubes_decode_us_vs_zstd3": time_beside_zstd,
    "mmo_bytes_vs_zstd3": bytes_beside_zstd,
    "mmo_encode_us_vs_zstd3": time_beside_zstd,
    "mmo_decode_us_vs_zstd3": time_beside_zstd,
    "cubes_untrained_vs_zstd_dict": beside_dictionary,
    "mmo_untrained_vs_zstd_dict": beside_dictionary,
}


def rows(quick: bool) -> list[Row]:
    """Every line that can be measured with what is here; the others are named on stderr."""
    found = []
    for name, measure in MEASURES.items():
        try:
            found.append(measure(name, quick))
        except (Absent, ImportError) as reason:
            print(f"{name}: not measured: {reason}", file=sys.stderr)
    return found
