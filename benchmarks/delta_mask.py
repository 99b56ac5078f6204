"""The field mask of Quake 3's snapshots, in NumPy, and a frozen Huffman code as behind it there.

A bit for each entity says whether it changed, a bit for each field of a changed one whether that
did, and a changed field is sent whole, in just its bits. Quake 3 also sends entity numbers, a last
changed field and a bit for zero; with entities in fixed slots the bit for each is the cheaper.
Behind that Quake 3 has a Huffman code of bytes, made once from games recorded; here it is made
from the training recordings.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from delta_peers import WIDTHS, Lanes, Peer

__all__ = ["Huffman", "field_mask"]

LONGEST = 16


def field_mask(kind: str, code: Huffman | None = None) -> Peer:
    """In the order: bits of entities, masks of changed ones, fields lane by lane."""
    widths = WIDTHS[kind]
    shifts = [np.arange(bits - 1, -1, -1) for bits in widths]

    def encode(t: Lanes, a: Lanes, *_: Any) -> bytes:
        changed = t != a
        entities = changed.any(0)
        bits = [entities, changed[:, entities].ravel()]
        for k, shift in enumerate(shifts):
            bits.append(((t[k, changed[k], None] >> shift) & 1).ravel().astype(bool))
        data = np.packbits(np.concatenate(bits)).tobytes()
        return data if code is None else code.encode(data)

    def decode(data: bytes, a: Lanes, *_: Any) -> Lanes:
        if code is not None:
            data = code.decode(data)
        bits = np.unpackbits(np.frombuffer(data, np.uint8))
        where = np.flatnonzero(bits[: a.shape[1]])
        at = a.shape[1] + a.shape[0] * len(where)
        masks = bits[a.shape[1] : at].reshape(a.shape[0], -1)
        out = a.copy()
        for k, shift in enumerate(shifts):
            rows = where[masks[k] != 0]
            end = at + len(rows) * len(shift)
            out[k, rows] = (bits[at:end].reshape(-1, len(shift)).astype(np.int32) << shift).sum(1)
            at = end
        return out

    return Peer(encode, decode, timed=code is None)


class Huffman:
    """A frozen code of bytes, and of an end. Decoding is plain Python: not for timing."""

    def __init__(self, samples: Iterable[bytes]) -> None:
        counts = np.ones(257, np.int64)
        for sample in samples:
            counts[:256] += np.bincount(np.frombuffer(sample, np.uint8), minlength=256)
            counts[256] += 1
        lengths = lengths_of(counts)
        while lengths.max() > LONGEST:
            counts = (counts + 1) // 2
            lengths = lengths_of(counts)
        self.lengths = lengths
        self.codes = np.zeros(257, np.int64)
        self.symbols = np.zeros(1 << LONGEST, np.int64)
        first = 0
        for symbol in np.argsort(lengths, kind="stable"):
            room = 1 << (LONGEST - int(lengths[symbol]))
            self.codes[symbol] = first // room
            self.symbols[first : first + room] = symbol
            first += room

    def encode(self, data: bytes) -> bytes:
        symbols = np.append(np.frombuffer(data, np.uint8), 256)
        lengths = self.lengths[symbols]
        ends = np.cumsum(lengths)
        left = np.repeat(ends, lengths) - 1 - np.arange(ends[-1])
        return np.packbits((np.repeat(self.codes[symbols], lengths) >> left) & 1).tobytes()

    def decode(self, data: bytes) -> bytes:
        bits = np.unpackbits(np.frombuffer(data + bytes(2), np.uint8)).astype(np.int64)
        window = np.zeros(len(bits) - LONGEST + 1, np.int64)
        for k in range(LONGEST):
            window = window << 1 | bits[k : k + len(window)]
        found = self.symbols[window]
        symbols, steps = found.tolist(), self.lengths[found].tolist()
        out = bytearray()
        at = 0
        while symbols[at] != 256:
            out.append(symbols[at])
            at += steps[at]
        return bytes(out)


def lengths_of(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Bits of each symbol's code."""
    lengths = np.zeros(len(counts), np.int64)
    heap = [(int(count), i, [i]) for i, count in enumerate(counts)]
    heapq.heapify(heap)
    while len(heap) > 1:
        one, _, left = heapq.heappop(heap)
        two, tie, right = heapq.heappop(heap)
        lengths[left + right] += 1
        heapq.heappush(heap, (one + two, tie, left + right))
    return lengths
