"""The compiled codec of one schema class."""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from netcode.schema.assembly cimport Assembly
from netcode.schema.ops cimport PROGRAM_MAX_FIELDS
from netcode.schema.packer cimport unpacker


cdef class Codec:
    cdef Assembly assembly
    cdef readonly object cls
    cdef readonly str schema
    cdef readonly object dtype
    cdef int64_t offsets[PROGRAM_MAX_FIELDS]    # of the fields in a row
    cdef uint64_t clamp_count

    cdef bytes encode_bytes(self, PyObject *obj)
    cdef int check_count(self, int64_t count, limit) except -1
    cdef uint64_t take_count(self, unpacker *source, limit) except? 0xFFFFFFFFFFFFFFFF
