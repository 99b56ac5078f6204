"""This library: compiled schemas, and the bit streams by hand, one call for each field."""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, Any

import workloads as w

from netcode.bits import BitReader, BitWriter
from peers import Codec


def schemas() -> dict[str, Any]:
    """The Schema classes of the workloads, with the same widths as the bit packers get."""
    import netcode.schema as nc

    if not hasattr(nc, "Schema"):
        raise ImportError("the schema floor is not built")

    class Input(nc.Schema):
        seq: Annotated[int, nc.Bits(16)]
        tick: Annotated[int, nc.Bits(16)]
        b0: bool
        b1: bool
        b2: bool
        b3: bool
        b4: bool
        b5: bool
        b6: bool
        b7: bool
        stick_x: Annotated[float, nc.Quantized(-1, 1, bits=8)]
        stick_y: Annotated[float, nc.Quantized(-1, 1, bits=8)]
        yaw: Annotated[float, nc.Angle(bits=12)]

    side, height, speed = w.WORLD, w.HEIGHT, w.MAX_SPEED

    class Entity(nc.Schema):
        id: Annotated[int, nc.VarUint(dtype="u4", max=2**32 - 1)]
        type: Annotated[int, nc.Bits(6)]
        position: Annotated[
            w.Vector,
            nc.Vec3((-side, -side, -height), (side, side, height), bits=(16, 16, 14), dtype="f4"),
        ]
        rotation: Annotated[tuple[float, float, float, float], nc.Quat(bits=9, dtype="f4")]
        velocity: Annotated[w.Vector, nc.Vec3(-speed, speed, bits=11, dtype="f4")] | None
        hp: Annotated[int, nc.Range(0, 1000)]
        f0: bool
        f1: bool
        f2: bool
        f3: bool
        f4: bool
        f5: bool

    class Chat(nc.Schema):
        sender: Annotated[int, nc.VarUint()]
        channel: Annotated[int, nc.Bits(4)]
        text: Annotated[str, nc.Text(200)]
        to: Annotated[list[int], nc.ArrayOf(nc.VarUint(), max=31)]

    return {"Input": Input, "Entity": Entity, "Chat": Chat}


def fill(cls: Any, item: Any) -> Any:
    return cls(**{field.name: getattr(item, field.name) for field in dataclasses.fields(item)})


def netcode_w1() -> Codec:
    cls = schemas()["Input"]
    return Codec([fill(cls, item) for item in w.INPUTS], cls.encode, cls.decode)


def netcode_w2() -> Codec:
    cls = schemas()["Entity"]
    return Codec([fill(cls, item) for item in w.ENTITIES], cls.encode, cls.decode)


def netcode_w3() -> Codec:
    cls = schemas()["Entity"]
    return Codec([[fill(cls, item) for item in w.ENTITIES]], cls.encode_many, cls.decode_many)


def netcode_w5() -> Codec:
    cls = schemas()["Chat"]
    return Codec([fill(cls, w.CHAT)], cls.encode, cls.decode)


def bitwriter_w1() -> Codec:
    writer = BitWriter(16)

    def encode(item: w.Input) -> bytes:
        writer.clear()
        writer.write_bits(item.seq, 16)
        writer.write_bits(item.tick, 16)
        writer.write_bool(item.b0)
        writer.write_bool(item.b1)
        writer.write_bool(item.b2)
        writer.write_bool(item.b3)
        writer.write_bool(item.b4)
        writer.write_bool(item.b5)
        writer.write_bool(item.b6)
        writer.write_bool(item.b7)
        writer.write_quantized(item.stick_x, -1, 1, 8)
        writer.write_quantized(item.stick_y, -1, 1, 8)
        writer.write_angle(item.yaw, 12)
        return writer.to_bytes()

    def decode(data: bytes) -> w.Input:
        reader = BitReader(data)
        flag, quantized = reader.read_bool, reader.read_quantized
        return w.Input(
            reader.read_bits(16),
            reader.read_bits(16),
            *(flag(), flag(), flag(), flag(), flag(), flag(), flag(), flag()),
            quantized(-1, 1, 8),
            quantized(-1, 1, 8),
            reader.read_angle(12),
        )

    return Codec(w.INPUTS, encode, decode)


def put_entity(writer: BitWriter, item: w.Entity) -> None:
    x, y, z = item.position
    writer.write_varint(item.id)
    writer.write_bits(item.type, 6)
    writer.write_quantized(x, -w.WORLD, w.WORLD, 16)
    writer.write_quantized(y, -w.WORLD, w.WORLD, 16)
    writer.write_quantized(z, -w.HEIGHT, w.HEIGHT, 14)
    writer.write_quaternion(item.rotation, 9)
    writer.write_bool(item.velocity is not None)
    if item.velocity is not None:
        for part in item.velocity:
            writer.write_quantized(part, -w.MAX_SPEED, w.MAX_SPEED, 11)
    writer.write_int(item.hp, 0, 1000)
    writer.write_many([item.f0, item.f1, item.f2, item.f3, item.f4, item.f5], 1)


def take_entity(reader: BitReader) -> w.Entity:
    quantized = reader.read_quantized
    return w.Entity(
        reader.read_varint(),
        reader.read_bits(6),
        (
            quantized(-w.WORLD, w.WORLD, 16),
            quantized(-w.WORLD, w.WORLD, 16),
            quantized(-w.HEIGHT, w.HEIGHT, 14),
        ),
        reader.read_quaternion(9),
        (
            quantized(-w.MAX_SPEED, w.MAX_SPEED, 11),
            quantized(-w.MAX_SPEED, w.MAX_SPEED, 11),
            quantized(-w.MAX_SPEED, w.MAX_SPEED, 11),
        )
        if reader.read_bool()
        else None,
        reader.read_int(0, 1000),
        *map(bool, reader.read_many(1, 6)),
    )


def bitwriter_w2() -> Codec:
    writer = BitWriter(64)

    def encode(item: w.Entity) -> bytes:
        writer.clear()
        put_entity(writer, item)
        return writer.to_bytes()

    return Codec(w.ENTITIES, encode, lambda data: take_entity(BitReader(data)))


def bitwriter_w3() -> Codec:
    writer = BitWriter()

    def encode(items: list[w.Entity]) -> bytes:
        writer.clear()
        writer.write_bits(len(items), 16)
        for item in items:
            put_entity(writer, item)
        return writer.to_bytes()

    def decode(data: bytes) -> list[w.Entity]:
        reader = BitReader(data)
        return [take_entity(reader) for _ in range(reader.read_bits(16))]

    return Codec([w.ENTITIES], encode, decode)


def bitwriter_w5() -> Codec:
    writer = BitWriter()

    def encode(item: w.Chat) -> bytes:
        writer.clear()
        writer.write_varint(item.sender)
        writer.write_bits(item.channel, 4)
        writer.write_string(item.text, 200)
        writer.write_int(len(item.to), 0, 31)
        for player in item.to:
            writer.write_varint(player)
        return writer.to_bytes()

    def decode(data: bytes) -> w.Chat:
        reader = BitReader(data)
        return w.Chat(
            reader.read_varint(),
            reader.read_bits(4),
            reader.read_string(200),
            [reader.read_varint() for _ in range(reader.read_int(0, 31))],
        )

    return Codec([w.CHAT], encode, decode)


def snapshot_records() -> tuple[Any, Any]:
    """The Entity schema and W3 as its structured array."""
    import numpy as np

    cls = schemas()["Entity"]
    objects = [fill(cls, item) for item in w.ENTITIES]
    records = cls.decode_records(cls.encode_many(objects))
    assert isinstance(records, np.ndarray)
    assert math.isclose(float(records["hp"].sum()), sum(item.hp for item in w.ENTITIES))
    return cls, records


def records_w3() -> Codec:
    """A structured array to bytes, and back into an array that is used again."""
    cls, records = snapshot_records()
    out = records.copy()
    return Codec([records], cls.encode_records, lambda data: cls.decode_records(data, out))
