"""Rotations as the smallest three components of a unit quaternion, in one code of 2 + 3 * bits.

What goes in is normalised first, unless its squared length is within 1e-7 of 1. The lowest 2 bits
are the index of the component left out; the other three follow in their order. With
``middle = 2**(bits - 1) - 1`` and ``scale = middle * sqrt(2)``, a component c is rounded to
``floor(c * scale + (2 * middle + 1/2)) - 2 * middle``, and its code is that plus middle, 0 to
2 * middle. q and -q are the same rotation: the one is coded whose left-out component is not
negative.

Which component is left out is decided on the rounded ones, in integers: rounding three components
moves the fourth by up to a few codes, and near a tie a rule on the exact values would choose
another component when it sees what was decoded. So each rotation that comes out of a decoder has
one code, which is the one it encodes to.
"""

from libc.math cimport INFINITY, fabs, fmax, sqrt
from libc.stdint cimport int64_t, uint64_t

from netcode.schema.ops cimport (
    FAULT_CANONICAL,
    FAULT_CODE,
    FAULT_NAN,
    FAULT_NONE,
    FAULT_RANGE,
    FAULT_ZERO,
)


cdef enum:
    SETTLED = 0      # the code is the one of its rotation
    UNSETTLED = 1    # it was another one, which has been changed
    IMPOSSIBLE = 2   # no rotation has it


cdef inline uint64_t quat_join(
    int largest, int64_t a, int64_t b, int64_t c, int64_t middle, int bits
) noexcept nogil:
    """The code of three rounded components."""
    return (
        <uint64_t>largest
        | <uint64_t>(a + middle) << 2
        | <uint64_t>(b + middle) << (2 + bits)
        | <uint64_t>(c + middle) << (2 + 2 * bits)
    )


cdef inline int64_t quat_size(int64_t part) noexcept nogil:
    """The magnitude, in arithmetic that stays free of branches."""
    return (part ^ (part >> 63)) - (part >> 63)


cdef inline int64_t quat_max(int64_t a, int64_t b) noexcept nogil:
    return a if a > b else b


cdef inline int64_t quat_pick(int64_t a, int64_t b, int64_t mask) noexcept nogil:
    """``a`` when ``mask`` is 0, ``b`` when it is -1."""
    return a ^ ((a ^ b) & mask)


cdef inline int64_t quat_part(uint64_t code, int shift, int bits) noexcept nogil:
    """One rounded component out of a code."""
    return <int64_t>(code >> shift & ((<uint64_t>1 << bits) - 1)) - ((<int64_t>1 << bits) - 1 >> 1)


cdef inline int quat_settle(uint64_t *code, int bits) noexcept nogil:
    """Leave out the component that is greatest after rounding, the first of equals.

    Once is enough. When part p takes the place of root r, which was rounded from sqrt(s), the new
    one left out is sqrt(p*p + s - r*r); p >= r and -r < s - r*r <= r, so that rounds to p.
    """
    return quat_settle_parts(
        code,
        quat_part(code[0], 2, bits),
        quat_part(code[0], 2 + bits, bits),
        quat_part(code[0], 2 + 2 * bits, bits),
        bits,
    )


cdef inline int quat_settle_parts(
    uint64_t *code, int64_t a, int64_t b, int64_t c, int bits
) noexcept nogil:
    """As ``quat_settle``, with the parts of ``code``."""
    cdef int64_t middle = ((<int64_t>1 << bits) - 1) >> 1
    cdef int64_t best = quat_size(a)
    cdef int64_t size = quat_size(b)
    cdef int64_t left = 2 * middle * middle - a * a - b * b - c * c
    best = quat_pick(best, size, (best - size) >> 63)
    size = quat_size(c)
    best = quat_pick(best, size, (best - size) >> 63)
    # sqrt(left) is the component left out; it rounds to more than best when:
    if left > best * best + best:
        return SETTLED
    return quat_resettle(code, <int>(code[0] & 3), a, b, c, best, left, bits)


cdef inline int quat_resettle(
    uint64_t *code, int largest, int64_t a, int64_t b, int64_t c,
    int64_t best, int64_t left, int bits
) noexcept nogil:
    """The rest of ``quat_settle``, near ties; ``left`` is the square of the left-out component."""
    cdef int64_t middle = ((<int64_t>1 << bits) - 1) >> 1
    cdef int64_t part[4]
    cdef int64_t root
    cdef int chosen = 0
    cdef int i
    if left < 0:
        return IMPOSSIBLE
    root = <int64_t>sqrt(<double>left)  # to the nearest, exactly
    while root * root > left:
        root -= 1
    while (root + 1) * (root + 1) <= left:
        root += 1
    if left > root * root + root:
        root += 1
    part[0] = root if largest == 0 else a
    part[1] = root if largest == 1 else (a if largest == 0 else b)
    part[2] = root if largest == 2 else (b if largest < 2 else c)
    part[3] = root if largest == 3 else c
    if root > best:
        best = root
    while (part[chosen] if part[chosen] >= 0 else -part[chosen]) != best:
        chosen += 1
    if chosen == largest:
        return SETTLED
    if part[chosen] < 0:
        for i in range(4):
            part[i] = -part[i]
    code[0] = quat_join(
        chosen,
        part[1] if chosen == 0 else part[0],
        part[2] if chosen <= 1 else part[1],
        part[3] if chosen <= 2 else part[2],
        middle,
        bits,
    )
    return UNSETTLED


cdef inline int quat_code(
    double x, double y, double z, double w, int bits, uint64_t *code
) noexcept nogil:
    """The code of a quaternion of any length but 0; else FAULT_NAN, FAULT_RANGE or FAULT_ZERO.

    No branch depends on the components, which nothing could predict.
    """
    cdef int64_t middle = ((<int64_t>1 << bits) - 1) >> 1
    cdef double offset = <double>(2 * middle) + 0.5  # makes everything positive: floor is a cast
    cdef double scale = <double>middle * 1.4142135623730951
    cdef double total = (x * x + y * y) + (z * z + w * w)
    cdef double biggest
    cdef int64_t a, b, c, d, left, right, second, fourth, upper, sign
    cdef int64_t size_a, size_b, size_c, size_d, top, best
    if not fabs(total - 1.0) <= 1e-7:
        if not (total > 1e-200 and total < 1e200):
            # Divide by the largest, so that squares neither overflow nor vanish.
            if x != x or y != y or z != z or w != w:
                return FAULT_NAN
            biggest = fmax(fmax(fabs(x), fabs(y)), fmax(fabs(z), fabs(w)))
            if not biggest < INFINITY:
                return FAULT_RANGE
            if biggest == 0.0:
                return FAULT_ZERO
            x = x / biggest
            y = y / biggest
            z = z / biggest
            w = w / biggest
            total = (x * x + y * y) + (z * z + w * w)
        scale = scale / sqrt(total)
    a = <int64_t>(x * scale + offset) - 2 * middle
    b = <int64_t>(y * scale + offset) - 2 * middle
    c = <int64_t>(z * scale + offset) - 2 * middle
    d = <int64_t>(w * scale + offset) - 2 * middle
    size_a = quat_size(a)
    size_b = quat_size(b)
    size_c = quat_size(c)
    size_d = quat_size(d)
    # Masks: b is greater than a, d than c, the greater of c and d than that of a and b.
    second = (size_a - size_b) >> 63
    fourth = (size_c - size_d) >> 63
    top = quat_max(size_a, size_b)
    best = quat_max(size_c, size_d)
    upper = (top - best) >> 63
    size_a = size_a + size_b - top  # the smaller of the pair
    size_c = size_c + size_d - best
    left = quat_pick(a, b, second)
    right = quat_pick(c, d, fourth)
    sign = quat_pick(left, right, upper) >> 63  # to turn all signs
    left = a ^ b ^ left  # the other of the pair
    right = c ^ d ^ right
    a = (quat_pick(left, a, upper) ^ sign) - sign
    b = (quat_pick(c, b, upper) ^ sign) - sign
    c = (quat_pick(d, right, upper) ^ sign) - sign
    code[0] = quat_join(
        <int>quat_pick(-second, 2 - fourth, upper), a, b, c, middle, bits
    )
    # The one left out, and the greatest of the others. Rounding those moves the first by less
    # than 3 codes, so with more between them nothing has to be settled.
    size_b = quat_max(top, best)
    best = quat_max(top + best - size_b, quat_pick(size_a, size_c, upper))
    if size_b <= best + 3:
        quat_settle_parts(code, a, b, c, bits)
    return FAULT_NONE


cdef inline int quat_check(uint64_t code, int bits) noexcept nogil:
    """FAULT_NONE when ``quat_code`` can give ``code``; else what is wrong with it."""
    cdef uint64_t mask = (<uint64_t>1 << bits) - 1
    if (
        (code >> 2 & mask) == mask
        or (code >> (2 + bits) & mask) == mask
        or (code >> (2 + 2 * bits) & mask) == mask
    ):
        return FAULT_CODE
    return FAULT_NONE if quat_settle(&code, bits) == SETTLED else FAULT_CANONICAL


cdef inline void quat_value(uint64_t code, int bits, bint single, double *q) noexcept nogil:
    """The rotation of any code, of length 1; components rounded to float32 if ``single``."""
    cdef int64_t mask = (<int64_t>1 << bits) - 1
    cdef int64_t middle = mask >> 1
    cdef double scale = sqrt(0.5) / <double>middle
    cdef int largest = <int>(code & 3)
    cdef double a = <double>((<int64_t>(code >> 2) & mask) - middle) * scale
    cdef double b = <double>((<int64_t>(code >> (2 + bits)) & mask) - middle) * scale
    cdef double c = <double>((<int64_t>(code >> (2 + 2 * bits)) & mask) - middle) * scale
    cdef double rest = (a * a + b * b) + c * c
    if rest > 1.0:  # no rotation has this code
        rest = sqrt(rest)
        a = a / rest
        b = b / rest
        c = c / rest
        rest = 1.0
    rest = sqrt(1.0 - rest)
    if single:
        a = <double><float>a
        b = <double><float>b
        c = <double><float>c
        rest = <double><float>rest
    q[1 >> largest & 1] = a
    q[1 + (3 >> largest & 1)] = b
    q[2 + (7 >> largest & 1)] = c
    q[largest] = rest
