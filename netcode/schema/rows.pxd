"""The row path: NumPy rows to bits and back, without the GIL."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from netcode.schema.ops cimport PROGRAM_MAX_FIELDS, fault, op, program
from netcode.schema.packer cimport packer, unpacker


cdef struct table_view:
    const program *code
    uint8_t *bases[PROGRAM_MAX_FIELDS]      # of row 0, by top-level field
    int64_t strides[PROGRAM_MAX_FIELDS]     # from row to row, bytes
    int64_t rows
    int64_t row            # where a failure happened
    fault error
    uint64_t clamped


cdef int encode_item(
    table_view *t, packer *target, const op *at, const op *end, uint8_t *item
) noexcept nogil
cdef int encode_rows(table_view *t, int64_t first, int64_t count, packer *out) noexcept nogil
cdef int decode_item(
    table_view *t, unpacker *r, const op *at, const op *end, uint8_t *item
) noexcept nogil
cdef int decode_rows(table_view *t, int64_t first, int64_t count, unpacker *source) noexcept nogil
