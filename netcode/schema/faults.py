"""Messages of the codec's errors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from netcode.errors import DecodeError, EncodeError
from netcode.schema.kinds import ArrayKind, Field, Kind, NestedKind, OptionalKind

__all__ = ["decode_error", "encode_error", "value_at"]

ENCODE: Final = {
    "missing": "is not set; it takes {limit}",
    "type": "{value} is not {limit}",
    "range": "{value} is out of range; it takes {limit}",
    "nan": "NaN is not {limit}",
    "length": "{value} is too long; it takes {limit}",
    "zero": "{value} has length 0 and is no rotation",
    "nul": "{value} has a NUL character in it",
    "utf8": "{value} cannot be written as UTF-8",
    "changed": "the list changed while it was encoded",
}
DECODE: Final = {
    "end": "the data ends here",
    "code": "the code is above the largest one",
    "varint": "the varint is overlong or above 64 bits",
    "count": "the count is above the limit, or more than the data can hold",
    "not_finite": "the number is not finite",
    "canonical": "this is a second encoding of the value",
    "nul": "the text has a NUL character in it",
    "utf8": "the text is not UTF-8",
    "padding": "the unused bits of the last byte are not zero",
    "trailing": "there are bytes behind the end",
}


def shown(value: object) -> str:
    """A value in an error message, cut when it is long; without a repr, what it is."""
    try:
        text = repr(value)
    except Exception as error:  # Python writes no int of thousands of digits; others may do worse
        if type(value) is int:
            return f"an int of {value.bit_length():,} bits"
        text = f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
    return text if len(text) <= 80 else f"{text[:77]}..."


def value_at(fields: Iterable[Field], rows: Any, row: int, path: str) -> Any:
    """What stands at the dotted ``path`` in a row of columns or of a structured array: a tuple,
    bytes, or a number. ``fields`` are those of the schema."""
    kind: Kind | None = None
    cell: Any = None
    for part in re.findall(r"[^.\[\]]+", path):
        match kind:
            case None:
                kind, cell = kind_of(fields, part), rows[part][row]
            case ArrayKind():
                kind, cell = kind.element, cell["items"][int(part)]
            case NestedKind():
                kind, cell = kind_of(kind.fields, part), cell[part]
        while isinstance(kind, OptionalKind):
            kind, cell = kind.inner, cell["value"]
    plain = cell.tolist()
    return tuple(plain) if isinstance(plain, list) else plain


def kind_of(fields: Iterable[Field], name: str) -> Kind:
    return next(field.kind for field in fields if field.name == name)


def encode_error(
    reason: str, schema: str, field: str, value: object, limit: str, row: int | None = None
) -> EncodeError:
    """The exception for a value that its field refuses; ``row`` is that of a table."""
    what = ENCODE[reason].format(value=shown(value), limit=limit)
    where = f"{schema}.{field}" if field else schema
    if row is not None:
        where += f" in row {row}"
    return EncodeError(f"{where}: {what}", schema=schema, field=field, value=value, limit=limit)


def decode_error(reason: str, schema: str, field: str, bit: int) -> DecodeError:
    """The exception for bytes that are no encoding."""
    where = f"{schema}.{field}" if field else schema
    return DecodeError(
        f"{where}: at bit {bit}, {DECODE[reason]}", schema=schema, field=field, bit=bit
    )
