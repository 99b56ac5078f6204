"""BitWriter and BitReader once more, in Python that is meant to be obvious: one big integer."""

from __future__ import annotations

import math
import struct

SQRT_HALF = math.sqrt(0.5)


class Writer:
    """Bit 0 of ``number`` is the first bit on the wire."""

    def __init__(self) -> None:
        self.number = 0
        self.length = 0

    def write_bits(self, value: int, bits: int) -> None:
        assert 0 <= value < 1 << bits
        self.number |= value << self.length
        self.length += bits

    def write_bool(self, value: bool) -> None:
        self.write_bits(int(value), 1)

    def write_int(self, value: int, minimum: int, maximum: int) -> None:
        assert minimum <= value <= maximum
        self.write_bits(value - minimum, (maximum - minimum).bit_length())

    def write_varint(self, value: int) -> None:
        while value > 127:
            self.write_bits(value % 128 + 128, 8)
            value //= 128
        self.write_bits(value, 8)

    def write_zigzag(self, value: int) -> None:
        self.write_varint(2 * value if value >= 0 else -2 * value - 1)

    def write_float32(self, value: float) -> None:
        self.write_bits(int.from_bytes(struct.pack("<f", value), "little"), 32)

    def write_float64(self, value: float) -> None:
        self.write_bits(int.from_bytes(struct.pack("<d", value), "little"), 64)

    def write_quantized(
        self,
        value: float,
        minimum: float,
        maximum: float,
        bits: int | None = None,
        *,
        step: float | None = None,
    ) -> None:
        if step is None:
            assert bits is not None
            step = (maximum - minimum) / steps(minimum, maximum, bits)
        top = math.floor((maximum - minimum) * (1 / step) + 0.5)
        code = math.floor((value - minimum) * (1 / step) + 0.5)
        self.write_bits(min(max(code, 0), top), top.bit_length())

    def write_angle(self, radians: float, bits: int) -> None:
        turn = 2 * math.pi
        if abs(radians) > turn:
            radians = math.fmod(radians, turn)
        self.write_bits(math.floor(radians * (2**bits / turn) + 0.5) % 2**bits, bits)

    def write_quaternion(self, quaternion: tuple[float, ...], bits: int) -> None:
        largest = max(range(4), key=lambda i: abs(quaternion[i]))
        scaled = [c / quaternion[largest] for c in quaternion]
        length = math.sqrt(((scaled[0] ** 2 + scaled[1] ** 2) + scaled[2] ** 2) + scaled[3] ** 2)
        middle = 2 ** (bits - 1) - 1
        self.write_bits(largest, 2)
        for i, c in enumerate(scaled):
            if i != largest:
                code = math.floor(c / length * (middle / SQRT_HALF) + middle + 0.5)
                self.write_bits(min(max(code, 0), 2 * middle), bits)

    def write_bytes(self, data: bytes, *, align: bool = False) -> None:
        if align:
            self.align()
        self.write_bits(int.from_bytes(data, "little"), 8 * len(data))

    def write_string(self, text: str, max_bytes: int) -> None:
        data = text.encode()
        self.write_int(len(data), 0, max_bytes)
        self.write_bytes(data, align=True)

    def write_many(self, values: list[int], widths: list[int]) -> None:
        for value, bits in zip(values, widths, strict=True):
            self.write_bits(value, bits)

    def align(self) -> None:
        self.length = (self.length + 7) // 8 * 8

    def overwrite_bits(self, bit_position: int, value: int, bits: int) -> None:
        assert bit_position + bits <= self.length
        self.number &= ~((2**bits - 1) << bit_position)
        self.number |= value << bit_position

    def truncate(self, bit_position: int) -> None:
        assert bit_position <= self.length
        self.length = bit_position
        self.number %= 2**bit_position

    def clear(self) -> None:
        self.truncate(0)

    def to_bytes(self) -> bytes:
        return self.number.to_bytes((self.length + 7) // 8, "little")


def steps(minimum: float, maximum: float, bits: int) -> int:
    """Steps from minimum to maximum: one less for a symmetric range, for a code in the middle."""
    return (1 << bits) - (2 if minimum == -maximum and bits > 1 else 1)


class Reader:
    """Reads from the low end; IndexError past the end, ValueError for anything malformed."""

    def __init__(self, data: bytes) -> None:
        self.number = int.from_bytes(data, "little")
        self.length = 8 * len(data)
        self.position = 0

    def read_bits(self, bits: int) -> int:
        if self.position + bits > self.length:
            raise IndexError
        value = (self.number >> self.position) & ((1 << bits) - 1)
        self.position += bits
        return value

    def read_bool(self) -> bool:
        return self.read_bits(1) == 1

    def read_int(self, minimum: int, maximum: int) -> int:
        value = minimum + self.read_bits((maximum - minimum).bit_length())
        if value > maximum:
            raise ValueError
        return value

    def read_varint(self) -> int:
        groups: list[int] = []
        while not groups or groups[-1] >= 128:
            if len(groups) == 10:
                raise ValueError
            groups.append(self.read_bits(8))
        value = sum((g % 128) << (7 * i) for i, g in enumerate(groups))
        if value >= 2**64 or (len(groups) > 1 and groups[-1] == 0):
            raise ValueError
        return value

    def read_zigzag(self) -> int:
        value = self.read_varint()
        return value // 2 if value % 2 == 0 else -(value + 1) // 2

    def read_bytes(self, count: int, *, align: bool = False) -> bytes:
        if align:
            self.align()
        return self.read_bits(8 * count).to_bytes(count, "little")

    def read_string(self, max_bytes: int) -> str:
        return self.read_bytes(self.read_int(0, max_bytes), align=True).decode()

    def align(self) -> None:
        if self.read_bits(-self.position % 8):
            raise ValueError
