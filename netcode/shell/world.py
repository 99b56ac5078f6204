"""The world as a client shows it: own entities predicted, the others between two snapshots."""

from __future__ import annotations

import collections
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

import numpy as np

from netcode.delta.model import Model
from netcode.errors import ConfigError
from netcode.replication import Receiver, WorldTable
from netcode.replication.hello import Welcome
from netcode.schema import Schema
from netcode.simulation import Modes, Predictor, ServerClock, mix, modes_of

__all__ = ["Entity", "World"]

I = TypeVar("I", bound=Schema)  # noqa: E741
S = TypeVar("S", bound=Schema)

MIN_DELAY: Final = 0.1
"""Seconds behind the newest snapshot that others are drawn, by default: six ticks at 60 Hz,
so that a lost or late one does not show. Never less than two ticks."""

APPLIED_TICKS: Final = 64
"""Ticks whose last applied input is remembered, as many as snapshots are."""


@dataclass(frozen=True, slots=True)
class Entity(Generic[S]):
    """One thing to draw.

    Attributes:
        id: the same on the server and every client.
        state: its fields now; do not change them.
        mine: whether this client owns it.
    """

    id: int
    state: S
    mine: bool


class World(Generic[I]):
    """Everything this client knows of the tables. Sans I/O: time is an argument.

    ``tables`` are the client's schemas and ``versions`` those that the server sends, 0 for a
    table that it does not have, which then stays empty; ``predict`` is the shared
    ``step(state, input, dt)``; ``models`` are the trained ones that code tables.
    """

    def __init__(
        self,
        tables: Sequence[type[Schema]],
        versions: Sequence[int],
        welcome: Welcome,
        predict: Callable[[Any, I, float], object] | None,
        delay: float | None,
        models: Mapping[type[Schema], Model] = MappingProxyType({}),
    ) -> None:
        schemas = {
            each.__name__: (each, version) for each, version in zip(tables, versions, strict=True)
        }
        wanted: list[tuple[type[Schema], int, int, Model | None] | None] = []
        for info in welcome.tables:
            schema, version = schemas[info.name]
            wanted += [None] * (info.number - len(wanted))
            wanted.append((schema, info.capacity, version, models.get(schema)))
        self.receiver = Receiver(wanted)
        self.received: dict[type[Schema], WorldTable[Any]] = {
            table.schema: table for table in self.receiver.worlds
        }
        self.tables: dict[type[Schema], WorldTable[Any]] = {
            each: WorldTable(each, 1, self.receiver.complete_around) for each in tables
        } | self.received
        self.modes: dict[type[Schema], Modes] = {each: modes_of(each) for each in self.tables}
        self.models = {each: models[each].name if each in models else "" for each in self.tables}
        self.me = welcome.client_index
        self.rate = welcome.tick_rate
        self.delay = max(MIN_DELAY, 2 / self.rate) if delay is None else delay
        self.clock = ServerClock(self.rate)
        self.shown = 0.0
        self.tick = 0
        self.completed: list[int] = []
        self.seen: set[int] = set()
        self.fresh = False
        self.applied_at: collections.OrderedDict[int, int] = collections.OrderedDict()
        self.predicted: type[Schema] | None = None
        self.predictor: Predictor[Any, I] | None = None
        if predict is not None:
            self.predicted = predicted_schema(predict, tables)
            self.predictor = Predictor(predict, 1 / self.rate)

    # Taking in.

    def receive(self, kind: int, data: bytes, now: float) -> bool:
        """A snapshot frame arrived at ``now``; False when it is malformed."""
        if not self.tables:
            return True
        self.fresh = True
        before = self.receiver.complete
        good: bool = self.receiver.on_frame(kind, data)
        if self.receiver.complete > before:
            self.clock.observe(self.receiver.complete, now)
        return good

    def applied(self, tick: int, number: int) -> None:
        """The server had applied this client's inputs up to ``number`` at ``tick``."""
        self.applied_at[tick] = number
        while len(self.applied_at) > APPLIED_TICKS:
            self.applied_at.popitem(last=False)

    def update(self) -> None:
        """Find out what became complete, and correct the prediction by the newest of it."""
        self.completed = []
        if self.fresh:
            self.fresh = False
            complete = set(self.receiver.complete_ticks)
            self.completed = sorted(complete - self.seen)
            self.seen = complete
        newest = self.receiver.complete
        if newest <= self.tick:
            return
        self.tick = newest
        if self.predictor is not None and newest in self.applied_at:
            self.predictor.reconcile(self.own_states(newest), self.applied_at[newest])

    def own_states(self, tick: int) -> dict[int, Any]:
        assert self.predicted is not None
        snapshot = self.tables[self.predicted].at(tick)
        slots = np.flatnonzero(snapshot.alive & (snapshot.owner == self.me))
        return {
            int(snapshot.generation[slot]) << 16 | slot: self.predicted.row(snapshot.columns, slot)
            for slot in slots.tolist()
        }

    def predict(self, tick: int, value: I) -> None:
        """The player's input of one tick."""
        if self.predictor is not None:
            self.predictor.apply(tick, value)

    # Giving out.

    def acks(self) -> list[tuple[int, bytes]]:
        """Frames for the server, once an update."""
        frames: list[tuple[int, bytes]] = self.receiver.frames() if self.received else []
        return frames

    def hash(self, tick: int) -> int | None:
        """See ``Client.world_hash``."""
        try:
            digest: int = self.receiver.world_hash(tick)
        except KeyError:
            return None
        return digest

    def moment(self, now: float) -> float:
        """The tick, with its fraction, that others are shown at; it never goes back."""
        wanted = self.clock.tick(now) - self.delay * self.rate
        self.shown = max(self.shown, min(wanted, float(self.receiver.complete)))
        return self.shown

    def view(self, schema: type[S], now: float) -> Iterator[Entity[S]]:
        """See ``Client.view``."""
        table = self.tables.get(schema)
        if table is None:
            known = ", ".join(each.__name__ for each in self.tables) or "none"
            raise ConfigError(f"{schema.__name__} is not in tables= (there: {known})")
        return self.entities(schema, table, now)

    def entities(self, schema: type[S], table: WorldTable[S], now: float) -> Iterator[Entity[S]]:
        own: dict[int, S] = {}
        if schema is self.predicted and self.predictor is not None:
            own = self.predictor.states
            for entity, state in own.items():
                yield Entity(entity, state, True)
        if self.tick <= 0:
            return
        moment = self.moment(now)
        around = table.bracket(moment)
        span = np.maximum(around.tick_after - around.tick_before, 1)
        t = np.clip((moment - around.tick_before) / span, 0.0, 1.0)
        t[around.tick_after == around.tick_before] = 0.0
        columns = mix(self.modes[schema], around.before, around.after, t)
        mine = (table.owners == self.me) & (table.generation == around.generation)
        for slot in np.flatnonzero(around.alive).tolist():
            entity = int(around.generation[slot]) << 16 | slot
            if entity not in own:
                yield Entity(entity, schema.row(columns, slot), bool(mine[slot]))


def predicted_schema(step: Callable[..., object], tables: Sequence[type[Schema]]) -> type[Schema]:
    """The table that ``step`` is for: by the annotation of its first parameter, or the first."""
    try:
        hints = typing.get_type_hints(step)
        first = next(iter(inspect.signature(step).parameters))
    except (NameError, TypeError, ValueError, StopIteration):
        return tables[0]
    hint = hints.get(first)
    return next((each for each in tables if each is hint), tables[0])
