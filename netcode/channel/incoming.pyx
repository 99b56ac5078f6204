"""Receive queues: in-order delivery, hold-back ring and bounded reassembly."""

from libc.math cimport INFINITY
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from netcode.channel.frames cimport FRAGMENT_UNIT
from netcode.channel.inbox cimport inbox_push
from netcode.channel.settings cimport (
    MODE_RELIABLE_ORDERED,
    MODE_RELIABLE_UNORDERED,
    MODE_UNRELIABLE_SEQUENCED,
)

__all__: list[str] = []

cdef enum:
    FIRST_SLOTS = 8
    KEPT_SLOTS = 64              # a larger ring is given back when nothing waits in it
    LOOSE_SPAN = 16384           # packets after which a 16-bit fragment id may mean another message


cdef in_queue *in_new(
    const channel_limits *limits, uint8_t index, uint64_t first_id
) noexcept nogil:
    cdef in_queue *q = <in_queue *>calloc(1, sizeof(in_queue))
    if q == NULL:
        return NULL
    q.limits = limits
    q.index = index
    q.ordered = limits.mode == MODE_RELIABLE_ORDERED
    q.reliable = q.ordered or limits.mode == MODE_RELIABLE_UNORDERED
    q.sequenced = limits.mode == MODE_UNRELIABLE_SEQUENCED
    q.next = first_id
    q.expires = INFINITY
    return q


cdef inline in_slot *slot_of(const in_queue *q, uint64_t id) noexcept nogil:
    return &q.slots[id & (q.capacity - 1)]


cdef void in_free(in_queue *q) noexcept nogil:
    cdef uint32_t i
    if q == NULL:
        return
    for i in range(q.capacity):
        free(q.slots[i].data)
    free(q.slots)
    if q.loose != NULL:
        for i in range(<uint32_t>IN_PARTIALS):
            free(q.loose[i].partial)
        free(q.loose)
    free(q)


cdef inline const in_slot *peek(const in_queue *q, uint64_t id) noexcept nogil:
    """The slot of an id, or NULL when nothing is kept for it."""
    if id < q.next or id - q.next >= q.capacity or slot_of(q, id).state == IN_EMPTY:
        return NULL
    return slot_of(q, id)


cdef int in_check(const in_queue *q, uint64_t id) noexcept nogil:
    cdef const in_slot *slot
    if id < q.next:
        return IN_SEEN
    if id - q.next >= q.limits.window_messages:
        return IN_WINDOW
    slot = peek(q, id)
    return IN_SEEN if slot != NULL and slot.state != IN_PARTIAL else IN_NEW


cdef inline uint32_t units_of(uint32_t total) noexcept nogil:
    return (total + FRAGMENT_UNIT - 1) // FRAGMENT_UNIT


cdef int in_check_fragment(
    const in_queue *q, uint64_t id, uint32_t total, uint32_t *missing
) noexcept nogil:
    cdef const in_slot *slot
    cdef const in_partial *partial
    missing[0] = 0
    if id < q.next:
        return IN_SEEN
    if id - q.next >= q.limits.window_messages:
        return IN_WINDOW
    slot = peek(q, id)
    if slot == NULL:
        missing[0] = units_of(total)
        return IN_NEW
    if slot.state == IN_PARTIAL:
        partial = <const in_partial *>slot.data
        missing[0] = partial.units - partial.have
    return IN_SEEN if slot.size == total else IN_CHANGED


cdef inline bint stale(const in_loose *loose, uint64_t packet) noexcept nogil:
    return packet > loose.packet + LOOSE_SPAN or packet + LOOSE_SPAN < loose.packet


cdef in_loose *find_loose(const in_queue *q, uint16_t id) noexcept nogil:
    cdef uint32_t i
    if q.loose != NULL:
        for i in range(<uint32_t>IN_PARTIALS):
            if q.loose[i].partial != NULL and q.loose[i].id == id:
                return &q.loose[i]
    return NULL


cdef int in_check_loose(
    const in_queue *q, uint16_t id, uint32_t total, uint64_t packet, uint32_t *missing
) noexcept nogil:
    cdef const in_loose *loose = find_loose(q, id)
    if loose == NULL or stale(loose, packet):
        missing[0] = units_of(total)
        return IN_NEW
    missing[0] = loose.partial.units - loose.partial.have
    return IN_SEEN if loose.partial.size == total else IN_CHANGED


cdef int ensure(in_queue *q, uint64_t id) noexcept nogil:
    """Make the ring reach the id, which is inside the window. 0, or -1 out of memory."""
    cdef uint64_t span = id - q.next + 1
    cdef uint64_t at
    cdef uint32_t capacity = q.capacity if q.capacity else FIRST_SLOTS
    cdef in_slot *grown
    if span <= q.capacity:
        return 0
    while capacity < span:
        capacity *= 2
    grown = <in_slot *>calloc(capacity, sizeof(in_slot))
    if grown == NULL:
        return -1
    for at in range(q.next, q.next + q.capacity):
        grown[at & (capacity - 1)] = slot_of(q, at)[0]
    free(q.slots)
    q.slots = grown
    q.capacity = capacity
    return 0


cdef inline int deliver(
    in_queue *q, const uint8_t *data, uint32_t size, inbox *delivered, uint32_t index
) noexcept nogil:
    if inbox_push(delivered, index, q.index, False, data, size) < 0:
        return IN_MEMORY
    q.delivered += 1
    return IN_OK


cdef inline void clear(in_queue *q, in_slot *slot) noexcept nogil:
    if slot.state != IN_DONE:
        q.held -= slot.size
    free(slot.data)
    slot.data = NULL
    slot.state = IN_EMPTY
    q.waiting -= 1


cdef int drain(in_queue *q, inbox *delivered, uint32_t index) noexcept nogil:
    """Step over what is complete at the low end, delivering what was held."""
    cdef in_slot *slot
    cdef uint8_t *data
    while q.waiting:
        slot = slot_of(q, q.next)
        if slot.state == IN_EMPTY or slot.state == IN_PARTIAL:
            break
        if slot.state != IN_DONE:
            data = slot.data
            if slot.state == IN_JOINED:
                data = (<in_partial *>data).data
            if deliver(q, data, slot.size, delivered, index) < 0:
                return IN_MEMORY
        clear(q, slot)
        q.next += 1
    if q.waiting == 0 and q.capacity > KEPT_SLOTS:
        free(q.slots)
        q.slots = NULL
        q.capacity = 0
    return IN_OK


cdef int accept(
    in_queue *q, uint64_t id, const uint8_t *data, uint32_t size, inbox *delivered, uint32_t index
) noexcept nogil:
    """A message is complete: deliver it, or hold it when its turn has not come. ``data`` may lie
    in the slot's own reassembly."""
    cdef in_slot *slot
    cdef uint8_t *copy = NULL
    if id == q.next:
        if deliver(q, data, size, delivered, index) < 0:
            return IN_MEMORY
        if peek(q, id) != NULL:
            clear(q, slot_of(q, id))
        q.next += 1
        return drain(q, delivered, index)
    if ensure(q, id) < 0:
        return IN_MEMORY
    slot = slot_of(q, id)
    if not q.ordered:
        if deliver(q, data, size, delivered, index) < 0:
            return IN_MEMORY
    elif slot.state == IN_PARTIAL and data == (<in_partial *>slot.data).data:
        slot.state = IN_JOINED
        return IN_OK
    else:
        copy = <uint8_t *>malloc(size if size else 1)
        if copy == NULL:
            return IN_MEMORY
        if size:
            memcpy(copy, data, size)
    if slot.state != IN_EMPTY:
        clear(q, slot)
    slot.data = copy
    slot.size = size
    slot.state = IN_HELD if q.ordered else IN_DONE
    q.waiting += 1
    if q.ordered:
        q.held += size
    return IN_OK


cdef int in_message(
    in_queue *q, uint64_t id, const uint8_t *data, uint32_t size, inbox *delivered, uint32_t index
) noexcept nogil:
    if in_check(q, id) != IN_NEW:
        q.duplicates += 1
        return IN_OK
    return accept(q, id, data, size, delivered, index)


cdef in_partial *partial_new(uint32_t total) noexcept nogil:
    """Room for a message; pages are touched only as its bytes arrive."""
    cdef uint32_t units = units_of(total)
    cdef size_t words = (units + 63) // 64
    cdef in_partial *p = <in_partial *>malloc(sizeof(in_partial) + words * 8 + total)
    if p == NULL:
        return NULL
    p.size = total
    p.units = units
    p.have = 0
    p.bits = <uint64_t *>(p + 1)
    p.data = <uint8_t *>(p.bits + words)
    memset(p.bits, 0, words * 8)
    return p


cdef bint partial_add(
    in_partial *p, uint32_t first, const uint8_t *data, uint32_t size
) noexcept nogil:
    """Copy the units that are new; True when the message is complete. Bounds are checked."""
    cdef uint32_t count = units_of(size)
    cdef uint32_t i, unit, n
    cdef uint64_t mask
    for i in range(count):
        unit = first + i
        mask = <uint64_t>1 << (unit & 63)
        if p.bits[unit >> 6] & mask:
            continue
        p.bits[unit >> 6] |= mask
        p.have += 1
        n = size - i * FRAGMENT_UNIT
        if n > FRAGMENT_UNIT:
            n = FRAGMENT_UNIT
        memcpy(p.data + <size_t>unit * FRAGMENT_UNIT, data + i * FRAGMENT_UNIT, n)
    return p.have == p.units


cdef int in_fragment(
    in_queue *q, uint64_t id, uint32_t total, uint32_t first, const uint8_t *data, uint32_t size,
    inbox *delivered, uint32_t index
) noexcept nogil:
    cdef in_slot *slot
    cdef in_partial *partial
    cdef uint32_t missing = 0
    cdef int judged = in_check_fragment(q, id, total, &missing)
    if missing == 0:
        q.duplicates += 1
        return IN_OK
    if judged == IN_NEW:
        if ensure(q, id) < 0:
            return IN_MEMORY
        partial = partial_new(total)
        if partial == NULL:
            return IN_MEMORY
        slot = slot_of(q, id)
        slot.data = <uint8_t *>partial
        slot.size = total
        slot.state = IN_PARTIAL
        q.waiting += 1
        q.held += total
    partial = <in_partial *>slot_of(q, id).data
    if partial_add(partial, first, data, size):
        return accept(q, id, partial.data, total, delivered, index)
    return IN_OK


cdef int in_unreliable(
    in_queue *q, uint64_t order, const uint8_t *data, uint32_t size, inbox *delivered,
    uint32_t index
) noexcept nogil:
    if q.sequenced:
        if order < q.order:
            q.dropped += 1
            return IN_OK
        q.order = order
    return deliver(q, data, size, delivered, index)


cdef void drop_loose(in_queue *q, in_loose *loose) noexcept nogil:
    q.held -= loose.partial.size
    free(loose.partial)
    loose.partial = NULL


cdef in_loose *room_for(in_queue *q, uint32_t total) noexcept nogil:
    """A free entry, after dropping the oldest as long as the number or the bytes are too many."""
    cdef uint32_t i
    cdef in_loose *oldest
    cdef in_loose *unused
    while True:
        oldest = NULL
        unused = NULL
        for i in range(<uint32_t>IN_PARTIALS):
            if q.loose[i].partial == NULL:
                unused = &q.loose[i]
            elif oldest == NULL or q.loose[i].packet < oldest.packet:
                oldest = &q.loose[i]
        if unused != NULL and (oldest == NULL or q.held + total <= q.limits.window_bytes):
            return unused
        drop_loose(q, oldest)
        q.dropped += 1


cdef int in_loose_fragment(
    in_queue *q, uint16_t id, uint32_t total, uint32_t first, const uint8_t *data, uint32_t size,
    uint64_t packet, uint64_t order, double expires, inbox *delivered, uint32_t index
) noexcept nogil:
    cdef in_loose *loose
    cdef in_partial *partial
    cdef int result = IN_OK
    if q.loose == NULL:
        q.loose = <in_loose *>calloc(IN_PARTIALS, sizeof(in_loose))
        if q.loose == NULL:
            return IN_MEMORY
    loose = find_loose(q, id)
    if loose != NULL and (stale(loose, packet) or loose.partial.size != total):
        drop_loose(q, loose)
        q.dropped += 1
        loose = NULL
    if loose == NULL:
        loose = room_for(q, total)
        partial = partial_new(total)
        if partial == NULL:
            return IN_MEMORY
        loose.partial = partial
        loose.packet = packet
        loose.order = order
        loose.id = id
        loose.expires = expires
        q.held += total
        if expires < q.expires:
            q.expires = expires
    if packet > loose.packet:
        loose.packet = packet
    if order > loose.order:
        loose.order = order
    if partial_add(loose.partial, first, data, size):
        result = in_unreliable(q, loose.order, loose.partial.data, total, delivered, index)
        drop_loose(q, loose)
    return result


cdef void in_expire(in_queue *q, double now) noexcept nogil:
    cdef uint32_t i
    if now < q.expires:
        return
    q.expires = INFINITY
    if q.loose == NULL:
        return
    for i in range(<uint32_t>IN_PARTIALS):
        if q.loose[i].partial == NULL:
            continue
        if now >= q.loose[i].expires:
            drop_loose(q, &q.loose[i])
            q.dropped += 1
        elif q.loose[i].expires < q.expires:
            q.expires = q.loose[i].expires
