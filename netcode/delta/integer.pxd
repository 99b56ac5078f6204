"""Integer functions that both ends compute alike: logarithm buckets, roots, quaternions in Q30."""

from libc.math cimport sqrt
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t


cdef extern from *:
    """
    #if defined(_MSC_VER)
    #include <intrin.h>
    static __inline int nc_top_bit(unsigned long long x) {
        unsigned long i; _BitScanReverse64(&i, x); return (int)i;
    }
    #else
    static inline int nc_top_bit(unsigned long long x) { return 63 - __builtin_clzll(x); }
    #endif
    """
    int top_bit "nc_top_bit"(uint64_t x) noexcept nogil


cdef enum:
    ONE = 1 << 30          # 1.0 of a quaternion component


cdef struct quaternion:
    int32_t v[4]           # x, y, z, w; at most 1.84, as products of three codes are


cdef inline int64_t absolute(int64_t x) noexcept nogil:
    return -x if x < 0 else x


cdef inline uint32_t log_eighths(uint64_t x) noexcept nogil:
    """About 8 * log2(x), never decreasing; 0 for 0 and 1."""
    cdef int top
    if x < 4:
        return 0 if x < 2 else 8 if x == 2 else 12
    if x < 8:
        return <uint32_t>(8 + 2 * x)
    top = top_bit(x)
    return <uint32_t>(8 * top) + (<uint32_t>(x >> (top - 3)) & 7)


cdef inline uint64_t root(uint64_t x) noexcept nogil:
    """The square root, rounded down, of x < 2**62: exact whatever the hardware's root was."""
    cdef uint64_t y = <uint64_t>sqrt(<double>x)
    while y * y > x:
        y -= 1
    while (y + 1) * (y + 1) <= x:
        y += 1
    return y


cdef inline int64_t times(int32_t a, int32_t b) noexcept nogil:
    return <int64_t>a * b


cdef inline void normalise(quaternion *q) noexcept nogil:
    """To length 1; the identity from nothing."""
    cdef uint64_t size = 0
    cdef int64_t length
    cdef int i
    for i in range(4):
        size += <uint64_t>times(q.v[i] >> 1, q.v[i] >> 1)
    length = <int64_t>root(size)
    if length < 1024:
        q.v[0] = q.v[1] = q.v[2] = 0
        q.v[3] = ONE
        return
    for i in range(4):
        q.v[i] = <int32_t>(<int64_t>q.v[i] * (1 << 29) // length)


cdef inline void multiply(const quaternion *a, const quaternion *b, quaternion *out) noexcept nogil:
    """The rotation ``b``, then ``a``; out is neither."""
    cdef int64_t ax = a.v[0]
    cdef int64_t ay = a.v[1]
    cdef int64_t az = a.v[2]
    cdef int64_t aw = a.v[3]
    cdef int64_t bx = b.v[0]
    cdef int64_t by = b.v[1]
    cdef int64_t bz = b.v[2]
    cdef int64_t bw = b.v[3]
    out.v[0] = <int32_t>((aw * bx + ax * bw + ay * bz - az * by) >> 30)
    out.v[1] = <int32_t>((aw * by - ax * bz + ay * bw + az * bx) >> 30)
    out.v[2] = <int32_t>((aw * bz + ax * by - ay * bx + az * bw) >> 30)
    out.v[3] = <int32_t>((aw * bw - ax * bx - ay * by - az * bz) >> 30)


cdef inline void turn_between(
    const quaternion *a, const quaternion *b, quaternion *out
) noexcept nogil:
    """The rotation from ``b`` to ``a``, w >= 0."""
    cdef quaternion back
    cdef int i
    for i in range(3):
        back.v[i] = -b.v[i]
    back.v[3] = b.v[3]
    multiply(a, &back, out)
    if out.v[3] < 0:
        for i in range(4):
            out.v[i] = -out.v[i]


cdef inline void scale_turn(quaternion *q, int64_t num, int64_t den) noexcept nogil:
    """Multiply the angle of a turn with w >= 0 by num / den (both 1 to 255), about."""
    cdef int64_t high
    cdef int i
    if num == den:
        return
    high = num if num > den else den
    for i in range(3):
        q.v[i] = <int32_t>(q.v[i] * num // high)
    q.v[3] = <int32_t>(q.v[3] * den // high)
    normalise(q)


cdef inline void rotate(const quaternion *q, const int64_t *v, int64_t *out) noexcept nogil:
    """Rotate a vector of components below 2**29."""
    cdef int64_t qx = q.v[0]
    cdef int64_t qy = q.v[1]
    cdef int64_t qz = q.v[2]
    cdef int64_t qw = q.v[3]
    cdef int64_t x = (qy * v[2] - qz * v[1]) >> 29
    cdef int64_t y = (qz * v[0] - qx * v[2]) >> 29
    cdef int64_t z = (qx * v[1] - qy * v[0]) >> 29
    out[0] = v[0] + ((qw * x + qy * z - qz * y) >> 30)
    out[1] = v[1] + ((qw * y + qz * x - qx * z) >> 30)
    out[2] = v[2] + ((qw * z + qx * y - qy * x) >> 30)


cdef inline int64_t component(int64_t code, int64_t top) noexcept nogil:
    """Q30 of a smallest-three code 0..top (top below 2**20)."""
    return (2 * code - top) * 759250125 // top


cdef inline void unpack(
    uint32_t largest, int64_t a, int64_t b, int64_t c, int64_t top, quaternion *q
) noexcept nogil:
    """The quaternion of smallest-three codes, about length 1 whatever they are."""
    cdef int64_t v[3]
    cdef int64_t rest = <int64_t>1 << 58
    cdef uint32_t i
    cdef uint32_t n = 0
    v[0] = component(a, top)
    v[1] = component(b, top)
    v[2] = component(c, top)
    for i in range(3):
        rest -= (v[i] >> 1) * (v[i] >> 1)
    for i in range(4):
        if i == (largest & 3):
            q.v[i] = <int32_t>(root(<uint64_t>rest) << 1) if rest > 0 else 0
        else:
            q.v[i] = <int32_t>v[n]
            n += 1


cdef inline int64_t code_sixteenths(int64_t x, int64_t top) noexcept nogil:
    """Sixteenths of a code for a component in Q30 (below 2**31); not clamped."""
    return (((x >> 4) * ((top * 1518500250) >> 15)) >> 38) + 8 * top
