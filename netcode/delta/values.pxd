"""Coding the values of one group of one entity."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from netcode.delta.contexts cimport (
    EXPECTED,
    NODES,
    SEEN,
    TREE_BITS,
    code_residual,
    code_tree,
    expected_bucket,
    seen_bucket,
)
from netcode.delta.integer cimport absolute, log_eighths, code_sixteenths, quaternion, unpack
from netcode.delta.rangecoder cimport CODER_DECODE, code, code_raw, range_coder
from netcode.delta.shape cimport lane_group


cdef struct seen_errors:
    int64_t total          # magnitudes of residuals of this entity
    int64_t n


cdef inline int64_t clamp(int64_t x, int64_t top) noexcept nogil:
    return 0 if x < 0 else top if x > top else x


cdef inline int64_t wrap_angle(int64_t angle, int64_t turn) noexcept nogil:
    """-turn / 2 .. turn / 2 - 1, for a turn of a power of two."""
    return ((angle + (turn >> 1)) & (turn - 1)) - (turn >> 1)


cdef inline int64_t code_near(
    range_coder *c, uint32_t base, int64_t value, int64_t guess, int64_t top,
    uint32_t expected, uint32_t seen, bint *bad
) noexcept nogil:
    """A code 0..top near ``guess``, in sixteenths, as is ``expected``. Returns the code."""
    cdef int64_t middle = clamp((guess + 8) >> 4, top)
    cdef int64_t off = guess - 16 * middle
    cdef uint32_t quarter = <uint32_t>clamp((off + 8) >> 2, 3)
    cdef uint32_t at = base + (expected * SEEN + seen) * NODES
    value = middle + code_residual(c, at, value - middle, quarter)
    if value < 0 or value > top:
        bad[0] = True
        value = clamp(value, top)
    return value


cdef inline void code_vector(
    range_coder *c, const lane_group *g, int64_t *values, const int64_t *guess,
    uint32_t expected, seen_errors *seen, bint *bad
) noexcept nogil:
    """``values`` are codes; the encoder's, or filled in by the decoder."""
    cdef int i
    cdef uint32_t bucket = 0
    cdef int64_t miss
    for i in range(g.n):
        if i or seen.n:
            bucket = seen_bucket(seen.total, seen.n)
        values[i] = code_near(
            c, g.value, values[i], guess[i], g.top[i], expected, bucket, bad
        )
        miss = values[i] - ((guess[i] + 8) >> 4)
        seen.total += absolute(miss)
        seen.n += 1


cdef inline void code_quaternion(
    range_coder *c, const lane_group *g, int64_t *values, const quaternion *guess,
    uint32_t expected, seen_errors *seen, bint *bad
) noexcept nogil:
    """largest, a, b, c: the predicted quaternion is expressed in the largest that was coded."""
    cdef uint32_t base = g.value + NODES * EXPECTED * SEEN
    cdef int64_t top = g.top[1]
    cdef int i, bucket
    cdef int n = 1
    cdef int first = 0
    cdef int second = -1
    cdef int64_t x, gap
    cdef uint32_t before
    for i in range(1, 4):
        if absolute(guess.v[i]) > absolute(guess.v[first]):
            first = i
    for i in range(4):
        if i != first and (second < 0 or absolute(guess.v[i]) > absolute(guess.v[second])):
            second = i
    gap = absolute(guess.v[first]) - absolute(guess.v[second])
    gap = code_sixteenths(gap, top) - 8 * top     # in sixteenths of a code
    # in eighths of an octave above what is expected
    gap = <int64_t>log_eighths(<uint64_t>(gap if gap > 1 else 1)) - 4 * <int64_t>expected
    bucket = <int>clamp(gap // 4, 15)
    if code(c, base + bucket, values[0] != first):
        if code(c, base + 16 + bucket, values[0] != second):
            # one of the two others, the lower or the higher
            i = 0
            while i == first or i == second:
                i += 1
            n = i + 1
            while n == first or n == second:
                n += 1
            values[0] = n if code(c, base + 32, values[0] == n) else i
        else:
            values[0] = second
    else:
        values[0] = first
    n = 1
    for i in range(4):
        if i == values[0]:
            continue
        x = guess.v[i] if guess.v[values[0]] >= 0 else -guess.v[i]
        x = code_sixteenths(x, top)
        before = seen_bucket(seen.total, seen.n) if seen.n else 0
        values[n] = code_near(c, g.value, values[n], x, top, expected, before, bad)
        if n == 1:
            seen.total = 0
            seen.n = 0
        seen.total += absolute(values[n] - ((x + 8) >> 4))
        seen.n += 1
        n += 1


cdef inline int64_t code_angle(
    range_coder *c, const lane_group *g, int64_t value, int64_t old, int64_t older, uint32_t moving
) noexcept nogil:
    """A code modulo top + 1 (a power of two), in the direction it last turned."""
    cdef int64_t turn = g.top[0] + 1
    cdef int64_t step = wrap_angle(old - older, turn)
    cdef int64_t off = wrap_angle(value - old, turn)
    cdef uint32_t at = g.value + (expected_bucket(16 * absolute(step)) * SEEN + moving) * NODES
    if step < 0:
        off = -code_residual(c, at, -off, 2)
    else:
        off = code_residual(c, at, off, 2)
    if off != wrap_angle(off, turn):
        return old        # the long way round: no encoder writes it
    return (old + off) & g.top[0]


cdef inline int64_t code_enum(
    range_coder *c, const lane_group *g, int64_t value, int64_t old
) noexcept nogil:
    """Small: a tree of its own for each old value. Large: high bits raw, eight in a tree."""
    cdef int64_t high
    if g.bits <= TREE_BITS:
        old &= (<int64_t>1 << g.bits) - 1
        return code_tree(c, g.value + (<uint32_t>old << g.bits), <uint32_t>value, g.bits)
    if g.bits <= 8:
        return code_tree(c, g.value, <uint32_t>value, g.bits)
    high = code_tree(c, g.value, <uint32_t>(value >> (g.bits - 8)), 8)
    return high << (g.bits - 8) | code_raw(
        c, <uint32_t>(value & ((<int64_t>1 << (g.bits - 8)) - 1)), g.bits - 8
    )


cdef inline int64_t code_flags(
    range_coder *c, const lane_group *g, int64_t value, int64_t old, int64_t older
) noexcept nogil:
    cdef int64_t result = 0
    cdef int i
    cdef uint32_t at
    for i in range(g.bits):
        at = g.value + <uint32_t>(4 * i + 2 * (old >> i & 1) + ((old ^ older) >> i & 1))
        result |= <int64_t>code(c, at, <int>((value ^ old) >> i) & 1) << i
    return result ^ old


cdef inline int64_t code_id(
    range_coder *c, const lane_group *g, int64_t value, int64_t old, int64_t last
) noexcept nogil:
    """Zero, the same as the last id sent, or raw."""
    if old and not code(c, g.value, value != 0):
        return 0
    if last and last != old and not code(c, g.value + 1, value != last):
        return last
    value = code_raw(c, <uint32_t>value, g.bits)
    return value if value else old    # zero has another spelling
