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
from cpython.object cimport PyObject, PyTypeObject
from libc.stdint cimport int32_t, int64_t, uint8_t

from netcode.schema.array cimport ARRAY_WRITEABLE, array_head
from netcode.schema.ops cimport FAULT_NONE, NUMBER_NONE, program
from netcode.schema.rows cimport table_view

import numpy

cdef PyTypeObject *ARRAY = <PyTypeObject *>numpy.ndarray


cdef bint head_is_known() except *:
    """Whether arrays lie in memory as array.pxd says."""
    row = numpy.dtype([("a", "u1"), ("b", "f8")])
    sample = numpy.zeros(5, row)[4:1:-2]
    cdef array_head *head = <array_head *><PyObject *>sample
    known = (
        <object>head.base_object.ob_type is numpy.ndarray
        and <size_t>head.data == sample.__array_interface__["data"][0]
        and head.ndim == 1
        and head.shape[0] == 2
        and head.strides[0] == -2 * row.itemsize
        and head.dtype == <PyObject *>sample.dtype
        and head.flags & ARRAY_WRITEABLE
    )
    sample.flags.writeable = False
    return known and not head.flags & ARRAY_WRITEABLE


cdef bint HEAD_IS_KNOWN = head_is_known()


cdef void open_view(table_view *t, const program *code, int64_t rows) noexcept:
    t.code = code
    t.rows = rows
    t.row = 0
    t.clamped = 0
    t.error.code = FAULT_NONE
    t.error.depth = 0
    t.error.value = NULL
    t.error.number = NUMBER_NONE


cdef list field_offsets(row_type):
    """Where the fields of a row are."""
    return [row_type.fields[name][1] for name in row_type.names]


cdef bint view_own(
    table_view *t, const program *code, const int64_t *offsets, row_type, records, bint writable
) noexcept:
    """As ``view_records`` for what it mostly gets; false, and nothing done, for anything else."""
    cdef array_head *head = <array_head *><PyObject *>records
    cdef int32_t i
    if (
        not HEAD_IS_KNOWN
        or head.base_object.ob_type != ARRAY
        or head.ndim != 1
        or head.dtype != <PyObject *>row_type
        or (writable and not head.flags & ARRAY_WRITEABLE)
    ):
        return False
    open_view(t, code, head.shape[0])
    for i in range(code.fields):
        t.bases[i] = <uint8_t *>head.data + offsets[i]
        t.strides[i] = head.strides[0]
    return True


cdef int view_records(
    table_view *t, const program *code, const int64_t *offsets, str schema, row_type, records,
    bint writable
) except -1:
    """The fields of a 1-d structured array whose fields have the types of ``row_type``, in which
    they are at ``offsets``."""
    cdef Py_buffer view
    cdef int flags = PyBUF_STRIDES | PyBUF_WRITABLE if writable else PyBUF_STRIDES
    cdef int32_t i
    if view_own(t, code, offsets, row_type, records, writable):
        return 0
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


cdef dict view_columns(
    table_view *t, const program *code, str schema, row_type, columns, lanes, rows, bint writable
):
    """The columns of a table, beside its lanes and the mask of rows.

    Returns the arrays, to be held while they are used: a mapping may make them anew each time that
    it is asked, as that of an .npz file does.
    """
    cdef Py_buffer view
    cdef int flags = PyBUF_STRIDES | PyBUF_WRITABLE if writable else PyBUF_STRIDES
    cdef int32_t i
    cdef dict held = {}
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
        held[name] = column
        PyObject_GetBuffer(column, &view, flags)
        t.bases[i] = <uint8_t *>view.buf
        t.strides[i] = view.strides[0]
        packed = view.ndim == 1 or view.strides[1] == view.itemsize
        PyBuffer_Release(&view)
        if not packed:
            raise TypeError(f"{schema}.{name}: the components of a row must be contiguous")
    return held
