"""The wire format "serialize 1.0" once more, in Python that is meant to be obvious.

A program is a list of operations, each a dictionary with ``op`` and its operands, as in the
interop vectors. Floats are given as their bits.
"""

from __future__ import annotations

import math
import struct
from typing import Any

Operation = dict[str, Any]

TIERS = ((1, 1), (2, 6), (7, 23), (24, 280), (281, 4377), (4378, 69914))


class Refused(Exception):
    """The standard says that a reader must not accept this."""


def single(value: float) -> float:
    """Rounded to float32. A double holds twice the bits and more, so it rounds as float32."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def from_bits(pattern: int) -> float:
    return float(struct.unpack("<f", pattern.to_bytes(4, "little"))[0])


def to_bits(value: float) -> int:
    return int.from_bytes(struct.pack("<f", value), "little")


def steps(op: Operation) -> int:
    delta = single(from_bits(op["max_bits"]) - from_bits(op["min_bits"]))
    count = single(delta / from_bits(op["res_bits"]))
    return math.ceil(min(max(count, 1.0), 4294967040.0))


def quantize(op: Operation) -> int:
    low, high = from_bits(op["min_bits"]), from_bits(op["max_bits"])
    value, top = from_bits(op["value_bits"]), steps(op)
    normal = min(max(single(single(value - low) / single(high - low)), 0.0), 1.0)
    return min(math.floor(single(single(normal * top) + 0.5)), top)


def dequantize(op: Operation, code: int) -> int:
    low, high = from_bits(op["min_bits"]), from_bits(op["max_bits"])
    normal = single(single(float(code)) / single(float(steps(op))))
    return to_bits(single(single(normal * single(high - low)) + low))


def bounds(op: Operation) -> tuple[int, int]:
    """The range of an operation that is one."""
    shift = op["fraction_bits"] if op["op"] == "fixed" else 0
    return op["min"] << shift, op["max"] << shift


def utf16(text: str) -> list[int]:
    data = text.encode("utf-16-le")
    return [int.from_bytes(data[i : i + 2], "little") for i in range(0, len(data), 2)]


class Writer:
    """Bit 0 of ``number`` is the first on the wire; ``measured`` is the measure stream's bound."""

    def __init__(self) -> None:
        self.number = 0
        self.length = 0
        self.measured = 0

    def put(self, value: int, bits: int) -> None:
        assert 0 <= value < 1 << bits
        self.number |= value << self.length
        self.length += bits
        self.measured += bits

    def align(self) -> None:
        self.length += -self.length % 8
        self.measured += 7

    def aligned(self, data: bytes) -> None:
        self.align()
        for byte in data:
            self.put(byte, 8)

    def relative(self, previous: int, value: int) -> None:
        for low, high in TIERS:
            if low <= value - previous <= high:
                self.put(1, 1)
                self.put(value - previous - low, (high - low).bit_length())
                return
            self.put(0, 1)
        self.put(value, 32)

    def write(self, op: Operation) -> None:
        match op["op"]:
            case "bits":
                self.put(op["value"], op["bits"])
            case "bool":
                self.put(int(op["value"]), 1)
            case "int" | "int64" | "int128" | "fixed":
                low, high = bounds(op)
                value = op["raw"] if op["op"] == "fixed" else op["value"]
                assert low <= value <= high
                self.put(value - low, (high - low).bit_length())
            case "uint128":
                self.put(op["value"], 128)
            case "int_relative":
                self.relative(op["previous"], op["value"])
            case "float":
                self.put(op["value_bits"], 32)
            case "double":
                self.put(op["value_bits"], 64)
            case "compressed_float":
                self.put(quantize(op), steps(op).bit_length())
            case "bytes":
                self.aligned(bytes.fromhex(op["value"]))
            case "string":
                data = bytes.fromhex(op["utf8"])
                self.put(len(data), (op["buffer_size"] - 1).bit_length())
                self.aligned(data)
            case "wstring":
                units = utf16("".join(map(chr, op["code_points"])))
                self.put(len(units), (op["buffer_size"] - 1).bit_length())
                for unit in units:
                    self.put(unit, 32)
            case "align":
                self.align()
            case other:
                raise AssertionError(other)

    def to_bytes(self) -> bytes:
        return self.number.to_bytes((self.length + 7) // 8, "little")


class Reader:
    """Reads operations, with their values filled in; raises Refused."""

    def __init__(self, data: bytes, length: int | None = None) -> None:
        self.number = int.from_bytes(data, "little")
        self.length = 8 * len(data) if length is None else length
        self.position = 0

    def get(self, bits: int) -> int:
        if self.position + bits > self.length:
            raise Refused("past the end")
        value = self.number >> self.position & ((1 << bits) - 1)
        self.position += bits
        return value

    def ranged(self, low: int, high: int) -> int:
        value = low + self.get((high - low).bit_length())
        if value > high:
            raise Refused(f"{value} is outside {low}..{high}")
        return value

    def align(self) -> None:
        if self.get(-self.position % 8):
            raise Refused("padding")

    def aligned(self, count: int) -> bytes:
        self.align()
        return bytes(self.get(8) for _ in range(count))

    def relative(self, previous: int) -> int:
        for low, high in TIERS:
            if self.get(1):
                return (previous + self.ranged(low, high)) % 2**32
        value = self.get(32)
        if value <= previous:
            raise Refused("not increasing")
        return value

    def read(self, op: Operation) -> Operation:
        match op["op"]:
            case "bits":
                return op | {"value": self.get(op["bits"])}
            case "bool":
                return op | {"value": bool(self.get(1))}
            case "int" | "int64" | "int128":
                return op | {"value": self.ranged(*bounds(op))}
            case "fixed":
                return op | {"raw": self.ranged(*bounds(op))}
            case "uint128":
                return op | {"value": self.get(128)}
            case "int_relative":
                return op | {"value": self.relative(op["previous"])}
            case "float":
                return op | {"value_bits": self.get(32)}
            case "double":
                return op | {"value_bits": self.get(64)}
            case "compressed_float":
                code = self.get(steps(op).bit_length())
                if code > steps(op):
                    raise Refused("above the last step")
                return op | {"value_bits": dequantize(op, code)}
            case "bytes":
                return op | {"value": self.aligned(op["count"]).hex()}
            case "string":
                data = self.aligned(self.ranged(0, op["buffer_size"] - 1))
                self.text(data, "utf-8", 0 in data)
                return op | {"utf8": data.hex()}
            case "wstring":
                units = [self.get(32) for _ in range(self.ranged(0, op["buffer_size"] - 1))]
                if any(unit > 0xFFFF for unit in units):
                    raise Refused("not a unit")
                data = b"".join(unit.to_bytes(2, "little") for unit in units)
                return op | {"code_points": [*map(ord, self.text(data, "utf-16-le", 0 in units))]}
            case "align":
                self.align()
                return op
            case other:
                raise AssertionError(other)

    def text(self, data: bytes, encoding: str, nul: bool) -> str:
        if nul:
            raise Refused("NUL in a text")
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as error:
            raise Refused(str(error)) from None
