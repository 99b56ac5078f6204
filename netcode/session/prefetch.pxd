"""Asking early for the memory that a connection's next packet will touch. Changes nothing."""

from libc.stdint cimport uint8_t, uint32_t

from netcode.channel.outgoing cimport out_queue, out_slot
from netcode.channel.state cimport channel_state
from netcode.security.packet cimport PACKET_MIN_BYTES, PACKET_SERVER_MASK
from netcode.session.connection cimport connection

cdef extern from *:
    r"""
    #ifndef NETCODE_PREFETCH
    #define NETCODE_PREFETCH
    #if defined(__GNUC__) || defined(__clang__)
    /* The empty asm keeps gcc from judging a function that only prefetches to be without effect. */
    #define netcode_prefetch(p) __extension__ ({ \
        __builtin_prefetch((const void *)(p), 1, 3); \
        __asm__ __volatile__(""); \
    })
    #else
    #define netcode_prefetch(p) ((void)(p))
    #endif
    #endif
    """
    void prefetch "netcode_prefetch"(const void *p) noexcept nogil

cdef enum:
    LINE = 64


cdef inline bint may_be_encrypted(const uint8_t *data, uint32_t size) noexcept nogil:
    """Whether a server will look up the sender of this datagram: a guess that costs nothing."""
    return (size >= PACKET_MIN_BYTES and data[0] & 15
            and (PACKET_SERVER_MASK >> (data[0] & 15)) & 1)


cdef inline void prefetch_bytes(const void *start, size_t size) noexcept nogil:
    """Every cache line of a stretch."""
    cdef size_t at = 0
    while at < size:
        prefetch(<const uint8_t *>start + at)
        at += LINE


cdef inline void connection_prefetch(connection *c) noexcept nogil:
    """The struct."""
    prefetch_bytes(c, sizeof(connection))


cdef inline void channel_prefetch(channel_state *c) noexcept nogil:
    """The channels' struct, once the connection is here."""
    if c != NULL:
        prefetch_bytes(c, sizeof(channel_state))


cdef inline void channel_prefetch_receive(channel_state *c) noexcept nogil:
    """What receiving goes on to from there."""
    cdef uint32_t i
    if c != NULL:
        prefetch(c.received.ranges)
        if c.sent.packets != NULL:
            prefetch(&c.sent.packets[(c.sent.next - 1) & (c.sent.packet_capacity - 1)])
        for i in range(c.channels if c.channels < 4 else 4):
            if c.incoming[i] != NULL:
                prefetch_bytes(c.incoming[i], 128)


cdef inline void channel_prefetch_send(channel_state *c) noexcept nogil:
    """What sending goes on to from there."""
    cdef uint32_t i
    if c != NULL:
        prefetch(c.received.ranges)
        if c.sent.packets != NULL:
            prefetch(&c.sent.packets[c.sent.next & (c.sent.packet_capacity - 1)])
            prefetch(&c.sent.packets[c.sent.tail & (c.sent.packet_capacity - 1)])
        for i in range(c.channels if c.channels < 4 else 4):
            if (c.backlog >> i) & 1:
                prefetch_bytes(c.outgoing[i], sizeof(out_queue))
        if c.frames_at < c.frames_size:
            prefetch(c.frames + c.frames_at)


cdef inline out_slot *next_slot(channel_state *c) noexcept nogil:
    """The next message of the first channel that has one, or NULL."""
    cdef uint32_t i
    cdef out_queue *q
    if c != NULL and c.backlog:
        for i in range(c.channels if c.channels < 4 else 4):
            if (c.backlog >> i) & 1:
                q = c.outgoing[i]
                return &q.slots[q.next & (q.capacity - 1)] if q.next < q.end else NULL
    return NULL


cdef inline void channel_prefetch_slot(channel_state *c) noexcept nogil:
    """And from there: where the next message lies."""
    cdef out_slot *slot = next_slot(c)
    if slot != NULL:
        prefetch(slot)


cdef inline void channel_prefetch_message(channel_state *c) noexcept nogil:
    """And from there: its beginning, behind which the processor goes on by itself."""
    cdef out_slot *slot = next_slot(c)
    if slot != NULL and slot.data != NULL:
        prefetch(slot.data)
        prefetch(slot.data + LINE)


cdef inline void channel_prefetch_push(channel_state *c, uint32_t channel) noexcept nogil:
    """What a push on a channel goes on to."""
    if c != NULL and c.outgoing[channel] != NULL:
        prefetch_bytes(c.outgoing[channel], sizeof(out_queue))


cdef inline void channel_prefetch_room(channel_state *c, uint32_t channel) noexcept nogil:
    """And from there: where a small message will lie."""
    if c != NULL and c.outgoing[channel] != NULL and c.outgoing[channel].spare != NULL:
        prefetch(c.outgoing[channel].spare)
        prefetch(c.outgoing[channel].spare + LINE)
