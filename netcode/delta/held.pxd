"""What a client holds of one table: every state it received, per slot, by tick."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from netcode.delta.layout cimport Layout, lane_layout


cdef enum:
    CELL_LIFE = 0          # generation while alive, 0 while dead
    CELL_OWNER = 1
    CELL_CODES = 2         # the first of n_lanes codes


cdef struct held_slot:
    int32_t *cells         # [HISTORY_TICKS + 1] cells, the last is the base; NULL: unheard of
    int32_t newest         # newest tick received
    int32_t base           # newest tick received that is 64 or more older, NO_TICK for none
    uint64_t mask          # bit i: the state at newest - i was received


cdef struct held_table:
    const lane_layout *layout
    uint32_t capacity
    uint32_t stride        # int32 words of one cell
    held_slot *slots       # [capacity]
    uint8_t *alive         # the newest state of each slot, in columns
    uint16_t *generation
    int32_t *owner
    int32_t *lanes         # [n_lanes][capacity]


cdef int held_at(
    const held_table *held, uint32_t slot, int32_t tick, const int32_t **cell
) noexcept nogil
cdef int held_reserve(held_table *held, uint32_t slot) noexcept nogil
cdef void held_put(
    held_table *held, uint32_t slot, int32_t tick, const int32_t *state
) noexcept nogil


cdef class Held:
    cdef readonly Layout layout
    cdef held_table table
    cdef readonly object alive
    cdef readonly object generation
    cdef readonly object owner
    cdef readonly object lanes
    cdef readonly uint64_t version   # grows with every section committed
