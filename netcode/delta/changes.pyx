"""One section's changes: what of a slot list in T differs from A, in coding order."""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from netcode.delta.contexts cimport eighths_bucket, expected_bucket, seen_bucket
from netcode.delta.course cimport course, course_code, course_predict
from netcode.delta.gaps cimport wide
from netcode.delta.integer cimport (
    absolute,
    multiply,
    quaternion,
    scale_turn,
    turn_between,
    unpack,
)
from netcode.delta.motion cimport (
    HOLD,
    body,
    blend_position,
    blend_rotation,
    body_place,
    consult,
    find_near,
    judge,
    motion,
    motion_open,
    set_near,
    set_reach,
)
from netcode.delta.order cimport (
    CHUNK,
    chunk,
    grid_put,
    grid_ring,
    nearest,
    nearest_before,
    order_chunk,
)
from netcode.delta.rangecoder cimport (
    CODER_COUNT,
    CODER_DECODE,
    CODER_ENCODE,
    code,
    coder_ended,
    coder_finish,
)
from netcode.delta.shape cimport (
    FLAG_OLD,
    FLAG_STEP,
    KIND_ANGLE,
    KIND_ENUM,
    KIND_FLAGS,
    KIND_ID,
    KIND_QUATERNION,
    KIND_VECTOR,
    lane_group,
    table_shape,
)
from netcode.delta.values cimport (
    code_angle,
    code_enum,
    code_flags,
    code_id,
    code_near,
    code_quaternion,
    code_vector,
    seen_errors,
)

from netcode.schema.simd import chosen

__all__ = []

wide = chosen() == "avx2"

cdef enum:
    BLOCK = 256            # entities whose lanes are compared at a time

cdef inline void compare(
    const int32_t *x, const int32_t *y, const lane_group *g, size_t capacity,
    const uint16_t *slots, uint32_t n, bint follow, uint32_t bit, uint32_t *out
) noexcept nogil:
    """Add ``bit`` where the lanes of a group differ; ``follow``: the slots follow one another."""
    cdef const int32_t *x_of[4]
    cdef const int32_t *y_of[4]
    cdef uint32_t i, found
    cdef size_t at
    cdef int j
    for j in range(4):
        # a group of fewer lanes names its first again
        at = g.lane[j if j < g.n else 0] * capacity + (slots[0] if follow else 0)
        x_of[j] = x + at
        y_of[j] = y + at
    if not follow:
        for i in range(n):
            at = slots[i]
            found = <uint32_t>(x_of[0][at] ^ y_of[0][at])
            for j in range(1, g.n):
                found |= <uint32_t>(x_of[j][at] ^ y_of[j][at])
            out[i] |= bit if found else 0
    elif g.n == 1:
        for i in range(n):
            out[i] |= bit if x_of[0][i] ^ y_of[0][i] else 0
    else:
        for i in range(n):
            out[i] |= bit if (
                (x_of[0][i] ^ y_of[0][i]) | (x_of[1][i] ^ y_of[1][i])
                | (x_of[2][i] ^ y_of[2][i]) | (x_of[3][i] ^ y_of[3][i])
            ) else 0


cdef void survey(section_coder *s) noexcept nogil:
    """Which groups moved in (B, A), and, when T is known, which differ from A: a bit each."""
    cdef uint32_t moved[2][BLOCK]
    cdef uint32_t differs[2][BLOCK]
    cdef uint32_t start = 0
    cdef uint32_t n, i
    cdef const uint16_t *slots
    cdef int k
    cdef bint follow
    cdef bint known = s.c.mode != CODER_DECODE
    memset(moved[1], 0, sizeof(moved[1]))    # of groups that most shapes do not have
    memset(differs[1], 0, sizeof(differs[1]))
    while start < s.n:
        n = s.n - start if s.n - start < BLOCK else BLOCK
        slots = s.slots + start
        follow = slots[n - 1] - slots[0] == <int>n - 1
        for k in range(2 if s.shape.n_groups > 32 else 1):
            memset(moved[k], 0, n * sizeof(uint32_t))
            memset(differs[k], 0, n * sizeof(uint32_t))
        for k in range(s.shape.n_groups):
            if s.m.history:
                compare(
                    s.a, s.b, &s.groups[k], s.capacity, slots, n, follow, <uint32_t>1 << (k & 31),
                    moved[k >> 5],
                )
            if known:
                compare(
                    s.t, s.a, &s.groups[k], s.capacity, slots, n, follow, <uint32_t>1 << (k & 31),
                    differs[k >> 5],
                )
        for i in range(n):
            s.moved[start + i] = moved[0][i] | <uint64_t>moved[1][i] << 32
            s.differs[start + i] = differs[0][i] | <uint64_t>differs[1][i] << 32
        start += n


cdef inline uint32_t speed_bucket(const section_coder *s) noexcept nogil:
    """0..7"""
    cdef uint32_t e = expected_bucket(s.m.now.dry[HOLD])
    return (e + 1) // 2


cdef inline uint32_t neighbour_state(const section_coder *s, const body *x) noexcept nogil:
    """0 none, 1..4 by how many of the nearest changed."""
    cdef uint32_t n = 1
    cdef int k
    if not x.near_n:
        return 0
    for k in range(x.near_n):
        n += s.m.bodies[x.near[k]].changed
    return n


cdef void plan_course(
    section_coder *s, int k, uint32_t slot, const int64_t *old, const int64_t *older, course *way
) noexcept nogil:
    """Predict the vector group that an angle leads."""
    cdef const lane_group *angle = &s.groups[s.shape.heading]
    cdef size_t at = <size_t>angle.lane[0] * s.capacity + slot
    cdef int up = 16 - angle.bits if angle.bits < 16 else 0
    cdef int down = angle.bits - 16 if angle.bits > 16 else 0
    course_predict(
        way, &s.heading, s.groups[k].n, old, older,
        <int64_t><uint32_t>s.t[at] >> down << up, <int64_t><uint32_t>s.a[at] >> down << up,
        <int64_t><uint32_t>s.b[at] >> down << up, 1 << up, &s.pace,
    )


cdef void plan_turn(
    section_coder *s, const int64_t *old, const int64_t *older, int64_t top, quaternion *out
) noexcept nogil:
    """A rotation that nothing else predicts goes on turning."""
    cdef quaternion now
    cdef quaternion before
    cdef quaternion turn
    unpack(<uint32_t>old[0], old[1], old[2], old[3], top, &now)
    unpack(<uint32_t>older[0], older[1], older[2], older[3], top, &before)
    turn_between(&now, &before, &turn)
    scale_turn(&turn, s.m.num, s.m.den)
    multiply(&turn, &now, out)


cdef void code_values(
    section_coder *s, int k, uint32_t slot, body *x, seen_errors *seen
) noexcept nogil:
    """The values of one changed group, into t."""
    cdef const lane_group *g = &s.groups[k]
    cdef int64_t values[4]
    cdef int64_t old[4]
    cdef int64_t older[4]
    cdef int64_t guess[3]
    cdef int64_t step, expected
    cdef quaternion turned
    cdef course way
    cdef size_t at
    cdef int i
    for i in range(g.n):
        at = <size_t>g.lane[i] * s.capacity + slot
        values[i] = <uint32_t>s.t[at]
        old[i] = <uint32_t>s.a[at]
        older[i] = <uint32_t>s.b[at]
    if g.kind == KIND_VECTOR:
        if x != NULL and k == s.shape.position:
            code_vector(
                &s.c, g, values, s.m.now.mix, eighths_bucket(s.m.now.expected), seen, &s.bad
            )
            for i in range(g.n):
                x.then[i] = 16 * values[i]
        elif k == s.shape.course:
            plan_course(s, k, slot, old, older, &way)
            course_code(&s.c, g, values, old, &way, &s.bad)
        else:
            expected = 0
            for i in range(g.n):
                step = 16 * (old[i] - older[i]) * s.m.num // s.m.den
                guess[i] = 16 * old[i] + step
                expected += absolute(step)
            code_vector(&s.c, g, values, guess, expected_bucket(expected // g.n), seen, &s.bad)
    elif g.kind == KIND_QUATERNION:
        if x != NULL and k == s.shape.rotation:
            blend_rotation(&s.m, <int>(x - s.m.bodies))
            code_quaternion(
                &s.c, g, values, &s.m.now.q_mix, eighths_bucket(s.m.now.q_expected), seen, &s.bad
            )
            unpack(<uint32_t>values[0], values[1], values[2], values[3], g.top[1], &x.q_then)
        else:
            plan_turn(s, old, older, g.top[1], &turned)
            expected = 32 * (old[0] != older[0])
            for i in range(1, 4):
                expected += 16 * absolute(old[i] - older[i]) // 3
            code_quaternion(
                &s.c, g, values, &turned, expected_bucket(expected), seen, &s.bad
            )
    elif g.kind == KIND_ANGLE:
        values[0] = code_angle(&s.c, g, values[0], old[0], older[0], s.moving)
    elif g.kind == KIND_ENUM:
        values[0] = code_enum(&s.c, g, values[0], old[0])
        if values[0] > g.top[0]:
            values[0] = old[0]
    elif g.kind == KIND_FLAGS:
        values[0] = code_flags(&s.c, g, values[0], old[0], older[0])
        if values[0] & ~g.top[0]:
            values[0] = old[0]
    elif g.kind == KIND_ID:
        values[0] = code_id(&s.c, g, values[0], old[0], 0)
        if values[0] > g.top[0]:
            values[0] = old[0]
    else:
        values[0] = code_near(
            &s.c, g.value, values[0], 16 * old[0], g.top[0],
            expected_bucket(16 * absolute(old[0] - older[0])) if old[0] != older[0] else (
                expected_bucket(old[0])), old[0] != older[0], &s.bad,
        )
    if s.c.mode == CODER_DECODE:
        step = 0
        for i in range(g.n):
            s.t[<size_t>g.lane[i] * s.capacity + slot] = <int32_t><uint32_t>values[i]
            step |= values[i] ^ old[i]
        if step == 0:
            s.bad = True


cdef inline uint32_t state_of(const section_coder *s, uint32_t slot) noexcept nogil:
    """0..63: the old value of the entity's first small enum."""
    if s.shape.state < 0:
        return 0
    return <uint32_t>s.a[<size_t>s.groups[s.shape.state].lane[0] * s.capacity + slot] & 63


cdef inline uint32_t flag_context(
    const section_coder *s, const lane_group *g, size_t at, uint32_t moved, uint32_t state,
    uint32_t history
) noexcept nogil:
    """0..1023, without a position: how a group moved from B to A, the state, earlier flags."""
    cdef int64_t step
    if g.rule == FLAG_OLD:
        return (<uint32_t>s.a[at] & 63) << 3 | history
    if g.rule == FLAG_STEP:
        if not s.m.history:
            return 960 | state
        if not moved:
            return (history & 1) << 6 | state
        step = absolute(<int64_t><uint32_t>s.a[at] - <int64_t><uint32_t>s.b[at])
        if g.kind == KIND_ANGLE and step > g.top[0] >> 1:
            step = g.top[0] + 1 - step
        step = seen_bucket(step, 1) - 1
        return <uint32_t>(step if step < 6 else 6) << 7 | (history & 1) << 6 | state
    if not s.m.history:
        return 63 << 3 | history
    return ((moved << 1) + s.moving) << 3 | history


cdef inline bint code_bundle(
    section_coder *s, uint64_t moved, uint64_t differs, uint32_t history, uint32_t aside
) noexcept nogil:
    """Whether any of the groups changed that seldom do."""
    cdef uint32_t at = 2
    if s.m.history:
        at = moved >> s.shape.bundle != 0
    at = (at << 3 | history) << 6 | aside
    return code(&s.c, s.shape.bundled + at, differs >> s.shape.bundle != 0)


cdef void code_groups(
    section_coder *s, uint32_t i, uint32_t slot, body *x
) noexcept nogil:
    """Group flags and values of a changed entity."""
    cdef uint64_t moved = s.moved[i]
    cdef uint64_t differs = s.differs[i]
    cdef uint64_t coded = 0
    cdef uint32_t history = 0
    cdef uint32_t at, aside
    cdef const lane_group *g
    cdef uint64_t cost
    cdef int k, bit
    cdef int last = s.shape.n_groups - 1
    cdef seen_errors seen
    seen.total = 0
    seen.n = 0
    s.moving = s.shape.course >= 0 and (moved >> s.shape.course) & 1
    aside = state_of(s, slot) if x == NULL else neighbour_state(s, x)
    for k in range(last + 1):
        g = &s.groups[k]
        cost = s.c.cost
        if k == s.shape.bundle:
            if coded and not code_bundle(s, moved, differs, history, aside):
                s.group_costs[k] += s.c.cost - cost
                return
            coded = 0
        if k == last and coded == 0:
            bit = 1
        else:
            at = <uint32_t>(moved >> k & 1)
            if x != NULL:
                at = ((at if s.m.history else 7) << 3 | history) << 3 | aside
            else:
                at = flag_context(
                    s, g, <size_t>g.lane[0] * s.capacity + slot, at, aside, history
                )
            bit = code(&s.c, g.flag + at, <int>(differs >> k & 1))
        history = (history << 1 | <uint32_t>bit) & 7
        if bit:
            coded |= <uint64_t>1 << k
            code_values(s, k, slot, x, &seen)
        if s.c.mode == CODER_COUNT:
            s.group_costs[k] += s.c.cost - cost


cdef inline void charge(section_coder *s, uint32_t i, uint64_t cost) noexcept nogil:
    """When counting: what was coded since ``cost`` was for entity ``i``."""
    if s.c.mode == CODER_COUNT:
        s.entity_costs[s.slots[i]] += s.c.cost - cost


cdef void code_body(section_coder *s, int at, uint32_t i) noexcept nogil:
    """One entity that moved in (B, A)."""
    cdef body *x = &s.m.bodies[at]
    cdef uint32_t context
    consult(&s.m, at)
    blend_position(&s.m, at)
    context = speed_bucket(s) << 3 | neighbour_state(s, x)
    if code(&s.c, 256 + context, s.differs[i] != 0):
        x.changed = True
        code_groups(s, i, x.slot, x)
    judge(&s.m, at)


cdef void start_body(section_coder *s, int at, uint32_t i) noexcept nogil:
    """An entity that was still and now changed."""
    cdef body *x = &s.m.bodies[at]
    cdef const table_shape *shape = s.shape
    x.slot = s.slots[i]
    body_place(
        &s.m, x, &s.groups[shape.position],
        &s.groups[shape.rotation] if shape.rotation >= 0 else NULL, s.a, s.b, s.capacity,
    )
    find_near(&s.m, at)
    consult(&s.m, at)
    blend_position(&s.m, at)
    x.changed = True
    code_groups(s, i, x.slot, x)
    judge(&s.m, at)


cdef inline void place_of(const section_coder *s, uint32_t slot, int32_t *place) noexcept nogil:
    """Where a slot is in A."""
    cdef const lane_group *g = &s.groups[s.shape.position]
    cdef int k
    place[1] = place[2] = 0
    for k in range(g.n):
        place[k] = <int32_t>(
            <uint32_t>s.a[<size_t>g.lane[k] * s.capacity + slot] >> s.m.place_shift
        )


cdef void order_bodies(section_coder *s, uint64_t moving) noexcept nogil:
    """Place what moved from B to A, in coding order."""
    cdef motion *m = &s.m
    cdef const lane_group *q = &s.groups[s.shape.rotation] if s.shape.rotation >= 0 else NULL
    cdef chunk *c = &m.chunk
    cdef int32_t place[3]
    cdef nearest near
    cdef uint32_t i = 0
    cdef int k, at
    cdef int64_t inverse = 0
    cdef int64_t n = 0
    cdef bint reached = False
    while i < s.n:
        c.n = 0
        while i < s.n and c.n < CHUNK:
            if s.moved[i] & moving:
                place_of(s, s.slots[i], place)
                c.x[c.n] = place[0]
                c.y[c.n] = place[1]
                c.z[c.n] = place[2]
                c.item[c.n] = <int32_t>i
                c.n += 1
            i += 1
        order_chunk(c)
        if not reached and c.n > 1:
            for k in range(1, c.n):
                inverse += (<int64_t>1 << 32) // (c.best[k] + 1)
            n = c.n - 1
            set_reach(m, inverse, n)
            reached = True
        for k in range(c.n):
            at = m.n + k
            m.bodies[at].index = <uint32_t>c.item[k]
            m.bodies[at].slot = s.slots[c.item[k]]
            body_place(m, &m.bodies[at], &s.groups[s.shape.position], q, s.a, s.b, s.capacity)
            nearest_before(c, k, &near)
            set_near(m, at, &near, m.n)
        m.n += c.n
    if not reached:
        set_reach(m, 1 << 24, 1)


cdef inline bint hopeless(const section_coder *s) noexcept nogil:
    """Whether the section is lost already: what is left of it need not be coded."""
    return s.c.full or (s.bad and s.c.mode == CODER_DECODE)


cdef void run_bodies(section_coder *s) noexcept nogil:
    """A section of a table with positions."""
    cdef const table_shape *shape = s.shape
    cdef motion *m = &s.m
    cdef uint64_t moving = <uint64_t>1 << shape.position
    cdef uint32_t i, context
    cdef int32_t place[3]
    cdef uint64_t cost
    cdef int at
    m.q_top = 0
    if shape.rotation >= 0:
        m.q_top = s.groups[shape.rotation].top[1]
        moving |= <uint64_t>1 << shape.rotation
    motion_open(m, s.groups[shape.position].bits)
    order_bodies(s, moving)
    for at in range(m.n):
        cost = s.c.cost
        code_body(s, at, m.bodies[at].index)
        charge(s, m.bodies[at].index, cost)
        if hopeless(s):
            s.reached = <uint32_t>(<uint64_t>s.n * <uint32_t>at // <uint32_t>m.n)
            return
    for at in range(m.n):
        if m.bodies[at].changed:
            grid_put(&m.grid, m.bodies[at].place[0], m.bodies[at].place[1])
    for i in range(s.n):
        if s.moved[i] & moving:
            continue
        place_of(s, s.slots[i], place)
        context = grid_ring(&m.grid, place[0], place[1])
        context += 64 * (s.moved[i] != 0) if m.history else 128
        cost = s.c.cost
        if code(&s.c, context, s.differs[i] != 0):
            at = m.n
            start_body(s, at, i)
            m.n += 1
            grid_put(&m.grid, place[0], place[1])
            if hopeless(s):
                s.reached = i
                return
        charge(s, i, cost)


cdef void run_plain(section_coder *s) noexcept nogil:
    """A section of a table without positions."""
    cdef uint32_t i, context
    cdef uint64_t cost
    for i in range(s.n):
        cost = s.c.cost
        context = <uint32_t>(s.moved[i] & 15) << 6 | state_of(s, s.slots[i]) if s.m.history else (
            960 | state_of(s, s.slots[i]))
        if code(&s.c, context, s.differs[i] != 0):
            code_groups(s, i, s.slots[i], NULL)
            if hopeless(s):
                s.reached = i
                return
        charge(s, i, cost)


cdef int64_t section_run(section_coder *s) noexcept nogil:
    """Code the section; bytes written (encoder), 0, or a reason."""
    s.bad = False
    s.reached = s.n
    s.pace.den = s.m.den
    s.pace.ahead = (<int64_t>s.m.num << 16) // s.m.den
    s.pace.per_tick = 65536 // s.m.den + (65536 % s.m.den != 0)
    survey(s)
    if s.shape.position >= 0:
        run_bodies(s)
    else:
        run_plain(s)
    if s.c.mode == CODER_ENCODE:
        if not s.c.full:
            coder_finish(&s.c)
        return CODED_FULL if s.c.full else <int64_t>s.c.size
    if s.c.mode == CODER_DECODE and (s.bad or not coder_ended(&s.c)):
        return CODED_BAD
    return 0
