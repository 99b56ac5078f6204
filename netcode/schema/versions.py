"""Older versions of a schema: the fields it had then, and a codec that writes and reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import numpy as np

from netcode.errors import SchemaError
from netcode.schema.cells import storer
from netcode.schema.codec import Codec
from netcode.schema.definition import fresh
from netcode.schema.describe import describe, hash_of
from netcode.schema.kinds import ArrayKind, Field, Kind, NestedKind, OptionalKind
from netcode.schema.limits import MANY_LIMIT
from netcode.schema.program import Lane, Program, build, lane_count

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["VersionCodec", "fields_at", "first_that_equals", "steps"]

S = TypeVar("S")
Array = np.ndarray[Any, Any]
Fill = Callable[[Any], None]


def steps(fields: Iterable[Field]) -> set[int]:
    """The versions in which a schema, or one inside it, got other fields; 1 is always there."""
    found = {1}
    for field in fields:
        found.add(field.since)
        found |= steps_inside(field.kind)
    return found


def steps_inside(kind: Kind) -> set[int]:
    match kind:
        case OptionalKind():
            return steps_inside(kind.inner)
        case ArrayKind():
            return steps_inside(kind.element)
        case NestedKind():
            return steps(kind.fields)
    return set()


def fields_at(fields: Iterable[Field], version: int) -> tuple[Field, ...]:
    """The fields that were there in ``version``, each as it was then."""
    return tuple(
        Field(f.name, kind_at(f.kind, version), f.has_default, f.default, f.since)
        for f in fields
        if f.since <= version
    )


def kind_at(kind: Kind, version: int) -> Kind:
    match kind:
        case OptionalKind():
            return OptionalKind(kind_at(kind.inner, version))
        case ArrayKind():
            return ArrayKind(kind_at(kind.element, version), kind.max)
        case NestedKind():
            return NestedKind(kind.schema, fields_at(kind.fields, version))
    return kind


def lane_places(now: Kind, then: Kind, at: int = 0) -> Iterator[int]:
    """For each lane of ``then`` the lane of ``now`` that holds the same code; rising."""
    match now, then:
        case OptionalKind(), OptionalKind():
            yield at
            yield from lane_places(now.inner, then.inner, at + 1)
        case ArrayKind(), ArrayKind():
            yield at
            step = lane_count(now.element)
            for i in range(now.max):
                yield from lane_places(now.element, then.element, at + 1 + i * step)
        case NestedKind(), NestedKind():
            for a, b in zip(now.fields, then.fields, strict=False):
                yield from lane_places(a.kind, b.kind, at)
                at += lane_count(a.kind)
        case _:
            yield from range(at, at + lane_count(now))


def first_that_equals(
    fields: tuple[Field, ...], versions: Iterable[int], description: tuple[str, ...]
) -> int | None:
    """The first of ``versions`` whose fields have this description."""
    for version in versions:
        if tuple(describe(fields_at(fields, version))) == description:
            return version
    return None


class VersionCodec(Generic[S]):
    """Writes and reads the bytes of one version of a schema; ``Schema.codec_for`` makes it.

    It encodes the fields that were there in that version, and leaves out the others. What it
    decodes are objects and rows of the class as it is now, with defaults in the fields that
    were added since. Its lanes are some of those of the class, in their order.

    Attributes:
        schema: the class.
        version: whose bytes these are.
        fields: those of that version, in wire order.
        description: one canonical line for each field, and for each field inside it.
        schema_hash: the ``schema_hash`` that the class had then.
    """

    __slots__ = ("codec", "description", "fields", "fill", "kind", "program", "schema",
                 "schema_hash", "version")  # fmt: skip

    def __init__(
        self, schema: type[S], version: int, kind: NestedKind, current: Codec, program: Program
    ) -> None:
        self.schema = schema
        self.version = version
        self.kind = kind
        self.fields = fields_at(kind.fields, version)
        self.description = tuple(describe(self.fields))
        self.schema_hash = hash_of(self.description)
        then = NestedKind(schema, self.fields)
        self.fill = filler(kind, then)
        self.codec = current
        self.program = program
        if self.fill is not None:
            self.program = build(cast(type, schema), self.fields)
            self.codec = Codec(cast(type, schema), current.schema, self.program, then.dtype)

    @property
    def max_bytes(self) -> int:
        """Bytes of the largest object."""
        return (self.codec.bits_max + 7) // 8

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The unsigned codes of one row of that version, in their order.

        Raises:
            SchemaError: there are more than ``MAX_LANES``; the schema is for messages only.
        """
        if self.program.lanes is None:
            raise SchemaError(f"{self.codec.schema} is too large for a table: too many lanes")
        return self.program.lanes

    @property
    def lane_max(self) -> Array:
        """The largest code of each lane, uint32 of shape (lanes,)."""
        return np.array([lane.max for lane in self.lanes], np.uint32)

    @property
    def lane_places(self) -> Array:
        """For each lane its place in ``schema.lanes``: intp of shape (lanes,), rising."""
        then = NestedKind(self.kind.schema, self.fields)
        return np.fromiter(lane_places(self.kind, then), np.intp)

    def encode(self, obj: object) -> bytes:
        """One object.

        Raises:
            EncodeError: a value does not fit its field, or is not set.
        """
        return self.codec.encode(obj)

    def decode(self, data: Buffer | Array) -> S:
        """One object from exactly its bytes.

        Raises:
            DecodeError: the bytes are no encoding of this version.
        """
        made = cast(S, self.codec.decode(data))
        if self.fill is not None:
            self.fill(made)
        return made

    def encode_many(self, objects: Iterable[object], *, limit: int = MANY_LIMIT) -> bytes:
        """A count and the objects, bit behind bit; raises as ``Schema.encode_many``."""
        return self.codec.encode_many(objects, limit=limit)

    def decode_many(self, data: Buffer | Array, *, limit: int = MANY_LIMIT) -> list[S]:
        """The objects of ``encode_many`` or ``encode_records``; raises DecodeError."""
        made = self.codec.decode_many(data, limit=limit)
        if self.fill is not None:
            for each in made:
                self.fill(each)
        return made

    def encode_records(self, records: Array, *, limit: int = MANY_LIMIT) -> bytes:
        """The bytes of ``encode_many`` from a structured array of ``schema.dtype``.

        Raises:
            EncodeError: a value does not fit its field, or there are more than ``limit`` rows.
            TypeError: the array's fields are not those of ``schema.dtype``.
        """
        if self.fill is not None and has_rows(self.kind, records):
            narrow = np.zeros(len(records), self.codec.dtype)
            for field in self.fields:
                copy(field.kind, records[field.name], narrow[field.name])
            records = narrow
        return self.codec.encode_records(records, limit=limit)

    def decode_records(self, data: Buffer | Array, *, limit: int = MANY_LIMIT) -> Array:
        """A structured array of ``schema.dtype`` from ``encode_records`` or ``encode_many``.

        Raises:
            DecodeError: the bytes are no such encoding, or hold more than ``limit`` rows.
        """
        rows = self.codec.decode_records(data, limit=limit)
        if self.fill is None:
            return rows
        wide = np.zeros(len(rows), self.kind.dtype)
        copy(self.kind, rows, wide)
        return wide

    def dequantize(self, lanes: Array, columns: Mapping[str, Array], rows: Array) -> None:
        """Lanes of this version to columns of the class as it is now.

        Args:
            lanes: int32 of shape (lanes, capacity), C-contiguous; the lanes of this version.
            columns: as ``schema.columns()`` makes them; each of length capacity.
            rows: bool or uint8 of shape (capacity,); only rows where it is not zero are touched.
                In those, fields that were added since take their defaults.
        """
        if self.fill is None:
            self.codec.dequantize(lanes, columns, rows)
            return
        narrow = dict(columns)
        for field in self.fields:
            if columns[field.name].dtype != field.kind.dtype.base:  # it grew inside
                narrow[field.name] = np.zeros(lanes.shape[1], field.kind.dtype)
        self.codec.dequantize(lanes, narrow, rows)
        chosen = rows.view(np.bool_)
        for then, now in zip(self.fields, self.kind.fields, strict=False):
            column = columns[now.name]
            if narrow[now.name] is not column:
                wide = np.zeros(np.count_nonzero(chosen), now.kind.dtype)
                copy(now.kind, narrow[then.name][chosen], wide)
                column[chosen] = wide
        for field in self.kind.fields[len(self.fields) :]:
            columns[field.name][chosen] = default_cell(field)

    def __repr__(self) -> str:
        return f"<{self.schema.__name__} version {self.version}, {len(self.fields)} fields>"


def filler(now: Kind, then: Kind) -> Fill | None:
    """Sets what ``then`` lacks in a decoded value; None when it lacks nothing."""
    match now, then:
        case OptionalKind(), OptionalKind():
            inner = filler(now.inner, then.inner)
            return None if inner is None else optional_filler(inner)
        case ArrayKind(), ArrayKind():
            inner = filler(now.element, then.element)
            return None if inner is None else list_filler(inner)
        case NestedKind(), NestedKind():
            pairs = zip(now.fields, then.fields, strict=False)
            inside = [(a.name, filler(a.kind, b.kind)) for a, b in pairs]
            deeper = [(name, fill) for name, fill in inside if fill is not None]
            added = [(f.name, f.default) for f in now.fields[len(then.fields) :]]
            return object_filler(deeper, added) if deeper or added else None
    return None


def optional_filler(fill: Fill) -> Fill:
    def run(value: Any) -> None:
        if value is not None:
            fill(value)

    return run


def list_filler(fill: Fill) -> Fill:
    def run(value: Any) -> None:
        for item in value:
            fill(item)

    return run


def object_filler(deeper: list[tuple[str, Fill]], added: list[tuple[str, Any]]) -> Fill:
    def run(value: Any) -> None:
        for name, fill in deeper:
            fill(getattr(value, name))
        for name, default in added:
            setattr(value, name, fresh(default))

    return run


def has_rows(kind: NestedKind, records: object) -> bool:
    """Whether ``records`` are rows of ``kind``; what else they may be is the codec's business."""
    return isinstance(records, np.ndarray) and records.ndim == 1 and records.dtype == kind.dtype


def copy(kind: Kind, source: Array, target: Array) -> None:
    """Rows of one version into rows of another; ``kind`` is that of either end.

    What only the target has takes its default, what only the source has is left out.
    """
    if source.dtype == target.dtype:
        target[...] = source
        return
    match kind:
        case OptionalKind():
            target["present"] = source["present"]
            copy(kind.inner, source["value"], target["value"])
        case ArrayKind():
            target["count"] = source["count"]
            copy(kind.element, source["items"], target["items"])
        case NestedKind():
            names = source.dtype.names or ()
            for field in kind.fields:
                if field.name in names:
                    copy(field.kind, source[field.name], target[field.name])
                else:
                    target[field.name] = default_cell(field)


def default_cell(field: Field) -> Any:
    """The default of a field as a column holds it."""
    one = np.zeros(1, field.kind.dtype)
    storer(field.kind)(one, 0, field.default)
    return one[0]
