"""Objects to lists of (code, bits) and back, in Python: what the bit packers need done for them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from workloads import HEIGHT, MAX_SPEED, WORLD, Entity, Input, Vector

__all__ = ["ENTITY_HEAD", "INPUT", "VELOCITY", "entity_codes", "entity_from", "input_codes"]
__all__ += ["input_from"]

SQRT_HALF = math.sqrt(0.5)

INPUT = [16, 16, 1, 1, 1, 1, 1, 1, 1, 1, 8, 8, 12]
"""Widths of W1."""

ENTITY_HEAD = [16, 6, 16, 16, 14, 2, 9, 9, 9, 10, 1, 1, 1, 1, 1, 1, 1]
"""Widths of W2 up to the bit that says whether the velocity follows; the id in 16 bits."""

VELOCITY = [11, 11, 11]

POSITION = ((WORLD, 16), (WORLD, 16), (HEIGHT, 14))


def code(value: float, end: float, bits: int) -> int:
    top = (1 << bits) - 1
    return math.floor((value + end) * (top / (2 * end)) + 0.5)


def number(code: int, end: float, bits: int) -> float:
    return code * (2 * end / ((1 << bits) - 1)) - end


def input_codes(item: Input) -> list[int]:
    return [
        item.seq,
        item.tick,
        item.b0,
        item.b1,
        item.b2,
        item.b3,
        item.b4,
        item.b5,
        item.b6,
        item.b7,
        code(item.stick_x, 1.0, 8),
        code(item.stick_y, 1.0, 8),
        code(item.yaw, math.pi, 12),
    ]


def input_from(codes: Sequence[int]) -> Input:
    seq, tick, *buttons, x, y, yaw = codes
    b0, b1, b2, b3, b4, b5, b6, b7 = map(bool, buttons)
    sticks = number(x, 1.0, 8), number(y, 1.0, 8)
    return Input(seq, tick, b0, b1, b2, b3, b4, b5, b6, b7, *sticks, number(yaw, math.pi, 12))


def entity_codes(item: Entity) -> list[int]:
    rotation = item.rotation
    largest = max(range(4), key=lambda i: abs(rotation[i]))
    sign = 1.0 if rotation[largest] > 0 else -1.0
    codes = [item.id, item.type]
    codes += [code(v, end, bits) for v, (end, bits) in zip(item.position, POSITION, strict=True)]
    codes.append(largest)
    codes += [code(sign * rotation[i], SQRT_HALF, 9) for i in range(4) if i != largest]
    codes += [item.hp, item.f0, item.f1, item.f2, item.f3, item.f4, item.f5]
    codes.append(item.velocity is not None)
    if item.velocity is not None:
        codes += [code(v, MAX_SPEED, 11) for v in item.velocity]
    return codes


def entity_from(codes: Sequence[int]) -> Entity:
    identity, kind, x, y, z, largest, a, b, c, hp, f0, f1, f2, f3, f4, f5, moving = codes[:17]
    small = [number(v, SQRT_HALF, 9) for v in (a, b, c)]
    small.insert(largest, math.sqrt(max(0.0, 1 - sum(v * v for v in small))))
    velocity: Vector | None = None
    if moving:
        vx, vy, vz = (number(v, MAX_SPEED, 11) for v in codes[17:20])
        velocity = vx, vy, vz
    return Entity(
        identity,
        kind,
        (number(x, WORLD, 16), number(y, WORLD, 16), number(z, HEIGHT, 14)),
        (small[0], small[1], small[2], small[3]),
        velocity,
        hp,
        bool(f0),
        bool(f1),
        bool(f2),
        bool(f3),
        bool(f4),
        bool(f5),
    )
