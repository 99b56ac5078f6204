"""The schema codec once more, in Python that is meant to be obvious.

A spec is what docs/reference/wire-format.md says of a field: a small dataclass that writes and
reads a value on the big-integer streams of oracle.bits, and lists its lanes. A schema is a Group.
Values are what Schema objects hold; a Group takes anything with attributes and reads into a dict.
"""

from __future__ import annotations

import enum
import math
import struct
from dataclasses import dataclass
from typing import Any

from oracle.bits import SQRT_HALF, Reader, Writer


def single(value: float) -> float:
    """Rounded to float32."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


class Spec:
    def write(self, out: Writer, value: Any) -> None:
        raise NotImplementedError

    def read(self, source: Reader) -> Any:
        raise NotImplementedError

    def lanes(self, value: Any) -> list[int]:
        """Codes of at most 32 bits."""
        raise NotImplementedError

    def count(self) -> int:
        """How many lanes."""
        raise NotImplementedError


class Code(Spec):
    """One unsigned code of a fixed width."""

    bits: int
    top: int

    def code(self, value: Any) -> int:
        raise NotImplementedError

    def value(self, code: int) -> Any:
        raise NotImplementedError

    def write(self, out: Writer, value: Any) -> None:
        out.write_bits(self.code(value), self.bits)

    def read(self, source: Reader) -> Any:
        code = source.read_bits(self.bits)
        if code > self.top:
            raise ValueError
        return self.value(code)

    def lanes(self, value: Any) -> list[int]:
        code = self.code(value)
        return [code] if self.count() == 1 else [code % 2**32, code >> 32]

    def count(self) -> int:
        return 1 if self.top < 2**32 else 2


@dataclass
class Bool(Code):
    bits = 1
    top = 1

    def code(self, value: Any) -> int:
        return int(value)

    def value(self, code: int) -> Any:
        return bool(code)


@dataclass
class Int(Code):
    lo: int
    hi: int

    def __post_init__(self) -> None:
        self.top = self.hi - self.lo
        self.bits = self.top.bit_length()

    def code(self, value: Any) -> int:
        assert self.lo <= value <= self.hi
        return int(value) - self.lo

    def value(self, code: int) -> Any:
        return self.lo + code


@dataclass
class VarUint(Spec):
    max: int

    def write(self, out: Writer, value: Any) -> None:
        assert 0 <= value <= self.max
        out.write_varint(value)

    def read(self, source: Reader) -> Any:
        value = source.read_varint()
        if value > self.max:
            raise ValueError
        return value

    def lanes(self, value: Any) -> list[int]:
        return [value] if self.count() == 1 else [value % 2**32, value >> 32]

    def count(self) -> int:
        return 1 if self.max < 2**32 else 2


@dataclass
class Quantized(Code):
    lo: float
    hi: float
    step: float
    single: bool = False

    def __post_init__(self) -> None:
        self.scale = 1.0 / self.step
        self.top = math.floor((self.hi - self.lo) * self.scale + 0.5)
        self.bits = self.top.bit_length()

    def code(self, value: Any) -> int:
        x = (float(value) - self.lo) * self.scale
        return min(max(math.floor(x + 0.5), 0), self.top)

    def value(self, code: int) -> Any:
        value = self.lo + code * self.step
        if abs(value) < abs(self.lo) * 4.5e-16:
            value = 0.0
        last = self.hi
        if self.top <= (self.hi - self.lo) * self.scale * (1 - 1e-9):
            last = min(self.lo + self.top * self.step, self.hi)
        value = last if code == self.top else min(value, last)
        return single(value) if self.single else value


@dataclass
class Angle(Code):
    bits: int
    single: bool = False

    def __post_init__(self) -> None:
        self.top = 2**self.bits - 1

    def code(self, value: Any) -> int:
        turn = 2 * math.pi
        value = math.fmod(value, turn) if abs(value) > turn else value
        return math.floor(value * (2**self.bits / turn) + 0.5) % 2**self.bits

    def value(self, code: int) -> Any:
        signed = code - 2**self.bits if code >= 2 ** (self.bits - 1) else code
        value = signed * (2 * math.pi / 2**self.bits)
        return single(value) if self.single else value


@dataclass
class Float(Code):
    bits: int
    finite: bool

    def __post_init__(self) -> None:
        self.top = 2**self.bits - 1
        self.form = "<f" if self.bits == 32 else "<d"

    def code(self, value: Any) -> int:
        if math.isnan(value):
            return 0x7FC00000 if self.bits == 32 else 0x7FF8000000000000
        return int.from_bytes(struct.pack(self.form, value), "little")

    def value(self, code: int) -> Any:
        value = struct.unpack(self.form, code.to_bytes(self.bits // 8, "little"))[0]
        if (self.finite and not math.isfinite(value)) or code != self.code(value):
            raise ValueError
        return value


@dataclass
class Vec(Spec):
    parts: tuple[Quantized, ...]

    def write(self, out: Writer, value: Any) -> None:
        for part, x in zip(self.parts, value, strict=True):
            part.write(out, x)

    def read(self, source: Reader) -> Any:
        return tuple(part.read(source) for part in self.parts)

    def lanes(self, value: Any) -> list[int]:
        return [part.code(x) for part, x in zip(self.parts, value, strict=True)]

    def count(self) -> int:
        return len(self.parts)


@dataclass
class Quat(Spec):
    bits: int
    single: bool = False

    def __post_init__(self) -> None:
        self.middle = 2 ** (self.bits - 1) - 1

    def pack(self, q: tuple[float, ...]) -> list[int]:
        """Index of the largest component, and codes of the others."""
        total = (q[0] * q[0] + q[1] * q[1]) + (q[2] * q[2] + q[3] * q[3])
        if not 1e-200 < total < 1e200:
            biggest = max(map(abs, q))
            q = tuple(c / biggest for c in q)
            total = (q[0] * q[0] + q[1] * q[1]) + (q[2] * q[2] + q[3] * q[3])
        scale = self.middle * 1.4142135623730951
        if not abs(total - 1) <= 1e-7:
            scale /= math.sqrt(total)
        parts = [math.floor(c * scale + (2 * self.middle + 0.5)) - 2 * self.middle for c in q]
        largest = max(range(4), key=lambda i: abs(parts[i]))
        if parts[largest] < 0:
            parts = [-part for part in parts]
        del parts[largest]
        return [largest, *(part + self.middle for part in parts)]

    def unpack(self, largest: int, *codes: int) -> list[float]:
        a, b, c = ((code - self.middle) * (SQRT_HALF / self.middle) for code in codes)
        others = [a, b, c]
        rest = math.sqrt(max(0.0, 1 - ((a * a + b * b) + c * c)))
        return [*others[:largest], rest, *others[largest:]]

    def settled(self, codes: list[int]) -> list[int]:
        """Leave out the component that is largest after rounding, the first of equals."""
        while True:
            largest = codes[0]
            parts = [code - self.middle for code in codes[1:]]
            square = 2 * self.middle**2 - sum(part**2 for part in parts)
            if square < 0:
                return []
            parts.insert(largest, (math.isqrt(4 * square) + 1) // 2)
            chosen = max(range(4), key=lambda i: abs(parts[i]))
            if chosen == largest:
                return codes
            if parts[chosen] < 0:
                parts = [-part for part in parts]
            codes = [chosen, *(p + self.middle for i, p in enumerate(parts) if i != chosen)]

    def write(self, out: Writer, value: Any) -> None:
        largest, *codes = self.lanes(value)
        out.write_bits(largest, 2)
        for code in codes:
            out.write_bits(code, self.bits)

    def read(self, source: Reader) -> Any:
        codes = [source.read_bits(2), *(source.read_bits(self.bits) for _ in range(3))]
        if max(codes[1:]) > 2 * self.middle or self.settled(codes) != codes:
            raise ValueError
        value = self.unpack(*codes)
        return tuple(map(single, value)) if self.single else tuple(value)

    def lanes(self, value: Any) -> list[int]:
        return self.settled(self.pack(value))

    def count(self) -> int:
        return 4


@dataclass
class Enum(Code):
    cls: type[enum.Enum]

    def __post_init__(self) -> None:
        self.members = list(self.cls)
        self.top = len(self.members) - 1
        self.bits = max(1, self.top.bit_length())

    def code(self, value: Any) -> int:
        return self.members.index(value)

    def value(self, code: int) -> Any:
        return self.members[code]


@dataclass
class Flags(Code):
    cls: type[enum.Flag]

    def __post_init__(self) -> None:
        self.top = 0
        for member in self.cls:
            self.top |= member.value
        self.bits = self.top.bit_length()

    def code(self, value: Any) -> int:
        return int(value.value)

    def value(self, code: int) -> Any:
        if code & ~self.top:
            raise ValueError
        return self.cls(code)


@dataclass
class Bytes(Spec):
    max: int
    text: bool

    def write(self, out: Writer, value: Any) -> None:
        data = value.encode() if self.text else bytes(value)
        out.write_int(len(data), 0, self.max)
        out.write_bytes(data)

    def read(self, source: Reader) -> Any:
        data = source.read_bytes(source.read_int(0, self.max))
        if not self.text:
            return data
        if 0 in data:
            raise ValueError
        return data.decode()

    def lanes(self, value: Any) -> list[int]:
        data = value.encode() if self.text else bytes(value)
        padded = data.ljust(4 * (self.count() - 1), b"\0")
        words = [int.from_bytes(padded[i : i + 4], "little") for i in range(0, len(padded), 4)]
        return [len(data), *words]

    def count(self) -> int:
        return 1 + (self.max + 3) // 4


@dataclass
class Optional(Spec):
    inner: Spec

    def write(self, out: Writer, value: Any) -> None:
        out.write_bool(value is not None)
        if value is not None:
            self.inner.write(out, value)

    def read(self, source: Reader) -> Any:
        return self.inner.read(source) if source.read_bool() else None

    def lanes(self, value: Any) -> list[int]:
        if value is None:
            return [0] * self.count()
        return [1, *self.inner.lanes(value)]

    def count(self) -> int:
        return 1 + self.inner.count()


@dataclass
class Array(Spec):
    element: Spec
    max: int

    def write(self, out: Writer, value: Any) -> None:
        out.write_int(len(value), 0, self.max)
        for item in value:
            self.element.write(out, item)

    def read(self, source: Reader) -> Any:
        return [self.element.read(source) for _ in range(source.read_int(0, self.max))]

    def lanes(self, value: Any) -> list[int]:
        lanes = [len(value)]
        for item in value:
            lanes += self.element.lanes(item)
        return lanes + [0] * (self.count() - len(lanes))

    def count(self) -> int:
        return 1 + self.max * self.element.count()


@dataclass
class Group(Spec):
    fields: dict[str, Spec]

    def write(self, out: Writer, value: Any) -> None:
        for name, spec in self.fields.items():
            spec.write(out, getattr(value, name))

    def read(self, source: Reader) -> Any:
        return {name: spec.read(source) for name, spec in self.fields.items()}

    def lanes(self, value: Any) -> list[int]:
        lanes = []
        for name, spec in self.fields.items():
            lanes += spec.lanes(getattr(value, name))
        return lanes

    def count(self) -> int:
        return sum(spec.count() for spec in self.fields.values())


def encode(spec: Spec, value: Any) -> bytes:
    """One value as a message."""
    out = Writer()
    spec.write(out, value)
    return out.to_bytes()


def encode_many(spec: Spec, values: list[Any]) -> bytes:
    """A count and the values."""
    out = Writer()
    out.write_varint(len(values))
    for value in values:
        spec.write(out, value)
    return out.to_bytes()


def decode(spec: Spec, data: bytes) -> Any:
    """One value from exactly its bytes; IndexError or ValueError when they are none."""
    source = Reader(data)
    value = spec.read(source)
    left = source.length - source.position
    if left >= 8 or source.read_bits(left):
        raise ValueError
    return value
