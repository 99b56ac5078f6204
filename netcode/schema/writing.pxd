"""The object path, Python objects to bits, under the GIL."""

from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from netcode.schema.ops cimport fault, op, program
from netcode.schema.packer cimport packer


cdef struct encoder:
    const program *code
    packer out
    fault error
    uint64_t clamped
    uint64_t slow_code    # what the rare ways to a code found
    double slow_floats[4]


cdef int encode_object(encoder *e, PyObject *o) noexcept
cdef int encode_rest(encoder *e, const op *at, PyObject *o) noexcept
cdef int encode_field(encoder *e, const op *at, PyObject *value) noexcept
