"""The server's tables: entities in NumPy columns, with stable slots and ids that go stale."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any, Final, Generic, Protocol, TypeVar, cast

import numpy as np
import numpy.typing as npt

from netcode.errors import ConfigError, TableFull, UnknownEntity
from netcode.replication.row import DespawnedRow, RowView, row_class
from netcode.schema import Schema

__all__ = ["MAX_CAPACITY", "Owner", "Table"]

S = TypeVar("S", bound=Schema)

MAX_CAPACITY: Final = 65_536
"""Slots of a table: a slot fits the low 16 bits of an id."""

MAX_GENERATION: Final = 65_535
"""Lives of a slot before its ids repeat; a generation fits 16 bits and is never 0."""

MAX_OWNER: Final = 65_535


class Owner(Protocol):
    """Anything with a client index, such as a player."""

    @property
    def index(self) -> int: ...


class Table(Generic[S]):
    """Entities of one schema.

    A field's column is an attribute (``ships.x``): an array of ``capacity`` rows, to be read and
    written in place; rows where ``alive`` is False mean nothing and are never sent.
    ``ships[id]`` is an entity as an object: a view of its row. An id is an int, never 0,
    and equal on all clients; once the entity is despawned it raises UnknownEntity.

    Args:
        schema: the fields; one row must fit a section (about 1,080 bytes).
        capacity: most entities at a time, 1 to 65,536.
    """

    schema: type[S]
    capacity: int
    columns: dict[str, npt.NDArray[Any]]
    alive: npt.NDArray[np.bool_]
    generation: npt.NDArray[np.uint16]
    owners: npt.NDArray[np.int32]
    _alive: npt.NDArray[np.bool_]
    _generation: npt.NDArray[np.uint16]
    _owners: npt.NDArray[np.int32]
    _free: list[int]
    _views: dict[int, RowView]
    _row: type[RowView]
    _blank: dict[str, npt.NDArray[Any]]

    def __init__(self, schema: type[S], capacity: int) -> None:
        if not 1 <= capacity <= MAX_CAPACITY:
            raise ConfigError(f"capacity is {capacity}; a table has 1 to {MAX_CAPACITY} slots")
        columns = schema.columns(capacity)
        store = self.__dict__  # __setattr__ guards the columns
        store["schema"] = schema
        store["capacity"] = capacity
        store["columns"] = columns
        store["_alive"] = np.zeros(capacity, np.bool_)
        store["_generation"] = np.zeros(capacity, np.uint16)
        store["_owners"] = np.full(capacity, -1, np.int32)
        store["_free"] = list(range(capacity))
        store["_views"] = {}
        store["_row"] = row_class(schema, columns)
        store["_blank"] = {name: column[:1].copy() for name, column in columns.items()}
        for name in ("alive", "generation", "owners"):
            view = store[f"_{name}"].view()
            view.flags.writeable = False
            store[name] = view

    def __getattr__(self, name: str) -> npt.NDArray[Any]:
        try:
            return cast("npt.NDArray[Any]", self.__dict__["columns"][name])
        except KeyError:
            raise AttributeError(
                f"{self.__dict__.get('schema', Schema).__name__} has no field {name!r}"
            ) from None

    def __setattr__(self, name: str, value: object) -> None:
        column = self.columns.get(name)
        if column is None:
            raise AttributeError(f"{self.schema.__name__} has no field {name!r}")
        if value is not column:  # ``table.x += 1`` assigns the column to itself
            raise AttributeError(
                f"a column stays the same array: write table.{name}[:] = ... to fill it"
            )

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.columns]

    def __repr__(self) -> str:
        return f"<Table of {self.schema.__name__}: {len(self)} of {self.capacity}>"

    def __len__(self) -> int:
        return self.capacity - len(self._free)

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """Ids of the living entities, int64, in slot order."""
        slots = np.flatnonzero(self._alive)
        return cast("npt.NDArray[np.int64]", self._generation[slots].astype(np.int64) << 16 | slots)

    def spawn(self, state: S | None = None, *, owner: Owner | int | None = None) -> int:
        """Add an entity and return its id; the lowest free slot is taken.

        Args:
            state: first values; default the schema's defaults.
            owner: the client that controls it: a player, a client index, or None.

        Raises:
            TableFull: every slot is taken.
            EncodeError: a value does not fit its field; nothing is spawned then.
        """
        index = owner_index(owner)
        if not self._free:
            raise self._full(1)
        slot = self._free[0]
        for name, blank in self._blank.items():
            self.columns[name][slot] = blank[0]
        if state is not None:
            self.schema.set_row(self.columns, slot, state)
        heapq.heappop(self._free)
        return self._born(slot, index)

    def spawn_many(
        self, count: int, *, owner: Owner | int | None = None, **values: Any
    ) -> npt.NDArray[np.int64]:
        """Add ``count`` entities and return their ids, int64 (count,).

        ``values`` fill columns, as ``spawn_many(3, x=[1, 2, 3], hp=50)``; other fields have
        their defaults. The rows are ``ids & 0xFFFF``. All or none are spawned.

        Raises:
            TableFull: fewer slots are free.
            ConfigError: no such field, or a negative count.
        """
        index = owner_index(owner)
        unknown = values.keys() - self.columns.keys()
        if count < 0 or unknown:
            what = f"count is {count}" if count < 0 else f"no field {min(unknown)!r}"
            raise ConfigError(f"{self.schema.__name__}: {what}")
        if count > len(self._free):
            raise self._full(count)
        free = np.sort(np.array(self._free, np.int64))
        slots = free[:count]
        filled = {}
        for name, blank in self._blank.items():
            filled[name] = np.repeat(blank, count, axis=0)
            if name in values:
                filled[name][:] = values[name]
        for name, column in self.columns.items():
            column[slots] = filled[name]
        self._free[:] = free[count:].tolist()  # sorted, so it is a heap
        return np.array([self._born(slot, index) for slot in slots.tolist()], np.int64)

    def despawn(self, entity: int) -> None:
        """Remove an entity. UnknownEntity when it is not alive."""
        slot = self.slot(entity)
        self._alive[slot] = False
        self._owners[slot] = -1
        heapq.heappush(self._free, slot)
        view = self._views.pop(slot, None)
        if view is not None:
            view.__class__ = DespawnedRow

    def clear(self) -> None:
        """Remove every entity."""
        for entity in self.ids.tolist():
            self.despawn(entity)

    def slot(self, entity: int) -> int:
        """The row of an entity in the columns. UnknownEntity when it is not alive."""
        slot = entity & 0xFFFF
        if (
            entity >= 0
            and slot < self.capacity
            and self._alive[slot]
            and self._generation[slot] == entity >> 16
        ):
            return slot
        raise UnknownEntity(f"{self.schema.__name__} {entity} was despawned or never was here")

    def id_at(self, slot: int) -> int:
        """The id of the entity in a row, or 0 when it is free."""
        return int(self._generation[slot]) << 16 | slot if self._alive[slot] else 0

    def __contains__(self, entity: object) -> bool:
        try:
            return isinstance(entity, int) and self.slot(entity) >= 0
        except UnknownEntity:
            return False

    def __getitem__(self, entity: int) -> S:
        """The entity as an object whose attributes are cells of the columns."""
        slot = self.slot(entity)
        view = self._views.get(slot)
        if view is None:
            view = self._views[slot] = self._row(slot)
        return cast("S", view)  # it has the fields of S, which is what callers use

    def __setitem__(self, entity: int, state: S) -> None:
        """Set every field of an entity. EncodeError when a value does not fit."""
        self.schema.set_row(self.columns, self.slot(entity), state)

    def __iter__(self) -> Iterator[tuple[int, S]]:
        """(id, row view) of each living entity; spawning and despawning meanwhile is allowed."""
        for entity in self.ids.tolist():
            if entity in self:
                yield entity, self[entity]

    def copy(self, entity: int) -> S:
        """The entity's state as an object of the schema, on its own."""
        return self.schema.row(self.columns, self.slot(entity))

    def owner(self, entity: int) -> int | None:
        """Index of the client that owns an entity, or None."""
        owner = int(self._owners[self.slot(entity)])
        return None if owner < 0 else owner

    def set_owner(self, entity: int, owner: Owner | int | None) -> None:
        """Give an entity to a client (a player or an index), or to nobody."""
        self._owners[self.slot(entity)] = owner_index(owner)

    def owned(self, owner: Owner | int) -> list[int]:
        """Ids of the entities that a client owns."""
        slots = np.flatnonzero((self._owners == owner_index(owner)) & self._alive)
        return [self.id_at(slot) for slot in slots.tolist()]

    def quantize(self, lanes: npt.NDArray[np.int32]) -> None:
        """Write the codes of the living rows into ``lanes``, int32 (n_lanes, capacity).

        EncodeError names the field, slot and value that do not fit.
        """
        self.schema.quantize(self.columns, lanes, self._alive)

    def _born(self, slot: int, owner: int) -> int:
        generation = int(self._generation[slot]) % MAX_GENERATION + 1
        self._generation[slot] = generation
        self._alive[slot] = True
        self._owners[slot] = owner
        return generation << 16 | slot

    def _full(self, wanted: int) -> TableFull:
        return TableFull(
            f"{self.schema.__name__}: {wanted} more do not fit, "
            f"{len(self)} of {self.capacity} slots are taken"
        )


def owner_index(owner: Owner | int | None) -> int:
    """A client index, or -1 for nobody."""
    if owner is None:
        return -1
    index = owner if isinstance(owner, int) else owner.index
    if not 0 <= index <= MAX_OWNER:
        raise ConfigError(f"owner is {index}; a client index is 0 to {MAX_OWNER}")
    return index
