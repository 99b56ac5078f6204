"""bitstruct: its C implementation, with formats compiled beforehand."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from workloads import CHAT, Chat

from peers import Codec
from peers.packing import COUNT, MOVING, Packer, Part, Take, of_entities, of_inputs, of_snapshots
from peers.quantised import ENTITY_HEAD, INPUT, VELOCITY


def packer() -> Packer:
    import bitstruct.c as bitstruct  # type: ignore[import-untyped]

    # By identity: the lists of widths are constants, and a list has no hash.
    compiled: dict[int, Any] = {}
    sizes: dict[int, int] = {}
    for widths in (INPUT, ENTITY_HEAD, MOVING, VELOCITY, COUNT):
        compiled[id(widths)] = bitstruct.compile("".join(f"u{width}" for width in widths))
        sizes[id(widths)] = sum(widths)

    def pack(parts: Sequence[Part]) -> bytes:
        if len(parts) == 1:
            codes, widths = parts[0]
            return bytes(compiled[id(widths)].pack(*codes))
        out = bytearray((sum(sizes[id(widths)] for _, widths in parts) + 7) // 8)
        at = 0
        for codes, widths in parts:
            compiled[id(widths)].pack_into(out, at, *codes)
            at += sizes[id(widths)]
        return bytes(out)

    def reader(data: bytes) -> Take:
        at = 0

        def take(widths: Sequence[int]) -> Sequence[int]:
            nonlocal at
            codes: tuple[int, ...] = compiled[id(widths)].unpack_from(data, at)
            at += sizes[id(widths)]
            return codes

        return take

    return Packer(pack, reader)


def bitstruct_w1() -> Codec:
    return of_inputs(packer())


def bitstruct_w2() -> Codec:
    return of_entities(packer())


def bitstruct_w3() -> Codec:
    return of_snapshots(packer())


def bitstruct_w5() -> Codec:
    """One compiled format for each pair of lengths, kept."""
    import bitstruct.c as bitstruct

    compiled = functools.cache(bitstruct.compile)
    head = bitstruct.compile("u16u4u8")

    def encode(item: Chat) -> bytes:
        text = item.text.encode()
        form = compiled(f"u16u4u8r{8 * len(text)}u5" + "u16" * len(item.to))
        count = len(item.to)
        return bytes(form.pack(item.sender, item.channel, len(text), text, count, *item.to))

    def decode(data: bytes) -> Chat:
        sender, channel, size = head.unpack_from(data, 0)
        text, count = compiled(f"r{8 * size}u5").unpack_from(data, 28)
        to = compiled("u16" * count).unpack_from(data, 33 + 8 * size) if count else ()
        return Chat(sender, channel, text.decode(), list(to))

    return Codec([CHAT], encode, decode)
