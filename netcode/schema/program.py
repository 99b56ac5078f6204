"""From resolved fields to the flat op program that the codec runs on every path."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from netcode.schema.kinds import (
    AngleKind,
    ArrayKind,
    BlobKind,
    BoolKind,
    EnumKind,
    Field,
    FlagsKind,
    FloatKind,
    IntKind,
    Kind,
    NestedKind,
    OptionalKind,
    QuantizedKind,
    QuatKind,
    TextKind,
    VarUintKind,
    VecKind,
)
from netcode.schema.limits import MAX_LANES

__all__ = ["Lane", "Op", "Program", "build"]

MAX_RUN = 57
"""Bools merged into one op: what one put takes."""


class Lane(NamedTuple):
    """One unsigned code of a row, as the delta coder sees it.

    Attributes:
        name: dotted name: ``x``, ``pos.x``, ``rot.largest``, ``items[0].id``, ``id.low``.
        bits: width, 1 to 32.
        field: index of the top-level field.
        kind: bool, int, bits, varuint, quantized, angle, float32, float64, largest, quat, enum,
            flags, present, count, size or word.
        max: the largest code.
    """

    name: str
    bits: int
    field: int
    kind: str
    max: int


@dataclass(slots=True)
class Op:
    """One op; the names are those of ``struct op`` in ops.pxd."""

    kind: str
    entry: int
    field: int = -1
    offset: int = 0
    lane: int = 0
    owner: type | None = None
    """Class whose slot holds the value; None inside arrays."""
    body: int = 0
    bits: int = 0
    width: int = 0
    dtype: np.dtype[Any] | None = None
    clamp: bool = False
    finite: bool = False
    count: int = 0
    inner: int = 0
    stride: int = 0
    capacity: int = 0
    lanes: int = 0
    extra: int = -1
    least: int = 0
    maximum: int = 0
    low: int = 0
    cls: type | None = None
    table: EnumKind | FlagsKind | None = None
    grid: tuple[float, float, float] | None = None


class Entry(NamedTuple):
    """Names of one op, or of one bool of a run."""

    attribute: str
    path: str
    limit: str


class RunItem(NamedTuple):
    """One bool of a run."""

    owner: type | None
    attribute: str
    field: int
    offset: int


class Origin(NamedTuple):
    """Where a value lives: its top-level field, or -1 inside an array, and the byte offset."""

    field: int
    offset: int

    def plus(self, dtype: np.dtype[Any], name: str) -> Origin:
        """The place of a member of a structured value here."""
        assert dtype.fields is not None
        return Origin(self.field, self.offset + dtype.fields[name][1])


@dataclass(slots=True)
class Program:
    """All of it."""

    ops: list[Op] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    runs: list[RunItem] = field(default_factory=list)
    lanes: tuple[Lane, ...] | None = ()
    """None when there are more than ``MAX_LANES``."""
    masks: int = 0
    bits_min: int = 0
    bits_max: int = 0
    fields: int = 0


def build(cls: type, fields: tuple[Field, ...]) -> Program:
    """Compile the fields of ``cls``, which exists already with its slots."""
    program = Program(fields=len(fields))
    program.bits_min = sum(f.kind.bits_min for f in fields)
    program.bits_max = sum(f.kind.bits_max for f in fields)
    count = sum(lane_count(f.kind) for f in fields)
    if count > MAX_LANES:
        program.lanes = None
    else:
        program.lanes = tuple(
            lane for i, f in enumerate(fields) for lane in list_lanes(f.kind, f.name, i)
        )
    origins = [Origin(i, 0) for i in range(len(fields))]
    emit_fields(program, cls, fields, origins, "", 0)
    program.masks = max((masks(f.kind) for f in fields), default=0)
    return program


def emit_fields(
    program: Program,
    owner: type,
    fields: tuple[Field, ...],
    origins: list[Origin],
    prefix: str,
    lane: int,
) -> int:
    """Append the ops of ``fields``; returns the next lane."""
    i = 0
    while i < len(fields):
        run = i
        while run < len(fields) and run - i < MAX_RUN and isinstance(fields[run].kind, BoolKind):
            run += 1
        if run > i:
            names = [(f.name, prefix + f.name) for f in fields[i:run]]
            emit_run(program, owner, names, origins[i:run], lane)
            lane += run - i
            i = run
            continue
        name = fields[i].name
        lane = emit(program, fields[i].kind, owner, name, prefix + name, origins[i], lane)
        i += 1
    return lane


def emit_run(
    program: Program,
    owner: type | None,
    names: list[tuple[str, str]],
    origins: list[Origin],
    lane: int,
) -> None:
    """One op for neighbouring bools; ``names`` holds attributes and paths."""
    op = Op("bools", len(program.entries), *origins[0], lane, owner)
    op.count = op.bits = op.width = op.lanes = len(names)
    op.extra = len(program.runs)
    for (name, path), origin in zip(names, origins, strict=True):
        program.runs.append(RunItem(owner, name, *origin))
        program.entries.append(Entry(name, path, BoolKind.limit))
    program.ops.append(op)


def emit(
    program: Program,
    kind: Kind,
    owner: type | None,
    name: str,
    path: str,
    origin: Origin,
    lane: int,
) -> int:
    """Append the ops of one value; returns the next lane."""
    if isinstance(kind, BoolKind):
        emit_run(program, owner, [(name, path)], [origin], lane)
        return lane + 1
    op = Op(OP_NAMES[type(kind)], len(program.entries), *origin, lane, owner)
    program.entries.append(Entry(name, path, kind.limit))
    program.ops.append(op)
    first = len(program.ops)
    op.lanes = lane_count(kind)
    after = lane + op.lanes
    match kind:
        case IntKind():
            op.bits, op.dtype = kind.bits_max, kind.dtype
            op.low, op.maximum = kind.lo, kind.hi - kind.lo
        case VarUintKind():
            op.bits, op.dtype, op.maximum = kind.max.bit_length(), kind.dtype, kind.max
        case QuantizedKind():
            op.bits, op.dtype, op.maximum = kind.bits_max, kind.dtype, kind.max_code
            op.clamp, op.grid = kind.clamp, (kind.lo, kind.hi, kind.step)
        case AngleKind():
            op.bits, op.dtype, op.maximum = kind.bits_max, kind.dtype, (1 << kind.bits_max) - 1
        case FloatKind():
            op.bits, op.dtype, op.finite = kind.bits_max, kind.dtype, kind.finite
            op.kind = kind.name
            op.maximum = (1 << kind.bits_max) - 1
        case QuatKind():
            op.bits, op.dtype, op.count = kind.bits, kind.scalar, 4
            op.maximum = (1 << kind.bits) - 2
        case EnumKind():
            op.bits, op.dtype, op.table = kind.bits_max, kind.dtype, kind
            op.maximum = len(kind.members) - 1
        case FlagsKind():
            op.bits, op.dtype, op.table = kind.bits_max, kind.dtype, kind
            op.maximum = kind.mask
        case TextKind():
            op.bits, op.capacity = kind.bits_min, kind.max_bytes
            op.inner = origin.offset
        case BlobKind():
            op.bits, op.capacity = kind.bits_min, kind.max_bytes
            op.offset = origin.plus(kind.dtype, "size").offset
            op.inner = origin.plus(kind.dtype, "data").offset
        case VecKind():
            op.count, op.dtype = len(kind.parts), kind.parts[0].dtype
            for i, part in enumerate(kind.parts):
                place = Origin(origin.field, origin.offset + i * part.dtype.itemsize)
                emit(program, part, None, name, f"{path}.{'xyz'[i]}", place, lane + i)
        case OptionalKind():
            op.bits = 1
            op.offset = origin.plus(kind.dtype, "present").offset
            value = origin.plus(kind.dtype, "value")
            op.inner, op.stride = value.offset, kind.inner.dtype.itemsize
            emit(program, kind.inner, owner, name, path, value, lane + 1)
        case NestedKind():
            op.cls = kind.schema
            places = [origin.plus(kind.dtype, f.name) for f in kind.fields]
            emit_fields(program, kind.schema, kind.fields, places, f"{path}.", lane)
        case ArrayKind():
            op.bits, op.capacity = kind.bits_min, kind.max
            op.offset = origin.plus(kind.dtype, "count").offset
            op.inner = origin.plus(kind.dtype, "items").offset
            op.stride, op.least = kind.element.dtype.itemsize, kind.element.bits_min
            op.lanes = lane_count(kind.element)
            emit(program, kind.element, None, name, f"{path}[]", Origin(-1, 0), 0)
        case _:
            raise AssertionError(kind)
    op.body = len(program.ops) - first
    match kind:
        case QuatKind():
            op.width = kind.bits_max
        case VarUintKind():
            op.width = 8
        case _:
            op.width = op.bits if op.bits <= 57 else 32
    if program.lanes is None:
        op.lane = op.lanes = 0
    return after


OP_NAMES: dict[type[Kind], str] = {
    IntKind: "uint",
    VarUintKind: "varuint",
    QuantizedKind: "quantized",
    AngleKind: "angle",
    FloatKind: "float",
    VecKind: "vector",
    QuatKind: "quat",
    EnumKind: "enum",
    FlagsKind: "flags",
    TextKind: "text",
    BlobKind: "blob",
    OptionalKind: "optional",
    NestedKind: "nested",
    ArrayKind: "array",
}


def masks(kind: Kind) -> int:
    """How deep optionals and arrays nest."""
    match kind:
        case OptionalKind():
            return 1 + masks(kind.inner)
        case ArrayKind():
            return 1 + masks(kind.element)
        case NestedKind():
            return max((masks(f.kind) for f in kind.fields), default=0)
    return 0


def lane_count(kind: Kind) -> int:
    """Lanes of one value."""
    match kind:
        case QuatKind():
            return 4
        case VecKind():
            return len(kind.parts)
        case OptionalKind():
            return 1 + lane_count(kind.inner)
        case ArrayKind():
            return 1 + kind.max * lane_count(kind.element)
        case NestedKind():
            return sum(lane_count(f.kind) for f in kind.fields)
        case TextKind() | BlobKind():
            return 1 + -(-kind.max_bytes // 4)
        case VarUintKind():
            return -(-kind.max.bit_length() // 32)
    return -(-kind.bits_max // 32)


def list_lanes(kind: Kind, path: str, field: int) -> list[Lane]:
    """The lanes of one value, in their order."""
    match kind:
        case QuatKind():
            largest = Lane(f"{path}.largest", 2, field, "largest", 3)
            top = (1 << kind.bits) - 2
            return [largest, *(Lane(f"{path}.{c}", kind.bits, field, "quat", top) for c in "abc")]
        case VecKind():
            parts = zip(kind.parts, "xyz", strict=False)
            return [x for part, c in parts for x in list_lanes(part, f"{path}.{c}", field)]
        case OptionalKind():
            present = Lane(f"{path}.present", 1, field, "present", 1)
            return [present, *list_lanes(kind.inner, path, field)]
        case ArrayKind():
            count = Lane(f"{path}.count", kind.bits_min, field, "count", kind.max)
            items = (list_lanes(kind.element, f"{path}[{i}]", field) for i in range(kind.max))
            return [count, *(lane for item in items for lane in item)]
        case NestedKind():
            inner = (list_lanes(f.kind, f"{path}.{f.name}", field) for f in kind.fields)
            return [lane for part in inner for lane in part]
        case TextKind() | BlobKind():
            size = Lane(f"{path}.size", kind.bits_min, field, "size", kind.max_bytes)
            sizes = [min(4, kind.max_bytes - at) for at in range(0, kind.max_bytes, 4)]
            return [size] + [
                Lane(f"{path}.{i}", 8 * n, field, "word", (1 << 8 * n) - 1)
                for i, n in enumerate(sizes)
            ]
        case QuantizedKind():
            top = kind.max_code
        case IntKind():
            top = kind.hi - kind.lo
        case VarUintKind():
            top = kind.max
        case EnumKind():
            top = len(kind.members) - 1
        case FlagsKind():
            top = kind.mask
        case _:
            top = (1 << kind.bits_max) - 1
    bits = max(1, top.bit_length())
    if bits <= 32:
        return [Lane(path, bits, field, kind.name, top)]
    return [
        Lane(f"{path}.low", 32, field, kind.name, (1 << 32) - 1),
        Lane(f"{path}.high", bits - 32, field, kind.name, top >> 32),
    ]
