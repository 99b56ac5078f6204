"""What each bit of encoded data is, as a table."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from netcode.errors import DecodeError
from netcode.schema.codec import Codec
from netcode.schema.faults import DECODE
from netcode.schema.kinds import (
    ArrayKind,
    BlobKind,
    BoolKind,
    Field,
    Kind,
    NestedKind,
    OptionalKind,
    TextKind,
    VarUintKind,
    VecKind,
)
from netcode.schema.limits import MANY_LIMIT
from netcode.schema.program import MAX_RUN, build

__all__ = ["DataExplanation", "DataRow", "dissect"]

HEADINGS = ("bit", "bits", "field", "code", "value", "note")
LEFT = (2, 4, 5)
MAX_NOTE = 48
MAX_GROUPS = 10
COUNT = VarUintKind((1 << 64) - 1, np.dtype(np.uint64))


@dataclass(frozen=True, slots=True)
class DataRow:
    """Some bits of the data.

    Attributes:
        bit: the first of them, counted from the start of the data.
        bits: how many; where the data ends too early, how many are left.
        field: dotted name, with the indices of arrays; empty for what belongs to no field.
        code: the unsigned number in these bits; None for the bytes of a text or blob, and where
            reading failed.
        value: what it means.
        note: the kind of the field, or what else these bits are; in the last row after a failure,
            what is wrong.
    """

    bit: int
    bits: int
    field: str
    code: int | None
    value: Any
    note: str

    def cells(self) -> tuple[str, ...]:
        """The text of every cell."""
        value = "" if self.value is None else repr(self.value)
        value = value if len(value) <= MAX_NOTE else f"{value[: MAX_NOTE - 3]}..."
        code = "" if self.code is None else str(self.code)
        return str(self.bit), str(self.bits), self.field, code, value, self.note


@dataclass(frozen=True, slots=True)
class DataExplanation:
    """The table; ``str`` of it is aligned text, and notebooks show it as HTML.

    Attributes:
        schema: name of the schema.
        size: bytes of the data.
        rows: one for each piece, in the order of the bits.
        error: why the data is no encoding, or empty. The rows go up to there.
    """

    schema: str
    size: int
    rows: tuple[DataRow, ...]
    error: str

    @property
    def title(self) -> str:
        """One line with the size, and what is wrong."""
        size = f"{self.schema}: {self.size} byte{'s' * (self.size != 1)}"
        return f"{size}, invalid: {self.error}" if self.error else size

    def __str__(self) -> str:
        table = [HEADINGS, *(row.cells() for row in self.rows)]
        widths = [max(len(line[i]) for line in table) for i in range(len(HEADINGS))]
        lines = []
        for line in table:
            cells = (
                f"{cell:<{width}}" if i in LEFT else f"{cell:>{width}}"
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            lines.append("  ".join(cells).rstrip())
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join((self.title, *lines))

    def _repr_html_(self) -> str:
        def line(cells: Iterable[str], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

        body = "".join(line(row.cells(), "td") for row in self.rows)
        caption = f"<caption>{html.escape(self.title)}</caption>"
        return f"<table>{caption}{line(HEADINGS, 'th')}{body}</table>"


def dissect(
    schema: str, fields: tuple[Field, ...], data: bytes, *, many: bool, limit: int = MANY_LIMIT
) -> DataExplanation:
    """The table of ``data``, one object or, with ``many``, a count and objects."""
    walk = Walk(data)
    error = ""
    try:
        if many:
            walk.objects(fields, limit)
        else:
            walk.fields(fields, "")
        walk.end()
    except Stop as stop:
        name = stop.field if stop.field.startswith("[") or not stop.field else f".{stop.field}"
        error = f"{schema}{name}: at bit {stop.bit}, {stop.reason}"
        walk.rows.append(DataRow(stop.bit, stop.bits, stop.field, None, None, stop.reason))
    return DataExplanation(schema, len(data), tuple(walk.rows), error)


class Stop(Exception):
    """The data is no encoding from here on."""

    def __init__(self, bit: int, bits: int, field: str, reason: str) -> None:
        super().__init__(reason)
        self.bit, self.bits, self.field, self.reason = bit, bits, field, reason


class Holder:
    """What the codec of a single value fills."""

    __slots__ = ("value",)
    value: Any


class Walk:
    """Reads data in the order of the codec, and notes every step.

    The values, and what is wrong with a code, are the codec's own: each piece is decoded alone.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = 8 * len(data)
        self.position = 0
        self.rows: list[DataRow] = []
        self.codecs: dict[int, Codec] = {}

    @property
    def left(self) -> int:
        return self.size - self.position

    def stop(self, start: int, bits: int, path: str, reason: str) -> Stop:
        """A failure of what begins at ``start``."""
        return Stop(start, min(bits, self.size - start), path, DECODE.get(reason, reason))

    def take(self, bits: int, path: str, start: int | None = None) -> int:
        """The next code."""
        if bits > self.left:
            at = self.position if start is None else start
            raise self.stop(at, self.size - at, path, "end")
        self.position += bits
        return self.piece(self.position - bits)

    def piece(self, start: int) -> int:
        """The bits from ``start`` up to here."""
        part = int.from_bytes(self.data[start // 8 : (self.position + 7) // 8], "little")
        return part >> start % 8 & ((1 << self.position - start) - 1)

    def note(self, start: int, path: str, code: int | None, value: Any, note: str) -> None:
        self.rows.append(DataRow(start, self.position - start, path, code, value, note))

    def meaning(self, kind: Kind, start: int, path: str) -> Any:
        """The value of the bits from ``start`` up to here, as the codec decodes it."""
        codec = self.codecs.get(id(kind))
        if codec is None:
            program = build(Holder, (Field("value", kind),))
            codec = self.codecs[id(kind)] = Codec(Holder, "", program, np.dtype([]))
        bits = self.position - start
        try:
            return codec.decode(self.piece(start).to_bytes((bits + 7) // 8, "little")).value
        except DecodeError as error:
            reason = str(error).partition(f"at bit {error.bit}, ")[2]
            raise self.stop(start, bits, path, reason) from None

    def objects(self, fields: tuple[Field, ...], limit: int) -> None:
        count = self.varuint(COUNT, "", "objects follow")
        least = sum(field.kind.bits_min for field in fields)
        if count > limit or (least and count > self.left // least):
            self.rows.pop()
            raise self.stop(0, self.position, "", "count")
        for i in range(count):
            self.fields(fields, f"[{i}].")

    def fields(self, fields: tuple[Field, ...], prefix: str) -> None:
        run = 0
        for i, field in enumerate(fields):
            if isinstance(field.kind, BoolKind):
                if run == 0:  # the codec takes neighbouring bools at once
                    while run < min(len(fields) - i, MAX_RUN) and isinstance(
                        fields[i + run].kind, BoolKind
                    ):
                        run += 1
                    if run > self.left:
                        self.take(run, prefix + field.name)
                run -= 1
            self.value(field.kind, prefix + field.name)

    def value(self, kind: Kind, path: str) -> None:
        start = self.position
        match kind:
            case OptionalKind():
                present = self.take(1, path)
                self.note(start, path, present, bool(present), "present" if present else "None")
                if present:
                    self.value(kind.inner, path)
            case NestedKind():
                self.fields(kind.fields, f"{path}.")
            case VecKind():
                for part, letter in zip(kind.parts, "xyz", strict=False):
                    self.value(part, f"{path}.{letter}")
            case VarUintKind():
                self.varuint(kind, path, kind.text)
            case TextKind() | BlobKind():
                self.sized(kind, path)
            case ArrayKind():
                count = self.take(kind.bits_min, path)
                if count > kind.max:
                    raise self.stop(start, kind.bits_min, path, "code")
                if count * kind.element.bits_min > self.left:
                    raise self.stop(start, kind.bits_min, path, "count")
                self.note(start, path, count, count, f"count, at most {kind.max}")
                for i in range(count):
                    self.value(kind.element, f"{path}[{i}]")
            case _:
                code = self.take(kind.bits_max, path)
                text = kind.text if len(kind.text) <= MAX_NOTE else kind.name
                self.note(start, path, code, self.meaning(kind, start, path), text)

    def varuint(self, kind: VarUintKind, path: str, note: str) -> int:
        start = self.position
        for _ in range(MAX_GROUPS):
            if self.take(8, path, start) < 0x80:
                break
        value: int = self.meaning(kind, start, path)
        self.note(start, path, self.piece(start), value, note)
        return value

    def sized(self, kind: TextKind | BlobKind, path: str) -> None:
        start = self.position
        size = self.take(kind.bits_min, path)
        if size > kind.max_bytes:
            raise self.stop(start, kind.bits_min, path, "code")
        self.note(start, path, size, size, f"size, at most {kind.max_bytes}")
        begin = self.position
        self.take(8 * size, path, start)
        value = self.meaning(kind, start, path)
        if size:
            self.note(begin, path, None, value, kind.name)

    def end(self) -> None:
        """What stands behind the last field."""
        start, left = self.position, self.left
        if left >= 8:
            raise self.stop(start, left, "", "trailing")
        if left:
            code = self.take(left, "")
            if code:
                raise self.stop(start, left, "", "padding")
            self.note(start, "", code, None, "padding")
