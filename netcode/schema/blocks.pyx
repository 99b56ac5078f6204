"""The block path: NumPy rows to bits and back, a block of rows at a time, without the GIL.

It gives the bytes of the row path, which it leaves every block to in which something is wrong:
so there is one place that names faults.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from netcode.schema.gather cimport gather
from netcode.schema.ops cimport FAULT_NONE, op
from netcode.schema.packer cimport packer, unpack, unpack_varint, unpacker
from netcode.schema.plan cimport (
    BLOCK_ROWS,
    MAX_LEVELS,
    PIECE_CLOSE,
    PIECE_INSIDE,
    PIECE_LONG_VARUINT,
    PIECE_OPTIONAL,
    PIECE_VARUINT,
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
from netcode.schema.scatter cimport scatter

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


cdef struct row_list:                       # the rows that a level is for
    int count
    uint8_t rows[BLOCK_ROWS]                # number in the block
    int64_t offsets[BLOCK_ROWS]             # bytes from the first row of the block


cdef struct block:
    table_view *t
    const plan *p
    int64_t first                           # row
    int64_t shift                           # bytes from row 0 to it
    int count
    int level
    uint64_t *words                         # BLOCK_ROWS of each, or of each piece
    uint8_t *widths                         # bits in the words; for STEP_INSIDE whether it is there
    row_list levels[MAX_LEVELS]
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
    b.t = t
    b.p = p
    for i in range(p.word_count):  # those of level 0 stay so
        memset(b.widths + i * BLOCK_ROWS, p.words[i].bits, BLOCK_ROWS)
    for i in range(BLOCK_ROWS):
        b.levels[0].rows[i] = <uint8_t>i
        b.levels[0].offsets[i] = i * t.strides[0]
    return True


cdef void block_start(block *b, int64_t first) noexcept nogil:
    b.first = first
    b.shift = first * b.t.strides[0]
    b.count = BLOCK_ROWS if b.t.rows - first > BLOCK_ROWS else <int>(b.t.rows - first)
    b.levels[0].count = b.count
    b.level = 0


cdef void open_level(block *b, const uint64_t *flags) noexcept nogil:
    """Go on with the rows of this level whose flag is 1."""
    cdef const row_list *outer = &b.levels[b.level]
    cdef row_list *inner = &b.levels[b.level + 1]
    cdef int n = 0
    cdef int i
    for i in range(outer.count):
        inner.rows[n] = outer.rows[i]
        inner.offsets[n] = outer.offsets[i]
        n += <int>flags[i]
    inner.count = n
    b.level += 1


cdef void put(block *b, const span *s, const uint64_t *codes) noexcept nogil:
    """Codes to their word."""
    cdef const row_list *list = &b.levels[b.level]
    cdef uint64_t *words = b.words + s.word * BLOCK_ROWS
    cdef uint8_t *widths = b.widths + s.word * BLOCK_ROWS
    cdef uint8_t bits
    cdef int i
    if b.level == 0:
        if s.shift == 0:
            for i in range(b.count):
                words[i] = codes[i]
        else:
            for i in range(b.count):
                words[i] |= codes[i] << s.shift
    elif s.shift == 0:
        bits = b.p.words[s.word].bits
        memset(widths, 0, BLOCK_ROWS)
        memset(words, 0, BLOCK_ROWS * sizeof(uint64_t))
        for i in range(list.count):
            words[list.rows[i]] = codes[i]
            widths[list.rows[i]] = bits
    else:
        for i in range(list.count):
            words[list.rows[i]] |= codes[i] << s.shift


cdef void put_groups(block *b, int32_t number) noexcept nogil:
    """``b.groups``, of ``b.sizes``, to a word of their own."""
    cdef const row_list *list = &b.levels[b.level]
    cdef uint64_t *words = b.words + number * BLOCK_ROWS
    cdef uint8_t *widths = b.widths + number * BLOCK_ROWS
    cdef int i
    if b.level == 0:
        memcpy(words, b.groups, <size_t>b.count * sizeof(uint64_t))
        memcpy(widths, b.sizes, <size_t>b.count)
        return
    memset(widths, 0, BLOCK_ROWS)
    memset(words, 0, BLOCK_ROWS * sizeof(uint64_t))
    for i in range(list.count):
        words[list.rows[i]] = b.groups[i]
        widths[list.rows[i]] = b.sizes[i]


cdef void split_groups(block *b, int first, int end) noexcept nogil:
    """Groups ``first`` to ``end`` - 1 of ``b.codes``; those of zeros behind the first are none."""
    cdef int count = b.levels[b.level].count
    cdef uint64_t rest
    cdef int i, k
    for i in range(count):
        b.groups[i] = 0
        b.sizes[i] = 0 if first else 8
    for k in range(first, end):
        for i in range(count):
            rest = b.codes[i] >> (7 * k)
            b.groups[i] |= (rest & 0x7F | <uint64_t>(rest > 0x7F) << 7) << (8 * (k - first))
            b.sizes[i] += <uint8_t>(<int>(rest != 0 and k > 0) << 3)


cdef void put_varuint(block *b, const step *s) noexcept nogil:
    """The groups of ``b.codes``: up to seven in one word, the rest in the next."""
    cdef int count = b.levels[b.level].count
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


cdef int fill_words(block *b) noexcept nogil:
    """Quantise the block; not 0 when the row path has to look."""
    cdef const row_list *list
    cdef const step *s
    cdef int32_t n
    cdef int i
    for n in range(b.p.step_count):
        s = &b.p.steps[n]
        list = &b.levels[b.level]
        if s.kind == STEP_CLOSE:
            b.level -= 1
            continue
        if s.kind == STEP_INSIDE:
            if b.level:
                memset(b.widths + s.low.word * BLOCK_ROWS, 0, BLOCK_ROWS)
                for i in range(list.count):
                    b.widths[s.low.word * BLOCK_ROWS + list.rows[i]] = 1
            continue
        if gather(b.t, s.at, b.shift, list.offsets, list.count, b.codes):
            return 1
        if s.kind == STEP_VARUINT:
            put_varuint(b, s)
        elif s.high.bits == 0:
            put(b, &s.low, b.codes)
            if s.kind == STEP_OPTIONAL:
                open_level(b, b.codes)
        else:
            for i in range(list.count):
                b.groups[i] = b.codes[i] & 0xFFFFFFFFu
                b.codes[i] >>= 32
            put(b, &s.low, b.groups)
            put(b, &s.high, b.codes)
    return 0


cdef void pack_words(block *b, packer *out) noexcept nogil:
    """Append the words of each row, without a branch on what they hold."""
    cdef const uint64_t *words
    cdef const uint8_t *widths
    cdef uint8_t *at = out.at
    cdef uint64_t word = out.word
    cdef uint32_t used = out.used
    cdef int32_t n
    cdef int i
    # Whole bytes out, so that there is room for WORD_BITS.
    memcpy(at, &word, 8)
    at += used >> 3
    word >>= used & 56
    used &= 7
    for i in range(b.count):
        words = b.words + i
        widths = b.widths + i
        for n in range(b.p.word_count):
            word |= words[n * BLOCK_ROWS] << used
            memcpy(at, &word, 8)
            used += widths[n * BLOCK_ROWS]
            at += used >> 3
            word >>= used & 56
            used &= 7
    out.at = at
    out.word = word
    out.used = used


cdef int pack_mixed(block *b, packer *out) noexcept nogil:
    """As ``pack_words``, with text, blobs and arrays; -1 with ``t.error`` and ``t.row``."""
    cdef const op *at
    cdef int32_t n, place
    cdef int i
    for i in range(b.count):
        b.t.row = b.first + i
        for n in range(b.p.word_count):
            place = n * BLOCK_ROWS + i
            at = b.p.words[n].inside
            if at != NULL:
                if b.widths[place] and encode_item(b.t, out, at, at + 1 + at.body, NULL):
                    return -1
                continue
            memcpy(out.at, &out.word, 8)
            out.at += out.used >> 3
            out.word = out.word >> (out.used & 56) | b.words[place] << (out.used & 7)
            out.used = (out.used & 7) + b.widths[place]
    return 0


cdef int encode_block(block *b, packer *out) noexcept nogil:
    """Append one block; -1 with ``t.error`` and ``t.row``."""
    cdef packer start = out[0]
    cdef uint64_t clamped = b.t.clamped
    if fill_words(b) == 0:
        if not b.p.has_inside:
            pack_words(b, out)
            return 0
        if pack_mixed(b, out) == 0:
            return 0
        # The first fault of the block may stand in a row before.
        out[0] = start
        b.t.clamped = clamped
        b.t.error.code = FAULT_NONE
        b.t.error.depth = 0
    return encode_rows(b.t, b.first, b.count, out)


cdef int encode_blocks(table_view *t, const plan *p, packer *out) noexcept nogil:
    """Append rows 0 to ``t.rows`` - 1, of one stride; -1 with ``t.error`` and ``t.row``."""
    cdef block b
    cdef int64_t first = 0
    cdef int status = 0
    if not block_init(&b, t, p):
        return encode_rows(t, 0, t.rows, out)
    while first < t.rows and status == 0:
        block_start(&b, first)
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
    """Read the pieces of one row; false, and ``r`` as before, when the row path has to."""
    cdef uint64_t active[MAX_LEVELS]        # all ones, or zero: the level is not there
    cdef const piece *at = b.p.pieces
    cdef const piece *end = at + b.p.piece_count
    cdef uint64_t *out = b.words + row
    cdef uint64_t position = r.position
    cdef uint64_t start = position
    cdef uint64_t word, ends
    cdef int level = 0
    cdef int bits
    active[0] = ~<uint64_t>0
    if position + at.ahead + 64 > r.size:
        return False
    while at < end:
        if at.kind <= PIECE_OPTIONAL:
            word = peek(r, position) & ((<uint64_t>1 << at.bits) - 1)
            out[0] = word
            position += at.bits & active[level]
            if at.kind == PIECE_OPTIONAL:
                active[level + 1] = active[level] & (0 - (word >> (at.bits - 1)))
                level += 1
        elif at.kind == PIECE_VARUINT:
            word = peek(r, position)
            ends = ~word & GROUP_ENDS
            if ends == 0:
                if active[level]:
                    break
                ends = 0x80
            bits = nc_low_bit(ends) + 1
            out[0] = word & ((<uint64_t>2 << (bits - 1)) - 1)
            position += bits & active[level]
        elif at.kind == PIECE_CLOSE:
            level -= 1
        elif active[level]:
            r.position = position
            if at.kind == PIECE_LONG_VARUINT:
                word = unpack(r, 8)
                if not unpack_varint(r, word, out):
                    break
            else:
                b.t.row = b.first + row
                if decode_item(b.t, r, at.at, at.at + 1 + at.at.body, NULL):
                    break
            position = r.position
        at += 1
        if at[-1].kind == PIECE_INSIDE and at < end and position + at.ahead + 64 > r.size:
            break
        out += BLOCK_ROWS
    if at < end:
        r.position = start
        return False
    r.position = position
    return True


cdef void take_codes(
    block *b, int32_t number, int shift, int bits, uint64_t *codes
) noexcept nogil:
    """The codes of one span out of its piece."""
    cdef const row_list *list = &b.levels[b.level]
    cdef const uint64_t *words = b.words + number * BLOCK_ROWS
    cdef uint64_t mask = (<uint64_t>1 << bits) - 1
    cdef int i
    if b.level == 0:
        for i in range(b.count):
            codes[i] = words[i] >> shift & mask
        return
    for i in range(list.count):
        codes[i] = words[list.rows[i]] >> shift & mask


cdef int take_varuints(block *b, const step *s) noexcept nogil:
    """The values of varuints; not 0 when one is longer than it has to be."""
    cdef const row_list *list = &b.levels[b.level]
    cdef const uint64_t *words = b.words + s.low.piece * BLOCK_ROWS
    cdef uint64_t all = 0
    cdef uint64_t bad = 0
    cdef int k = 1
    cdef int i
    for i in range(list.count):
        b.groups[i] = words[list.rows[i]]
        b.codes[i] = b.groups[i]
        all |= b.groups[i]
    if s.at.bits > SHORT_VARINT:  # read already
        return 0
    for i in range(list.count):
        b.codes[i] = b.groups[i] & 0x7F
    while all >> (8 * k - 1):
        for i in range(list.count):
            bad |= b.groups[i] >> (8 * k - 1) == 1
            b.codes[i] |= (b.groups[i] >> (8 * k) & 0x7F) << (7 * k)
        k += 1
    return bad != 0


cdef int put_presence(block *b, const step *s) noexcept nogil:
    """Store the flags of an optional, and nothing in the rows without it."""
    cdef const row_list *list = &b.levels[b.level]
    cdef uint8_t *flags = b.t.bases[s.at.field] + s.at.offset + b.shift
    cdef uint8_t *values = b.t.bases[s.at.field] + s.at.inner + b.shift
    cdef int i
    for i in range(list.count):
        flags[list.offsets[i]] = <uint8_t>b.codes[i]
        if not b.codes[i]:
            memset(values + list.offsets[i], 0, <size_t>s.at.stride)
    return 0


cdef int store_words(block *b) noexcept nogil:
    """Dequantise the block; not 0 when the row path has to look."""
    cdef const row_list *list
    cdef const step *s
    cdef int32_t n
    cdef int i
    for n in range(b.p.step_count):
        s = &b.p.steps[n]
        list = &b.levels[b.level]
        if s.kind == STEP_CLOSE:
            b.level -= 1
        elif s.kind == STEP_VARUINT:
            if take_varuints(b, s):
                return 1
            if scatter(b.t, s.at, b.shift, list.offsets, list.count, b.codes):
                return 1
        elif s.kind != STEP_INSIDE:
            take_codes(b, s.low.piece, s.low.piece_shift, s.low.bits, b.codes)
            if s.high.bits:
                take_codes(b, s.high.piece, s.high.piece_shift, s.high.bits, b.groups)
                for i in range(list.count):
                    b.codes[i] |= b.groups[i] << 32
            if s.kind == STEP_OPTIONAL:
                put_presence(b, s)
                open_level(b, b.codes)
            elif scatter(b.t, s.at, b.shift, list.offsets, list.count, b.codes):
                return 1
    return 0


cdef int decode_block(block *b, unpacker *source) noexcept nogil:
    """Read one block; -1 with ``t.error`` and ``t.row``."""
    cdef uint64_t start = source.position
    cdef int wanted = b.count
    cdef int done = 0
    while done < wanted and take_row(b, source, done):
        done += 1
    b.t.error.code = FAULT_NONE
    b.t.error.depth = 0
    b.count = b.levels[0].count = done
    if done and store_words(b):
        source.position = start
        done = 0
    return decode_rows(b.t, b.first + done, wanted - done, source)


cdef int decode_blocks(table_view *t, const plan *p, unpacker *source) noexcept nogil:
    """Read into rows 0 to ``t.rows`` - 1, of one stride; -1 with ``t.error`` and ``t.row``."""
    cdef block b
    cdef int64_t first = 0
    cdef int status = 0
    if not block_init(&b, t, p):
        return decode_rows(t, 0, t.rows, source)
    while first < t.rows and status == 0:
        block_start(&b, first)
        status = decode_block(&b, source)
        first += BLOCK_ROWS
    free(b.words)
    return status
