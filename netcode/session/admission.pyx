"""A server's answers to connection requests and responses, in the standard's strict order."""

from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from netcode.security.address cimport (
    ADDRESS_WIRE_BYTES, address_equal, address_put, net_address,
)
from netcode.security.aead cimport wipe
from netcode.security.packet cimport (
    PACKET_CHALLENGE, PACKET_CHALLENGE_BODY, PACKET_CHALLENGE_FORGED, PACKET_DENIED,
    PACKET_MAX_OVERHEAD, PACKET_REQUEST_BYTES, PACKET_REQUEST_FORGED, PACKET_REQUEST_INVALID,
    PACKET_RESPONSE, packet_header, packet_open_parsed, packet_open_request, packet_request,
    packet_seal,
)
from netcode.security.protocol cimport KEY_BYTES, TAG_BYTES, USER_DATA_BYTES, get_u64, put_u64
from netcode.security.token cimport (
    PRIVATE_TOKEN_TAG, challenge_token, challenge_token_open, challenge_token_seal,
)
from netcode.session.batch cimport datagrams_commit, datagrams_reserve
from netcode.session.connection cimport (
    RESUME_TOKENS, connection, connection_rekey, connection_send_keep_alive, connection_start,
    refuse_packet, resume_grant, session,
)
from netcode.session.counters cimport (
    COUNT_BYTES_SENT, COUNT_CHALLENGES_SENT, COUNT_CONNECTED, COUNT_DATAGRAMS_SENT,
    COUNT_DENIALS_SENT, COUNT_OUT_FULL, COUNT_OUT_OF_MEMORY, COUNT_REQUEST_ADDRESS_CONNECTED,
    COUNT_REQUEST_BEFORE_START, COUNT_REQUEST_CLIENT_CONNECTED, COUNT_REQUEST_HANDSHAKES_FULL,
    COUNT_REQUEST_HISTORY_FULL, COUNT_REQUEST_OTHER_SERVER, COUNT_REQUEST_RATE,
    COUNT_REQUEST_RESUME_ELSEWHERE, COUNT_REQUEST_RESUME_STALE, COUNT_REQUEST_SERVER_FULL,
    COUNT_REQUEST_TOKEN_CONSUMED, COUNT_REQUEST_TOKEN_ELSEWHERE,
    COUNT_RESPONSE_ADDRESS_CONNECTED, COUNT_RESPONSE_CLIENT_CONNECTED, COUNT_RESPONSE_FOREIGN,
    COUNT_RESPONSE_RATE, COUNT_RESPONSE_RESUME_STALE, COUNT_RESPONSE_SERVER_FULL,
    COUNT_RESPONSE_SLOT_BUSY, COUNT_RESPONSE_TOKEN_CONSUMED, COUNT_UNEXPECTED_TYPE,
)
from netcode.session.handshake cimport (
    handshake, handshakes_close, handshakes_find, handshakes_open,
)
from netcode.session.limiter cimport limiter_allows, limiter_charge, limiter_hash
from netcode.session.pool cimport (
    pool_claim, pool_find_address, pool_find_client, pool_move, pool_retire,
)
from netcode.session.resume cimport (
    RESUME_CLAIM_BYTES, RESUME_ELSEWHERE, RESUME_NEW, resume_claim, resume_claimed, resume_ended,
    resume_present, resume_wanted,
)
from netcode.session.timers cimport timers_set
from netcode.session.token_history cimport (
    TOKEN_IS_CONSUMED, TOKEN_IS_ELSEWHERE, TOKEN_OK, history_consume, history_present,
)

__all__ = []

cdef enum:
    UNTIMED_HANDSHAKE = 60       # seconds a handshake may take whose token has no timeout

cdef double REPEAT_COST = 0.125  # of an authentic request or response that leads nowhere


cdef int send_global(admission *a, int type, const net_address *to, const uint8_t *key,
                     const uint8_t *body, uint32_t size) noexcept nogil:
    """Seal a packet of the server's own sequence space; 0, or -1 when the batch is full."""
    cdef session *s = a.session
    cdef uint8_t *place = datagrams_reserve(s.out, size + PACKET_MAX_OVERHEAD)
    cdef int sealed
    if place == NULL:
        s.counts[COUNT_OUT_FULL] += 1
        return -1
    sealed = packet_seal(
        &s.protocol, type, a.global_sequence, key, body, size, place, size + PACKET_MAX_OVERHEAD)
    if sealed < 0:
        refuse_packet(s, sealed)
        return -1
    a.global_sequence += 1
    s.counts[COUNT_DATAGRAMS_SENT] += 1
    s.counts[COUNT_BYTES_SENT] += <uint64_t>sealed
    datagrams_commit(s.out, <uint32_t>sealed, to)
    return 0


cdef void deny(admission *a, const net_address *to, const uint8_t *key) noexcept nogil:
    if send_global(a, PACKET_DENIED, to, key, NULL, 0) == 0:
        a.session.counts[COUNT_DENIALS_SENT] += 1


cdef bint for_this_server(const admission *a, const packet_request *request) noexcept nogil:
    cdef uint32_t i, j
    for i in range(request.token.server_count):
        for j in range(a.address_count):
            if address_equal(&request.token.servers[i], &a.addresses[j]):
                return True
    return False


cdef int64_t remember(admission *a, const net_address *source, const packet_request *request,
                      const resume_claim *claim) noexcept nogil:
    """The handshake of an accepted request, new, retried or taken over; -1: no room."""
    cdef int64_t at = handshakes_find(&a.handshakes, source)
    cdef handshake *entry
    cdef const uint8_t *tag = request.sealed + PRIVATE_TOKEN_TAG
    cdef double due = a.session.now
    cdef double expire = <double>request.expire_timestamp - a.epoch
    cdef bint known = False
    cdef int i
    if at < 0:
        at = handshakes_open(&a.handshakes, source)
        if at < 0:
            return -1
    else:
        known = True
        for i in range(TAG_BYTES):
            known = known and a.handshakes.entries[at].tag[i] == tag[i]
    entry = &a.handshakes.entries[at]
    if not known:
        entry.first_challenge = a.challenge_sequence
    entry.client_id = request.token.client_id
    entry.resume = claim[0]
    entry.timeout = request.token.timeout if request.token.timeout > 0 else INFINITY
    memcpy(entry.tag, tag, TAG_BYTES)
    memcpy(entry.send_key, request.token.server_to_client_key, KEY_BYTES)
    memcpy(entry.receive_key, request.token.client_to_server_key, KEY_BYTES)
    # Never longer than the token: its history entry must outlive the handshake.
    due += entry.timeout if request.token.timeout > 0 else UNTIMED_HANDSHAKE
    timers_set(&a.handshakes.expiry, <uint32_t>at, expire if expire < due else due)
    return at


cdef void send_challenge(admission *a, const net_address *source,
                         packet_request *request) noexcept nogil:
    cdef challenge_token challenge
    cdef uint8_t body[PACKET_CHALLENGE_BODY]
    challenge.client_id = request.token.client_id
    memcpy(challenge.user_data, request.token.user_data, USER_DATA_BYTES)
    put_u64(body, a.challenge_sequence)
    if challenge_token_seal(&challenge, a.challenge_sequence, a.challenge_key, body + 8) < 0:
        return
    a.challenge_sequence += 1
    if send_global(a, PACKET_CHALLENGE, source, request.token.server_to_client_key, body,
                   PACKET_CHALLENGE_BODY) == 0:
        a.session.counts[COUNT_CHALLENGES_SENT] += 1


cdef void put_origin(const admission *a, const net_address *source,
                     uint8_t *user_data) noexcept nogil:
    """Behind the claim in the user data of a challenge: the address that it is for."""
    memset(user_data + RESUME_CLAIM_BYTES, 0, ADDRESS_WIRE_BYTES)
    address_put(source, a.session.protocol.order, user_data + RESUME_CLAIM_BYTES)


cdef bint challenged_here(const admission *a, const handshake *entry,
                          const challenge_token *challenge) noexcept nogil:
    """Whether the challenge of a resumption went to this address, for this token.

    A client has two tokens: with a challenge had for one at its own address it could answer that
    of the other in the name of an address at which it receives nothing.
    """
    cdef uint8_t here[USER_DATA_BYTES]
    cdef resume_claim claim
    memcpy(here, challenge.user_data, USER_DATA_BYTES)
    put_origin(a, &entry.address, here)
    return (resume_claimed(challenge.user_data, &claim) and claim.secret == entry.resume.secret
            and memcmp(challenge.user_data, here, USER_DATA_BYTES) == 0)


cdef void forget_resume(admission *a, const net_address *source, uint64_t secret) noexcept nogil:
    """Close the handshake that a resume token has at this address, if it has one."""
    cdef int64_t at = handshakes_find(&a.handshakes, source)
    if secret != 0 and at >= 0 and a.handshakes.entries[at].resume.secret == secret:
        handshakes_close(&a.handshakes, <uint32_t>at)


cdef bint answer_resume(admission *a, const net_address *source, packet_request *request,
                        const resume_claim *claim) noexcept nogil:
    """The same of a resume token; whether this address is the first to show it, or shows it first.

    It needs no history, and no lifetime: it is as good as the grant that its connection holds.
    """
    cdef session *s = a.session
    cdef int64_t index
    cdef resume_grant *grant
    cdef net_address before
    cdef int result
    index = resume_wanted(a.pool, claim, request.token.client_id, &grant)
    if index < 0 or not for_this_server(a, request):
        s.counts[COUNT_REQUEST_RESUME_STALE] += 1
        return False
    if pool_find_address(a.pool, source) >= 0:
        s.counts[COUNT_REQUEST_ADDRESS_CONNECTED] += 1
        return False
    before = grant.address
    result = resume_present(grant, source, s.now)
    if result == RESUME_ELSEWHERE:
        s.counts[COUNT_REQUEST_RESUME_ELSEWHERE] += 1
        return False
    if result == RESUME_NEW:
        # One for each token, or a client would fill the table in the name of many addresses.
        forget_resume(a, &before, claim.secret)
    if remember(a, source, request, claim) < 0:
        s.counts[COUNT_REQUEST_HANDSHAKES_FULL] += 1
        return False
    put_origin(a, source, request.token.user_data)
    send_challenge(a, source, request)
    return result == RESUME_NEW


cdef void answer_request(admission *a, const net_address *source,
                         packet_request *request) noexcept nogil:
    """The steps after the private token has been read."""
    cdef session *s = a.session
    cdef resume_claim nothing
    cdef int result
    nothing.secret = 0
    nothing.handle = 0
    if request.expire_timestamp < a.oldest_expire:
        s.counts[COUNT_REQUEST_BEFORE_START] += 1
        return
    if not for_this_server(a, request):
        s.counts[COUNT_REQUEST_OTHER_SERVER] += 1
        return
    if pool_find_address(a.pool, source) >= 0:
        s.counts[COUNT_REQUEST_ADDRESS_CONNECTED] += 1
        return
    if pool_find_client(a.pool, request.token.client_id) >= 0:
        s.counts[COUNT_REQUEST_CLIENT_CONNECTED] += 1
        return
    result = history_present(
        a.history, request.sealed + PRIVATE_TOKEN_TAG, source, request.expire_timestamp)
    if result != TOKEN_OK:
        if result == TOKEN_IS_CONSUMED:
            s.counts[COUNT_REQUEST_TOKEN_CONSUMED] += 1
        elif result == TOKEN_IS_ELSEWHERE:
            s.counts[COUNT_REQUEST_TOKEN_ELSEWHERE] += 1
        else:
            s.counts[COUNT_REQUEST_HISTORY_FULL] += 1
        return
    if a.pool.live_count >= a.pool.capacity:
        s.counts[COUNT_REQUEST_SERVER_FULL] += 1
        deny(a, source, request.token.server_to_client_key)
        return
    if remember(a, source, request, &nothing) < 0:
        s.counts[COUNT_REQUEST_HANDSHAKES_FULL] += 1
        return
    send_challenge(a, source, request)


cdef void admit_request(admission *a, const net_address *source, const uint8_t *data,
                        uint32_t size) noexcept nogil:
    cdef session *s = a.session
    cdef packet_request request
    cdef resume_claim claim
    cdef bint first
    cdef uint64_t hash = 0
    cdef uint32_t room
    cdef int result
    if size == PACKET_REQUEST_BYTES:
        hash = limiter_hash(&a.limits, source)
        if not limiter_allows(&a.limits, hash, s.now):
            s.counts[COUNT_REQUEST_RATE] += 1
            return
    result = packet_open_request(
        &s.protocol, data, size, a.unix_now, a.keys, <int>a.key_count, &request)
    if result < 0:
        refuse_packet(s, result)
        if result == -PACKET_REQUEST_FORGED or result == -PACKET_REQUEST_INVALID:
            limiter_charge(&a.limits, hash, s.now, 1.0)
    else:
        room = a.history.unused_count
        if resume_claimed(request.token.user_data, &claim):
            first = answer_resume(a, source, &request, &claim)
        else:
            answer_request(a, source, &request)
            first = a.history.unused_count != room
        # The first showing of a token is free: a crowd behind one address may all come at once.
        if not first:
            limiter_charge(&a.limits, hash, s.now, REPEAT_COST)
    wipe(&request, sizeof(request))


cdef int64_t admit_handshaking(admission *a, uint32_t at, const packet_header *header,
                               const uint8_t *data, bint *moved) noexcept nogil:
    cdef session *s = a.session
    cdef handshake *entry = &a.handshakes.entries[at]
    cdef uint64_t hash = limiter_hash(&a.limits, &entry.address)
    cdef int64_t index = -1
    cdef int body
    if not limiter_allows(&a.limits, hash, s.now):
        s.counts[COUNT_RESPONSE_RATE] += 1
        return -1
    body = packet_open_parsed(&s.protocol, header, data, entry.receive_key, NULL, s.body)
    if body < 0:
        refuse_packet(s, body)
    elif header.type != PACKET_RESPONSE:
        s.counts[COUNT_UNEXPECTED_TYPE] += 1
    else:
        index = admit_response(a, at, s.body, moved)
    if index < 0:
        limiter_charge(&a.limits, hash, s.now, 1.0 if body < 0 else REPEAT_COST)
    return index


cdef void refuse_response(admission *a, const uint8_t *body) noexcept nogil:
    cdef challenge_token challenge
    if challenge_token_open(&challenge, get_u64(body), a.challenge_key, body + 8) < 0:
        refuse_packet(a.session, -PACKET_CHALLENGE_FORGED)
    else:
        a.session.counts[COUNT_RESPONSE_ADDRESS_CONNECTED] += 1


cdef int64_t admit_moved(admission *a, uint32_t at) noexcept nogil:
    """The client of a connection answered from another address: the connection goes on there."""
    cdef session *s = a.session
    cdef handshake *entry = &a.handshakes.entries[at]
    cdef resume_grant *grant
    cdef connection *c
    cdef int i
    cdef int64_t index = resume_wanted(a.pool, &entry.resume, entry.client_id, &grant)
    # Only from where the token was shown last: an answer heard on the way is good nowhere else.
    if index < 0 or not address_equal(&grant.address, &entry.address):
        s.counts[COUNT_RESPONSE_RESUME_STALE] += 1
        return -1
    if pool_move(a.pool, <uint32_t>index, &entry.address) < 0:
        s.counts[COUNT_OUT_OF_MEMORY] += 1
        return -1
    c = &a.pool.slots[index]
    for i in range(RESUME_TOKENS):
        # What was asked for before this is over: an answer to it that was on the way for long, or
        # that somebody kept, would bring the connection back to where the client no longer is.
        if c.grants[i].heard < grant.heard:
            forget_resume(a, &c.grants[i].address, c.grants[i].secret)
    resume_ended(c, grant)
    connection_rekey(s, c, entry.send_key, entry.receive_key, 0)
    handshakes_close(&a.handshakes, at)
    connection_send_keep_alive(s, c)
    return index


cdef int64_t admit_response(admission *a, uint32_t at, const uint8_t *body,
                            bint *moved) noexcept nogil:
    cdef session *s = a.session
    cdef handshake *entry = &a.handshakes.entries[at]
    cdef uint64_t sequence = get_u64(body)
    cdef challenge_token challenge
    cdef connection *c
    cdef int64_t index
    if challenge_token_open(&challenge, sequence, a.challenge_key, body + 8) < 0:
        refuse_packet(s, -PACKET_CHALLENGE_FORGED)
        return -1
    # A challenge made for another token or another client would bring that one's identity and
    # user data under these keys: the standard does not ask, we do.
    if challenge.client_id != entry.client_id or sequence < entry.first_challenge:
        s.counts[COUNT_RESPONSE_FOREIGN] += 1
        return -1
    if pool_find_address(a.pool, &entry.address) >= 0:
        s.counts[COUNT_RESPONSE_ADDRESS_CONNECTED] += 1
        return -1
    moved[0] = entry.resume.secret != 0
    if moved[0]:
        if not challenged_here(a, entry, &challenge):
            s.counts[COUNT_RESPONSE_FOREIGN] += 1
            return -1
        return admit_moved(a, at)
    if pool_find_client(a.pool, challenge.client_id) >= 0:
        s.counts[COUNT_RESPONSE_CLIENT_CONNECTED] += 1
        return -1
    if a.pool.live_count >= a.pool.capacity:
        s.counts[COUNT_RESPONSE_SERVER_FULL] += 1
        deny(a, &entry.address, entry.send_key)
        return -1
    if a.pool.live_count + a.pool.retired_count >= a.pool.capacity:
        # A slot is coming free once the application has read that its owner left.
        s.counts[COUNT_RESPONSE_SLOT_BUSY] += 1
        return -1
    if not history_consume(a.history, entry.tag):
        s.counts[COUNT_RESPONSE_TOKEN_CONSUMED] += 1
        return -1
    index = pool_claim(a.pool, &entry.address, challenge.client_id)
    if index < 0:
        s.counts[COUNT_OUT_OF_MEMORY] += 1
        return -1
    c = &a.pool.slots[index]
    memcpy(c.user_data, challenge.user_data, USER_DATA_BYTES)
    memcpy(c.send_key, entry.send_key, KEY_BYTES)
    memcpy(c.receive_key, entry.receive_key, KEY_BYTES)
    c.timeout = entry.timeout
    handshakes_close(&a.handshakes, at)
    if connection_start(s, c) < 0:
        pool_retire(a.pool, <uint32_t>index)
        return -1
    s.counts[COUNT_CONNECTED] += 1
    connection_send_keep_alive(s, c)
    return index
