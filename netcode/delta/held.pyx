"""What a client holds of one table: every state it received, per slot, by tick.

A slot keeps the states of the 64 ticks up to its own newest one, in cells indexed by tick, and
the newest older one as its base. So the newest state held at or before any tick that a server
may name as a baseline is found with one look at a 64-bit mask, in whatever order sections came.
Memory is one block for each slot ever alive, never more than the capacity allows.
"""

cimport cython
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

import numpy as np

from netcode.delta.section cimport HISTORY_TICKS, NO_OWNER, NO_TICK

__all__ = ["Held"]


cdef inline int32_t *cell_of(const held_table *held, const held_slot *s, uint32_t i) noexcept nogil:
    return s.cells + <size_t>i * held.stride


cdef inline int first_bit(uint64_t mask) noexcept nogil:
    """Index of the lowest set bit; the mask is not zero."""
    cdef int n = 0
    if <uint32_t>mask == 0:
        n += 32
        mask >>= 32
    if not mask & 0xFFFF:
        n += 16
        mask >>= 16
    if not mask & 0xFF:
        n += 8
        mask >>= 8
    if not mask & 0xF:
        n += 4
        mask >>= 4
    if not mask & 3:
        n += 2
        mask >>= 2
    return n + <int>(not mask & 1)


cdef int held_at(
    const held_table *held, uint32_t slot, int32_t tick, const int32_t **cell
) noexcept nogil:
    """The newest state held at or before ``tick``: 1 and its cell, or NULL when nothing was ever
    received (dead); 0 when it was held once but is forgotten."""
    cdef const held_slot *s = &held.slots[slot]
    cdef int32_t back
    cdef uint64_t mask
    cell[0] = NULL
    if s.cells == NULL:
        return 1
    back = s.newest - tick
    if back < HISTORY_TICKS:
        mask = s.mask if back <= 0 else s.mask >> back
        if mask:
            back = first_bit(mask) + (back if back > 0 else 0)
            cell[0] = cell_of(held, s, <uint32_t>(s.newest - back) % HISTORY_TICKS)
            return 1
    if s.base == NO_TICK:
        return 1
    if s.base > tick:
        return 0
    cell[0] = cell_of(held, s, HISTORY_TICKS)
    return 1


cdef int held_reserve(held_table *held, uint32_t slot) noexcept nogil:
    """Make sure that ``held_put`` has room for this slot; 0, or -1 without memory."""
    cdef held_slot *s = &held.slots[slot]
    if s.cells == NULL:
        s.cells = <int32_t *>malloc((HISTORY_TICKS + 1) * <size_t>held.stride * sizeof(int32_t))
        if s.cells == NULL:
            return -1
        s.newest = s.base = NO_TICK
        s.mask = 0
    return 0


cdef void held_put(
    held_table *held, uint32_t slot, int32_t tick, const int32_t *state
) noexcept nogil:
    """Record the state at ``tick`` (a cell). A state that is already there stays as it is; one 64
    or more older than the slot's newest is dropped."""
    cdef const lane_layout *layout = held.layout
    cdef held_slot *s = &held.slots[slot]
    cdef int32_t ahead = tick - s.newest if s.newest != NO_TICK else HISTORY_TICKS
    cdef uint64_t leaving
    cdef int32_t last
    cdef uint32_t lane
    if ahead <= 0:
        if ahead <= -HISTORY_TICKS or s.mask >> -ahead & 1:
            return
        s.mask |= <uint64_t>1 << -ahead
    else:
        # The newest state that falls out of the window becomes the base.
        if ahead >= HISTORY_TICKS:
            leaving = s.mask
            s.mask = 1
        else:
            leaving = s.mask >> (HISTORY_TICKS - ahead) << (HISTORY_TICKS - ahead)
            s.mask = s.mask << ahead | 1
        if leaving:
            last = s.newest - first_bit(leaving)
            memcpy(
                cell_of(held, s, HISTORY_TICKS),
                cell_of(held, s, <uint32_t>last % HISTORY_TICKS),
                held.stride * sizeof(int32_t),
            )
            s.base = last
        s.newest = tick
        held.alive[slot] = state[CELL_LIFE] != 0
        held.generation[slot] = <uint16_t>state[CELL_LIFE]
        held.owner[slot] = state[CELL_OWNER]
        for lane in range(layout.n_lanes):
            held.lanes[<size_t>lane * layout.capacity + slot] = state[CELL_CODES + lane]
    memcpy(
        cell_of(held, s, <uint32_t>tick % HISTORY_TICKS), state, held.stride * sizeof(int32_t)
    )


cdef void held_view(
    const held_table *held, int32_t tick, uint8_t *alive, uint16_t *generation, int32_t *owner,
    int32_t *lanes
) noexcept nogil:
    """Spread the newest states at or before ``tick`` over columns; forgotten ones are dead."""
    cdef uint32_t capacity = held.layout.capacity
    cdef uint32_t slot, lane
    cdef const int32_t *cell
    for slot in range(capacity):
        held_at(held, slot, tick, &cell)
        if cell == NULL or cell[CELL_LIFE] == 0:
            alive[slot] = 0
            continue
        alive[slot] = 1
        generation[slot] = <uint16_t>cell[CELL_LIFE]
        owner[slot] = cell[CELL_OWNER]
        for lane in range(held.layout.n_lanes):
            lanes[<size_t>lane * capacity + slot] = cell[CELL_CODES + lane]


cdef void held_bracket(
    const held_table *held, uint32_t slot, int32_t tick, int32_t *before, int32_t *after
) noexcept nogil:
    """Widen a bracket round ``tick`` (``before`` <= tick < ``after``, NO_TICK for open ends) to the
    states received nearest to it; a tick nearer than they are stays."""
    cdef const held_slot *s = &held.slots[slot]
    cdef int32_t back
    cdef uint64_t mask
    cdef int32_t found
    if s.cells == NULL:
        return
    back = s.newest - tick
    if back < HISTORY_TICKS:
        mask = s.mask if back <= 0 else s.mask >> back
        if mask:
            found = s.newest - first_bit(mask) - (back if back > 0 else 0)
            if found > before[0]:
                before[0] = found
    if before[0] < s.base <= tick:
        before[0] = s.base
    if back > 0:
        # The oldest state received after the tick: the highest bit below ``back``.
        mask = s.mask if back >= HISTORY_TICKS else s.mask & ((<uint64_t>1 << back) - 1)
        found = s.newest
        while mask > 1:  # ends at bit 0, which is always set: at most 63 rounds
            mask >>= 1
            found -= 1
        if after[0] == NO_TICK or found < after[0]:
            after[0] = found


@cython.final
@cython.auto_pickle(False)
cdef class Held:
    """States received of one table.

    ``alive`` (uint8), ``generation`` (uint16), ``owner`` (int32, -1 for none), each (capacity,),
    and ``lanes`` (int32, (n_lanes, capacity)) are the newest state of every slot; do not write.
    """

    def __cinit__(self, Layout layout not None):
        cdef uint32_t capacity = layout.c.capacity
        self.layout = layout
        self.alive = np.zeros(capacity, np.uint8)
        self.generation = np.zeros(capacity, np.uint16)
        self.owner = np.full(capacity, NO_OWNER, np.int32)
        self.lanes = np.zeros((layout.c.n_lanes, capacity), np.int32)
        cdef uint8_t[::1] alive = self.alive
        cdef uint16_t[::1] generation = self.generation
        cdef int32_t[::1] owner = self.owner
        cdef int32_t[:, ::1] lanes = self.lanes
        self.table.layout = &layout.c
        self.table.capacity = capacity
        self.table.stride = CELL_CODES + layout.c.n_lanes
        self.table.alive = &alive[0]
        self.table.generation = &generation[0]
        self.table.owner = &owner[0]
        self.table.lanes = &lanes[0, 0] if layout.c.n_lanes else NULL
        self.table.slots = <held_slot *>calloc(capacity, sizeof(held_slot))
        if self.table.slots == NULL:
            raise MemoryError

    def __dealloc__(self):
        cdef uint32_t slot
        if self.table.slots != NULL:
            for slot in range(self.table.capacity):
                free(self.table.slots[slot].cells)
            free(self.table.slots)

    @property
    def nbytes(self):
        """Bytes of history in use: one block for each slot ever alive."""
        cdef uint32_t slot
        cdef size_t blocks = 0
        for slot in range(self.layout.c.capacity):
            blocks += self.table.slots[slot].cells != NULL
        return blocks * (HISTORY_TICKS + 1) * self.table.stride * sizeof(int32_t)

    def view(self, tick):
        """The newest states held at or before ``tick``.

        Returns:
            alive uint8 (capacity,), generation uint16 (capacity,), owner int32 (capacity,) and
            lanes int32 (n_lanes, capacity), new arrays; zero (owner -1) where not alive.
        """
        cdef uint32_t capacity = self.layout.c.capacity
        alive = np.zeros(capacity, np.uint8)
        generation = np.zeros(capacity, np.uint16)
        owner = np.full(capacity, NO_OWNER, np.int32)
        lanes = np.zeros((self.layout.c.n_lanes, capacity), np.int32)
        cdef uint8_t[::1] alive_view = alive
        cdef uint16_t[::1] generation_view = generation
        cdef int32_t[::1] owner_view = owner
        cdef int32_t[:, ::1] lanes_view = lanes
        cdef int32_t *codes = &lanes_view[0, 0] if self.layout.c.n_lanes else NULL
        cdef int32_t at = tick
        with nogil:
            held_view(
                &self.table, at, &alive_view[0], &generation_view[0], &owner_view[0], codes
            )
        return alive, generation, owner, lanes

    def bracket(self, tick, before, after):
        """For each slot the two ticks nearest round ``tick`` at which its state is known.

        Args:
            tick: int.
            before: newest tick <= ``tick`` at which the whole world is known, -1 for none.
            after: oldest tick > ``tick`` at which the whole world is known, -1 for none.

        Returns:
            two int32 arrays (capacity,), -1 where there is none.
        """
        cdef uint32_t capacity = self.layout.c.capacity
        first = np.full(capacity, before, np.int32)
        second = np.full(capacity, after, np.int32)
        cdef int32_t[::1] first_view = first
        cdef int32_t[::1] second_view = second
        cdef int32_t at = tick
        cdef uint32_t slot
        with nogil:
            for slot in range(capacity):
                held_bracket(&self.table, slot, at, &first_view[slot], &second_view[slot])
        return first, second

    def gather(self, ticks):
        """As ``view``, with a tick of its own for each slot (int32 (capacity,), -1 for none)."""
        cdef uint32_t capacity = self.layout.c.capacity
        alive = np.zeros(capacity, np.uint8)
        generation = np.zeros(capacity, np.uint16)
        lanes = np.zeros((self.layout.c.n_lanes, capacity), np.int32)
        cdef const int32_t[::1] ticks_view = np.ascontiguousarray(ticks, np.int32)
        cdef uint8_t[::1] alive_view = alive
        cdef uint16_t[::1] generation_view = generation
        cdef int32_t[:, ::1] lanes_view = lanes
        cdef uint32_t slot, lane
        cdef const int32_t *cell
        if ticks_view.shape[0] != capacity:
            raise ValueError(f"{ticks_view.shape[0]} ticks for {capacity} slots")
        with nogil:
            for slot in range(capacity):
                if ticks_view[slot] < 0:
                    continue
                held_at(&self.table, slot, ticks_view[slot], &cell)
                if cell == NULL or cell[CELL_LIFE] == 0:
                    continue
                alive_view[slot] = 1
                generation_view[slot] = <uint16_t>cell[CELL_LIFE]
                for lane in range(self.layout.c.n_lanes):
                    lanes_view[lane, slot] = cell[CELL_CODES + lane]
        return alive, generation, lanes
