"""Objects to codes and back, in Python: what the bit packers need done for them.

Written as who cares for speed writes it: constants are folded, and no function is called for each
field.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from workloads import HEIGHT, MAX_SPEED, WORLD, Entity, Input, Vector

__all__ = ["ENTITY_HEAD", "INPUT", "VELOCITY", "entity_codes", "entity_from", "input_codes"]
__all__ += ["input_from"]

INPUT = [16, 16, 1, 1, 1, 1, 1, 1, 1, 1, 8, 8, 12]
"""Widths of W1."""

ENTITY_HEAD = [16, 6, 16, 16, 14, 2, 9, 9, 9, 10, 1, 1, 1, 1, 1, 1, 1]
"""Widths of W2 up to the bit that says whether the velocity follows; the id in 16 bits."""

VELOCITY = [11, 11, 11]


def codes_per_unit(end: float, bits: int) -> float:
    return ((1 << bits) - 1) / (2 * end)


SQRT_HALF = math.sqrt(0.5)
TO_YAW = codes_per_unit(math.pi, 12)
TO_SIDE = codes_per_unit(WORLD, 16)
TO_HEIGHT = codes_per_unit(HEIGHT, 14)
TO_PART = codes_per_unit(SQRT_HALF, 9)
TO_SPEED = codes_per_unit(MAX_SPEED, 11)
YAW, SIDE, UP, PART, PACE = (1 / x for x in (TO_YAW, TO_SIDE, TO_HEIGHT, TO_PART, TO_SPEED))


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
        int(item.stick_x * 127.5 + 128.0),
        int(item.stick_y * 127.5 + 128.0),
        int((item.yaw + math.pi) * TO_YAW + 0.5),
    ]


def input_from(codes: Sequence[int]) -> Input:
    seq, tick, b0, b1, b2, b3, b4, b5, b6, b7, x, y, yaw = codes
    return Input(
        seq,
        tick,
        b0 != 0,
        b1 != 0,
        b2 != 0,
        b3 != 0,
        b4 != 0,
        b5 != 0,
        b6 != 0,
        b7 != 0,
        x * (2 / 255) - 1.0,
        y * (2 / 255) - 1.0,
        yaw * YAW - math.pi,
    )


def entity_codes(item: Entity) -> list[int]:
    x, y, z = item.position
    a, b, c, d = rotation = item.rotation
    biggest, smallest = max(rotation), min(rotation)
    # The one left out is made positive: the sign of all is turned if it is negative.
    if biggest > -smallest:
        largest, scale = rotation.index(biggest), TO_PART
    else:
        largest, scale = rotation.index(smallest), -TO_PART
    if largest == 0:
        a, b, c = b, c, d
    elif largest == 1:
        b, c = c, d
    elif largest == 2:
        c = d
    velocity = item.velocity
    codes = [
        item.id,
        item.type,
        int((x + WORLD) * TO_SIDE + 0.5),
        int((y + WORLD) * TO_SIDE + 0.5),
        int((z + HEIGHT) * TO_HEIGHT + 0.5),
        largest,
        int(a * scale + 256.0),
        int(b * scale + 256.0),
        int(c * scale + 256.0),
        item.hp,
        item.f0,
        item.f1,
        item.f2,
        item.f3,
        item.f4,
        item.f5,
        velocity is not None,
    ]
    if velocity is not None:
        x, y, z = velocity
        codes.append(int((x + MAX_SPEED) * TO_SPEED + 0.5))
        codes.append(int((y + MAX_SPEED) * TO_SPEED + 0.5))
        codes.append(int((z + MAX_SPEED) * TO_SPEED + 0.5))
    return codes


def entity_from(codes: Sequence[int], speeds: Sequence[int] | None) -> Entity:
    """From the codes of the head, and those of the velocity if there is one."""
    identity, kind, x, y, z, largest, a, b, c, hp, f0, f1, f2, f3, f4, f5, _ = codes
    p, q, r = a * PART - SQRT_HALF, b * PART - SQRT_HALF, c * PART - SQRT_HALF
    rest = math.sqrt(max(0.0, 1.0 - p * p - q * q - r * r))
    if largest == 0:
        rotation = rest, p, q, r
    elif largest == 1:
        rotation = p, rest, q, r
    elif largest == 2:
        rotation = p, q, rest, r
    else:
        rotation = p, q, r, rest
    velocity: Vector | None = None
    if speeds is not None:
        i, j, k = speeds
        velocity = i * PACE - MAX_SPEED, j * PACE - MAX_SPEED, k * PACE - MAX_SPEED
    return Entity(
        identity,
        kind,
        (x * SIDE - WORLD, y * SIDE - WORLD, z * UP - HEIGHT),
        rotation,
        velocity,
        hp,
        f0 != 0,
        f1 != 0,
        f2 != 0,
        f3 != 0,
        f4 != 0,
        f5 != 0,
    )
