"""BitWriter and BitReader against the serialize standard's vectors, where they have its operation.

The whole dialect is in ``netcode.compat``; here the plain classes must give the same bytes.
"""

from __future__ import annotations

import struct
from typing import Any

import pytest
from vectors import load

from netcode.bits import BitReader, BitWriter
from netcode.errors import DecodeError

OFFERED = {"bits", "bool", "int", "int64", "float", "double", "bytes", "string", "align"}

Operation = dict[str, Any]


def offered(ops: list[Operation]) -> bool:
    return all(op["op"] in OFFERED for op in ops)


def single(pattern: int) -> float:
    """The float with these 32 bits. Made as a double: converting would quiet a signalling NaN."""
    if pattern & 0x7FFFFFFF <= 0x7F800000:
        return float(struct.unpack("<f", pattern.to_bytes(4, "little"))[0])
    return double(pattern >> 31 << 63 | 0x7FF << 52 | (pattern & 0x7FFFFF) << 29)


def double(pattern: int) -> float:
    return float(struct.unpack("<d", pattern.to_bytes(8, "little"))[0])


def same_float(value: float, expected: float) -> bool:
    return struct.pack("<d", value) == struct.pack("<d", expected)


def write(writer: BitWriter, op: Operation) -> None:
    match op["op"]:
        case "bits":
            writer.write_bits(op["value"], op["bits"])
        case "bool":
            writer.write_bool(op["value"])
        case "int" | "int64":
            writer.write_int(op["value"], op["min"], op["max"])
        case "float":
            writer.write_float32(single(op["value_bits"]))
        case "double":
            writer.write_float64(double(op["value_bits"]))
        case "bytes":
            writer.write_bytes(bytes.fromhex(op["value"]), align=True)
        case "string":
            writer.write_string(bytes.fromhex(op["utf8"]).decode(), op["buffer_size"] - 1)
        case "align":
            writer.align()
        case other:
            raise AssertionError(other)


def check_read(reader: BitReader, op: Operation) -> None:
    """Read one operation and compare with what its vector says was written."""
    match op["op"]:
        case "bits":
            assert reader.read_bits(op["bits"]) == op["value"]
        case "bool":
            assert reader.read_bool() is op["value"]
        case "int" | "int64":
            assert reader.read_int(op["min"], op["max"]) == op["value"]
        case "float":
            assert same_float(reader.read_float32(), single(op["value_bits"]))
        case "double":
            assert same_float(reader.read_float64(), double(op["value_bits"]))
        case "bytes":
            assert reader.read_bytes(op["count"], align=True).hex() == op["value"]
        case "string":
            assert reader.read_string(op["buffer_size"] - 1).encode().hex() == op["utf8"]
        case "align":
            reader.align()
        case other:
            raise AssertionError(other)


def check_all(reader: BitReader, ops: list[Operation]) -> None:
    for op in ops:
        check_read(reader, op)


# What a refused operation would have held: anything, as it must not come to the comparison.
ANYTHING = {"value": None, "value_bits": 0, "utf8": None}


def test_vector_programs_both_ways() -> None:
    ran = 0
    for program in load("serialize.json", "programs"):
        ops = program["ops"]
        if not offered(ops):
            continue
        writer = BitWriter()
        for op in ops:
            write(writer, op)
        assert writer.bit_position == program["bits"], program["name"]
        assert writer.to_bytes().hex() == program["bytes"], program["name"]
        reader = BitReader(bytes.fromhex(program["bytes"]))
        check_all(reader, ops)
        assert reader.bit_position == program["bits"], program["name"]
        ran += 1
    assert ran, "no program used only what BitWriter offers"


def test_vector_programs_are_refused_when_cut_short() -> None:
    ran = 0
    for program in load("serialize.json", "programs"):
        if not offered(program["ops"]) or not program["bits"]:
            continue
        reader = BitReader(bytes.fromhex(program["bytes"]), bits=program["bits"] - 1)
        with pytest.raises(DecodeError):
            check_all(reader, program["ops"])
        ran += 1
    assert ran


def test_vector_reads() -> None:
    """Refusals, and the accepted twins at their boundary."""
    ran = 0
    for case in load("serialize.json", "reads"):
        if not offered(case["ops"]):
            continue
        reader = BitReader(bytes.fromhex(case["bytes"]))
        reader.skip(case["skip_bits"])
        ran += 1
        # The standard refuses NUL inside a string; a Python str may hold it.
        if not case["accept"] and "nul" not in case["name"]:
            with pytest.raises(DecodeError):
                check_all(reader, [ANYTHING | op for op in case["ops"]])
        elif case["accept"]:
            check_all(reader, case["decoded"])
    assert ran
