"""Sections to held states."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t

from netcode.delta.held cimport Held, held_table
from netcode.delta.section cimport section_header


cdef struct decoded_rows:
    uint32_t count
    uint16_t *slots        # [max_rows]
    int32_t *cells         # [max_rows] cells of the table's stride


cdef class Decoder:
    cdef readonly Held held
    cdef decoded_rows rows

    cdef int decode(
        self, const section_header *header, int32_t tick, const uint8_t *data, size_t size
    ) noexcept nogil
    cdef void commit(self, int32_t tick) noexcept nogil
