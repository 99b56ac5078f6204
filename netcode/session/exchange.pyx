"""The owner's part of an exchange: commands in, deliveries out."""

from libc.stdint cimport UINT32_MAX, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from netcode.channel.connection cimport channel_state, channel_statistics
from netcode.channel.inbox cimport inbox, inbox_free
from netcode.channel.outgoing cimport out_queue
from netcode.channel.settings cimport (
    MODE_RELIABLE_ORDERED, MODE_RELIABLE_UNORDERED,
)
from netcode.session.connection cimport (
    connection, connection_send_payload, handle_of, session,
)
from netcode.session.counters cimport COUNT_FRAMES_DROPPED, COUNT_OUT_OF_MEMORY
from netcode.session.pool cimport pool_reclaim_one
from netcode.session.prefetch cimport (
    channel_prefetch, channel_prefetch_push, connection_prefetch,
)
from netcode.session.reasons cimport REASON_CLOSED, session_event
from netcode.session.records cimport (
    bell_tell, records_ahead, records_free, records_give, records_new, records_peek, records_show,
    records_step,
)
from netcode.session.resume cimport resume_allow
from netcode.session.ring cimport (
    ring_commit, ring_free, ring_load, ring_new, ring_peek, ring_release, ring_reserve, ring_store,
    ring_used,
)
from netcode.session.server_core cimport (
    CORE_GONE, core_deadline, core_disconnect, core_drive_receive, core_drive_send,
    core_drive_update, core_events_taken, core_find, core_push, core_push_frame, core_schedule,
    core_time,
)

__all__ = []

cdef enum:
    DELIVERIES = 1024            # a power of two; above half of it, turns are delivered together
    CROWDED = DELIVERIES // 2
    TOGETHER_BYTES = 1 << 16     # then, at least so much in one
    TOGETHER_ENTRIES = 1024
    SPENT = 16                   # inboxes that may wait to be used again
    COMMANDS_PER_TURN = 1024     # so that the socket does not wait for a tick's commands
    UNSENT_TURNS = 256           # that commands may hold up sending: a full ring of small ones
    AHEAD = 8


cdef int exchange_init(exchange *x, uint32_t max_clients, uint32_t queues, uint32_t command_bytes,
                       uint32_t limit_bytes, uint32_t limit_entries) noexcept nogil:
    memset(x, 0, sizeof(exchange))
    x.commands = records_new(command_bytes)
    x.deliveries = ring_new(DELIVERIES, sizeof(delivery))
    x.spent = ring_new(SPENT, sizeof(inbox))
    x.queues = queues
    x.limit_bytes = limit_bytes
    x.limit_entries = limit_entries
    if queues:
        x.credits = <credit *>calloc(<size_t>max_clients * queues, sizeof(credit))
    if (x.commands == NULL or x.deliveries == NULL or x.spent == NULL
            or (queues and x.credits == NULL)):
        exchange_free(x)
        return -1
    return 0


cdef void free_far(const command *m, const uint8_t *data) noexcept nogil:
    cdef uint8_t *far
    if m.kind == COMMAND_PUSH_FAR or m.kind == COMMAND_PUSH_MANY_FAR:
        memcpy(&far, data, sizeof(far))
        free(far)


cdef void exchange_free(exchange *x) noexcept nogil:
    cdef uint32_t size = 0
    cdef uint8_t *place
    cdef inbox box
    if x.commands != NULL:
        records_show(x.commands)  # what was never flushed may point to memory too
    while x.commands != NULL:
        place = records_peek(x.commands, &size)
        if place == NULL:
            break
        free_far(<command *>place, place + sizeof(command))
        records_step(x.commands, size)
    while x.deliveries != NULL:
        place = ring_peek(x.deliveries)
        if place == NULL:
            break
        box = (<delivery *>place).box
        inbox_free(&box)
        free((<delivery *>place).news)
        ring_release(x.deliveries)
    while x.spent != NULL:
        place = ring_peek(x.spent)
        if place == NULL:
            break
        box = (<inbox *>place)[0]
        inbox_free(&box)
        ring_release(x.spent)
    records_free(x.commands)
    ring_free(x.deliveries)
    ring_free(x.spent)
    free(x.credits)
    memset(x, 0, sizeof(exchange))


# Commands

cdef void push(exchange *x, server_core *k, uint32_t handle, uint32_t channel,
               const uint8_t *data, uint32_t size) noexcept nogil:
    cdef int status = core_push(k, handle, <int>channel, data, size)
    cdef int mode
    if status == CORE_GONE:
        x.gone += 1
    elif status < 0:
        # Memory: the game was promised that this queue takes it.
        k.session.counts[COUNT_OUT_OF_MEMORY] += 1
        mode = k.session.channels.channel[channel].mode
        if mode == MODE_RELIABLE_ORDERED or mode == MODE_RELIABLE_UNORDERED:
            # A stream with a hole is worse than none.
            core_disconnect(k, handle & 0xFFFF, REASON_CLOSED, True)


cdef void push_payload(exchange *x, server_core *k, uint32_t handle, const uint8_t *data,
                       uint32_t size) noexcept nogil:
    cdef connection *c = core_find(k, handle)
    if c == NULL or c.channel != NULL:
        x.gone += 1
        return
    connection_send_payload(&k.session, c, data, size)
    core_schedule(k, c)


cdef void answer_credit(exchange *x, server_core *k, const command *m) noexcept nogil:
    cdef connection *c = core_find(k, m.handle)
    cdef channel_state *state = NULL if c == NULL else c.channel
    cdef credit *answer
    cdef out_queue *q
    if m.channel >= x.queues or (m.handle & 0xFFFF) >= k.pool.capacity:
        return
    answer = &x.credits[<size_t>(m.handle & 0xFFFF) * x.queues + m.channel]
    answer.messages = 0
    answer.bytes = 0
    if state != NULL:
        if m.channel == x.queues - 1:
            answer.bytes = state.frames_size
        elif state.outgoing[m.channel] != NULL:
            q = state.outgoing[m.channel]
            answer.messages = <uint32_t>(q.end - q.low)
            answer.bytes = q.bytes
    ring_store(&answer.answered, m.count)


cdef void exchange_report(exchange *x, server_core *k, uint32_t handle) noexcept nogil:
    cdef session_report *r = &x.report
    cdef session *s = &k.session
    cdef connection *c = NULL if handle == NO_HANDLE else core_find(k, handle)
    memcpy(r.counts, s.counts, sizeof(r.counts))
    memcpy(r.packet_reasons, s.packet_reasons, sizeof(r.packet_reasons))
    memcpy(r.channel_reasons, s.channel_reasons, sizeof(r.channel_reasons))
    r.gone = x.gone
    r.found = c != NULL
    if c != NULL:
        r.packets_sent = c.packets_sent
        r.packets_received = c.packets_received
        r.bytes_sent = c.bytes_sent
        r.bytes_received = c.bytes_received
        r.resumed = c.resumed
        if c.channel != NULL:
            r.stats = channel_statistics(c.channel)[0]


cdef void exchange_reported(exchange *x) noexcept nogil:
    ring_store(&x.report.answered, x.asked)


cdef void wait_for_flush(exchange *x, const server_core *k) noexcept nogil:
    """Until those who have something now had their turn; others who get something meanwhile may
    never be all done."""
    x.barrier = True
    x.barrier_end = k.flushed + k.dirty_count


cdef int carry_out(exchange *x, server_core *k, const command *m) noexcept nogil:
    """One command; TURN_ bits."""
    cdef const uint8_t *data = <const uint8_t *>m + sizeof(command)
    cdef const uint8_t *content = data
    cdef const uint8_t *handles
    cdef uint32_t i, handle
    cdef uint64_t secret
    cdef uint32_t size = m.size
    if m.kind == COMMAND_PUSH:
        push(x, k, m.handle, m.channel, data, size)
    elif m.kind == COMMAND_FRAME:
        handle = <uint32_t>core_push_frame(k, m.handle, m.channel, data, size)
        if <int>handle == CORE_GONE:
            x.gone += 1
        elif <int>handle < 0:
            k.session.counts[COUNT_FRAMES_DROPPED] += 1
    elif m.kind == COMMAND_PAYLOAD:
        push_payload(x, k, m.handle, data, size)
    elif m.kind == COMMAND_PUSH_FAR:
        memcpy(&content, data, sizeof(content))
        push(x, k, m.handle, m.channel, content, size)
    elif m.kind == COMMAND_PUSH_MANY or m.kind == COMMAND_PUSH_MANY_FAR:
        handles = data + size
        if m.kind == COMMAND_PUSH_MANY_FAR:
            memcpy(&content, data, sizeof(content))
            handles = data + sizeof(content)
        for i in range(m.count):
            memcpy(&handle, handles + i * sizeof(handle), sizeof(handle))
            push(x, k, handle, m.channel, content, size)
    elif m.kind == COMMAND_FLUSH:
        wait_for_flush(x, k)
    elif m.kind == COMMAND_DISCONNECT:
        if core_find(k, m.handle) != NULL:
            core_disconnect(k, m.handle & 0xFFFF, REASON_CLOSED, True)
    elif m.kind == COMMAND_DISCONNECT_ALL:
        while k.pool.live_count:
            core_disconnect(k, k.pool.live[0], REASON_CLOSED, True)
    elif m.kind == COMMAND_ALLOW:
        memcpy(&secret, data, sizeof(secret))
        if core_find(k, m.handle) != NULL:
            resume_allow(core_find(k, m.handle), secret)
    elif m.kind == COMMAND_RECLAIM:
        for i in range(m.count):
            memcpy(&handle, data + i * sizeof(handle), sizeof(handle))
            if (handle & 0xFFFF) < k.pool.capacity and handle_of(
                    &k.pool.slots[handle & 0xFFFF]) == handle:
                pool_reclaim_one(&k.pool, handle & 0xFFFF)
    elif m.kind == COMMAND_CREDIT:
        answer_credit(x, k, m)
    elif m.kind == COMMAND_EPOCH:
        memcpy(&k.admission.epoch, data, sizeof(double))
    elif m.kind == COMMAND_REPORT:
        exchange_report(x, k, m.handle)
        x.asked = m.count
        return TURN_REPORT
    elif m.kind == COMMAND_STOP:
        x.stopping = True
        wait_for_flush(x, k)
    free_far(m, data)
    return 0


cdef inline uint32_t slot_of_record(const server_core *k, const uint8_t *record) noexcept nogil:
    cdef uint32_t index = (<const command *>record).handle & 0xFFFF
    return index if index < k.pool.capacity else 0


cdef int carry_out_all(exchange *x, server_core *k, const datagrams *out,
                       uint32_t limit) noexcept nogil:
    """Commands until a flush, a report or enough of them; TURN_ bits."""
    cdef uint8_t *ahead[AHEAD]
    cdef uint8_t *place
    cdef uint8_t *next
    cdef uint32_t size = 0
    cdef uint32_t other = 0
    cdef uint32_t cursor
    cdef uint32_t i
    cdef uint32_t n = 0          # records looked at ahead
    cdef int bits = 0
    if x.barrier or x.stopping:
        return 0
    place = records_peek(x.commands, &size)
    cursor = x.commands.at
    for i in range(<uint32_t>COMMANDS_PER_TURN):
        if place == NULL:
            break
        # As in push_many: what a push will touch is fetched while those before it are worked on.
        while n < i + 7:
            next = records_ahead(x.commands, &cursor, &other)
            if next == NULL:
                break
            ahead[n & (AHEAD - 1)] = next
            connection_prefetch(&k.pool.slots[slot_of_record(k, next)])
            n += 1
        if i + 4 < n:
            channel_prefetch(k.pool.slots[slot_of_record(k, ahead[(i + 4) & (AHEAD - 1)])].channel)
        if i + 2 < n and x.queues:
            next = ahead[(i + 2) & (AHEAD - 1)]
            if (<command *>next).kind == COMMAND_PUSH:
                channel_prefetch_push(k.pool.slots[slot_of_record(k, next)].channel,
                                      (<command *>next).channel)
        bits |= carry_out(x, k, <const command *>place)
        records_step(x.commands, size)
        if bits or x.barrier or x.stopping or (limit and out.count >= limit):
            break
        place = records_peek(x.commands, &size)
    records_give(x.commands)
    # Whether there is more is asked of the ring, not of ``place``: some were not looked at.
    if not x.barrier and records_peek(x.commands, &size) != NULL:
        bits |= TURN_MORE
    return bits


# Deliveries

cdef inline void box_swap(inbox *into, const inbox *memory) noexcept nogil:
    """The memory of ``memory`` for ``into``, empty."""
    into.data = memory.data
    into.entries = memory.entries
    into.capacity = memory.capacity
    into.entry_capacity = memory.entry_capacity
    into.used = into.count = 0


cdef void make_room(exchange *x, server_core *k) noexcept nogil:
    """Set the inbox's limits by what the game has not taken yet."""
    cdef inbox *box = &k.session.received
    cdef uint32_t bytes = x.handed_bytes - ring_load(&x.taken_bytes)
    cdef uint32_t entries = x.handed_entries - ring_load(&x.taken_entries)
    box.limit_bytes = x.limit_bytes - bytes if bytes < x.limit_bytes else 0
    box.limit_entries = x.limit_entries - entries if entries < x.limit_entries else 0
    if entries == 0 and not x.drained:
        # What each connection holds is counted until the game has taken all.
        x.drained = True
        if box.count == 0:
            box.round += 1


cdef session_news *take_news(server_core *k) noexcept nogil:
    cdef session_news *news = <session_news *>malloc(k.event_count * sizeof(session_news))
    cdef const session_event *event
    cdef const connection *c
    cdef uint32_t i
    if news == NULL:
        return NULL
    for i in range(k.event_count):
        event = &k.events[i]
        c = &k.pool.slots[event.index]
        news[i].client_id = c.client_id
        news[i].address = c.address
        news[i].index = event.index
        news[i].generation = c.generation
        news[i].kind = event.kind
        news[i].reason = event.reason
        memcpy(news[i].user_data, c.user_data, USER_DATA_BYTES)
    core_events_taken(k)
    return news


cdef int deliver(exchange *x, server_core *k) noexcept nogil:
    """Hand over what arrived; TURN_ bits."""
    cdef inbox *box = &k.session.received
    cdef delivery *out
    cdef session_news *news = NULL
    cdef uint32_t news_count = k.event_count
    cdef uint8_t *memory
    cdef inbox nothing
    if box.count == 0 and news_count == 0:
        return 0
    if box.count and (box.limit_bytes == 0 or box.limit_entries == 0):
        return TURN_HOLDING
    if (ring_used(x.deliveries) > CROWDED and box.used < TOGETHER_BYTES
            and box.count < TOGETHER_ENTRIES):
        return TURN_HOLDING
    out = <delivery *>ring_reserve(x.deliveries)
    if out == NULL:
        return TURN_HOLDING
    if news_count:
        news = take_news(k)
        if news == NULL:
            k.session.counts[COUNT_OUT_OF_MEMORY] += 1
            return TURN_HOLDING
    out.news = news
    out.news_count = news_count
    out.box = box[0]
    x.handed_bytes += box.used
    x.handed_entries += box.count
    if box.count:
        x.drained = False
        memory = ring_peek(x.spent)
        if memory != NULL:
            box_swap(box, <const inbox *>memory)
            ring_release(x.spent)
        else:
            memset(&nothing, 0, sizeof(nothing))
            box_swap(box, &nothing)
    else:
        out.box.data = NULL
        out.box.entries = NULL
        out.box.capacity = out.box.entry_capacity = 0
    ring_commit(x.deliveries)
    return TURN_WAKE if bell_tell(&x.to_game) else 0


cdef int exchange_turn(exchange *x, server_core *k, const datagrams *incoming, datagrams *out,
                       double now, uint32_t limit, bint timers) noexcept nogil:
    cdef int bits = 0
    cdef uint32_t left
    make_room(x, k)
    k.session.out = out
    core_time(k, now)
    if incoming != NULL and incoming.count:
        core_drive_receive(k, incoming, out, now)
    if limit and limit < TURN_NOTHING - out.count:
        limit += out.count  # or a stream of datagrams that are answered would let nothing else out
    bits |= carry_out_all(x, k, out, limit)
    if timers:
        core_drive_update(k, out, now)
    if limit == TURN_NOTHING:
        # A game must not stand still because its socket does: what it says waits in the queues,
        # which have limits. Only the last words keep their order, as nothing comes after them.
        left = k.dirty_count
        x.barrier = x.barrier and x.stopping
        bits |= TURN_MORE
    elif bits & TURN_MORE and x.unsent < UNSENT_TURNS:
        # What is put in together leaves together: two messages to one client in one datagram.
        x.unsent += 1
        left = k.dirty_count
    else:
        x.unsent = 0
        left = core_drive_send(k, out, now, limit)
    if left:
        bits |= TURN_MORE
    if x.barrier and k.flushed - x.barrier_end <= UINT32_MAX // 2:
        x.barrier = False
        bits |= TURN_MORE
    bits |= deliver(x, k)
    if x.stopping and not x.barrier:
        bits |= TURN_STOP
    return bits


cdef double exchange_deadline(exchange *x, server_core *k) noexcept nogil:
    cdef uint32_t size = 0
    cdef double due = core_deadline(k)
    if not x.stopping and (x.barrier or records_peek(x.commands, &size) != NULL):
        return k.session.now if k.session.now < due else due
    return due
