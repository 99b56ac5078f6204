"""Predicted sections: the slot set and the changes against A and B in one run of the coder."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t

from netcode.delta.changes cimport section_coder
from netcode.delta.coder cimport SectionCoder
from netcode.delta.held cimport held_table
from netcode.delta.history cimport snapshot
from netcode.delta.layout cimport lane_layout
from netcode.delta.section cimport section_header


cdef struct decoded_rows:
    uint32_t count
    uint16_t *slots        # [as many as a section can have]
    int32_t *cells         # as many, of the table's stride


cdef struct section_columns:
    section_coder *s       # its capacity is the most entities of a section
    int32_t *a             # [n_lanes][capacity]
    int32_t *b
    int32_t *t
    uint16_t *order        # 0, 1, 2, ...


cdef class Columns:
    """A section's entities at A, at B and as decoded, side by side: what the coder reads."""

    cdef SectionCoder coder
    cdef section_columns c


cdef uint32_t predicted_encode(
    section_coder *s,
    const lane_layout *layout,
    uint8_t table,
    const snapshot *now,
    const snapshot *base,
    const snapshot *older,
    const uint16_t *slots,
    uint32_t count,
    uint8_t *out,
    uint32_t *taken,
    uint32_t *likely,
) noexcept nogil
cdef int predicted_decode(
    section_columns *columns, held_table *held, const section_header *header, int32_t tick,
    const uint8_t *data, size_t size, decoded_rows *rows
) noexcept nogil
