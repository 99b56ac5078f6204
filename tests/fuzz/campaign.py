"""Shards: each is a fixed number of cases that its number and the seed decide."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from fuzz.lanes import CAPACITY, LaneSubject
from fuzz.messages import Finding, Subject
from fuzz.mutate import Mutator, pick
from fuzz.schemas import HAND_MADE, VERSIONED, random_schemas
from fuzz.streams import Program

from netcode.schema import Schema

SHARD = 100_000
"""Cases of a whole shard."""

SHARES = {
    "object": 0.50,
    "list": 0.10,
    "bits": 0.20,
    "serialize": 0.178,
    "explain": 0.002,
    "lanes": 0.02,
}
"""How the cases of a shard are divided; explaining is slow by design."""

RANDOM_SCHEMAS = 8
MESSAGES = 6
PROGRAMS = 40

Tally = Counter[tuple[str, str, str]]
"""Cases by target, what was done to the input, and outcome."""

Watch = Callable[[bytes], None]


class Shard:
    """The cases of one shard.

    Args:
        seed: of the whole campaign.
        number: which shard.
        cases: how many; fewer than ``SHARD`` for a short form.
        random_schemas: how many new schemas it makes.
        messages: how many valid ones of each schema and stream it starts from.
        watch: is given every input before the decoders are.
    """

    def __init__(
        self, seed: int, number: int, cases: int = SHARD, *,
        random_schemas: int = RANDOM_SCHEMAS, messages: int = MESSAGES,
        watch: Watch | None = None,
    ) -> None:  # fmt: skip
        self.seed, self.number, self.cases = seed, number, cases
        self.random_schemas, self.messages, self.watch = random_schemas, messages, watch
        self.rng = random.Random(f"{seed} {number}")
        self.tally: Tally = Counter()

    def run(self) -> Tally:
        """Run all cases.

        Raises:
            Finding: a decoder did what none may do; says which, and with what input.
        """
        rng = self.rng
        made = random_schemas(rng.getrandbits(64), self.random_schemas)
        schemas: list[type[Schema]] = [*HAND_MADE, *made]
        versions = [*VERSIONED.schema_versions][:-1]
        subjects = [Subject(cls, rng, None, self.messages) for cls in schemas]
        subjects += [Subject(VERSIONED, rng, version, self.messages) for version in versions]
        subjects = [subject for subject in subjects for _ in range(subject.weight)]
        for subject in self.turns("object", subjects):
            self.one("object", subject, subject.objects, subject.check_object)
        for subject in self.turns("list", subjects):
            self.one("list", subject, subject.lists, subject.check_list)
        for subject in self.turns("explain", subjects):
            many = rng.random() < 0.5
            self.one(
                "explain", subject, subject.lists if many else subject.objects,
                lambda data, s=subject, m=many: s.check_explain(data, m),
            )  # fmt: skip
        for kind in ("bits", "serialize"):
            programs = [Program(rng, kind, self.messages) for _ in range(PROGRAMS)]
            for program in self.turns(kind, programs):
                self.one(kind, program, program.mutator, program.check)
        self.lanes(schemas)
        return self.tally

    def turns(self, target: str, subjects: list[Any]) -> Iterator[Any]:
        """Subjects for the cases of one target."""
        for _ in range(int(self.cases * SHARES[target])):
            yield pick(self.rng, subjects)

    def one(
        self, target: str, subject: object, mutator: Mutator, check: Callable[[bytes], str]
    ) -> None:
        """One case."""
        way, data = mutator.next()
        if self.watch is not None:
            self.watch(data)
        try:
            outcome = check(data)
        except Exception as error:
            raise self.finding(target, subject, error, way, data) from error
        self.tally[target, way, outcome] += 1

    def lanes(self, schemas: list[type[Schema]]) -> None:
        """Blocks of rows; each row is a case."""
        generator = np.random.Generator(np.random.PCG64(self.rng.getrandbits(64)))
        subjects = [LaneSubject(cls, generator) for cls in schemas if LaneSubject.fits(cls)]
        left = self.cases - sum(self.tally.values())
        for _ in range(-(-left // CAPACITY)):
            subject = pick(self.rng, subjects)
            try:
                outcome = subject.check()
            except Exception as error:
                raise self.finding("lanes", subject.cls.__name__, error, "noise", b"") from error
            self.tally["lanes", "noise", outcome] += CAPACITY

    def finding(
        self, target: str, subject: object, error: Exception, way: str, data: bytes
    ) -> Finding:
        return Finding(
            f"{target}: {type(error).__name__}: {error}\n"
            f"  of {subject}\n  with {way!r}: {data.hex()}"
        )
