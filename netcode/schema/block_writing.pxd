"""NumPy rows to bits, a block of rows at a time."""

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
from netcode.schema.gather cimport gather, gather_quantized
from netcode.schema.ops cimport FAULT_NONE, OP_QUANTIZED, op
from netcode.schema.packer cimport packer
from netcode.schema.plan cimport (
    BLOCK_ROWS,
    STEP_CLOSE,
    STEP_INSIDE,
    STEP_OPTIONAL,
    STEP_VARUINT,
    plan,
    span,
    step,
)
from netcode.schema.rows cimport encode_item, encode_rows, table_view


cdef inline void set_widths(block *b, const span *s) noexcept nogil:
    """The widths of a word of a level, when its first code is put."""
    cdef uint8_t *widths = b.widths + s.word * BLOCK_ROWS
    cdef const uint8_t *bytes = b.levels[b.level].bytes
    cdef uint8_t bits = b.p.words[s.word].bits
    cdef int count = b.rows.count
    cdef int i
    if b.level and s.shift == 0:
        for i in range(count):
            widths[i] = bits & bytes[i]


cdef inline void put(block *b, const span *s, const uint64_t *codes) noexcept nogil:
    """Codes to their word."""
    cdef uint64_t *words = b.words + s.word * BLOCK_ROWS
    cdef int shift = s.shift
    cdef int count = b.rows.count
    cdef int i
    set_widths(b, s)
    for i in range(count):
        words[i] |= codes[i] << shift


cdef inline void put_groups(block *b, int32_t number) noexcept nogil:
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


cdef inline void split_groups(block *b, int first, int end) noexcept nogil:
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


cdef inline void put_varuint(block *b, const step *s) noexcept nogil:
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


cdef inline bint fill_words(block *b) noexcept nogil:
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


cdef inline void join(block *b) noexcept nogil:
    """Append words to those that they are packed with."""
    cdef const uint64_t *words
    cdef const uint8_t *widths
    cdef uint64_t *head
    cdef uint8_t *used
    cdef int count = b.rows.count
    cdef int32_t n, place
    cdef int i
    for n in range(b.p.head_count, b.p.word_count):
        words = b.words + n * BLOCK_ROWS
        widths = b.widths + n * BLOCK_ROWS
        place = b.p.words[n].head
        head = b.words + place * BLOCK_ROWS
        used = b.widths + place * BLOCK_ROWS
        if not b.p.words[place].varies and (
            n == b.p.head_count or b.p.words[n - 1].head != place
        ):
            memset(used, b.p.words[place].bits, <size_t>count)  # as before the last block
        for i in range(count):
            head[i] |= words[i] << used[i]
        for i in range(count):
            used[i] += widths[i]


cdef inline void pack_rows(block *b, packer *out, int first) noexcept nogil:
    """Append the words of each row from ``first`` on, without a branch on what they hold."""
    cdef const uint64_t *words
    cdef const uint8_t *widths
    cdef uint8_t *at = out.at
    cdef uint64_t word = out.word
    cdef uint32_t used = out.used
    cdef int32_t size = b.p.head_count
    cdef int i
    for i in range(first, b.rows.count):
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


cdef inline void pack_halves(block *b, packer *out, int half) noexcept nogil:
    """As ``pack_rows`` for twice ``half`` rows.

    Each pack waits for the one before, so two go side by side: the second half is packed into
    scratch, at the bit of a byte where it will be.
    """
    cdef const uint64_t *words
    cdef const uint8_t *widths
    cdef uint8_t *at = out.at
    cdef uint64_t word = out.word
    cdef uint32_t used = out.used
    cdef uint8_t *second = b.scratch
    cdef uint64_t ahead = 0
    cdef uint32_t taken = used
    cdef int32_t size = b.p.head_count
    cdef size_t bytes
    cdef int i, k
    for k in range(size):
        widths = b.widths + k * BLOCK_ROWS
        for i in range(half):
            taken += widths[i]
    taken &= 7
    for i in range(half):
        words = b.words + i
        widths = b.widths + i
        for _ in range(size):
            word |= words[0] << used
            ahead |= words[half] << taken
            memcpy(at, &word, 8)
            memcpy(second, &ahead, 8)
            used += widths[0]
            taken += widths[half]
            at += used >> 3
            second += taken >> 3
            word >>= used & 56
            ahead >>= taken & 56
            used &= 7
            taken &= 7
            words += BLOCK_ROWS
            widths += BLOCK_ROWS
    bytes = <size_t>(second - b.scratch)
    if bytes:
        b.scratch[0] |= <uint8_t>word
        memcpy(at, b.scratch, bytes)
        word = 0
    out.at = at + bytes
    out.word = word | ahead
    out.used = taken


cdef inline void pack_words(block *b, packer *out) noexcept nogil:
    """Append the words of all rows."""
    cdef int half = b.rows.count >> 1
    # Whole bytes out, so that there is room for WORD_BITS.
    memcpy(out.at, &out.word, 8)
    out.at += out.used >> 3
    out.word >>= out.used & 56
    out.used &= 7
    pack_halves(b, out, half)
    pack_rows(b, out, 2 * half)


cdef inline int pack_mixed(block *b, packer *out) noexcept nogil:
    """As ``pack_words``, with text, blobs and arrays; -1 with ``t.error`` and ``t.row``."""
    cdef table_view *t = b.rows.t
    cdef const op *at
    cdef int32_t n, place
    cdef int i
    for i in range(b.rows.count):
        t.row = b.first + i
        for n in range(b.p.head_count):
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


cdef inline int encode_block(block *b, packer *out) noexcept nogil:
    """Append one block; -1 with ``t.error`` and ``t.row``."""
    cdef table_view *t = b.rows.t
    cdef packer start = out[0]
    cdef uint64_t clamped = t.clamped
    if not fill_words(b):
        join(b)
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


cdef inline int encode_blocks(table_view *t, const plan *p, packer *out) noexcept nogil:
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
