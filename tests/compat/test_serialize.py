"""The streams of serialize 1.0 against the oracle, and against the C++ library's vectors."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracle import serialize as oracle
from vectors import load

from netcode.compat.serialize import MeasureStream, ReadStream, Stream, WriteStream
from netcode.errors import DecodeError

Operation = dict[str, Any]

# What only a value says: a read of the operation does without.
VALUES = ("value", "value_bits", "raw", "utf8", "code_points")


def single(pattern: int) -> float:
    """The float with these 32 bits. Made as a double: converting would quiet a signalling NaN."""
    if pattern & 0x7FFFFFFF <= 0x7F800000:
        return oracle.from_bits(pattern)
    return double(pattern >> 31 << 63 | 0x7FF << 52 | (pattern & 0x7FFFFF) << 29)


def single_pattern(value: float) -> int:
    if value == value:
        return oracle.to_bits(value)
    pattern = double_pattern(value)
    return pattern >> 63 << 31 | 0xFF << 23 | (pattern >> 29 & 0x7FFFFF)


def double(pattern: int) -> float:
    return float(struct.unpack("<d", pattern.to_bytes(8, "little"))[0])


def double_pattern(value: float) -> int:
    return int.from_bytes(struct.pack("<d", value), "little")


def operands(op: Operation) -> Operation:
    return {key: value for key, value in op.items() if key not in VALUES}


def serialize(stream: Stream, op: Operation) -> Operation:
    """One operation in any of the streams, as a user's function: returns it with its value."""
    value: Any = op.get("value")
    match op["op"]:
        case "bits":
            return op | {"value": stream.bits(value, op["bits"])}
        case "bool":
            return op | {"value": stream.bool(value)}
        case "int":
            return op | {"value": stream.int(value, op["min"], op["max"])}
        case "int64":
            return op | {"value": stream.int64(value, op["min"], op["max"])}
        case "int128":
            return op | {"value": stream.int128(value, op["min"], op["max"])}
        case "uint128":
            return op | {"value": stream.uint128(value)}
        case "fixed":
            raw: Any = op.get("raw")
            whole, fraction = op["integer_bits"], op["fraction_bits"]
            return op | {"raw": stream.fixed(raw, whole, fraction, op["min"], op["max"])}
        case "int_relative":
            return op | {"value": stream.int_relative(value, op["previous"])}
        case "float":
            number = stream.float(single(op.get("value_bits", 0)))
            return op | {"value_bits": single_pattern(number)}
        case "double":
            number = stream.double(double(op.get("value_bits", 0)))
            return op | {"value_bits": double_pattern(number)}
        case "compressed_float":
            low, high, step = (single(op[key]) for key in ("min_bits", "max_bits", "res_bits"))
            number = stream.compressed_float(single(op.get("value_bits", 0)), low, high, step)
            return op | {"value_bits": single_pattern(number)}
        case "bytes":
            data = stream.bytes(bytes.fromhex(value or ""), op["count"])
            return op | {"value": data.hex()}
        case "string":
            text = stream.string(bytes.fromhex(op.get("utf8", "")).decode(), op["buffer_size"])
            return op | {"utf8": text.encode().hex()}
        case "wstring":
            text = "".join(map(chr, op.get("code_points", ())))
            text = stream.wstring(text, op["buffer_size"])
            return op | {"code_points": [*map(ord, text)]}
        case "align":
            stream.align()
            return op
        case other:
            raise AssertionError(other)


def run(stream: Stream, ops: list[Operation]) -> list[Operation]:
    return [serialize(stream, op) for op in ops]


def decoded(ops: list[Operation], floats: list[int]) -> list[Operation]:
    """The operations as they are read: compressed floats as ``floats``, bit for bit."""
    left = iter(floats)
    return [op | {"value_bits": next(left)} if op["op"] == "compressed_float" else op for op in ops]


def outcome(stream: ReadStream, ops: list[Operation]) -> list[Operation | int]:
    """What was read, and the bit where the reader stands if it refused."""
    found: list[Operation | int] = []
    for op in ops:
        at = stream.bits_processed
        try:
            found.append(serialize(stream, op))
        except DecodeError as error:
            return [*found, at if error.bit == stream.bits_processed == at else -1]
    return found


# The vectors of the C++ library


def test_vector_programs_write_their_bytes() -> None:
    ran = 0
    for program in load("serialize.json", "programs"):
        writer, measure = WriteStream(), MeasureStream()
        assert run(writer, program["ops"]) == program["ops"], program["name"]
        assert run(measure, program["ops"]) == program["ops"], program["name"]
        assert writer.to_bytes().hex() == program["bytes"], program["name"]
        assert writer.bits_processed == program["bits"], program["name"]
        assert measure.bits_processed == program["measured_bits"], program["name"]
        ran += 1
    assert ran


def test_vector_programs_read_their_values() -> None:
    ran = floats = 0
    for program in load("serialize.json", "programs"):
        expected = decoded(program["ops"], program.get("decoded_float_bits", []))
        reader = ReadStream(bytes.fromhex(program["bytes"]))
        assert run(reader, [*map(operands, expected)]) == expected, program["name"]
        assert reader.bits_processed == program["bits"], program["name"]
        floats += len(program.get("decoded_float_bits", []))
        ran += 1
    assert ran
    assert floats


def test_vector_programs_cut_short_are_refused() -> None:
    ran = 0
    for program in load("serialize.json", "programs"):
        data = bytes.fromhex(program["bytes"])
        for bits in {0, program["bits"] // 2, program["bits"] - 1} - {-1, program["bits"]}:
            found = outcome(ReadStream(data, bits=bits), [*map(operands, program["ops"])])
            assert isinstance(found[-1], int), program["name"]
            assert 0 <= found[-1] <= bits, program["name"]
            ran += 1
    assert ran


def test_vector_reads() -> None:
    """What must be refused, and what must be accepted one step beside it."""
    accepted = refusals = 0
    for case in load("serialize.json", "reads"):
        reader = ReadStream(bytes.fromhex(case["bytes"]))
        reader.reader.skip(case["skip_bits"])
        if case["accept"]:
            assert run(reader, case["ops"]) == case["decoded"], case["name"]
            accepted += 1
        else:
            with pytest.raises(DecodeError):
                run(reader, case["ops"])
            refusals += 1
    assert accepted + refusals


def test_vectors_against_the_oracle() -> None:
    """So that what the oracle says in the tests below is what the C++ library does."""
    ran = 0
    for program in load("serialize.json", "programs"):
        writer = oracle.Writer()
        for op in program["ops"]:
            writer.write(op)
        reader = oracle.Reader(writer.to_bytes())
        expected = decoded(program["ops"], program.get("decoded_float_bits", []))
        assert (writer.to_bytes().hex(), writer.length) == (program["bytes"], program["bits"])
        assert writer.measured == program["measured_bits"], program["name"]
        assert [reader.read(operands(op)) for op in expected] == expected, program["name"]
        ran += 1
    for case in load("serialize.json", "reads"):
        reader = oracle.Reader(bytes.fromhex(case["bytes"]))
        reader.get(case["skip_bits"])
        with contextlib.nullcontext() if case["accept"] else pytest.raises(oracle.Refused):
            assert [reader.read(op) for op in case["ops"]] == case.get("decoded")
        ran += 1
    assert ran


# The oracle, with programs of Hypothesis


@st.composite
def ranges(draw: st.DrawFn, low: int, high: int) -> tuple[int, int]:
    """Wide, narrow and single-valued ranges, and those that touch the limits."""
    first = draw(st.integers(low, high) | st.sampled_from([low, high, max(low, -100)]))
    span = draw(st.integers(0, 300) | st.integers(0, high - low))
    last = first + span
    return (first, last) if last <= high else (max(low, high - span), high)


@st.composite
def ranged(draw: st.DrawFn, name: str, bits: int) -> Operation:
    low, high = draw(ranges(-(1 << bits - 1), (1 << bits - 1) - 1))
    value = draw(st.integers(low, high) | st.sampled_from([low, high]))
    return {"op": name, "min": low, "max": high, "value": value}


@st.composite
def fixed(draw: st.DrawFn) -> Operation:
    storage = draw(st.sampled_from([8, 16, 32, 64, 128]))
    whole = draw(st.integers(1, storage))
    if draw(st.booleans()):
        low, high = draw(ranges(0, 2 ** min(whole, 63) - 1))
    else:
        low, high = draw(ranges(-(2 ** min(whole - 1, 63)), 2 ** min(whole - 1, 63) - 1))
    fraction = storage - whole
    raw = draw(st.integers(low << fraction, high << fraction))
    op = {"op": "fixed", "integer_bits": whole, "fraction_bits": fraction}
    return op | {"min": low, "max": high, "raw": raw}


@st.composite
def relatives(draw: st.DrawFn) -> Operation:
    previous = draw(st.integers(0, 2**32 - 2))
    difference = draw(
        st.integers(1, 2**32) | st.integers(1, 70000) | st.sampled_from([*sum(oracle.TIERS, ())])
    )
    value = min(previous + difference, 2**32 - 1)
    return {"op": "int_relative", "previous": previous, "value": value}


finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def compressed(draw: st.DrawFn) -> Operation:
    low = draw(st.floats(-1e6, 1e6, width=32) | st.just(0.0))
    delta = draw(st.floats(2.0**-10, 2.0**20, width=32))
    count = draw(st.floats(0.5, 2.0**33) | st.integers(1, 2**25).map(float))
    high = oracle.single(low + delta)
    if high <= low:
        high = oracle.single(low + abs(low) + 1)
    value = draw(st.floats(low, high, width=32) | st.sampled_from([low, high]) | finite)
    resolution = oracle.single((high - low) / count)
    op: Operation = {"op": "compressed_float", "value_bits": oracle.to_bits(value)}
    for key, number in (("min", low), ("max", high), ("res", resolution)):
        op[f"{key}_bits"] = oracle.to_bits(number)
    return op


# Characters of every length in UTF-8 and UTF-16.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)

operations = st.one_of(
    st.integers(1, 64).flatmap(
        lambda bits: st.builds(
            lambda value: {"op": "bits", "bits": bits, "value": value}, st.integers(0, 2**bits - 1)
        )
    ),
    st.builds(lambda value: {"op": "bool", "value": value}, st.booleans()),
    ranged("int", 32),
    ranged("int64", 64),
    ranged("int128", 128),
    st.builds(lambda value: {"op": "uint128", "value": value}, st.integers(0, 2**128 - 1)),
    fixed(),
    relatives(),
    st.builds(lambda bits: {"op": "float", "value_bits": bits}, st.integers(0, 2**32 - 1)),
    st.builds(lambda bits: {"op": "double", "value_bits": bits}, st.integers(0, 2**64 - 1)),
    compressed(),
    st.builds(
        lambda data: {"op": "bytes", "count": len(data), "value": data.hex()},
        st.binary(max_size=20),
    ),
    st.builds(
        lambda text, spare: {
            "op": "string",
            "buffer_size": len(text.encode()) + spare,
            "utf8": text.encode().hex(),
        },
        texts,
        st.integers(1, 300),
    ),
    st.builds(
        lambda text, spare: {
            "op": "wstring",
            "buffer_size": len(oracle.utf16(text)) + spare,
            "code_points": [*map(ord, text)],
        },
        texts,
        st.integers(1, 300),
    ),
    st.just({"op": "align"}),
)
programs = st.lists(operations, max_size=8)

TOP = {"op": "compressed_float", "min_bits": 0, "res_bits": oracle.to_bits(1.0)}


# The two shapes where adding one half rounds above the last step: 2**23 + 1 and 2**24 - 1 steps.
@example([TOP | dict.fromkeys(["max_bits", "value_bits"], oracle.to_bits(8388609.0))])
@example([TOP | dict.fromkeys(["max_bits", "value_bits"], oracle.to_bits(16777215.0))])
@given(programs)
def test_same_bytes_and_values_as_the_oracle(ops: list[Operation]) -> None:
    expected = oracle.Writer()
    for op in ops:
        expected.write(op)
    writer, measure = WriteStream(), MeasureStream()
    assert run(writer, ops) == ops
    assert run(measure, ops) == ops
    assert writer.to_bytes() == expected.to_bytes()
    assert writer.bits_processed == expected.length
    assert writer.bytes_processed == len(writer.to_bytes())
    assert measure.bits_processed == expected.measured >= expected.length

    reference, reader = oracle.Reader(writer.to_bytes()), ReadStream(writer.to_bytes())
    asked = [*map(operands, ops)]
    assert run(reader, asked) == [reference.read(op) for op in asked]
    assert reader.bits_processed == expected.length


def expected_outcome(reader: oracle.Reader, ops: list[Operation]) -> list[Operation | int]:
    found: list[Operation | int] = []
    for op in ops:
        at = reader.position
        try:
            found.append(reader.read(op))
        except oracle.Refused:
            return [*found, at]
    return found


@given(programs, st.data())
def test_reads_what_the_oracle_reads_of_damaged_data(
    ops: list[Operation], data: st.DataObject
) -> None:
    """Cut anywhere, with some bits turned over; the same values, and the same refusal."""
    writer = WriteStream()
    run(writer, ops)
    damaged = bytearray(writer.to_bytes())
    for bit in data.draw(st.lists(st.integers(0, max(0, 8 * len(damaged) - 1)), max_size=3)):
        if damaged:
            damaged[bit // 8] ^= 1 << bit % 8
    length = data.draw(st.integers(0, 8 * len(damaged)))
    asked = [*map(operands, ops)]
    reader = ReadStream(damaged, bits=length)
    assert outcome(reader, asked) == expected_outcome(oracle.Reader(bytes(damaged), length), asked)


@given(programs, st.binary(max_size=80))
def test_reads_what_the_oracle_reads_of_noise(ops: list[Operation], noise: bytes) -> None:
    asked = [*map(operands, ops)]
    assert outcome(ReadStream(noise), asked) == expected_outcome(oracle.Reader(noise), asked)


@given(st.integers(1, 7), programs)
def test_measure_is_enough_at_every_offset(offset: int, ops: list[Operation]) -> None:
    measure, writer = MeasureStream(), WriteStream()
    run(measure, ops)
    writer.bits(0, offset)
    run(writer, ops)
    assert writer.bits_processed - offset <= measure.bits_processed
    assert measure.bytes_processed == (measure.bits_processed + 7) // 8
