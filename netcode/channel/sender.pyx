"""What goes into the next packet: acks, then opaque frames, then messages by turns."""

from libc.math cimport INFINITY, fmax
from libc.stdint cimport int32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy

from netcode.bits.varint cimport varint_get
from netcode.channel.acks cimport ACK_BLOCK_MIN_ROOM, ack_write, received_next
from netcode.channel.congestion cimport control_limited, control_sent
from netcode.channel.frames cimport FLAG_ACK, FLAG_ELICITING, PACKET_HEADER_BYTES
from netcode.channel.outgoing cimport (
    OUT_NO_ROOM,
    out_backlog,
    out_expire,
    out_pay,
    out_queue,
    out_repeat,
    out_write,
)
from netcode.channel.path cimport PATH_FLOOR, path_capacity, path_doubted, path_sent
from netcode.channel.recovery cimport (
    PACKET_ELICITING,
    PACKET_HAS_ACK,
    RECOVERY_PACKET_PARTS,
    RECOVERY_SPAN,
    RECOVERY_SPAN_MAX,
    recovery_next_part,
    recovery_oldest,
    recovery_packet,
    recovery_probe_time,
    recovery_room,
    recovery_sent,
    recovery_span,
    sent_part,
)
from netcode.channel.settings cimport CHANNEL_LANES
from netcode.channel.state cimport (
    state_due,
    state_lost,
    state_pace_due,
    state_ready,
    state_refill,
    state_timers,
    state_window_open,
)

__all__: list[str] = []

cdef enum:
    LEAST_CAPACITY = 128
    ACK_ROOM = 96                # bytes of ack block in a packet; a whole message still fits
    TURN_BYTES = 1200            # of one channel before the next has its turn
    PLAIN_MAX = 8                # packets in a row that ask for no ack; then one does
    KEPT_FRAME_BYTES = 4096
cdef double PACE_SLACK = 1e-6    # seconds; keeps a deadline from falling short by rounding


cdef inline uint32_t frame_bytes(const channel_state *c) noexcept nogil:
    """Size on the wire of the next opaque frame, which channel_push_frame wrote itself."""
    cdef uint64_t size = 0
    cdef const uint8_t *at = c.frames + c.frames_at + 1
    cdef int n = varint_get(at, c.frames + c.frames_size, &size)
    return <uint32_t>(1 + n + size)


cdef uint32_t write_frames(channel_state *c, uint8_t *out, uint32_t room) noexcept nogil:
    cdef uint32_t used = 0
    cdef uint32_t size
    while c.frames_at < c.frames_size:
        size = frame_bytes(c)
        if size > room - used:
            break
        memcpy(out + used, c.frames + c.frames_at, size)
        used += size
        c.frames_at += size
        c.stats.frames_sent += 1
    if c.frames_at == c.frames_size:
        c.frames_at = 0
        c.frames_size = 0
        if c.frames_capacity > KEPT_FRAME_BYTES:
            free(c.frames)
            c.frames = NULL
            c.frames_capacity = 0
    return used


cdef uint32_t ack_room(channel_state *c, uint32_t capacity) noexcept nogil:
    """What an ack block may take of the packet; frames too large for any packet are dropped."""
    cdef uint32_t room = capacity - PACKET_HEADER_BYTES
    cdef uint32_t size
    while c.frames_at < c.frames_size:
        size = frame_bytes(c)
        if size + ACK_BLOCK_MIN_ROOM <= room:
            room -= size
            break
        c.frames_at += size
        c.stats.frames_dropped += 1
    return room if room < ACK_ROOM else ACK_ROOM


cdef inline uint32_t after(const channel_state *c, uint32_t i) noexcept nogil:
    return i + 1 if i + 1 < c.config.channels else 0


cdef uint32_t next_turn(channel_state *c, uint64_t waiting) noexcept nogil:
    """Deficit round robin: stay while the channel has bytes left of its turn, else move on."""
    cdef out_queue *q
    cdef int32_t turn
    while not ((waiting >> c.turn) & 1) or c.outgoing[c.turn].deficit <= 0:
        c.turn = after(c, c.turn)
        if (waiting >> c.turn) & 1:
            q = c.outgoing[c.turn]
            turn = <int32_t>(TURN_BYTES * q.limits.weight)
            q.deficit += turn
            if q.deficit > turn:
                q.deficit = turn
    return c.turn


cdef inline uint64_t first_lane(const channel_state *c, uint64_t waiting) noexcept nogil:
    """Those of the highest priority that wait."""
    cdef int lane = CHANNEL_LANES - 1
    while lane > 0 and not waiting & c.config.lane[lane]:
        lane -= 1
    return waiting & c.config.lane[lane]


cdef uint64_t may_write(channel_state *c, double now) noexcept nogil:
    """The channels with a backlog that neither is too old nor has to wait for its rate."""
    cdef uint64_t waiting = c.backlog
    cdef uint64_t left = waiting
    cdef uint32_t i = 0
    cdef out_queue *q
    while left:
        if left & 1:
            q = c.outgoing[i]
            out_expire(q, now)
            if not out_backlog(q):
                c.backlog &= ~(<uint64_t>1 << i)
            if not out_backlog(q) or q.paid > now:
                waiting &= ~(<uint64_t>1 << i)
        left >>= 1
        i += 1
    return waiting


cdef uint32_t write_repeated(
    channel_state *c, double now, uint8_t *out, uint32_t room, uint32_t *parts
) noexcept nogil:
    """Once more what redundant channels sent lately and nobody acked."""
    cdef uint64_t left = c.config.redundant
    cdef uint32_t used = 0
    cdef uint32_t i = 0
    cdef out_queue *q
    cdef int n
    while left and parts[0] < RECOVERY_PACKET_PARTS:
        q = c.outgoing[i]
        if left & 1 and q != NULL:
            n = out_repeat(q, out + used, room - used, now, recovery_next_part(&c.sent, parts[0]))
            if n:
                used += <uint32_t>n
                parts[0] += 1
                c.stats.messages_resent += 1
                out_pay(q, <uint32_t>n, now)
        left >>= 1
        i += 1
    return used


cdef void mark_repeated(channel_state *c) noexcept nogil:
    """What is new in this packet is not repeated in it."""
    cdef uint64_t left = c.config.redundant
    cdef uint32_t i = 0
    while left:
        if left & 1 and c.outgoing[i] != NULL:
            c.outgoing[i].repeat_end = c.outgoing[i].next
        left >>= 1
        i += 1


cdef uint32_t write_messages(
    channel_state *c, double now, uint8_t *out, uint32_t room, bint fresh, uint32_t *parts
) noexcept nogil:
    """Fill with messages: the control channel first, the others by priority and turns. When the
    channel whose turn it is finds no room, the others fill the packet up, and it goes first in
    the next one."""
    cdef uint64_t waiting = may_write(c, now)
    cdef uint32_t used = 0
    cdef uint32_t resent = 0
    cdef uint32_t i
    cdef bint filling = False
    cdef out_queue *q
    cdef sent_part *part
    cdef int n
    while waiting and parts[0] < RECOVERY_PACKET_PARTS:
        i = 0
        if filling:
            while not (waiting >> i) & 1:
                i = after(c, i)
        elif not waiting & 1:
            i = next_turn(c, first_lane(c, waiting))
        q = c.outgoing[i]
        part = recovery_next_part(&c.sent, parts[0])
        out_expire(q, now)
        n = out_write(q, out + used, room - used, fresh, part, &resent)
        if n <= 0:
            waiting &= ~(<uint64_t>1 << i)
            filling = filling or (i and n == OUT_NO_ROOM)
            continue
        used += <uint32_t>n
        fresh = False
        if part.count:
            parts[0] += 1
        out_pay(q, <uint32_t>n, now)
        if q.paid > now:
            waiting &= ~(<uint64_t>1 << i)
        if i:
            q.deficit -= n
        if not out_backlog(q):
            q.deficit = 0
            c.backlog &= ~(<uint64_t>1 << i)
            waiting &= ~(<uint64_t>1 << i)
    c.stats.messages_resent += resent
    return used


cdef inline bint may_send(channel_state *c) noexcept nogil:
    """Whether messages may leave now."""
    return state_ready(c) and (
        c.probes > 0 or (state_window_open(c) and c.pace_tokens > 0)
    )


cdef bint make_room(channel_state *c, double now) noexcept nogil:
    """Room in the packet ring; the oldest packets are given up when there is none."""
    cdef uint64_t sequence = 0
    cdef uint64_t span = recovery_span(&c.sent)
    if span >= RECOVERY_SPAN_MAX or (span >= RECOVERY_SPAN and c.probes == 0):
        return False
    while not recovery_room(&c.sent, now):
        if not recovery_oldest(&c.sent, &sequence):
            return False
        state_lost(c, sequence)
    return True


cdef uint32_t allowed(channel_state *c, uint32_t capacity, double now) noexcept nogil:
    """What the packet may have of ``capacity``: of two probes one is small when packets vanish."""
    c.capacity = capacity
    if (
        c.probes == 1 and c.frames_at == c.frames_size and capacity > PATH_FLOOR
        and (c.sent.probe_count >= 2 or path_doubted(&c.path))
    ):
        return PATH_FLOOR
    return path_capacity(&c.path, capacity, now)


cdef int packet_build(
    channel_state *c, double now, uint8_t *out, uint32_t capacity
) noexcept nogil:
    cdef uint8_t flags = 0
    cdef uint8_t kept = 0
    cdef uint32_t at = PACKET_HEADER_BYTES
    cdef uint32_t parts = 0
    cdef uint32_t message_bytes = 0
    cdef uint32_t repeated
    cdef uint32_t n
    cdef uint64_t ack_largest = 0
    cdef bint messages
    if now > c.now:
        c.now = now
    now = c.now
    if capacity < LEAST_CAPACITY:
        return 0
    state_timers(c, now)
    state_refill(c, now)
    messages = may_send(c)
    if not messages and c.frames_at == c.frames_size and c.probes == 0 and now < c.ack_due:
        return 0
    if not make_room(c, now):
        return 0
    capacity = allowed(c, capacity, now)
    n = ack_room(c, capacity)
    if c.ack_pending:
        n = <uint32_t>ack_write(&c.received, now, out + at, n)
        if n:
            at += n
            flags |= FLAG_ACK
            kept |= PACKET_HAS_ACK
            ack_largest = received_next(&c.received) - 1
    n = write_frames(c, out + at, capacity - at)
    if c.config.redundant:
        mark_repeated(c)
    if messages:
        message_bytes = write_messages(c, now, out + at + n, capacity - at - n, n == 0, &parts)
        n += message_bytes
    if c.config.redundant and (n or c.probes):
        repeated = write_repeated(c, now, out + at + n, capacity - at - n, &parts)
        message_bytes += repeated
        n += repeated
    at += n
    if n or c.probes or (flags and c.plain_sent >= PLAIN_MAX):
        flags |= FLAG_ELICITING
        kept |= PACKET_ELICITING
        c.plain_sent = 0
        # A bare probe is asked for only when there is nothing better to send.
        c.probes = c.probes - 1 if c.probes and n and state_ready(c) else 0
    elif flags:
        c.plain_sent += 1
    else:
        return 0
    if flags & FLAG_ACK:
        c.ack_pending = False
        c.ack_due = INFINITY
        c.eliciting_unacked = 0
    out[0] = flags
    out[1] = <uint8_t>(c.sent.next & 0xFF)
    out[2] = <uint8_t>((c.sent.next >> 8) & 0xFF)
    if kept & PACKET_ELICITING:
        if not state_ready(c):
            control_limited(&c.control, c.sent.flight + at)
        control_sent(&c.control, recovery_packet(&c.sent, c.sent.next), c.sent.flight, now)
        kept |= recovery_packet(&c.sent, c.sent.next).flags
        path_sent(&c.path, at, now)
        # Opaque frames have the budget of the floor that pushes them and never wait. Messages
        # wait for them, but not for ever.
        c.pace_tokens -= message_bytes
        c.pace_debt += at - message_bytes
    recovery_sent(&c.sent, now, at, message_bytes, parts, kept, ack_largest)
    c.stats.packets_sent += 1
    c.stats.bytes_sent += at
    return <int>at


cdef double packet_deadline(const channel_state *c) noexcept nogil:
    cdef double due = c.ack_due
    cdef double at
    if recovery_span(&c.sent) >= RECOVERY_SPAN_MAX:
        return INFINITY
    if c.frames_at < c.frames_size or c.probes:
        return c.now
    at = recovery_probe_time(&c.sent)
    if at < due:
        due = at
    if c.sent.loss_time < due:
        due = c.sent.loss_time
    if c.expires < due:
        due = c.expires
    if c.backlog and state_window_open(c):
        at = state_due(c)
        if c.pace_tokens <= 0:
            at = fmax(at, state_pace_due(c) + PACE_SLACK)
        at = fmax(at, c.now)
        if at < due:
            due = at
    return due
