"""The values of one op in a block of rows, to codes."""

from libc.stdint cimport int64_t, uint64_t

from netcode.schema.ops cimport op
from netcode.schema.rows cimport table_view


cdef struct rows_at:
    table_view *t
    int64_t shift                  # bytes from row 0 to the first row of the block
    int64_t stride                 # bytes from row to row
    int count                      # rows, at most BLOCK_ROWS
    const uint64_t *mask           # all ones for the rows that the op is for; NULL: for all


cdef bint above(uint64_t maximum, int count, const uint64_t *codes) noexcept nogil
cdef bint gather_quantized(
    const rows_at *r, const op *at, int place, uint64_t *words
) noexcept nogil
cdef bint gather(const rows_at *r, const op *at, uint64_t *codes) noexcept nogil
