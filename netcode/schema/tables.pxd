"""Where the values of NumPy arrays are in memory, after all checks of types and shapes."""

from libc.stdint cimport int64_t

from netcode.schema.ops cimport program
from netcode.schema.rows cimport table_view


cdef list field_offsets(row_type)
cdef int view_records(
    table_view *t, const program *code, const int64_t *offsets, str schema, row_type, records,
    bint writable
) except -1
cdef dict view_columns(
    table_view *t, const program *code, str schema, row_type, columns, lanes, rows, bint writable
)
