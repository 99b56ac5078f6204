"""The block path compiled for this processor."""

from netcode.schema.packer cimport packer, unpacker
from netcode.schema.plan cimport plan
from netcode.schema.rows cimport table_view


cdef struct block_path:
    int (*encode)(table_view *t, const plan *p, packer *out) noexcept nogil
    int (*decode)(table_view *t, const plan *p, unpacker *source) noexcept nogil


cdef int encode_blocks(table_view *t, const plan *p, packer *out) noexcept nogil
cdef int decode_blocks(table_view *t, const plan *p, unpacker *source) noexcept nogil
