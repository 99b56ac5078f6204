"""struct: whole bytes, so flags are put together by hand and floats have 32 bits."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from workloads import CHAT, ENTITIES, INPUTS, W4_VALUES, W4_WIDTHS, Chat, Entity, Input

from peers import Codec

STILL, MOVING = struct.Struct("<IB3f4fHB"), struct.Struct("<IB3f4fHB3f")
HAS_VELOCITY = 64
"""Beside the six flags."""


def struct_w1() -> Codec:
    """As tight as Python gets: the buttons in a byte, the sticks in bytes, the yaw in 16 bits."""
    layout = struct.Struct("<HHBBBH")
    pack, unpack = layout.pack, layout.unpack
    per_radian, radians = 4095 / (2 * math.pi), 2 * math.pi / 4095
    half_turn = math.pi

    def encode(item: Input) -> bytes:
        return pack(
            item.seq,
            item.tick,
            item.b0
            | item.b1 << 1
            | item.b2 << 2
            | item.b3 << 3
            | item.b4 << 4
            | item.b5 << 5
            | item.b6 << 6
            | item.b7 << 7,
            int((item.stick_x + 1.0) * 127.5 + 0.5),
            int((item.stick_y + 1.0) * 127.5 + 0.5),
            int((item.yaw + half_turn) * per_radian + 0.5),
        )

    def decode(data: bytes) -> Input:
        seq, tick, buttons, x, y, yaw = unpack(data)
        return Input(
            seq,
            tick,
            buttons & 1 != 0,
            buttons & 2 != 0,
            buttons & 4 != 0,
            buttons & 8 != 0,
            buttons & 16 != 0,
            buttons & 32 != 0,
            buttons & 64 != 0,
            buttons & 128 != 0,
            x * (2 / 255) - 1.0,
            y * (2 / 255) - 1.0,
            yaw * radians - half_turn,
        )

    return Codec(INPUTS, encode, decode)


def put_entity(item: Entity) -> bytes:
    """32-bit floats, not quantised; the velocity is left out when there is none."""
    flags = item.f0 | item.f1 << 1 | item.f2 << 2 | item.f3 << 3 | item.f4 << 4 | item.f5 << 5
    if item.velocity is None:
        return STILL.pack(item.id, item.type, *item.position, *item.rotation, item.hp, flags)
    flags |= HAS_VELOCITY
    return MOVING.pack(
        item.id, item.type, *item.position, *item.rotation, item.hp, flags, *item.velocity
    )


def entity_of(values: Sequence[float], velocity: tuple[float, float, float] | None) -> Entity:
    identity, kind, x, y, z, a, b, c, d, hp, flags = values[:11]
    bits = int(flags)
    return Entity(
        int(identity),
        int(kind),
        (x, y, z),
        (a, b, c, d),
        velocity,
        int(hp),
        bits & 1 != 0,
        bits & 2 != 0,
        bits & 4 != 0,
        bits & 8 != 0,
        bits & 16 != 0,
        bits & 32 != 0,
    )


def struct_w2() -> Codec:
    def decode(data: bytes) -> Entity:
        if len(data) == STILL.size:
            return entity_of(STILL.unpack(data), None)
        values = MOVING.unpack(data)
        return entity_of(values, values[11:])

    return Codec(ENTITIES, put_entity, decode)


def struct_w3() -> Codec:
    count = struct.Struct("<H")

    def encode(items: Sequence[Entity]) -> bytes:
        return b"".join([count.pack(len(items)), *map(put_entity, items)])

    def decode(data: bytes) -> list[Entity]:
        at, found = count.size, []
        for _ in range(count.unpack_from(data)[0]):
            if data[at + STILL.size - 1] & HAS_VELOCITY:
                values = MOVING.unpack_from(data, at)
                at += MOVING.size
                found.append(entity_of(values, values[11:]))
            else:
                found.append(entity_of(STILL.unpack_from(data, at), None))
                at += STILL.size
        return found

    return Codec([ENTITIES], encode, decode)


def struct_w4() -> Codec:
    """The smallest whole type that holds the bits."""
    letters = ["B" if width <= 8 else "H" if width <= 16 else "I" for width in W4_WIDTHS]
    layout = struct.Struct("<" + "".join(letters))
    return Codec([W4_VALUES], lambda values: layout.pack(*values), layout.unpack)


def struct_w5() -> Codec:
    """struct keeps the compiled formats of 100 strings, so they need no cache here."""
    head = struct.Struct("<HBBB")

    def encode(item: Chat) -> bytes:
        text = item.text.encode()
        size, count = len(text), len(item.to)
        return struct.pack(
            f"<HBBB{size}s{count}H", item.sender, item.channel, size, count, text, *item.to
        )

    def decode(data: bytes) -> Chat:
        sender, channel, size, count = head.unpack_from(data)
        text, *to = struct.unpack_from(f"<{size}s{count}H", data, head.size)
        return Chat(sender, channel, text.decode(), to)

    return Codec([CHAT], encode, decode)
