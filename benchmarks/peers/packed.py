"""struct and the bit packers: the user quantises, they pack."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import Any

from workloads import ENTITIES, INPUTS, Entity, Input

from peers import Codec
from peers.quantised import (
    ENTITY_HEAD,
    INPUT,
    VELOCITY,
    entity_codes,
    entity_from,
    input_codes,
    input_from,
)

Pack = Callable[[Sequence[int], Sequence[int]], bytes]
Unpack = Callable[[bytes, Sequence[int], int], Sequence[int]]

ENTITY_HEAD_BITS = sum(ENTITY_HEAD)
MOVING = ENTITY_HEAD + VELOCITY


def of_inputs(pack: Pack, unpack: Unpack) -> Codec:
    return Codec(
        INPUTS,
        lambda item: pack(input_codes(item), INPUT),
        lambda data: input_from(unpack(data, INPUT, 0)),
    )


def of_entities(pack: Pack, unpack: Unpack) -> Codec:
    def encode(item: Entity) -> bytes:
        codes = entity_codes(item)
        return pack(codes, MOVING if item.velocity is not None else ENTITY_HEAD)

    def decode(data: bytes) -> Entity:
        codes = unpack(data, ENTITY_HEAD, 0)
        if codes[-1]:
            codes = [*codes, *unpack(data, VELOCITY, ENTITY_HEAD_BITS)]
        return entity_from(codes)

    return Codec(ENTITIES, encode, decode)


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


def struct_w2() -> Codec:
    """32-bit floats, not quantised; the velocity is left out when there is none."""
    still, moving = struct.Struct("<IB3f4fHB"), struct.Struct("<IB3f4fHB3f")

    def encode(item: Entity) -> bytes:
        flags = item.f0 | item.f1 << 1 | item.f2 << 2 | item.f3 << 3 | item.f4 << 4 | item.f5 << 5
        if item.velocity is None:
            return still.pack(item.id, item.type, *item.position, *item.rotation, item.hp, flags)
        return moving.pack(
            item.id, item.type, *item.position, *item.rotation, item.hp, flags, *item.velocity
        )

    def decode(data: bytes) -> Entity:
        velocity = None
        if len(data) == moving.size:
            values = moving.unpack(data)
            velocity = values[11:14]
        else:
            values = still.unpack(data)
        flags = [bool(values[10] >> i & 1) for i in range(6)]
        return Entity(values[0], values[1], values[2:5], values[5:9], velocity, values[9], *flags)

    return Codec(ENTITIES, encode, decode)


def bitarray_functions() -> tuple[Pack, Unpack]:
    from bitarray import bitarray
    from bitarray.util import ba2int, int2ba

    def pack(codes: Sequence[int], widths: Sequence[int]) -> bytes:
        bits = bitarray(endian="little")
        for value, width in zip(codes, widths, strict=True):
            bits += int2ba(value, width, endian="little")
        return bits.tobytes()

    def unpack(data: bytes, widths: Sequence[int], at: int) -> list[int]:
        bits = bitarray(endian="little")
        bits.frombytes(data)
        codes = []
        for width in widths:
            codes.append(ba2int(bits[at : at + width]))
            at += width
        return codes

    return pack, unpack


def bitarray_w1() -> Codec:
    return of_inputs(*bitarray_functions())


def bitarray_w2() -> Codec:
    return of_entities(*bitarray_functions())


def bitstruct_functions() -> tuple[Pack, Unpack]:
    """Its C implementation, with formats compiled beforehand."""
    import bitstruct.c as bitstruct  # type: ignore[import-untyped]

    compiled = {
        tuple(widths): bitstruct.compile("".join(f"u{width}" for width in widths))
        for widths in (INPUT, ENTITY_HEAD, MOVING, VELOCITY)
    }

    def pack(codes: Sequence[int], widths: Sequence[int]) -> bytes:
        return bytes(compiled[tuple(widths)].pack(*codes))

    def unpack(data: bytes, widths: Sequence[int], at: int) -> tuple[int, ...]:
        return tuple(compiled[tuple(widths)].unpack_from(data, at))

    return pack, unpack


def bitstruct_w1() -> Codec:
    return of_inputs(*bitstruct_functions())


def bitstruct_w2() -> Codec:
    return of_entities(*bitstruct_functions())


def bitstring_functions() -> tuple[Pack, Unpack]:
    import bitstring

    def form(widths: Sequence[int]) -> str:
        return ", ".join(f"uint:{width}" for width in widths)

    formats = {tuple(widths): form(widths) for widths in (INPUT, ENTITY_HEAD, MOVING, VELOCITY)}

    def pack(codes: Sequence[int], widths: Sequence[int]) -> bytes:
        return bytes(bitstring.pack(formats[tuple(widths)], *codes).tobytes())

    def unpack(data: bytes, widths: Sequence[int], at: int) -> list[Any]:
        return list(bitstring.Bits(data)[at:].unpack(formats[tuple(widths)]))

    return pack, unpack


def bitstring_w1() -> Codec:
    return of_inputs(*bitstring_functions())


def bitstring_w2() -> Codec:
    return of_entities(*bitstring_functions())


def construct_functions() -> tuple[Pack, Unpack]:
    import construct  # type: ignore[import-untyped]

    def layout(widths: Sequence[int], lead: int = 0) -> Any:
        fields = [construct.BitsInteger(width) for width in widths]
        names = [f"v{i}" / field for i, field in enumerate(fields)]
        padding = -(sum(widths) + lead) % 8
        ahead = ["lead" / construct.BitsInteger(lead)] if lead else []
        return construct.BitStruct(*ahead, *names, construct.Padding(padding))

    layouts = {tuple(widths): layout(widths) for widths in (INPUT, ENTITY_HEAD, MOVING)}
    layouts[tuple(VELOCITY)] = layout(VELOCITY, ENTITY_HEAD_BITS % 8)

    def pack(codes: Sequence[int], widths: Sequence[int]) -> bytes:
        values = {f"v{i}": value for i, value in enumerate(codes)}
        return bytes(layouts[tuple(widths)].build(values))

    def unpack(data: bytes, widths: Sequence[int], at: int) -> list[int]:
        # The bits before a velocity share a byte with it.
        found = layouts[tuple(widths)].parse(data[at // 8 :])
        return [found[f"v{i}"] for i in range(len(widths))]

    return pack, unpack


def construct_w1() -> Codec:
    return of_inputs(*construct_functions())


def construct_w2() -> Codec:
    return of_entities(*construct_functions())
