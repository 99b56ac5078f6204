"""Bits to NumPy rows, a block of rows at a time."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from netcode.schema.blocks cimport (
    block,
    block_init,
    block_start,
    close_level,
    keep_masked,
    open_level,
)
from netcode.schema.ops cimport FAULT_NONE, OP_QUANTIZED, op
from netcode.schema.packer cimport unpack, unpack_varint, unpacker
from netcode.schema.plan cimport (
    BLOCK_ROWS,
    PIECE_FIXED,
    PIECE_INSIDE,
    PIECE_LONG_VARUINT,
    PIECE_OPTIONAL,
    PIECE_VARUINT,
    READ_ROWS,
    SHORT_VARINT,
    STEP_CLOSE,
    STEP_INSIDE,
    STEP_OPTIONAL,
    STEP_VARUINT,
    piece,
    plan,
    step,
)
from netcode.schema.rows cimport decode_item, decode_rows, table_view
from netcode.schema.scatter cimport neutral_code, scatter, scatter_quantized

cdef extern from *:
    """
    #if defined(_MSC_VER) && !defined(__clang__)
    #include <intrin.h>
    static __inline int nc_low_bit(unsigned long long x) {
        unsigned long n;
        _BitScanForward64(&n, x);
        return (int)n;
    }
    #else
    static inline int nc_low_bit(unsigned long long x) { return __builtin_ctzll(x); }
    #endif
    """
    int nc_low_bit(uint64_t x) noexcept nogil  # x is not 0

cdef enum:
    GROUP_ENDS = 0x0080808080808080         # of seven groups of a varuint


cdef inline uint64_t peek(const unpacker *r, uint64_t position) noexcept nogil:
    """57 bits or more from ``position`` on, which all are there."""
    cdef uint64_t word
    memcpy(&word, r.data + (position >> 3), 8)
    return word >> (position & 7)


cdef inline int take_rows(block *b, unpacker *r) noexcept nogil:
    """Read the pieces of rows; how many there were before one that the row path has to read.

    What decides where the next piece is is a branch, so that the processor need not wait for it.
    """
    cdef const piece *pieces = b.p.pieces
    cdef const piece *end = pieces + b.p.piece_count
    cdef const piece *at
    cdef uint64_t *out
    cdef uint64_t position = r.position
    cdef uint64_t start
    cdef uint64_t word
    cdef bint guard
    cdef int bits, row
    for row in range(b.rows.count):
        at = pieces
        out = b.words + row
        start = position
        guard = True
        while at < end:
            if guard:
                if position + at.ahead + 64 > r.size:
                    break
                guard = False
            word = peek(r, position)
            if at.kind == PIECE_FIXED:
                out[0] = word  # with bits of the next behind it
                position += at.bits
            elif at.kind == PIECE_OPTIONAL:
                out[0] = word
                position += at.bits
                if not word & at.flag:
                    guard = at.guarded
                    out += at.skip * BLOCK_ROWS
                    at += at.skip
            elif at.kind == PIECE_VARUINT:
                bits = 8 if not word & 0x80 else 16
                if word & 0x80 and word & 0x8000:
                    if not ~word & GROUP_ENDS:
                        break
                    bits = nc_low_bit(~word & GROUP_ENDS) + 1
                if bits > at.bits:  # more groups than ``ahead`` counts: above the maximum
                    break
                out[0] = word & ((<uint64_t>2 << (bits - 1)) - 1)
                position += <uint64_t>bits
            else:
                r.position = position
                if not take_inside(b, r, at, row, out):
                    break
                position = r.position
                guard = at.kind == PIECE_INSIDE
            at += 1
            out += BLOCK_ROWS
        if at < end:
            r.position = start
            return row
    r.position = position
    return b.rows.count


cdef inline bint take_inside(
    block *b, unpacker *r, const piece *at, int row, uint64_t *out
) noexcept nogil:
    """A piece that is not read with one load; false when it is at fault."""
    cdef uint64_t group
    if at.kind == PIECE_LONG_VARUINT:
        group = unpack(r, 8)
        return unpack_varint(r, group, out)
    b.rows.t.row = b.first + row
    return decode_item(b.rows.t, r, at.at, at.at + 1 + at.at.body, NULL) == 0


cdef inline void take_codes(
    block *b, int32_t number, int shift, int bits, uint64_t neutral, uint64_t *codes
) noexcept nogil:
    """The codes of one span out of its piece; ``neutral`` in the rows without this level."""
    cdef const uint64_t *words = b.words + number * BLOCK_ROWS
    cdef uint64_t mask = (<uint64_t>1 << bits) - 1
    cdef const uint64_t *there = b.rows.mask
    cdef int count = b.rows.count
    cdef int i
    for i in range(count):
        codes[i] = words[i] >> shift & mask
    if there != NULL:
        for i in range(count):
            codes[i] ^= (codes[i] ^ neutral) & ~there[i]


cdef inline bint take_varuints(block *b, const step *s) noexcept nogil:
    """The values of varuints; true when one is longer than it has to be."""
    cdef const uint64_t *words = b.words + s.low.piece * BLOCK_ROWS
    cdef int count = b.rows.count
    cdef uint64_t all = 0
    cdef uint64_t bad = 0
    cdef int k = 1
    cdef int i
    memcpy(b.groups, words, <size_t>count * sizeof(uint64_t))
    keep_masked(b, b.groups)
    if s.at.bits > SHORT_VARINT:  # read already
        memcpy(b.codes, b.groups, <size_t>count * sizeof(uint64_t))
        return False
    for i in range(count):
        b.codes[i] = b.groups[i] & 0x7F
        all |= b.groups[i]
    while all >> (8 * k - 1):
        for i in range(count):
            bad |= b.groups[i] >> (8 * k - 1) == 1
            b.codes[i] |= (b.groups[i] >> (8 * k) & 0x7F) << (7 * k)
        k += 1
    return bad


cdef inline void clear_absent(block *b, const op *at) noexcept nogil:
    """Nothing in the rows without this level, the optional ``at``."""
    cdef table_view *t = b.rows.t
    cdef uint8_t *values = t.bases[at.field] + at.inner + b.rows.shift
    cdef const uint64_t *mask = b.rows.mask
    cdef int32_t size = at.stride
    cdef uint32_t part
    cdef int32_t k
    cdef int i
    if size & 3 == 0 and size <= 32:  # no branch, which data could make go either way
        for k in range(0, size, 4):
            for i in range(b.rows.count):
                memcpy(&part, values + i * b.rows.stride + k, 4)
                part &= <uint32_t>mask[i]
                memcpy(values + i * b.rows.stride + k, &part, 4)
        return
    for i in range(b.rows.count):
        if not mask[i]:
            memset(values + i * b.rows.stride, 0, <size_t>at.stride)


cdef inline bint store_words(block *b) noexcept nogil:
    """Dequantise the block; true when the row path has to look."""
    cdef const step *s
    cdef uint8_t *flags
    cdef int32_t n
    cdef int i
    for n in range(b.p.step_count):
        s = &b.p.steps[n]
        if s.kind == STEP_CLOSE:
            clear_absent(b, s.at)
            close_level(b)
        elif s.kind == STEP_VARUINT:
            if take_varuints(b, s) or scatter(&b.rows, s.at, b.codes):
                return True
        elif s.at.kind == OP_QUANTIZED and s.low.bits <= 30:
            if scatter_quantized(
                &b.rows, s.at, b.words + s.low.piece * BLOCK_ROWS, s.low.piece_shift
            ):
                return True
        elif s.kind != STEP_INSIDE:
            take_codes(
                b, s.low.piece, s.low.piece_shift, s.low.bits, neutral_code(s.at), b.codes
            )
            if s.high.bits:
                take_codes(b, s.high.piece, s.high.piece_shift, s.high.bits, 0, b.groups)
                for i in range(b.rows.count):
                    b.codes[i] |= b.groups[i] << 32
            if s.kind == STEP_OPTIONAL:
                flags = b.rows.t.bases[s.at.field] + s.at.offset + b.rows.shift
                for i in range(b.rows.count):
                    flags[i * b.rows.stride] = <uint8_t>b.codes[i]
                open_level(b, b.codes)
            elif scatter(&b.rows, s.at, b.codes):
                return True
    return False


cdef inline int decode_block(block *b, unpacker *source) noexcept nogil:
    """Read one block; -1 with ``t.error`` and ``t.row``."""
    cdef table_view *t = b.rows.t
    cdef uint64_t start = source.position
    cdef int wanted = b.rows.count
    cdef int done = take_rows(b, source)
    t.error.code = FAULT_NONE
    t.error.depth = 0
    b.rows.count = done
    if done and store_words(b):
        source.position = start
        done = 0
    return decode_rows(t, b.first + done, wanted - done, source)


cdef inline int decode_blocks(table_view *t, const plan *p, unpacker *source) noexcept nogil:
    """Read into rows 0 to ``t.rows`` - 1, of one stride; -1 with ``t.error`` and ``t.row``."""
    cdef block b
    cdef int64_t first = 0
    cdef int status = 0
    if not block_init(&b, t, p):
        return decode_rows(t, 0, t.rows, source)
    while first < t.rows and status == 0:
        block_start(&b, first, READ_ROWS)
        status = decode_block(&b, source)
        first += READ_ROWS
    free(b.words)
    return status
