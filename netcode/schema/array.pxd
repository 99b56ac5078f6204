"""The head of a NumPy array in memory, for calls that are too frequent for the buffer protocol.

Building a buffer's description of a structured array takes longer than encoding ten rows. The
layout is part of NumPy's binary interface: its own macros read these members from the code that
they are compiled into. ``tables`` checks it once, at import.
"""

from cpython.object cimport PyObject


cdef enum:
    ARRAY_WRITEABLE = 0x400


cdef struct array_head:
    PyObject base_object
    char *data
    int ndim
    Py_ssize_t *shape
    Py_ssize_t *strides
    PyObject *owner
    PyObject *dtype
    int flags
