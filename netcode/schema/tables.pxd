"""Where the values of NumPy arrays are in memory, after all checks of types and shapes."""

from netcode.schema.ops cimport program
from netcode.schema.rows cimport table_view


cdef int view_records(
    table_view *t, const program *code, str schema, row_type, records, bint writable
) except -1
cdef int view_columns(
    table_view *t, const program *code, str schema, row_type, columns, lanes, rows, bint writable
) except -1
