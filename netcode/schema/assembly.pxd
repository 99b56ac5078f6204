"""The op program of one schema class in memory, and the errors of its runs."""

from libc.stdint cimport int32_t, int64_t

from netcode.schema.ops cimport fault, member_table, op, program
from netcode.schema.plan cimport plan


cdef class Assembly:
    cdef program code
    cdef plan blocks          # how its rows are coded
    cdef object cls
    cdef str schema
    cdef tuple names          # of the entries: the attributes
    cdef tuple paths
    cdef tuple limits
    cdef tuple kept           # what the tables point at
    cdef list parts           # memory of the tables

    cdef int set_op(self, op *at, item, Py_ssize_t slot) except -1
    cdef int fill(self, member_table *table, tuple members, tuple stored) except -1
    cdef void *part(self, size_t count, size_t size) except NULL
    cdef str path_of(self, const fault *f)
    cdef int32_t entry_of(self, const fault *f) noexcept
    cdef int raise_encode(self, fault *f, int64_t row) except -1
    cdef int raise_decode(self, fault *f) except -1
