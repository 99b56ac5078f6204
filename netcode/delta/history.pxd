"""The ring of quantised snapshots of one table that all clients share."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t

from netcode.delta.layout cimport Layout, lane_layout
from netcode.delta.section cimport HISTORY_TICKS


cdef struct snapshot:
    int32_t tick           # NO_TICK when the cell is empty
    int32_t *lanes         # [n_lanes][capacity]; codes of dead slots mean nothing
    uint8_t *alive         # [capacity]
    uint16_t *generation   # [capacity]
    int32_t *owner         # [capacity] client index or NO_OWNER
    int32_t *changed       # [capacity] tick of the last change of any kind, NO_TICK for none
    int32_t *life          # [capacity] tick of the last spawn, despawn or change of owner


cdef struct snapshot_ring:
    uint32_t size          # cells in use, 2 to HISTORY_TICKS
    uint32_t head          # cell of the newest snapshot
    int32_t newest         # its tick
    int32_t oldest         # oldest tick that may be named as a baseline of the newest
    int32_t last_change    # newest tick that changed anything
    snapshot cells[HISTORY_TICKS]


cdef inline const snapshot *ring_find(const snapshot_ring *ring, int32_t tick) noexcept nogil:
    """The snapshot of ``tick``, or NULL."""
    cdef uint32_t i
    if tick < 0:
        return NULL
    for i in range(ring.size):
        if ring.cells[i].tick == tick:
            return &ring.cells[i]
    return NULL


cdef class Ring:
    cdef readonly Layout layout
    cdef snapshot_ring ring


cdef class History(Ring):
    cdef int32_t staged
    cdef object arrays
    cdef int32_t[::1] difference
    cdef list projections


cdef class Projection(Ring):
    cdef object arrays     # those of the history, whose memory the cells point into
    cdef int32_t[:, ::1] changed
    cdef void give_up(self, uint32_t cell) noexcept nogil
    cdef void follow(self, const snapshot_ring *whole, int32_t *difference) noexcept nogil
