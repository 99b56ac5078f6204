"""bitstring: format strings, which it keeps in parsed form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workloads import CHAT, Chat

from peers import Codec
from peers.packing import COUNT, MOVING, Packer, Part, Take, of_entities, of_inputs, of_snapshots
from peers.quantised import ENTITY_HEAD, INPUT, VELOCITY


def packer() -> Packer:
    import bitstring

    forms = {
        id(widths): ", ".join(f"uint:{width}" for width in widths)
        for widths in (INPUT, ENTITY_HEAD, MOVING, VELOCITY, COUNT)
    }
    sizes = {id(widths): sum(widths) for widths in (INPUT, ENTITY_HEAD, MOVING, VELOCITY, COUNT)}

    def pack(parts: Sequence[Part]) -> bytes:
        # One long format is twice as fast as joining the parts.
        form = ", ".join([forms[id(widths)] for _, widths in parts])
        codes = [code for codes, _ in parts for code in codes]
        return bytes(bitstring.pack(form, *codes).tobytes())

    def reader(data: bytes) -> Take:
        bits: Any = bitstring.Bits(data)
        at = 0

        def take(widths: Sequence[int]) -> Sequence[int]:
            nonlocal at
            end = at + sizes[id(widths)]
            codes: Sequence[int] = bits[at:end].unpack(forms[id(widths)])
            at = end
            return codes

        return take

    return Packer(pack, reader)


def bitstring_w1() -> Codec:
    return of_inputs(packer())


def bitstring_w2() -> Codec:
    return of_entities(packer())


def bitstring_w3() -> Codec:
    return of_snapshots(packer())


def bitstring_w5() -> Codec:
    import bitstring

    def encode(item: Chat) -> bytes:
        text = item.text.encode()
        form = f"uint:16, uint:4, uint:8, bytes:{len(text)}, uint:5" + ", uint:16" * len(item.to)
        count = len(item.to)
        bits = bitstring.pack(form, item.sender, item.channel, len(text), text, count, *item.to)
        return bytes(bits.tobytes())

    def decode(data: bytes) -> Chat:
        bits: Any = bitstring.Bits(data)
        sender, channel, size = bits[:28].unpack("uint:16, uint:4, uint:8")
        end = 28 + 8 * size
        text, count = bits[28 : end + 5].unpack(f"bytes:{size}, uint:5")
        form = ", ".join(["uint:16"] * count)
        to = bits[end + 5 : end + 5 + 16 * count].unpack(form) if count else []
        return Chat(sender, channel, text.decode(), list(to))

    return Codec([CHAT], encode, decode)
