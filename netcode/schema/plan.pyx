"""How rows are coded a block at a time: which codes share a word, worked out once for a schema."""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from netcode.schema.ops cimport (
    OP_NESTED,
    OP_OPTIONAL,
    OP_QUAT,
    OP_TEXT,
    OP_VARUINT,
    OP_VECTOR,
    op,
    program,
)


cdef struct builder:
    plan *p
    int32_t used         # bits in the word that is open; -1: none is
    int32_t taken        # bits in the piece that is open; -1: none is
    int32_t level


cdef uint32_t code_bits(const op *at) noexcept nogil:
    """The width of the op's code; for a varuint, the most it can take."""
    if at.kind == OP_QUAT:
        return at.width
    if at.kind == OP_VARUINT:
        return 8 * ((at.bits + 6) // 7) if at.bits else 8
    return at.bits


cdef void put_word(builder *b, span *s, uint32_t bits, bint varies) noexcept nogil:
    """Find room for ``bits`` in the open word, or open the next one."""
    if b.used < 0 or b.used + <int32_t>bits > WORD_BITS:
        b.p.word_count += 1
        b.used = 0
    s.word = b.p.word_count - 1
    s.bits = <uint8_t>bits
    s.shift = <uint8_t>b.used
    b.used += <int32_t>bits
    b.p.words[s.word].bits = <uint8_t>b.used
    b.p.words[s.word].level = <uint8_t>b.level
    b.p.words[s.word].varies = b.level > 0 or varies


cdef piece *new_piece(builder *b, uint8_t kind, const op *at, uint8_t bits) noexcept nogil:
    """The next piece, beside the fixed ones that ``put_piece`` opens."""
    cdef piece *made = &b.p.pieces[b.p.piece_count]
    b.p.piece_count += 1
    b.taken = -1
    made.kind = kind
    made.at = at
    made.bits = bits
    return made


cdef void put_piece(builder *b, span *s, uint32_t bits, uint8_t kind, const op *at) noexcept nogil:
    """Find ``bits`` in the open piece, or open the next one."""
    if kind == PIECE_VARUINT or kind == PIECE_LONG_VARUINT:
        new_piece(b, kind, at, <uint8_t>bits)
        s.piece = b.p.piece_count - 1
        s.piece_shift = 0
        return
    if b.taken < 0 or b.taken + <int32_t>bits > PIECE_BITS:
        new_piece(b, PIECE_FIXED, NULL, 0)
        b.taken = 0
    s.piece = b.p.piece_count - 1
    s.piece_shift = <uint8_t>b.taken
    b.taken += <int32_t>bits
    b.p.pieces[s.piece].bits = <uint8_t>b.taken
    if kind == PIECE_OPTIONAL:
        b.p.pieces[s.piece].kind = PIECE_OPTIONAL
        b.taken = -1


cdef int add(builder *b, const op *at, const op *end) noexcept nogil:
    """Append the steps of the ops up to ``end``; -1 when optionals nest too deep."""
    cdef step *made
    cdef uint32_t bits
    cdef uint8_t kind
    cdef int32_t flag, i
    while at < end:
        if at.kind == OP_VECTOR or at.kind == OP_NESTED:
            at += 1  # the body says it all
            continue
        made = &b.p.steps[b.p.step_count]
        b.p.step_count += 1
        made.at = at
        made.kind = STEP_CODE
        if at.kind >= OP_TEXT:
            made.kind = STEP_INSIDE
            b.p.word_count += 1
            made.low.word = b.p.word_count - 1
            b.p.words[made.low.word].inside = at
            b.p.words[made.low.word].bits = 1
            b.p.words[made.low.word].level = <uint8_t>b.level
            b.used = -1
            new_piece(b, PIECE_INSIDE, at, 0)
            b.p.has_inside = True
            at += 1 + at.body
            continue
        bits = code_bits(at)
        kind = PIECE_FIXED
        if at.kind == OP_OPTIONAL:
            made.kind = STEP_OPTIONAL
            kind = PIECE_OPTIONAL
        elif at.kind == OP_VARUINT:
            made.kind = STEP_VARUINT
            kind = PIECE_VARUINT if at.bits <= SHORT_VARINT else PIECE_LONG_VARUINT
        if at.kind == OP_VARUINT:
            b.used = -1
            put_word(b, &made.low, bits if bits < WORD_BITS else WORD_BITS, True)
            if bits > WORD_BITS:
                put_word(b, &made.high, bits - WORD_BITS, True)
            b.used = -1
            put_piece(b, &made.low, bits, kind, at)
        else:
            if bits > WORD_BITS:
                put_word(b, &made.low, 32, False)
                put_word(b, &made.high, bits - 32, False)
                put_piece(b, &made.low, 32, kind, at)
                put_piece(b, &made.high, bits - 32, kind, at)
            else:
                put_word(b, &made.low, bits, False)
                put_piece(b, &made.low, bits, kind, at)
        if at.kind == OP_OPTIONAL:
            if b.level + 1 == MAX_LEVELS:
                return -1
            flag = made.low.piece
            b.level += 1
            b.used = -1
            if add(b, at + 1, at + 1 + at.body):
                return -1
            b.level -= 1
            b.used = -1
            made = &b.p.steps[b.p.step_count]
            b.p.step_count += 1
            made.at = at
            made.kind = STEP_CLOSE
            b.taken = -1
            b.p.pieces[flag].skip = b.p.piece_count - flag - 1
            for i in range(flag + 1, b.p.piece_count):
                b.p.pieces[flag].guarded |= b.p.pieces[i].kind == PIECE_INSIDE
            at += at.body
        at += 1
    return 0


cdef void join_words(plan *p, word *old, int32_t *places) noexcept nogil:
    """Put the words that are packed in front, and behind them those that are appended to them.

    ``old`` and ``places`` are scratch for as many words.
    """
    cdef int32_t head = -1
    cdef int32_t used = 0
    cdef int32_t behind, i
    p.head_count = 0
    for i in range(p.word_count):
        old[i] = p.words[i]
        old[i].head = -1
        if old[i].inside != NULL:
            head = -1
        elif head >= 0 and used + old[i].bits <= WORD_BITS:
            used += old[i].bits
            old[i].head = head
            continue
        else:
            head = p.head_count
            used = old[i].bits
        p.head_count += 1
    head = 0
    behind = p.head_count
    for i in range(p.word_count):
        if old[i].head < 0:
            places[i] = head
            head += 1
        else:
            places[i] = behind
            behind += 1
        p.words[places[i]] = old[i]
    for i in range(p.step_count):
        p.steps[i].low.word = places[p.steps[i].low.word]
        p.steps[i].high.word = places[p.steps[i].high.word]


cdef int plan_init(plan *p, const program *code) except -1:
    """Work out the plan; one of no words is for programs that go row by row."""
    # An op makes at most two of each, and an optional one more to close it.
    cdef size_t most = <size_t>(2 * code.size + 1)
    cdef word *words
    cdef int32_t *places
    cdef builder b
    cdef uint64_t ahead = 0
    cdef int32_t i
    p.steps = <step *>PyMem_Malloc(most * sizeof(step))
    p.pieces = <piece *>PyMem_Malloc(most * sizeof(piece))
    p.words = <word *>PyMem_Malloc(most * sizeof(word))
    p.step_count = p.piece_count = p.word_count = 0
    p.has_inside = False
    if p.steps == NULL or p.pieces == NULL or p.words == NULL:
        raise MemoryError
    memset(p.steps, 0, most * sizeof(step))
    memset(p.pieces, 0, most * sizeof(piece))
    memset(p.words, 0, most * sizeof(word))
    b.p = p
    b.used = b.taken = -1
    b.level = 0
    if add(&b, code.ops, code.ops + code.size):
        p.step_count = p.piece_count = p.word_count = 0
        return 0
    words = <word *>PyMem_Malloc(most * sizeof(word))
    places = <int32_t *>PyMem_Malloc(most * sizeof(int32_t))
    if words != NULL and places != NULL:
        join_words(p, words, places)
    PyMem_Free(words)
    PyMem_Free(places)
    if words == NULL or places == NULL:
        raise MemoryError
    for i in range(p.piece_count - 1, -1, -1):
        if p.pieces[i].kind == PIECE_INSIDE:
            ahead = 0
        ahead += p.pieces[i].bits
        if p.pieces[i].kind == PIECE_OPTIONAL:
            p.pieces[i].flag = <uint64_t>1 << (p.pieces[i].bits - 1)
        p.pieces[i].ahead = ahead
    return 0


cdef void plan_free(plan *p) noexcept:
    """Give the memory back; ``p`` may be all zero."""
    PyMem_Free(p.steps)
    PyMem_Free(p.pieces)
    PyMem_Free(p.words)
