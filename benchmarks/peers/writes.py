"""W4, integers of 1 to 32 bits, in each way that Python can write and read them.

Each ``*_writer`` and ``*_reader`` prepares and returns the function to be measured; it raises
ImportError when its peer is not installed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from workloads import W4_VALUES, W4_WIDTHS

from netcode.bits import BitReader, BitWriter
from peers import codec

__all__ = ["WAYS", "Way", "bitarray_writer", "calls_writer"]

Write = Callable[[], bytes]
Read = Callable[[], Sequence[int]]

PAIRS = list(zip(W4_VALUES, W4_WIDTHS, strict=True))


def calls_writer() -> Write:
    def write() -> bytes:
        writer = BitWriter()
        put = writer.write_bits
        for value, width in PAIRS:
            put(value, width)
        return writer.to_bytes()

    return write


def many_writer() -> Write:
    def write() -> bytes:
        writer = BitWriter()
        writer.write_many(W4_VALUES, W4_WIDTHS)
        return writer.to_bytes()

    return write


def arrays_writer() -> Write:
    import numpy as np

    values, widths = np.array(W4_VALUES, np.uint64), np.array(W4_WIDTHS, np.uint8)

    def write() -> bytes:
        writer = BitWriter()
        writer.write_many(values, widths)
        return writer.to_bytes()

    return write


def shifting_writer() -> Write:
    """One big integer, as Python can without any library."""

    def write() -> bytes:
        number = position = 0
        for value, width in PAIRS:
            number |= value << position
            position += width
        return number.to_bytes((position + 7) // 8, "little")

    return write


def bitarray_writer() -> Write:
    from bitarray import bitarray
    from bitarray.util import int2ba

    def write() -> bytes:
        bits = bitarray(endian="little")
        for value, width in PAIRS:
            bits += int2ba(value, width, endian="little")
        return bits.tobytes()

    return write


def bitstruct_writer() -> Write:
    import bitstruct.c as bitstruct  # type: ignore[import-untyped]

    packer = bitstruct.compile("".join(f"u{width}" for width in W4_WIDTHS))
    return lambda: bytes(packer.pack(*W4_VALUES))


def bitstring_writer() -> Write:
    import bitstring

    form = ", ".join(f"uint:{width}" for width in W4_WIDTHS)
    return lambda: bytes(bitstring.pack(form, *W4_VALUES).tobytes())


def calls_reader(data: bytes) -> Read:
    def read() -> list[int]:
        take = BitReader(data).read_bits
        return [take(width) for width in W4_WIDTHS]

    return read


def many_reader(data: bytes) -> Read:
    return lambda: BitReader(data).read_many(W4_WIDTHS)


def arrays_reader(data: bytes) -> Read:
    import numpy as np

    widths = np.array(W4_WIDTHS, np.uint8)
    return lambda: BitReader(data).read_many(widths)


def shifting_reader(data: bytes) -> Read:
    def read() -> list[int]:
        number = int.from_bytes(data, "little")
        values, position = [], 0
        for width in W4_WIDTHS:
            values.append(number >> position & (1 << width) - 1)
            position += width
        return values

    return read


def bitarray_reader(data: bytes) -> Read:
    from bitarray import bitarray
    from bitarray.util import ba2int

    def read() -> list[int]:
        bits = bitarray(buffer=data, endian="little")
        values, position = [], 0
        for width in W4_WIDTHS:
            values.append(ba2int(bits[position : position + width]))
            position += width
        return values

    return read


def bitstruct_reader(data: bytes) -> Read:
    import bitstruct.c as bitstruct

    packer = bitstruct.compile("".join(f"u{width}" for width in W4_WIDTHS))
    return lambda: list(packer.unpack(data))


def bitstring_reader(data: bytes) -> Read:
    import bitstring

    form = ", ".join(f"uint:{width}" for width in W4_WIDTHS)
    total = sum(W4_WIDTHS)

    def read() -> list[int]:
        bits: Any = bitstring.Bits(data)
        return list(bits[:total].unpack(form))

    return read


Way = tuple[Callable[[], Write], Callable[[bytes], Read]]


def whole(peer: str) -> Way:
    """A peer that takes the list at once."""

    def writer() -> Write:
        found = codec(peer, "W4")
        encode, numbers = found.encode, found.objects[0]
        return lambda: encode(numbers)

    def reader(data: bytes) -> Read:
        found = codec(peer, "W4")
        decode = found.decode
        # A protobuf message is its own list.
        if peer == "protobuf":
            return lambda: decode(data).values
        return lambda: decode(data)

    return writer, reader


WHOLE = ("struct", "construct", "msgspec", "msgpack", "protobuf", "cbor2", "orjson", "pickle")

WAYS: dict[str, Way] = {
    "BitWriter, a call each": (calls_writer, calls_reader),
    "BitWriter.write_many": (many_writer, many_reader),
    "BitWriter.write_many, arrays": (arrays_writer, arrays_reader),
    "int shifting": (shifting_writer, shifting_reader),
    "bitarray": (bitarray_writer, bitarray_reader),
    "bitstruct": (bitstruct_writer, bitstruct_reader),
    "bitstring": (bitstring_writer, bitstring_reader),
    **{peer: whole(peer) for peer in WHOLE},
}
"""Each way to write the integers, and to read what it has written. A schema has no part in it: it
packs fields with names, and 255 at most."""
