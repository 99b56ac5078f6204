"""The five workloads that every codec gets: plain objects, from fixed seeds.

W1  player input     seq and tick u16, 8 buttons, 2 sticks of 8 bits, yaw of 12 bits
W2  entity           id, type, position, rotation, velocity in half of them, hp, 6 flags
W3  snapshot         256 of W2 in one message
W4  bits             1,000 integers of 1 to 32 bits, one write each
W5  chat             sender, channel, UTF-8 text, a list of ids
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

__all__ = [
    "CHAT",
    "ENTITIES",
    "HEIGHT",
    "INPUTS",
    "MAX_SPEED",
    "W4_VALUES",
    "W4_WIDTHS",
    "WORLD",
    "Chat",
    "Entity",
    "Input",
    "Vector",
]

WORLD, HEIGHT, MAX_SPEED = 1024.0, 128.0, 32.0

Vector = tuple[float, float, float]


@dataclass(slots=True)
class Input:
    seq: int
    tick: int
    b0: bool
    b1: bool
    b2: bool
    b3: bool
    b4: bool
    b5: bool
    b6: bool
    b7: bool
    stick_x: float
    stick_y: float
    yaw: float


@dataclass(slots=True)
class Entity:
    id: int
    type: int
    position: Vector
    rotation: tuple[float, float, float, float]
    velocity: Vector | None
    hp: int
    f0: bool
    f1: bool
    f2: bool
    f3: bool
    f4: bool
    f5: bool


@dataclass(slots=True)
class Chat:
    sender: int
    channel: int
    text: str
    to: list[int]


def make_input(r: random.Random) -> Input:
    def pressed() -> bool:
        return r.random() < 0.3

    return Input(
        r.getrandbits(16),
        r.getrandbits(16),
        *(pressed(), pressed(), pressed(), pressed()),
        *(pressed(), pressed(), pressed(), pressed()),
        r.uniform(-1, 1),
        r.uniform(-1, 1),
        r.uniform(-math.pi, math.pi),
    )


def make_rotation(r: random.Random) -> tuple[float, float, float, float]:
    x, y, z, w = (r.gauss(0, 1) for _ in range(4))
    length = math.sqrt(x * x + y * y + z * z + w * w)
    return x / length, y / length, z / length, w / length


def make_entity(r: random.Random, index: int) -> Entity:
    def vector(side: float, height: float) -> Vector:
        return r.uniform(-side, side), r.uniform(-side, side), r.uniform(-height, height)

    return Entity(
        index,
        r.randrange(40),
        vector(WORLD, HEIGHT),
        make_rotation(r),
        vector(MAX_SPEED, MAX_SPEED) if index % 2 == 0 else None,
        r.randrange(1001),
        *[r.random() < 0.3 for _ in range(6)],
    )


SEEDED = random.Random(7)
INPUTS = [make_input(SEEDED) for _ in range(64)]
ENTITIES = [make_entity(SEEDED, i) for i in range(256)]
CHAT = Chat(17, 3, "gg wp, push mid now \u2013 I have the flag! \U0001f680", [1, 5, 22, 130, 4000])
W4_WIDTHS = [SEEDED.choice([1, 3, 5, 7, 8, 10, 12, 16, 20, 32]) for _ in range(1000)]
W4_VALUES = [SEEDED.getrandbits(width) for width in W4_WIDTHS]
