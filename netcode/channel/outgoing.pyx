"""Send queues: rings of messages by id, with fragment bitmaps for the large ones."""

from libc.math cimport INFINITY
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from netcode.bits.varint cimport varint_put, varint_size
from netcode.channel.frames cimport (
    FRAGMENT_UNIT,
    FRAME_FRAGMENT,
    FRAME_MESSAGES,
    FRAME_UNRELIABLE,
    FRAME_UNRELIABLE_FRAGMENT,
    RUN_MAX,
)
from netcode.channel.recovery cimport PART_FRAGMENT, PART_MESSAGES
from netcode.channel.settings cimport MODE_RELIABLE_ORDERED, MODE_RELIABLE_UNORDERED

__all__: list[str] = []

cdef double RATE_BURST = 0.1        # seconds of a channel's own rate that may leave at once
cdef double REPEAT_INTERVAL = 0.004  # seconds between repetitions: a burst need not repeat itself

cdef enum:
    FIRST_SLOTS = 8
    GRAIN = 64                     # bytes: sizes of small messages' memory are multiples of it
    SPARE_MOST = 1024              # bytes: memory up to here is kept for the next message
    COPIES_MOST = 65000            # counted in 16 bits
    KEPT_SLOTS = 64                # a larger ring is given back when it runs empty
    MIN_UNITS = 4                  # a smaller cut is not worth its header, unless it ends it
    FRAGMENT_HEADER_MAX = 14       # kind, channel, id, total <= 4, first unit <= 3, size <= 3


cdef out_queue *out_new(
    const channel_limits *limits, uint8_t index, uint64_t first_id
) noexcept nogil:
    cdef out_queue *q = <out_queue *>calloc(1, sizeof(out_queue))
    if q == NULL:
        return NULL
    q.limits = limits
    q.index = index
    q.reliable = limits.mode == MODE_RELIABLE_ORDERED or limits.mode == MODE_RELIABLE_UNORDERED
    q.low = first_id
    q.next = first_id
    q.end = first_id
    q.lost_low = first_id
    q.fragment_id = <uint16_t>first_id
    return q


cdef inline out_slot *slot_of(const out_queue *q, uint64_t id) noexcept nogil:
    return &q.slots[id & (q.capacity - 1)]


cdef inline size_t fragments_size(uint32_t size) noexcept nogil:
    """Bytes of an out_fragments with its two bitmaps, for a message of this size."""
    cdef size_t units = (size + FRAGMENT_UNIT - 1) // FRAGMENT_UNIT
    return sizeof(out_fragments) + (units + 63) // 64 * 16


cdef inline uint32_t rounded(uint32_t size) noexcept nogil:
    return (size + GRAIN - 1) // GRAIN * GRAIN if size else GRAIN


cdef inline uint8_t *payload_new(out_queue *q, uint32_t size) noexcept nogil:
    """Room for a payload: one message a tick finds that of the last one."""
    cdef uint8_t *data = q.spare
    if data == NULL or size > q.spare_bytes:
        return <uint8_t *>malloc(rounded(size) if size <= SPARE_MOST else size)
    q.spare = NULL
    q.spare_bytes = 0
    return data


cdef inline void payload_free(out_queue *q, uint8_t *data, uint32_t size) noexcept nogil:
    cdef uint32_t bytes
    if size <= SPARE_MOST:
        bytes = rounded(size)
        if bytes > q.spare_bytes:
            free(q.spare)
            q.spare = data
            q.spare_bytes = bytes
            return
    free(data)


cdef inline void release(out_queue *q, out_slot *slot) noexcept nogil:
    if slot.fragments != NULL:
        q.bitmaps -= fragments_size(slot.size)
        free(slot.fragments)
    if slot.data != NULL:
        payload_free(q, slot.data, slot.size)
    slot.data = NULL
    slot.fragments = NULL


cdef void out_free(out_queue *q) noexcept nogil:
    cdef uint64_t id
    if q == NULL:
        return
    for id in range(q.low, q.end):
        release(q, slot_of(q, id))
    free(q.slots)
    free(q.spare)
    free(q)


cdef int grow(out_queue *q) noexcept nogil:
    cdef uint32_t capacity = q.capacity * 2 if q.capacity else FIRST_SLOTS
    cdef uint64_t id
    cdef out_slot *grown = <out_slot *>malloc(capacity * sizeof(out_slot))
    if grown == NULL:
        return -1
    for id in range(q.low, q.end):
        grown[id & (capacity - 1)] = slot_of(q, id)[0]
    free(q.slots)
    q.slots = grown
    q.capacity = capacity
    return 0


cdef bint out_has_room(out_queue *q, uint32_t size, double now) noexcept nogil:
    out_expire(q, now)
    return q.end - q.low < q.limits.queue_messages and q.bytes + size <= q.limits.queue_bytes


cdef int out_push(
    out_queue *q, const uint8_t *data, uint32_t size, double now
) noexcept nogil:
    cdef out_slot *slot
    cdef uint8_t *copy
    if not out_has_room(q, size, now):
        return -1
    if q.end - q.low >= q.capacity and grow(q) < 0:
        return -2
    copy = payload_new(q, size)
    if copy == NULL:
        return -2
    if size:
        memcpy(copy, data, size)
    slot = slot_of(q, q.end)
    slot.data = copy
    slot.fragments = NULL
    slot.size = size
    slot.state = SLOT_QUEUED
    slot.copies = 0
    slot.expires = now + q.limits.lifetime if q.limits.lifetime > 0 else INFINITY
    q.end += 1
    q.bytes += size
    return 0


cdef void advance(out_queue *q) noexcept nogil:
    """Let go of what is done at the low end; give a large ring back once it is empty."""
    cdef out_slot *slot
    while q.low < q.next:
        slot = slot_of(q, q.low)
        if slot.state != SLOT_DONE:
            break
        q.window -= slot.size
        q.low += 1
    if q.low == q.end and q.capacity > KEPT_SLOTS:
        free(q.slots)
        q.slots = NULL
        q.capacity = 0


cdef inline bint repeatable(const out_slot *slot) noexcept nogil:
    return (
        slot.state == SLOT_SENT and slot.fragments == NULL and slot.size <= WHOLE_MESSAGE
        and slot.copies < COPIES_MOST
    )


cdef inline bint window_allows(const out_queue *q) noexcept nogil:
    """Whether message ``next`` may start: the receiver must be able to hold all of low..next."""
    cdef const out_slot *slot = slot_of(q, q.next)
    if slot.fragments != NULL or not q.reliable:
        return True
    return (
        q.next - q.low < q.limits.window_messages
        and q.window + slot.size <= q.limits.window_bytes
    )


cdef double out_due(const out_queue *q) noexcept nogil:
    if q.lost_count or (q.next < q.end and window_allows(q)):
        return q.paid
    return INFINITY


cdef void out_pay(out_queue *q, uint32_t size, double now) noexcept nogil:
    if q.limits.send_rate > 0:
        if q.paid < now - RATE_BURST:
            q.paid = now - RATE_BURST
        q.paid += size / q.limits.send_rate


cdef void out_expire(out_queue *q, double now) noexcept nogil:
    cdef out_slot *slot
    if q.limits.lifetime <= 0:
        return
    while q.next < q.end:
        slot = slot_of(q, q.next)
        # One that is partly on the wire goes on.
        if slot.fragments != NULL or slot.expires > now:
            break
        q.bytes -= slot.size
        slot.state = SLOT_DONE
        release(q, slot)
        q.next += 1
        q.low = q.next
        q.expired += 1
    if q.low == q.end:
        advance(q)


cdef int start_fragments(out_queue *q, out_slot *slot) noexcept nogil:
    """Give a message its bitmaps. A whole message that was lost starts as wholly lost."""
    cdef uint32_t units = (slot.size + FRAGMENT_UNIT - 1) // FRAGMENT_UNIT
    cdef uint32_t words = (units + 63) // 64
    cdef uint32_t unit
    cdef out_fragments *f = <out_fragments *>calloc(1, fragments_size(slot.size))
    if f == NULL:
        return -1
    f.units = units
    f.acked_bits = <uint64_t *>(f + 1)
    f.lost_bits = f.acked_bits + words
    slot.fragments = f
    q.bitmaps += fragments_size(slot.size)
    if slot.state == SLOT_LOST:
        f.next = units
        f.lost = units
        for unit in range(units):
            f.lost_bits[unit >> 6] |= <uint64_t>1 << (unit & 63)
    return 0


cdef inline bint bit(const uint64_t *bits, uint32_t i) noexcept nogil:
    return (bits[i >> 6] >> (i & 63)) & 1


cdef inline void put_header(
    uint8_t *out, uint8_t kind, const out_queue *q, uint16_t id
) noexcept nogil:
    out[0] = kind
    out[1] = q.index
    out[2] = <uint8_t>(id & 0xFF)
    out[3] = <uint8_t>(id >> 8)


cdef int write_fragment(
    out_queue *q, out_slot *slot, uint64_t id, uint8_t *out, uint32_t room, bint fresh,
    sent_part *part
) noexcept nogil:
    """Write the next lost or new units as one frame, as many as fit."""
    cdef out_fragments *f = slot.fragments
    cdef bint again = f.lost > 0
    cdef uint32_t first, fits, count, size, offset
    cdef int at = 4
    if room < FRAGMENT_HEADER_MAX + FRAGMENT_UNIT:
        return OUT_NO_ROOM
    fits = (room - FRAGMENT_HEADER_MAX) // FRAGMENT_UNIT
    if again:
        first = f.lost_low
        while not bit(f.lost_bits, first):
            first += 1
        f.lost_low = first
        count = 1
        while count < fits and first + count < f.units and bit(f.lost_bits, first + count):
            count += 1
    else:
        first = f.next
        count = f.units - first
    if count > fits:
        if fits < MIN_UNITS and not fresh:
            return OUT_NO_ROOM
        count = fits
    offset = first * FRAGMENT_UNIT
    size = count * FRAGMENT_UNIT
    if size > slot.size - offset:
        size = slot.size - offset
    if q.reliable:
        put_header(out, FRAME_FRAGMENT, q, <uint16_t>id)
    else:
        put_header(out, FRAME_UNRELIABLE_FRAGMENT, q, q.fragment_id)
    at += varint_put(out + at, slot.size)
    at += varint_put(out + at, first)
    at += varint_put(out + at, size)
    memcpy(out + at, slot.data + offset, size)
    part.id = id
    part.first = first
    part.count = count
    part.channel = q.index
    part.kind = PART_FRAGMENT
    if again:
        take_lost(q, slot, first, count)
    else:
        f.next += count
    return at + <int>size


cdef void take_lost(out_queue *q, out_slot *slot, uint32_t first, uint32_t count) noexcept nogil:
    """Units that were lost are on the wire again."""
    cdef out_fragments *f = slot.fragments
    cdef uint32_t unit
    for unit in range(first, first + count):
        f.lost_bits[unit >> 6] &= ~(<uint64_t>1 << (unit & 63))
    f.lost -= count
    f.lost_low = first + count
    if f.lost == 0:
        slot.state = SLOT_SENT if f.next == f.units else SLOT_QUEUED
        q.lost_count -= 1


cdef int write_run(
    out_queue *q, uint64_t id, bint again, uint8_t *out, uint32_t room, sent_part *part
) noexcept nogil:
    """Write consecutive whole messages from ``id`` on, as many as fit; OUT_NO_ROOM when none."""
    cdef uint32_t at = 5 if q.reliable else 3
    cdef uint32_t header = at
    cdef uint32_t count = 0
    cdef uint32_t state = SLOT_LOST if again else SLOT_QUEUED
    cdef uint64_t start = id
    cdef out_slot *slot
    while count < RUN_MAX and id < (q.next if again else q.end):
        slot = slot_of(q, id)
        if slot.fragments != NULL or slot.state != state:
            break
        if room < at or room - at < varint_size(slot.size) + slot.size:
            break
        if not again:
            if count and not window_allows(q):
                break
            q.window += slot.size
            q.next += 1
        else:
            q.lost_count -= 1
        at += varint_put(out + at, slot.size)
        memcpy(out + at, slot.data, slot.size)
        at += slot.size
        slot.state = SLOT_SENT
        slot.copies += 1
        id += 1
        count += 1
    if count == 0:
        return OUT_NO_ROOM
    if q.reliable:
        put_header(out, FRAME_MESSAGES, q, <uint16_t>start)
    else:
        out[0] = FRAME_UNRELIABLE
        out[1] = q.index
    out[header - 1] = <uint8_t>count
    part.id = start
    part.first = 0
    part.count = count
    part.channel = q.index
    part.kind = PART_MESSAGES
    return <int>at


cdef void unreliable_sent(out_queue *q) noexcept nogil:
    """An unreliable message is done when it is on the wire."""
    cdef out_slot *slot
    while q.low < q.next:
        slot = slot_of(q, q.low)
        q.bytes -= slot.size
        slot.state = SLOT_DONE
        release(q, slot)
        q.window -= slot.size
        q.low += 1
    advance(q)


cdef int out_write(
    out_queue *q, uint8_t *out, uint32_t room, bint fresh, sent_part *part, uint32_t *resent
) noexcept nogil:
    cdef bint again = q.lost_count > 0
    cdef uint64_t id = q.next
    cdef out_slot *slot
    cdef int n = OUT_NO_ROOM
    if again:
        id = q.lost_low if q.lost_low > q.low else q.low
        while slot_of(q, id).state != SLOT_LOST:
            id += 1
        q.lost_low = id
    elif id == q.end or not window_allows(q):
        return OUT_NOTHING
    slot = slot_of(q, id)
    if slot.fragments == NULL:
        n = write_run(q, id, again, out, room, part)
        if n == OUT_NO_ROOM:
            if not fresh and slot.size <= WHOLE_MESSAGE:
                return OUT_NO_ROOM
            if slot.size == 0:
                return OUT_NO_ROOM
            if room < FRAGMENT_HEADER_MAX + FRAGMENT_UNIT:
                return OUT_NO_ROOM
            if start_fragments(q, slot) < 0:
                return OUT_MEMORY
            if not again:
                q.window += slot.size
    if slot.fragments != NULL:
        n = write_fragment(q, slot, id, out, room, fresh, part)
        if n > 0 and id == q.next and slot.fragments.next == slot.fragments.units:
            if slot.state == SLOT_QUEUED:
                slot.state = SLOT_SENT
            q.next += 1
            if not q.reliable:
                q.fragment_id += 1
    if n <= 0:
        return n
    if again:
        resent[0] += 1
    if not q.reliable:
        part.count = 0
        unreliable_sent(q)
    return n


cdef int out_repeat(
    out_queue *q, uint8_t *out, uint32_t room, double now, sent_part *part
) noexcept nogil:
    cdef uint64_t end = q.repeat_end
    cdef uint64_t first
    cdef uint64_t id
    cdef uint32_t at = 5
    cdef uint32_t looked = 0
    cdef out_slot *slot
    if now < q.repeat_time:
        return 0
    # The newest may be acked already, out of turn.
    while end > q.low and not repeatable(slot_of(q, end - 1)):
        end -= 1
        looked += 1
        if looked == RUN_MAX:
            return 0
    first = end
    while first > q.low and end - first < RUN_MAX:
        slot = slot_of(q, first - 1)
        if not repeatable(slot) or at + varint_size(slot.size) + slot.size > room:
            break
        at += varint_size(slot.size) + slot.size
        first -= 1
    if first == end:
        return 0
    put_header(out, FRAME_MESSAGES, q, <uint16_t>first)
    out[4] = <uint8_t>(end - first)
    at = 5
    for id in range(first, end):
        slot = slot_of(q, id)
        at += varint_put(out + at, slot.size)
        memcpy(out + at, slot.data, slot.size)
        at += slot.size
        slot.copies += 1
    part.id = first
    part.first = 0
    part.count = <uint32_t>(end - first)
    part.channel = q.index
    part.kind = PART_MESSAGES
    q.repeat_time = now + REPEAT_INTERVAL
    return <int>at


cdef void complete(out_queue *q, out_slot *slot) noexcept nogil:
    if slot.state == SLOT_LOST:
        q.lost_count -= 1
    slot.state = SLOT_DONE
    q.bytes -= slot.size
    release(q, slot)


cdef void units_acked(out_queue *q, out_slot *slot, const sent_part *part) noexcept nogil:
    cdef out_fragments *f = slot.fragments
    cdef uint32_t unit
    cdef uint64_t mask
    for unit in range(part.first, part.first + part.count):
        if unit >= f.units:
            break
        mask = <uint64_t>1 << (unit & 63)
        if f.acked_bits[unit >> 6] & mask:
            continue
        f.acked_bits[unit >> 6] |= mask
        f.acked += 1
        if f.lost_bits[unit >> 6] & mask:
            f.lost_bits[unit >> 6] &= ~mask
            f.lost -= 1
            if f.lost == 0:
                slot.state = SLOT_SENT if f.next == f.units else SLOT_QUEUED
                q.lost_count -= 1
    if f.acked == f.units:
        complete(q, slot)


cdef void out_acked(out_queue *q, const sent_part *part) noexcept nogil:
    cdef uint64_t id
    cdef out_slot *slot
    for id in range(part.id, part.id + (part.count if part.kind == PART_MESSAGES else 1)):
        if id < q.low or id >= q.end:
            continue
        slot = slot_of(q, id)
        if slot.state == SLOT_DONE:
            continue
        if part.kind == PART_MESSAGES:
            complete(q, slot)
        elif slot.fragments != NULL:
            units_acked(q, slot, part)
    advance(q)


cdef inline void mark_lost(out_queue *q, out_slot *slot, uint64_t id) noexcept nogil:
    if slot.state != SLOT_LOST:
        slot.state = SLOT_LOST
        q.lost_count += 1
    if id < q.lost_low or q.lost_count == 1:
        q.lost_low = id


cdef void out_lost(out_queue *q, const sent_part *part) noexcept nogil:
    cdef uint64_t id
    cdef uint32_t unit
    cdef uint64_t mask
    cdef out_fragments *f
    cdef out_slot *slot
    if part.kind == PART_MESSAGES:
        for id in range(part.id, part.id + part.count):
            if id < q.low or id >= q.end:
                continue
            slot = slot_of(q, id)
            if slot.state == SLOT_SENT and slot.fragments == NULL:
                slot.copies -= 1
                if slot.copies == 0:
                    mark_lost(q, slot, id)
        return
    if part.id < q.low or part.id >= q.end:
        return
    slot = slot_of(q, part.id)
    f = slot.fragments
    if slot.state == SLOT_DONE or f == NULL:
        return
    for unit in range(part.first, part.first + part.count):
        mask = <uint64_t>1 << (unit & 63)
        if unit >= f.units or (f.acked_bits[unit >> 6] | f.lost_bits[unit >> 6]) & mask:
            continue
        f.lost_bits[unit >> 6] |= mask
        f.lost += 1
        if unit < f.lost_low or f.lost == 1:
            f.lost_low = unit
    if f.lost:
        mark_lost(q, slot, part.id)
