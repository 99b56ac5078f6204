"""Print a digest of what the section coder writes and reads for seeded worlds, integers only.

Run by test_determinism.py against builds by different compiler settings.
"""

import hashlib

import numpy as np

from netcode.delta import coder, motion
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


def steps(state: int, shape: Shape) -> list[np.ndarray]:
    """A few snapshots of bodies that drift in clusters, by a congruential generator."""

    def draw(below: int) -> int:
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return (state >> 33) % below

    tops = [0] * 8
    for _, lanes, limits in shape.spec:
        for lane, top in zip(lanes, limits, strict=True):
            tops[lane] = top
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
    print(coder.__file__, motion.__file__, digest.hexdigest())


if __name__ == "__main__":
    main()
