"""Where the values of NumPy arrays are in memory, after all checks of types and shapes.

The addresses stay good for as long as the caller holds the arrays: NumPy refuses to resize an
array that somebody else refers to.
"""

from cpython.buffer cimport (
    PyBUF_STRIDES,
    PyBUF_WRITABLE,
    Py_buffer,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from libc.stdint cimport int32_t, int64_t, uint8_t

from netcode.schema.ops cimport FAULT_NONE, NUMBER_NONE, program
from netcode.schema.rows cimport table_view

import numpy


cdef void open_view(table_view *t, const program *code, int64_t rows) noexcept:
    t.code = code
    t.rows = rows
    t.row = 0
    t.clamped = 0
    t.error.code = FAULT_NONE
    t.error.depth = 0
    t.error.value = NULL
    t.error.number = NUMBER_NONE


cdef int view_records(
    table_view *t, const program *code, str schema, row_type, records, bint writable
) except -1:
    """The fields of a 1-d structured array whose fields have the types of ``row_type``."""
    cdef Py_buffer view
    cdef int flags = PyBUF_STRIDES | PyBUF_WRITABLE if writable else PyBUF_STRIDES
    cdef int32_t i
    if not isinstance(records, numpy.ndarray) or records.ndim != 1:
        raise TypeError(f"{schema}: records must be a 1-d structured array")
    dtype = records.dtype
    same = dtype is row_type or dtype == row_type
    if not same and dtype.names is None:
        raise TypeError(f"{schema}: records must be a structured array, not {dtype}")
    PyObject_GetBuffer(records, &view, flags)
    try:
        open_view(t, code, view.shape[0])
        for i, name in enumerate(row_type.names):
            wanted = row_type.fields[name][0]
            if not same and (name not in dtype.fields or dtype.fields[name][0] != wanted):
                has = dtype.fields[name][0] if name in dtype.fields else "missing"
                raise TypeError(
                    f"{schema}.{name}: it is {has} in the records and must be {wanted}; "
                    f"see {schema}.dtype"
                )
            t.bases[i] = <uint8_t *>view.buf + <Py_ssize_t>dtype.fields[name][1]
            t.strides[i] = view.strides[0]
    finally:
        PyBuffer_Release(&view)
    return 0


cdef int view_columns(
    table_view *t, const program *code, str schema, row_type, columns, lanes, rows, bint writable
) except -1:
    """The columns of a table, beside its lanes and the mask of rows."""
    cdef Py_buffer view
    cdef int flags = PyBUF_STRIDES | PyBUF_WRITABLE if writable else PyBUF_STRIDES
    cdef int32_t i
    if code.lanes == 0 and code.bits_max:
        raise TypeError(f"{schema} has too many lanes for a table")
    if (
        not isinstance(lanes, numpy.ndarray)
        or lanes.dtype != numpy.int32
        or lanes.ndim != 2
        or lanes.shape[0] != code.lanes
        or not lanes.flags.c_contiguous
    ):
        raise TypeError(
            f"{schema}: lanes must be a C-contiguous int32 array of shape ({code.lanes}, capacity)"
        )
    capacity = lanes.shape[1]
    if (
        not isinstance(rows, numpy.ndarray)
        or rows.dtype.str not in ("|b1", "|u1")
        or rows.shape != (capacity,)
        or not rows.flags.c_contiguous
    ):
        raise TypeError(
            f"{schema}: rows must be a contiguous bool or uint8 array of shape ({capacity},)"
        )
    open_view(t, code, capacity)
    for i, name in enumerate(row_type.names):
        wanted = row_type.fields[name][0]
        column = columns[name] if name in columns else None
        if (
            not isinstance(column, numpy.ndarray)
            or column.dtype != wanted.base
            or column.shape != (capacity, *wanted.shape)
        ):
            raise TypeError(
                f"{schema}.{name}: the column must be an array of {wanted.base} with shape "
                f"{(capacity, *wanted.shape)}"
            )
        PyObject_GetBuffer(column, &view, flags)
        t.bases[i] = <uint8_t *>view.buf
        t.strides[i] = view.strides[0]
        packed = view.ndim == 1 or view.strides[1] == view.itemsize
        PyBuffer_Release(&view)
        if not packed:
            raise TypeError(f"{schema}.{name}: the components of a row must be contiguous")
    return 0
