"""One section's changes: entities of a slot list in T, coded against A and B."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from netcode.delta.course cimport pace
from netcode.delta.heading cimport heading_model
from netcode.delta.motion cimport motion
from netcode.delta.rangecoder cimport range_coder
from netcode.delta.shape cimport SHAPE_GROUPS, lane_group, table_shape


cdef enum:
    CODED_FULL = -1        # does not fit the output
    CODED_BAD = -2         # a value out of range or a change that is none


cdef struct section_coder:
    const table_shape *shape
    const lane_group *groups
    uint32_t capacity      # slots; distance of two lanes
    uint32_t n             # entities in the section
    const uint16_t *slots
    const int32_t *a
    const int32_t *b       # a when there is no B
    int32_t *t             # read by the encoder, written by the decoder
    uint64_t *moved        # [n] groups that differ between A and B
    uint64_t *differs      # [n] groups that differ between T and A (encoder)
    motion m
    heading_model heading
    pace pace
    range_coder c
    uint32_t moving        # whether the entity's course moved from B to A
    uint32_t reached       # of n entities, about so many are coded when it is given up
    bint bad
    uint64_t *entity_costs  # [capacity] when counting: 1/65536 bits, added
    uint64_t group_costs[SHAPE_GROUPS]


cdef int64_t section_run(section_coder *s) noexcept nogil
