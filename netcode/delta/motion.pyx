"""Bodies: order, neighbours, predictions and what errors they made."""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from netcode.delta.gaps cimport gap_of
from netcode.delta.integer cimport (
    ONE,
    absolute,
    log_eighths,
    multiply,
    normalise,
    quaternion,
    rotate,
    scale_turn,
    times,
    turn_between,
    unpack,
)
from netcode.delta.order cimport CHUNK, PLACE_BITS, grid_open, nearest, offer, offer_none
from netcode.delta.shape cimport lane_group

__all__ = []

cdef enum:
    FAR = 1 << 24          # sixteenths: further away, turns are not transferred
    ERROR_FLOOR = 45       # sixteenths
    REACH = 4              # eighths of the mean gap to the nearest
    UNKNOWN = 512          # sixteenths: error of hold when there is no B
    POS_NEAR = 8
    LINEAR_POS = 2
    STRAIGHT_NEAR = 3      # neighbours that hold and linear are judged by
    FREE_WEIGHT = 6        # of 64, for hold and linear beside neighbours


cdef void body_place(
    motion *m, body *x, const lane_group *p, const lane_group *q,
    const int32_t *a, const int32_t *b, uint32_t capacity
) noexcept nogil:
    """Fill in where the body of ``x.slot`` is in A and B."""
    cdef int i
    cdef const int32_t *from_a = a + x.slot
    cdef const int32_t *from_b = b + x.slot
    cdef size_t at
    x.changed = False
    x.turned = False
    for i in range(3):
        x.now[i] = x.before[i] = 0
    for i in range(p.n):
        at = <size_t>p.lane[i] * capacity
        x.now[i] = 16 * <int64_t><uint32_t>from_a[at]
        x.before[i] = 16 * <int64_t><uint32_t>from_b[at]
    for i in range(3):
        x.place[i] = <int32_t>(x.now[i] >> (4 + m.place_shift))
    memcpy(x.then, x.now, sizeof(x.now))
    identity(&x.turn_then)
    if q == NULL:
        identity(&x.turn_now)
    else:
        unpack(
            <uint32_t>from_a[<size_t>q.lane[0] * capacity],
            from_a[<size_t>q.lane[1] * capacity],
            from_a[<size_t>q.lane[2] * capacity],
            from_a[<size_t>q.lane[3] * capacity], q.top[1], &x.q_now,
        )
        for i in range(4):
            if from_a[<size_t>q.lane[i] * capacity] != from_b[<size_t>q.lane[i] * capacity]:
                x.turned = True
        if x.turned:
            unpack(
                <uint32_t>from_b[<size_t>q.lane[0] * capacity],
                from_b[<size_t>q.lane[1] * capacity],
                from_b[<size_t>q.lane[2] * capacity],
                from_b[<size_t>q.lane[3] * capacity], q.top[1], &x.q_before,
            )
            face(&x.q_before, &x.q_now)
            turn_between(&x.q_now, &x.q_before, &x.turn_now)
        else:
            x.q_before = x.q_now
            identity(&x.turn_now)
        x.q_then = x.q_now


cdef inline void identity(quaternion *q) noexcept nogil:
    q.v[0] = q.v[1] = q.v[2] = 0
    q.v[3] = ONE


cdef void motion_open(motion *m, int bits) noexcept nogil:
    """Begin a section; ``bits`` is the width of the widest position lane."""
    m.n = 0
    m.error_sum = m.q_error_sum = 256
    m.q_per_error = 4096
    m.ahead = (m.num << 16) // m.den
    m.q_unit = (m.q_top * 16 * 181 << 2) // 3
    m.place_shift = bits - PLACE_BITS if bits > PLACE_BITS else 0
    m.reach = 1


cdef void set_reach(motion *m, int64_t sum_inverse, int64_t n) noexcept nogil:
    """From the harmonic mean of the distances to the nearest."""
    m.reach = ((n << 32) // (sum_inverse + 1) * REACH >> 3) + 1
    if m.reach > FAR >> 4:
        m.reach = FAR >> 4
    m.near_unit = (1 << 30) // m.reach
    grid_open(&m.grid, m.reach)


cdef void set_near(motion *m, int i, const nearest *near, int first) noexcept nogil:
    """Note the neighbours of a body; ``first`` is the body that number 0 of the keys means."""
    cdef body *x = &m.bodies[i]
    cdef int64_t far
    cdef int k
    x.near_n = near.n
    for k in range(near.n):
        x.near[k] = first + (near.key[k] & 255)
        far = (<int64_t>(near.key[k] >> 8) << 8) * m.near_unit >> 30
        x.far[k] = <int32_t>(far if far < ERROR_MAX else ERROR_MAX)


cdef void find_near(motion *m, int i) noexcept nogil:
    """The nearest changed bodies before ``i``, of the last CHUNK."""
    cdef int first = i - CHUNK if i > CHUNK else 0
    cdef int j
    cdef nearest near
    cdef const int32_t *p = m.bodies[i].place
    cdef const int32_t *q
    offer_none(&near)
    for j in range(i - 1, first - 1, -1):
        if m.bodies[j].changed:
            q = m.bodies[j].place
            offer(&near, gap_of(p[0] - q[0], p[1] - q[1], p[2] - q[2]) << 8 | (j - first))
    set_near(m, i, &near, first)


cdef inline int64_t distance(const int64_t *a, const int64_t *b) noexcept nogil:
    """Mean distance of the components, in sixteenths."""
    cdef int64_t total = absolute(a[0] - b[0]) + absolute(a[1] - b[1]) + absolute(a[2] - b[2])
    total = total // 3
    return total if total < ERROR_MAX else ERROR_MAX


cdef inline int64_t turn_distance(
    const motion *m, const quaternion *a, const quaternion *b
) noexcept nogil:
    """About the mean distance of three codes, in sixteenths, of quaternions of near signs."""
    cdef int64_t total = 0
    cdef int i
    for i in range(4):
        total += absolute(<int64_t>a.v[i] - b.v[i])
    total = (total >> 10) * m.q_unit >> 30
    return total if total < ERROR_MAX else ERROR_MAX


cdef inline void face(quaternion *q, const quaternion *other) noexcept nogil:
    """Take of q and -q, which are the same rotation, the nearer to ``other``."""
    cdef int64_t dot = 0
    cdef int i
    for i in range(4):
        dot += times(q.v[i] >> 4, other.v[i] >> 4)
    if dot < 0:
        for i in range(4):
            q.v[i] = -q.v[i]


cdef inline void carry_along(
    const motion *m, const int64_t *from_near, const int64_t *to_near, const quaternion *turn,
    const int64_t *here, int64_t *out
) noexcept nogil:
    """Move ``here`` as a rigid whole with a neighbour."""
    cdef int64_t arm[3]
    cdef int64_t turned[3]
    cdef int i
    cdef bint near = m.q_top != 0      # else nothing turns
    for i in range(3):
        arm[i] = here[i] - from_near[i]
        if absolute(arm[i]) > FAR:
            near = False
    if near:
        rotate(turn, arm, turned)
    else:
        memcpy(turned, arm, sizeof(arm))
    for i in range(3):
        out[i] = to_near[i] + turned[i]


cdef void consult(motion *m, int i) noexcept nogil:
    """Where each expert sees the body in T, and what error it makes predicting A from B."""
    cdef const body *x = &m.bodies[i]
    cdef const body *y
    cdef trial *t = &m.now
    cdef int64_t guess[3]
    cdef quaternion turned
    cdef int j, k
    t.mixed = False
    for j in range(3):
        t.guess[HOLD][j] = x.now[j]
        t.guess[LINEAR][j] = x.now[j] + ((x.now[j] - x.before[j]) * m.ahead >> 16)
    if m.q_top:
        t.q_guess[HOLD] = x.q_now
        t.q_guess[LINEAR] = x.q_now
        if x.turned:
            turned = x.turn_now
            scale_turn(&turned, m.num, m.den)
            multiply(&turned, &x.q_now, &t.q_guess[LINEAR])
    if m.history:
        t.dry[HOLD] = distance(x.before, x.now)
        if m.q_top:
            t.q_dry[HOLD] = turn_distance(m, &x.q_before, &x.q_now)
    else:
        for k in range(EXPERTS):
            t.dry[k] = UNKNOWN >> (k >= NEAR)
            t.q_dry[k] = UNKNOWN >> (k >= NEAR)
    for k in range(x.near_n):
        y = &m.bodies[x.near[k]]
        carry_along(m, y.now, y.then, &y.turn_then, x.now, t.guess[NEAR + k])
        if m.q_top:
            multiply(&y.turn_then, &x.q_now, &t.q_guess[NEAR + k])
        if not m.history:
            continue
        carry_along(m, y.before, y.now, &y.turn_now, x.before, guess)
        t.dry[NEAR + k] = distance(guess, x.now)
        if m.q_top:
            multiply(&y.turn_now, &x.q_before, &turned)
            t.q_dry[NEAR + k] = turn_distance(m, &turned, &x.q_now)


cdef uint16_t trust_table[2049]
cdef int ratio_at
for ratio_at in range(2049):
    trust_table[ratio_at] = <uint16_t>(ratio_at * ratio_at * <int64_t>ratio_at >> 21)


cdef inline int64_t trust(int64_t best, int64_t e) noexcept nogil:
    """The weight of an error e beside the best one: 1/e**3, 4096 for the best."""
    return trust_table[<uint32_t>((best + ERROR_FLOOR) << 11) // <uint32_t>(e + ERROR_FLOOR)]


cdef void expect(
    motion *m, const body *x, int64_t *e, bint rotation, int64_t hold, int64_t linear
) noexcept nogil:
    """The error to expect of each expert, from rehearsal and from the neighbours."""
    cdef const body *y
    cdef const trial *t = &m.now
    cdef int64_t own
    cdef int k
    cdef int n = 1
    cdef int64_t still = t.q_dry[HOLD] if rotation else t.dry[HOLD]
    cdef int64_t straight = 0
    for k in range(x.near_n):
        y = &m.bodies[x.near[k]]
        if rotation:
            own = 2 * t.q_dry[NEAR + k] + 6 * <int64_t>y.q_mix_error + POS_NEAR * (
                distance(t.guess[NEAR + k], x.then) * m.q_per_error >> 12)
        else:
            own = 3 * t.dry[NEAR + k] + 5 * <int64_t>y.mix_error
        if own > 8 * ERROR_MAX:
            own = 8 * ERROR_MAX
        own += own * x.far[k] >> 8
        own >>= 3
        e[NEAR + k] = own if own < ERROR_MAX else ERROR_MAX
        if n <= STRAIGHT_NEAR:
            still += y.q_error[HOLD] if rotation else y.error[HOLD]
            straight += y.q_error[LINEAR] if rotation else y.error[LINEAR]
            n += 1
    e[HOLD] = still // n
    e[LINEAR] = straight // (n - 1) if n > 1 else still // 4 + 8
    e[HOLD] += hold
    e[LINEAR] += linear
    for k in range(2):
        if e[k] > ERROR_MAX:
            e[k] = ERROR_MAX


cdef int64_t estimate(
    motion *m, const body *x, int64_t judged, int64_t spread, bint rotation
) noexcept nogil:
    """The error to expect of the mix: a product of powers of what is known."""
    cdef int64_t near = 0
    cdef int64_t n = 0
    cdef int k
    cdef const body *y
    cdef int64_t a = <int64_t>log_eighths(<uint64_t>(judged + 8))
    cdef int64_t b = <int64_t>log_eighths(<uint64_t>(spread + 8))
    for k in range(x.near_n if x.near_n < 3 else 3):
        y = &m.bodies[x.near[k]]
        if y.near_n:
            near += y.q_mix_log if rotation else y.mix_log
            n += 1
    near = near // n if n else a
    if rotation:
        judged = distance(m.now.mix, x.then) * m.q_per_error >> 12
        return (15 * a + 2 * b + 5 * near + 40 * <int64_t>log_eighths(<uint64_t>(judged + 8))) // 64
    if m.q_top and m.history:
        # what turns fast is hard to place
        return (
            6 * a + 26 * b + 26 * near - 8 * <int64_t>log_eighths(<uint64_t>(m.now.dry[HOLD] + 8))
            + 20 * <int64_t>log_eighths(<uint64_t>(m.now.q_dry[HOLD] + 8)) - 125
        ) // 64
    return (10 * a + 29 * b + 27 * near) // 64


cdef void blend_position(motion *m, int i) noexcept nogil:
    cdef const body *x = &m.bodies[i]
    cdef trial *t = &m.now
    cdef int64_t e[EXPERTS]
    cdef int64_t best = ERROR_MAX
    cdef int64_t w
    cdef int64_t all_w = 0
    cdef int64_t total[3]
    cdef int64_t error = 0
    cdef int64_t w_of[EXPERTS]
    cdef int j, k
    cdef int n = NEAR + x.near_n
    memset(total, 0, sizeof(total))
    expect(m, x, e, False, 0, 0)
    for k in range(n):
        if e[k] < best:
            best = e[k]
    for k in range(n):
        w = trust(best, e[k])
        if k < NEAR and x.near_n:
            w = w * FREE_WEIGHT >> 6
        w_of[k] = w
        all_w += w
        error += w * e[k]
        for j in range(3):
            total[j] += w * (t.guess[k][j] - x.now[j])
    for j in range(3):
        t.mix[j] = x.now[j] + total[j] // all_w
    t.expected = error // all_w
    error = 0
    for k in range(n):
        error += w_of[k] * distance(t.guess[k], t.mix)
    t.spread = error // all_w
    t.expected = estimate(m, x, t.expected, t.spread, False)


cdef void blend_rotation(motion *m, int i) noexcept nogil:
    """After the position is known: how hold and linear did there counts too."""
    cdef const body *x = &m.bodies[i]
    cdef trial *t = &m.now
    cdef int64_t e[EXPERTS]
    cdef int64_t best = ERROR_MAX
    cdef int64_t w
    cdef int64_t all_w = 0
    cdef int64_t total[4]
    cdef int64_t error = 0
    cdef int64_t w_of[EXPERTS]
    cdef int j, k
    cdef int n = NEAR + x.near_n
    memset(total, 0, sizeof(total))
    expect(
        m, x, e, True,
        LINEAR_POS * distance(t.guess[HOLD], x.then) * m.q_per_error >> 12,
        LINEAR_POS * distance(t.guess[LINEAR], x.then) * m.q_per_error >> 12,
    )
    for k in range(n):
        if e[k] < best:
            best = e[k]
    for k in range(n):
        w = trust(best, e[k])
        if k < NEAR and x.near_n:
            w = w * FREE_WEIGHT >> 6
        w_of[k] = w
        all_w += w
        error += w * e[k]
        for j in range(4):
            total[j] += w * t.q_guess[k].v[j]
    for j in range(4):
        t.q_mix.v[j] = <int32_t>(total[j] // all_w)
    normalise(&t.q_mix)
    t.q_expected = error // all_w
    error = 0
    for k in range(n):
        error += w_of[k] * turn_distance(m, &t.q_guess[k], &t.q_mix)
    t.q_spread = error // all_w
    t.q_expected = estimate(m, x, t.q_expected, t.q_spread, True)
    t.mixed = True


cdef void judge(motion *m, int i) noexcept nogil:
    """With T known: the turn made, and the errors."""
    cdef body *x = &m.bodies[i]
    cdef trial *t = &m.now
    cdef int k
    if m.q_top and x.changed:
        face(&x.q_then, &x.q_now)
    for k in range(2):
        x.error[k] = <int32_t>distance(t.guess[k], x.then)
        if m.q_top:
            x.q_error[k] = <int32_t>turn_distance(m, &t.q_guess[k], &x.q_then)
    x.mix_error = <int32_t>distance(t.mix, x.then)
    if m.q_top:
        if not t.mixed:
            blend_rotation(m, i)
        x.q_mix_error = <int32_t>turn_distance(m, &t.q_mix, &x.q_then)
        m.error_sum += x.mix_error
        m.q_error_sum += x.q_mix_error
        m.q_per_error = (m.q_error_sum << 12) // m.error_sum
        if x.changed:
            turn_between(&x.q_then, &x.q_now, &x.turn_then)
    if not x.near_n:
        x.mix_error = 0    # says nothing of how others move with it
        x.q_mix_error = 0
    x.mix_log = <int32_t>log_eighths(<uint64_t>(x.mix_error + 8))
    x.q_mix_log = <int32_t>log_eighths(<uint64_t>(x.q_mix_error + 8))
