"""Ours on a recording: which snapshots and baselines, cut into sections, bytes and times."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from delta_peers import Lanes
from measure import collector_off

from netcode.delta import HISTORY_TICKS, History, Layout, encode_sections
from netcode.delta.model import Model
from netcode.delta.section import SECTION_MAX_PREDICTED

__all__ = ["PART_LIMIT", "Ours", "Sections", "framed", "measure", "rows_of", "same", "views"]

LIMIT = 1100
RANGE_BYTES = 4
HEADER_BYTES = 5
STREAM_LIMIT = 1 << 20
PART_LIMIT = LIMIT - RANGE_BYTES - HEADER_BYTES


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
        n = max(1, math.ceil(self.last * 1.06 / PART_LIMIT))
        if n not in self.parts:
            self.parts[n] = np.array_split(np.arange(self.capacity, dtype=np.uint16), n)
        return self.parts[n]

    def encode(self, coder: Any, t: Any, a: Any, b: Any, num: int, den: int) -> list[Any]:
        waiting = list(reversed(self.cut()))
        done = []
        total = 0
        while waiting:
            slots = waiting.pop()
            data = coder.encode(t, a, b, num, den, slots, PART_LIMIT)
            if data is None:
                half = len(slots) // 2
                waiting += [slots[half:], slots[:half]]
            else:
                total += len(data)
                done.append((data, slots))
        self.last = total
        return done


Row = tuple[int, int, int | None]


def rows_of(options: argparse.Namespace, data: Lanes) -> list[Row]:
    """The snapshots that are measured, and their baselines."""
    return list(baselines(len(data), options.lag, options.loss, options.seed))[:: options.every]


def views(data: Lanes, row: Row) -> tuple[Lanes, Lanes, Lanes | None, int, int]:
    """(t, a, b, num, den) as coders take them. T is a fresh copy: it was taken just now."""
    tick, a, b = row
    if b is None:
        return data[tick].copy(), data[a], None, tick - a, 1
    return data[tick].copy(), data[a], data[b], tick - a, a - b


def framed(coded: Sequence[Any]) -> int:
    """Bytes of sections with their headers."""
    ranges = RANGE_BYTES * len(coded) * (len(coded) > 1)
    return sum(len(section) for section, _ in coded) + ranges + HEADER_BYTES * len(coded)


class Ours:
    """Both ends of the coder, and what one snapshot takes them."""

    def __init__(self, model: Model, capacity: int) -> None:
        self.encoder, self.decoder = model.coder(capacity), model.coder(capacity)
        self.sections = Sections(capacity)
        self.out = np.zeros((max(max(g[1]) for g in model.shape.spec) + 1, capacity), np.int32)

    def run(self, row: tuple[Any, ...]) -> tuple[list[Any], int, int]:
        """(sections, ns to encode, ns to decode); raises when it does not come back."""
        t, a, b, num, den = row
        begin = time.thread_time_ns()
        coded = self.sections.encode(self.encoder, t, a, b, num, den)
        middle = time.thread_time_ns()
        for section, slots in coded:
            self.decoder.decode(section, self.out, a, b, num, den, slots)
        end = time.thread_time_ns()
        same("ours", self.out, t)
        return coded, middle - begin, end - middle


class Wire:
    """The sections that a server would send, with all that is in them."""

    def __init__(self, model: Model, data: Lanes) -> None:
        _, lanes, capacity = data.shape
        tops = [0] * lanes
        for _, group, limits in model.shape.spec:
            for lane, top in zip(group, limits, strict=True):
                tops[lane] = top
        bits = [top.bit_length() for top in tops]
        self.data, self.capacity = data, capacity
        self.history = History(Layout(bits, list(range(lanes)), capacity, tops))
        self.coder = model.coder(capacity, SECTION_MAX_PREDICTED)
        self.held = 0

    def take(self, tick: int) -> None:
        """Commit the snapshots up to this one."""
        there = np.ones(self.capacity, np.uint16)
        owners = np.full(self.capacity, -1, np.int32)
        for at in range(max(self.held, tick - HISTORY_TICKS + 1), tick + 1):
            self.history.stage(at)[:] = self.data[at]
            self.history.commit(there.astype(np.uint8), there, owners)
        self.held = tick + 1

    def size(self, row: Row) -> int:
        """Bytes of one snapshot."""
        tick, a, b = row
        self.take(tick)
        sections = encode_sections(
            self.history, range(self.capacity), tick=tick, baseline=a, older=b, coder=self.coder
        )
        return sum(len(section) for section, _ in sections)


def same(name: str, out: Lanes, t: Lanes) -> None:
    if not np.array_equal(out, t):
        raise AssertionError(f"{name}: a snapshot did not come back")


def percentiles(values: list[int]) -> dict[str, float]:
    return {f"p{q}": float(np.percentile(values, q)) for q in (5, 50, 95, 100)}


def measure(options: argparse.Namespace, data: Lanes, model: Model) -> dict[str, Any]:
    capacity = data.shape[2]
    ours = Ours(model, capacity)
    whole = np.arange(capacity, dtype=np.uint16)
    sizes, streams, headers, entities = [], [], 0, 0
    encode_ns, decode_ns = [], []
    wire, sent = Wire(model, data), []
    with collector_off():
        for row in rows_of(options, data):
            sent.append(wire.size(row))
            t, a, b, num, den = views(data, row)
            coded, encoding, decoding = ours.run((t, a, b, num, den))
            encode_ns.append(encoding)
            decode_ns.append(decoding)
            sizes.append(framed(coded))
            headers += HEADER_BYTES * len(coded)
            entities += int((t != a).any(0).sum())
            stream = ours.encoder.encode(t, a, b, num, den, whole, STREAM_LIMIT)
            streams.append(len(stream))
    n = len(sizes)
    return {
        "bytes_per_snapshot": sum(sizes) / n,
        "payload_bytes_per_snapshot": (sum(sizes) - headers) / n,
        "stream_bytes_per_snapshot": sum(streams) / n,
        "wire_bytes_per_snapshot": sum(sent) / n,
        "headers_per_snapshot": headers / n,
        "snapshots": n,
        "changed_entities": entities / n,
        "spread": percentiles(sizes),
        "encode_us": float(np.median(encode_ns)) / 1000,
        "decode_us": float(np.median(decode_ns)) / 1000,
        "encode_mean_us": sum(encode_ns) / n / 1000,
        "decode_mean_us": sum(decode_ns) / n / 1000,
    }
