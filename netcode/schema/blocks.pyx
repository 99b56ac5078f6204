"""The block path: NumPy rows to bits and back, a block of rows at a time, without the GIL.

It gives the bytes of the row path, which it leaves every block to in which something is wrong:
so there is one place that names faults.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from netcode.schema.gather cimport gather, gather_quantized, rows_at
from netcode.schema.ops cimport FAULT_NONE, OP_QUANTIZED, op
from netcode.schema.packer cimport packer, unpack, unpack_varint, unpacker
from netcode.schema.plan cimport (
    BLOCK_ROWS,
    MAX_LEVELS,
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
    span,
    step,
)
from netcode.schema.rows cimport (
    decode_item,
    decode_rows,
    encode_item,
    encode_rows,
    table_view,
)
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
    FEW_ROWS = 4                            # for fewer a block does not pay
    GROUP_ENDS = 0x0080808080808080         # of seven groups of a varuint


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
    level_rows levels[MAX_LEVELS]           # none for level 0, which all rows have
    uint64_t codes[BLOCK_ROWS]
    uint64_t groups[BLOCK_ROWS]
    uint8_t sizes[BLOCK_ROWS]


cdef bint block_init(block *b, table_view *t, const plan *p) noexcept nogil:
    """False without memory, or when rows are better taken one by one."""
    cdef int32_t most = p.word_count if p.word_count > p.piece_count else p.piece_count
    cdef int i
    if p.step_count == 0 or t.rows < FEW_ROWS:
        return False
    b.words = <uint64_t *>malloc(<size_t>most * BLOCK_ROWS * (sizeof(uint64_t) + 1))
    if b.words == NULL:
        return False
    b.widths = <uint8_t *>(b.words + most * BLOCK_ROWS)
    b.p = p
    b.rows.t = t
    b.rows.stride = t.strides[0]
    for i in range(p.word_count):  # those of level 0 stay so
        memset(b.widths + i * BLOCK_ROWS, p.words[i].bits, BLOCK_ROWS)
    return True


cdef void block_start(block *b, int64_t first, int most) noexcept nogil:
    cdef int64_t left = b.rows.t.rows - first
    b.first = first
    b.rows.shift = first * b.rows.stride
    b.rows.count = most if left > most else <int>left
    b.rows.mask = NULL
    b.level = 0


cdef void open_level(block *b, const uint64_t *flags) noexcept nogil:
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


cdef void close_level(block *b) noexcept nogil:
    b.level -= 1
    b.rows.mask = b.levels[b.level].mask if b.level else NULL


cdef void keep_masked(block *b, uint64_t *codes) noexcept nogil:
    """Zeros in the rows without this level."""
    cdef const uint64_t *mask = b.rows.mask
    cdef int count = b.rows.count
    cdef int i
    if mask != NULL:
        for i in range(count):
            codes[i] &= mask[i]


cdef void set_widths(block *b, const span *s) noexcept nogil:
    """The widths of a word of a level, when its first code is put."""
    cdef uint8_t *widths = b.widths + s.word * BLOCK_ROWS
    cdef const uint8_t *bytes = b.levels[b.level].bytes
    cdef uint8_t bits = b.p.words[s.word].bits
    cdef int count = b.rows.count
    cdef int i
    if b.level and s.shift == 0:
        for i in range(count):
            widths[i] = bits & bytes[i]


cdef void put(block *b, const span *s, const uint64_t *codes) noexcept nogil:
    """Codes to their word."""
    cdef uint64_t *words = b.words + s.word * BLOCK_ROWS
    cdef int shift = s.shift
    cdef int count = b.rows.count
    cdef int i
    set_widths(b, s)
    for i in range(count):
        words[i] |= codes[i] << shift


cdef void put_groups(block *b, int32_t number) noexcept nogil:
    """``b.groups``, of ``b.sizes``, to a word of their own."""
    cdef const uint8_t *bytes = b.levels[b.level].bytes
    cdef uint8_t *widths = b.widths + number * BLOCK_ROWS
    cdef int count = b.rows.count
    cdef int i
    memcpy(b.words + number * BLOCK_ROWS, b.groups, <size_t>count * sizeof(uint64_t))
    if b.level == 0:
        memcpy(widths, b.sizes, <size_t>count)
    else:
        for i in range(count):
            widths[i] = b.sizes[i] & bytes[i]


cdef void split_groups(block *b, int first, int end) noexcept nogil:
    """Groups ``first`` to ``end`` - 1 of ``b.codes``; those of zeros behind the first are none."""
    cdef const uint64_t *codes = b.codes
    cdef uint64_t *groups = b.groups
    cdef uint64_t sizes[BLOCK_ROWS]
    cdef int count = b.rows.count
    cdef uint64_t rest, more
    cdef uint64_t some = 0 if first else 1
    cdef int i, k
    for i in range(count):
        groups[i] = 0
        sizes[i] = 0
    for k in range(first, end):
        for i in range(count):
            rest = codes[i] >> (7 * k)
            more = (0 - (rest >> 7)) >> 63  # 1 when there is more
            groups[i] |= (rest & 0x7F | more << 7) << (8 * (k - first))
            sizes[i] += ((0 - (rest >> 1 | rest & 1)) >> 63 | some) << 3
        some = 0
    for i in range(count):
        b.sizes[i] = <uint8_t>sizes[i]


cdef void put_varuint(block *b, const step *s) noexcept nogil:
    """The groups of ``b.codes``: up to seven in one word, the rest in the next."""
    cdef int count = b.rows.count
    cdef uint64_t all = 0
    cdef int groups = 1
    cdef int i
    for i in range(count):
        all |= b.codes[i]
    while all > 0x7F:
        all >>= 7
        groups += 1
    split_groups(b, 0, 7 if groups > 7 else groups)
    put_groups(b, s.low.word)
    if s.high.bits:
        split_groups(b, 7, groups)
        put_groups(b, s.high.word)


cdef bint fill_words(block *b) noexcept nogil:
    """Quantise the block; true when the row path has to look."""
    cdef const step *s
    cdef int32_t n
    cdef int i
    for n in range(b.p.word_count):
        memset(b.words + n * BLOCK_ROWS, 0, <size_t>b.rows.count * sizeof(uint64_t))
    for n in range(b.p.step_count):
        s = &b.p.steps[n]
        if s.kind == STEP_CLOSE:
            close_level(b)
        elif s.kind == STEP_INSIDE:
            set_widths(b, &s.low)
        elif s.at.kind == OP_QUANTIZED and s.low.bits < 32:
            set_widths(b, &s.low)
            if gather_quantized(
                &b.rows, s.at, s.low.shift, b.words + s.low.word * BLOCK_ROWS
            ):
                return True
        elif gather(&b.rows, s.at, b.codes):
            return True
        elif s.kind == STEP_VARUINT:
            put_varuint(b, s)
        else:
            keep_masked(b, b.codes)
            if s.high.bits:
                for i in range(b.rows.count):
                    b.groups[i] = b.codes[i] & 0xFFFFFFFFu
                    b.codes[i] >>= 32
                put(b, &s.low, b.groups)
                put(b, &s.high, b.codes)
            else:
                put(b, &s.low, b.codes)
                if s.kind == STEP_OPTIONAL:
                    open_level(b, b.codes)
    return False


cdef void pack_words(block *b, packer *out) noexcept nogil:
    """Append the words of each row, without a branch on what they hold."""
    cdef const uint64_t *words
    cdef const uint8_t *widths
    cdef uint8_t *at = out.at
    cdef uint64_t word = out.word
    cdef uint32_t used = out.used
    cdef int32_t size = b.p.word_count
    cdef int i
    # Whole bytes out, so that there is room for WORD_BITS.
    memcpy(at, &word, 8)
    at += used >> 3
    word >>= used & 56
    used &= 7
    for i in range(b.rows.count):
        words = b.words + i
        widths = b.widths + i
        for _ in range(size):
            word |= words[0] << used
            memcpy(at, &word, 8)
            used += widths[0]
            at += used >> 3
            word >>= used & 56
            used &= 7
            words += BLOCK_ROWS
            widths += BLOCK_ROWS
    out.at = at
    out.word = word
    out.used = used


cdef int pack_mixed(block *b, packer *out) noexcept nogil:
    """As ``pack_words``, with text, blobs and arrays; -1 with ``t.error`` and ``t.row``."""
    cdef table_view *t = b.rows.t
    cdef const op *at
    cdef int32_t n, place
    cdef int i
    for i in range(b.rows.count):
        t.row = b.first + i
        for n in range(b.p.word_count):
            place = n * BLOCK_ROWS + i
            at = b.p.words[n].inside
            if at != NULL:
                if b.widths[place] and encode_item(t, out, at, at + 1 + at.body, NULL):
                    return -1
                continue
            memcpy(out.at, &out.word, 8)
            out.at += out.used >> 3
            out.word = out.word >> (out.used & 56) | b.words[place] << (out.used & 7)
            out.used = (out.used & 7) + b.widths[place]
    return 0


cdef int encode_block(block *b, packer *out) noexcept nogil:
    """Append one block; -1 with ``t.error`` and ``t.row``."""
    cdef table_view *t = b.rows.t
    cdef packer start = out[0]
    cdef uint64_t clamped = t.clamped
    if not fill_words(b):
        if not b.p.has_inside:
            pack_words(b, out)
            return 0
        if pack_mixed(b, out) == 0:
            return 0
        # The first fault of the block may stand in a row before.
        out[0] = start
        t.clamped = clamped
        t.error.code = FAULT_NONE
        t.error.depth = 0
    return encode_rows(t, b.first, b.rows.count, out)


cdef int encode_blocks(table_view *t, const plan *p, packer *out) noexcept nogil:
    """Append rows 0 to ``t.rows`` - 1, of one stride; -1 with ``t.error`` and ``t.row``."""
    cdef block b
    cdef int64_t first = 0
    cdef int status = 0
    if not block_init(&b, t, p):
        return encode_rows(t, 0, t.rows, out)
    while first < t.rows and status == 0:
        block_start(&b, first, BLOCK_ROWS)
        status = encode_block(&b, out)
        first += BLOCK_ROWS
    free(b.words)
    return status


cdef inline uint64_t peek(const unpacker *r, uint64_t position) noexcept nogil:
    """57 bits or more from ``position`` on, which all are there."""
    cdef uint64_t word
    memcpy(&word, r.data + (position >> 3), 8)
    return word >> (position & 7)


cdef bint take_row(block *b, unpacker *r, int row) noexcept nogil:
    """Read the pieces of one row; false, and ``r`` as before, when the row path has to.

    What decides where the next piece is is a branch, so that the processor need not wait for it.
    """
    cdef const piece *at = b.p.pieces
    cdef const piece *end = at + b.p.piece_count
    cdef uint64_t *out = b.words + row
    cdef uint64_t position = r.position
    cdef uint64_t start = position
    cdef uint64_t word
    cdef bint guard = True
    cdef int bits
    while at < end:
        if guard:
            if position + at.ahead + 64 > r.size:
                break
            guard = False
        word = peek(r, position)
        if at.kind == PIECE_FIXED:
            out[0] = word & at.mask
            position += at.bits
        elif at.kind == PIECE_OPTIONAL:
            word &= at.mask
            out[0] = word
            position += at.bits
            if not word >> (at.bits - 1):
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
        return False
    r.position = position
    return True


cdef bint take_inside(
    block *b, unpacker *r, const piece *at, int row, uint64_t *out
) noexcept nogil:
    """A piece that is not read with one load; false when it is at fault."""
    cdef uint64_t group
    if at.kind == PIECE_LONG_VARUINT:
        group = unpack(r, 8)
        return unpack_varint(r, group, out)
    b.rows.t.row = b.first + row
    return decode_item(b.rows.t, r, at.at, at.at + 1 + at.at.body, NULL) == 0


cdef void take_codes(
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


cdef bint take_varuints(block *b, const step *s) noexcept nogil:
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


cdef void clear_absent(block *b, const op *at) noexcept nogil:
    """Nothing in the rows without this level, the optional ``at``."""
    cdef table_view *t = b.rows.t
    cdef uint8_t *values = t.bases[at.field] + at.inner + b.rows.shift
    cdef const uint64_t *mask = b.rows.mask
    cdef int i
    for i in range(b.rows.count):
        if not mask[i]:
            memset(values + i * b.rows.stride, 0, <size_t>at.stride)


cdef bint store_words(block *b) noexcept nogil:
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


cdef int decode_block(block *b, unpacker *source) noexcept nogil:
    """Read one block; -1 with ``t.error`` and ``t.row``."""
    cdef table_view *t = b.rows.t
    cdef uint64_t start = source.position
    cdef int wanted = b.rows.count
    cdef int done = 0
    while done < wanted and take_row(b, source, done):
        done += 1
    t.error.code = FAULT_NONE
    t.error.depth = 0
    b.rows.count = done
    if done and store_words(b):
        source.position = start
        done = 0
    return decode_rows(t, b.first + done, wanted - done, source)


cdef int decode_blocks(table_view *t, const plan *p, unpacker *source) noexcept nogil:
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
