"""A block of NumPy rows on its way to bits or from them, without the GIL.

block_writing.pxd and block_reading.pxd give the bytes of the row path, which they leave every
block to in which something is wrong: so there is one place that names faults. All of it is inline,
to be compiled for one instruction set or another; see simd.pyx.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport malloc
from libc.string cimport memset

from netcode.schema.gather cimport rows_at
from netcode.schema.packer cimport PACK_SLACK
from netcode.schema.plan cimport BLOCK_ROWS, MAX_LEVELS, plan
from netcode.schema.rows cimport table_view


cdef enum:
    FEW_ROWS = 4                            # for fewer a block does not pay


cdef struct level_rows:                     # which rows have the optionals of a level
    uint64_t mask[BLOCK_ROWS]               # all ones, or zero
    uint8_t bytes[BLOCK_ROWS]               # the same


cdef struct block:
    const plan *p
    rows_at rows                            # with the mask of the level
    int64_t first                           # row
    int level
    uint64_t *words                         # BLOCK_ROWS of each, or of each piece
    uint8_t *widths                         # bits in the words; for STEP_INSIDE whether it is there
    uint8_t *scratch                        # for the words of half the rows
    level_rows levels[MAX_LEVELS]           # none for level 0, which all rows have
    uint64_t codes[BLOCK_ROWS]
    uint64_t groups[BLOCK_ROWS]
    uint8_t sizes[BLOCK_ROWS]


cdef inline bint block_init(block *b, table_view *t, const plan *p) noexcept nogil:
    """False without memory, or when rows are better taken one by one."""
    cdef int32_t most = p.word_count if p.word_count > p.piece_count else p.piece_count
    cdef size_t words
    cdef int i
    if p.step_count == 0 or t.rows < FEW_ROWS:
        return False
    # Words, their widths, and half as many words with what a store writes behind the last.
    words = <size_t>most * BLOCK_ROWS
    b.words = <uint64_t *>malloc(words * (sizeof(uint64_t) + 1 + 4) + PACK_SLACK)
    if b.words == NULL:
        return False
    b.widths = <uint8_t *>(b.words + words)
    b.scratch = b.widths + words
    b.p = p
    b.rows.t = t
    b.rows.stride = t.strides[0]
    for i in range(p.word_count):  # those of level 0 stay so
        memset(b.widths + i * BLOCK_ROWS, p.words[i].bits, BLOCK_ROWS)
    return True


cdef inline void block_start(block *b, int64_t first, int most) noexcept nogil:
    cdef int64_t left = b.rows.t.rows - first
    b.first = first
    b.rows.shift = first * b.rows.stride
    b.rows.count = most if left > most else <int>left
    b.rows.mask = NULL
    b.level = 0


cdef inline void open_level(block *b, const uint64_t *flags) noexcept nogil:
    """Go on with the rows of this level whose flag is 1."""
    cdef level_rows *level = &b.levels[b.level + 1]
    cdef int count = b.rows.count
    cdef int i
    for i in range(count):
        level.mask[i] = 0 - flags[i]
    for i in range(count):
        level.bytes[i] = <uint8_t>level.mask[i]
    b.level += 1
    b.rows.mask = level.mask


cdef inline void close_level(block *b) noexcept nogil:
    b.level -= 1
    b.rows.mask = b.levels[b.level].mask if b.level else NULL


cdef inline void keep_masked(block *b, uint64_t *codes) noexcept nogil:
    """Zeros in the rows without this level."""
    cdef const uint64_t *mask = b.rows.mask
    cdef int count = b.rows.count
    cdef int i
    if mask != NULL:
        for i in range(count):
            codes[i] &= mask[i]
