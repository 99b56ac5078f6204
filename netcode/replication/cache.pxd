"""The sections of one tick, each encoded once however many clients get it."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from netcode.delta.changes cimport section_coder
from netcode.delta.history cimport snapshot
from netcode.delta.layout cimport lane_layout


cdef struct section_record:
    uint32_t references    # the cache during its tick, and each viewer that waits for an ack
    uint32_t number        # place in the cache during its tick
    int32_t baseline       # tick, NO_TICK for full state
    uint8_t table
    uint32_t size          # bytes; they are freed after the tick, the slots stay
    uint8_t *data
    uint32_t count
    uint16_t *slots        # behind the struct, same allocation


cdef struct section_group:
    uint64_t hash
    int32_t baseline
    int32_t older          # tick of B, NO_TICK for none
    uint8_t table
    uint32_t version       # which lanes of the table
    uint32_t model         # which of the version's coders; 0 for full state, which needs none
    uint32_t count
    uint16_t *slots
    uint32_t first         # its records: first to first + sections - 1
    uint32_t sections


cdef struct section_cache:
    section_record **records
    uint32_t n_records
    uint32_t record_room
    section_group *groups
    uint32_t n_groups
    uint32_t group_room
    uint32_t *buckets      # group number + 1, open addressing; twice group_room, a power of two
    uint64_t encoded       # sections encoded, ever
    uint64_t shared        # times a group was found already encoded, ever


cdef void cache_clear(section_cache *cache) noexcept nogil
cdef void cache_free(section_cache *cache) noexcept nogil
cdef const section_group *cache_sections(
    section_cache *cache,
    const lane_layout *layout,
    section_coder *coder,
    uint8_t table,
    uint32_t version,
    uint32_t model,
    const snapshot *now,
    const snapshot *base,
    const snapshot *older,
    const uint16_t *slots,
    uint32_t count,
) noexcept nogil
cdef void record_release(section_record *record) noexcept nogil
