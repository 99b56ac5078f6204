"""The hello: both ends find out that they speak the same schemas before any state is sent.

Control messages, on channel 0 (reliable and ordered), the first byte is the kind:

    1 HELLO    client to server, first: revision, hashes of its schemas
    2 WELCOME  server to client: who you are, tick rate and tick, the versions, the tables
    3 REFUSE   server to client: the server's schemas, in words, then it disconnects
    4 BYE      either way: why the connection is about to end, as a number and in words
    5 TRANSFER either way: a note of the receiving end of a transfer, see netcode.channel.notes;
               it is not parsed here
    6 RESUME   server to client: a token (1,112 bytes) with which it may go on from another
               address; it is not parsed here

The client offers the hashes of every version that its classes describe, the server picks the
newest that it knows as well. So either end may be the older one. It also offers the trained
models that it has of each table, of which the server picks one that it has too, or none.

Strings are a varint size and UTF-8. Everything is bounded, and a malformed message is a
DecodeError. Of a HELLO or a REFUSE of another revision, only the revision is read.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from netcode.constants import MAX_CLIENTS
from netcode.delta.history import MAX_TICK
from netcode.errors import DecodeError
from netcode.replication.octets import OctetReader, put_text, put_varint

__all__ = [
    "BYE",
    "MAX_HELLO",
    "MAX_MODELS",
    "MAX_VERSIONS",
    "RESUME",
    "REVISION",
    "TRANSFER",
    "Bye",
    "Described",
    "Hello",
    "ModelName",
    "Offer",
    "Refusal",
    "TableInfo",
    "Welcome",
    "parse_control",
]

REVISION: Final = 5
"""Of everything this library sends inside netcode payloads; both ends must agree."""

HELLO: Final = 1
WELCOME: Final = 2
REFUSE: Final = 3
BYE: Final = 4
TRANSFER: Final = 5
RESUME: Final = 6

MODEL_COMMON: Final = 1
MODEL_MISSED: Final = 2

MAX_TABLES: Final = 256
MAX_MESSAGES: Final = 1024
MAX_VERSIONS: Final = 16
"""Versions of one schema that are offered: the newest; older ones are not served."""
MAX_MODELS: Final = 8
"""Trained models of one table that an end may have."""
MAX_MODEL_NAME: Final = 64
MAX_NAME: Final = 255
MAX_LINE: Final = 1024
MAX_LINES: Final = 4096
MAX_REASON: Final = 255
MAX_CAPACITY: Final = 65_536
MIN_RATE: Final = 1e-6
MAX_RATE: Final = 1000.0
"""Ticks a second that a client believes; a server runs at no more."""
MAX_HELLO: Final = 48_000
"""Bytes of a hello; of long lists, fewer versions are offered."""
MAX_REFUSAL: Final = 48_000
"""Bytes of a refusal; what does not fit is left out, and said to be."""


class ModelName(NamedTuple):
    """A trained model: the hash of its file, and what people call it."""

    hash: int
    name: str


class Offer(NamedTuple):
    """A schema by its versions: the hash of each, the newest first, and since when it is there.

    ``models`` are said of a table in a hello, and nowhere else.
    """

    name: str
    since: int
    hashes: tuple[int, ...]
    models: tuple[ModelName, ...] = ()


class Hello(NamedTuple):
    """What a client says first: the schemas it uses."""

    revision: int
    input: Offer | None
    tables: tuple[Offer, ...]
    messages: tuple[Offer, ...]

    def encode(self) -> bytes:
        out = bytearray([HELLO]) + put_varint(self.revision)
        out.append(self.input is not None)
        if self.input is not None:
            out += put_offer(self.input)
        out += put_varint(len(self.tables))
        for each in self.tables:
            out += put_offer(each) + put_varint(len(each.models))
            for model in each.models:
                out += put_model(model)
        out += put_varint(len(self.messages))
        for each in self.messages:
            out += put_offer(each)
        return bytes(out)


class TableInfo(NamedTuple):
    """A table of the server: its number on the wire, its slots, the version that is sent.

    ``model`` codes its sections, None: the untrained tables. The client has it when ``common``;
    else it is one that the server has and this client does not, and sections are untrained.
    """

    number: int
    name: str
    capacity: int
    schema_hash: int
    model: ModelName | None = None
    common: bool = False


class Welcome(NamedTuple):
    """What the server says to a client that fits; state follows.

    ``input`` and ``messages`` are the hashes of the versions that are spoken, in the order of the
    hello, None for what the server does not know; ``tables`` are those that the client gets.
    """

    client_index: int
    tick_rate: float
    tick: int
    input: int | None
    messages: tuple[int | None, ...]
    tables: tuple[TableInfo, ...]

    def encode(self) -> bytes:
        out = bytearray([WELCOME]) + put_varint(self.client_index)
        out += struct.pack("<d", self.tick_rate) + put_varint(self.tick)
        out += put_hash(self.input) + put_varint(len(self.messages))
        for answer in self.messages:
            out += put_hash(answer)
        out += put_varint(len(self.tables))
        for each in self.tables:
            out += put_varint(each.number) + put_text(each.name, MAX_NAME)
            out += put_varint(each.capacity) + each.schema_hash.to_bytes(8, "little")
            out.append(0 if each.model is None else MODEL_COMMON if each.common else MODEL_MISSED)
            if each.model is not None:
                out += put_model(each.model)
        return bytes(out)


class Described(NamedTuple):
    """A schema in words: the lines are those of its newest version."""

    offer: Offer
    lines: tuple[str, ...]


class Refusal(NamedTuple):
    """The server's schemas; the client finds the differences.

    The answer to another revision says nothing but the server's: ``Refusal(REVISION, None, (),
    ())``, whose bytes every revision can read.
    """

    revision: int
    input: Described | None
    tables: tuple[Described, ...]
    messages: tuple[Described, ...]

    def encode(self) -> bytes:
        out = bytearray([REFUSE]) + put_varint(self.revision)
        out.append(self.input is not None)
        if self.input is not None:
            out += put_described(self.input, MAX_REFUSAL)
        for group in (self.tables, self.messages):
            out += put_varint(len(group))
            for each in group:
                out += put_described(each, MAX_REFUSAL - len(out))
        return bytes(out)


class Bye(NamedTuple):
    """Why the connection is about to end."""

    reason: str
    code: int = 0
    """A ``netcode.session.CloseReason`` below 128, as far as this end knows them; any byte."""

    def encode(self) -> bytes:
        return bytes([BYE, self.code]) + put_text(self.reason, MAX_REASON)


Control = Hello | Welcome | Refusal | Bye


def parse_control(data: bytes) -> Control:
    """Raises DecodeError for anything that is not exactly one control message."""
    reader = OctetReader(data)
    kind = reader.byte()
    control: Control
    if kind in (HELLO, REFUSE):
        revision = reader.varint()
        if revision != REVISION:
            nothing = Hello if kind == HELLO else Refusal
            return nothing(revision, None, (), ())
    if kind == HELLO:
        control = Hello(
            revision,
            take_offer(reader) if flag(reader) else None,
            tuple(take_table(reader) for _ in range(reader.varint(MAX_TABLES))),
            tuple(take_offer(reader) for _ in range(reader.varint(MAX_MESSAGES))),
        )
    elif kind == WELCOME:
        control = Welcome(
            reader.varint(MAX_CLIENTS - 1),
            reader.f64(),
            reader.varint(MAX_TICK),
            reader.u64() if flag(reader) else None,
            tuple(
                reader.u64() if flag(reader) else None for _ in range(reader.varint(MAX_MESSAGES))
            ),
            tuple(take_info(reader) for _ in range(reader.varint(MAX_TABLES))),
        )
        if not MIN_RATE <= control.tick_rate <= MAX_RATE:  # also refuses nan
            raise DecodeError(f"tick rate {control.tick_rate}")
    elif kind == REFUSE:
        control = Refusal(
            revision,
            take_described(reader) if flag(reader) else None,
            tuple(take_described(reader) for _ in range(reader.varint(MAX_TABLES))),
            tuple(take_described(reader) for _ in range(reader.varint(MAX_MESSAGES))),
        )
    elif kind == BYE:
        code = reader.byte()
        control = Bye(reader.text(MAX_REASON), code)
    else:
        raise DecodeError(f"no control message {kind}")
    reader.end()
    return control


def flag(reader: OctetReader) -> bool:
    value = reader.byte()
    if value > 1:
        raise reader.fail(f"{value} is not a flag")
    return value == 1


def put_offer(item: Offer) -> bytes:
    hashes = b"".join(each.to_bytes(8, "little") for each in item.hashes)
    head = put_text(item.name, MAX_NAME) + put_varint(item.since)
    return head + put_varint(len(item.hashes)) + hashes


def take_offer(reader: OctetReader) -> Offer:
    return Offer(
        reader.text(MAX_NAME),
        reader.varint(),
        tuple(reader.u64() for _ in range(reader.varint(MAX_VERSIONS))),
    )


def take_table(reader: OctetReader) -> Offer:
    offer = take_offer(reader)
    models = tuple(take_model(reader) for _ in range(reader.varint(MAX_MODELS)))
    return offer._replace(models=models)


def take_info(reader: OctetReader) -> TableInfo:
    info = TableInfo(
        reader.varint(MAX_TABLES - 1),
        reader.text(MAX_NAME),
        reader.varint(MAX_CAPACITY),
        reader.u64(),
    )
    said = reader.byte()
    if said > MODEL_MISSED:
        raise reader.fail(f"{said} does not say which model")
    if not said:
        return info
    return info._replace(model=take_model(reader), common=said == MODEL_COMMON)


def put_model(item: ModelName) -> bytes:
    return item.hash.to_bytes(8, "little") + put_text(item.name, MAX_MODEL_NAME)


def take_model(reader: OctetReader) -> ModelName:
    return ModelName(reader.u64(), reader.text(MAX_MODEL_NAME))


def put_hash(value: int | None) -> bytes:
    return b"\0" if value is None else b"\1" + value.to_bytes(8, "little")


def put_described(item: Described, room: int) -> bytes:
    offer = put_offer(item.offer if room > 0 else item.offer._replace(hashes=()))
    lines = bytearray()
    count = 0
    for line in item.lines[: MAX_LINES - 1]:
        text = put_text(line, MAX_LINE)
        if len(lines) + len(text) > room:
            lines += put_text("... (cut: too long to send)", MAX_LINE)
            count += 1
            break
        lines += text
        count += 1
    return offer + put_varint(count) + bytes(lines)


def take_described(reader: OctetReader) -> Described:
    offer = take_offer(reader)
    return Described(offer, tuple(reader.text(MAX_LINE) for _ in range(reader.varint(MAX_LINES))))
