"""Codes of one op to the values in a block of rows."""

from libc.stdint cimport int64_t, uint64_t

from netcode.schema.ops cimport op
from netcode.schema.rows cimport table_view


cdef int scatter(
    table_view *t, const op *at, int64_t first, const int64_t *offsets, int count,
    const uint64_t *codes
) noexcept nogil
