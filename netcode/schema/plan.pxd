"""How rows are coded a block at a time: which codes share a word, worked out once for a schema.

Ops run over a block of rows, one after the other (*op-major*), so that quantising is a loop over
numbers. Their codes are collected in words of up to WORD_BITS, which are then packed row by row:
few packs a row, and no branch that depends on the data. A word has one width in all rows that it
is in; a varuint has one or two words of its own. Words that fit in one together, whatever their
widths turn out to be, are joined before. Reading goes the other way, in pieces: as many
bits as one load can take.
"""

from libc.stdint cimport int32_t, uint8_t, uint64_t

from netcode.schema.ops cimport op, program


cdef enum:
    BLOCK_ROWS = 128     # at most; what a block needs stays in the first-level cache
    READ_ROWS = 64       # fewer, as its rows are written and its words read back
    WORD_BITS = 56       # with up to 7 bits left of the word before, one store
    PIECE_BITS = 57      # behind up to 7 bits of the byte it starts in, one load
    SHORT_VARINT = 49    # bits of value that fit in the groups of one piece
    MAX_LEVELS = 8       # optionals in optionals
    NARROW_QUAT = 14     # bits of a component whose square, and sums of such, fit in 32 bits


cdef enum step_kind:
    STEP_CODE
    STEP_VARUINT
    STEP_OPTIONAL    # the steps up to its STEP_CLOSE are for the rows where it is present
    STEP_CLOSE
    STEP_INSIDE      # text, blob, array: row by row, as the row path has it


cdef struct span:            # where the bits of a code, or of its lower or upper part, go
    int32_t word
    int32_t piece
    uint8_t bits             # 0: nowhere
    uint8_t shift            # in the word; 0: it is the first there
    uint8_t piece_shift


cdef struct step:
    const op *at
    uint8_t kind
    span low
    span high                # codes wider than WORD_BITS


cdef enum piece_kind:
    PIECE_FIXED
    PIECE_OPTIONAL           # fixed, and its last bit says whether the value is there
    PIECE_VARUINT            # up to SHORT_VARINT bits of value
    PIECE_LONG_VARUINT
    PIECE_INSIDE


cdef struct piece:
    const op *at
    uint8_t kind
    uint8_t bits
    uint8_t guarded          # PIECE_OPTIONAL: a PIECE_INSIDE is in its value
    int32_t skip             # pieces of its value
    uint64_t flag            # PIECE_OPTIONAL: its last bit
    uint64_t ahead           # most bits from here to the next PIECE_INSIDE or the end


cdef struct word:
    const op *inside         # NULL: bits
    uint8_t bits             # width, at most; of an op inside, 1
    uint8_t level            # 0: it is in all rows
    bint varies              # whether its width does
    int32_t head             # the word that it is appended to before packing; -1: none


cdef struct plan:
    step *steps
    piece *pieces
    word *words
    int32_t step_count
    int32_t piece_count
    int32_t word_count
    int32_t head_count       # words that are packed; those appended to them come behind
    bint has_inside


cdef int plan_init(plan *p, const program *code) except -1
cdef void plan_free(plan *p) noexcept
