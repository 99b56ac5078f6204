"""Sections to held states."""

from libc.stdint cimport int32_t, uint8_t

from netcode.delta.held cimport Held
from netcode.delta.predicted cimport Columns, decoded_rows
from netcode.delta.section cimport section_header


cdef class Decoder:
    cdef readonly Held held
    cdef Columns columns   # None: only plain sections
    cdef decoded_rows rows

    cdef int decode(
        self, const section_header *header, int32_t tick, const uint8_t *data, size_t size
    ) noexcept nogil
    cdef void commit(self, int32_t tick) noexcept nogil
