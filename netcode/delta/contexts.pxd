"""Contexts, and values as binary decisions.

A residual is: zero, sign, the exp-Golomb level in unary, the mantissa from its high end, the first
three bits of it modelled. Its context is what error was expected (``be``) and what the entity's
earlier components brought (``bp``).
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from netcode.delta.integer cimport absolute, log_eighths, top_bit
from netcode.delta.rangecoder cimport CODER_DECODE, code, code_raw, range_coder


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


cdef inline int64_t code_residual(
    range_coder *c, uint32_t base, int64_t value, uint32_t fraction
) noexcept nogil:
    """Code a residual of at most 32 bits; ``base`` is the first of the 64 contexts.

    ``fraction`` 0..3 says in which quarter of a unit the prediction lay, from -1/2 to 1/2.
    Returns the residual; its magnitude can be up to 2**33.
    """
    cdef int negative = value < 0
    cdef uint64_t magnitude = <uint64_t>absolute(value)
    cdef int level = 0
    cdef int i, bit
    cdef uint32_t node, place
    cdef uint64_t mantissa
    if not code(c, base + NODE_ZERO + fraction, magnitude != 0):
        return 0
    negative = code(c, base + NODE_SIGN + fraction, negative)
    if c.mode != CODER_DECODE:
        level = top_bit(magnitude)
    i = 0
    while i < LEVELS - 1:
        place = <uint32_t>(i if i < 15 else 15)
        if not code(c, base + NODE_LEVEL + place, level > i):
            break
        i += 1
    level = i
    mantissa = magnitude
    magnitude = 1
    node = 1
    place = 0 if level == 0 else mantissa_node(level if level < 7 else 7) - 1
    for i in range(level):
        bit = <int>(mantissa >> (level - 1 - i)) & 1
        if i < 3 and level < 8:
            bit = code(c, base + place + node, bit)
            node = node << 1 | <uint32_t>bit
        else:
            bit = <int>code_raw(c, <uint32_t>bit, 1)
        magnitude = magnitude << 1 | <uint64_t>bit
    return -<int64_t>magnitude if negative else <int64_t>magnitude


cdef inline uint32_t code_tree(
    range_coder *c, uint32_t base, uint32_t value, int bits
) noexcept nogil:
    """A value bit by bit, high first, 2**bits contexts."""
    cdef uint32_t node = 1
    cdef int i
    for i in range(bits):
        node = node << 1 | <uint32_t>code(c, base + node, <int>(value >> (bits - 1 - i)) & 1)
    return node - (<uint32_t>1 << bits)
