"""A client's handshake from another address, beside its connection."""

from libc.math cimport INFINITY
from libc.stdint cimport UINT64_MAX, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from netcode.security.address cimport address_equal, net_address
from netcode.security.aead cimport wipe
from netcode.security.packet cimport (
    PACKET_CHALLENGE, PACKET_CHALLENGE_BODY, PACKET_CLIENT_MASK, PACKET_KEEP_ALIVE,
    PACKET_MAX_OVERHEAD, PACKET_REQUEST_BYTES, PACKET_RESPONSE, packet_header, packet_open,
    packet_put_request, packet_seal,
)
from netcode.security.protocol cimport KEY_BYTES, TOKEN_NONCE_BYTES
from netcode.security.replay cimport replay_init
from netcode.security.token cimport PRIVATE_TOKEN_BYTES
from netcode.session.batch cimport datagrams_commit, datagrams_reserve
from netcode.session.client_core cimport (
    STATE_CONNECTED, STATE_REQUESTING, STATE_RESPONDING, client_roaming, resume_pass,
)
from netcode.session.connection cimport (
    RESUME_TOKENS, connection_rekey, refuse_packet, send_due, session,
)
from netcode.session.counters cimport (
    COUNT_BYTES_RECEIVED, COUNT_BYTES_SENT, COUNT_DATAGRAMS_RECEIVED, COUNT_DATAGRAMS_SENT,
    COUNT_OUT_FULL, COUNT_UNEXPECTED_TYPE, COUNT_UNKNOWN_SENDER,
)

__all__ = []

cdef double PATIENCE = 2.0           # seconds for an answer, in each state; then another address
cdef enum:
    AT_REST = 0


cdef int roaming_keep(client_core *k, const uint8_t *token) noexcept nogil:
    cdef client_roaming *r = &k.roaming
    cdef resume_pass *p = <resume_pass *>calloc(1, sizeof(resume_pass))
    if p == NULL:
        return -1
    memcpy(p.nonce, token, TOKEN_NONCE_BYTES)
    memcpy(p.sealed, token + TOKEN_NONCE_BYTES, PRIVATE_TOKEN_BYTES)
    token += TOKEN_NONCE_BYTES + PRIVATE_TOKEN_BYTES
    memcpy(p.send_key, token, KEY_BYTES)
    memcpy(p.receive_key, token + KEY_BYTES, KEY_BYTES)
    replay_init(&p.replay)
    if r.count == RESUME_TOKENS:
        forget(r, 0)
    r.passes[r.count] = p
    r.count += 1
    return 0


cdef void forget(client_roaming *r, uint32_t at) noexcept nogil:
    cdef uint32_t i
    wipe(r.passes[at], sizeof(resume_pass))
    free(r.passes[at])
    r.count -= 1
    for i in range(at, r.count):
        r.passes[i] = r.passes[i + 1]
    if r.chosen == at:
        r.state = AT_REST
    elif r.chosen > at:
        r.chosen -= 1


cdef void roaming_free(client_core *k) noexcept nogil:
    while k.roaming.count:
        forget(&k.roaming, k.roaming.count - 1)
    k.roaming.state = AT_REST


cdef void enter(client_core *k, int state) noexcept nogil:
    k.roaming.state = state
    k.roaming.since = k.session.now
    k.roaming.last_send = -INFINITY


cdef bint roaming_begin(client_core *k, bint wanted) noexcept nogil:
    cdef client_roaming *r = &k.roaming
    if k.state != STATE_CONNECTED or r.count == 0:
        return False
    r.chosen = 0
    r.wanted = wanted
    r.attempt += 1
    enter(k, STATE_REQUESTING)
    return True


cdef void roaming_update(client_core *k) noexcept nogil:
    cdef client_roaming *r = &k.roaming
    if k.state != STATE_CONNECTED or r.count == 0:
        r.state = AT_REST
    elif r.state == AT_REST:
        if k.link.last_receive + r.after <= k.session.now:
            roaming_begin(k, False)
    elif r.since + PATIENCE <= k.session.now:
        if k.link.last_receive + r.after > k.session.now:
            r.state = AT_REST  # the server did not hear our answer, and we hear it where we were
            return
        # The server may have moved us and we did not hear of it: ask with the other token.
        r.chosen = (r.chosen + 1) % r.count
        r.attempt += 1
        enter(k, STATE_REQUESTING)


cdef void roaming_receive(client_core *k, const net_address *source, const uint8_t *data,
                          uint32_t size) noexcept nogil:
    cdef session *s = &k.session
    cdef client_roaming *r = &k.roaming
    cdef packet_header header
    cdef resume_pass *p
    cdef int body
    s.counts[COUNT_DATAGRAMS_RECEIVED] += 1
    s.counts[COUNT_BYTES_RECEIVED] += size
    if r.state == AT_REST:
        s.counts[COUNT_UNEXPECTED_TYPE] += 1
        return
    if not address_equal(source, &k.link.address):
        s.counts[COUNT_UNKNOWN_SENDER] += 1
        return
    p = r.passes[r.chosen]
    body = packet_open(
        &s.protocol, data, size, PACKET_CLIENT_MASK, p.receive_key, &p.replay, s.body, &header)
    if body < 0:
        refuse_packet(s, body)
        return
    if header.type == PACKET_CHALLENGE and r.state == STATE_REQUESTING:
        memcpy(p.challenge, s.body, PACKET_CHALLENGE_BODY)
        enter(k, STATE_RESPONDING)
    elif header.type == PACKET_KEEP_ALIVE and r.state == STATE_RESPONDING:
        connection_rekey(s, &k.link, p.send_key, p.receive_key, p.send_sequence)
        k.link.replay = p.replay
        k.link.packets_received += 1
        k.link.bytes_received += size
        forget(r, r.chosen)
    else:
        s.counts[COUNT_UNEXPECTED_TYPE] += 1


cdef void roaming_send(client_core *k) noexcept nogil:
    cdef session *s = &k.session
    cdef client_roaming *r = &k.roaming
    cdef resume_pass *p
    cdef uint8_t *place
    cdef uint32_t room = PACKET_REQUEST_BYTES
    cdef int size
    if r.state == AT_REST or send_due(s, r.last_send) > s.now:
        return
    p = r.passes[r.chosen]
    if r.state == STATE_RESPONDING:
        room = PACKET_CHALLENGE_BODY + PACKET_MAX_OVERHEAD
    place = datagrams_reserve(r.out, room)
    if place == NULL:
        s.counts[COUNT_OUT_FULL] += 1
        return
    if r.state == STATE_REQUESTING:
        size = packet_put_request(&s.protocol, UINT64_MAX, p.nonce, p.sealed, place, room)
    else:
        size = packet_seal(&s.protocol, PACKET_RESPONSE, p.send_sequence, p.send_key, p.challenge,
                           PACKET_CHALLENGE_BODY, place, room)
    if size < 0:
        return
    datagrams_commit(r.out, <uint32_t>size, &k.link.address)
    p.send_sequence += 1
    r.last_send = s.now
    k.link.packets_sent += 1
    k.link.bytes_sent += <uint64_t>size
    s.counts[COUNT_DATAGRAMS_SENT] += 1
    s.counts[COUNT_BYTES_SENT] += <uint64_t>size


cdef double roaming_deadline(const client_core *k) noexcept nogil:
    cdef const client_roaming *r = &k.roaming
    if k.state != STATE_CONNECTED or r.count == 0:
        return INFINITY
    if r.state == AT_REST:
        return k.link.last_receive + r.after
    return min(send_due(&k.session, r.last_send), r.since + PATIENCE)
