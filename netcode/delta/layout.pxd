"""The shape of one table's state on the wire: lanes grouped into fields, for a fixed capacity."""

from libc.stdint cimport uint8_t, uint32_t


cdef struct lane_layout:
    uint32_t capacity      # slots
    uint32_t n_lanes
    uint32_t n_fields      # groups of adjacent lanes; fields without a lane are left out
    uint32_t slot_bits     # width of a slot, and of a count minus one
    uint32_t max_rows      # most entities that fit one section
    uint8_t *bits          # [n_lanes] width of a code
    uint32_t *top          # [n_lanes] largest code
    uint32_t *first        # [n_fields + 1] first lane of each field
    uint32_t *source       # [n_lanes] where a snapshot holds the lane, among its own


cdef class Layout:
    cdef lane_layout c
    cdef readonly uint32_t row_bits
    cdef object arrays
