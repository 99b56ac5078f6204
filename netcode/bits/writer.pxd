"""BitWriter for Cython: ``w`` may be used with the functions of ``stream.pxd``."""

from libc.stdint cimport uint64_t

from netcode.bits.stream cimport bit_writer


cdef class BitWriter:
    cdef bit_writer w           # its capacity is its position while a buffer is exported
    cdef uint64_t allocated     # bytes, 8 bytes of slack not counted
    cdef Py_ssize_t exports     # buffers that look at our memory
    cdef readonly bint fixed

    # Make room for this many more bits (0 or raises): call it before unchecked puts.
    cdef int reserve(self, uint64_t bits, object value) except -1
