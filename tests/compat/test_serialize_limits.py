"""serialize 1.0 by hand: bytes worked out on paper, refusals, misuse, and the streams' edges."""

from __future__ import annotations

import copy
import math
import pickle
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from netcode.bits import BitReader, BitWriter
from netcode.compat.serialize import MeasureStream, ReadStream, Stream, WriteStream
from netcode.errors import DecodeError, EncodeError

INT64 = (-(2**63), 2**63 - 1)
INT128 = (-(2**127), 2**127 - 1)

# method, value, operands, bytes in hex, bits
FACTS: list[tuple[str, Any, tuple[Any, ...], str, int]] = [
    ("bits", 0x1F, (5,), "1f", 5),
    ("bits", 2**63, (64,), "0000000000000080", 64),
    ("bool", True, (), "01", 1),
    ("int", 7, (0, 7), "07", 3),
    ("int", 8, (0, 8), "08", 4),
    ("int", 5, (5, 5), "", 0),
    ("int", -1, (-(2**31), 2**31 - 1), "ffffff7f", 32),
    ("int64", -(2**63), INT64, "0000000000000000", 64),
    ("int64", 2**32, (0, 2**32), "0000000001", 33),
    ("uint128", 1 << 120 | 2, (), "02" + "00" * 14 + "01", 128),
    ("int128", 2**127 - 1, INT128, "ff" * 16, 128),
    ("int128", 3, (3, 3), "", 0),
    ("int128", -1, (-(2**63), 2**63 - 1), "ff" * 7 + "7f", 64),
    ("int128", 2**64, (0, 2**64), "00" * 8 + "01", 65),
    ("fixed", -832, (8, 8, -100, 100), "c060", 16),  # -3.25
    ("fixed", 5 << 112, (16, 112, 5, 5), "", 0),
    ("fixed", (1 << 63) - 1 << 64, (64, 64, *INT64), "00" * 8 + "ff" * 8, 128),
    ("fixed", (1 << 48) - 1 << 16, (48, 16, 0, 2**48 - 1), "0000" + "ff" * 6, 64),
    ("fixed", -128, (8, 0, -128, 127), "00", 8),
    ("int_relative", 101, (100,), "01", 1),
    ("int_relative", 106, (100,), "12", 5),
    ("int_relative", 107, (100,), "04", 8),
    ("int_relative", 124, (100,), "0800", 13),
    ("int_relative", 381, (100,), "100000", 18),
    ("int_relative", 4478, (100,), "200000", 23),
    ("int_relative", 70015, (100,), "c05f440000", 38),
    ("int_relative", 2**32 - 1, (0,), "c0ffffff3f", 38),
    ("float", 1.0, (), "0000803f", 32),
    ("double", -0.0, (), "0000000000000080", 64),
    ("compressed_float", 5.0, (0.0, 10.0, 0.01), "f401", 10),
    ("compressed_float", 0.0, (0.0, 1e10, 1.0), "00000000", 32),
    ("bytes", b"\x01\x02", (2,), "0102", 16),
    ("bytes", b"", (0,), "", 0),
    ("string", "abc", (8,), "03616263", 32),
    ("string", "", (1,), "", 0),
    ("wstring", "мир", (8,), "e3210000c02100000022000000", 99),  # the standard's example
    ("wstring", "\U0001f600", (8,), "eac1060000f0060000", 67),
    ("wstring", "", (1,), "", 0),
]


@pytest.mark.parametrize(("method", "value", "operands", "data", "bits"), FACTS)
def test_bytes_on_paper(
    method: str, value: Any, operands: tuple[Any, ...], data: str, bits: int
) -> None:
    writer = WriteStream()
    assert getattr(writer, method)(value, *operands) == value
    assert (writer.to_bytes().hex(), writer.bits_processed) == (data, bits)
    reader = ReadStream(bytes.fromhex(data))
    assert getattr(reader, method)(None, *operands) == value
    assert reader.bits_processed == bits
    assert reader.bytes_processed == writer.bytes_processed == (bits + 7) // 8


# The two roundings: what a double would have written is one less in each case but the third.
@pytest.mark.parametrize(
    ("value", "code"), [(0.005, 1), (0.025, 3), (2.5, 250), (0.105, 11), (9.995, 1000)]
)
def test_compressed_floats_between_steps(value: float, code: int) -> None:
    writer = WriteStream()
    writer.compressed_float(value, 0.0, 10.0, 0.01)
    assert ReadStream(writer.to_bytes()).bits(None, 10) == code


@pytest.mark.parametrize("steps", [2**23 + 1, 2**24 - 1])
def test_top_of_a_compressed_float_stays_in_range(steps: int) -> None:
    writer = WriteStream()
    writer.compressed_float(float(steps), 0.0, float(steps), 1.0)
    writer.bits(0, 8)
    reader = ReadStream(writer.to_bytes())
    assert reader.compressed_float(None, 0.0, float(steps), 1.0) == steps
    assert reader.bits(None, 8) == 0


@pytest.mark.parametrize(("value", "kept"), [(-5.0, 0.0), (-3e38, 0.0), (11, 10.0), (3e38, 10.0)])
def test_compressed_floats_are_clamped(value: float, kept: float) -> None:
    writer = WriteStream()
    assert writer.compressed_float(value, 0.0, 10.0, 0.01) == value
    assert ReadStream(writer.to_bytes()).compressed_float(None, 0.0, 10.0, 0.01) == kept


def test_bytes_align_even_when_there_are_none() -> None:
    writer = WriteStream()
    writer.bool(True)
    writer.bytes(b"", 0)
    assert writer.bits_processed == 8
    reader = ReadStream(b"\x81")
    reader.bool(None)
    with pytest.raises(DecodeError, match="not zero"):
        reader.bytes(None, 0)


# What writers refuse

UNWRITABLE: list[tuple[str, Any, tuple[Any, ...], str]] = [
    ("bits", 8, (3,), "bits: 8 is outside 0..7"),
    ("bits", -1, (64,), "0..18446744073709551615"),
    ("int", 101, (-100, 100), "int: 101 is outside -100..100"),
    ("int", 2**70, (-100, 100), "outside -100..100"),
    ("int64", -1, (0, 2**63 - 1), "int64: -1 is outside 0..9223372036854775807"),
    ("uint128", 2**128, (), "uint128"),
    ("uint128", -1, (), "uint128: -1"),
    ("int128", 101, (-100, 100), "int128: 101 is outside -100..100"),
    ("fixed", 25601, (8, 8, -100, 100), "fixed: 25601 is outside -25600..25600"),
    ("fixed", 2**96, (32, 96, 0, 0), "outside 0..0"),
    ("int_relative", 100, (100,), "int_relative: 100 is outside 101..4294967295"),
    ("int_relative", 99, (100,), "outside 101"),
    ("int_relative", 2**32, (100,), "outside 101"),
    ("int_relative", 0, (2**32 - 1,), "outside 4294967296"),
    ("float", 1e39, (), "the range of a 32-bit float"),
    ("float", 10**400, (), "the range of a 64-bit float"),
    ("double", -(10**400), (), "the range of a 64-bit float"),
    ("compressed_float", math.nan, (0, 1, 0.1), "the finite 32-bit floats"),
    ("compressed_float", -math.inf, (0, 1, 0.1), "the finite 32-bit floats"),
    ("compressed_float", 1e39, (0, 1, 0.1), "the finite 32-bit floats"),
    ("bytes", b"abc", (2,), "3 bytes are not count=2"),
    ("string", "éé", (4,), "4 bytes of UTF-8 and a NUL do not fit buffer_size=4"),
    ("string", "a\0b", (8,), "NUL"),
    ("string", "\ud800", (8,), "lone surrogate"),
    ("wstring", "\U0001f600", (2,), "2 units of UTF-16 and a NUL do not fit buffer_size=2"),
    ("wstring", "\0", (8,), "NUL"),
    ("wstring", "\ud83d\ude00", (8,), "lone surrogate"),
]


@pytest.mark.parametrize(("method", "value", "operands", "message"), UNWRITABLE)
def test_values_that_do_not_fit(
    method: str, value: Any, operands: tuple[Any, ...], message: str
) -> None:
    writer = WriteStream()
    writer.bits(1, 3)
    with pytest.raises(EncodeError) as caught:
        getattr(writer, method)(value, *operands)
    assert message in str(caught.value)
    assert caught.value.value is value
    assert caught.value.limit
    assert writer.bits_processed == 3


@pytest.mark.parametrize(
    ("method", "value", "operands"), [(method, value, ops) for method, value, ops, _, _ in FACTS]
)
def test_writes_without_room_write_nothing(
    method: str, value: Any, operands: tuple[Any, ...]
) -> None:
    writer = WriteStream(1)
    writer.bits(0x55, 7)
    measure = MeasureStream()
    getattr(measure, method)(value, *operands)
    if measure.bits_processed <= 1:
        return
    if method in ("bytes", "string") and not value:
        getattr(writer, method)(value, *operands)  # one bit of padding fits
    else:
        with pytest.raises(EncodeError, match="do not fit"):
            getattr(writer, method)(value, *operands)
        assert writer.bits_processed == 7
    assert writer.to_bytes() == b"\x55"


# What readers refuse, and does not stand in the vectors

HOSTILE: list[tuple[str, str, tuple[Any, ...], str]] = [
    ("65", "int", (0, 100), "int at bit 0: 101 is outside 0..100"),
    ("ff", "int", (-100, 26), "int at bit 0: 27 is outside -100..26"),
    ("ff" * 16, "int128", (-(2**127), 0), "outside"),
    ("01" + "00" * 7 + "01", "int128", (0, 2**64), "18446744073709551617 is outside"),
    ("3e", "int_relative", (0,), "9 is outside differences 2..6"),
    ("40000000", "int_relative", (0,), "past the end"),
    ("e903", "compressed_float", (0.0, 10.0, 0.01), "1001 is outside steps 0..1000"),
    ("02610062", "string", (8,), "NUL"),
    ("03eda080", "string", (8,), "malformed UTF-8 in byte 0"),
    ("0100000000", "wstring", (8,), "NUL"),
    ("01c0060000", "wstring", (8,), "surrogate"),
    ("02c0060000c006000000", "wstring", (8,), "surrogate"),
    ("02c00600000802000000", "wstring", (8,), "surrogate"),
    ("0100000100", "wstring", (8,), "above 0xFFFF"),
    ("ffffffff", "wstring", (2**31 - 1,), "outside lengths"),
    ("feffff7f", "string", (2**31 - 1,), "past the end"),
    ("ff", "bytes", (2**31 - 1,), "past the end"),
]


@pytest.mark.parametrize(("data", "method", "operands", "message"), HOSTILE)
def test_data_that_is_refused(
    data: str, method: str, operands: tuple[Any, ...], message: str
) -> None:
    reader = ReadStream(bytes.fromhex(data))
    with pytest.raises(DecodeError, match=message) as caught:
        getattr(reader, method)(None, *operands)
    assert caught.value.bit == reader.bits_processed == 0


def test_nan_payloads_pass_unchanged() -> None:
    for pattern in (0x7F800001, 0xFFBFFFFF, 0x7FC00000, 0xFF800000, 0x00000001):
        data = pattern.to_bytes(4, "little")
        writer = WriteStream()
        writer.float(ReadStream(data).float(None))
        assert writer.to_bytes() == data
    # A double whose payload is all below a single's stays a NaN.
    writer = WriteStream()
    writer.float(ReadStream(b"\x01\0\0\0\0\0\xf0\x7f").double(None))
    assert math.isnan(ReadStream(writer.to_bytes()).float(None))


# Operands that make no sense, in all three streams

NONSENSE: list[tuple[str, Any, tuple[Any, ...], type[Exception]]] = [
    ("bits", 0, (0,), ValueError),
    ("bits", 0, (65,), ValueError),
    ("bits", 0, (1.0,), TypeError),
    ("int", 0, (1, 0), ValueError),
    ("int", 0, (0, 2**31), ValueError),
    ("int", 0, (-(2**31) - 1, 0), ValueError),
    ("int", 0, (0.0, 1), TypeError),
    ("int64", 0, (0, 2**63), ValueError),
    ("int64", 0, (1, 0), ValueError),
    ("int128", 0, (0, 2**127), ValueError),
    ("int128", 0, (1, 0), ValueError),
    ("int128", 0, (0, 1.0), TypeError),
    ("fixed", 0, (0, 8, 0, 0), ValueError),
    ("fixed", 0, (9, -1, 0, 0), ValueError),
    ("fixed", 0, (8, 9, 0, 0), ValueError),
    ("fixed", 0, (2**40, 8, 0, 0), ValueError),
    ("fixed", 0, (8, 8, 0, 256), ValueError),
    ("fixed", 0, (8, 8, -1, 128), ValueError),
    ("fixed", 0, (8, 8, -129, 0), ValueError),
    ("fixed", 0, (64, 64, 0, 2**63), ValueError),
    ("fixed", 0, (16, 112, -1, 2**15), ValueError),
    ("fixed", 0, (8, 8, 1, 0), ValueError),
    ("int_relative", 1, (-1,), ValueError),
    ("int_relative", 1, (2**32,), ValueError),
    ("compressed_float", 0.0, (1.0, 1.0, 0.1), ValueError),
    ("compressed_float", 0.0, (0.0, 1.0, 0.0), ValueError),
    ("compressed_float", 0.0, (0.0, 1.0, -1.0), ValueError),
    ("compressed_float", 0.0, (0.0, math.nan, 0.1), ValueError),
    ("compressed_float", 0.0, (-3e38, 3e38, 1.0), ValueError),
    ("compressed_float", 0.0, (0.0, 1e30, 1e-20), ValueError),
    ("compressed_float", 0.0, (0.0, 1.0, 1e-60), ValueError),
    ("bytes", b"", (-1,), ValueError),
    ("bytes", b"", (2**31,), ValueError),
    ("string", "", (0,), ValueError),
    ("wstring", "", (2**31,), ValueError),
]


@pytest.mark.parametrize(("method", "value", "operands", "error"), NONSENSE)
def test_operands_that_make_no_sense(
    method: str, value: Any, operands: tuple[Any, ...], error: type[Exception]
) -> None:
    for stream in (WriteStream(), ReadStream(bytes(64)), MeasureStream()):
        with pytest.raises(error):
            getattr(stream, method)(value, *operands)
        assert stream.bits_processed == 0


@pytest.mark.parametrize(
    ("method", "value", "operands"),
    [
        ("bits", 1.0, (8,)),
        ("int", "1", (0, 8)),
        ("int128", 1.0, (0, 8)),
        ("float", "1", ()),
        ("bytes", "1", (1,)),
        ("string", b"1", (8,)),
        ("wstring", 1, (8,)),
    ],
)
def test_values_of_a_wrong_type(method: str, value: Any, operands: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        getattr(WriteStream(), method)(value, *operands)


# One function for all three streams


@dataclass
class Vector:
    x: float = 0.0
    y: float = 0.0

    def serialize(self, stream: Stream) -> None:
        self.x = stream.compressed_float(self.x, -100.0, 100.0, 0.5)
        self.y = stream.compressed_float(self.y, -100.0, 100.0, 0.5)


@dataclass
class Ship:
    name: str = ""
    hp: int = 0
    at: Vector = field(default_factory=Vector)
    shots: list[int] = field(default_factory=list)

    def serialize(self, stream: Stream) -> None:
        self.name = stream.string(self.name, 16)
        self.hp = stream.int(self.hp, 0, 100)
        self.at = stream.object(self.at)
        count = stream.int(len(self.shots), 0, 8)
        if stream.is_reading:
            self.shots = [0] * count
        for i in range(count):
            self.shots[i] = stream.bits(self.shots[i], 20)


def test_one_function_writes_reads_and_measures() -> None:
    ship = Ship("Nadir", 73, Vector(12.5, -99.5), [1, 2**20 - 1])
    writer, measure = WriteStream(), MeasureStream()
    ship.serialize(writer)
    ship.serialize(measure)
    assert ship == Ship("Nadir", 73, Vector(12.5, -99.5), [1, 2**20 - 1])
    assert writer.bits_processed <= measure.bits_processed <= writer.bits_processed + 7
    assert ReadStream(writer.to_bytes()).object(Ship()) == ship
    kinds = [
        (stream.is_writing, stream.is_reading, stream.is_measuring)
        for stream in (writer, ReadStream(b""), measure)
    ]
    assert kinds == [(True, False, False), (False, True, False), (True, False, True)]


def test_measure_refuses_no_value() -> None:
    measure = MeasureStream()
    measure.int(1000, 0, 7)
    measure.string("a\0\ud800", 2)
    measure.wstring("\0" * 3, 2)
    assert measure.bits_processed == 3 + (1 + 7 + 40) + (1 + 96)


def test_streams_over_a_bit_writer_and_a_bit_reader() -> None:
    """A message between other fields; alignment counts from the start of the whole."""
    bits = BitWriter()
    bits.write_bits(1, 3)
    stream = WriteStream(bits)
    stream.bytes(np.arange(3, dtype=np.uint8), 3)
    assert stream.writer is bits
    bits.write_bool(True)
    assert stream.to_bytes() == bits.to_bytes() == b"\x01\0\x01\x02\x01"
    reader = BitReader(bits)
    assert reader.read_bits(3) == 1
    assert ReadStream(reader).bytes(None, 3) == b"\0\x01\x02"
    assert reader.read_bool()
    with pytest.raises(TypeError):
        ReadStream(reader, bits=3)
    reader.release()
    with pytest.raises(ValueError, match="released"):
        ReadStream(reader).bool(None)


def test_numpy_integers_and_subclasses_of_str() -> None:
    class Loud(str):
        def __str__(self) -> str:
            return self.upper()

    writer = WriteStream()
    writer.int(np.int64(-3), np.int8(-4), np.uint8(3))
    writer.wstring(Loud("hé"), 8)
    writer.string(Loud("hé"), 8)
    reader = ReadStream(writer.to_bytes())
    assert reader.int(None, -4, 3) == -3
    assert reader.wstring(None, 8) == reader.string(None, 8) == "hé"


def test_value_that_uses_the_stream_while_it_is_converted() -> None:
    """Sizes are taken after every conversion, which may run any code."""
    writer = WriteStream(4)

    class Meddler:
        def __index__(self) -> int:
            writer.bits(0x7F, 7)
            return 3

        def __bool__(self) -> bool:
            writer.bits(0x7F, 7)
            return True

    writer.int(Meddler(), 0, 3)
    writer.bool(Meddler())
    writer.int_relative(8, Meddler())
    with pytest.raises(EncodeError):
        writer.bits(Meddler(), 4)
    assert writer.to_bytes().hex() == "ffffff0e"


def test_trailing_bits_are_written_zero_and_not_looked_at() -> None:
    assert ReadStream(b"\xfd").bits(None, 3) == 5
    writer = WriteStream()
    writer.bits(7, 3)
    assert writer.to_bytes() == b"\x07"


@pytest.mark.parametrize("stream", [WriteStream(), ReadStream(b"ab"), MeasureStream()])
def test_streams_are_not_copied(stream: Stream) -> None:
    for copier in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be pickled"):
            copier(stream)
    assert type(stream).__name__ in repr(stream)
