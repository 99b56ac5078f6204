"""Where the bits of a schema go, as a table."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from netcode.schema.kinds import ArrayKind, Field, Kind, NestedKind, OptionalKind

__all__ = ["Explanation", "ExplanationRow", "explain"]

HEADINGS = ("field", "kind", "bits", "at bit")


@dataclass(frozen=True, slots=True)
class ExplanationRow:
    """One field, or one field inside a field.

    Attributes:
        field: dotted name; ``[]`` stands for each item of an array.
        kind: canonical text with range and step.
        bits_min: fewest bits on the wire.
        bits_max: most bits on the wire.
        offset: first bit when everything before it has its fewest bits, counted from the start of
            the object; None inside arrays.
        fixed: whether ``offset`` is the same in every object.
    """

    field: str
    kind: str
    bits_min: int
    bits_max: int
    offset: int | None
    fixed: bool

    @property
    def bits(self) -> str:
        """``bits_min`` and ``bits_max`` as text."""
        if self.bits_min == self.bits_max:
            return str(self.bits_min)
        return f"{self.bits_min}..{self.bits_max}"

    @property
    def place(self) -> str:
        """``offset`` as text."""
        if self.offset is None:
            return ""
        return str(self.offset) if self.fixed else f"{self.offset}+"


@dataclass(frozen=True, slots=True)
class Explanation:
    """The table; ``str`` of it is aligned text, and notebooks show it as HTML.

    Attributes:
        schema: name of the schema.
        rows: one for each field, in wire order.
        bits_min: fewest bits of one object.
        bits_max: most bits of one object.
    """

    schema: str
    rows: tuple[ExplanationRow, ...]
    bits_min: int
    bits_max: int

    @property
    def total(self) -> str:
        """One line with the sizes."""
        if self.bits_min == self.bits_max:
            return f"{self.bits_min} bits, {bytes_of(self.bits_min)} bytes"
        sizes = f"{bytes_of(self.bits_min)} to {bytes_of(self.bits_max)} bytes"
        return f"{self.bits_min} to {self.bits_max} bits, {sizes}"

    def cells(self) -> list[tuple[str, str, str, str]]:
        """The text of every cell."""
        return [(row.field, row.kind, row.bits, row.place) for row in self.rows]

    def __str__(self) -> str:
        table = [HEADINGS, *self.cells()]
        widths = [max(len(line[i]) for line in table) for i in range(len(HEADINGS))]
        lines = []
        for field, kind, bits, place in table:
            left = f"{field:<{widths[0]}}  {kind:<{widths[1]}}"
            lines.append(f"{left}  {bits:>{widths[2]}}  {place:>{widths[3]}}")
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join((f"{self.schema}: {self.total}", *lines))

    def _repr_html_(self) -> str:
        def row(cells: Iterable[str], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

        caption = f"<caption>{html.escape(self.schema)}: {html.escape(self.total)}</caption>"
        body = "".join(row(cells, "td") for cells in self.cells())
        return f"<table>{caption}{row(HEADINGS, 'th')}{body}</table>"


def bytes_of(bits: int) -> int:
    return (bits + 7) // 8


def explain(schema: str, fields: Iterable[Field]) -> Explanation:
    """The table of a schema."""
    rows = tuple(rows_of(fields, "", 0, True))
    top = [row for row in rows if "." not in row.field and "[" not in row.field]
    return Explanation(
        schema, rows, sum(row.bits_min for row in top), sum(row.bits_max for row in top)
    )


def rows_of(
    fields: Iterable[Field], prefix: str, offset: int | None, fixed: bool
) -> Iterator[ExplanationRow]:
    for field in fields:
        kind, path = field.kind, prefix + field.name
        yield ExplanationRow(path, kind.text, kind.bits_min, kind.bits_max, offset, fixed)
        yield from rows_inside(kind, path, offset, fixed)
        if offset is not None:
            offset += kind.bits_min
        fixed = fixed and kind.bits_min == kind.bits_max


def rows_inside(kind: Kind, path: str, offset: int | None, fixed: bool) -> Iterator[ExplanationRow]:
    match kind:
        case OptionalKind():
            yield from rows_inside(kind.inner, path, None if offset is None else offset + 1, fixed)
        case ArrayKind():
            yield from rows_inside(kind.element, f"{path}[]", None, False)
        case NestedKind():
            yield from rows_of(kind.fields, f"{path}.", offset, fixed)
