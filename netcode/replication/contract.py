"""The schemas of one end, and what it can agree on with the other's."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from netcode.delta.model import Model
from netcode.replication.hello import (
    MAX_HELLO,
    MAX_VERSIONS,
    REVISION,
    Described,
    Hello,
    ModelName,
    Offer,
    Refusal,
    TableInfo,
    Welcome,
)
from netcode.replication.models import Models, shown
from netcode.schema import Schema, differences

__all__ = ["Contract", "Spoken"]


class Spoken(NamedTuple):
    """The versions that a connection speaks, in the numbers and in the order of one end's schemas.

    ``input`` is 0 for a client that only watches; ``messages`` and ``tables`` have 0 for those
    that the other end does not know. ``models`` has the tables that a trained model codes.
    """

    input: int
    messages: tuple[int, ...]
    tables: tuple[int, ...]
    models: Mapping[type[Schema], Model] = MappingProxyType({})


class Contract:
    """The schemas that both ends must share.

    ``input`` is None for an application without inputs; tables are matched by name, and
    message types by their place in the list. ``models`` are this end's trained ones.
    """

    def __init__(
        self,
        input: type[Schema] | None,  # noqa: A002
        tables: Sequence[type[Schema]],
        messages: Sequence[type[Schema]],
        models: Models | None = None,
    ) -> None:
        self.input = input
        self.models = Models() if models is None else models
        self.tables = tuple(tables)
        self.messages = tuple(messages)
        self.versions: dict[type[Schema], dict[int, int]] = {}

    def hello(self) -> Hello:
        most = MAX_VERSIONS
        while True:
            hello = Hello(
                REVISION,
                None if self.input is None else self.offer(self.input, most),
                tuple(
                    self.offer(each, most)._replace(models=self.models.names(each)[:most])
                    for each in self.tables
                ),
                tuple(self.offer(each, most) for each in self.messages),
            )
            if most == 1 or len(hello.encode()) <= MAX_HELLO:
                return hello
            most //= 2

    def offer(self, schema: type[Schema], most: int = MAX_VERSIONS) -> Offer:
        return Offer(schema.__name__, schema.schema_since, tuple(self.hashes(schema))[:most])

    def hashes(self, schema: type[Schema]) -> dict[int, int]:
        """The version for each hash that ``schema`` has or had, the newest first."""
        known = self.versions.get(schema)
        if known is None:
            newest = schema.schema_versions[: -MAX_VERSIONS - 1 : -1]
            codecs = [schema.codec_for(version) for version in newest]
            known = self.versions[schema] = {each.schema_hash: each.version for each in codecs}
        return known

    def settle(self, hello: Hello) -> Spoken | None:
        """The versions to speak with this client, or None when it cannot join: a server's
        question.

        A client may leave out its input (it only watches) and its tables (it wants no
        state). Of each schema that both ends have there must be a version that both know; a
        schema that only one end has must have been added after version 1.
        """
        offers: dict[str, Offer | None] = {each.name: each for each in hello.tables}
        if hello.revision != REVISION or len(offers) < len(hello.tables):
            return None
        spoken = 0
        if hello.input is not None:
            spoken = 0 if self.input is None else self.common(self.input, hello.input)
            if not spoken:
                return None
        messages = self.match(self.messages, hello.messages)
        tables: tuple[int, ...] | None = (0,) * len(self.tables)
        if offers:
            named = [offers.pop(each.__name__, None) for each in self.tables]
            tables = self.match(self.tables, [*named, *offers.values()])
        if messages is None or tables is None:
            return None
        chosen = {}
        for schema, version in zip(self.tables, tables, strict=True):
            offer = next((each for each in hello.tables if each.name == schema.__name__), None)
            if version and offer is not None and schema in self.models.tables:
                model = self.models.of(schema).choose(version, offer.models)
                if model is not None:
                    chosen[schema] = model
        return Spoken(spoken, messages, tables, chosen)

    def match(
        self, mine: Sequence[type[Schema]], theirs: Sequence[Offer | None]
    ) -> tuple[int, ...] | None:
        """The version of each of ``mine`` to speak with what stands in its place in ``theirs``,
        0 where there is nothing; None when that cannot be."""
        found = [0] * len(mine)
        for place, (schema, offer) in enumerate(itertools.zip_longest(mine, theirs)):
            if schema is not None and offer is not None:
                found[place] = self.common(schema, offer)
                if not found[place]:
                    return None
            elif (schema is not None and schema.schema_since == 1) or (
                offer is not None and offer.since == 1
            ):
                return None
        return tuple(found)

    def common(self, schema: type[Schema], offer: Offer) -> int:
        """The newest version of ``schema`` that is offered, 0 for none."""
        known = self.hashes(schema)
        return next((known[each] for each in offer.hashes if each in known), 0)

    def welcome(
        self,
        hello: Hello,
        spoken: Spoken,
        client_index: int,
        tick_rate: float,
        tick: int,
        capacities: Sequence[int],
    ) -> Welcome:
        """The answer to a hello that was settled."""
        pairs = zip(self.messages, spoken.messages, strict=True)
        known = [hash_at(*pair) for pair in pairs][: len(hello.messages)]
        infos = zip(self.tables, capacities, spoken.tables, strict=True)
        return Welcome(
            client_index,
            tick_rate,
            tick,
            hash_at(self.input, spoken.input),
            (*known, *(None for _ in hello.messages[len(known) :])),
            tuple(
                TableInfo(
                    number,
                    each.__name__,
                    capacity,
                    each.codec_for(version).schema_hash,
                    *self.model_said(each, version, spoken),
                )
                for number, (each, capacity, version) in enumerate(infos)
                if version
            ),
        )

    def model_said(
        self, schema: type[Schema], version: int, spoken: Spoken
    ) -> tuple[ModelName | None, bool]:
        model = spoken.models.get(schema)
        if model is not None:
            return self.models.of(schema).name_of(model), True
        return self.models.preferred(schema, version), False

    def read(self, welcome: Welcome) -> Spoken | None:
        """The versions of a welcome, or None when it is no answer to this contract's hello: a
        client's question."""
        infos = {each.name: each for each in welcome.tables}
        numbers = [each.number for each in welcome.tables]
        if len(infos) < len(numbers) or numbers != sorted(set(numbers)):
            return None
        if infos.keys() - {each.__name__ for each in self.tables}:
            return None
        if len(welcome.messages) != len(self.messages):
            return None
        answers = [infos.get(each.__name__) for each in self.tables]
        inputs = [] if self.input is None else [(self.input, welcome.input)]
        pairs = [
            *inputs,
            *zip(self.messages, welcome.messages, strict=True),
            *zip(self.tables, (each and each.schema_hash for each in answers), strict=True),
        ]
        versions = [
            0 if answer is None else self.hashes(schema).get(answer, 0) for schema, answer in pairs
        ]
        for (schema, answer), version in zip(pairs, versions, strict=True):
            if not version and (answer is not None or schema.schema_since == 1):
                return None
        if inputs and not versions[0]:
            return None
        first, then = len(inputs), len(inputs) + len(self.messages)
        chosen = {}
        for schema, version in zip(self.tables, versions[then:], strict=True):
            info = infos.get(schema.__name__)
            if info is None or info.model is None or not info.common:
                continue
            model = self.models.of(schema).choose(version, [info.model])
            if model is None:
                return None
            chosen[schema] = model
        return Spoken(
            sum(versions[:first]), tuple(versions[first:then]), tuple(versions[then:]), chosen
        )

    def unmatched(self, hello: Hello, spoken: Spoken) -> list[str]:
        """Tables that are coded without a model though one end has any, a line each: for a
        server's log."""
        offers = {each.name: each.models for each in hello.tables}
        return [
            f"table {each.__name__}: the client has {shown(offers[each.__name__])}, the server "
            f"{shown(self.models.names(each))}"
            for each, version in zip(self.tables, spoken.tables, strict=True)
            if version
            and each not in spoken.models
            and (offers.get(each.__name__) or self.models.preferred(each, version))
        ]

    def missed(self, welcome: Welcome, spoken: Spoken) -> list[str]:
        """The same, for a client's log."""
        infos = {each.name: each for each in welcome.tables}
        lines = []
        for schema, version in zip(self.tables, spoken.tables, strict=True):
            mine = self.models.names(schema)
            info = infos.get(schema.__name__)
            if not version or info is None or schema in spoken.models:
                continue
            if mine or info.model is not None:
                theirs = shown([info.model] if info.model is not None else [])
                lines.append(
                    f"table {schema.__name__}: this client has {shown(mine)}, the server {theirs}"
                )
        return lines

    def refusal(self) -> Refusal:
        """The schemas in words, for the client to compare with its own."""
        return Refusal(
            REVISION,
            None if self.input is None else self.described(self.input),
            tuple(self.described(each) for each in self.tables),
            tuple(self.described(each) for each in self.messages),
        )

    def described(self, schema: type[Schema]) -> Described:
        return Described(self.offer(schema), tuple(schema.description))

    def compare(self, refusal: Refusal) -> list[str]:
        """What differs, a line each: a client's question about the server's answer."""
        if refusal.revision != REVISION:
            return [f"netcode revision: the server has {refusal.revision}, this client {REVISION}"]
        lines: list[str] = []
        if self.input is not None:
            if refusal.input is None:
                lines.append(f"input {self.input.__name__}: the server takes no input")
            else:
                lines += self.compare_one("input", self.input, refusal.input)
        if self.tables:
            lines += self.compare_tables(refusal.tables)
        for place, (mine, theirs) in enumerate(
            itertools.zip_longest(self.messages, refusal.messages)
        ):
            if mine is not None and theirs is not None:
                lines += self.compare_one(f"message {place}", mine, theirs)
            elif mine is not None and mine.schema_since == 1:
                lines.append(f"message {place}: this client has {mine.__name__}, the server none")
            elif theirs is not None and theirs.offer.since == 1:
                lines.append(
                    f"message {place}: the server has {theirs.offer.name}, this client none"
                )
        return lines or ["the server did not say what differs"]

    def compare_one(self, what: str, mine: type[Schema], server: Described) -> list[str]:
        """How a schema differs from the server's; nothing when there is a version in common."""
        if self.common(mine, server.offer):
            return []
        if mine.__name__ != server.offer.name:
            return [f"{what}: the server has {server.offer.name}, this client {mine.__name__}"]
        lines = differences(mine.description, server.lines)
        if len(self.hashes(mine)) > 1 or len(server.offer.hashes) > 1:
            lines.append("no older version is common to both either")
        return [f"{what} {server.offer.name}: {line}" for line in lines]

    def compare_tables(self, server: Sequence[Described]) -> list[str]:
        lines: list[str] = []
        theirs = {each.offer.name: each for each in server}
        for mine in self.tables:
            other = theirs.pop(mine.__name__, None)
            if other is not None:
                lines += self.compare_one("table", mine, other)
            elif mine.schema_since == 1:
                lines.append(f"table {mine.__name__}: this client has it, the server does not")
        lines += [
            f"table {name}: the server has it, this client does not (add it to tables=)"
            for name, each in theirs.items()
            if each.offer.since == 1
        ]
        return lines


def hash_at(schema: type[Schema] | None, version: int) -> int | None:
    """The hash of a version; None for version 0, or without a schema."""
    if schema is None or not version:
        return None
    return schema.codec_for(version).schema_hash
