"""BitWriter and BitReader against the oracle, bytes both ways."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from oracle import bits as oracle

from netcode.bits import BitReader, BitWriter
from netcode.errors import DecodeError

INT64 = st.integers(-(2**63), 2**63 - 1)
UINT64 = st.integers(0, 2**64 - 1)
WIDTHS = st.integers(1, 64)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def sized(draw: st.DrawFn) -> tuple[int, int]:
    bits = draw(WIDTHS)
    return draw(st.integers(0, 2**bits - 1)), bits


@st.composite
def ranged(draw: st.DrawFn) -> tuple[int, int, int]:
    low = draw(st.integers(-(2**63), 2**64 - 1))
    high = draw(st.integers(low, min(2**64 - 1, low + 2**64 - 1)))
    return draw(st.integers(low, high)), low, high


@st.composite
def quantised(draw: st.DrawFn) -> tuple[float, float, float, int]:
    low = draw(st.floats(-1e6, 1e6))
    # 24 bits of a narrower range would be finer than doubles are there.
    high = low + draw(st.floats(max(1e-3, abs(low) * 1e-6), 1e6))
    return draw(st.floats(low, high)), low, high, draw(st.integers(1, 24))


class Streams(RuleBasedStateMachine):
    """Random writes into both writers; at each step all of it is read back."""

    def __init__(self) -> None:
        super().__init__()
        self.writer = BitWriter()
        self.model = oracle.Writer()
        self.reads: list[tuple[int, Callable[[BitReader], object], object]] = []

    def write(self, name: str, *args: Any, **options: Any) -> None:
        at = self.model.length
        getattr(self.writer, name)(*args, **options)
        getattr(self.model, name)(*args, **options)
        self.at = at

    def expect(self, read: Callable[[BitReader], object], value: object) -> None:
        self.reads.append((self.at, read, value))

    @rule(pair=sized())
    def put_bits(self, pair: tuple[int, int]) -> None:
        value, bits = pair
        self.write("write_bits", value, bits)
        self.expect(lambda r: r.read_bits(bits), value)

    @rule(value=st.booleans())
    def put_bool(self, value: bool) -> None:
        self.write("write_bool", value)
        self.expect(lambda r: r.read_bool(), value)

    @rule(item=ranged())
    def put_int(self, item: tuple[int, int, int]) -> None:
        value, low, high = item
        self.write("write_int", value, low, high)
        self.expect(lambda r: r.read_int(low, high), value)

    @rule(value=UINT64)
    def put_varint(self, value: int) -> None:
        self.write("write_varint", value)
        self.expect(lambda r: r.read_varint(), value)

    @rule(value=INT64)
    def put_zigzag(self, value: int) -> None:
        self.write("write_zigzag", value)
        self.expect(lambda r: r.read_zigzag(), value)

    @rule(value=st.floats(width=32, allow_nan=False))
    def put_float32(self, value: float) -> None:
        self.write("write_float32", value)
        self.expect(lambda r: struct.pack("<d", r.read_float32()), struct.pack("<d", value))

    @rule(value=st.floats())
    def put_float64(self, value: float) -> None:
        self.write("write_float64", value)
        self.expect(lambda r: struct.pack("<d", r.read_float64()), struct.pack("<d", value))

    @rule(item=quantised())
    def put_quantized(self, item: tuple[float, float, float, int]) -> None:
        value, low, high, bits = item
        self.write("write_quantized", value, low, high, bits)
        half = (high - low) / oracle.steps(low, high, bits) / 2
        self.expect(
            lambda r: abs(r.read_quantized(low, high, bits) - value) <= half * (1 + 1e-6), True
        )

    @rule(radians=FINITE, bits=st.integers(1, 32))
    def put_angle(self, radians: float, bits: int) -> None:
        self.write("write_angle", radians, bits)
        turn = 2 * math.pi

        def near(r: BitReader) -> bool:
            error = math.remainder(r.read_angle(bits) - math.fmod(radians, turn), turn)
            return bool(abs(error) <= turn / 2 ** (bits + 1) + 1e-14)

        self.expect(near, True)

    @rule(
        quaternion=st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: max(map(abs, q)) > 0),
        bits=st.integers(2, 20),
    )
    def put_quaternion(self, quaternion: tuple[float, ...], bits: int) -> None:
        self.write("write_quaternion", quaternion, bits)
        biggest = max(map(abs, quaternion))
        scaled = [c / biggest for c in quaternion]
        length = math.sqrt(sum(c * c for c in scaled))

        def near(r: BitReader) -> bool:
            dot = sum(a * b / length for a, b in zip(r.read_quaternion(bits), scaled, strict=True))
            step = math.sqrt(0.5) / (2 ** (bits - 1) - 1)
            return bool(1 - abs(dot) <= 4 * step * step + 1e-12)

        self.expect(near, True)

    @rule(data=st.binary(max_size=40), align=st.booleans())
    def put_bytes(self, data: bytes, align: bool) -> None:
        self.write("write_bytes", data, align=align)
        self.expect(lambda r: r.read_bytes(len(data), align=align), data)

    @rule(text=st.text(max_size=20), spare=st.integers(0, 300))
    def put_string(self, text: str, spare: int) -> None:
        limit = len(text.encode()) + spare
        self.write("write_string", text, limit)
        self.expect(lambda r: r.read_string(limit), text)

    @rule(pairs=st.lists(sized(), max_size=20))
    def put_many(self, pairs: list[tuple[int, int]]) -> None:
        values = [value for value, _ in pairs]
        widths = [bits for _, bits in pairs]
        self.write("write_many", values, widths)
        self.expect(lambda r: r.read_many(widths), values)

    @rule()
    def do_align(self) -> None:
        self.write("align")
        self.expect(lambda r: r.align(), None)

    @precondition(lambda self: self.model.length)
    @rule(data=st.data())
    def do_overwrite(self, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, self.model.length - 1))
        bits = data.draw(st.integers(1, min(64, self.model.length - at)))
        value = data.draw(st.integers(0, 2**bits - 1))
        self.write("overwrite_bits", at, value, bits)
        self.reads.clear()  # what was there is no more

    @rule(data=st.data())
    def do_truncate(self, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, self.model.length))
        self.write("truncate", at)
        self.reads = [item for item in self.reads if item[0] < at][:-1]

    @rule()
    def do_clear(self) -> None:
        self.write("clear")
        self.reads.clear()

    @invariant()
    def same_bytes(self) -> None:
        assert self.writer.to_bytes() == self.model.to_bytes()
        assert self.writer.bit_position == self.model.length
        assert len(self.writer) == len(self.model.to_bytes())

    @invariant()
    def reads_back(self) -> None:
        with BitReader(self.writer) as reader:
            for at, read, value in self.reads:
                reader.seek(at)
                assert read(reader) == value


TestStreams = Streams.TestCase


@given(st.binary(max_size=40), st.data())
def test_reading_anything(data: bytes, draw: st.DataObject) -> None:
    """On arbitrary bytes both readers agree: on the value and the position, or to refuse."""
    reader = BitReader(data)
    model = oracle.Reader(data)
    operations = st.sampled_from(
        [
            "read_bits",
            "read_bool",
            "read_int",
            "read_varint",
            "read_zigzag",
            "align",
            "read_bytes",
            "read_string",
        ]
    )
    for _ in range(8):
        name = draw.draw(operations)
        args: tuple[int, ...] = ()
        options = {}
        if name == "read_bits":
            args = (draw.draw(WIDTHS),)
        elif name == "read_int":
            args = draw.draw(ranged())[1:]
        elif name == "read_bytes":
            args = (draw.draw(st.integers(0, 50)),)
            options = {"align": draw.draw(st.booleans())}
        elif name == "read_string":
            args = (draw.draw(st.integers(0, 300)),)
        before = reader.bit_position
        try:
            expected = getattr(model, name)(*args, **options)
        except (IndexError, ValueError):
            with pytest.raises(DecodeError) as caught:
                getattr(reader, name)(*args, **options)
            assert caught.value.bit == before
            assert reader.bit_position == before
            return
        assert getattr(reader, name)(*args, **options) == expected
        assert reader.bit_position == model.position


@given(st.lists(sized(), min_size=1, max_size=30), st.data())
def test_every_truncation_is_refused_whole(pairs: list[tuple[int, int]], draw: Any) -> None:
    writer = BitWriter()
    widths = [bits for _, bits in pairs]
    writer.write_many([value for value, _ in pairs], widths)
    cut = draw.draw(st.integers(0, writer.bit_position - 1))
    reader = BitReader(writer, bits=cut)
    with pytest.raises(DecodeError):
        reader.read_many(widths)
    assert reader.bit_position == 0
    done = 0
    for bits in widths:
        if done + bits > cut:
            with pytest.raises(DecodeError, match="past the end"):
                reader.read_bits(bits)
            assert reader.bit_position == done
            break
        reader.read_bits(bits)
        done += bits


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(1, 48), st.data())
def test_quantised_codes_survive(low: float, span: float, bits: int, draw: Any) -> None:
    """value -> code -> value -> code is the same code, whatever the range."""
    high = low + span
    writer = BitWriter()
    try:
        writer.write_quantized(low, low, high, bits)
    except ValueError:
        return  # finer than doubles are
    top = oracle.steps(low, high, bits)
    code = draw.draw(st.integers(0, top))
    writer.clear()
    writer.write_bits(code, bits)
    value = BitReader(writer.to_bytes()).read_quantized(low, high, bits)
    assert low <= value <= high
    again = BitWriter()
    again.write_quantized(value, low, high, bits)
    assert again.to_bytes() == writer.to_bytes()
    assert BitReader(top.to_bytes(8, "little")).read_quantized(low, high, bits) == high


@given(st.floats(-1e4, 1e4), st.floats(1e-2, 1e4), st.floats(1e-3, 1), st.data())
def test_stepped_codes_survive(low: float, span: float, part: float, draw: Any) -> None:
    high = low + span
    step = (high - low) * part
    value = draw.draw(st.floats(low, high))
    writer, model = BitWriter(), oracle.Writer()
    writer.write_quantized(value, low, high, step=step)
    model.write_quantized(value, low, high, step=step)
    assert writer.to_bytes() == model.to_bytes()
    back = BitReader(writer.to_bytes()).read_quantized(low, high, step=step)
    assert abs(back - value) <= step * (0.5 + 1e-9)
    assert low <= back <= high
    again = BitWriter()
    again.write_quantized(back, low, high, step=step)
    assert again.to_bytes() == writer.to_bytes()


@given(st.integers(0, 2**32 - 1))
def test_float32_is_bit_transparent(pattern: int) -> None:
    """Signalling NaNs and NaN payloads included, which a conversion would change."""
    data = pattern.to_bytes(4, "little")
    writer = BitWriter()
    writer.write_float32(BitReader(data).read_float32())
    assert writer.to_bytes() == data


@pytest.mark.parametrize("pattern", [0x7F800001, 0xFFBFFFFF, 0x7FC00000, 0x80000000, 1])
def test_float32_corners(pattern: int) -> None:
    test_float32_is_bit_transparent.hypothesis.inner_test(pattern)  # type: ignore[attr-defined]
