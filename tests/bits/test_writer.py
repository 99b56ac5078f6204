"""BitWriter: limits, misuse, capacity and the exported buffer."""

from __future__ import annotations

import array
import copy
import io
import math
import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bitarray import bitarray
from hypothesis import given
from hypothesis import strategies as st

from netcode.bits import BitReader, BitWriter
from netcode.errors import EncodeError

CASES: list[tuple[str, tuple[Any, ...], str]] = [
    ("write_bits", (8, 3), "0..7"),
    ("write_bits", (-1, 3), "0..7"),
    ("write_bits", (-(2**70), 64), "0..18446744073709551615"),
    ("write_bits", (2**64, 64), "0..18446744073709551615"),
    ("write_int", (101, 0, 100), "0..100"),
    ("write_int", (-1, 0, 100), "0..100"),
    ("write_int", (-6, -5, -5), "-5..-5"),
    ("write_int", (2**63, -(2**63), 2**63 - 1), "-9223372036854775808..9223372036854775807"),
    ("write_int", (-1, 0, 2**64 - 1), "0..18446744073709551615"),
    ("write_int", (2**64, 0, 2**64 - 1), "0..18446744073709551615"),
    ("write_int", (2**64 - 1, -1, 2**64 - 2), "-1..18446744073709551614"),
    ("write_int", (-2, -1, 2**64 - 2), "-1..18446744073709551614"),
    ("write_int", (2**63 - 1, 2**63, 2**64 - 1), "9223372036854775808..18446744073709551615"),
    ("write_int", (-1, 2**63, 2**64 - 1), "9223372036854775808..18446744073709551615"),
    ("write_int", (2**63, 2**63 + 1, 2**64 - 1), "9223372036854775809..18446744073709551615"),
    ("write_varint", (-1,), "0..18446744073709551615"),
    ("write_varint", (2**64,), "0..18446744073709551615"),
    ("write_zigzag", (2**63,), "-9223372036854775808..9223372036854775807"),
    ("write_float32", (1e39,), "the range of a 32-bit float"),
    ("write_float32", (10**400,), "the range of a 64-bit float"),
    ("write_float64", (10**400,), "the range of a 64-bit float"),
    ("write_quantized", (1.5, 0, 1, 8), "0..1"),
    ("write_quantized", (math.nan, 0, 1, 8), "0..1"),
    ("write_quantized", (math.inf, 0, 1, 8), "0..1"),
    ("write_quantized", (-(10**400), 0, 1, 8), "the range of a 64-bit float"),
    ("write_angle", (math.inf, 8), "the finite numbers"),
    ("write_angle", (math.nan, 8), "the finite numbers"),
    ("write_quaternion", ((0, 0, 0, 0), 8), "the quaternions of a length above 0"),
    ("write_quaternion", ((0, 0, math.nan, 1), 8), "the finite numbers"),
    ("write_quaternion", ((0, 0, -math.inf, 1), 8), "the finite numbers"),
]


@pytest.mark.parametrize(("method", "args", "limit"), CASES)
def test_values_out_of_limits_name_value_and_limit(
    method: str, args: tuple[Any, ...], limit: str
) -> None:
    writer = BitWriter()
    writer.write_bits(1, 1)
    with pytest.raises(EncodeError) as caught:
        getattr(writer, method)(*args)
    assert caught.value.value is args[0]
    assert caught.value.limit == limit
    assert str(caught.value) == f"{method}: {args[0]!r} is outside {limit}"
    assert writer.bit_position == 1
    assert writer.to_bytes() == b"\1"


NONSENSE: list[tuple[str, tuple[Any, ...], dict[str, Any], type[Exception]]] = [
    ("write_bits", (1, 0), {}, ValueError),
    ("write_bits", (1, 65), {}, ValueError),
    ("write_bits", (1, -1), {}, ValueError),
    ("write_bits", (1, 2**70), {}, ValueError),
    ("write_bits", (1.0, 8), {}, TypeError),
    ("write_bits", ("1", 8), {}, TypeError),
    ("write_bits", (None, 8), {}, TypeError),
    ("write_bits", (1, 8.0), {}, TypeError),
    ("write_int", (0, 1, 0), {}, ValueError),
    ("write_int", (0, 0, 2**64), {}, ValueError),
    ("write_int", (0, -(2**63) - 1, 0), {}, ValueError),
    ("write_int", (0, -1, 2**64 - 1), {}, ValueError),
    ("write_int", (2**64 - 1, 2**64 - 1, 2**63), {}, ValueError),
    ("write_int", (1.5, 0, 2), {}, TypeError),
    ("write_int", (1, 0.0, 2), {}, TypeError),
    ("write_varint", (1.0,), {}, TypeError),
    ("write_zigzag", ("",), {}, TypeError),
    ("write_float32", ("1",), {}, TypeError),
    ("write_float64", (None,), {}, TypeError),
    ("write_float64", (1j,), {}, TypeError),
    ("write_quantized", (0, 0, 1), {}, TypeError),
    ("write_quantized", (0, 0, 1, 8), {"step": 0.1}, TypeError),
    ("write_quantized", (0, 0, 1, 0), {}, ValueError),
    ("write_quantized", (0, 0, 1, 49), {}, ValueError),
    ("write_quantized", (0, 1, 1, 8), {}, ValueError),
    ("write_quantized", (0, 0, math.nan, 8), {}, ValueError),
    ("write_quantized", (0, 0, math.inf, 8), {}, ValueError),
    ("write_quantized", (0, -1e308, 1e308, 8), {}, ValueError),
    ("write_quantized", (1e9, 1e9, 1e9 + 1e-6, 16), {}, ValueError),
    ("write_quantized", (0, 0, 5e-324, 8), {}, ValueError),
    ("write_quantized", (0, 0, 1), {"step": 0}, ValueError),
    ("write_quantized", (0, 0, 1), {"step": -0.1}, ValueError),
    ("write_quantized", (0, 0, 1), {"step": 2}, ValueError),
    ("write_quantized", (0, 0, 1), {"step": math.nan}, ValueError),
    ("write_quantized", (0, 0, 1), {"step": 1e-300}, ValueError),
    ("write_angle", (0, 33), {}, ValueError),
    ("write_angle", ("0", 3), {}, TypeError),
    ("write_quaternion", ((0, 0, 0, 1), 1), {}, ValueError),
    ("write_quaternion", ((0, 0, 0, 1), 21), {}, ValueError),
    ("write_quaternion", ((0, 0, 1), 9), {}, ValueError),
    ("write_quaternion", (1, 9), {}, TypeError),
    ("write_bytes", ("text",), {}, TypeError),
    ("write_bytes", (np.zeros((4, 4), np.uint8)[:, 1],), {}, ValueError),
    ("write_string", (b"bytes", 8), {}, TypeError),
    ("write_string", ("", -1), {}, ValueError),
    ("write_many", ([1], [0]), {}, ValueError),
    ("write_many", ([1], [65]), {}, ValueError),
    ("write_many", ([1, 2], [8]), {}, ValueError),
    ("write_many", ([1], b"\0"), {}, ValueError),
    ("write_many", ([1.0], [8]), {}, TypeError),
    ("write_many", (1, 8), {}, TypeError),
    ("write_many", ([1], "8"), {}, TypeError),
    ("overwrite_bits", (0, 1, 2), {}, ValueError),
    ("overwrite_bits", (-1, 1, 1), {}, ValueError),
    ("overwrite_bits", (2**64 - 1, 1, 1), {}, ValueError),
    ("overwrite_bits", (0, 2, 1), {}, EncodeError),
    ("truncate", (2,), {}, ValueError),
    ("truncate", (-1,), {}, ValueError),
]


@pytest.mark.parametrize(("method", "args", "options", "error"), NONSENSE)
def test_nonsense_changes_nothing(
    method: str, args: tuple[Any, ...], options: dict[str, Any], error: type[Exception]
) -> None:
    writer = BitWriter()
    writer.write_bits(1, 1)
    with pytest.raises(error):
        getattr(writer, method)(*args, **options)
    assert writer.to_bytes() == b"\1"
    assert writer.bit_position == 1


def test_integers_of_other_kinds_are_integers() -> None:
    writer = BitWriter()
    writer.write_bits(np.uint64(2**64 - 1), np.uint8(64))
    writer.write_bits(True, 8)
    writer.write_int(np.int8(-3), np.int64(-4), 3)
    reader = BitReader(writer.to_bytes())
    assert (reader.read_bits(64), reader.read_bits(8), reader.read_int(-4, 3)) == (2**64 - 1, 1, -3)


@pytest.mark.parametrize("low", [-(2**63), -(2**63) + 1, -1, 0, 1, 2**62, 2**63 - 1, 2**63])
@pytest.mark.parametrize("span", [0, 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1])
def test_ranges_at_the_ends_of_64_bits(low: int, span: int) -> None:
    high = low + span
    if high >= 2**64:
        return
    for value in {low, high, low + span // 2, min(low + 1, high), max(high - 1, low)}:
        writer = BitWriter()
        writer.write_int(value, low, high)
        assert writer.bit_position == span.bit_length()
        assert BitReader(writer).read_int(low, high) == value
    for value in (low - 1, high + 1):
        with pytest.raises(EncodeError):
            BitWriter().write_int(value, low, high)


def test_a_bound_that_went_through_float32_is_in_range() -> None:
    writer = BitWriter()
    writer.write_quantized(float(np.float32(0.1)), 0.0, 0.1, 8)  # a little above 0.1
    assert writer.to_bytes() == b"\xff"
    with pytest.raises(EncodeError):
        writer.write_quantized(0.1001, 0.0, 0.1, 8)


@pytest.mark.parametrize("bits", [2, 3, 8, 24, 48])
@pytest.mark.parametrize("end", [0.3, 62750.86611165586])
def test_zero_and_the_ends_are_exact_in_a_symmetric_range(bits: int, end: float) -> None:
    for value in (-end, 0.0, end):
        writer = BitWriter()
        writer.write_quantized(value, -end, end, bits)
        assert BitReader(writer).read_quantized(-end, end, bits) == value


@pytest.mark.parametrize(
    "quaternion",
    [
        (5e-324, 0, 5e-324, 0),
        (1e308, 1e308, -1e308, 1e308),
        (1e-200, 1e200, 0, 0),
        (0, 0, 0, -3),
        (-0.5, 0.5, 0.5, 0.5),
    ],
)
def test_quaternions_of_any_length(quaternion: tuple[float, ...]) -> None:
    biggest = max(abs(c) for c in quaternion)
    scaled = [c / biggest for c in quaternion]
    length = math.sqrt(sum(c * c for c in scaled))
    writer = BitWriter()
    writer.write_quaternion(quaternion, 12)
    read = BitReader(writer).read_quaternion(12)
    assert abs(sum(a * b / length for a, b in zip(read, scaled, strict=True))) > 1 - 1e-6
    assert math.isclose(math.hypot(*read), 1.0)


def test_no_rotation_comes_back_exactly() -> None:
    for bits in range(2, 21):
        writer = BitWriter()
        writer.write_quaternion((0, 0, 0, 1), bits)
        assert BitReader(writer).read_quaternion(bits) == (0, 0, 0, 1)


def test_strings_have_a_limit_in_bytes() -> None:
    writer = BitWriter()
    with pytest.raises(EncodeError, match="6 bytes of UTF-8 are more than max_bytes=5"):
        writer.write_string("ééé", 5)
    with pytest.raises(EncodeError, match="lone surrogate"):
        writer.write_string("\ud800", 50)
    writer.write_string("", 0)
    assert writer.bit_position == 0
    writer.write_string("ééé", 6)
    assert BitReader(writer).read_string(6) == "ééé"


@pytest.mark.parametrize(
    "values",
    [
        [1, 200, 3],
        (1, 200, 3),
        b"\1\xc8\3",
        bytearray(b"\1\xc8\3"),
        array.array("H", [1, 200, 3]),
        np.array([1, 200, 3], np.uint64),
        np.array([1, 200, 3], np.uint32),
        np.array([1, 200, 3], np.int16),
        np.array([1, 200, 3], ">u4"),
        np.array([[1, 0], [200, 0], [3, 0]], np.uint8)[:, 0],
    ],
)
@pytest.mark.parametrize(
    "widths", [8, np.int64(8), [8, 8, 8], b"\x08\x08\x08", np.array([8, 8, 8])]
)
def test_write_many_takes_what_holds_integers(values: Any, widths: Any) -> None:
    writer = BitWriter()
    writer.write_bits(0, 3)
    writer.write_many(values, widths)
    reader = BitReader(writer)
    reader.skip(3)
    assert reader.read_many(8, 3) == [1, 200, 3]


def test_write_many_takes_iterators() -> None:
    writer = BitWriter()
    writer.write_many(iter([1, 2]), iter([8, 16]))
    assert writer.to_bytes() == b"\1\2\0"
    assert BitReader(writer).read_many(iter([8, 16])) == [1, 2]


def test_write_many_is_all_or_nothing() -> None:
    writer = BitWriter()
    with pytest.raises(EncodeError, match=r"item 2: 8 is outside 0\.\.7") as caught:
        writer.write_many([1, 2, 8], [3, 3, 3])
    assert (caught.value.value, caught.value.limit) == (8, "0..7")
    with pytest.raises(EncodeError, match="item 1: -1"):
        writer.write_many([1, -1], 64)
    with pytest.raises(EncodeError, match="item 0"):
        writer.write_many(np.array([256], np.uint16), 8)
    writer.write_many([], [])
    assert writer.bit_position == 0


def test_write_many_is_safe_when_its_list_shrinks_meanwhile() -> None:
    class Shrinking:
        def __index__(self) -> int:
            values.clear()
            return 1

    values: list[Any] = [Shrinking(), 2, 3]
    writer = BitWriter()
    writer.write_many(values, 8)
    assert writer.to_bytes() == b"\1\2\3"


def test_fixed_capacity() -> None:
    writer = BitWriter(2)
    assert (writer.capacity, writer.bits_remaining, writer.fixed) == (2, 16, True)
    writer.write_bits(1, 10)
    for name, args in [
        ("write_bits", (1, 7)),
        ("write_int", (1, 0, 127)),
        ("write_varint", (1,)),
        ("write_zigzag", (1,)),
        ("write_float32", (1.0,)),
        ("write_float64", (1.0,)),
        ("write_quantized", (0.5, 0, 1, 7)),
        ("write_angle", (0.5, 7)),
        ("write_quaternion", ((0, 0, 0, 1), 2)),
        ("write_bytes", (b"x",)),
        ("write_string", ("x", 1)),
        ("write_many", ([1, 1, 1], 3)),
    ]:
        with pytest.raises(EncodeError) as caught:
            getattr(writer, name)(*args)
        assert caught.value.limit == "6 bits"
        assert (writer.bit_position, writer.bits_remaining) == (10, 6)
    writer.write_bits(63, 6)
    assert writer.to_bytes() == b"\1\xfc"
    with pytest.raises(EncodeError, match="1 bits do not fit"):
        writer.write_bool(True)
    writer.align()
    writer.write_int(5, 5, 5)
    assert writer.bits_remaining == 0


def test_capacities() -> None:
    empty = BitWriter(0)
    assert empty.to_bytes() == b""
    with pytest.raises(EncodeError):
        empty.write_bool(False)
    with pytest.raises(ValueError, match="negative"):
        BitWriter(-1)
    with pytest.raises(TypeError):
        BitWriter(1.5)  # type: ignore[arg-type]
    for huge in (2**61, 2**63 - 1, 2**100):
        with pytest.raises(MemoryError):
            BitWriter(huge)
    growing = BitWriter()
    assert (growing.capacity, growing.bits_remaining, growing.fixed) == (None, None, False)
    growing.write_bytes(bytes(100_000))
    assert len(growing) == 100_000


def test_an_exported_buffer_pins_the_writer() -> None:
    writer = BitWriter()
    writer.write_bits(0x2FF, 10)
    view = memoryview(writer)
    assert (view.tobytes(), view.readonly, view.format) == (b"\xff\x02", True, "B")
    second = memoryview(writer)
    changes: list[Callable[[], object]] = [
        lambda: writer.write_bool(True),
        lambda: writer.write_bytes(b"x" * 1000),
        lambda: writer.write_many([1], 1),
        lambda: writer.write_bytes(writer),
        writer.align,
        writer.clear,
        lambda: writer.truncate(3),
    ]
    for change in changes:
        with pytest.raises(BufferError):
            change()
    writer.write_bytes(b"")
    writer.overwrite_bits(0, 0, 8)
    assert view.tobytes() == b"\x00\x02"
    second.release()
    with pytest.raises(BufferError):
        writer.clear()
    view.release()
    writer.write_bits(0, 6)
    writer.write_bytes(b"x" * 1000)
    writer.clear()
    assert writer.to_bytes() == b""


def test_the_buffer_is_read_only() -> None:
    writer = BitWriter()
    writer.write_bits(1, 8)
    with pytest.raises(TypeError, match="read-write"):
        io.BytesIO(b"x").readinto(writer)
    with pytest.raises(TypeError, match="read-only"):
        memoryview(writer)[0] = 0
    writer.clear()


def test_bitarray_both_ways() -> None:
    writer = BitWriter()
    writer.write_bits(0b1011, 4)
    writer.write_bits(300, 12)
    bits = bitarray(buffer=writer, endian="little")
    assert bits.to01() == "1101" + f"{300:012b}"[::-1]
    with pytest.raises(BufferError):
        writer.clear()
    with BitReader(bits) as reader:
        assert (reader.read_bits(4), reader.read_bits(12)) == (0b1011, 300)
    short = bitarray("1101", endian="little")
    with BitReader(short, bits=len(short)) as reader:
        assert (reader.read_bits(4), reader.bits_remaining) == (0b1011, 0)
        with pytest.raises(BufferError):
            short.extend([1] * 100)
    short.extend([1] * 100)
    del bits
    writer.clear()


def test_bitarray_shares_the_memory() -> None:
    writer = BitWriter()
    writer.write_bytes(bytes(1000))
    bits = bitarray(buffer=writer, endian="little")
    assert bits.readonly
    writer.overwrite_bits(4003, 1, 1)  # through the writer, seen by the bitarray
    assert bits.count() == bits[4003] == 1
    own = bitarray(bits)
    with BitReader(own, bits=len(own)) as reader:
        own[4003:4006] = bitarray("011")  # through the bitarray, seen by the reader
        reader.seek(4003)
        assert reader.read_bits(3) == 0b110


@given(st.lists(st.tuples(st.integers(1, 64), st.integers(0, 2**64 - 1)), max_size=40))
def test_bitarray_reads_what_was_written(items: list[tuple[int, int]]) -> None:
    writer = BitWriter()
    expected = bitarray(endian="little")
    for width, value in items:
        writer.write_bits(value % 2**width, width)
        expected += bitarray(f"{value % 2**width:0{width}b}"[::-1])
    bits = bitarray(buffer=writer, endian="little")[: writer.bit_position]
    assert bits == expected
    reader = BitReader(expected, bits=len(expected))
    assert [reader.read_bits(w) for w, _ in items] == [v % 2**w for w, v in items]
    reader.release()


def test_it_is_neither_pickled_nor_copied() -> None:
    for act in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be pickled or copied"):
            act(BitWriter())


def test_looks() -> None:
    writer = BitWriter()
    writer.write_bits(1, 3)
    assert repr(writer) == "<BitWriter: 3 bits>"
    assert repr(BitWriter(4)) == "<BitWriter: 0 of 32 bits>"
    assert len(writer) == 1
    assert bytes(writer) == b"\1"
    assert sys.getsizeof(BitWriter(10_000)) > 10_000
    with pytest.raises(TypeError):
        type("Sub", (BitWriter,), {})
    with pytest.raises(AttributeError):
        writer.fixed = True  # type: ignore[misc]
