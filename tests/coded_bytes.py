"""Print a digest of what the delta floor writes and reads for seeded worlds, integers only.

Run by test_determinism.py against builds by different compiler settings. Before the digest it
prints the file of each compiled module of the floor.
"""

import hashlib
import importlib
from pathlib import Path

import numpy as np

import netcode.delta
from netcode.delta import Decoder, Held, History, Layout, encode_sections
from netcode.delta.model import Heading, Model
from netcode.delta.shape import Shape

SHAPES = [
    Shape(
        [
            ("vector", (0, 1, 2), (32766, 32766, 16383)),
            ("quaternion", (3, 4, 5, 6), (3, 511, 511, 511)),
            ("flags", (7,), (1,)),
        ],
        position=0,
        rotation=1,
    ),
    Shape(
        [
            ("angle", (0,), (1023,)),
            ("vector", (1, 2, 3), (262143, 262143, 65535)),
            ("enum", (4,), (63,)),
            ("int", (5,), (4095,)),
            ("flags", (6,), (255,)),
            ("id", (7,), (2047,)),
        ],
        heading=0,
        course=1,
    ),
]
CAPACITY = 300
FLOOR = Path(netcode.delta.__file__).parent


def tops_of(shape: Shape) -> list[int]:
    """The largest code of each lane."""
    tops = [0] * 8
    for _, lanes, limits in shape.spec:
        for lane, top in zip(lanes, limits, strict=True):
            tops[lane] = top
    return tops


def steps(state: int, shape: Shape) -> list[np.ndarray]:
    """A few snapshots of bodies that drift in clusters, by a congruential generator."""

    def draw(below: int) -> int:
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return (state >> 33) % below

    tops = tops_of(shape)
    now = np.array([[draw(top + 1) for _ in range(CAPACITY)] for top in tops], dtype=np.int32)
    drift = np.array([[draw(61) - 30 for _ in range(CAPACITY // 3)] for _ in tops], dtype=np.int32)
    moving = np.arange(CAPACITY // 3) * 3
    worlds = [now]
    for _ in range(6):
        now = worlds[-1].copy()
        noise = np.array([[draw(7) - 3 for _ in moving] for _ in tops], dtype=np.int32)
        now[:, moving] = np.clip(
            now[:, moving] + drift + noise, 0, np.array(tops, dtype=np.int32)[:, None]
        )
        worlds.append(now)
    return worlds


def snapshots(model: Model, worlds: list[np.ndarray], digest: "hashlib._Hash") -> None:
    """Snapshots as sections of all kinds, through history, encoder, decoder and held states, with
    slots that end and begin; and those of an older schema without the last lane."""
    tops = np.array(tops_of(model.shape))
    bits = [int(top).bit_length() for top in tops]
    group = {lane: k for k, (_, lanes, _) in enumerate(model.shape.spec) for lane in lanes}
    fields = [group[lane] for lane in range(len(tops))]
    layout = Layout(bits, fields, CAPACITY, tops)
    history, held = History(layout, 4), Held(layout)
    shorter = history.project(Layout(bits[:-1], fields[:-1], CAPACITY, tops[:-1], range(7)))
    decoder, coder = Decoder(held, model), model.coder(CAPACITY, 1024)
    places = np.arange(CAPACITY)
    lives = [np.zeros(CAPACITY, np.uint16)] * 2
    for t, world in enumerate(worlds):
        tick = 65_530 + 5 * t + t % 2
        alive = (places * 7 + t) % 11 != 0
        # the first life of a slot, or the next when it was dead
        lives.append(np.where(alive, 1 + (places * 7 + t) // 11, 0).astype(np.uint16))
        history.stage(tick)[:] = world
        history.commit(alive, lives[-1], places % 3 - 1)
        through = alive & (lives[-1] == lives[-2])
        since = through & (lives[-1] == lives[-3])
        b, a, _ = [None, None, *history.ticks][-3:]
        for chosen, baseline, older, used in (
            (~through, None, None, None),
            (through & ~since & (places % 2 == 0), a, None, coder),
            (through & ~since & (places % 2 == 1), a, None, None),
            (since & (places % 4 != 0), a, b, coder),
            (since & (places % 4 == 0), a, None, None),
        ):
            slots = np.flatnonzero(chosen)
            for data, _ in encode_sections(
                history, slots, baseline=baseline, older=older, coder=used
            ):
                digest.update(data)
                assert decoder.receive(data, tick)[0] == tick
            if baseline is not None:
                for data, _ in encode_sections(shorter, slots, baseline=baseline):
                    digest.update(data)
        there, life, owner, lanes = held.view(tick)
        assert np.array_equal(there, alive)
        assert np.array_equal(lanes[:, alive], world[:, alive])
        digest.update(there.tobytes() + life.astype("<u2").tobytes())
        digest.update(owner.astype("<i4").tobytes() + lanes.astype("<i4").tobytes())


def main() -> None:
    digest = hashlib.blake2b(digest_size=16)
    slots = np.arange(CAPACITY, dtype=np.uint16)
    for number, shape in enumerate(SHAPES):
        model = Model.untrained(shape)
        digest.update(model.probabilities.astype("<u2").tobytes())
        heading = Heading(-1, 12345, (900, 4000)) if number else None
        for adaptive in (0, 8):
            model = Model(shape, model.probabilities, heading, adaptive=adaptive)
            both = model.coder(CAPACITY)
            for seed in range(3):
                worlds = steps(seed, shape)
                for t in range(2, len(worlds)):
                    a, b = worlds[t - 1], worlds[t - 2] if t % 3 else None
                    data = both.encode(worlds[t], a, b, 1 + t % 2, 1, slots, 1 << 16)
                    out = np.zeros_like(a)
                    both.decode(data, out, a, b, 1 + t % 2, 1, slots)
                    assert np.array_equal(out, worlds[t])
                    digest.update(data)
                snapshots(model, worlds, digest)
    for source in sorted(FLOOR.glob("*.pyx")):
        print(importlib.import_module(f"netcode.delta.{source.stem}").__file__)
    print(digest.hexdigest())


if __name__ == "__main__":
    main()
