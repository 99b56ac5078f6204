"""Single values between Python and NumPy columns, without quantising them."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np

from netcode.errors import EncodeError
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

__all__ = ["row_loader", "row_storer"]

Array = np.ndarray[Any, Any]
Loader = Callable[[Array, int], Any]
Storer = Callable[[Array, int, Any], None]
PLAIN = (AngleKind, BoolKind, FloatKind, IntKind, QuantizedKind, VarUintKind)
"""Kinds whose cell is the value."""


def row_loader(cls: Any, fields: tuple[Field, ...]) -> Callable[[Mapping[str, Array], int], Any]:
    """A function of (columns, row) that gives a new object; written out, for there are many rows.

    It raises EncodeError, with ``field``, where the column of an enum holds no member.
    """
    values: dict[str, Any] = {"cls": cls, "new": cls.__new__}
    lines = ["def load(columns, row):", "    made = new(cls)"]
    for i, field in enumerate(fields):
        cell = f"columns[{field.name!r}].item(row)"
        if isinstance(field.kind, (VecKind, QuatKind)):
            cell = f"tuple(columns[{field.name!r}][row].tolist())"
        elif type(field.kind) not in PLAIN:
            values[f"load{i}"] = loader(field.kind, field.name)
            cell = f"load{i}(columns[{field.name!r}], row)"
        lines.append(f"    made.{field.name} = {cell}")
    builtins.exec("\n".join([*lines, "    return made"]), values)
    return cast(Callable[[Mapping[str, Array], int], Any], values["load"])


def row_storer(
    fields: tuple[Field, ...],
) -> Callable[[Mapping[str, Array], int, Any], None]:
    """A procedure of (columns, row, object) that writes an object which the codec accepts."""
    values: dict[str, Any] = {}
    lines = ["def store(columns, row, obj):"]
    for i, field in enumerate(fields):
        if type(field.kind) in PLAIN or isinstance(field.kind, (VecKind, QuatKind)):
            lines.append(f"    columns[{field.name!r}][row] = obj.{field.name}")
        else:
            values[f"store{i}"] = storer(field.kind)
            lines.append(f"    store{i}(columns[{field.name!r}], row, obj.{field.name})")
    builtins.exec("\n".join([*lines, "    return None"]), values)
    return cast(Callable[[Mapping[str, Array], int, Any], None], values["store"])


def loader(kind: Kind, path: str) -> Loader:
    """A function of (column, row) that gives the Python value there."""
    match kind:
        case EnumKind():
            return enum_loader(kind, path)
        case FlagsKind():
            cls = kind.cls
            return lambda column, row: cls(column.item(row))
        case VecKind() | QuatKind():
            return lambda column, row: tuple(column[row].tolist())
        case TextKind():
            return lambda column, row: column.item(row).decode(errors="replace")
        case BlobKind():
            return lambda column, row: column["data"][row, : column["size"][row]].tobytes()
        case OptionalKind():
            inner = loader(kind.inner, path)
            return lambda column, row: (
                inner(column["value"], row) if column["present"][row] else None
            )
        case ArrayKind():
            return array_loader(loader(kind.element, f"{path}[]"))
        case NestedKind():
            return nested_loader(kind, path)
    return lambda column, row: column.item(row)


def enum_loader(kind: EnumKind, path: str) -> Loader:
    by_value = dict(zip(kind.stored, kind.members, strict=True))

    def load(column: Array, row: int) -> Any:
        value = column.item(row)
        if value not in by_value:
            message = f"{value} is not {kind.limit}"
            raise EncodeError(message, field=path, value=value, limit=kind.limit)
        return by_value[value]

    return load


def array_loader(element: Loader) -> Loader:
    def load(column: Array, row: int) -> Any:
        items = column["items"][row]
        return [element(items, i) for i in range(column["count"][row])]

    return load


def nested_loader(kind: NestedKind, path: str) -> Loader:
    parts = [(field.name, loader(field.kind, f"{path}.{field.name}")) for field in kind.fields]
    cls = kind.schema

    def load(column: Array, row: int) -> Any:
        made = cls.__new__(cls)
        for name, part in parts:
            setattr(made, name, part(column[name], row))
        return made

    return load


def storer(kind: Kind) -> Storer:
    """A procedure of (column, row, value) that writes a value which the codec accepts."""
    match kind:
        case EnumKind():
            values = dict(zip(kind.members, kind.stored, strict=True))
            return lambda column, row, value: column.__setitem__(row, values[value])
        case FlagsKind():
            return lambda column, row, value: column.__setitem__(row, value.value)
        case TextKind():
            return lambda column, row, value: column.__setitem__(row, value.encode())
        case BlobKind():
            return store_blob
        case OptionalKind():
            return optional_storer(storer(kind.inner))
        case ArrayKind():
            return array_storer(storer(kind.element))
        case NestedKind():
            return nested_storer(kind)
    return store_plain


def store_plain(column: Array, row: int, value: Any) -> None:
    column[row] = value


def store_blob(column: Array, row: int, value: Any) -> None:
    data = bytes(value)
    column["size"][row] = len(data)
    column["data"][row] = 0
    column["data"][row, : len(data)] = np.frombuffer(data, np.uint8)


def optional_storer(inner: Storer) -> Storer:
    def store(column: Array, row: int, value: Any) -> None:
        column["present"][row] = value is not None
        if value is None:
            column["value"][row] = np.zeros((), column["value"].dtype)
        else:
            inner(column["value"], row, value)

    return store


def array_storer(element: Storer) -> Storer:
    def store(column: Array, row: int, value: Any) -> None:
        items = column["items"][row]
        column["count"][row] = len(value)
        items[...] = np.zeros((), items.dtype)
        for i, item in enumerate(value):
            element(items, i, item)

    return store


def nested_storer(kind: NestedKind) -> Storer:
    parts = [(field.name, storer(field.kind)) for field in kind.fields]

    def store(column: Array, row: int, value: Any) -> None:
        for name, part in parts:
            part(column[name], row, getattr(value, name))

    return store
