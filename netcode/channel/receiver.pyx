"""Judge, then apply. The first pass changes nothing that can be seen; the second cannot fail but
for memory, and then the packet stays unacked and comes again."""

from libc.stdint cimport UINT32_MAX, uint16_t, uint64_t

from netcode.channel.acks cimport (
    ACK_NEVER_SENT,
    ack_block,
    ack_parse,
    received_add,
    received_has,
    received_next,
    received_reported,
    received_set,
)
from netcode.channel.congestion cimport control_acked, control_delivered
from netcode.channel.frames cimport (
    FLAG_ACK,
    FLAG_ELICITING,
    FLAGS_ALL,
    FRAME_FRAGMENT,
    FRAME_MESSAGES,
    FRAME_OPAQUE_FIRST,
    FRAME_UNRELIABLE_FRAGMENT,
    PACKET_HEADER_BYTES,
    REFUSED_ACK,
    REFUSED_ACK_NEVER_SENT,
    REFUSED_FLAGS,
    REFUSED_SHORT,
    frame_read,
    frame_view,
    run_next,
)
from netcode.channel.inbox cimport inbox_push, inbox_reserve
from netcode.channel.incoming cimport (
    in_fragment,
    in_loose_fragment,
    in_message,
    in_queue,
    in_unreliable,
)
from netcode.channel.judge cimport judge_frames, judgement
from netcode.channel.outgoing cimport out_acked, out_backlog
from netcode.channel.path cimport path_acked
from netcode.channel.recovery cimport (
    PACKET_ELICITING,
    PACKET_ELSEWHERE,
    PACKET_HAS_ACK,
    recovery_acked,
    recovery_packet,
    recovery_part,
    recovery_rtt,
    recovery_shrink,
    recovery_unacked,
    sent_packet,
    sent_part,
)
from netcode.channel.sequence cimport sequence_expand
from netcode.channel.state cimport state_detect

__all__: list[str] = []

cdef double ACK_GATHER = 0.001     # seconds in which many arrivals share an ack


cdef int apply_frame(
    channel_state *c, const frame_view *view, uint64_t sequence, uint32_t place, double now,
    inbox *delivered, uint32_t index
) noexcept nogil:
    cdef const uint8_t *at = view.data
    cdef const uint8_t *end = view.data + view.size
    cdef const uint8_t *data = NULL
    cdef uint64_t order = (sequence << 16) | place
    cdef uint64_t id
    cdef uint32_t size = 0
    cdef uint32_t _i
    cdef int result
    cdef in_queue *q
    if view.kind >= FRAME_OPAQUE_FIRST:
        c.stats.frames_delivered += 1
        return inbox_push(delivered, index, view.kind, True, view.data, view.size)
    q = c.incoming[view.channel]
    id = sequence_expand(view.id, q.next)
    if view.kind == FRAME_FRAGMENT:
        return in_fragment(
            q, id, view.total, view.first, view.data, view.size, delivered, index
        )
    if view.kind == FRAME_UNRELIABLE_FRAGMENT:
        result = in_loose_fragment(
            q, view.id, view.total, view.first, view.data, view.size, sequence, order,
            now + c.config.reassembly_timeout, delivered, index
        )
        if q.expires < c.expires:
            c.expires = q.expires
        return result
    for _i in range(view.count):
        at = run_next(at, end, &data, &size)
        if view.kind == FRAME_MESSAGES:
            if in_message(q, id, data, size, delivered, index) < 0:
                return -1
            id += 1
        elif in_unreliable(q, order, data, size, delivered, index) < 0:
            return -1
    return 0


cdef int apply_frames(
    channel_state *c, const uint8_t *at, const uint8_t *end, uint64_t sequence, double now,
    inbox *delivered, uint32_t index
) noexcept nogil:
    cdef frame_view view
    cdef uint32_t place = 0
    while at < end:
        at += frame_read(at, end, &view)
        if apply_frame(c, &view, sequence, place, now, delivered, index) < 0:
            return -1
        place += 1
    return 0


cdef void acked(channel_state *c, uint64_t sequence) noexcept nogil:
    cdef sent_packet *packet = recovery_packet(&c.sent, sequence)
    cdef sent_part *part
    cdef uint32_t i
    c.stats.packets_acked += 1
    if recovery_acked(&c.sent, sequence):
        c.stats.packets_spurious += 1
    for i in range(packet.part_count):
        part = recovery_part(&c.sent, packet, i)
        out_acked(c.outgoing[part.channel], part)
        if not out_backlog(c.outgoing[part.channel]):
            c.backlog &= ~(<uint64_t>1 << part.channel)
    if packet.flags & PACKET_HAS_ACK:
        received_reported(&c.received, packet.ack_largest, sequence)


cdef void apply_acks(channel_state *c, const ack_block *block, double now) noexcept nogil:
    cdef uint32_t i
    cdef uint64_t at, end
    cdef bint progress = False
    cdef bint measures
    cdef double rtt = -1
    cdef sent_packet *packet
    for i in range(block.count):
        end = block.ranges[i].last + 1
        at = block.ranges[i].first
        if end <= c.sent.tail:
            break
        if at < c.sent.tail:
            at = c.sent.tail
        while True:
            at = recovery_unacked(&c.sent, at, end)
            if at >= end:
                break
            packet = recovery_packet(&c.sent, at)
            # An ack that was lost with the old path says nothing of the new one.
            measures = packet.flags & (PACKET_ELICITING | PACKET_ELSEWHERE) == PACKET_ELICITING
            if measures:
                control_delivered(&c.control, packet, now)
                path_acked(&c.path, packet, now)
            acked(c, at)
            progress = True
            if at == block.ranges[0].last and measures:
                recovery_rtt(&c.sent, now - packet.time, block.delay)
                rtt = c.sent.latest_rtt
            at += 1
    if progress:
        control_acked(&c.control, &c.sent, rtt, now)
        c.sent.probe_count = 0
        state_detect(c, now)
        recovery_shrink(&c.sent, now, c.backlog == 0)


cdef inline bint gap_untold(const received_set *s) noexcept nogil:
    """Whether a packet is missing of which the peer may not know yet."""
    return s.count > 1 and s.ranges[s.count - 1].first > s.report_floor


cdef void schedule_ack(channel_state *c, bint in_order, bint eliciting, double now) noexcept nogil:
    cdef double due
    c.ack_pending = True
    if not eliciting:
        return
    c.eliciting_unacked += 1
    # At once when the sender can learn of a loss; soon, for acks get lost too, until it knows of
    # it, or when it may wait for its window; else with company.
    due = now
    if in_order:
        if c.eliciting_unacked >= c.config.ack_every or gap_untold(&c.received):
            due = now + ACK_GATHER
        else:
            due = now + c.config.max_ack_delay
    if due < c.ack_due:
        c.ack_due = due


cdef int refuse(channel_state *c, int reason) noexcept nogil:
    if reason < 0:
        c.stats.packets_refused += 1
    return reason


cdef int packet_receive(
    channel_state *c, const uint8_t *data, uint32_t size, double now, inbox *delivered,
    uint32_t index
) noexcept nogil:
    cdef const uint8_t *at = data + PACKET_HEADER_BYTES
    cdef const uint8_t *end = data + size
    cdef uint8_t flags
    cdef bint in_order
    cdef int n
    cdef ack_block block
    cdef judgement j
    if now > c.now:
        c.now = now
    now = c.now
    if size < PACKET_HEADER_BYTES:
        return refuse(c, REFUSED_SHORT)
    flags = data[0]
    if flags & ~FLAGS_ALL or flags == 0:
        return refuse(c, REFUSED_FLAGS)
    j.sequence = sequence_expand(
        <uint16_t>(data[1] | (<uint16_t>data[2] << 8)), received_next(&c.received)
    )
    if received_has(&c.received, j.sequence):
        c.stats.packets_duplicate += 1
        return RECEIVE_DUPLICATE
    block.count = 0
    if flags & FLAG_ACK:
        n = ack_parse(at, end, c.sent.first, c.sent.next, &block)
        if n < 0:
            return refuse(c, REFUSED_ACK_NEVER_SENT if n == ACK_NEVER_SENT else REFUSED_ACK)
        at += n
    if at < end and not flags & FLAG_ELICITING:
        return refuse(c, REFUSED_FLAGS)
    n = judge_frames(c, at, end, &j)
    if n != 0:
        return refuse(c, n) if n < 0 else RECEIVE_MEMORY
    if j.deliver_entries:
        if j.deliver_bytes > UINT32_MAX:
            return RECEIVE_MEMORY
        n = inbox_reserve(delivered, <uint32_t>j.deliver_bytes, j.deliver_entries)
        if n != 0:
            return RECEIVE_INBOX_FULL if n > 0 else RECEIVE_MEMORY
    if apply_frames(c, at, end, j.sequence, now, delivered, index) < 0:
        return RECEIVE_MEMORY
    in_order = j.sequence == received_next(&c.received)
    if received_add(&c.received, j.sequence, c.sent.next, now) < 0:
        return RECEIVE_MEMORY
    c.stats.packets_received += 1
    c.stats.bytes_received += size
    schedule_ack(c, in_order, flags & FLAG_ELICITING, now)
    if block.count:
        apply_acks(c, &block, now)
    return RECEIVE_OK
