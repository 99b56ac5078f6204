"""What the server knows of one client: which ticks it acknowledged, and what is on its way.

For each slot there is the newest tick whose state the client said it holds, and which of the 63
before it. Whether the slot must be sent, and which baselines may be named, follows from these and
the shared ring alone; nothing is remembered from packet to packet.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

from netcode.delta.changes cimport section_coder
from netcode.delta.history cimport ring_find, snapshot, snapshot_ring
from netcode.delta.layout cimport lane_layout
from netcode.delta.section cimport HISTORY_TICKS, NO_TICK, tick_near
from netcode.replication.cache cimport (
    cache_sections,
    record_release,
    section_cache,
    section_group,
    section_record,
)
from netcode.replication.wire cimport (
    DECODED_TICKS,
    WIRE_MALFORMED,
    WIRE_OK,
    WIRE_STALE,
    get_u16,
)

__all__ = []


cdef viewer *viewer_new(const uint32_t *capacities, uint32_t n_tables) noexcept nogil:
    """A client that holds nothing; NULL without memory."""
    cdef viewer *v = <viewer *>calloc(1, sizeof(viewer))
    cdef uint32_t i
    if v == NULL:
        return NULL
    v.last = v.acked = NO_TICK
    for i in range(HISTORY_TICKS):
        v.sent[i].tick = NO_TICK
    v.n_tables = n_tables
    v.tables = <viewer_table *>calloc(n_tables if n_tables else 1, sizeof(viewer_table))
    if v.tables == NULL:
        viewer_free(v)
        return NULL
    for i in range(n_tables):
        if capacities[i] == 0:
            continue
        v.tables[i].capacity = capacities[i]
        v.tables[i].settled = NO_TICK
        v.tables[i].acked = <int32_t *>malloc(capacities[i] * sizeof(int32_t))
        v.tables[i].kept = <uint64_t *>calloc(capacities[i], sizeof(uint64_t))
        v.tables[i].told = <uint8_t *>calloc(capacities[i], 1)
        if not (v.tables[i].acked and v.tables[i].kept and v.tables[i].told):
            viewer_free(v)
            return NULL
        memset(v.tables[i].acked, 0xFF, capacities[i] * sizeof(int32_t))  # NO_TICK
    return v


cdef void viewer_free(viewer *v) noexcept nogil:
    """Forget a client."""
    cdef uint32_t i
    if v == NULL:
        return
    for i in range(HISTORY_TICKS):
        drop(&v.sent[i])
        free(v.sent[i].records)
    if v.tables != NULL:
        for i in range(v.n_tables):
            free(v.tables[i].acked)
            free(v.tables[i].kept)
            free(v.tables[i].told)
        free(v.tables)
    free(v)


cdef void drop(sent_tick *sent) noexcept nogil:
    """Stop waiting for the acknowledgement of a tick."""
    cdef uint32_t i
    for i in range(sent.count):
        if sent.records[i] != NULL:
            record_release(sent.records[i])
    sent.count = 0
    sent.tick = NO_TICK


cdef int choose(
    section_cache *cache, viewer_plan *plan, const lane_layout *layout, section_coder *coder,
    uint8_t table, const viewer_table *vt, const snapshot *now, const snapshot *base,
    const snapshot *older, const uint16_t *slots, uint32_t count
) noexcept nogil:
    """Add the sections of a slot set to the plan; -1 without memory."""
    cdef section_record **records
    cdef uint32_t room
    cdef const section_group *group = cache_sections(
        cache, layout, coder, table, vt.version, vt.model, now, base, older, slots, count
    )
    if group == NULL:
        return -1
    if plan.count + group.sections > plan.room:
        room = 2 * (plan.count + group.sections)
        records = <section_record **>realloc(plan.records, room * sizeof(section_record *))
        if records == NULL:
            return -1
        plan.records = records
        plan.room = room
    memcpy(
        plan.records + plan.count, cache.records + group.first,
        group.sections * sizeof(section_record *),
    )
    plan.count += group.sections
    return 0


cdef uint32_t merge(uint16_t *into, uint32_t n, const uint16_t *more, uint32_t m) noexcept nogil:
    """Merge rising ``more`` into rising ``into``, from the back; return the new length."""
    cdef uint32_t length = n + m
    while m:
        if n and into[n - 1] > more[m - 1]:
            into[n + m - 1] = into[n - 1]
            n -= 1
        else:
            into[n + m - 1] = more[m - 1]
            m -= 1
    return length


cdef inline bint joins(
    const viewer_table *vt, const snapshot *now, const snapshot *older, uint32_t slot
) noexcept nogil:
    """Whether the client holds the slot's state at ``older``, a snapshot in the slot's life: one
    acknowledged from the last change before it on."""
    cdef int32_t near = vt.acked[slot] - older.tick
    cdef int32_t far = vt.acked[slot] - older.changed[slot]
    if now.life[slot] > older.tick or far < 0:
        return False
    near = near if near > 0 else 0
    far = far if far < HISTORY_TICKS else HISTORY_TICKS - 1
    return near <= far and (
        vt.kept[slot] >> near & (((<uint64_t>2 << (far - near)) - 1))) != 0


cdef const snapshot *older_of(
    const viewer_table *vt, const snapshot_ring *ring, const snapshot *now, const snapshot *base,
    const uint16_t *slots, uint32_t count
) noexcept nogil:
    """The second baseline: as far before the first as that is before now, or near there; farther
    away only when there is none near. NULL when too few slots can join one to be worth it."""
    cdef const snapshot *older
    cdef const snapshot *best = NULL
    cdef int32_t target = 2 * base.tick - now.tick
    cdef int32_t tick
    cdef uint32_t most = VIEWER_APART - 1
    cdef uint32_t n, i, k
    if target < ring.oldest:
        target = ring.oldest
    for k in range(4 * VIEWER_OLDER_TRIES):
        if k >= VIEWER_OLDER_TRIES and best != NULL:
            break
        tick = target + <int32_t>((k + 1) // 2) * (1 if k & 1 else -1)
        if tick >= base.tick or tick < ring.oldest:
            continue
        older = ring_find(ring, tick)
        if older == NULL:
            continue
        n = 0
        for i in range(count):
            n += joins(vt, now, older, slots[i])
        if n == count:
            return older
        if n > most:
            most = n
            best = older
    return best


cdef uint32_t part(
    const viewer_table *vt, const snapshot *now, const snapshot *older, viewer_plan *plan,
    uint32_t count
) noexcept nogil:
    """Move what joins ``older`` from the plan's group to its pair; return how many are left."""
    cdef uint32_t left = 0
    cdef uint32_t i
    for i in range(count):
        if joins(vt, now, older, plan.group[i]):
            plan.pair[i - left] = plan.group[i]
        else:
            plan.group[left] = plan.group[i]
            left += 1
    return left


cdef int viewer_plan_table(
    viewer *v, uint8_t table, const lane_layout *layout, section_coder *coder,
    const snapshot_ring *ring, section_cache *cache, viewer_plan *plan
) noexcept nogil:
    """Add to the plan what this client needs of one table; -1 without memory.

    A slot whose last change is not acknowledged needs sending. It can join any baseline D that
    is in the ring, not older than its acknowledged tick, and before its next change: the client
    holds a state at or before D, and the newest such equals the state at D. ``layout``, ``coder``
    (NULL: plain sections) and ``ring`` are those of the version of the table that this client has.
    """
    cdef viewer_table *vt = &v.tables[table]
    cdef const snapshot *now = &ring.cells[ring.head]
    cdef const snapshot *base
    cdef uint32_t n_full = 0
    cdef uint32_t n_rest = 0
    cdef const snapshot *older
    cdef uint32_t n_group, n_left, n_pair
    cdef uint32_t rounds = 0
    cdef uint32_t slot, i
    cdef int32_t acked, tick
    if vt.capacity == 0 or ring.last_change <= vt.settled:
        return 0
    for slot in range(layout.capacity):
        acked = vt.acked[slot]
        if now.changed[slot] <= acked:
            continue
        if acked == NO_TICK or now.life[slot] > acked:
            if now.alive[slot] or vt.told[slot]:
                plan.full[n_full] = <uint16_t>slot
                n_full += 1
            else:
                vt.acked[slot] = now.tick  # it never heard of the slot, so it holds it as dead
                vt.kept[slot] = 1
        else:
            plan.rest[n_rest] = <uint16_t>slot
            n_rest += 1
    if n_full == 0 and n_rest == 0:
        vt.settled = now.tick
        return 0
    # Few baselines serve best: first the newest tick the client answered to, which others with
    # the same delay will name too, then the newest that is left among its slots.
    while n_rest:
        tick = ring.oldest
        if rounds == 0 and v.acked > tick:
            tick = v.acked
        if rounds:
            for i in range(n_rest):
                if vt.acked[plan.rest[i]] > tick:
                    tick = vt.acked[plan.rest[i]]
        base = ring_find(ring, tick)
        n_group = n_left = 0
        if base != NULL and rounds < VIEWER_MAX_BASELINES:
            for i in range(n_rest):
                slot = plan.rest[i]
                if base.changed[slot] <= vt.acked[slot]:
                    plan.group[n_group] = <uint16_t>slot
                    n_group += 1
                else:
                    plan.rest[n_left] = <uint16_t>slot
                    n_left += 1
            n_rest = n_left
        if n_group:
            older = NULL
            n_pair = 0
            if coder != NULL:
                older = older_of(vt, ring, now, base, plan.group, n_group)
            if older != NULL:
                n_pair = n_group
                n_group = part(vt, now, older, plan, n_group)
                n_pair -= n_group
            if n_pair and choose(
                cache, plan, layout, coder, table, vt, now, base, older, plan.pair, n_pair
            ):
                return -1
            if n_group and choose(
                cache, plan, layout, coder, table, vt, now, base, NULL, plan.group, n_group
            ):
                return -1
        elif rounds:  # behind the ring, or too many baselines
            n_full = merge(plan.full, n_full, plan.rest, n_rest)
            break
        rounds += 1
    if n_full and choose(
        cache, plan, layout, coder, table, vt, now, NULL, NULL, plan.full, n_full
    ):
        return -1
    return 0


cdef int viewer_send(
    viewer *v, int32_t tick, uint32_t most, viewer_plan *plan, uint32_t *first
) noexcept nogil:
    """Note the sections of a plan as sent: ``most`` at most, beginning at the cursor (``first``)
    and going round. Return how many, or -1 without memory (nothing is noted then)."""
    cdef sent_tick *sent = &v.sent[tick % HISTORY_TICKS]
    cdef uint32_t count = plan.count if plan.count < most else most
    cdef section_record **records
    cdef section_record *record
    cdef uint32_t i, k
    drop(sent)
    if count:
        records = <section_record **>realloc(sent.records, count * sizeof(section_record *))
        if records == NULL:
            return -1
        sent.records = records
    first[0] = v.cursor % plan.count if count < plan.count else 0
    v.cursor = first[0] + count if count < plan.count else 0
    for i in range(count):
        record = plan.records[(first[0] + i) % plan.count]
        record.references += 1
        sent.records[i] = record
        if record.baseline == NO_TICK:
            for k in range(record.count):
                v.tables[record.table].told[record.slots[k]] = 1
    sent.tick = tick
    sent.count = count
    v.last = tick
    return <int>count


cdef void acknowledge(viewer *v, sent_tick *sent, uint32_t index) noexcept nogil:
    """The client holds the states of one section."""
    cdef section_record *record = sent.records[index]
    cdef int32_t *acked
    cdef uint64_t *kept
    cdef int32_t ahead
    cdef uint32_t k, slot
    if record == NULL:
        return
    acked = v.tables[record.table].acked
    kept = v.tables[record.table].kept
    if v.acked < sent.tick:
        v.acked = sent.tick
    for k in range(record.count):
        slot = record.slots[k]
        ahead = sent.tick - acked[slot] if acked[slot] != NO_TICK else HISTORY_TICKS
        if ahead >= HISTORY_TICKS:
            kept[slot] = 1
            acked[slot] = sent.tick
        elif ahead > 0:
            kept[slot] = kept[slot] << ahead | 1
            acked[slot] = sent.tick
        elif ahead > -HISTORY_TICKS:
            kept[slot] |= <uint64_t>1 << -ahead
    sent.records[index] = NULL
    record_release(record)


cdef sent_tick *sent_at(viewer *v, int32_t tick) noexcept nogil:
    """What was sent at a tick, or NULL when that is not known (any more)."""
    if tick < 0 or v.sent[tick % HISTORY_TICKS].tick != tick:
        return NULL
    return &v.sent[tick % HISTORY_TICKS]


cdef int viewer_decoded(
    viewer *v, int32_t newest, const uint8_t *data, size_t size
) noexcept nogil:
    """Apply a DECODED frame: 0, or why not. Parsed whole before anything takes effect."""
    cdef sent_tick *sent
    cdef int32_t tick
    cdef uint32_t all_of, n, i, k, last, _
    cdef size_t at
    cdef int back, width
    cdef int status = WIRE_STALE
    if size < 5:
        return WIRE_MALFORMED
    tick = tick_near(get_u16(data), newest)
    all_of = get_u16(data + 2)
    n = data[4]
    if n > DECODED_TICKS:
        return WIRE_MALFORMED
    at = 5
    back = -1
    for _ in range(n):
        if at + 2 > size or <int>data[at] <= back or data[at] >= DECODED_TICKS:
            return WIRE_MALFORMED
        back = data[at]
        width = data[at + 1]
        if width < 1 or width > 32 or at + 2 + <size_t>width > size or all_of >> back & 1:
            return WIRE_MALFORMED
        at += 2 + <size_t>width
        if data[at - 1] == 0:
            return WIRE_MALFORMED
    if at != size:
        return WIRE_MALFORMED
    for i in range(DECODED_TICKS):
        if not all_of >> i & 1:
            continue
        sent = sent_at(v, tick - <int32_t>i)
        if sent != NULL:
            status = WIRE_OK
            for k in range(sent.count):
                acknowledge(v, sent, k)
    at = 5
    for _ in range(n):
        sent = sent_at(v, tick - <int32_t>data[at])
        width = data[at + 1]
        at += 2
        if sent != NULL:
            status = WIRE_OK
            last = sent.count if sent.count < <uint32_t>(8 * width) else <uint32_t>(8 * width)
            for k in range(last):
                if data[at + k // 8] >> (k % 8) & 1:
                    acknowledge(v, sent, k)
        at += <size_t>width
    return status


cdef int viewer_missing(
    viewer *v, int32_t newest, const uint8_t *data, size_t size
) noexcept nogil:
    """Apply a MISSING frame: 0, or why not. Full state follows for slots that are not known to be
    held since."""
    cdef sent_tick *sent
    cdef section_record *record
    cdef viewer_table *vt
    cdef int status = WIRE_STALE
    cdef size_t at = 0
    cdef uint32_t k
    if size == 0 or size % 3:
        return WIRE_MALFORMED
    while at < size:
        sent = sent_at(v, tick_near(get_u16(data + at), newest))
        if sent != NULL and data[at + 2] < sent.count and sent.records[data[at + 2]] != NULL:
            status = WIRE_OK
            record = sent.records[data[at + 2]]
            sent.records[data[at + 2]] = NULL
            vt = &v.tables[record.table]
            for k in range(record.count):
                if vt.acked[record.slots[k]] <= record.baseline:
                    vt.acked[record.slots[k]] = NO_TICK
                    vt.kept[record.slots[k]] = 0
            record_release(record)
        at += 3
    return status
