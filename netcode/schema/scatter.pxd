"""Codes of one op to the values in a block of rows."""

from libc.stdint cimport uint64_t

from netcode.schema.gather cimport rows_at
from netcode.schema.ops cimport op


cdef uint64_t neutral_code(const op *at) noexcept nogil
cdef bint scatter(const rows_at *r, const op *at, const uint64_t *codes) noexcept nogil
cdef bint scatter_quantized(
    const rows_at *r, const op *at, const uint64_t *words, int shift
) noexcept nogil
