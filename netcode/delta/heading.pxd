"""An angle that says where an entity moves: its velocity turned, or built anew from the angle."""

from libc.stdint cimport int32_t, int64_t, uint32_t


cdef extern from *:
    """
    static const int nc_quarter_sine[65] = {
        0, 804, 1608, 2411, 3212, 4011, 4808, 5602, 6393, 7180, 7962, 8740,
        9512, 10279, 11039, 11793, 12540, 13279, 14010, 14733, 15447, 16151, 16846, 17531,
        18205, 18868, 19520, 20160, 20788, 21403, 22006, 22595, 23170, 23732, 24279, 24812,
        25330, 25833, 26320, 26791, 27246, 27684, 28106, 28511, 28899, 29269, 29622, 29957,
        30274, 30572, 30853, 31114, 31357, 31581, 31786, 31972, 32138, 32286, 32413, 32522,
        32610, 32679, 32729, 32758, 32768
    };
    """
    const int *quarter_sine "nc_quarter_sine"


cdef enum:
    SPEEDS = 16
    TURN = 65536           # a full turn
    CIRCLE = 4096          # steps of a turn in the table of sines
    CIRCLE_ROOM = 5120     # a quarter more


cdef struct heading_model:
    bint known             # the direction of motion is sign * angle + offset
    int sign
    int64_t offset         # in 1/65536 turns
    int n_speeds
    int64_t speeds[SPEEDS]  # usual ones, 1/256 codes a tick, rising
    int32_t circle[CIRCLE_ROOM]


cdef inline int64_t exact_sine(int64_t angle) noexcept nogil:
    """Q15, of an angle in 1/65536 turns."""
    cdef uint32_t a = <uint32_t>(angle & 65535)
    cdef bint negative = a >= 32768
    cdef uint32_t at, part
    cdef int64_t value
    a &= 32767
    if a > 16384:
        a = 32768 - a
    at = a >> 8
    part = a & 255
    value = quarter_sine[at]
    if part:
        value += ((quarter_sine[at + 1] - value) * part) >> 8
    return -value if negative else value


cdef inline void fill_circle(int32_t *circle) noexcept nogil:
    """The sines of CIRCLE + CIRCLE / 4 steps, so that a cosine is a sine further on."""
    cdef int i
    for i in range(CIRCLE_ROOM):
        circle[i] = <int32_t>exact_sine(16 * i)


cdef inline int64_t sine(const heading_model *h, int64_t angle) noexcept nogil:
    """Q15, of an angle in 1/65536 turns."""
    return h.circle[(angle + 8) >> 4 & (CIRCLE - 1)]


cdef inline int64_t cosine(const heading_model *h, int64_t angle) noexcept nogil:
    return h.circle[((angle + 8) >> 4 & (CIRCLE - 1)) + CIRCLE // 4]


cdef inline int64_t usual_speed(
    const heading_model *h, int64_t speed, int64_t slack
) noexcept nogil:
    """The usual speed nearest to ``speed``, when within ``slack``, else -1."""
    cdef int64_t off
    cdef int i = 0
    while i < h.n_speeds and h.speeds[i] < speed:
        i += 1
    off = h.speeds[i] - speed if i < h.n_speeds else slack + 1
    if i and speed - h.speeds[i - 1] <= off:
        i -= 1
        off = speed - h.speeds[i]
    return h.speeds[i] if off <= slack else -1
