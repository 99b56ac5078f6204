"""From an annotation to a kind, or to a SchemaError that says what to write."""

from __future__ import annotations

import enum
import inspect
import types
import typing
from collections.abc import Callable, Iterable
from typing import Annotated, Any, NoReturn, Union

import numpy as np

from netcode.errors import SchemaError
from netcode.schema import markers as m
from netcode.schema.kinds import (
    AngleKind,
    ArrayKind,
    BlobKind,
    BoolKind,
    EnumKind,
    FlagsKind,
    FloatKind,
    IntKind,
    Kind,
    NestedKind,
    OptionalKind,
    QuatKind,
    TextKind,
    VarUintKind,
    VecKind,
)
from netcode.schema.limits import MAX_FLAGS, MAX_SIZE, MAX_VERSION
from netcode.schema.numbers import (
    components,
    float_dtype,
    int_dtype,
    integer,
    quantized,
    size,
)

__all__ = ["check_version", "flat", "resolve", "since_of"]

ALLOWED: dict[type, tuple[tuple[type[m.Marker], ...], str]] = {
    int: (
        (m.Range, m.Bits, m.VarUint),
        "Annotated[int, Range(lo, hi)], Bits(n) or VarUint()",
    ),
    float: (
        (m.Quantized, m.Angle, m.Float32, m.Float64),
        "Annotated[float, Quantized(lo, hi, step=...)], Angle(bits), Float32() or Float64()",
    ),
    str: ((m.Text,), "Annotated[str, Text(max_bytes)]"),
    bytes: ((m.Blob,), "Annotated[bytes, Blob(max_bytes)]"),
    tuple: (
        (m.Vec2, m.Vec3, m.Quat),
        "Annotated[tuple[float, float], Vec2(lo, hi, step=...)], Vec3(...) or Quat(bits)",
    ),
    list: ((m.ArrayOf,), "Annotated[list[...], ArrayOf(marker or Schema, max=...)]"),
}
TYPES = "bool, int, float, str, bytes, tuple, list, an Enum, a Schema, or one of these | None"


def resolve(annotation: Any, where: str) -> Kind:
    """The kind of a field.

    Args:
        annotation: an evaluated annotation.
        where: ``Class.field``, for errors.

    Raises:
        SchemaError: when there is none.
    """
    base, found = peel(annotation)
    if typing.get_origin(base) in (Union, types.UnionType):
        inner = [arg for arg in typing.get_args(base) if arg is not types.NoneType]
        if len(inner) != 1 or len(inner) == len(typing.get_args(base)):
            raise SchemaError(
                f"{where}: a field has one type, or one type | None, not {show(base)}; "
                "make each alternative a message of its own"
            )
        base, more = peel(inner[0])
        if typing.get_origin(base) in (Union, types.UnionType):
            raise SchemaError(f"{where}: None may be said once only, not {show(annotation)}")
        return OptionalKind(one(base, found + more, where))
    return one(base, found, where)


def since_of(annotation: Any, where: str) -> int:
    """The version that a field was added in, 1 when its annotation does not say.

    Raises:
        SchemaError: it says two, none at all, or says it of something inside the field.
    """
    base, found = peel(annotation, is_since)
    if typing.get_origin(base) in (Union, types.UnionType):
        parts = [peel(part, is_since) for part in typing.get_args(base)]
        found += [x for part in parts for x in part[1]]
        inside: list[Any] = [part[0] for part in parts]
    else:
        inside = [base]
    if any(is_since(x) for part in inside for x in flat(part)):
        raise SchemaError(f"{where}: Since belongs to the whole field, not to a part of it")
    if len(found) > 1:
        raise SchemaError(f"{where}: a field was added once, not in {found[0]!r} and {found[1]!r}")
    if not found:
        return 1
    if not isinstance(found[0], m.Since):
        raise SchemaError(f"{where}: write Since(n) with the number of the version")
    check_version(found[0].version, where)
    return found[0].version


def check_version(version: object, where: str) -> None:
    """Raises SchemaError for what is no number of a version."""
    if not isinstance(version, int) or not 1 <= version <= MAX_VERSION:
        raise SchemaError(f"{where}: since takes an int from 1 to {MAX_VERSION}, not {version!r}")


def is_since(x: Any) -> bool:
    return isinstance(x, m.Since) or x is m.Since


def flat(hint: Any) -> Iterable[Any]:
    """A type and the types and markers inside it."""
    yield hint
    for argument in (*typing.get_args(hint), getattr(hint, "element", None)):
        if argument is not None and argument is not hint:
            yield from flat(argument)


def peel(annotation: Any, wanted: Callable[[Any], bool] | None = None) -> tuple[Any, list[Any]]:
    """Take off Annotated, NewType and ``type`` aliases; return the type and our markers.

    ``wanted`` says which of the metadata to return instead of the markers.
    """
    wanted = wanted or is_marker
    found: list[Any] = []
    while True:
        if typing.get_origin(annotation) is Annotated:
            annotation, *extra = typing.get_args(annotation)
            found += [x for x in extra if wanted(x)]
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation, found


def is_marker(x: Any) -> bool:
    return isinstance(x, m.Marker) or (isinstance(x, type) and issubclass(x, m.Marker))


def one(base: Any, found: list[Any], where: str) -> Kind:
    """The kind of a type that is not optional."""
    if len(found) > 1:
        names = " and ".join(show(x) for x in found)
        raise SchemaError(f"{where}: one marker says how a field travels, not {names}")
    marker = made(found[0], where) if found else None
    plain = typing.get_origin(base) or base
    if plain in ALLOWED:
        allowed, advice = ALLOWED[plain]
        if marker is None:
            raise SchemaError(
                f"{where}: {show(base)} needs a marker that says how it travels: {advice}"
            )
        if not isinstance(marker, allowed):
            raise SchemaError(f"{where}: {show(base)} cannot be {show(marker)}: write {advice}")
        kind: Kind = BUILDERS[type(marker)](marker, base, where)
        return kind
    if marker is not None:
        refuse_marker(base, marker, where)
    if base is bool:
        return BoolKind()
    if isinstance(base, type) and issubclass(base, enum.Enum):
        return flags(base, where) if issubclass(base, enum.Flag) else members(base, where)
    nested = base.__dict__.get("_kind") if isinstance(base, type) else None
    if isinstance(nested, NestedKind):
        return nested
    raise SchemaError(f"{where}: {show(base)} is no field type; use {TYPES}")


def made(marker: Any, where: str) -> m.Marker:
    """A marker written as the bare class, where that says enough."""
    if isinstance(marker, m.Marker):
        return marker
    if marker not in m.MARKERS_WITHOUT_ARGUMENTS:
        arguments = inspect.signature(marker)
        raise SchemaError(
            f"{where}: {marker.__name__} needs arguments: {marker.__name__}{arguments}"
        )
    return marker()  # type: ignore[no-any-return]


def refuse_marker(base: Any, marker: m.Marker, where: str) -> NoReturn:
    for plain, (allowed, _) in ALLOWED.items():
        if isinstance(marker, allowed):
            raise SchemaError(f"{where}: {show(marker)} is for {plain.__name__}, not {show(base)}")
    raise SchemaError(f"{where}: {show(marker)} is not for {show(base)}")


def show(x: Any) -> str:
    """A type as one writes it."""
    if isinstance(x, type) and not typing.get_args(x):
        return x.__name__
    return repr(x).replace("typing.", "")


def range_(marker: m.Range, base: Any, where: str) -> Kind:
    lo, hi = integer(marker.lo, "lo", where), integer(marker.hi, "hi", where)
    if not lo < hi:
        raise SchemaError(f"{where}: lo must be below hi, not lo={lo}, hi={hi}")
    if lo < -(1 << 63) or lo >= 1 << 63 or hi >= 1 << 64 or (lo < 0 and hi >= 1 << 63):
        raise SchemaError(f"{where}: {lo} to {hi} is outside 64-bit integers")
    return IntKind(lo, hi, int_dtype(lo, hi, marker.dtype, where))


def bits(marker: m.Bits, base: Any, where: str) -> Kind:
    width = size(marker.n, "n", 64, where)
    hi = (1 << width) - 1
    return IntKind(0, hi, int_dtype(0, hi, marker.dtype, where), raw=True)


def varuint(marker: m.VarUint, base: Any, where: str) -> Kind:
    largest = size(marker.max, "max", (1 << 64) - 1, where)
    return VarUintKind(largest, int_dtype(0, largest, marker.dtype, where))


def quantized_(marker: m.Quantized, base: Any, where: str) -> Kind:
    return quantized(
        marker.lo, marker.hi, marker.step, marker.bits, marker.clamp, marker.dtype, where
    )


def angle(marker: m.Angle, base: Any, where: str) -> Kind:
    store = float_dtype(marker.dtype, where)
    limit = 32 if store == np.float64 else 20
    return AngleKind(size(marker.bits, "bits", limit, where), store)


def float32(marker: m.Float32, base: Any, where: str) -> Kind:
    return FloatKind(32, bool(marker.finite), float_dtype(marker.dtype, where, np.float32))


def float64(marker: m.Float64, base: Any, where: str) -> Kind:
    return FloatKind(64, bool(marker.finite), np.dtype(np.float64))


def vec(marker: m.Vec2 | m.Vec3, base: Any, where: str) -> Kind:
    count = 2 if isinstance(marker, m.Vec2) else 3
    check_tuple(base, count, marker, where)
    arguments = zip(
        components(marker.lo, count, "lo", where),
        components(marker.hi, count, "hi", where),
        components(marker.step, count, "step", where),
        components(marker.bits, count, "bits", where),
        "xyz",
        strict=False,
    )
    return VecKind(
        tuple(
            quantized(lo, hi, step, bits, marker.clamp, marker.dtype, f"{where}.{name}")
            for lo, hi, step, bits, name in arguments
        )
    )


def quat(marker: m.Quat, base: Any, where: str) -> Kind:
    check_tuple(base, 4, marker, where)
    store = float_dtype(marker.dtype, where)
    limit = 18 if store == np.float64 else 11
    return QuatKind(size(marker.bits, "bits", limit, where, least=3), store)


def check_tuple(base: Any, count: int, marker: m.Marker, where: str) -> None:
    arguments = typing.get_args(base)
    if arguments not in ((), (float,) * count, (float, ...)):
        wanted = ", ".join(["float"] * count)
        name = type(marker).__name__
        raise SchemaError(f"{where}: {name} is a tuple[{wanted}], not {show(base)}")


def text(marker: m.Text, base: Any, where: str) -> Kind:
    return TextKind(size(marker.max_bytes, "max_bytes", MAX_SIZE, where))


def blob(marker: m.Blob, base: Any, where: str) -> Kind:
    return BlobKind(size(marker.max_bytes, "max_bytes", MAX_SIZE, where))


def array(marker: m.ArrayOf, base: Any, where: str) -> Kind:
    limit = size(marker.max, "max", MAX_SIZE, where)
    item, found = peel((typing.get_args(base) or (Any,))[0])
    element = marker.element
    if is_marker(element):
        item = Annotated[item, element] if not found else Annotated[item, element, *found]
    elif element is not None and element is not item:
        if item is not Any:
            raise SchemaError(f"{where}: the elements are {show(item)}, not {show(element)}")
        item = element
    elif found:
        item = Annotated[item, *found]
    if item is Any:
        raise SchemaError(f"{where}: say the element type: list[int], list[Item], ...")
    return ArrayKind(resolve(item, f"{where}[]"), limit)


def members(cls: type[enum.Enum], where: str) -> Kind:
    found = tuple(cls)
    if not found:
        raise SchemaError(f"{where}: {cls.__name__} has no members")
    if len(found) > MAX_SIZE:
        raise SchemaError(f"{where}: {cls.__name__} has more than {MAX_SIZE:,} members")
    values = [member.value for member in found]
    if not all(type(v) is int and -(1 << 63) <= v < 1 << 63 for v in values):
        values = list(range(len(found)))
    store = int_dtype(min(values), max(values), None, where)
    return EnumKind(cls, found, tuple(values), store)


def flags(cls: type[enum.Flag], where: str) -> Kind:
    mask = 0
    for member in cls.__members__.values():
        if not isinstance(member.value, int) or member.value < 0:
            raise SchemaError(f"{where}: {cls.__name__} has a flag below 0")
        mask |= member.value
    if not mask:
        raise SchemaError(f"{where}: {cls.__name__} has no flags")
    if mask >> MAX_FLAGS:
        raise SchemaError(
            f"{where}: {cls.__name__} has more than {MAX_FLAGS} flags; use Annotated[int, Bits(n)]"
        )
    return FlagsKind(cls, mask, int_dtype(0, mask, None, where))


BUILDERS: dict[type, Any] = {
    m.Range: range_,
    m.Bits: bits,
    m.VarUint: varuint,
    m.Quantized: quantized_,
    m.Angle: angle,
    m.Float32: float32,
    m.Float64: float64,
    m.Vec2: vec,
    m.Vec3: vec,
    m.Quat: quat,
    m.Text: text,
    m.Blob: blob,
    m.ArrayOf: array,
}
