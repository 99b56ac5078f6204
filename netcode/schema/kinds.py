"""What the markers mean: one class for each kind of field, checked and complete.

A kind knows its widths on the wire, its NumPy type, its canonical text (which is hashed: changing
one changes every ``schema_hash``) and how its limit is called in an error message.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "AngleKind",
    "ArrayKind",
    "BlobKind",
    "BoolKind",
    "EnumKind",
    "Field",
    "FlagsKind",
    "FloatKind",
    "IntKind",
    "Kind",
    "NestedKind",
    "OptionalKind",
    "QuantizedKind",
    "QuatKind",
    "TextKind",
    "VarUintKind",
    "VecKind",
    "number",
]


def number(value: float) -> str:
    """The shortest text of a float that reads back the same; whole numbers without a point."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


class Kind:
    """One kind of field."""

    @property
    def name(self) -> str:
        """One word."""
        raise NotImplementedError

    @property
    def bits_max(self) -> int:
        """Most bits on the wire."""
        raise NotImplementedError

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy type of one value."""
        raise NotImplementedError

    @property
    def limit(self) -> str:
        """What is accepted, for error messages."""
        raise NotImplementedError

    @property
    def text(self) -> str:
        """Canonical description."""
        raise NotImplementedError

    @property
    def bits_min(self) -> int:
        """Fewest bits on the wire."""
        return self.bits_max

    @property
    def depth(self) -> int:
        """Levels of schemas and arrays, itself included."""
        return 0

    def neutral(self) -> Any:
        """The value of a row that nobody has set: the accepted value nearest to zero."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a schema class.

    Attributes:
        name: its name.
        kind: what it holds and how that travels.
        has_default: whether it may be left out of the constructor.
        default: the default, or None without one.
        since: the version that it was added in.
    """

    name: str
    kind: Kind
    has_default: bool = False
    default: Any = None
    since: int = 1


class ScalarKind(Kind):
    """A kind whose value is one number in a column."""

    store: np.dtype[Any]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.store


@dataclass(frozen=True)
class BoolKind(Kind):
    name = "bool"
    bits_max = 1
    dtype = np.dtype(np.bool_)
    limit = "a bool"
    text = "bool"

    def neutral(self) -> bool:
        return False


@dataclass(frozen=True)
class IntKind(ScalarKind):
    lo: int
    hi: int
    store: np.dtype[Any]
    raw: bool = False

    @property
    def name(self) -> str:
        return "bits" if self.raw else "int"

    @property
    def bits_max(self) -> int:
        return max(1, (self.hi - self.lo).bit_length())

    @property
    def limit(self) -> str:
        return f"an int from {self.lo} to {self.hi}"

    @property
    def text(self) -> str:
        return f"bits {self.bits_max}" if self.raw else f"int {self.lo}..{self.hi}"

    def neutral(self) -> int:
        return min(max(0, self.lo), self.hi)


@dataclass(frozen=True)
class VarUintKind(ScalarKind):
    max: int
    store: np.dtype[Any]
    name = "varuint"
    bits_min = 8

    @property
    def bits_max(self) -> int:
        return 8 * max(1, -(-self.max.bit_length() // 7))

    @property
    def limit(self) -> str:
        return f"an int from 0 to {self.max}"

    @property
    def text(self) -> str:
        return f"varuint 0..{self.max}"

    def neutral(self) -> int:
        return 0


@dataclass(frozen=True)
class QuantizedKind(ScalarKind):
    lo: float
    hi: float
    step: float
    max_code: int
    clamp: bool
    store: np.dtype[Any]
    name = "quantized"

    @property
    def bits_max(self) -> int:
        return self.max_code.bit_length()

    @property
    def limit(self) -> str:
        return f"a float from {number(self.lo)} to {number(self.hi)}"

    @property
    def text(self) -> str:
        grid = f"{number(self.lo)}..{number(self.hi)} step {number(self.step)}"
        return f"quantized {grid} codes {self.max_code + 1}"

    def neutral(self) -> float:
        return min(max(0.0, self.lo), self.hi)


@dataclass(frozen=True)
class AngleKind(ScalarKind):
    bits: int
    store: np.dtype[Any]
    name = "angle"
    limit = "a finite float, in radians"

    @property
    def bits_max(self) -> int:
        return self.bits

    @property
    def text(self) -> str:
        return f"angle {self.bits} bits"

    def neutral(self) -> float:
        return 0.0


@dataclass(frozen=True)
class FloatKind(ScalarKind):
    bits: int
    finite: bool
    store: np.dtype[Any]

    @property
    def bits_max(self) -> int:
        return self.bits

    @property
    def name(self) -> str:
        return f"float{self.bits}"

    @property
    def limit(self) -> str:
        size = " that fits in 32 bits" if self.bits == 32 else ""
        return f"a finite float{size}" if self.finite else "a float"

    @property
    def text(self) -> str:
        return self.name if self.finite else f"{self.name} or nan"

    def neutral(self) -> float:
        return 0.0


@dataclass(frozen=True)
class VecKind(Kind):
    parts: tuple[QuantizedKind, ...]

    @property
    def name(self) -> str:
        return f"vec{len(self.parts)}"

    @property
    def bits_max(self) -> int:
        return sum(part.bits_max for part in self.parts)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype((self.parts[0].store, (len(self.parts),)))

    @property
    def limit(self) -> str:
        return f"a tuple of {len(self.parts)} floats"

    @property
    def text(self) -> str:
        if len(set(self.parts)) == 1:
            return f"{self.name} of {self.parts[0].text}"
        return f"{self.name} of " + ", ".join(part.text for part in self.parts)

    def neutral(self) -> tuple[float, ...]:
        return tuple(part.neutral() for part in self.parts)


@dataclass(frozen=True)
class QuatKind(Kind):
    bits: int
    scalar: np.dtype[Any]
    name = "quat"
    limit = "a tuple of 4 finite floats, not all zero"

    @property
    def bits_max(self) -> int:
        return 2 + 3 * self.bits

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype((self.scalar, (4,)))

    @property
    def text(self) -> str:
        return f"quat {self.bits} bits"

    def neutral(self) -> tuple[float, ...]:
        return (0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class EnumKind(ScalarKind):
    cls: type[enum.Enum]
    members: tuple[enum.Enum, ...]
    """In the order of definition, without aliases: the code is the index."""
    stored: tuple[int, ...]
    """What the NumPy column holds for each code: the member's value where all are integers, else
    the code."""
    store: np.dtype[Any]
    name = "enum"

    @property
    def bits_max(self) -> int:
        return max(1, (len(self.members) - 1).bit_length())

    @property
    def limit(self) -> str:
        return f"a member of {self.cls.__name__}"

    @property
    def text(self) -> str:
        return "enum " + " ".join(member.name for member in self.members)

    def neutral(self) -> enum.Enum:
        return self.members[0]


@dataclass(frozen=True)
class FlagsKind(ScalarKind):
    cls: type[enum.Flag]
    mask: int
    store: np.dtype[Any]
    name = "flags"

    @property
    def bits_max(self) -> int:
        return self.mask.bit_length()

    @property
    def limit(self) -> str:
        return f"a {self.cls.__name__}"

    @property
    def text(self) -> str:
        single = [m for m in self.cls.__members__.values() if m.value and not m.value & m.value - 1]
        names = {m.value: m.name for m in reversed(single)}
        return "flags " + " ".join(f"{names[bit]}={bit}" for bit in sorted(names))

    def neutral(self) -> enum.Flag:
        return self.cls(0)


@dataclass(frozen=True)
class TextKind(Kind):
    max_bytes: int
    name = "text"

    @property
    def bits_min(self) -> int:
        return self.max_bytes.bit_length()

    @property
    def bits_max(self) -> int:
        return self.bits_min + 8 * self.max_bytes

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(f"S{self.max_bytes}")

    @property
    def limit(self) -> str:
        return f"a str of at most {self.max_bytes} bytes of UTF-8, without NUL"

    @property
    def text(self) -> str:
        return f"text {self.max_bytes} bytes"

    def neutral(self) -> str:
        return ""


@dataclass(frozen=True)
class BlobKind(Kind):
    max_bytes: int
    name = "blob"

    @property
    def bits_min(self) -> int:
        return self.max_bytes.bit_length()

    @property
    def bits_max(self) -> int:
        return self.bits_min + 8 * self.max_bytes

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype([("size", np.uint16), ("data", np.uint8, (self.max_bytes,))], align=True)

    @property
    def limit(self) -> str:
        return f"at most {self.max_bytes} bytes"

    @property
    def text(self) -> str:
        return f"blob {self.max_bytes} bytes"

    def neutral(self) -> bytes:
        return b""


@dataclass(frozen=True)
class OptionalKind(Kind):
    inner: Kind
    name = "optional"

    @property
    def bits_min(self) -> int:
        return 1

    @property
    def bits_max(self) -> int:
        return 1 + self.inner.bits_max

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype([("present", np.bool_), ("value", self.inner.dtype)], align=True)

    @property
    def depth(self) -> int:
        return self.inner.depth

    @property
    def limit(self) -> str:
        return f"{self.inner.limit}, or None"

    @property
    def text(self) -> str:
        return f"optional {self.inner.text}"

    def neutral(self) -> None:
        return None


@dataclass(frozen=True)
class ArrayKind(Kind):
    element: Kind
    max: int
    name = "array"

    @property
    def bits_min(self) -> int:
        return self.max.bit_length()

    @property
    def bits_max(self) -> int:
        return self.bits_min + self.max * self.element.bits_max

    @property
    def dtype(self) -> np.dtype[Any]:
        items = ("items", self.element.dtype, (self.max,))
        return np.dtype([("count", np.uint16), items], align=True)

    @property
    def depth(self) -> int:
        return 1 + self.element.depth

    @property
    def limit(self) -> str:
        return f"a list of at most {self.max}"

    @property
    def text(self) -> str:
        return f"array of at most {self.max}: {self.element.text}"

    def neutral(self) -> list[Any]:
        return []


@dataclass(frozen=True)
class NestedKind(Kind):
    schema: Any
    """The Schema class."""
    fields: tuple[Field, ...]
    name = "schema"
    text = "schema"

    @property
    def bits_min(self) -> int:
        return sum(field.kind.bits_min for field in self.fields)

    @property
    def bits_max(self) -> int:
        return sum(field.kind.bits_max for field in self.fields)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype([(f.name, f.kind.dtype) for f in self.fields], align=True)

    @property
    def depth(self) -> int:
        return 1 + max((field.kind.depth for field in self.fields), default=0)

    @property
    def limit(self) -> str:
        return f"a {self.schema.__name__}"

    def neutral(self) -> Any:
        return self.schema._neutral()
