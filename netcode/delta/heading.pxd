"""An angle that says where an entity moves: its velocity turned, or built anew from the angle."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from netcode.delta.integer cimport absolute, root


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


cdef struct heading_model:
    bint known             # the direction of motion is sign * angle + offset
    int sign
    int64_t offset         # in 1/65536 turns
    int n_speeds
    int64_t speeds[SPEEDS]  # usual ones, 1/256 codes a tick, rising


cdef inline int64_t sine(int64_t angle) noexcept nogil:
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


cdef inline int64_t cosine(int64_t angle) noexcept nogil:
    return sine(angle + 16384)


cdef inline int64_t usual_speed(
    const heading_model *h, int64_t speed, int64_t slack
) noexcept nogil:
    """The usual speed nearest to ``speed``, when within ``slack``, else -1."""
    cdef int64_t best = -1
    cdef int64_t off = slack + 1
    cdef int i
    for i in range(h.n_speeds):
        if absolute(h.speeds[i] - speed) < off:
            off = absolute(h.speeds[i] - speed)
            best = h.speeds[i]
    return best
