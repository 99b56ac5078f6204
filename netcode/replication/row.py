"""Row views: an entity as an object whose attributes are cells of the table's columns."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from netcode.errors import UnknownEntity
from netcode.schema import Schema

__all__ = ["DespawnedRow", "RowView", "row_class"]

Columns = Mapping[str, npt.NDArray[Any]]


class RowView:
    """An entity of a table. Its attributes are the schema's fields.

    Reading gives plain Python values, writing changes the column; numbers are checked when the
    tick is committed, other values at once (EncodeError). Compound values (tuples, lists) are
    copies: assign them whole. Fields of a nested schema can be assigned one by one.
    """

    __slots__ = ("_slot",)

    def __init__(self, slot: int) -> None:
        self._slot = slot


class DespawnedRow(RowView):
    """What a row view turns into when its entity is despawned."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        raise UnknownEntity(f"cannot read {name!r}: this entity was despawned")

    def __setattr__(self, name: str, value: object) -> None:
        raise UnknownEntity(f"cannot set {name!r}: this entity was despawned")

    def __repr__(self) -> str:
        return "<despawned entity>"


def row_class(schema: type[Schema], columns: Columns) -> type[RowView]:
    """A RowView class over these columns. They must not be replaced afterwards."""
    example = schema.row(columns, 0)
    names = tuple(columns)
    body: dict[str, Any] = {"__slots__": (), "__doc__": f"One row of a table of {schema.__name__}."}
    for name in names:
        body[name] = field(schema, columns, name, getattr(example, name))

    def show(self: RowView) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"<{schema.__name__} row: {values}>"

    body["__repr__"] = show
    return type(f"{schema.__name__}Row", (RowView,), body)


def field(schema: type[Schema], columns: Columns, name: str, example: object) -> property:
    """The property of one field, by the type of value it holds."""
    column = columns[name]
    inner = column.dtype.names
    if inner is None and column.ndim == 1 and type(example) in (bool, int, float):
        return scalar(column, type(example))
    if inner is None and column.ndim == 2 and isinstance(example, tuple):
        return vector(column)
    if isinstance(example, Schema) and inner == tuple(example.columns(1)):  # not optional
        return nested(column, type(example))
    return cell(schema, column, name)


def scalar(column: npt.NDArray[Any], kind: type) -> property:
    item = column.item
    # NumPy would cut 3.7 down to 3 and any object to a truth value, silently.
    convert: Callable[[Any], Any] = operator.index if kind is int else kind

    def read(self: RowView) -> Any:
        return item(self._slot)

    def write(self: RowView, value: Any) -> None:
        column[self._slot] = convert(value)

    return property(read, write)


def vector(column: npt.NDArray[Any]) -> property:
    def read(self: RowView) -> tuple[Any, ...]:
        return tuple(column[self._slot].tolist())

    def write(self: RowView, value: Any) -> None:
        if np.shape(value) != column.shape[1:]:
            raise ValueError(f"expected {column.shape[1]} numbers, not {value!r}")
        column[self._slot] = value

    return property(read, write)


def nested(column: npt.NDArray[Any], schema: type[Schema]) -> property:
    columns = {name: column[name] for name in column.dtype.names or ()}
    view = row_class(schema, columns)

    def read(self: RowView) -> RowView:
        return view(self._slot)

    def write(self: RowView, value: Any) -> None:
        if isinstance(value, RowView):
            for name in columns:
                setattr(view(self._slot), name, getattr(value, name))
        else:
            schema.set_row(columns, self._slot, value)

    return property(read, write)


def cell(schema: type[Schema], column: npt.NDArray[Any], name: str) -> property:
    """Enums, flags, text, optional values, arrays: converted by the schema, on a row of its own,
    so that only this field is looked at."""
    spare = schema.columns(1)

    def read(self: RowView) -> Any:
        spare[name][0] = column[self._slot]
        return getattr(schema.row(spare, 0), name)

    def write(self: RowView, value: Any) -> None:
        spare[name][0] = blank
        state = schema.row(spare, 0)
        setattr(state, name, value)
        schema.set_row(spare, 0, state)
        column[self._slot] = spare[name][0]

    blank = spare[name][0].copy()
    return property(read, write)
