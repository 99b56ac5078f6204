"""The client's state machine: requests, responses, the walk along the token's servers."""

from libc.math cimport INFINITY
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from netcode.security.address cimport address_equal, net_address
from netcode.security.aead cimport wipe
from netcode.security.packet cimport (
    PACKET_CHALLENGE, PACKET_CHALLENGE_BODY, PACKET_CLIENT_MASK, PACKET_DENIED,
    PACKET_DISCONNECT, PACKET_KEEP_ALIVE, PACKET_PAYLOAD, PACKET_REQUEST_BYTES, PACKET_RESPONSE,
    get_keep_alive, packet_header, packet_open, packet_put_request,
)
from netcode.security.protocol cimport KEY_BYTES
from netcode.security.replay cimport replay_init
from netcode.session.batch cimport datagrams_commit, datagrams_reserve
from netcode.session.connection cimport (
    connection_deadline, connection_end, connection_flush, connection_receive, connection_send,
    connection_send_disconnects, connection_start, refuse_packet, send_due,
)
from netcode.session.counters cimport (
    COUNT_BYTES_RECEIVED, COUNT_BYTES_SENT, COUNT_CONNECTED, COUNT_DATAGRAMS_RECEIVED,
    COUNT_DATAGRAMS_SENT, COUNT_DISCONNECTED, COUNT_OUT_FULL, COUNT_UNEXPECTED_TYPE,
    COUNT_UNKNOWN_SENDER,
)
from netcode.session.reasons cimport (
    REASON_CLOSED_BY_PEER, REASON_DENIED, REASON_PROTOCOL_VIOLATION, REASON_REQUEST_TIMEOUT,
    REASON_RESPONSE_TIMEOUT, REASON_TIMEOUT, REASON_TOKEN_EXPIRED,
)

__all__ = []


cdef void choose_server(client_core *k, uint32_t server) noexcept nogil:
    """Begin to request at ``server``. The send sequence goes on: the key stays the same."""
    k.server = server
    k.link.address = k.token.servers[server]
    k.link.last_send = -INFINITY
    k.link.last_receive = k.session.now
    replay_init(&k.link.replay)
    wipe(k.challenge, PACKET_CHALLENGE_BODY)
    k.state = STATE_REQUESTING


cdef int client_begin(client_core *k, double now) noexcept nogil:
    k.session.now = now
    k.started = True
    if connection_start(&k.session, &k.link) < 0:
        return -1
    memcpy(k.link.send_key, k.token.client_to_server_key, KEY_BYTES)
    memcpy(k.link.receive_key, k.token.server_to_client_key, KEY_BYTES)
    k.link.confirmed = 1  # only a server tells indices
    k.link.timeout = k.token.timeout if k.token.timeout > 0 else INFINITY
    k.attempt_start = now
    k.lifetime = <double>(k.token.expire_timestamp - k.token.create_timestamp)
    choose_server(k, 0)
    return 0


cdef void client_time(client_core *k, double now) noexcept nogil:
    if now > k.session.now:
        k.session.now = now


cdef void client_end(client_core *k, int state, int reason, bint tell) noexcept nogil:
    if tell:
        connection_send_disconnects(&k.session, &k.link)
    connection_end(&k.link)
    k.roaming.state = 0
    k.session.counts[COUNT_DISCONNECTED] += 1
    k.state = state
    k.reason = reason


cdef void walk(client_core *k, int state, int reason) noexcept nogil:
    """This server failed: the next one, or the error state."""
    if k.server + 1 < k.token.server_count:
        choose_server(k, k.server + 1)
    else:
        client_end(k, state, reason, False)


cdef inline void heard(client_core *k) noexcept nogil:
    """The connection lives where it is: no need to go elsewhere.

    Unless the server was answered there: it may have moved us already, and this left before that.
    """
    k.link.last_receive = k.session.now
    if k.roaming.state == STATE_REQUESTING and not k.roaming.wanted:
        k.roaming.state = 0


cdef void client_receive(client_core *k, const net_address *source, const uint8_t *data,
                         uint32_t size) noexcept nogil:
    cdef session *s = &k.session
    cdef packet_header header
    cdef int body
    s.counts[COUNT_DATAGRAMS_RECEIVED] += 1
    s.counts[COUNT_BYTES_RECEIVED] += size
    if k.state < STATE_REQUESTING:
        s.counts[COUNT_UNEXPECTED_TYPE] += 1
        return
    if not address_equal(source, &k.link.address):
        s.counts[COUNT_UNKNOWN_SENDER] += 1
        return
    body = packet_open(
        &s.protocol, data, size, PACKET_CLIENT_MASK, k.link.receive_key, &k.link.replay, s.body,
        &header)
    if body < 0:
        refuse_packet(s, body)
        return
    k.link.packets_received += 1
    k.link.bytes_received += size
    if header.type == PACKET_PAYLOAD and k.state == STATE_CONNECTED:
        heard(k)
        if connection_receive(s, &k.link, s.body, <uint32_t>body):
            client_end(k, STATE_DISCONNECTED, REASON_PROTOCOL_VIOLATION, True)
    elif header.type == PACKET_KEEP_ALIVE and k.state == STATE_CONNECTED:
        heard(k)
    elif header.type == PACKET_KEEP_ALIVE and k.state == STATE_RESPONDING:
        k.link.last_receive = s.now
        get_keep_alive(s.body, &k.client_index, &k.max_clients)
        k.state = STATE_CONNECTED
        k.was_connected = True
        s.counts[COUNT_CONNECTED] += 1
    elif header.type == PACKET_CHALLENGE and k.state == STATE_REQUESTING:
        k.link.last_receive = s.now
        memcpy(k.challenge, s.body, PACKET_CHALLENGE_BODY)
        k.state = STATE_RESPONDING
        if k.answer_at_once:
            k.link.last_send = -INFINITY
    elif header.type == PACKET_DENIED and k.state != STATE_CONNECTED:
        walk(k, STATE_DENIED, REASON_DENIED)
    elif header.type == PACKET_DISCONNECT and k.state == STATE_CONNECTED:
        client_end(k, STATE_DISCONNECTED, REASON_CLOSED_BY_PEER, False)
    else:
        s.counts[COUNT_UNEXPECTED_TYPE] += 1


cdef void client_receive_batch(client_core *k, const datagrams *batch) noexcept nogil:
    cdef uint32_t i
    for i in range(batch.count):
        client_receive(
            k, &batch.entries[i].address, batch.data + batch.entries[i].offset,
            batch.entries[i].size)


cdef void client_update(client_core *k) noexcept nogil:
    cdef double now = k.session.now
    if k.state == STATE_REQUESTING or k.state == STATE_RESPONDING:
        # The token's lifetime bounds the whole attempt, over all its servers.
        if now - k.attempt_start >= k.lifetime:
            client_end(k, STATE_TOKEN_EXPIRED, REASON_TOKEN_EXPIRED, False)
            return
    if k.state < STATE_REQUESTING or k.link.last_receive + k.link.timeout > now:
        return
    if k.state == STATE_REQUESTING:
        walk(k, STATE_REQUEST_TIMED_OUT, REASON_REQUEST_TIMEOUT)
    elif k.state == STATE_RESPONDING:
        walk(k, STATE_RESPONSE_TIMED_OUT, REASON_RESPONSE_TIMEOUT)
    else:
        client_end(k, STATE_TIMED_OUT, REASON_TIMEOUT, False)


cdef void send_request(client_core *k) noexcept nogil:
    cdef session *s = &k.session
    cdef uint8_t *place = datagrams_reserve(s.out, PACKET_REQUEST_BYTES)
    cdef int size
    if place == NULL:
        s.counts[COUNT_OUT_FULL] += 1
        return
    size = packet_put_request(
        &s.protocol, k.token.expire_timestamp, k.token.nonce, k.token.sealed, place,
        PACKET_REQUEST_BYTES)
    if size < 0:
        return
    datagrams_commit(s.out, <uint32_t>size, &k.link.address)
    k.link.send_sequence += 1  # as the reference: a request takes a number, though it is clear
    k.link.last_send = s.now
    k.link.packets_sent += 1
    k.link.bytes_sent += <uint64_t>size
    s.counts[COUNT_DATAGRAMS_SENT] += 1
    s.counts[COUNT_BYTES_SENT] += <uint64_t>size


cdef void client_send(client_core *k) noexcept nogil:
    cdef session *s = &k.session
    if k.state == STATE_CONNECTED:
        connection_flush(s, &k.link)
    elif k.state >= STATE_REQUESTING and send_due(s, k.link.last_send) <= s.now:
        if k.state == STATE_REQUESTING:
            send_request(k)
        else:
            connection_send(s, &k.link, PACKET_RESPONSE, k.challenge, PACKET_CHALLENGE_BODY)


cdef double client_deadline(client_core *k) noexcept nogil:
    cdef double due = INFINITY
    if k.state == STATE_CONNECTED:
        due = connection_deadline(&k.session, &k.link)
    elif k.state >= STATE_REQUESTING:
        due = send_due(&k.session, k.link.last_send)
        due = min(due, k.link.last_receive + k.link.timeout, k.attempt_start + k.lifetime)
    if k.session.out.count and k.session.now < due:
        return k.session.now
    return due
