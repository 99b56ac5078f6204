"""Print what crafted sections cost a client's decoder, a line of JSON for each.

Run by test_work_bound.py against a build that counts each call of a C function and each byte of C
memory asked for, so that the numbers are the same on every machine.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from netcode.delta import SECTION_MAX_BYTES, Decoder, Held, History, Layout, encode_sections
from netcode.delta.model import Model
from netcode.delta.shape import Shape

SHAPES = {
    "bodies": Shape(
        [
            ("vector", (0, 1, 2), (32_766, 32_766, 16_383)),
            ("quaternion", (3, 4, 5, 6), (3, 511, 511, 511)),
            ("flags", (7,), (1,)),
        ],
        position=0,
        rotation=1,
    ),
    "walkers": Shape(
        [
            ("angle", (0,), (1023,)),
            ("vector", (1, 2, 3), (262_143, 262_143, 65_535)),
            ("enum", (4,), (63,)),
            ("id", (5,), (2047,)),
        ],
        heading=0,
        course=1,
    ),
    "wide": Shape([("int", (lane,), (2**32 - 1,)) for lane in range(20)]),
    "one bit": Shape([("flags", (0,), (1,))]),
}
SHAPES["adaptive bodies"], SHAPES["adaptive walkers"] = SHAPES["bodies"], SHAPES["walkers"]
CAPACITIES = (1, 30, 1024)
ENDINGS = ("all changed", "nothing changed")
"""What T is to A. With nothing changed a section takes all slots there are in few bytes, and what
is damaged behind these makes the decoder believe anything of each."""
TICKS = (100, 103, 107)


class Counters:
    def __init__(self, library: str) -> None:
        counted = ctypes.CDLL(library)
        self.calls = ctypes.c_ulonglong.in_dll(counted, "nc_calls")
        self.bytes = ctypes.c_ulonglong.in_dll(counted, "nc_bytes")

    def reset(self) -> None:
        self.calls.value = self.bytes.value = 0


def scene(
    shape: Shape, capacity: int, ending: str, adaptive: int, rng: np.random.Generator
) -> tuple[Any, ...]:
    """What a client holds, and honest sections of every kind for it, most of them full."""
    tops = np.zeros(sum(len(lanes) for _, lanes, _ in shape.spec), dtype=np.int64)
    fields = np.zeros(len(tops), dtype=np.int64)
    for number, (_, lanes, limits) in enumerate(shape.spec):
        tops[list(lanes)], fields[list(lanes)] = limits, number
    layout = Layout([int(top).bit_length() for top in tops], fields, capacity, tops)
    history, model = History(layout), Model.untrained(shape, adaptive=adaptive)
    before = []
    for tick in TICKS:
        if tick != TICKS[-1] or ending == ENDINGS[0]:
            codes = rng.integers(0, tops[:, None] + 1, (len(tops), capacity))
        history.stage(tick)[:] = codes.astype(np.uint32).view(np.int32)
        life, owner = np.ones(capacity, np.uint16), np.full(capacity, -1, np.int32)
        history.commit(np.ones(capacity, bool), life, owner)
        if tick != TICKS[-1]:
            before += [(data, tick) for data, _ in encode_sections(history, range(capacity))]
    coder = model.coder(capacity)
    b, a, _ = TICKS
    kinds: list[dict[str, Any]] = [
        {},
        {"baseline": a},
        {"baseline": a, "coder": coder},
        {"baseline": a, "older": b, "coder": coder},
    ]
    honest = [encode_sections(history, range(capacity), **kind)[0][0] for kind in kinds]
    return layout, model, before, honest


def crafted(honest: bytes, rng: np.random.Generator, many: int) -> Iterator[bytes]:
    """Sections that keep the header, and ones with other numbers in it."""
    head = honest[: 6 if honest[4] & 128 else 5]
    yield honest
    for byte in (0, 0x55, 0x7F, 0x80, 0xFE, 0xFF):
        for size in (1, 3, 60, SECTION_MAX_BYTES - len(head)):
            yield head + bytes([byte]) * size
            yield head + bytes([byte]) * (size - 1) + b"\1"
    for _ in range(many):
        size = int(rng.integers(0, SECTION_MAX_BYTES - len(head)))
        yield head + rng.bytes(size)
        at = int(rng.integers(len(head), len(honest) + 1))
        yield (honest[:at] + rng.bytes(size))[:SECTION_MAX_BYTES]
        flipped = bytearray(honest)
        flipped[rng.integers(len(flipped))] ^= 1 << int(rng.integers(8))
        yield bytes(flipped)


def tried(counters: Counters, made: tuple[Any, ...], kind: int, rng: Any) -> dict[str, int]:
    """The most calls that a section of one kind took, and what memory was asked for."""
    layout, model, before, honest = made
    held = Held(layout)
    decoder = Decoder(held, model)
    for data, tick in before if kind else ():  # full state comes to a client that holds nothing
        decoder.receive(data, tick)
    calls, asked, asked_in_vain, decoded = [], 0, 0, 0
    held_before = held.nbytes
    for data in crafted(honest[kind], rng, 60 if layout.capacity < 1000 else 15):
        counters.reset()
        result = decoder.receive(data, TICKS[1])
        calls.append(counters.calls.value)
        if isinstance(result, str):
            asked_in_vain += counters.bytes.value
        else:
            asked += counters.bytes.value
            decoded += 1
    return {
        "honest": calls[0],
        "most": max(calls),
        "asked": asked,
        "asked_in_vain": asked_in_vain,
        "grown": held.nbytes - held_before,
        "decoded": decoded,
        "refused": len(calls) - decoded,
    }


def main() -> None:
    counters = Counters(sys.argv[1])
    for name, shape in SHAPES.items():
        for capacity, ending in itertools.product(CAPACITIES, ENDINGS):
            rng = np.random.default_rng((len(name), capacity))
            adaptive = 8 if "adaptive" in name else 0
            made = scene(shape, capacity, ending, adaptive, rng)
            for kind in range(4):
                about = {"name": name, "capacity": capacity, "kind": kind, "ending": ending}
                about |= {"lanes": made[0].n_lanes, "adaptive": adaptive}
                print(json.dumps(about | tried(counters, made, kind, rng)))


if __name__ == "__main__":
    main()
