"""Codes sections of one table: entities of a slot list in T against A and B."""

from libc.stdint cimport int32_t, uint16_t, uint32_t

from netcode.delta.changes cimport section_coder
from netcode.delta.shape cimport Shape


cdef class SectionCoder:
    cdef readonly Shape shape
    cdef readonly uint32_t capacity
    cdef readonly uint32_t room
    cdef section_coder s
    cdef object probabilities
    cdef object tokens
    cdef object costs
    cdef object entity_costs
    cdef readonly object counts
    cdef int prepare(
        self, int32_t[:, ::1] t, const int32_t[:, ::1] a, const int32_t[:, ::1] b,
        int num, int den, const uint16_t[::1] slots,
    ) except -1
