"""The surface of a connection's transport state: create, push, build, receive."""

from libc.math cimport INFINITY
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy

from netcode.bits.varint cimport VARINT_MAX_BYTES, varint_put
from netcode.channel.acks cimport ack_range, received_free, received_init
from netcode.channel.congestion cimport control_init, control_rate, control_window
from netcode.channel.incoming cimport IN_PARTIALS, in_free, in_loose, in_partial, in_queue, in_slot
from netcode.channel.outgoing cimport out_free, out_has_room, out_new, out_push, out_queue, out_slot
from netcode.channel.path cimport path_init
from netcode.channel.receiver cimport packet_receive
from netcode.channel.recovery cimport recovery_free, recovery_init, sent_packet, sent_part
from netcode.channel.sender cimport packet_build, packet_deadline
from netcode.channel.state cimport state_moved

__all__: list[str] = []

cdef enum:
    FIRST_TOKENS = 12000         # bytes that may leave before time has passed: ten packets


cdef channel_state *channel_new(const channel_config *config) noexcept nogil:
    cdef size_t queues = config.channels * sizeof(void *)
    cdef channel_state *c = <channel_state *>calloc(1, sizeof(channel_state) + 2 * queues)
    if c == NULL:
        return NULL
    c.config = config
    c.channels = config.channels
    c.outgoing = <out_queue **>(c + 1)
    c.incoming = <in_queue **>(c.outgoing + config.channels)
    recovery_init(&c.sent, config.initial_sequence, config.max_packets, config.max_ack_delay)
    control_init(&c.control)
    path_init(&c.path)
    received_init(&c.received, config.initial_sequence)
    c.ack_due = INFINITY
    c.expires = INFINITY
    c.pace_tokens = FIRST_TOKENS
    return c


cdef void channel_free(channel_state *c) noexcept nogil:
    cdef uint32_t i
    if c == NULL:
        return
    for i in range(c.channels):
        out_free(c.outgoing[i])
        in_free(c.incoming[i])
    recovery_free(&c.sent)
    received_free(&c.received)
    free(c.frames)
    free(c)


cdef int channel_push(
    channel_state *c, int channel, const uint8_t *data, uint32_t size, double now
) noexcept nogil:
    cdef out_queue *q
    cdef int result
    if channel < 0 or <uint32_t>channel >= c.config.channels:
        return CHANNEL_UNKNOWN
    if size > c.config.channel[channel].max_message:
        return CHANNEL_TOO_LARGE
    if now > c.now:
        c.now = now
    q = c.outgoing[channel]
    if q == NULL:
        q = out_new(
            &c.config.channel[channel], <uint8_t>channel, c.config.initial_message_id
        )
        if q == NULL:
            return CHANNEL_MEMORY
        c.outgoing[channel] = q
    result = out_push(q, data, size, c.now)
    if result < 0:
        return CHANNEL_FULL if result == -1 else CHANNEL_MEMORY
    c.backlog |= <uint64_t>1 << channel
    c.stats.messages_pushed += 1
    return CHANNEL_OK


cdef bint channel_has_room(
    channel_state *c, int channel, uint32_t size, double now
) noexcept nogil:
    if channel < 0 or <uint32_t>channel >= c.config.channels:
        return False
    if size > c.config.channel[channel].max_message:
        return False
    if now > c.now:
        c.now = now
    return c.outgoing[channel] == NULL or out_has_room(c.outgoing[channel], size, c.now)


cdef int channel_push_frame(
    channel_state *c, int kind, const uint8_t *data, uint32_t size
) noexcept nogil:
    cdef uint64_t need
    cdef uint64_t capacity
    cdef void *grown
    cdef uint8_t *at
    if kind < CHANNEL_FRAME_FIRST or kind > CHANNEL_FRAME_LAST:
        return CHANNEL_UNKNOWN
    if size > CHANNEL_MAX_FRAME:
        return CHANNEL_TOO_LARGE
    need = <uint64_t>c.frames_size + 1 + VARINT_MAX_BYTES + size
    if need > c.config.frame_bytes:
        return CHANNEL_FULL
    if need > c.frames_capacity:
        capacity = c.frames_capacity * 2 if c.frames_capacity else 256
        if capacity < need:
            capacity = need
        grown = realloc(c.frames, capacity)
        if grown == NULL:
            return CHANNEL_MEMORY
        c.frames = <uint8_t *>grown
        c.frames_capacity = <uint32_t>capacity
    at = c.frames + c.frames_size
    at[0] = <uint8_t>kind
    at += 1 + varint_put(at + 1, size)
    if size:
        memcpy(at, data, size)
    c.frames_size = <uint32_t>(at + size - c.frames)
    return CHANNEL_OK


cdef int channel_build(
    channel_state *c, double now, uint8_t *out, uint32_t capacity
) noexcept nogil:
    return packet_build(c, now, out, capacity)


cdef int channel_receive(
    channel_state *c, const uint8_t *data, uint32_t size, double now, inbox *delivered,
    uint32_t index
) noexcept nogil:
    return packet_receive(c, data, size, now, delivered, index)


cdef double channel_deadline(const channel_state *c) noexcept nogil:
    return packet_deadline(c)


cdef const channel_stats *channel_statistics(channel_state *c) noexcept nogil:
    cdef channel_stats *s = &c.stats
    cdef uint32_t i
    s.rtt = c.sent.srtt
    s.latest_rtt = c.sent.latest_rtt
    s.min_rtt = c.sent.min_rtt
    s.rtt_variance = c.sent.rttvar
    s.jitter = c.sent.jitter
    s.packet_loss = c.sent.loss
    s.bandwidth = c.control.bandwidth
    s.send_rate = control_rate(&c.control, &c.sent, c.config)
    s.queue_delay = c.control.queue
    s.send_window = <uint64_t>control_window(&c.control, &c.sent, c.config)
    s.black_holes = c.path.shrunk
    s.mtu = c.capacity
    if 0 < c.path.limit < c.capacity:
        s.mtu = c.path.limit
    s.bytes_in_flight = c.sent.bytes_in_flight
    s.bytes_queued = 0
    s.messages_queued = 0
    s.bytes_held = 0
    s.messages_delivered = 0
    s.messages_duplicate = 0
    s.messages_dropped = 0
    s.messages_expired = 0
    s.memory = (
        sizeof(channel_state) + c.config.channels * 2 * sizeof(void *) + c.frames_capacity
        + c.received.capacity * sizeof(ack_range)
        + c.sent.packet_capacity * sizeof(sent_packet) + c.sent.part_capacity * sizeof(sent_part)
    )
    for i in range(c.config.channels):
        if c.outgoing[i] != NULL:
            s.bytes_queued += c.outgoing[i].bytes
            s.messages_queued += c.outgoing[i].end - c.outgoing[i].low
            s.messages_expired += c.outgoing[i].expired
            s.memory += (
                sizeof(out_queue) + c.outgoing[i].capacity * sizeof(out_slot)
                + c.outgoing[i].bytes + c.outgoing[i].bitmaps + c.outgoing[i].spare_bytes
            )
        if c.incoming[i] != NULL:
            s.bytes_held += c.incoming[i].held
            # One bit for each 64 bytes of a message in fragments, and a header.
            s.memory += (
                sizeof(in_queue) + c.incoming[i].capacity * sizeof(in_slot) + c.incoming[i].held
                + c.incoming[i].held // 512 + c.incoming[i].waiting * sizeof(in_partial)
            )
            if c.incoming[i].loose != NULL:
                s.memory += IN_PARTIALS * (sizeof(in_loose) + sizeof(in_partial))
            s.messages_delivered += c.incoming[i].delivered
            s.messages_duplicate += c.incoming[i].duplicates
            s.messages_dropped += c.incoming[i].dropped
    return s


cdef void channel_moved(channel_state *c, double now) noexcept nogil:
    if now > c.now:
        c.now = now
    state_moved(c)


cdef bint channel_idle(const channel_state *c) noexcept nogil:
    cdef uint32_t i
    if c.frames_at < c.frames_size:
        return False
    for i in range(c.config.channels):
        if c.outgoing[i] != NULL and c.outgoing[i].low != c.outgoing[i].end:
            return False
    return True
