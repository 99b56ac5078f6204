"""Typed messages: which schema a message is, and which request a reply answers.

On the wire:

    varint  type << 2 | kind; type is the place in the list that both ends hold
    varint  correlation, for kinds 1 (request) and 2 (reply)
    bytes   the encoded message, to the end

Kind 0 is a plain message: two bytes in all for a one-byte message of the first 32 types.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from netcode.errors import ConfigError, DecodeError
from netcode.replication.octets import OctetReader, put_varint
from netcode.schema import Schema

__all__ = ["Kind", "MessageRegistry", "Received"]

MAX_TYPES: Final = 1024
"""Message types of one application."""

MAX_OLDER: Final = 64
"""Sets of older versions that are kept: honest clients have as many as there are releases in use,
others may make up any."""

MAX_CORRELATION: Final = (1 << 32) - 1


class Kind(enum.IntEnum):
    """What a message is for."""

    PLAIN = 0
    REQUEST = 1
    REPLY = 2


class Received(NamedTuple):
    """One decoded message; ``correlation`` is 0 for a plain one."""

    kind: Kind
    correlation: int
    message: Schema


class MessageRegistry:
    """The message types of an application, in the order that gives them their numbers.

    Raises ConfigError for anything that is not a Schema class, listed twice, or too many.
    """

    def __init__(self, types: Iterable[type[Schema]]) -> None:
        self.types = tuple(types)
        self.numbers: dict[type[Schema], int] = {}
        if len(self.types) > MAX_TYPES:
            raise ConfigError(f"{len(self.types)} message types; at most {MAX_TYPES}")
        self.encoders: list[Callable[[Any], bytes] | None] = []
        self.decoders: list[Callable[[bytes], Schema] | None] = []
        self.older: dict[tuple[int, ...], MessageRegistry] = {}
        for number, each in enumerate(self.types):
            if not (isinstance(each, type) and issubclass(each, Schema)):
                raise ConfigError(f"messages[{number}] is {each!r}, not a Schema class")
            if each in self.numbers:
                raise ConfigError(f"message type {each.__name__} is listed twice in messages=")
            self.numbers[each] = number
            self.encoders.append(each.encode)
            self.decoders.append(each.decode)

    def speaking(self, versions: tuple[int, ...]) -> MessageRegistry:
        """The same types, each in the version of that place; 0 is a type that is not known.

        Mostly the same object for the same versions: what it encodes serves all who have it.
        """
        if versions == tuple(each.schema_version for each in self.types):
            return self
        if versions not in self.older:
            made = MessageRegistry(self.types)
            for number, version in enumerate(versions):
                if version == 0:
                    made.encoders[number] = made.decoders[number] = None
                elif version != self.types[number].schema_version:
                    codec = self.types[number].codec_for(version)
                    made.encoders[number], made.decoders[number] = codec.encode, codec.decode
            if len(self.older) >= MAX_OLDER:
                del self.older[next(iter(self.older))]
            self.older[versions] = made
        return self.older[versions]

    def knows(self, schema: type[Schema]) -> bool:
        """Whether the type is registered, and known in these versions."""
        number = self.numbers.get(schema)
        return number is not None and self.encoders[number] is not None

    def encode(self, message: Schema, kind: Kind = Kind.PLAIN, correlation: int = 0) -> bytes:
        """Raises ConfigError for a type that is not registered, EncodeError for a bad value."""
        number = self.numbers.get(type(message))
        if number is None:
            known = ", ".join(each.__name__ for each in self.types) or "none"
            raise ConfigError(
                f"{type(message).__name__} is not a registered message type: add it to "
                f"messages= on both ends (registered: {known})"
            )
        head = put_varint(number << 2 | kind)
        if kind is not Kind.PLAIN:
            head += put_varint(correlation)
        encode = self.encoders[number]
        if encode is None:
            raise ConfigError(
                f"{type(message).__name__} was added in version {type(message).schema_since}, and "
                "the other end's version is older: ask understands(...) first"
            )
        return head + encode(message)

    def decode(self, data: bytes) -> Received:
        """Raises DecodeError for anything that a peer with the same list would not send."""
        reader = OctetReader(data)
        head = reader.varint(MAX_TYPES << 2)
        if head >> 2 >= len(self.types) or head & 3 == 3:
            raise DecodeError(f"no message type or kind {head}")
        decode = self.decoders[head >> 2]
        if decode is None:
            raise DecodeError(f"no message type {head >> 2} in the version of this peer")
        kind = Kind(head & 3)
        correlation = reader.varint(MAX_CORRELATION) if kind is not Kind.PLAIN else 0
        return Received(kind, correlation, decode(reader.rest()))
