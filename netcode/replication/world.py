"""The client's side of a table: the newest state, the state at a tick, and what came and went."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from netcode.delta.held import Held
from netcode.delta.layout import Layout
from netcode.delta.model import Model, untrained_for
from netcode.errors import UnknownEntity
from netcode.schema import Schema

__all__ = ["Bracket", "Despawned", "Snapshot", "Spawned", "WorldTable"]

S = TypeVar("S", bound=Schema)

SLOT_BITS: Final = 16

Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Spawned:
    """An entity appeared. ``owner`` is a client index, or None."""

    id: int
    owner: int | None


@dataclass(frozen=True, slots=True)
class Despawned:
    """An entity is gone; its id is not used again for long."""

    id: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One table at one tick; every array has ``capacity`` rows, meaningless where not alive.

    ``alive`` is bool, ``generation`` uint16, ``owner`` int32 with -1 for none; ``columns`` maps
    each field to its array, as ``Schema.columns`` makes them.
    """

    tick: int
    alive: npt.NDArray[np.bool_]
    generation: npt.NDArray[np.uint16]
    owner: npt.NDArray[np.int32]
    columns: Columns


@dataclass(frozen=True, slots=True)
class Bracket:
    """Each slot's known states round a moment, for interpolation.

    ``tick_before`` <= moment < ``tick_after`` (int32, per slot). Where nothing later is known, or
    the entity ends or changes its life in between, ``after`` equals ``before``. Only slots with
    ``alive`` count.
    """

    alive: npt.NDArray[np.bool_]
    generation: npt.NDArray[np.uint16]
    tick_before: npt.NDArray[np.int32]
    tick_after: npt.NDArray[np.int32]
    before: Columns
    after: Columns


class WorldTable(Generic[S]):
    """What a client knows of one table. Read only; everything is made by ``Receiver``.

    ``len(table)``, iteration over ``(id, state)``, ``table[id]`` and ``columns`` speak of the
    newest state of each entity, which may stem from different ticks; ``at`` and ``bracket`` of
    given ticks. Fields that the server's version of the schema lacks have their defaults.
    """

    def __init__(
        self,
        schema: type[S],
        capacity: int,
        complete: Callable[[int], tuple[int, int]],
        version: int | None = None,
        model: Model | None = None,
    ) -> None:
        self.schema = schema
        self.capacity = capacity
        codec = schema if version is None else schema.codec_for(version)
        self.held = Held(Layout.of(codec, capacity))
        self.model = untrained_for(codec) if model is None else model
        self.dequantize = codec.dequantize
        self.complete = complete
        self.reported = np.zeros(capacity, np.uint16)
        self.fresh = -1
        self.newest = schema.columns(capacity)

    @property
    def alive(self) -> npt.NDArray[np.bool_]:
        """Living slots, bool (capacity,); a view, valid until the next frame is received."""
        return self.held.alive.view(np.bool_)

    @property
    def generation(self) -> npt.NDArray[np.uint16]:
        """The life of each living slot, uint16 (capacity,); a view."""
        return self.held.generation

    @property
    def owners(self) -> npt.NDArray[np.int32]:
        """Owner of each living slot, a client index or -1, int32 (capacity,); a view."""
        return self.held.owner

    @property
    def columns(self) -> Columns:
        """The newest state of each living slot as columns; do not write to them."""
        if self.fresh != self.held.version:
            self.dequantize(self.held.lanes, self.newest, self.held.alive)
            self.fresh = self.held.version
        return self.newest

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """Ids of the living entities, int64, in slot order."""
        slots = np.flatnonzero(self.held.alive)
        return self.held.generation[slots].astype(np.int64) << SLOT_BITS | slots

    def __len__(self) -> int:
        return int(np.count_nonzero(self.held.alive))

    def __contains__(self, entity: object) -> bool:
        return isinstance(entity, int) and self.find(entity) >= 0

    def __iter__(self) -> Iterator[tuple[int, S]]:
        columns = self.columns
        for entity in self.ids.tolist():
            yield entity, self.schema.row(columns, entity & 0xFFFF)

    def __getitem__(self, entity: int) -> S:
        """The newest state of an entity: a new object. UnknownEntity when it is not there."""
        return self.schema.row(self.columns, self.slot(entity))

    def find(self, entity: int) -> int:
        """The slot of an entity, or -1 when it is not alive."""
        slot = entity & 0xFFFF
        if entity < 0 or slot >= self.capacity or not self.held.alive[slot]:
            return -1
        return slot if self.held.generation[slot] == entity >> SLOT_BITS else -1

    def slot(self, entity: int) -> int:
        """The slot of an entity. UnknownEntity when it is not there."""
        slot = self.find(entity)
        if slot < 0:
            raise UnknownEntity(f"{self.schema.__name__} {entity} is not in the world here")
        return slot

    def owner(self, entity: int) -> int | None:
        """Index of the client that owns an entity, or None."""
        owner = int(self.held.owner[self.slot(entity)])
        return None if owner < 0 else owner

    def owned(self, client: int) -> list[int]:
        """Ids of the living entities that a client owns."""
        slots = np.flatnonzero((self.held.owner == client) & self.alive)
        return [int(self.held.generation[slot]) << SLOT_BITS | slot for slot in slots.tolist()]

    def changes(self) -> list[Spawned | Despawned]:
        """What came and went since the last call, by slot; a slot's old life ends first.

        Lives that began and ended in between are not reported.
        """
        now = np.where(self.held.alive, self.held.generation, 0)
        changes: list[Spawned | Despawned] = []
        for slot in np.flatnonzero(now != self.reported).tolist():
            old, new = int(self.reported[slot]), int(now[slot])
            if old:
                changes.append(Despawned(old << SLOT_BITS | slot))
            if new:
                owner = int(self.held.owner[slot])
                changes.append(Spawned(new << SLOT_BITS | slot, None if owner < 0 else owner))
        self.reported[:] = now
        return changes

    def at(self, tick: int) -> Snapshot:
        """The newest states known at or before ``tick``; exact when ``tick`` is complete and one
        of the newest 64. New arrays."""
        alive, generation, owner, lanes = self.held.view(tick)
        columns = self.schema.columns(self.capacity)
        self.dequantize(lanes, columns, alive)
        return Snapshot(tick, alive.view(np.bool_), generation, owner, columns)

    def bracket(self, moment: float) -> Bracket:
        """The states of each slot that lie nearest round ``moment`` (a tick with its fraction).

        A state is known at every tick at which it was received, and at every complete tick. New
        arrays.
        """
        tick = int(np.floor(moment))
        first, second = self.held.bracket(tick, *self.complete(tick))
        alive, generation, lanes = self.held.gather(first)
        lives, later, codes = self.held.gather(second)
        same = (alive & lives).view(np.bool_) & (generation == later)
        np.copyto(codes, lanes, where=~same)
        before = self.schema.columns(self.capacity)
        after = self.schema.columns(self.capacity)
        self.dequantize(lanes, before, alive)
        self.dequantize(codes, after, alive)
        return Bracket(
            alive.view(np.bool_), generation, first, np.where(same, second, first), before, after
        )
