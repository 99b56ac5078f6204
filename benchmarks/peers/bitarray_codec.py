"""bitarray: int2ba and ba2int for each field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workloads import CHAT, Chat

from peers import Codec
from peers.packing import Packer, Part, Take, of_entities, of_inputs, of_snapshots


def packer() -> Packer:
    from bitarray import bitarray
    from bitarray.util import ba2int, int2ba

    def pack(parts: Sequence[Part]) -> bytes:
        bits = bitarray(endian="little")
        for codes, widths in parts:
            for value, width in zip(codes, widths, strict=True):
                bits += int2ba(value, width, endian="little")
        return bits.tobytes()

    def reader(data: bytes) -> Take:
        bits = bitarray(buffer=data, endian="little")
        at = 0

        def take(widths: Sequence[int]) -> list[int]:
            nonlocal at
            codes = []
            for width in widths:
                codes.append(ba2int(bits[at : at + width]))
                at += width
            return codes

        return take

    return Packer(pack, reader)


def bitarray_w1() -> Codec:
    return of_inputs(packer())


def bitarray_w2() -> Codec:
    return of_entities(packer())


def bitarray_w3() -> Codec:
    return of_snapshots(packer())


def bitarray_w5() -> Codec:
    from bitarray import bitarray
    from bitarray.util import ba2int, int2ba

    def encode(item: Chat) -> bytes:
        text = item.text.encode()
        bits: Any = int2ba(item.sender, 16, endian="little")
        bits += int2ba(item.channel, 4, endian="little")
        bits += int2ba(len(text), 8, endian="little")
        bits.frombytes(text)
        bits += int2ba(len(item.to), 5, endian="little")
        for player in item.to:
            bits += int2ba(player, 16, endian="little")
        return bytes(bits.tobytes())

    def decode(data: bytes) -> Chat:
        bits = bitarray(buffer=data, endian="little")
        end = 28 + 8 * ba2int(bits[20:28])
        text = bits[28:end].tobytes().decode()
        first, count = end + 5, ba2int(bits[end : end + 5])
        ids = range(first, first + 16 * count, 16)
        return Chat(
            ba2int(bits[:16]), ba2int(bits[16:20]), text, [ba2int(bits[i : i + 16]) for i in ids]
        )

    return Codec([CHAT], encode, decode)
