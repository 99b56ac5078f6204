"""All decoders of a schema on the same bytes: what one accepts, all accept; it is canonical."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from fuzz.mutate import Mutator, Seed, pick
from fuzz.schemas import object_of

from netcode.errors import DecodeError
from netcode.schema import Schema, VersionCodec

ACCEPTED = "accepted"
TRAILING = "there are bytes behind the end"
COUNT = "the count is above the limit, or more than the data can hold"
SMALL = 40
"""Bytes; schemas with smaller messages get more of the cases."""
SECOND = 0.3
"""Share of the objects that a second decoder sees."""
LOOK = 0.25
"""Share of the arrays that are looked through for what must not have changed."""
FILLED = 0xA5
COUNTS = (0, 1, 1, 2, 3, 5, 6, 20)
"""Objects of a list; four and more are decoded a block of rows at a time."""
LIMIT = 40
ROOM = 1 << 12
"""Most objects of a list, and bytes of their rows: a larger claim is refused."""


class Finding(AssertionError):
    """A decoder did what none may do."""


def reason(error: DecodeError) -> str:
    """What is wrong, without where."""
    return str(error).partition(", ")[2]


def expect(ok: bool, what: str, *more: object) -> None:
    if not ok:
        raise Finding(" ".join((what, *map(repr, more))))


def exact(data: bytes) -> Any:
    """A copy in memory that ends where the data ends; bytes objects have a NUL behind."""
    return np.frombuffer(data, np.uint8).copy() if data else np.empty(0, np.uint8)


class Out:
    """Rows to decode into, and the memory of them and of what lies between."""

    def __init__(self, whole: Any, part: slice, gaps: slice = slice(0)) -> None:
        self.memory = np.frombuffer(whole, np.uint8).reshape(len(whole), -1)
        self.rows, self.row_memory, self.gaps = whole[part], self.memory[part], self.memory[gaps]


class Subject:
    """One version of a schema: valid messages of it, and checks of any others.

    Args:
        cls: the schema.
        rng: for the messages, and for which of the decoders sees which input.
        version: an older version, through its ``codec_for``.
        messages: how many valid objects and lists to start from.
    """

    def __init__(
        self, cls: type[Schema], rng: random.Random, version: int | None, messages: int
    ) -> None:
        self.cls, self.rng, self.version = cls, rng, version
        self.api: type[Schema] | VersionCodec[Any] = (
            cls if version is None else cls.codec_for(version)
        )
        self.decode: Callable[[Any], Any] = self.api.decode
        fields = cls.fields if version is None else cls.codec_for(version).fields
        self.bits_min = sum(field.kind.bits_min for field in fields)
        objects = [object_of(cls, cls.fields, rng) for _ in range(messages)]
        single = [self.api.encode(each) for each in objects]
        self.limit = max(6, min(LIMIT, ROOM // max(1, cls.dtype.itemsize)))
        lists = [
            self.api.encode_many(rng.choices(objects, k=min(rng.choice(COUNTS), self.limit)))
            for _ in range(messages)
        ]
        self.weight = 6 if sum(map(len, single)) < SMALL * messages else 1
        self.objects = Mutator(rng, self.seeds(single, False))
        self.lists = Mutator(rng, self.seeds(lists, True))
        self.decoders: list[Callable[[bytes, DecodeError | None], None]] = [
            self.as_list, self.as_records, self.as_exact,
        ]  # fmt: skip
        self.outs = list(self.arrays()) if version is None and cls.dtype.itemsize else []
        if version is None:
            self.decoders.append(self.as_part)
        if self.outs:
            self.decoders.append(self.as_filled)

    def __repr__(self) -> str:
        version = "" if self.version is None else f" version {self.version}"
        return f"{self.cls.__name__}{version}: {'; '.join(self.cls.description)}"

    def seeds(self, messages: Iterable[bytes], many: bool) -> Iterable[Seed]:
        for data in messages:
            told = self.cls.explain(data, many=many, version=self.version)
            expect(not told.error, "explain of a valid message", data, told.error)
            yield Seed.from_rows(data, told.rows)

    def arrays(self) -> Iterable[Out]:
        """Arrays to decode into: packed, strided, backwards, and with the fields elsewhere."""
        dtype, rows = self.cls.dtype, self.limit
        yield Out(np.zeros(rows, dtype), slice(None))
        yield Out(np.zeros(2 * rows, dtype), slice(None, None, 2), slice(1, None, 2))
        yield Out(np.zeros(rows, dtype), slice(None, None, -1))
        if dtype.names:
            parts = [("before", np.uint8), *((n, dtype.fields[n][0]) for n in dtype.names[::-1])]
            yield Out(np.zeros(rows, [*parts, ("behind", np.uint16)]), slice(None))

    # One object

    def check_object(self, data: bytes) -> str:
        """Give one input to the decoder of objects, often to one other; returns the outcome."""
        error = None
        try:
            made = self.decode(data)
        except DecodeError as refused:
            error = refused
        else:
            again = self.api.encode(made)
            expect(again == data, "decode accepts what encode does not give", again)
        if self.rng.random() < SECOND:
            pick(self.rng, self.decoders)(data, error)
        return ACCEPTED if error is None else reason(error)

    def same(self, error: DecodeError | None, other: DecodeError | None, shift: int) -> None:
        """The second decoder says what the first said, ``shift`` bits later."""
        if error is None or other is None:
            expect(error is other, "one decoder accepts, one refuses", error, other)
            return
        one = (reason(error), error.field, error.bit)
        two = (reason(other), other.field, (other.bit or 0) - shift)
        expect(one == two, "two decoders refuse differently", one, two)

    def same_in_list(
        self, data: bytes, error: DecodeError | None, other: DecodeError | None
    ) -> None:
        """As ``same``, for a list of the one object; it may see first that there is no room."""
        if other is not None and not other.field and reason(other) == COUNT:
            expect(8 * len(data) < self.bits_min, "there is room for one object", data)
            expect(error is not None, "one decoder accepts, one refuses", error, other)
        else:
            self.same(error, other, 8)

    def as_exact(self, data: bytes, error: DecodeError | None) -> None:
        other = None
        try:
            self.decode(exact(data))
        except DecodeError as refused:
            other = refused
        self.same(error, other, 0)

    def as_part(self, data: bytes, error: DecodeError | None) -> None:
        """Between other bytes."""
        assert self.version is None
        before = self.rng.getrandbits(2)
        padded = b"\xa5" * before + data
        other, end = None, 0
        try:
            made, end = self.cls.decode_from(exact(padded), before)
        except DecodeError as refused:
            other = refused
        else:
            expect(made.encode() == padded[before:end], "decode_from is not canonical", end)
        if error is not None and reason(error) == TRAILING:
            expect(other is not None or end < len(padded), "decode_from goes too far", end)
            return
        self.same(error, other, 0)
        expect(other is not None or end == len(padded), "decode_from ends elsewhere", end)
        if other is None:
            tail = self.rng.randbytes(self.rng.getrandbits(3))
            expect(self.cls.decode_from(padded + tail, before)[1] == end, "bytes behind matter")

    def as_list(self, data: bytes, error: DecodeError | None) -> None:
        other, many = None, b"\x01" + data
        try:
            made = self.api.decode_many(exact(many))
        except DecodeError as refused:
            other = refused
        else:
            expect(self.api.encode_many(made) == many, "decode_many is not canonical")
        self.same_in_list(data, error, other)

    def as_records(self, data: bytes, error: DecodeError | None) -> None:
        other, many = None, b"\x01" + data
        try:
            rows = self.api.decode_records(exact(many))
        except DecodeError as refused:
            other = refused
        else:
            expect(self.api.encode_records(rows) == many, "decode_records is not canonical")
        self.same_in_list(data, error, other)

    def as_filled(self, data: bytes, error: DecodeError | None) -> None:
        other = self.fill(b"\x01" + data)
        self.same_in_list(data, error, other)

    # Lists

    def fill(self, data: bytes) -> DecodeError | None:
        """``decode_records`` into an array that holds something else already."""
        out = pick(self.rng, self.outs)
        look = self.rng.random() < LOOK
        if look:
            out.memory[:] = FILLED
        error, filled = None, len(out.rows)
        try:
            rows = self.cls.decode_records(exact(data), out.rows)
        except DecodeError as refused:
            error = refused
        else:
            filled = len(rows)
            expect(self.cls.encode_records(rows) == data, "decode_records(out=) is not canonical")
        for outside in (out.row_memory[filled:], out.gaps) if look else ():
            touched = bool((outside != FILLED).any())
            expect(not touched, "decode_records(out=) touches rows that it does not fill")
        return error

    def check_list(self, data: bytes) -> str:
        """One input to all decoders of lists."""
        error = other = None
        try:
            made = self.api.decode_many(data, limit=self.limit)
        except DecodeError as refused:
            error = refused
        else:
            expect(self.api.encode_many(made) == data, "decode_many is not canonical")
        if self.outs and self.rng.getrandbits(1):
            other = self.fill(data)
        else:
            try:
                rows = self.api.decode_records(exact(data), limit=self.limit)
            except DecodeError as refused:
                other = refused
            else:
                expect(self.api.encode_records(rows) == data, "decode_records is not canonical")
        self.same(error, other, 0)
        return ACCEPTED if error is None else reason(error)

    # Explanations

    def check_explain(self, data: bytes, many: bool) -> str:
        """The explanation of one input: whole, and of the decoder's opinion."""
        error = None
        try:
            if many:
                self.api.decode_many(data)
            else:
                self.decode(data)
        except DecodeError as refused:
            error = refused
        told = self.cls.explain(data, many=many, version=self.version)
        at = 0
        for row in told.rows:
            expect(row.bit == at or row is told.rows[-1], "rows have a gap", row, at)
            at = row.bit + row.bits
            expect(row.bits >= 0 and at <= 8 * len(data), "a row is outside", row)
        if error is None:
            expect(not told.error and at == 8 * len(data), "explain refuses", told.error)
        else:
            text = str(error).partition(": ")[2]
            expect(
                told.error.endswith(f": {text}"), "explain refuses differently", told.error, text
            )
            expect(many or told.error == str(error), "explain names another field", told.error)
        expect(bool(str(told)) and bool(told._repr_html_()), "explain shows nothing")
        return ACCEPTED if error is None else reason(error)
