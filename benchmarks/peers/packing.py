"""What the bit packers have in common: codes and their widths in, bytes out, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from workloads import ENTITIES, INPUTS, Entity

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

__all__ = ["COUNT", "MOVING", "Packer", "Part", "Take", "of_entities", "of_inputs", "of_snapshots"]

MOVING = ENTITY_HEAD + VELOCITY
COUNT = [16]
"""Widths of the count of a snapshot."""

Part = tuple[Sequence[int], Sequence[int]]
Take = Callable[[Sequence[int]], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Packer:
    """``pack`` puts (codes, widths) bit behind bit; ``reader`` gives a function that takes codes
    of the widths it is asked for, one request behind the other."""

    pack: Callable[[Sequence[Part]], bytes]
    reader: Callable[[bytes], Take]


def of_inputs(packer: Packer) -> Codec:
    pack, reader = packer.pack, packer.reader
    return Codec(
        INPUTS,
        lambda item: pack([(input_codes(item), INPUT)]),
        lambda data: input_from(reader(data)(INPUT)),
    )


def entity_part(item: Entity) -> Part:
    return entity_codes(item), ENTITY_HEAD if item.velocity is None else MOVING


def take_entity(take: Take) -> Entity:
    codes = take(ENTITY_HEAD)
    return entity_from(codes, take(VELOCITY) if codes[-1] else None)


def of_entities(packer: Packer) -> Codec:
    pack, reader = packer.pack, packer.reader
    return Codec(
        ENTITIES,
        lambda item: pack([entity_part(item)]),
        lambda data: take_entity(reader(data)),
    )


def of_snapshots(packer: Packer) -> Codec:
    """The count in 16 bits, and the entities bit behind bit."""
    pack, reader = packer.pack, packer.reader

    def encode(items: Sequence[Entity]) -> bytes:
        return pack([([len(items)], COUNT), *map(entity_part, items)])

    def decode(data: bytes) -> list[Entity]:
        take = reader(data)
        return [take_entity(take) for _ in range(take(COUNT)[0])]

    return Codec([ENTITIES], encode, decode)
