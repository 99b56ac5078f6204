"""BitReader: hostile data, misuse, buffers and release."""

from __future__ import annotations

import array
import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest
from bitarray import bitarray

from netcode.bits import BitReader, BitWriter
from netcode.errors import DecodeError

HOSTILE: list[tuple[str, str, tuple[Any, ...], dict[str, Any], str]] = [
    # data in hex, after 1 bit; method, arguments; what the message says
    ("", "read_bits", (1,), {}, "past the end"),
    ("ff", "read_bits", (8,), {}, "7 bits are left"),
    ("ffffffffffffffff", "read_bits", (64,), {}, "63 bits are left"),
    ("ff", "read_int", (0, 100), {}, "127 is outside 0..100"),
    ("ff", "read_int", (-50, 50), {}, "77 is outside -50..50"),
    ("ff", "read_int", (0, 255), {}, "past the end"),
    ("ffff", "read_varint", (), {}, "past the end"),
    ("010100", "read_varint", (), {}, "shortest form"),
    ("ffffffffffffffffffff0700", "read_varint", (), {}, "shortest form"),
    ("ffffffffffffffffffffffff", "read_varint", (), {}, "shortest form"),
    ("ffffffffffffffffffffffff", "read_zigzag", (), {}, "shortest form"),
    ("ffffff", "read_float32", (), {}, "past the end"),
    ("ffffffffffffff", "read_float64", (), {}, "past the end"),
    ("ff", "read_quantized", (0.0, 10.0), {"step": 1.0}, "15 is outside codes 0..10"),
    ("ff", "read_quantized", (0.0, 10.0, 8), {}, "past the end"),
    ("ff", "read_angle", (8,), {}, "past the end"),
    ("ffffff", "read_quaternion", (7,), {}, "127 is outside codes 0..126"),
    ("ffff", "read_quaternion", (9,), {}, "past the end"),
    ("ffff", "read_bytes", (2,), {}, "past the end"),
    ("01ffff", "read_bytes", (3,), {"align": True}, "past the end"),
    ("81ff", "read_bytes", (1,), {"align": True}, "padding before bit 8 is not zero"),
    ("01", "read_bytes", (2**63 - 1,), {}, "past the end"),
    ("01", "read_bytes", (2**80,), {}, "past the end"),
    ("ffff", "read_string", (100,), {}, "127 is outside 0..100 bytes"),
    ("05", "read_string", (7,), {}, "past the end"),
    ("8561", "read_string", (7,), {}, "padding before bit 8 is not zero"),
    ("03ff", "read_string", (7,), {}, "malformed UTF-8 in byte 0"),
    ("0761eda0", "read_string", (7,), {}, "malformed UTF-8 in byte 1"),
    ("07ff", "read_string", (2**63 - 1,), {}, "past the end"),
    ("ff", "align", (), {}, "not zero"),
    ("ffff", "read_many", ([8, 8],), {}, "past the end"),
    ("ffff", "read_many", (5, 4), {}, "past the end"),
    ("ffff", "read_many", (1, 2**62), {}, "past the end"),
    ("ffff", "skip", (16,), {}, "past the end"),
    ("ffff", "skip", (2**90,), {}, "past the end"),
    ("ffff", "seek", (17,), {}, "past the end"),
    ("ffff", "expect_end", (), {}, "15 bits were not read"),
    ("ff", "expect_end", (), {}, "the last 7 bits are not zero"),
]


@pytest.mark.parametrize(("data", "method", "args", "options", "says"), HOSTILE)
def test_hostile_data(
    data: str, method: str, args: tuple[Any, ...], options: dict[str, Any], says: str
) -> None:
    raw = bytes.fromhex(data)
    reader = BitReader(raw)
    start = min(1, 8 * len(raw))
    reader.seek(start)
    with pytest.raises(DecodeError) as caught:
        getattr(reader, method)(*args, **options)
    assert says in str(caught.value)
    assert caught.value.bit == start
    assert reader.bit_position == start
    assert reader.bits_remaining == 8 * len(raw) - start


@pytest.mark.parametrize(
    ("method", "args", "error"),
    [
        ("read_bits", (0,), ValueError),
        ("read_bits", (65,), ValueError),
        ("read_bits", (2**80,), ValueError),
        ("read_bits", (1.0,), TypeError),
        ("read_int", (1, 0), ValueError),
        ("read_int", (0, 2**64), ValueError),
        ("read_quantized", (0, 1), TypeError),
        ("read_quantized", (1, 0, 8), ValueError),
        ("read_angle", (0,), ValueError),
        ("read_quaternion", (1,), ValueError),
        ("read_bytes", (-1,), ValueError),
        ("read_bytes", (1.5,), TypeError),
        ("read_string", (-1,), ValueError),
        ("read_many", (8,), TypeError),
        ("read_many", ([8], 1), TypeError),
        ("read_many", ([8, 0],), ValueError),
        ("read_many", (8, -1), ValueError),
        ("skip", (-1,), ValueError),
        ("seek", (-1,), ValueError),
    ],
)
def test_nonsense_moves_nothing(method: str, args: tuple[Any, ...], error: type) -> None:
    reader = BitReader(bytes(100))
    reader.skip(3)
    with pytest.raises(error) as caught:
        getattr(reader, method)(*args)
    assert not isinstance(caught.value, DecodeError)
    assert reader.bit_position == 3


@pytest.mark.parametrize(
    "data",
    [
        b"\1\2",
        bytearray(b"\1\2"),
        memoryview(b"\1\2"),
        memoryview(b"\0\1\2\3")[1:3],
        array.array("B", [1, 2]),
        np.array([1, 2], np.uint8),
        np.array([0x0201], "<u2"),
        np.array([[1], [2]], np.int8),
        bitarray("10000000 01000000", endian="little"),
    ],
)
def test_any_contiguous_buffer(data: Any) -> None:
    reader = BitReader(data)
    assert len(reader) == 2
    assert reader.read_bits(16) == 0x0201
    reader.expect_end()


def test_buffers_it_refuses() -> None:
    with pytest.raises(TypeError):
        BitReader("text")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        BitReader([1, 2])  # type: ignore[arg-type]
    with pytest.raises((BufferError, ValueError)):
        BitReader(np.zeros(8, np.uint8)[::2])
    with pytest.raises(BufferError):
        BitReader(memoryview(b"1234")[::2])
    with pytest.raises(ValueError, match="big-endian"):
        BitReader(bitarray("1", endian="big"))
    with pytest.raises(ValueError, match="more than the 8 bits"):
        BitReader(b"1", bits=9)
    with pytest.raises(ValueError, match="negative"):
        BitReader(b"1", bits=-1)
    with pytest.raises(TypeError):
        BitReader()  # type: ignore[call-arg]


def test_a_failed_start_does_not_pin() -> None:
    data = bytearray(1)
    with pytest.raises(ValueError, match="more than"):
        BitReader(data, bits=9)
    data.append(1)


def test_release() -> None:
    data = bytearray(b"\1\2\3")
    with BitReader(data) as reader:
        reader.read_bits(9)
        with pytest.raises(BufferError):
            data.append(4)
    data.append(4)
    reader.release()
    assert repr(reader) == "<BitReader: released>"
    assert (len(reader), reader.bits_remaining, reader.bit_position) == (0, 0, 0)
    for read in (reader.read_bool, reader.read_varint, lambda: reader.read_many(1, 1)):
        with pytest.raises(ValueError, match="released"):
            read()
    dropped = BitReader(data)
    del dropped
    data.append(5)


def test_released_by_an_argument() -> None:
    """Arguments may run any code: a reader that loses its data meanwhile must notice."""

    class Releasing:
        def __init__(self, value: int) -> None:
            self.value = value

        def __index__(self) -> int:
            reader.release()
            return self.value

    for method, args in [
        ("read_bits", (Releasing(3),)),
        ("read_int", (0, Releasing(100))),
        ("read_quantized", (0, Releasing(1), 8)),
        ("read_bytes", (Releasing(3),)),
        ("read_string", (Releasing(3),)),
        ("read_many", ([3, Releasing(3)],)),
        ("read_many", (3, Releasing(3))),
        ("skip", (Releasing(3),)),
    ]:
        reader = BitReader(bytes(100))
        reader.skip(50)
        with pytest.raises(ValueError, match="released"):
            getattr(reader, method)(*args)
        assert (reader.bit_position, reader.bits_remaining) == (0, 0)


def test_seek_and_skip() -> None:
    reader = BitReader(b"\x0f\xf0")
    reader.skip(4)
    assert reader.read_bits(8) == 0
    reader.seek(0)
    assert reader.read_bits(16) == 0xF00F
    reader.skip(0)
    reader.seek(16)
    reader.expect_end()
    reader.align()


def test_a_limit_in_bits() -> None:
    reader = BitReader(b"\xff\xff", bits=11)
    assert (len(reader), reader.bits_remaining) == (2, 11)
    assert reader.read_bits(11) == 0x7FF
    with pytest.raises(DecodeError):
        reader.read_bool()
    reader.expect_end()
    assert BitReader(b"", bits=0).bits_remaining == 0


def test_angles_and_rotations_from_any_code() -> None:
    for code in range(256):
        angle = BitReader(bytes([code])).read_angle(8)
        assert -math.pi <= angle < math.pi
        writer = BitWriter()
        writer.write_angle(angle, 8)
        assert writer.to_bytes() == bytes([code])
        if 3 in (code >> 2 & 3, code >> 4 & 3, code >> 6):
            continue  # 2 bits have the codes 0, 1 and 2
        rotation = BitReader(bytes([code])).read_quaternion(2)
        assert len(rotation) == 4
        assert math.isclose(math.hypot(*rotation), 1.0)


def test_it_is_neither_pickled_nor_copied() -> None:
    for act in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be pickled or copied"):
            act(BitReader(b""))


def test_repr() -> None:
    reader = BitReader(b"abc")
    reader.skip(5)
    assert repr(reader) == "<BitReader: bit 5 of 24>"
