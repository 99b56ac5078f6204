"""The ring of quantised snapshots of one table that all clients share.

A snapshot is quantised once a tick and never changes afterwards. Beside the codes it says, for
each slot, at which tick the slot last changed: with an acknowledged tick that answers in one
comparison whether a client needs the slot, and whether a tick may be named as its baseline.
"""

cimport cython
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

import numpy as np

from netcode.delta.section cimport HISTORY_TICKS, NO_TICK
from netcode.errors import ConfigError

__all__ = ["MAX_TICK", "History", "Projection", "Ring"]

MAX_TICK = 2**31 - 1  # ticks are int32: 414 days at 60 a second


cdef void note_lives(const lane_layout *layout, const snapshot *old, snapshot *new) noexcept nogil:
    """Fill ``life`` of ``new``."""
    cdef uint32_t slot
    cdef bint same
    for slot in range(layout.capacity):
        same = new.alive[slot] == old.alive[slot] and (
            not new.alive[slot]
            or (
                new.generation[slot] == old.generation[slot]
                and new.owner[slot] == old.owner[slot]
            )
        )
        new.life[slot] = old.life[slot] if same else new.tick


cdef uint32_t note_changes(
    const lane_layout *layout, const snapshot *old, snapshot *new, int32_t *difference
) noexcept nogil:
    """Fill ``changed`` of ``new``, whose ``life`` is known; return how many slots changed at its
    tick. ``difference`` is scratch, [capacity]."""
    cdef uint32_t capacity = layout.capacity
    cdef uint32_t lane, slot
    cdef uint32_t count = 0
    cdef const int32_t *a
    cdef const int32_t *b
    memset(difference, 0, capacity * sizeof(int32_t))
    for lane in range(layout.n_lanes):
        a = old.lanes + <size_t>layout.source[lane] * capacity
        b = new.lanes + <size_t>layout.source[lane] * capacity
        for slot in range(capacity):
            difference[slot] |= a[slot] ^ b[slot]
    for slot in range(capacity):
        if new.life[slot] == new.tick or (new.alive[slot] and difference[slot]):
            new.changed[slot] = new.tick
            count += 1
        else:
            new.changed[slot] = old.changed[slot]
    return count


cdef uint32_t begin(const lane_layout *layout, snapshot *new) noexcept nogil:
    """Fill ``changed`` and ``life`` of the first snapshot; return how many slots are alive."""
    cdef uint32_t slot
    cdef uint32_t count = 0
    for slot in range(layout.capacity):
        new.changed[slot] = new.life[slot] = new.tick if new.alive[slot] else NO_TICK
        count += new.alive[slot]
    return count


cdef void find_oldest(snapshot_ring *ring, int32_t newest) noexcept nogil:
    """Refresh ``oldest``: cells are in tick order, from the one behind the head."""
    cdef uint32_t i
    cdef int32_t tick
    ring.oldest = newest
    for i in range(1, ring.size + 1):
        tick = ring.cells[(ring.head + i) % ring.size].tick
        if tick != NO_TICK and newest - tick < HISTORY_TICKS:
            ring.oldest = tick
            return


@cython.auto_pickle(False)
cdef class Ring:
    """Snapshots of one table as some clients see it: a History, or a Projection of one."""

    @property
    def newest(self):
        """Newest tick, -1 before the first."""
        return self.ring.newest


@cython.final
@cython.auto_pickle(False)
cdef class Projection(Ring):
    """A History with fewer lanes, for clients of an older version of the schema.

    The snapshots are those of the history. Only the ticks of changes are its own, so that a
    change of what such a client does not know costs it nothing.
    """

    cdef void give_up(self, uint32_t cell) noexcept nogil:
        """The snapshot in this cell is about to be overwritten."""
        self.ring.cells[cell].tick = NO_TICK
        find_oldest(&self.ring, self.ring.newest)

    cdef void follow(self, const snapshot_ring *whole, int32_t *difference) noexcept nogil:
        """Take over the newest snapshot of the history, and find what changed here."""
        cdef const snapshot *old = &self.ring.cells[self.ring.head]
        cdef snapshot *new = &self.ring.cells[whole.head]
        cdef int32_t *changed = &self.changed[whole.head, 0]
        cdef uint32_t count = 1
        new.tick = whole.newest
        if new.changed != changed:
            new.changed = changed
        if self.ring.newest == NO_TICK:
            memcpy(
                changed, whole.cells[whole.head].changed, self.layout.c.capacity * sizeof(int32_t)
            )
        else:
            count = note_changes(&self.layout.c, old, new, difference)
        self.ring.head = whole.head
        self.ring.newest = new.tick
        if count:
            self.ring.last_change = new.tick
        find_oldest(&self.ring, new.tick)


@cython.final
@cython.auto_pickle(False)
cdef class History(Ring):
    """The newest ``ticks`` snapshots of one table.

    Args:
        layout: shape of the table.
        ticks: snapshots kept, 2 to 64. A client whose acknowledgements are older gets full state.
    """

    def __cinit__(self, Layout layout not None, ticks=HISTORY_TICKS):
        if not 2 <= ticks <= HISTORY_TICKS:
            raise ConfigError(f"history keeps 2 to {HISTORY_TICKS} ticks, not {ticks}")
        self.layout = layout
        self.projections = []
        self.staged = NO_TICK
        self.ring.size = ticks
        self.ring.head = ticks - 1
        self.ring.newest = self.ring.oldest = self.ring.last_change = NO_TICK
        cdef uint32_t capacity = layout.c.capacity
        lanes = np.zeros((ticks, layout.c.n_lanes, capacity), np.int32)
        alive = np.zeros((ticks, capacity), np.uint8)
        generation = np.zeros((ticks, capacity), np.uint16)
        owner = np.zeros((ticks, capacity), np.int32)
        changed = np.zeros((ticks, capacity), np.int32)
        life = np.zeros((ticks, capacity), np.int32)
        self.arrays = (lanes, alive, generation, owner, changed, life)
        self.difference = np.zeros(capacity, np.int32)
        cdef int32_t[:, :, ::1] lanes_view = lanes
        cdef uint8_t[:, ::1] alive_view = alive
        cdef uint16_t[:, ::1] generation_view = generation
        cdef int32_t[:, ::1] owner_view = owner
        cdef int32_t[:, ::1] changed_view = changed
        cdef int32_t[:, ::1] life_view = life
        cdef uint32_t i
        for i in range(self.ring.size):
            self.ring.cells[i].tick = NO_TICK
            self.ring.cells[i].lanes = &lanes_view[i, 0, 0] if layout.c.n_lanes else NULL
            self.ring.cells[i].alive = &alive_view[i, 0]
            self.ring.cells[i].generation = &generation_view[i, 0]
            self.ring.cells[i].owner = &owner_view[i, 0]
            self.ring.cells[i].changed = &changed_view[i, 0]
            self.ring.cells[i].life = &life_view[i, 0]

    def stage(self, tick):
        """Make room for ``tick`` and return its codes, int32 (n_lanes, capacity), to be filled in.

        The oldest snapshot is given up at once. Staging again (after an error) starts over.

        Raises:
            ConfigError: ``tick`` is not after the newest one, or above 2**31 - 1.
        """
        if not self.ring.newest < tick <= MAX_TICK:
            raise ConfigError(
                f"tick {tick} cannot follow tick {self.ring.newest}: ticks rise, up to {MAX_TICK}"
            )
        cdef uint32_t cell = (self.ring.head + 1) % self.ring.size
        cdef Projection projection
        self.ring.cells[cell].tick = NO_TICK
        self.staged = tick
        find_oldest(&self.ring, self.ring.newest)
        for projection in self.projections:
            projection.give_up(cell)
        return self.arrays[0][cell]

    def commit(self, alive, generation, owner):
        """Make the staged tick the newest snapshot; return how many slots changed.

        Args:
            alive: bool or uint8 (capacity,).
            generation: uint16 (capacity,), the life of each living slot.
            owner: int32 (capacity,), client index or -1.
        """
        if self.staged == NO_TICK:
            raise ConfigError("commit() without stage()")
        cdef uint32_t cell = (self.ring.head + 1) % self.ring.size
        cdef snapshot *new = &self.ring.cells[cell]
        cdef uint32_t count
        cdef Projection projection
        np.not_equal(alive, 0, out=self.arrays[1][cell], casting="unsafe")
        self.arrays[2][cell] = generation
        self.arrays[3][cell] = owner
        new.tick = self.staged
        with nogil:
            if self.ring.newest == NO_TICK:
                count = begin(&self.layout.c, new)
            else:
                note_lives(&self.layout.c, &self.ring.cells[self.ring.head], new)
                count = note_changes(
                    &self.layout.c, &self.ring.cells[self.ring.head], new, &self.difference[0]
                )
        self.ring.head = cell
        self.ring.newest = new.tick
        self.staged = NO_TICK
        if count:
            self.ring.last_change = new.tick
        find_oldest(&self.ring, new.tick)
        for projection in self.projections:
            projection.follow(&self.ring, &self.difference[0])
        return count

    def project(self, Layout layout not None):
        """A Projection to the lanes that ``layout.source`` names; it follows until ``forget``.

        Changes from before count as if they had been in these lanes.

        Raises:
            ConfigError: another capacity, or a place that is not among the lanes.
        """
        cdef uint32_t n = layout.c.n_lanes
        if layout.c.capacity != self.layout.c.capacity or (
            n and layout.c.source[n - 1] >= self.layout.c.n_lanes
        ):
            raise ConfigError(
                f"a projection has the capacity {self.layout.c.capacity} and lanes of 0 to "
                f"{self.layout.c.n_lanes - 1}"
            )
        cdef Projection made = Projection.__new__(Projection)
        made.layout = layout
        # A copy: its cells share the arrays, ``changed`` too, until they are next written.
        made.ring = self.ring
        made.changed = np.zeros((self.ring.size, layout.c.capacity), np.int32)
        made.arrays = self.arrays
        self.projections.append(made)
        return made

    def forget(self, Projection projection not None):
        """Stop a projection; nobody may use it any more."""
        self.projections.remove(projection)

    def cell(self, tick):
        """Index into the arrays of the snapshot of ``tick``; KeyError when it is not kept."""
        cdef uint32_t i
        for i in range(self.ring.size):
            if self.ring.cells[i].tick == tick and tick >= 0:
                return i
        raise KeyError(tick)

    @property
    def ticks(self):
        """Every tick kept, in order."""
        kept = [self.ring.cells[i].tick for i in range(self.ring.size)]
        return sorted(tick for tick in kept if tick != NO_TICK)

    def lanes(self, tick):
        """Codes at ``tick``, int32 (n_lanes, capacity), a view; meaningless where not alive."""
        return self.arrays[0][self.cell(tick)]

    def alive(self, tick):
        """Living slots at ``tick``, uint8 (capacity,), a view."""
        return self.arrays[1][self.cell(tick)]

    def generation(self, tick):
        """Generations at ``tick``, uint16 (capacity,), a view."""
        return self.arrays[2][self.cell(tick)]

    def owner(self, tick):
        """Owners at ``tick``, int32 (capacity,), -1 for none, a view."""
        return self.arrays[3][self.cell(tick)]

    def changed(self, tick):
        """Tick of each slot's last change as known at ``tick``, int32 (capacity,), a view."""
        return self.arrays[4][self.cell(tick)]
