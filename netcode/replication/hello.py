"""The hello: both ends find out that they speak the same schemas before any state is sent.

Control messages, on channel 0 (reliable and ordered), the first byte is the kind:

    1 HELLO    client to server, first: revision, hashes of its schemas
    2 WELCOME  server to client: who you are, tick rate and tick, the tables in their order
    3 REFUSE   server to client: the server's schemas, in words, then it disconnects
    4 BYE      either way: why the connection is about to end

Strings are a varint size and UTF-8. Everything is bounded, and a malformed message is a
DecodeError.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from netcode.constants import MAX_CLIENTS
from netcode.delta.history import MAX_TICK
from netcode.errors import DecodeError
from netcode.replication.octets import OctetReader, put_text, put_varint
from netcode.schema import Schema, differences

__all__ = [
    "REVISION",
    "Bye",
    "Contract",
    "Hello",
    "Refusal",
    "Spoken",
    "TableInfo",
    "Welcome",
    "parse_control",
]

REVISION: Final = 1
"""Of everything this library sends inside netcode payloads; both ends must agree."""

HELLO: Final = 1
WELCOME: Final = 2
REFUSE: Final = 3
BYE: Final = 4

MAX_TABLES: Final = 256
MAX_MESSAGES: Final = 1024
MAX_NAME: Final = 255
MAX_LINE: Final = 1024
MAX_LINES: Final = 4096
MAX_REASON: Final = 255
MAX_CAPACITY: Final = 65_536
MIN_RATE: Final = 1e-6
MAX_RATE: Final = 1000.0
"""Ticks a second that a client believes; a server runs at no more."""
MAX_REFUSAL: Final = 48_000
"""Bytes of a refusal; what does not fit is left out, and said to be."""

Named = tuple[str, int]


class Contract:
    """The schemas that both ends must share.

    ``input`` is None for an application without inputs; tables are matched by name, and
    message types by their place in the list.
    """

    def __init__(
        self,
        input: type[Schema] | None,  # noqa: A002
        tables: Sequence[type[Schema]],
        messages: Sequence[type[Schema]],
    ) -> None:
        self.input = input
        self.tables = tuple(tables)
        self.messages = tuple(messages)
        self.hashes: dict[type[Schema], dict[int, int]] = {}

    def hello(self) -> Hello:
        return Hello(
            REVISION,
            None if self.input is None else named(self.input),
            tuple(named(each) for each in self.tables),
            tuple(named(each) for each in self.messages),
        )

    def settle(self, hello: Hello) -> Spoken | None:
        """The versions to speak with this client, or None when it cannot join.

        A client may leave out its input (it only watches) and its tables (it wants no
        state). What it names must be equal, or, for its input and its messages, an older
        version; and its messages may lack the last ones if they were added since version 1.
        """
        if hello.revision != REVISION:
            return None
        if hello.tables and dict(hello.tables) != {e.__name__: e.schema_hash for e in self.tables}:
            return None
        spoken = 0
        if hello.input is not None:
            spoken = 0 if self.input is None else self.version(self.input, hello.input[1])
            if not spoken:
                return None
        count = len(hello.messages)
        pairs = zip(self.messages, hello.messages, strict=False)
        messages = [self.version(mine, theirs[1]) for mine, theirs in pairs]
        if count > len(self.messages) or 0 in messages:
            return None
        if any(each.schema_since == 1 for each in self.messages[count:]):
            return None
        return Spoken(spoken, (*messages, *(0 for _ in self.messages[count:])))

    def version(self, schema: type[Schema], schema_hash: int) -> int:
        """The version of ``schema`` with this hash, 0 when it never had it."""
        known = self.hashes.get(schema)
        if known is None:
            known = self.hashes[schema] = {}
            for number in schema.schema_versions:
                known[schema.codec_for(number).schema_hash] = number
        return known.get(schema_hash, 0)

    def refusal(self) -> Refusal:
        """The schemas in words, for the client to compare with its own."""
        return Refusal(
            REVISION,
            None if self.input is None else described(self.input),
            tuple(described(each) for each in self.tables),
            tuple(described(each) for each in self.messages),
        )

    def fits(self, welcome: Welcome) -> bool:
        """Whether a welcome is to this client's tables, each once: a client's question."""
        mine = sorted(each.__name__ for each in self.tables)
        return not mine or sorted(info.name for info in welcome.tables) == mine

    def compare(self, refusal: Refusal) -> list[str]:
        """What differs, a line each: a client's question about the server's answer."""
        if refusal.revision != REVISION:
            return [f"netcode revision: the server has {refusal.revision}, this client {REVISION}"]
        lines: list[str] = []
        if self.input is not None:
            if refusal.input is None:
                lines.append(f"input {self.input.__name__}: the server takes no input")
            else:
                lines += compare_one("input", self.input, refusal.input)
        if self.tables:
            lines += compare_tables(self.tables, refusal.tables)
        for place, mine in enumerate(self.messages[: len(refusal.messages)]):
            lines += compare_one(f"message {place}", mine, refusal.messages[place])
        for place, each in enumerate(refusal.messages[len(self.messages) :], len(self.messages)):
            lines.append(f"message {place}: the server has {each.name}, this client none")
        for place, one in enumerate(self.messages[len(refusal.messages) :], len(refusal.messages)):
            lines.append(f"message {place}: this client has {one.__name__}, the server none")
        return lines or ["the server did not say what differs"]


class Spoken(NamedTuple):
    """The versions of its schemas that a client speaks.

    ``input`` is 0 for one that only watches; ``messages`` has the version of each message type
    of the server, 0 for those that the client does not know.
    """

    input: int
    messages: tuple[int, ...]


class Hello(NamedTuple):
    """What a client says first: (name, schema hash) of each schema it uses."""

    revision: int
    input: Named | None
    tables: tuple[Named, ...]
    messages: tuple[Named, ...]

    def encode(self) -> bytes:
        out = bytearray([HELLO]) + put_varint(self.revision)
        out.append(self.input is not None)
        if self.input is not None:
            out += put_named(self.input)
        for group in (self.tables, self.messages):
            out += put_varint(len(group))
            for each in group:
                out += put_named(each)
        return bytes(out)


class TableInfo(NamedTuple):
    """A table of the server; its place in the welcome is its number on the wire."""

    name: str
    capacity: int


class Welcome(NamedTuple):
    """What the server says to a client that fits; state follows."""

    client_index: int
    tick_rate: float
    tick: int
    tables: tuple[TableInfo, ...]

    def encode(self) -> bytes:
        out = bytearray([WELCOME]) + put_varint(self.client_index)
        out += struct.pack("<d", self.tick_rate) + put_varint(self.tick)
        out += put_varint(len(self.tables))
        for each in self.tables:
            out += put_text(each.name, MAX_NAME) + put_varint(each.capacity)
        return bytes(out)


class Described(NamedTuple):
    """A schema in words."""

    name: str
    lines: tuple[str, ...]


class Refusal(NamedTuple):
    """The server's schemas; the client finds the differences."""

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

    def encode(self) -> bytes:
        return bytes([BYE]) + put_text(self.reason, MAX_REASON)


Control = Hello | Welcome | Refusal | Bye


def parse_control(data: bytes) -> Control:
    """Raises DecodeError for anything that is not exactly one control message."""
    reader = OctetReader(data)
    kind = reader.byte()
    control: Control
    if kind == HELLO:
        control = Hello(
            reader.varint(),
            take_named(reader) if flag(reader) else None,
            tuple(take_named(reader) for _ in range(reader.varint(MAX_TABLES))),
            tuple(take_named(reader) for _ in range(reader.varint(MAX_MESSAGES))),
        )
    elif kind == WELCOME:
        control = Welcome(
            reader.varint(MAX_CLIENTS - 1),
            reader.f64(),
            reader.varint(MAX_TICK),
            tuple(
                TableInfo(reader.text(MAX_NAME), reader.varint(MAX_CAPACITY))
                for _ in range(reader.varint(MAX_TABLES))
            ),
        )
        if not MIN_RATE <= control.tick_rate <= MAX_RATE:  # also refuses nan
            raise DecodeError(f"tick rate {control.tick_rate}")
    elif kind == REFUSE:
        control = Refusal(
            reader.varint(),
            take_described(reader) if flag(reader) else None,
            tuple(take_described(reader) for _ in range(reader.varint(MAX_TABLES))),
            tuple(take_described(reader) for _ in range(reader.varint(MAX_MESSAGES))),
        )
    elif kind == BYE:
        control = Bye(reader.text(MAX_REASON))
    else:
        raise DecodeError(f"no control message {kind}")
    reader.end()
    return control


def named(schema: type[Schema]) -> Named:
    return schema.__name__, schema.schema_hash


def described(schema: type[Schema]) -> Described:
    return Described(schema.__name__, tuple(schema.description))


def compare_one(what: str, mine: type[Schema], server: Described) -> list[str]:
    if mine.__name__ != server.name:
        return [f"{what}: the server has {server.name}, this client {mine.__name__}"]
    lines = differences(mine.description, server.lines)
    older = mine.compatible_with(server.lines)
    if lines and older is not None:
        lines.append(
            f"the server has version {older}, this client {mine.schema_version}; "
            "update servers before clients"
        )
    return [f"{what} {server.name}: {line}" for line in lines]


def compare_tables(mine: Sequence[type[Schema]], server: Sequence[Described]) -> list[str]:
    lines: list[str] = []
    theirs = {each.name: each for each in server}
    names = {each.__name__ for each in mine}
    for each in mine:
        if each.__name__ in theirs:
            lines += compare_one("table", each, theirs[each.__name__])
        else:
            lines.append(f"table {each.__name__}: this client has it, the server does not")
    lines += [
        f"table {name}: the server has it, this client does not (add it to tables=)"
        for name in theirs
        if name not in names
    ]
    return lines


def flag(reader: OctetReader) -> bool:
    value = reader.byte()
    if value > 1:
        raise reader.fail(f"{value} is not a flag")
    return value == 1


def put_named(item: Named) -> bytes:
    return put_text(item[0], MAX_NAME) + item[1].to_bytes(8, "little")


def take_named(reader: OctetReader) -> Named:
    return reader.text(MAX_NAME), reader.u64()


def put_described(item: Described, room: int) -> bytes:
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
    return put_text(item.name, MAX_NAME) + put_varint(count) + bytes(lines)


def take_described(reader: OctetReader) -> Described:
    name = reader.text(MAX_NAME)
    return Described(name, tuple(reader.text(MAX_LINE) for _ in range(reader.varint(MAX_LINES))))
