"""Where an entity goes that moves where an angle points."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from netcode.delta.contexts cimport expected_bucket, seen_bucket
from netcode.delta.heading cimport cosine, heading_model, sine, usual_speed
from netcode.delta.integer cimport absolute, root
from netcode.delta.rangecoder cimport range_coder
from netcode.delta.shape cimport lane_group
from netcode.delta.values cimport code_near


cdef enum:
    STEADY = 130           # 1/65536 turns; less is no turn, more in any angle of under 9 bits
    STARTING = 7           # situation: was still


cdef struct pace:
    int64_t den            # ticks A - B
    int64_t ahead          # (T - A) / (A - B), 1/65536
    int64_t per_tick       # 1/65536 of 1 / (A - B), rounded up


cdef struct course:
    int64_t guess[3]       # sixteenths
    int64_t expected[3]    # sixteenths
    int64_t way[2]         # Q15, the direction of motion in T, 0 when unknown
    uint32_t situation     # 0..7


cdef inline int64_t wrapped(int64_t angle) noexcept nogil:
    """-32768..32767"""
    return ((angle + 32768) & 65535) - 32768


cdef inline void average_start(
    course *c, const heading_model *h, const int64_t *old, const int64_t *older, int64_t angle,
    int64_t distance
) noexcept nogil:
    """B, moved on, says as well as A where A was before rounding."""
    cdef int64_t x, y
    angle = h.sign * angle + h.offset
    x = 16 * (older[0] - old[0]) + ((distance * cosine(h, angle)) >> 15)
    y = 16 * (older[1] - old[1]) + ((distance * sine(h, angle)) >> 15)
    if absolute(x) <= 20 and absolute(y) <= 20:
        c.guess[0] += x // 2
        c.guess[1] += y // 2


cdef inline void course_predict(
    course *c, const heading_model *h, int n, const int64_t *old, const int64_t *older,
    int64_t then, int64_t now, int64_t before, int64_t step, const pace *p
) noexcept nogil:
    """From codes in A and B, and the angle in T, A, B, 1/65536 turns; ``step``: a code of it."""
    cdef int64_t v[3]
    cdef int64_t turn = wrapped(then - now)
    cdef int64_t last = wrapped(now - before)
    cdef int64_t still = 2 * step if 2 * step > STEADY else STEADY
    cdef int64_t angle, speed, usual, side, room
    cdef int i
    cdef bint turning = absolute(turn) > still
    cdef bint turned = absolute(last) > still
    for i in range(3):
        v[i] = 0
        c.guess[i] = 0
        c.expected[i] = 0
    for i in range(n):
        v[i] = 16 * (old[i] - older[i])
        if absolute(v[i]) > 1 << 24:
            v[i] = 0
        c.guess[i] = 16 * old[i] + (v[i] * p.ahead >> 16)
        c.expected[i] = 8 + (absolute(v[i]) >> 3)
    c.way[0] = c.way[1] = 0
    c.situation = 0
    speed = <int64_t>root(<uint64_t>(v[0] * v[0] + v[1] * v[1]))
    # only where the motion of B to A was along the angle is that of A to T built from it
    if h.known:
        angle = h.sign * (now - last // 2) + h.offset
        side = absolute(v[0] * sine(h, angle) - v[1] * cosine(h, angle)) >> 15
        room = 24 + (speed * absolute(last) >> 14)
        if side <= room:
            angle = h.sign * (then - (turn // 3 if turning else 0)) + h.offset
            c.way[0] = cosine(h, angle)
            c.way[1] = sine(h, angle)
    if speed < 16:
        c.situation = STARTING
        c.expected[0] = c.expected[1] = 300
        c.expected[2] = 32
        return
    usual = -1
    if c.way[0] or c.way[1]:
        usual = usual_speed(h, speed * p.per_tick >> 12, 24 * p.per_tick >> 12)
        if usual >= 0:
            speed = usual * p.den >> 4
        speed = speed * p.ahead >> 16
        for i in range(2):
            c.guess[i] = 16 * old[i] + ((speed * c.way[i]) >> 15)
        if usual >= 0 and not turned:
            average_start(c, h, old, older, now - last // 2, usual * p.den >> 4)
    elif turning or turned:
        angle = (2 * turn + last) // 3 if turning else turn
        angle = h.sign * angle
        v[2] = (v[0] * cosine(h, angle) - v[1] * sine(h, angle)) >> 15
        v[1] = (v[0] * sine(h, angle) + v[1] * cosine(h, angle)) >> 15
        v[0] = v[2]
        for i in range(2):
            c.guess[i] = 16 * old[i] + (v[i] * p.ahead >> 16)
        speed = speed * p.ahead >> 16
    side = 8 + ((speed * absolute(turn) * 3) >> 16 if turning else 0)
    c.expected[0] = c.expected[1] = side + (0 if usual >= 0 else 8)
    c.situation = <uint32_t>(1 + 2 * turning + turned)
    if usual >= 0 and not turning and not turned:
        c.situation = 0
    elif usual < 0:
        c.situation = 5 + turning


cdef inline void course_code(
    range_coder *c, const lane_group *g, int64_t *values, const int64_t *old, course *way, bint *bad
) noexcept nogil:
    """The longer of the two ways first; a change of speed shows in both."""
    cdef int first = 0 if absolute(way.way[0]) >= absolute(way.way[1]) else 1
    cdef int order[3]
    cdef int i, k
    cdef int64_t miss
    cdef int64_t total = 0
    cdef uint32_t seen
    order[0] = first
    order[1] = 1 - first
    order[2] = 2
    for i in range(g.n):
        k = order[i]
        seen = way.situation if i == 0 else seen_bucket(total, i)
        values[k] = code_near(
            c, g.value, values[k], way.guess[k], g.top[k], expected_bucket(way.expected[k]),
            seen, bad,
        )
        miss = values[k] - ((way.guess[k] + 8) >> 4)
        if i == 0:
            total = absolute(miss)
            if way.way[first] and total > 2:
                way.guess[1 - first] += 16 * miss * way.way[1 - first] // way.way[first]
                # the rest of the line is as good as a small miss
                total = total >> 3
                way.expected[1 - first] = way.expected[1 - first] >> (
                    3 if way.situation == STARTING else 0)
        else:
            total += absolute(miss)
