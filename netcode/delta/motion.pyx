"""Bodies: order, neighbours, predictions and what errors they made."""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from netcode.delta.integer cimport (
    ONE,
    absolute,
    log_eighths,
    multiply,
    normalise,
    quaternion,
    root,
    rotate,
    scale_turn,
    turn_between,
    unpack,
)
from netcode.delta.order cimport (
    CHUNK,
    GRID_STEPS,
    gap_of,
    grid_cell,
    grid_open,
    nearest,
    offer,
)
from netcode.delta.shape cimport lane_group

__all__ = []

cdef enum:
    FAR = 1 << 24          # sixteenths: further away, turns are not transferred
    ERROR_FLOOR = 2048     # squared sixteenths
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
    x.mixed = False
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
    m.place_shift = bits - 24 if bits > 24 else 0
    m.reach = 1


cdef void set_reach(motion *m, int64_t sum_inverse, int64_t n) noexcept nogil:
    """From the harmonic mean of the distances to the nearest."""
    m.reach = ((n << 32) // (sum_inverse + 1) * REACH >> 3) + 1
    if m.reach > FAR >> 4:
        m.reach = FAR >> 4
    grid_open(&m.grid, 8 * m.reach)


cdef void set_near(motion *m, int i, const nearest *near) noexcept nogil:
    cdef body *x = &m.bodies[i]
    cdef int k
    x.near_n = near.n
    for k in range(near.n):
        x.near[k] = near.body[k]
        x.far[k] = 256 * <int64_t>near.gap[k] // m.reach


cdef void find_near(motion *m, int i) noexcept nogil:
    """The nearest changed bodies before ``i``, of the last CHUNK."""
    cdef int j
    cdef nearest near
    cdef const int32_t *p = m.bodies[i].place
    cdef const int32_t *q
    near.n = 0
    for j in range(i - CHUNK if i > CHUNK else 0, i):
        if m.bodies[j].changed:
            q = m.bodies[j].place
            offer(&near, j, gap_of(p[0] - q[0], p[1] - q[1], p[2] - q[2]))
    set_near(m, i, &near)


cdef void grid_put(motion *m, int i) noexcept nogil:
    """Make a changed body known to the still entities around it."""
    cdef body *x = &m.bodies[i]
    cdef int32_t cx = x.place[0] >> m.grid.shift
    cdef int32_t cy = x.place[1] >> m.grid.shift
    cdef uint32_t cell = grid_cell(cx, cy)
    cdef int32_t j, k
    for j in range(cx - 1, cx + 2):
        for k in range(cy - 1, cy + 2):
            m.grid.marked[grid_cell(j, k)] = 1
    x.chained = m.grid.head[cell]
    m.grid.head[cell] = i


cdef int32_t grid_gap(motion *m, const int32_t *place) noexcept nogil:
    """Distance to the nearest changed body when it is within the reach of the grid, or much."""
    cdef int32_t best = 0x7FFFFFFF
    cdef int32_t x, y, at, gap
    cdef int32_t cx = place[0] >> m.grid.shift
    cdef int32_t cy = place[1] >> m.grid.shift
    cdef const int32_t *q
    cdef int steps = 0
    if not m.grid.marked[grid_cell(cx, cy)]:
        return best
    for x in range(cx - 1, cx + 2):
        for y in range(cy - 1, cy + 2):
            at = m.grid.head[grid_cell(x, y)]
            while at >= 0 and steps < GRID_STEPS:
                q = m.bodies[at].place
                gap = gap_of(place[0] - q[0], place[1] - q[1], place[2] - q[2])
                if gap < best:
                    best = gap
                at = m.bodies[at].chained
                steps += 1
    return best


cdef inline int64_t distance(const int64_t *a, const int64_t *b) noexcept nogil:
    """Mean distance of the components, in sixteenths."""
    cdef int64_t total = absolute(a[0] - b[0]) + absolute(a[1] - b[1]) + absolute(a[2] - b[2])
    total = total // 3
    return total if total < ERROR_MAX else ERROR_MAX


cdef inline int64_t turn_distance(
    const quaternion *a, const quaternion *b, int64_t top
) noexcept nogil:
    """About the mean distance of three codes, in sixteenths; the sign of a quaternion is free."""
    cdef int64_t total = 0
    cdef int64_t other = 0
    cdef int i
    for i in range(4):
        total += absolute(a.v[i] - b.v[i])
        other += absolute(a.v[i] + b.v[i])
    if other < total:
        total = other
    total = (((total >> 8) * top * 16) // 3) * 181 >> 30
    return total if total < ERROR_MAX else ERROR_MAX


cdef inline void carry_along(
    const int64_t *from_near, const int64_t *to_near, const quaternion *turn,
    const int64_t *here, int64_t *out
) noexcept nogil:
    """Move ``here`` as a rigid whole with a neighbour."""
    cdef int64_t arm[3]
    cdef int64_t turned[3]
    cdef int i
    cdef bint near = True
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


cdef void rehearse(motion *m, int i) noexcept nogil:
    """What errors the experts that can be tried make predicting A from B."""
    cdef body *x = &m.bodies[i]
    cdef const body *y
    cdef int64_t guess[3]
    cdef quaternion turned
    cdef int k
    if not m.history:
        for k in range(NEAR + x.near_n):
            x.dry[k] = UNKNOWN >> (k >= NEAR)
            x.q_dry[k] = UNKNOWN >> (k >= NEAR)
        return
    x.dry[HOLD] = distance(x.before, x.now)
    if m.q_top:
        x.q_dry[HOLD] = turn_distance(&x.q_before, &x.q_now, m.q_top)
    for k in range(x.near_n):
        y = &m.bodies[x.near[k]]
        carry_along(y.before, y.now, &y.turn_now, x.before, guess)
        x.dry[NEAR + k] = distance(guess, x.now)
        if m.q_top:
            multiply(&y.turn_now, &x.q_before, &turned)
            x.q_dry[NEAR + k] = turn_distance(&turned, &x.q_now, m.q_top)


cdef void predict(motion *m, int i) noexcept nogil:
    """Where each expert sees the body in T."""
    cdef body *x = &m.bodies[i]
    cdef const body *y
    cdef quaternion turn
    cdef int j, k
    for j in range(3):
        x.guess[HOLD][j] = x.now[j]
        x.guess[LINEAR][j] = x.now[j] + (x.now[j] - x.before[j]) * m.num // m.den
    for k in range(x.near_n):
        y = &m.bodies[x.near[k]]
        carry_along(y.now, y.then, &y.turn_then, x.now, x.guess[NEAR + k])
    if m.q_top:
        x.q_guess[HOLD] = x.q_now
        x.q_guess[LINEAR] = x.q_now
        if x.turned:
            turn = x.turn_now
            scale_turn(&turn, m.num, m.den)
            multiply(&turn, &x.q_now, &x.q_guess[LINEAR])
        for k in range(x.near_n):
            multiply(&m.bodies[x.near[k]].turn_then, &x.q_now, &x.q_guess[NEAR + k])


cdef uint16_t trust_table[4097]
cdef int ratio_at
for ratio_at in range(4097):
    trust_table[ratio_at] = <uint16_t>((ratio_at * <int64_t>root(<uint64_t>ratio_at)) >> 6)


cdef inline int64_t trust(int64_t best, int64_t e) noexcept nogil:
    """The weight of an error e beside the best one: 1/e**3, 4096 for the best."""
    return trust_table[((best * best + ERROR_FLOOR) << 12) // (e * e + ERROR_FLOOR)]


cdef void expect(
    motion *m, const body *x, int64_t *e, bint rotation, int64_t hold, int64_t linear
) noexcept nogil:
    """The error to expect of each expert, from rehearsal and from the neighbours."""
    cdef const body *y
    cdef int64_t own
    cdef int k
    cdef int n = 1
    cdef int64_t still = x.q_dry[HOLD] if rotation else x.dry[HOLD]
    cdef int64_t straight = 0
    for k in range(x.near_n):
        y = &m.bodies[x.near[k]]
        if rotation:
            own = 2 * x.q_dry[NEAR + k] + 6 * y.q_mix_error + POS_NEAR * (
                distance(x.guess[NEAR + k], x.then) * m.q_error_sum // m.error_sum)
        else:
            own = 3 * x.dry[NEAR + k] + 5 * y.mix_error
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
            near += <int64_t>log_eighths(
                <uint64_t>((y.q_mix_error if rotation else y.mix_error) + 8)
            )
            n += 1
    near = near // n if n else a
    if rotation:
        judged = distance(x.mix, x.then) * m.q_error_sum // m.error_sum
        return (15 * a + 2 * b + 5 * near + 40 * <int64_t>log_eighths(<uint64_t>(judged + 8))) // 64
    if m.q_top and m.history:
        # what turns fast is hard to place
        return (
            6 * a + 26 * b + 26 * near - 8 * <int64_t>log_eighths(<uint64_t>(x.dry[HOLD] + 8))
            + 20 * <int64_t>log_eighths(<uint64_t>(x.q_dry[HOLD] + 8)) - 125
        ) // 64
    return (10 * a + 29 * b + 27 * near) // 64


cdef void blend_position(motion *m, int i) noexcept nogil:
    cdef body *x = &m.bodies[i]
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
            total[j] += w * (x.guess[k][j] - x.now[j])
    for j in range(3):
        x.mix[j] = x.now[j] + total[j] // all_w
    x.expected = error // all_w
    error = 0
    for k in range(n):
        error += w_of[k] * distance(x.guess[k], x.mix)
    x.spread = error // all_w
    x.expected = estimate(m, x, x.expected, x.spread, False)


cdef void blend_rotation(motion *m, int i) noexcept nogil:
    """After the position is known: how hold and linear did there counts too."""
    cdef body *x = &m.bodies[i]
    cdef int64_t e[EXPERTS]
    cdef int64_t best = ERROR_MAX
    cdef int64_t w
    cdef int64_t all_w = 0
    cdef int64_t error = 0
    cdef int64_t dot
    cdef int64_t w_of[EXPERTS]
    cdef int j, k
    cdef int n = NEAR + x.near_n
    cdef quaternion *q = &x.q_mix
    memset(q, 0, sizeof(quaternion))
    expect(
        m, x, e, True,
        LINEAR_POS * distance(x.guess[HOLD], x.then) * m.q_error_sum // m.error_sum,
        LINEAR_POS * distance(x.guess[LINEAR], x.then) * m.q_error_sum // m.error_sum,
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
        dot = 0
        for j in range(4):
            dot += (x.q_guess[k].v[j] >> 4) * (x.q_now.v[j] >> 4)
        if dot < 0:
            w = -w
        for j in range(4):
            q.v[j] += w * x.q_guess[k].v[j]
    for j in range(4):
        q.v[j] = q.v[j] // all_w
    normalise(q)
    x.q_expected = error // all_w
    error = 0
    for k in range(n):
        error += w_of[k] * turn_distance(&x.q_guess[k], q, m.q_top)
    x.q_spread = error // all_w
    x.q_expected = estimate(m, x, x.q_expected, x.q_spread, True)
    x.mixed = True


cdef void judge(motion *m, int i) noexcept nogil:
    """With T known: the turn made, and the errors."""
    cdef body *x = &m.bodies[i]
    cdef int k
    for k in range(2):
        x.error[k] = distance(x.guess[k], x.then)
        if m.q_top:
            x.q_error[k] = turn_distance(&x.q_guess[k], &x.q_then, m.q_top)
    x.mix_error = distance(x.mix, x.then)
    if m.q_top:
        if not x.mixed:
            blend_rotation(m, i)
        x.q_mix_error = turn_distance(&x.q_mix, &x.q_then, m.q_top)
        m.error_sum += x.mix_error
        m.q_error_sum += x.q_mix_error
        if x.changed:
            turn_between(&x.q_then, &x.q_now, &x.turn_then)
    if not x.near_n:
        x.mix_error = 0    # says nothing of how others move with it
        x.q_mix_error = 0
