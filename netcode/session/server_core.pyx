"""The server's state machine: from datagrams to connections, and from deadlines to datagrams."""

from libc.math cimport ceil, floor
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from netcode.channel.connection cimport channel_push, channel_push_frame
from netcode.channel.inbox cimport inbox_free
from netcode.security.address cimport address_hash, address_is_loopback, net_address
from netcode.security.aead cimport wipe
from netcode.security.packet cimport (
    PACKET_DISCONNECT, PACKET_PAYLOAD, PACKET_REQUEST, PACKET_RESPONSE,
    PACKET_SERVER_MASK, packet_header, packet_open_parsed, packet_parse,
)
from netcode.session.admission cimport (
    admission, admit_handshaking, admit_request, refuse_response,
)
from netcode.session.batch cimport datagram
from netcode.session.connection cimport (
    SLOT_LIVE, connection, connection_admit, connection_deadline, connection_flush,
    connection_receive, connection_send_disconnects, handle_of, refuse_packet, session,
)
from netcode.session.counters cimport (
    COUNT_BYTES_RECEIVED, COUNT_DATAGRAMS_RECEIVED, COUNT_DISCONNECTED, COUNT_FLOODED,
    COUNT_NOT_LOOPBACK, COUNT_UNKNOWN_SENDER,
)
from netcode.session.handshake cimport (
    handshakes_expire, handshakes_find_hashed, handshakes_free, handshakes_init,
)
from netcode.session.limiter cimport limiter_free
from netcode.session.lookup cimport lookup_next
from netcode.session.pool cimport (
    pool_find_hashed, pool_free, pool_init, pool_reclaim, pool_retire,
)
from netcode.session.prefetch cimport (
    channel_prefetch, channel_prefetch_message, channel_prefetch_receive, channel_prefetch_send,
    channel_prefetch_slot, connection_prefetch, may_be_encrypted, prefetch,
)
from netcode.session.reasons cimport (
    EVENT_CAME, EVENT_LEFT, EVENT_MOVED, REASON_CLOSED_BY_PEER, REASON_FLOOD,
    REASON_PROTOCOL_VIOLATION, REASON_TIMEOUT, session_event,
)
from netcode.session.timers cimport (
    timers_cancel, timers_free, timers_init, timers_next, timers_pop, timers_set,
)
from netcode.session.token_history cimport history_expire, history_free, history_init

__all__ = []

cdef enum:
    FIND_AHEAD = 8               # datagrams between looking one up and receiving it
    AHEAD = 16                   # a power of two above it
    SETTLE_AHEAD = 8             # connections between fetching the timer of one and setting it
    FLUSH_AHEAD = 10             # connections between fetching one and flushing it
    EVENTS_PER_SLOT = 3          # it came, moved and left; a move is told once until it is read


cdef struct ahead:
    uint64_t hash
    int64_t slot                 # whose address has this hash, most likely; -1: nobody's
    bint hashed


cdef double UNIX_LIMIT = 18446744073709549568.0  # the largest double below 2**64


cdef int core_init(server_core *k, uint32_t max_clients, uint32_t handshakes,
                   uint32_t history, const uint8_t *hash_key) noexcept nogil:
    memset(k, 0, sizeof(server_core))
    k.dirty = <uint32_t *>calloc(max_clients, sizeof(uint32_t))
    k.moved = <uint32_t *>calloc(max_clients, sizeof(uint32_t))
    k.events = <session_event *>calloc(max_clients, EVENTS_PER_SLOT * sizeof(session_event))
    if (k.dirty == NULL or k.moved == NULL or k.events == NULL
            or timers_init(&k.timers, max_clients) < 0
            or pool_init(&k.pool, max_clients, hash_key) < 0
            or history_init(&k.history, history, hash_key) < 0
            or handshakes_init(&k.admission.handshakes, handshakes, hash_key) < 0):
        core_free(k)
        return -1
    k.admission.session = &k.session
    k.admission.pool = &k.pool
    k.admission.history = &k.history
    # The top half of the sequences: never the nonce of a connection, whose key is the same.
    k.admission.global_sequence = <uint64_t>1 << 63
    return 0


cdef void core_free(server_core *k) noexcept nogil:
    pool_free(&k.pool)
    history_free(&k.history)
    handshakes_free(&k.admission.handshakes)
    limiter_free(&k.admission.limits)
    timers_free(&k.timers)
    inbox_free(&k.session.received)
    free(k.dirty)
    free(k.moved)
    free(k.events)
    wipe(k, sizeof(server_core))


cdef void core_time(server_core *k, double now) noexcept nogil:
    cdef session *s = &k.session
    cdef admission *a = &k.admission
    cdef double unix
    if not k.started or now > s.now:
        s.now = now
    unix = floor(a.epoch + s.now)
    # Tokens once expired stay expired when the clock is set back: they may be forgotten by now.
    if unix >= UNIX_LIMIT:
        a.unix_now = <uint64_t>UNIX_LIMIT
    elif unix > 0 and <uint64_t>unix > a.unix_now:
        a.unix_now = <uint64_t>unix
    if not k.started:
        k.started = True
        if k.token_lifetime >= 0:
            unix = ceil(a.epoch + s.now) + k.token_lifetime
            a.oldest_expire = <uint64_t>unix if unix > 0 else 0
    handshakes_expire(&a.handshakes, s.now)
    history_expire(&k.history, a.unix_now)


cdef void report(server_core *k, uint32_t index, int kind, int reason) noexcept nogil:
    cdef session_event *event
    if k.event_count < EVENTS_PER_SLOT * k.pool.capacity:
        event = &k.events[k.event_count]
        event.index = index
        event.kind = <uint8_t>kind
        event.reason = <uint8_t>reason
        k.event_count += 1


cdef void core_schedule(server_core *k, connection *c) noexcept nogil:
    timers_set(&k.timers, c.index, connection_deadline(&k.session, c))


cdef inline void moved(server_core *k, connection *c) noexcept nogil:
    """Schedule it later: mostly it is flushed first, and that sets the deadline anew."""
    if not c.moved:
        c.moved = 1
        k.moved[k.moved_count] = c.index
        k.moved_count += 1


cdef void settle(server_core *k) noexcept nogil:
    """Tell the timers what they missed, but of those that are flushed next."""
    cdef uint32_t i
    cdef connection *c
    for i in range(k.moved_count):
        if i + SETTLE_AHEAD < k.moved_count:
            prefetch(&k.timers.of[k.moved[i + SETTLE_AHEAD]])
        c = &k.pool.slots[k.moved[i]]
        c.moved = 0
        if c.state == SLOT_LIVE and not c.dirty:
            core_schedule(k, c)
    k.moved_count = 0


cdef void core_touch(server_core *k, connection *c) noexcept nogil:
    cdef uint32_t at
    if not c.dirty:
        c.dirty = 1
        at = k.dirty_first + k.dirty_count
        if at >= k.pool.capacity:
            at -= k.pool.capacity
        k.dirty[at] = c.index
        k.dirty_count += 1


cdef void core_disconnect(server_core *k, uint32_t index, int reason, bint tell) noexcept nogil:
    cdef connection *c = &k.pool.slots[index]
    if tell:
        connection_send_disconnects(&k.session, c)
    timers_cancel(&k.timers, index)
    pool_retire(&k.pool, index)
    k.session.counts[COUNT_DISCONNECTED] += 1
    report(k, index, EVENT_LEFT, reason)


cdef void receive_connected(server_core *k, connection *c, const packet_header *header,
                            const uint8_t *data, uint32_t size) noexcept nogil:
    cdef session *s = &k.session
    cdef bint flooded = False
    cdef int body = packet_open_parsed(
        &s.protocol, header, data, c.receive_key, &c.replay, s.body)
    if body < 0:
        refuse_packet(s, body)
        return
    c.packets_received += 1
    c.bytes_received += size
    if header.type == PACKET_DISCONNECT:
        core_disconnect(k, c.index, REASON_CLOSED_BY_PEER, False)
        return
    if header.type != PACKET_RESPONSE:
        c.last_receive = s.now
        c.confirmed = 1
    if not connection_admit(s, c, size, &flooded):
        if flooded:
            s.counts[COUNT_FLOODED] += 1
            core_disconnect(k, c.index, REASON_FLOOD, True)
        else:
            moved(k, c)
        return
    if header.type == PACKET_RESPONSE:
        refuse_response(&k.admission, s.body)
        return
    if header.type == PACKET_PAYLOAD:
        if connection_receive(s, c, s.body, <uint32_t>body):
            core_disconnect(k, c.index, REASON_PROTOCOL_VIOLATION, True)
            return
    moved(k, c)


cdef void receive_one(server_core *k, const net_address *source, const uint8_t *data,
                      uint32_t size, uint64_t hash, bint hashed) noexcept nogil:
    cdef session *s = &k.session
    cdef packet_header header
    cdef connection *c
    cdef bint is_moved = False
    cdef int64_t at
    cdef int result
    s.counts[COUNT_DATAGRAMS_RECEIVED] += 1
    s.counts[COUNT_BYTES_RECEIVED] += size
    if k.loopback_only and not address_is_loopback(source):
        s.counts[COUNT_NOT_LOOPBACK] += 1
        return
    result = packet_parse(data, size, PACKET_SERVER_MASK, &header)
    if result < 0:
        refuse_packet(s, result)
        return
    if header.type == PACKET_REQUEST:
        admit_request(&k.admission, source, data, size)
        return
    if not hashed:
        hash = address_hash(source, k.pool.key)  # of both lookups: core_init gave both one key
    at = pool_find_hashed(&k.pool, hash, source)
    if at >= 0:
        receive_connected(k, &k.pool.slots[at], &header, data, size)
        return
    at = handshakes_find_hashed(&k.admission.handshakes, hash, source)
    if at >= 0:
        at = admit_handshaking(&k.admission, <uint32_t>at, &header, data, &is_moved)
        if at >= 0:
            c = &k.pool.slots[at]
            if not is_moved:
                report(k, <uint32_t>at, EVENT_CAME, 0)
                core_schedule(k, c)
                return
            if not c.told_moved:
                c.told_moved = 1
                report(k, <uint32_t>at, EVENT_MOVED, 0)
            core_touch(k, c)
            core_schedule(k, c)
        return
    s.counts[COUNT_UNKNOWN_SENDER] += 1


cdef void core_receive(server_core *k, const net_address *source, const uint8_t *data,
                       uint32_t size) noexcept nogil:
    receive_one(k, source, data, size, 0, False)


cdef void core_receive_batch(server_core *k, const datagrams *batch) noexcept nogil:
    # Ten thousand connections do not fit the cache. What a datagram will touch is fetched while
    # those before it are worked on: first where its sender is found, then the sender.
    cdef ahead ring[AHEAD]
    cdef ahead *a
    cdef datagram *entry
    cdef uint32_t i, at
    cdef uint32_t step
    cdef uint32_t count = batch.count
    for i in range(count + FIND_AHEAD):
        if i < count:
            a = &ring[i & (AHEAD - 1)]
            entry = &batch.entries[i]
            if i + 2 < count:
                prefetch(batch.data + batch.entries[i + 2].offset)
            a.slot = -1
            a.hashed = may_be_encrypted(batch.data + entry.offset, entry.size)
            if a.hashed:
                a.hash = address_hash(&entry.address, k.pool.key)
                prefetch(&k.pool.by_address.slots[<uint32_t>a.hash & k.pool.by_address.mask])
        if i >= 2 and i - 2 < count:
            a = &ring[(i - 2) & (AHEAD - 1)]
            if a.hashed:
                step = 0
                a.slot = lookup_next(&k.pool.by_address, a.hash, &step)
                if a.slot >= 0:
                    connection_prefetch(&k.pool.slots[a.slot])
        if i >= 4 and i - 4 < count:
            a = &ring[(i - 4) & (AHEAD - 1)]
            if a.slot >= 0:
                channel_prefetch(k.pool.slots[a.slot].channel)
        if i >= 6 and i - 6 < count:
            a = &ring[(i - 6) & (AHEAD - 1)]
            if a.slot >= 0:
                channel_prefetch_receive(k.pool.slots[a.slot].channel)
        if i >= FIND_AHEAD:
            at = i - FIND_AHEAD
            entry = &batch.entries[at]
            a = &ring[at & (AHEAD - 1)]
            receive_one(k, &entry.address, batch.data + entry.offset, entry.size, a.hash,
                        a.hashed)


cdef void core_update(server_core *k) noexcept nogil:
    cdef session *s = &k.session
    cdef int64_t index
    cdef connection *c
    while True:
        index = timers_pop(&k.timers, s.now)
        if index < 0:
            return
        c = &k.pool.slots[index]
        if c.last_receive + c.timeout <= s.now:
            core_disconnect(k, <uint32_t>index, REASON_TIMEOUT, False)
        else:
            core_touch(k, c)
            timers_set(&k.timers, <uint32_t>index, c.last_receive + c.timeout)


cdef inline uint32_t dirty_after(const server_core *k, uint32_t n) noexcept nogil:
    """The slot that is flushed ``n`` after the next one."""
    cdef uint32_t at = k.dirty_first + n
    return k.dirty[at if at < k.pool.capacity else at - k.pool.capacity]


cdef inline void fetch_dirty(server_core *k) noexcept nogil:
    """Fetch what the connections flushed soon will touch."""
    if k.dirty_count > FLUSH_AHEAD:
        connection_prefetch(&k.pool.slots[dirty_after(k, 10)])
        channel_prefetch(k.pool.slots[dirty_after(k, 8)].channel)
        channel_prefetch_send(k.pool.slots[dirty_after(k, 6)].channel)
        prefetch(&k.timers.of[dirty_after(k, 6)])
        channel_prefetch_slot(k.pool.slots[dirty_after(k, 4)].channel)
        channel_prefetch_message(k.pool.slots[dirty_after(k, 2)].channel)


cdef void core_send(server_core *k, uint32_t limit) noexcept nogil:
    cdef session *s = &k.session
    cdef int64_t index
    cdef uint32_t waiting
    cdef connection *c
    # All that is due first: flushing sets new deadlines, some of them at once.
    settle(k)
    while True:
        index = timers_pop(&k.timers, s.now)
        if index < 0:
            break
        c = &k.pool.slots[index]
        core_touch(k, c)
    waiting = k.dirty_count
    while waiting and (limit == 0 or s.out.count < limit):
        waiting -= 1
        fetch_dirty(k)
        c = &k.pool.slots[k.dirty[k.dirty_first]]
        k.dirty_first += 1
        if k.dirty_first == k.pool.capacity:
            k.dirty_first = 0
        k.dirty_count -= 1
        k.flushed += 1
        c.dirty = 0
        if c.state == SLOT_LIVE:
            connection_flush(s, c)
            core_schedule(k, c)


cdef double core_deadline(server_core *k) noexcept nogil:
    cdef double due
    settle(k)
    due = timers_next(&k.timers)
    if k.session.out.count or k.dirty_count:
        return k.session.now if k.session.now < due else due
    return due


cdef void core_drive_receive(server_core *k, const datagrams *batch, datagrams *out,
                             double now) noexcept nogil:
    k.session.out = out
    core_time(k, now)
    core_receive_batch(k, batch)


cdef void core_drive_update(server_core *k, datagrams *out, double now) noexcept nogil:
    k.session.out = out
    core_time(k, now)
    core_update(k)


cdef uint32_t core_drive_send(server_core *k, datagrams *out, double now,
                              uint32_t limit) noexcept nogil:
    k.session.out = out
    core_time(k, now)
    core_send(k, limit)
    return k.dirty_count


cdef connection *core_find(server_core *k, uint32_t handle) noexcept nogil:
    cdef uint32_t index = handle & 0xFFFF
    if index >= k.pool.capacity or k.pool.slots[index].state != SLOT_LIVE:
        return NULL
    return &k.pool.slots[index] if handle_of(&k.pool.slots[index]) == handle else NULL


cdef int core_push(server_core *k, uint32_t handle, int channel, const uint8_t *data,
                   uint32_t size) noexcept nogil:
    cdef connection *c = core_find(k, handle)
    cdef int status
    if c == NULL or c.channel == NULL:
        return CORE_GONE
    status = channel_push(c.channel, channel, data, size, k.session.now)
    if status == 0:
        core_touch(k, c)
    return status


cdef int core_push_frame(server_core *k, uint32_t handle, int kind, const uint8_t *data,
                         uint32_t size) noexcept nogil:
    cdef connection *c = core_find(k, handle)
    cdef int status
    if c == NULL or c.channel == NULL:
        return CORE_GONE
    status = channel_push_frame(c.channel, kind, data, size)
    if status == 0:
        core_touch(k, c)
    return status


cdef void core_events_taken(server_core *k) noexcept nogil:
    cdef uint32_t i
    for i in range(k.event_count):
        k.pool.slots[k.events[i].index].told_moved = 0
    k.event_count = 0


cdef void core_events_read(server_core *k) noexcept nogil:
    core_events_taken(k)
    pool_reclaim(&k.pool)
