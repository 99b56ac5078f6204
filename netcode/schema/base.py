"""``Schema``: classes whose fields know how they travel."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast, dataclass_transform, overload

import numpy as np

from netcode.errors import EncodeError, SchemaError
from netcode.schema.cells import row_loader, row_storer
from netcode.schema.codec import Codec
from netcode.schema.definition import add_methods, compile_fields, fresh, read_body
from netcode.schema.describe import describe, hash_of
from netcode.schema.dissect import DataExplanation, dissect
from netcode.schema.explain import Explanation, explain
from netcode.schema.instance import ClassCall, Instance
from netcode.schema.kinds import Field, NestedKind
from netcode.schema.limits import MANY_LIMIT
from netcode.schema.program import Lane, Program
from netcode.schema.resolve import check_version
from netcode.schema.versions import VersionCodec, first_that_equals, steps

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Schema", "SchemaType"]

Array = np.ndarray[Any, Any]


@dataclass_transform()
class SchemaType(type):
    """The type of schema classes: compiles the fields, and answers for the class.

    What is here is an attribute of the class (``Ship.dtype``), not of its objects.
    """

    _fields: tuple[Field, ...]
    _codec: Codec
    _kind: NestedKind
    _program: Program
    _cache: dict[str, Any]
    _load: Callable[[Mapping[str, Array], int], Any]
    _store: Callable[[Mapping[str, Array], int, Any], None]
    _since: int

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        since: int = 1,
        **options: Any,
    ) -> SchemaType:
        parents = [base for base in bases if isinstance(base, SchemaType)]
        if not parents:
            return super().__new__(mcls, name, bases, namespace, **options)
        check_version(since, name)
        body = read_body(name, parents, namespace, RESERVED)
        cls = super().__new__(mcls, name, bases, namespace, **options)
        compiled = compile_fields(cls, body, sys._getframe(1).f_locals)
        cls._fields = compiled.fields
        cls._kind = compiled.kind
        cls._program = compiled.program
        cls._codec = compiled.codec
        cls._cache = {}
        cls._load = row_loader(cls, compiled.fields)
        cls._store = row_storer(compiled.fields)
        cls._since = since
        for call in ("encode", "decode", "encode_records", "decode_records"):
            if not is_overridden(cls, call):
                type.__setattr__(cls, f"_{call}", getattr(compiled.codec, call))
        add_methods(cls, compiled.fields, namespace)
        return cls

    if not TYPE_CHECKING:  # the methods of Schema say their types
        encode = ClassCall("_encode", "encode")
        decode = ClassCall("_decode", "decode")
        encode_records = ClassCall("_encode_records", "encode_records")
        decode_records = ClassCall("_decode_records", "decode_records")

    @property
    def fields(cls) -> tuple[Field, ...]:
        """The fields in wire order, those of base classes first."""
        return cls._fields

    @property
    def schema_hash(cls) -> int:
        """64 bits that are equal when two classes give the same bytes the same meaning.

        Names, order, types and limits of the fields count; the names of classes, defaults, clamp
        and NumPy types do not.
        """
        if "hash" not in cls._cache:
            cls._cache["hash"] = hash_of(cls.description)
        return cast(int, cls._cache["hash"])

    @property
    def description(cls) -> tuple[str, ...]:
        """One canonical line for each field, and for each field inside it."""
        if "description" not in cls._cache:
            cls._cache["description"] = tuple(describe(cls._fields))
        return cast(tuple[str, ...], cls._cache["description"])

    @property
    def schema_version(cls) -> int:
        """The newest version in which it, or a schema inside it, got a field."""
        return cls.schema_versions[-1]

    @property
    def schema_versions(cls) -> tuple[int, ...]:
        """The versions in which it became another one, in order: 1, or ``schema_since``, first."""
        if "versions" not in cls._cache:
            found = {max(each, cls._since) for each in steps(cls._fields)}
            cls._cache["versions"] = tuple(sorted(found))
        return cast(tuple[int, ...], cls._cache["versions"])

    @property
    def schema_since(cls) -> int:
        """The version that it was added in: ``class Trade(Schema, since=2)``, or 1."""
        return cls._since

    @property
    def dtype(cls) -> np.dtype[Any]:
        """NumPy type of one row of a structured array."""
        return cls._codec.dtype

    @property
    def max_bytes(cls) -> int:
        """Bytes of the largest object."""
        return (cls._codec.bits_max + 7) // 8

    @property
    def lanes(cls) -> tuple[Lane, ...]:
        """The unsigned codes of one row, in their order.

        Raises:
            SchemaError: there are more than ``MAX_LANES``; the schema is for messages only.
        """
        if cls._program.lanes is None:
            raise SchemaError(f"{cls.__name__} is too large for a table: too many lanes")
        return cls._program.lanes

    @property
    def lane_max(cls) -> Array:
        """The largest code of each lane, uint32 of shape (lanes,)."""
        if "lane_max" not in cls._cache:
            tops = np.array([lane.max for lane in cls.lanes], np.uint32)
            tops.flags.writeable = False
            cls._cache["lane_max"] = tops
        return cast(Array, cls._cache["lane_max"])

    @property
    def clamped(cls) -> int:
        """How many values ``clamp=True`` has moved into their range so far, in this process."""
        older = cls._cache.get("codecs", {}).values()
        codecs = {id(each.codec): each.codec for each in older} | {id(cls._codec): cls._codec}
        return sum(codec.clamped for codec in codecs.values())


def is_overridden(cls: type, name: str) -> bool:
    """Whether a method of ``Schema`` is another one in this class."""
    return next(base for base in cls.__mro__ if name in base.__dict__) not in (Schema, Instance)


class Schema(Instance, metaclass=SchemaType):
    """Base class of messages, inputs and entity states.

    Fields are annotations, in wire order; a class may inherit from another schema and add to its
    fields. Objects are slotted: no other attributes, little memory. ``class Trade(Schema,
    since=2)`` says that the whole schema was added in version 2, as ``Since`` says of a field.

    Example::

        class Ship(Schema):
            x: Annotated[float, Quantized(0, 960, step=1/16)]
            hp: Annotated[int, Range(0, 100)] = 100

        data = Ship(x=12.5).encode()
        ship = Ship.decode(data)

    Values are checked when they are encoded, not when they are set. Decoding does not call
    ``__init__`` or ``__post_init__``. A list or a schema object as a default is copied for each
    new object.
    """

    __slots__ = ()
    __match_args__: ClassVar[tuple[str, ...]] = ()
    _fields: ClassVar[tuple[Field, ...]] = ()

    @classmethod
    def decode(cls, data: Buffer | Array) -> Self:
        """One object from exactly its bytes.

        Args:
            data: any bytes-like object.

        Raises:
            DecodeError: the bytes are no encoding of this schema.
        """
        return cast(Self, cls._codec.decode(data))

    @classmethod
    def encode_into(cls, obj: object, buffer: Buffer | Array, offset: int = 0) -> int:
        """One object into a writable buffer, from byte ``offset`` on; returns the offset behind it.

        Raises:
            EncodeError: a value does not fit its field, or the buffer is too small.
        """
        return cls._codec.encode_into(obj, buffer, offset)

    @classmethod
    def decode_from(cls, data: Buffer | Array, offset: int = 0) -> tuple[Self, int]:
        """One object from byte ``offset`` on, and the offset behind it.

        Raises:
            DecodeError: the bytes there are no encoding; ``bit`` counts from ``offset``.
            IndexError: ``offset`` is outside the data.
        """
        return cls._codec.decode_from(data, offset)

    @classmethod
    def encode_many(cls, objects: Iterable[object], *, limit: int = MANY_LIMIT) -> bytes:
        """A count and the objects, bit behind bit.

        Raises:
            EncodeError: a value does not fit its field, or there are more than ``limit`` objects.
        """
        return cls._codec.encode_many(objects, limit=limit)

    @classmethod
    def decode_many(cls, data: Buffer | Array, *, limit: int = MANY_LIMIT) -> list[Self]:
        """The objects that ``encode_many`` or ``encode_records`` wrote.

        Raises:
            DecodeError: the bytes are no such encoding, or hold more than ``limit`` objects.
        """
        return cls._codec.decode_many(data, limit=limit)

    @classmethod
    def encode_records(cls, records: Array, *, limit: int = MANY_LIMIT) -> bytes:
        """The bytes that ``encode_many`` gives, from a structured array; releases the GIL.

        Args:
            records: 1-d array with the fields of ``dtype``, in any order and at any offsets.
            limit: largest count.

        Raises:
            EncodeError: a value does not fit its field, or there are more than ``limit`` rows.
        """
        return cls._codec.encode_records(records, limit=limit)

    @classmethod
    def decode_records(
        cls, data: Buffer | Array, out: Array | None = None, *, limit: int = MANY_LIMIT
    ) -> Array:
        """The rows that ``encode_records`` or ``encode_many`` wrote; releases the GIL.

        Args:
            data: any bytes-like object.
            out: array to fill from its first row on, instead of a new one of ``dtype``. After an
                error its rows hold anything.
            limit: largest count to accept.

        Returns:
            A new array, or the filled part of ``out``.

        Raises:
            DecodeError: the bytes are no such encoding, or hold more rows than ``limit`` or
                ``out``, or, without ``out``, than fit in 256 MiB.
        """
        return cls._codec.decode_records(data, out, limit=limit)

    @classmethod
    def columns(cls, capacity: int) -> dict[str, Array]:
        """New columns of a table, every row filled with the defaults.

        Returns:
            For each field an array of shape (capacity,), or (capacity, components) for vectors and
            quaternions; structured for nested schemas, arrays, optionals and blobs.
        """
        default = cls._cache.get("row")
        if default is None:
            default = {f.name: np.zeros(1, f.kind.dtype) for f in cls._fields}
            cls._store(default, 0, cls._neutral())
            cls._cache["row"] = default
        return {name: np.repeat(value, capacity, axis=0) for name, value in default.items()}

    @classmethod
    def quantize(cls, columns: Mapping[str, Array], lanes: Array, rows: Array) -> None:
        """Columns to lanes, in one call that releases the GIL.

        A value's lanes that mean nothing (an optional that is absent, what lies beyond the count
        of an array or the size of a text) become 0.

        Args:
            columns: as ``columns()`` makes them; each of length capacity.
            lanes: int32 of shape (lanes, capacity), C-contiguous; holds the bits of uint32 codes.
            rows: bool or uint8 of shape (capacity,); only rows where it is not zero are touched.

        Raises:
            EncodeError: a value does not fit; names field, row, value and limit.
        """
        cls._codec.quantize(columns, lanes, rows)

    @classmethod
    def dequantize(cls, lanes: Array, columns: Mapping[str, Array], rows: Array) -> None:
        """Lanes to columns, the inverse of ``quantize``.

        Whatever the codes are, the values are in range: codes above ``lane_max`` count as it, and
        a float that is not finite, or a text that is not UTF-8, as zero or empty.
        """
        cls._codec.dequantize(lanes, columns, rows)

    @classmethod
    def row(cls, columns: Mapping[str, Array], slot: int) -> Self:
        """One row of columns as an object.

        Raises:
            EncodeError: a column holds a value that is no member of its enum.
        """
        try:
            return cast(Self, cls._load(columns, slot))
        except EncodeError as error:
            raise EncodeError(
                f"{cls.__name__}.{error.field} in row {slot}: {error}",
                schema=cls.__name__,
                field=error.field,
                value=error.value,
                limit=error.limit,
            ) from None

    @classmethod
    def set_row(cls, columns: Mapping[str, Array], slot: int, obj: object) -> None:
        """Write an object into one row of columns.

        Raises:
            EncodeError: a value does not fit its field; nothing is written.
        """
        cls._codec.encode(obj)
        cls._store(columns, slot, obj)

    @overload
    @classmethod
    def explain(cls, data: None = None, *, version: int | None = None) -> Explanation: ...
    @overload
    @classmethod
    def explain(
        cls, data: Buffer | Array, *, many: bool = False, version: int | None = None
    ) -> DataExplanation: ...
    @classmethod
    def explain(
        cls,
        data: Buffer | Array | None = None,
        *,
        many: bool = False,
        version: int | None = None,
    ) -> Explanation | DataExplanation:
        """Where the bits go, or what each bit of ``data`` is; print it, or look at its rows.

        Works on invalid data too: the rows go up to where it is no encoding, and the last says
        why. It is for learning and debugging, and slow.

        Args:
            data: what ``encode`` gave, or ``encode_many`` or ``encode_records`` with ``many``.
            many: the data is a count and objects.
            version: an older version of the schema.
        """
        fields = cls._fields if version is None else cls.codec_for(version).fields
        if data is None:
            return explain(cls.__name__, fields)
        return dissect(cls.__name__, fields, memoryview(cast(Any, data)).tobytes(), many=many)

    @classmethod
    def codec_for(cls, version: int) -> VersionCodec[Self]:
        """Writes and reads the bytes that this schema had in ``version``.

        Made once for each version that differs. A version without a change of this schema has
        the codec of the one before, so a version of the whole application can be given.

        Raises:
            SchemaError: ``version`` is below ``schema_since``.
        """
        if version < cls._since:
            raise SchemaError(
                f"{cls.__name__} is there since version {cls._since}, not in version {version}"
            )
        step = max(each for each in cls.schema_versions if each <= version)
        codecs = cls._cache.setdefault("codecs", {})
        if step not in codecs:
            codecs[step] = VersionCodec(cls, step, cls._kind, cls._codec, cls._program)
        return cast(VersionCodec[Self], codecs[step])

    @classmethod
    def compatible_with(cls, other: type[Schema] | Sequence[str]) -> int | None:
        """The version of this schema that gives the same bytes the same meaning as ``other``.

        Args:
            other: a schema class, or the ``description`` of one at the other end.

        Returns:
            A version for ``codec_for``, the newest that fits, or None when none does. The newer
            schema reads and writes as the older one; an older one does not know its future, and
            is None for it.
        """
        lines = other.description if isinstance(other, SchemaType) else tuple(other)
        return first_that_equals(cls._fields, reversed(cls.schema_versions), lines)

    @classmethod
    def _neutral(cls) -> Self:
        """An object with the defaults, and what is nearest to zero where there is none."""
        made = cls.__new__(cls)
        for f in cls._fields:
            setattr(made, f.name, fresh(f.default) if f.has_default else f.kind.neutral())
        return made

    def copy(self) -> Self:
        """An independent copy: lists and nested schemas are copied as well."""
        made = self.__class__.__new__(self.__class__)
        for name in self.__match_args__:
            setattr(made, name, fresh(getattr(self, name)))
        return made

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields set to other values.

        Raises:
            TypeError: there is no field of that name.
        """
        made = self.copy()
        for name, value in changes.items():
            if name not in self.__match_args__:
                raise TypeError(f"{self.__class__.__name__} has no field {name!r}")
            setattr(made, name, value)
        return made

    __copy__ = copy
    __replace__ = replace

    def __repr__(self) -> str:
        values = (f"{n}={getattr(self, n)!r}" for n in self.__match_args__ if hasattr(self, n))
        return f"{self.__class__.__qualname__}({', '.join(values)})"


RESERVED = frozenset(
    name
    for holder in (SchemaType, Schema, Instance)
    for name in holder.__dict__
    if not name.startswith("_")
)
"""Names that a field may not have."""
