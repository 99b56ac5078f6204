"""The peers on the same snapshots as ours: each in turn with it, and those with dictionaries."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from delta_dictionary import dictionary_peers
from delta_mask import Huffman, field_mask
from delta_measure import PART_LIMIT, Ours, Sections, framed, rows_of, same, views
from delta_peers import (
    FORMS,
    NO_ZSTD,
    Lanes,
    Peer,
    lzma_codec,
    numpy_zlib,
    row_bytes,
    rows_peer,
    zstandard,
    zstd_codec,
)
from measure import collector_off

from netcode.delta.model import Model

__all__ = ["against_dictionaries", "dictionaries", "peers"]


class Pieces:
    """A peer as ``Sections`` has the coder: a run of slots, or None when it takes more."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def encode(
        self, t: Lanes, a: Lanes, b: Lanes | None, num: int, den: int, slots: Any, limit: int
    ) -> bytes | None:
        run = slice(slots[0], slots[-1] + 1)
        older = None if b is None else b[:, run]
        data = self.peer.encode(t[:, run], a[:, run], older, num, den)
        return data if len(data) <= limit else None

    def decode(
        self, data: bytes, out: Lanes, a: Lanes, b: Lanes | None, num: int, den: int, slots: Any
    ) -> None:
        run = slice(slots[0], slots[-1] + 1)
        older = None if b is None else b[:, run]
        out[:, run] = self.peer.decode(data, a[:, run], older, num, den)


def run_peer(name: str, peer: Peer, row: tuple[Any, ...]) -> tuple[int, int, int]:
    """(bytes, ns to encode, ns to decode); raises when it does not come back."""
    t, a, b, num, den = row
    begin = time.thread_time_ns()
    coded = peer.encode(t, a, b, num, den)
    middle = time.thread_time_ns()
    out = peer.decode(coded, a, b, num, den)
    end = time.thread_time_ns()
    same(name, out, t)
    return len(coded), middle - begin, end - middle


def beside(
    options: argparse.Namespace, data: Lanes, model: Model, name: str, peer: Peer
) -> dict[str, Any]:
    """A peer on the same snapshots, in turn with ours; times only where they say something."""
    ours = Ours(model, data.shape[2])
    sizes, pairs = [], []
    with collector_off():
        for turn, at in enumerate(rows_of(options, data)):
            row = views(data, at)
            if not peer.timed:
                sizes.append(run_peer(name, peer, row)[0])
                continue
            if turn % 2:
                size, *theirs = run_peer(name, peer, row)
                own = ours.run(row)[1:]
            else:
                own = ours.run(row)[1:]
                size, *theirs = run_peer(name, peer, row)
            sizes.append(size)
            pairs.append((*own, *theirs))
    result: dict[str, Any] = {"bytes": sum(sizes) / len(sizes)}
    if pairs:
        times = np.array(pairs, dtype=np.float64)
        for k, key in enumerate(("encode", "decode")):
            result[f"{key}_us"] = float(np.median(times[:, 2 + k])) / 1000
            result[f"ours_{key}_us"] = float(np.median(times[:, k])) / 1000
            result[f"{key}_ratio"] = float(np.median(times[:, k] / times[:, 2 + k]))
    return result


def in_sections(options: argparse.Namespace, data: Lanes, name: str, peer: Peer) -> float:
    """Bytes of a peer that is cut into sections, with headers as ours."""
    pieces, sections = Pieces(peer), Sections(data.shape[2])
    out = np.zeros_like(data[0])
    total = 0
    rows = rows_of(options, data)
    for row in rows:
        t, a, b, num, den = views(data, row)
        coded = sections.encode(pieces, t, a, b, num, den)
        for section, slots in coded:
            pieces.decode(section, out, a, b, num, den, slots)
        same(name, out, t)
        total += framed(coded)
    return total / len(rows)


def plain_peers(kind: str, entities: int) -> dict[str, Peer | str]:
    """Those that need nothing but the baselines; for one that cannot run here, why."""
    size = entities * row_bytes(kind)
    found: dict[str, Peer | str] = {
        "raw": rows_peer(kind),
        "Quake-3 field mask": field_mask(kind),
        "numpy mask + delta planes + zlib-6": numpy_zlib(FORMS["mask + delta planes"](kind)),
        "delta byte planes + LZMA": lzma_codec(FORMS["delta byte planes"](kind)),
    }
    for name, form, level in (
        ("XOR + zstd-3", "XOR", 3),
        ("delta byte planes + zstd-3", "delta byte planes", 3),
        ("delta byte planes + zstd-19", "delta byte planes", 19),
        ("linear byte planes + zstd-3", "linear byte planes", 3),
        ("mask + linear planes + zstd-3", "mask + linear planes", 3),
        ("mask + linear planes + zstd-19", "mask + linear planes", 19),
    ):
        found[name] = (
            zstd_codec(FORMS[form](kind), level, size) if zstandard is not None else NO_ZSTD
        )
    return found


def peers(
    options: argparse.Namespace, data: Lanes, model: Model, recordings: Sequence[Lanes] = (),
    only: Sequence[str] | None = None,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Each peer beside ours; ``absent`` says why one could not run."""
    kind, result = options.kind, {}
    known = plain_peers(kind, data.shape[2])
    huffman = "Quake-3 field mask + Huffman"
    if recordings and (only is None or huffman in only):
        plain = field_mask(kind)
        lag = options.lag
        code = Huffman(
            plain.encode(other[tick], other[tick - lag], None, lag, 1)
            for other in recordings
            for tick in range(lag, len(other), 10)
        )
        known[huffman] = field_mask(kind, code)
    else:
        known[huffman] = "its code is made of --train recordings"
    for name, peer in known.items():
        if only is not None and name not in only:
            continue
        if isinstance(peer, str):
            result[name] = {"absent": peer}
        else:
            result[name] = beside(options, data, model, name, peer)
    return result


def dictionaries(
    options: argparse.Namespace, data: Lanes, model: Model, recordings: Sequence[Lanes],
    *, timed: bool = True,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """zstd with dictionaries, as one stream and in sections."""
    if zstandard is None:
        return {"zstd + dictionary": {"absent": NO_ZSTD}}
    rows = rows_of(options, data)
    result = {}
    found = dictionary_peers(options.kind, recordings, options.lag, data, rows, PART_LIMIT)
    for name, pair in found.items():
        whole = pair.whole if timed else replace(pair.whole, timed=False)
        result[name] = {
            **beside(options, data, model, name, whole),
            "section_bytes": in_sections(options, data, name, pair.part),
            "dictionary": pair.note,
        }
    return result


def against_dictionaries(
    bare: dict[str, Any], found: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Untrained tables beside the smallest of the dictionaries' peers, like with like."""
    result = {}
    for way, own, key in (
        ("sections", "bytes_per_snapshot", "section_bytes"),
        ("stream", "stream_bytes_per_snapshot", "bytes"),
    ):
        name = min(found, key=lambda one: float(found[one][key]))
        size = found[name][key]
        result[way] = {
            "name": name, "bytes": size, "ours": bare[own], "ratio": bare[own] / size,
        }  # fmt: skip
    return result
