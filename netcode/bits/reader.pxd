"""BitReader for Cython: ``r`` may be used with the functions of ``stream.pxd``."""

from libc.stdint cimport uint64_t

from netcode.bits.stream cimport bit_reader


cdef class BitReader:
    cdef bit_reader r
    cdef Py_buffer view    # keeps the data in place while ``held``
    cdef bint held

    # Go back to bit ``start`` and raise the DecodeError of ``r.error`` (always raises).
    cdef int failed(self, uint64_t start, str method) except -1
    # The DecodeError of a value out of its limits; goes back to ``start``.
    cdef object outside(self, uint64_t start, str method, object value, str limit)
