"""Contexts, and values as binary decisions.

A residual is: zero, sign, the exp-Golomb level in unary, the mantissa from its high end, the first
three bits of it modelled. Its context is what error was expected (``be``) and what the entity's
earlier components brought (``bp``). That is how it is counted, and coded where tables adapt; with
frozen ones most of these decisions are coded in one step, as a token (see tokens.py).
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from netcode.delta.integer cimport absolute, log_eighths, top_bit
from netcode.delta.rangecoder cimport (
    CODER_COUNT,
    CODER_DECODE,
    CODER_ENCODE,
    CODER_LONG,
    TOKEN_ROW,
    TOKENS,
    code,
    code_raw,
    code_token,
    range_coder,
    token_cost,
)


cdef enum:
    EXPECTED = 20          # buckets of the expected error
    SEEN = 8               # buckets of residuals seen
    NODE_ZERO = 0          # 4: by the distance of the prediction to its rounding
    NODE_SIGN = 4          # 4
    NODE_LEVEL = 8         # 16
    NODE_MANTISSA = 24     # 1, 3, 7 * 5
    NODES = 64
    LEVELS = 33
    RESIDUAL_CONTEXTS = NODES * EXPECTED * SEEN
    EXACT = 16             # magnitudes below are a token each, with a sign
    TOKEN_LEVELS = 15      # levels 4 to 14 are a token each; one more stands for all above
    TREE_BITS = 6          # enums of up to 64 values are coded in the light of the old value


cdef inline uint32_t eighths_bucket(int64_t eighths) noexcept nogil:
    """0..19 from 8 log2 of an error in sixteenths."""
    eighths = (eighths - 21) // 4
    return <uint32_t>(0 if eighths < 0 else eighths if eighths < EXPECTED else EXPECTED - 1)


cdef inline uint32_t expected_bucket(int64_t sixteenths) noexcept nogil:
    """0..19: steps of 2**0.5 from half a unit."""
    cdef int32_t eighths
    if sixteenths <= 8:
        return 0
    eighths = <int32_t>log_eighths(<uint64_t>sixteenths) - 24
    eighths = eighths // 4 + 1
    return <uint32_t>(eighths if eighths < EXPECTED else EXPECTED - 1)


cdef inline uint32_t seen_bucket(int64_t sum, int64_t n) noexcept nogil:
    """1..7 from the sum of n magnitudes: 0, below 1, 2, 4, 8, 16, more."""
    cdef int bucket
    if sum == 0:
        return 1
    if sum < n:
        return 2
    bucket = 3 + top_bit(<uint64_t>(sum // n))
    return <uint32_t>(bucket if bucket < SEEN else SEEN - 1)


cdef inline uint32_t mantissa_node(int level) noexcept nogil:
    """First of the nodes of a level's high mantissa bits."""
    return NODE_MANTISSA + (0 if level == 1 else 1 if level == 2 else 7 * level - 17)


cdef inline uint64_t code_mantissa(
    range_coder *c, uint32_t base, uint64_t magnitude, int level
) noexcept nogil:
    """A magnitude of a known level, below its leading one. Returns it."""
    cdef uint32_t place
    cdef uint32_t node = 1
    cdef int i = 0
    if 0 < level < 8:
        place = mantissa_node(level) - 1
        while i < 3 and i < level:
            node = node << 1 | <uint32_t>code(
                c, base + place + node, <int>(magnitude >> (level - 1 - i)) & 1
            )
            i += 1
    level -= i
    return <uint64_t>node << level | code_raw(
        c, <uint32_t>(magnitude & (((<uint64_t>1) << level) - 1)), level
    )


cdef inline int64_t code_bits(
    range_coder *c, uint32_t base, int64_t value, uint32_t fraction, uint64_t *told
) noexcept nogil:
    """Code a residual, decision by decision; ``told``: the cost up to where its token ends."""
    cdef uint64_t magnitude = <uint64_t>absolute(value)
    cdef int top = top_bit(magnitude | 1)
    cdef int level = 0
    cdef int negative
    if not code(c, base + NODE_ZERO + fraction, magnitude != 0):
        told[0] = c.cost
        return 0
    negative = code(c, base + NODE_SIGN + fraction, value < 0)
    while level < LEVELS - 1 and code(
        c, base + NODE_LEVEL + (<uint32_t>level if level < 15 else 15), top > level
    ):
        level += 1
        if level == TOKEN_LEVELS:
            told[0] = c.cost
    if level < TOKEN_LEVELS:
        told[0] = c.cost
    magnitude = code_mantissa(c, base, magnitude, level)
    if magnitude < EXACT:
        told[0] = c.cost
    return -<int64_t>magnitude if negative else <int64_t>magnitude


cdef inline int residual_token(uint64_t magnitude, bint negative) noexcept nogil:
    """The token of a residual; those of EXACT and above say no more than its level."""
    cdef int level
    if magnitude == 0:
        return TOKENS - 1
    if magnitude < EXACT:
        return <int>(2 * magnitude - 2) | negative
    level = top_bit(magnitude)
    return 2 * ((level if level < TOKEN_LEVELS else TOKEN_LEVELS) + 11) | negative


cdef inline int64_t code_decisions(
    range_coder *c, uint32_t base, int64_t value, uint32_t fraction
) noexcept nogil:
    """Code a residual of adaptive tables, or count one; it then costs what its token will."""
    cdef uint64_t start = c.cost
    cdef uint64_t told = start
    cdef uint64_t token
    value = code_bits(c, base, value, fraction, &told)
    if c.mode == CODER_COUNT and c.adaptive.cells == NULL:
        token = token_cost(
            c, c.tokens + (base // NODES * 4 + fraction) * TOKEN_ROW,
            residual_token(<uint64_t>absolute(value), value < 0),
        )
        c.cost = start + token + (c.cost - told)
    return value


cdef inline uint64_t code_large(
    range_coder *c, uint32_t base, uint64_t magnitude, int level
) noexcept nogil:
    """The rest of a magnitude of at least EXACT; ``level`` is known, 15 says 15 or more."""
    cdef int top = 0
    if level == TOKEN_LEVELS:
        if c.mode != CODER_DECODE:
            top = top_bit(magnitude)
        while level < LEVELS - 1 and code(c, base + NODE_LEVEL + 15, top > level):
            level += 1
    return code_mantissa(c, base, magnitude, level)


cdef inline int64_t code_residual(
    range_coder *c, uint32_t base, int64_t value, uint32_t fraction
) noexcept nogil:
    """Code a residual of at most 32 bits; ``base`` is the first of the 64 contexts.

    ``fraction`` 0..3 says in which quarter of a unit the prediction lay, from -1/2 to 1/2.
    Returns the residual; its magnitude can be up to 2**33.
    """
    cdef uint64_t magnitude = <uint64_t>absolute(value)
    cdef int token = TOKENS - 1
    if c.way == CODER_ENCODE:
        token = residual_token(magnitude, value < 0)
    elif c.way == CODER_LONG:
        return code_decisions(c, base, value, fraction)
    token = code_token(c, c.tokens + (base // NODES * 4 + fraction) * TOKEN_ROW, token)
    if token == TOKENS - 1:
        return 0
    if token < 2 * EXACT - 2:
        magnitude = <uint64_t>(token >> 1) + 1
    else:
        magnitude = code_large(c, base, magnitude, (token >> 1) - 11)
    return -<int64_t>magnitude if token & 1 else <int64_t>magnitude


cdef inline uint32_t code_tree(
    range_coder *c, uint32_t base, uint32_t value, int bits
) noexcept nogil:
    """A value bit by bit, high first, 2**bits contexts."""
    cdef uint32_t node = 1
    cdef int i
    for i in range(bits):
        node = node << 1 | <uint32_t>code(c, base + node, <int>(value >> (bits - 1 - i)) & 1)
    return node - (<uint32_t>1 << bits)
