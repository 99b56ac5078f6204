"""What stands inside ``Annotated[type, marker]``: how a field travels.

A marker only holds what was written; the schema checks it together with the field's type when the
class is defined, so that an error can name both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = [
    "Angle",
    "ArrayOf",
    "Bits",
    "Blob",
    "Float32",
    "Float64",
    "Marker",
    "Quantized",
    "Quat",
    "Range",
    "Since",
    "Text",
    "VarUint",
    "Vec2",
    "Vec3",
]

PerComponent = float | Sequence[float]
"""One number for all components, or one for each."""


def hashable(marker: Vec2 | Vec3) -> None:
    """Turn lists into tuples: type unions keep their parts in sets."""
    for name in ("lo", "hi", "step", "bits"):
        value = getattr(marker, name)
        if value is not None and not isinstance(value, str) and hasattr(value, "__len__"):
            object.__setattr__(marker, name, tuple(value))


class Marker:
    """Base class of the markers; a field has exactly one."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Range(Marker):
    """An ``int`` from ``lo`` to ``hi``, both included, in as few bits as the count of values needs.

    Args:
        lo: smallest value, from -2**63.
        hi: largest value, up to 2**64 - 1.
        dtype: NumPy integer type of the column; by default the smallest that fits.
    """

    lo: int
    hi: int
    dtype: Any = None


@dataclass(frozen=True, slots=True)
class Bits(Marker):
    """An unsigned ``int`` of exactly ``n`` bits (1 to 64).

    Args:
        n: width in bits.
        dtype: NumPy integer type of the column; by default the smallest that fits.
    """

    n: int
    dtype: Any = None


@dataclass(frozen=True, slots=True)
class VarUint(Marker):
    """An unsigned ``int`` in groups of 7 bits, 8 bits on the wire each: small values are short.

    Args:
        max: largest value, up to 2**64 - 1, the default.
        dtype: NumPy integer type of the column; by default the smallest that fits.
    """

    max: int = (1 << 64) - 1
    dtype: Any = None


@dataclass(frozen=True, slots=True)
class Quantized(Marker):
    """A ``float`` from ``lo`` to ``hi`` on a grid; give either ``step`` or ``bits``.

    The code is ``floor((value - lo) * (1 / step) + 0.5)`` and the value ``lo + code * step``, in
    doubles; no value comes out above ``hi``. The error is at most half a step, and a decoded value
    encodes to the same code again.

    Args:
        lo: smallest value.
        hi: largest value.
        step: distance of two neighbours. When it does not divide the range, what is left over
            makes a last, shorter step up to ``hi`` if it is half a step or more, else nothing. If
            it is half a step exactly, ``dtype`` must hold ``hi`` exactly.
        bits: width in bits (1 to 32); the range is divided evenly into ``2**bits - 1`` steps, or,
            when ``lo == -hi``, into ``2**bits - 2`` so that zero stays zero.
        clamp: move a value out of range to the nearest end, and count it, instead of raising
            ``EncodeError``. NaN and infinities always raise.
        dtype: NumPy type of the column, ``float64`` (default) or ``float32``.
    """

    lo: float
    hi: float
    step: float | None = None
    bits: int | None = None
    clamp: bool = False
    dtype: Any = None


@dataclass(frozen=True, slots=True)
class Angle(Marker):
    """A ``float`` angle in radians that wraps: any finite value goes in, -pi <= angle < pi out.

    Args:
        bits: width in bits (1 to 32); a full turn is ``2**bits`` steps.
        dtype: NumPy type of the column, ``float64`` (default) or ``float32``.
    """

    bits: int
    dtype: Any = None


@dataclass(frozen=True, slots=True)
class Float32(Marker):
    """A ``float`` rounded to IEEE 754 single precision, 32 bits.

    Args:
        finite: refuse NaN and infinities on both ends (the default). With ``finite=False`` they
            pass; every NaN travels as the same quiet NaN.
        dtype: NumPy type of the column, ``float32`` (default) or ``float64``.
    """

    finite: bool = True
    dtype: Any = None


@dataclass(frozen=True, slots=True)
class Float64(Marker):
    """A ``float`` as it is, 64 bits.

    Args:
        finite: refuse NaN and infinities on both ends (the default). With ``finite=False`` they
            pass; every NaN travels as the same quiet NaN.
    """

    finite: bool = True


@dataclass(frozen=True, slots=True)
class Vec2(Marker):
    """A ``tuple[float, float]`` of two ``Quantized`` components.

    Each argument is one number for both components, or a sequence with one for each.

    Args:
        lo: smallest values.
        hi: largest values.
        step: distances of two neighbours, as for ``Quantized``.
        bits: widths in bits, as for ``Quantized``.
        clamp: move values out of range to the nearest end, and count them.
        dtype: NumPy type of the column, ``float64`` (default) or ``float32``; its shape is
            ``(capacity, 2)``.
    """

    lo: PerComponent
    hi: PerComponent
    step: PerComponent | None = None
    bits: int | Sequence[int] | None = None
    clamp: bool = False
    dtype: Any = None

    def __post_init__(self) -> None:
        hashable(self)


@dataclass(frozen=True, slots=True)
class Vec3(Marker):
    """A ``tuple[float, float, float]`` of three ``Quantized`` components; see ``Vec2``."""

    lo: PerComponent
    hi: PerComponent
    step: PerComponent | None = None
    bits: int | Sequence[int] | None = None
    clamp: bool = False
    dtype: Any = None

    def __post_init__(self) -> None:
        hashable(self)


@dataclass(frozen=True, slots=True)
class Quat(Marker):
    """A rotation ``tuple[float, float, float, float]`` (x, y, z, w) as its smallest three.

    The index of the largest component takes 2 bits, each of the other three ``bits``. What goes in
    is normalised; what comes out has length 1, and its left-out component is not negative (q and
    -q are the same rotation). The identity decodes to exactly ``(0.0, 0.0, 0.0, 1.0)``.

    Args:
        bits: width of one component (3 to 18).
        dtype: NumPy type of the column, ``float64`` (default) or ``float32``; its shape is
            ``(capacity, 4)``.
    """

    bits: int = 9
    dtype: Any = None


@dataclass(frozen=True, slots=True)
class Text(Marker):
    """A ``str`` of at most ``max_bytes`` bytes of UTF-8, without NUL characters.

    Its NumPy column holds the UTF-8 bytes as ``S<max_bytes>``.

    Args:
        max_bytes: 1 to 65,535.
    """

    max_bytes: int


@dataclass(frozen=True, slots=True)
class Blob(Marker):
    """A ``bytes`` of at most ``max_bytes`` bytes.

    Its NumPy column is structured: ``size`` and ``data``.

    Args:
        max_bytes: 1 to 65,535.
    """

    max_bytes: int


@dataclass(frozen=True, slots=True)
class ArrayOf(Marker):
    """A ``list`` of at most ``max`` elements.

    ``Annotated[list[int], ArrayOf(Range(0, 9), max=8)]`` and
    ``Annotated[list[Annotated[int, Range(0, 9)]], ArrayOf(max=8)]`` are the same field. The NumPy
    column is structured: ``count`` and ``items``.

    Args:
        element: the marker or the Schema of an element; not needed when the list's own element
            type says it.
        max: largest count, 1 to 65,535.
    """

    element: Any = None
    max: int = 0


@dataclass(frozen=True, slots=True)
class Since:
    """The field exists from version ``version`` of the application's schemas on.

    Stands beside a field's marker, or alone: ``Annotated[int, Range(0, 9), Since(2)] = 0`` and
    ``Annotated[bool, Since(2)] = False``. A field without it is of version 1. Such fields come
    last, in the order of their versions, and have defaults: older peers do not send them. Count
    one version for all schemas of an application, which may contain each other.

    Args:
        version: 1 to 65,535.
    """

    version: int


MARKERS_WITHOUT_ARGUMENTS: Final = (Float32, Float64, VarUint, Quat)
"""May be written as the bare class."""
