"""The block path: NumPy rows to bits and back, a block of rows at a time, without the GIL."""

from netcode.schema.packer cimport packer, unpacker
from netcode.schema.plan cimport plan
from netcode.schema.rows cimport table_view


cdef int encode_blocks(table_view *t, const plan *p, packer *out) noexcept nogil
cdef int decode_blocks(table_view *t, const plan *p, unpacker *source) noexcept nogil
