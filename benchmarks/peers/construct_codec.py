"""construct: declared layouts. Compiling a BitStruct makes it no faster (tried with 2.10.70), and
one with a conditional field cannot be; what is compiled here is what gains by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workloads import CHAT, ENTITIES, INPUTS, W4_VALUES, W4_WIDTHS, Chat, Entity, Input

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

HEAD_NAMES = [f"v{i}" for i in range(len(ENTITY_HEAD))]
HEAD_BITS, VELOCITY_BITS = sum(ENTITY_HEAD), sum(VELOCITY)


def bits_fields(widths: Sequence[int]) -> list[Any]:
    import construct  # type: ignore[import-untyped]

    return [f"v{i}" / construct.BitsInteger(width) for i, width in enumerate(widths)]


def entity_layout() -> Any:
    """The head, whose last bit says whether the velocity follows."""
    import construct

    speeds = construct.Sequence(*[construct.BitsInteger(width) for width in VELOCITY])
    velocity = "velocity" / construct.If(lambda this: this[HEAD_NAMES[-1]], speeds)
    return construct.Struct(*bits_fields(ENTITY_HEAD), velocity)


def entity_values(item: Entity) -> dict[str, Any]:
    codes = entity_codes(item)
    values: dict[str, Any] = dict(zip(HEAD_NAMES, codes, strict=False))
    values["velocity"] = codes[len(HEAD_NAMES) :] or None
    return values


def entity_of(found: Any) -> Entity:
    return entity_from([found[name] for name in HEAD_NAMES], found["velocity"])


def bits_of(found: Any) -> int:
    return HEAD_BITS + (VELOCITY_BITS if found[HEAD_NAMES[-1]] else 0)


def construct_w1() -> Codec:
    import construct

    layout = construct.BitStruct(*bits_fields(INPUT), construct.Padding(-sum(INPUT) % 8))
    names = [f"v{i}" for i in range(len(INPUT))]

    def encode(item: Input) -> bytes:
        return bytes(layout.build(dict(zip(names, input_codes(item), strict=True))))

    def decode(data: bytes) -> Input:
        found = layout.parse(data)
        return input_from([found[name] for name in names])

    return Codec(INPUTS, encode, decode)


def construct_w2() -> Codec:
    import construct

    padding = construct.Padding(lambda this: -bits_of(this.entity) % 8)
    layout = construct.BitStruct("entity" / entity_layout(), padding)

    def encode(item: Entity) -> bytes:
        return bytes(layout.build({"entity": entity_values(item)}))

    return Codec(ENTITIES, encode, lambda data: entity_of(layout.parse(data).entity))


def construct_w3() -> Codec:
    import construct

    layout = construct.BitStruct(
        "count" / construct.BitsInteger(16),
        "entities" / construct.Array(lambda this: this.count, entity_layout()),
        construct.Padding(lambda this: -(16 + sum(map(bits_of, this.entities))) % 8),
    )

    def encode(items: Sequence[Entity]) -> bytes:
        values = {"count": len(items), "entities": [entity_values(item) for item in items]}
        return bytes(layout.build(values))

    def decode(data: bytes) -> list[Entity]:
        return [entity_of(found) for found in layout.parse(data).entities]

    return Codec([ENTITIES], encode, decode)


def construct_w4() -> Codec:
    import construct

    numbers = construct.Sequence(*[construct.BitsInteger(width) for width in W4_WIDTHS])
    padding = construct.Padding(-sum(W4_WIDTHS) % 8)
    layout = construct.BitStruct("numbers" / numbers, padding)
    return Codec(
        [W4_VALUES],
        lambda values: bytes(layout.build({"numbers": values})),
        lambda data: list(layout.parse(data).numbers),
    )


def construct_w5() -> Codec:
    import construct

    layout = construct.Struct(
        "sender" / construct.VarInt,
        "channel" / construct.Byte,
        "text" / construct.PascalString(construct.VarInt, "utf8"),
        "to" / construct.PrefixedArray(construct.Byte, construct.VarInt),
    ).compile()

    def encode(item: Chat) -> bytes:
        values = {
            "sender": item.sender,
            "channel": item.channel,
            "text": item.text,
            "to": item.to,
        }
        return bytes(layout.build(values))

    def decode(data: bytes) -> Chat:
        found = layout.parse(data)
        return Chat(found.sender, found.channel, found.text, list(found.to))

    return Codec([CHAT], encode, decode)
