"""The block path for every processor of the kind that the package was built for."""

from cpython.pycapsule cimport PyCapsule_New

from netcode.schema.block_reading cimport decode_blocks
from netcode.schema.block_writing cimport encode_blocks
from netcode.schema.simd cimport block_path

cdef block_path made
made.encode = encode_blocks
made.decode = decode_blocks

PATH = PyCapsule_New(&made, "netcode.schema.blocks", NULL)  # for simd.pyx
