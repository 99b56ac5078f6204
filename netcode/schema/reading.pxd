"""The object path, bits to Python objects, under the GIL."""

from cpython.object cimport PyObject

from netcode.schema.ops cimport fault, program
from netcode.schema.packer cimport unpacker


cdef struct decoder:
    const program *code
    unpacker source
    fault error


cdef PyObject *decode_object(decoder *d) noexcept
