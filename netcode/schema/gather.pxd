"""The values of one op in a block of rows, to codes."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from netcode.schema.ops cimport op
from netcode.schema.rows cimport table_view


cdef int gather(
    table_view *t, const op *at, int64_t first, const int64_t *offsets, int count, uint64_t *codes
) noexcept nogil
cdef bint above(uint64_t maximum, int count, const uint64_t *codes) noexcept nogil
