"""What the server knows of one client: which ticks it acknowledged, and what is on its way."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from netcode.delta.changes cimport section_coder
from netcode.delta.history cimport snapshot_ring
from netcode.delta.layout cimport lane_layout
from netcode.delta.section cimport HISTORY_TICKS
from netcode.replication.cache cimport section_cache, section_record


cdef enum:
    VIEWER_MAX_SECTIONS = 255  # of one tick: an index is a byte
    VIEWER_MAX_BASELINES = 8   # baselines of one table and tick; what joins none gets full state
    VIEWER_OLDER_TRIES = 9     # ticks looked at for the second baseline
    VIEWER_APART = 8           # slots that are worth a section of their own for a second baseline


cdef struct viewer_table:
    uint32_t capacity      # 0: this client does not get the table
    uint32_t version       # which of the table's rings it is sent from; 0 is the newest version
    uint32_t model         # which of that ring's coders; 0 is the untrained one
    int32_t *acked         # [capacity] newest acknowledged tick, NO_TICK for none
    uint64_t *kept         # [capacity] bit i: the state at acked - i is acknowledged too
    uint8_t *told          # [capacity] 1: full state was sent at some time
    int32_t settled        # newest tick at which the client was known to need nothing


cdef struct sent_tick:
    int32_t tick
    uint32_t count
    section_record **records  # NULL where acknowledged or answered with "missing"


cdef struct viewer:
    uint32_t n_tables
    viewer_table *tables
    int32_t last           # newest tick sent
    int32_t acked          # newest tick of which it acknowledged anything
    uint32_t cursor        # where to begin when there are more sections than a tick may carry
    sent_tick sent[HISTORY_TICKS]


cdef struct viewer_plan:
    uint32_t count
    uint32_t room
    section_record **records
    uint16_t *full         # [largest capacity] scratch
    uint16_t *rest
    uint16_t *group
    uint16_t *pair


cdef viewer *viewer_new(const uint32_t *capacities, uint32_t n_tables) noexcept nogil
cdef void viewer_free(viewer *v) noexcept nogil
cdef int viewer_plan_table(
    viewer *v, uint8_t table, const lane_layout *layout, section_coder *coder,
    const snapshot_ring *ring, section_cache *cache, viewer_plan *plan
) noexcept nogil
cdef int viewer_send(
    viewer *v, int32_t tick, uint32_t most, viewer_plan *plan, uint32_t *first
) noexcept nogil
cdef int viewer_decoded(
    viewer *v, int32_t newest, const uint8_t *data, size_t size
) noexcept nogil
cdef int viewer_missing(
    viewer *v, int32_t newest, const uint8_t *data, size_t size
) noexcept nogil
