"""Arrays of integers for ``write_many`` and ``read_many``: C arrays from whatever holds them.

The results are the caller's to PyMem_Free.
"""

from cpython.buffer cimport (
    PyBUF_FORMAT,
    PyBUF_ND,
    PyBuffer_Release,
    PyObject_CheckBuffer,
    PyObject_GetBuffer,
)
from cpython.long cimport PyLong_Check
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from netcode.bits.arguments cimport as_width


cdef inline bint is_one_width(object widths) except -1:
    """Whether this is one width for all, and not one for each."""
    return PyLong_Check(widths) or not hasattr(widths, "__iter__")


cdef inline uint64_t *numbers(Py_ssize_t count) except NULL:
    """Room for ``count`` codes."""
    cdef uint64_t *out = <uint64_t *>PyMem_Malloc(<size_t>(count + 1) * sizeof(uint64_t))
    if out == NULL:
        raise MemoryError
    return out


cdef inline uint64_t *from_buffer(object values, Py_ssize_t *count) except? NULL:
    """The codes of a contiguous one-dimensional array of unsigned integers; NULL for any other."""
    cdef Py_buffer view
    cdef uint64_t *out = NULL
    cdef uint64_t value = 0
    cdef Py_ssize_t i
    cdef bytes form
    try:
        PyObject_GetBuffer(values, &view, PyBUF_ND | PyBUF_FORMAT)
    except (BufferError, ValueError):  # NumPy raises the latter when it is not contiguous
        return NULL
    try:
        form = b"B" if view.format == NULL else (<bytes>view.format).lstrip(b"<=@")
        if view.ndim == 1 and view.itemsize <= 8 and form in (b"B", b"H", b"I", b"L", b"Q"):
            out = numbers(view.shape[0])
            count[0] = view.shape[0]
            for i in range(view.shape[0]):
                memcpy(&value, <char *>view.buf + i * view.itemsize, <size_t>view.itemsize)
                out[i] = value
    finally:
        PyBuffer_Release(&view)
    return out


cdef inline uint64_t *widths_of(object widths, Py_ssize_t *count) except NULL:
    """Checked widths and their count."""
    cdef uint64_t *out = NULL
    cdef Py_ssize_t found = 0
    cdef Py_ssize_t i
    if PyObject_CheckBuffer(widths):
        out = from_buffer(widths, &found)
    if out == NULL:
        widths = tuple(widths)
        found = len(widths)
        out = numbers(found)
        try:
            for i in range(found):
                out[i] = <uint64_t>as_width((<tuple>widths)[i], 64)
        except BaseException:
            PyMem_Free(out)
            raise
    try:
        for i in range(found):
            if out[i] < 1 or out[i] > 64:
                raise ValueError(f"bits must be 1 to 64, not {out[i]}")
    except BaseException:
        PyMem_Free(out)
        raise
    count[0] = found
    return out
