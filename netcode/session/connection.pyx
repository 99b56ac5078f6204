"""One connection: sealing, keep-alive packets, payloads in and out."""

from libc.math cimport INFINITY
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from netcode.channel.connection cimport (
    RECEIVE_DUPLICATE, RECEIVE_INBOX_FULL, RECEIVE_MEMORY, channel_build, channel_deadline,
    channel_free, channel_moved, channel_new, channel_receive,
)
from netcode.channel.inbox cimport inbox, inbox_push, inbox_reserve
from netcode.security.aead cimport wipe
from netcode.security.packet cimport (
    PACKET_DISCONNECT, PACKET_KEEP_ALIVE, PACKET_KEEP_ALIVE_BODY, PACKET_MAX_OVERHEAD,
    PACKET_PAYLOAD, PACKET_REASON_COUNT, packet_header_size, packet_seal, put_keep_alive,
)
from netcode.security.protocol cimport KEY_BYTES
from netcode.security.replay cimport replay_init
from netcode.session.batch cimport datagrams_commit, datagrams_reserve
from netcode.session.counters cimport (
    COUNT_BYTES_SENT, COUNT_DATAGRAMS_SENT, COUNT_OUT_FULL, COUNT_OUT_OF_MEMORY,
    COUNT_PAYLOAD_DUPLICATE, COUNT_PAYLOAD_INBOX_FULL, COUNT_PAYLOAD_INBOX_SHARE,
    COUNT_PAYLOAD_MALFORMED, COUNT_PAYLOADS_RECEIVED, COUNT_PAYLOADS_SENT, COUNT_RATE_LIMITED,
    COUNT_RESUMED,
)

__all__ = []


cdef void refuse_packet(session *s, int reason) noexcept nogil:
    if -PACKET_REASON_COUNT < reason < 0:
        s.packet_reasons[-reason] += 1


cdef int connection_start(session *s, connection *c) noexcept nogil:
    c.send_sequence = 0
    c.last_send = s.now
    c.last_receive = s.now
    c.confirmed = 0
    c.strikes = 0
    c.messages_paid = c.bytes_paid = c.drops_paid = 0
    c.inbox_round = s.received.round - 1
    c.packets_sent = 0
    c.packets_received = 0
    c.bytes_sent = 0
    c.bytes_received = 0
    c.resumed = 0
    c.told_moved = 0
    memset(c.grants, 0, sizeof(c.grants))
    replay_init(&c.replay)
    c.channel = NULL
    if s.channels != NULL:
        c.channel = channel_new(s.channels)
        if c.channel == NULL:
            s.counts[COUNT_OUT_OF_MEMORY] += 1
            return -1
    return 0


cdef void connection_end(connection *c) noexcept nogil:
    channel_free(c.channel)
    c.channel = NULL
    wipe(c.send_key, KEY_BYTES)
    wipe(c.receive_key, KEY_BYTES)
    wipe(c.grants, sizeof(c.grants))


cdef void connection_rekey(session *s, connection *c, const uint8_t *send_key,
                           const uint8_t *receive_key, uint64_t send_sequence) noexcept nogil:
    memcpy(c.send_key, send_key, KEY_BYTES)
    memcpy(c.receive_key, receive_key, KEY_BYTES)
    c.send_sequence = send_sequence
    c.confirmed = s.client_end
    c.last_receive = s.now
    c.last_send = -INFINITY
    c.resumed += 1
    replay_init(&c.replay)
    s.counts[COUNT_RESUMED] += 1
    if c.channel != NULL:
        channel_moved(c.channel, s.now)


cdef int seal_into(session *s, connection *c, int type, const uint8_t *body, uint32_t size,
                   uint8_t *place) noexcept nogil:
    """Seal into reserved room for ``size`` + PACKET_MAX_OVERHEAD bytes."""
    cdef int sealed = packet_seal(
        &s.protocol, type, c.send_sequence, c.send_key, body, size, place,
        size + PACKET_MAX_OVERHEAD)
    if sealed < 0:
        refuse_packet(s, sealed)
        return -1
    c.send_sequence += 1
    c.last_send = s.now
    c.packets_sent += 1
    c.bytes_sent += <uint64_t>sealed
    s.counts[COUNT_DATAGRAMS_SENT] += 1
    s.counts[COUNT_BYTES_SENT] += <uint64_t>sealed
    if type == PACKET_PAYLOAD:
        s.counts[COUNT_PAYLOADS_SENT] += 1
    datagrams_commit(s.out, <uint32_t>sealed, &c.address)
    return 0


cdef int connection_send(session *s, connection *c, int type, const uint8_t *body,
                         uint32_t size) noexcept nogil:
    cdef uint8_t *place = datagrams_reserve(s.out, size + PACKET_MAX_OVERHEAD)
    if place == NULL:
        s.counts[COUNT_OUT_FULL] += 1
        return -1
    return seal_into(s, c, type, body, size, place)


cdef int connection_send_keep_alive(session *s, connection *c) noexcept nogil:
    cdef uint8_t body[PACKET_KEEP_ALIVE_BODY]
    put_keep_alive(body, 0 if s.client_end else c.index, s.max_clients)
    return connection_send(s, c, PACKET_KEEP_ALIVE, body, PACKET_KEEP_ALIVE_BODY)


cdef int connection_send_payload(session *s, connection *c, const uint8_t *body,
                                 uint32_t size) noexcept nogil:
    if not c.confirmed and connection_send_keep_alive(s, c) < 0:
        return -1
    return connection_send(s, c, PACKET_PAYLOAD, body, size)


cdef void connection_send_disconnects(session *s, connection *c) noexcept nogil:
    cdef int _
    for _ in range(DISCONNECT_PACKETS):
        connection_send(s, c, PACKET_DISCONNECT, NULL, 0)


cdef void connection_flush(session *s, connection *c) noexcept nogil:
    cdef uint32_t sent = 0
    cdef uint32_t limit = s.protocol.max_payload
    cdef uint32_t header
    cdef uint8_t *place
    cdef int size
    while c.channel != NULL and sent < s.flush_packets:
        # Room first: a packet once built counts as sent. The keep-alive of an unconfirmed
        # peer may come before it.
        place = datagrams_reserve(
            s.out, limit + PACKET_KEEP_ALIVE_BODY + 2 * PACKET_MAX_OVERHEAD)
        if place == NULL:
            s.counts[COUNT_OUT_FULL] += 1
            break
        if c.confirmed:
            header = packet_header_size(c.send_sequence)
            size = channel_build(c.channel, s.now, place + header, limit)
            if size <= 0:
                break
            seal_into(s, c, PACKET_PAYLOAD, place + header, <uint32_t>size, place)
        else:
            size = channel_build(c.channel, s.now, s.body, limit)
            if size <= 0:
                break
            connection_send_payload(s, c, s.body, <uint32_t>size)
        sent += 1
    if send_due(s, c.last_send) <= s.now:
        connection_send_keep_alive(s, c)


cdef inline void pay(double *paid, double now, double cost) noexcept nogil:
    paid[0] = (paid[0] if paid[0] > now else now) + cost


cdef bint connection_admit(session *s, connection *c, uint32_t size,
                           bint *flooded) noexcept nogil:
    flooded[0] = False
    if s.client_end:
        return True
    if c.messages_paid <= s.now + LIMIT_SECONDS and c.bytes_paid <= s.now + LIMIT_SECONDS:
        pay(&c.bytes_paid, s.now, size * s.byte_cost)
        # A datagram without a message counts as one; connection_receive adds the rest.
        pay(&c.messages_paid, s.now, s.message_cost)
        return True
    s.counts[COUNT_RATE_LIMITED] += 1
    pay(&c.drops_paid, s.now, s.drop_cost)
    flooded[0] = c.drops_paid > s.now + DROP_SECONDS
    return False


cdef bint inbox_share(session *s, connection *c) noexcept nogil:
    """Whether the inbox has room for more of this connection.

    It may hold as much as is free: one that floods gets half of the inbox, n of them n / (n + 1),
    and who sent nothing yet always finds room.
    """
    cdef inbox *box = &s.received
    if c.inbox_round != box.round:
        c.inbox_round = box.round
        c.inbox_bytes = 0
        c.inbox_entries = 0
        return True
    return (c.inbox_bytes <= box.limit_bytes - (
                box.used if box.used < box.limit_bytes else box.limit_bytes)
            and c.inbox_entries <= box.limit_entries - (
                box.count if box.count < box.limit_entries else box.limit_entries))


cdef bint connection_receive(session *s, connection *c, const uint8_t *body,
                             uint32_t size) noexcept nogil:
    cdef uint32_t used = s.received.used
    cdef uint32_t count = s.received.count
    cdef bint ended
    if not s.client_end and not inbox_share(s, c):
        s.counts[COUNT_PAYLOAD_INBOX_SHARE] += 1
        return False
    ended = deliver(s, c, body, size)
    count = s.received.count - count
    if count:
        c.inbox_bytes += s.received.used - used
        c.inbox_entries += count
        if count > 1:
            pay(&c.messages_paid, s.now, (count - 1) * s.message_cost)
    return ended


cdef bint deliver(session *s, connection *c, const uint8_t *body, uint32_t size) noexcept nogil:
    cdef int result
    s.counts[COUNT_PAYLOADS_RECEIVED] += 1
    if c.channel == NULL:
        result = inbox_reserve(&s.received, size, 1)
        if result == 0:
            result = inbox_push(&s.received, handle_of(c), 0, False, body, size)
        if result > 0:
            s.counts[COUNT_PAYLOAD_INBOX_FULL] += 1
        elif result < 0:
            s.counts[COUNT_OUT_OF_MEMORY] += 1
        return False
    result = channel_receive(c.channel, body, size, s.now, &s.received, handle_of(c))
    if result == RECEIVE_DUPLICATE:
        s.counts[COUNT_PAYLOAD_DUPLICATE] += 1
    elif result == RECEIVE_INBOX_FULL:
        s.counts[COUNT_PAYLOAD_INBOX_FULL] += 1
    elif result == RECEIVE_MEMORY:
        s.counts[COUNT_OUT_OF_MEMORY] += 1
    elif result < 0:
        s.counts[COUNT_PAYLOAD_MALFORMED] += 1
        if -result <= CHANNEL_REASONS:
            s.channel_reasons[-result - 1] += 1
        c.strikes += 1
        return c.strikes >= s.malformed_limit
    return False


cdef double connection_deadline(const session *s, const connection *c) noexcept nogil:
    cdef double due = send_due(s, c.last_send)
    cdef double other = c.last_receive + c.timeout
    if other < due:
        due = other
    if c.channel != NULL:
        other = channel_deadline(c.channel)
        if other < due:
            due = other
    return due
