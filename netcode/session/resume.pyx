"""Resume tokens: made, recognised, and good once."""

from libc.stdint cimport UINT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from netcode.security.address cimport address_equal, net_address
from netcode.security.protocol cimport (
    KEY_BYTES, TOKEN_NONCE_BYTES, USER_DATA_BYTES, get_u32, get_u64, put_u32, put_u64,
)
from netcode.security.token cimport PRIVATE_TOKEN_BYTES
from netcode.session.connection cimport (
    RESUME_TOKENS, SLOT_LIVE, connection, handle_of, resume_grant,
)
from netcode.session.pool cimport connection_pool

from netcode import constants
from netcode.security.token import PrivateToken

__all__ = []

cdef enum:
    TIMEOUT = 10                 # seconds of silence; a resumed connection keeps its own

cdef double QUIET = 1.0          # seconds after which another address may ask with a token
cdef const char *MARK = b"ncresume"

if (constants.RESUME_TOKEN_BYTES != TOKEN_NONCE_BYTES + PRIVATE_TOKEN_BYTES + 2 * KEY_BYTES
        or constants.RESUME_TOKENS != RESUME_TOKENS):
    raise AssertionError("constants differ")


cdef bytes resume_make(object config, const uint8_t *drawn, uint64_t client_id, uint32_t handle,
                       uint64_t *secret):
    cdef uint8_t user_data[USER_DATA_BYTES]
    cdef const char *nonce = <const char *>drawn + 8
    cdef const char *to_server = nonce + TOKEN_NONCE_BYTES
    cdef const char *to_client = to_server + KEY_BYTES
    secret[0] = get_u64(drawn) | 1  # 0 is no secret
    memset(user_data, 0, USER_DATA_BYTES)
    memcpy(user_data, MARK, RESUME_MARK_BYTES)
    put_u32(user_data + RESUME_MARK_BYTES, handle)
    put_u64(user_data + RESUME_MARK_BYTES + 4, secret[0])
    private = PrivateToken(
        client_id, TIMEOUT, config.addresses[:1], to_server[:KEY_BYTES], to_client[:KEY_BYTES],
        (<const char *>user_data)[:USER_DATA_BYTES])
    sealed = private.seal(
        protocol_id=config.protocol_id, expire_timestamp=UINT64_MAX,
        nonce=nonce[:TOKEN_NONCE_BYTES], private_key=config.private_key,
        order=config.token_order)
    return nonce[:TOKEN_NONCE_BYTES] + sealed + to_server[:2 * KEY_BYTES]


cdef bint resume_claimed(const uint8_t *user_data, resume_claim *claim) noexcept nogil:
    if memcmp(user_data, MARK, RESUME_MARK_BYTES) != 0:
        return False
    claim.handle = get_u32(user_data + RESUME_MARK_BYTES)
    claim.secret = get_u64(user_data + RESUME_MARK_BYTES + 4)
    return True


cdef int64_t resume_wanted(const connection_pool *p, const resume_claim *claim, uint64_t client_id,
                           resume_grant **grant) noexcept nogil:
    cdef uint32_t index = claim.handle & 0xFFFF
    cdef connection *c
    cdef int i
    if claim.secret == 0 or index >= p.capacity:
        return -1
    c = &p.slots[index]
    if c.state != SLOT_LIVE or handle_of(c) != claim.handle or c.client_id != client_id:
        return -1
    for i in range(RESUME_TOKENS):
        if c.grants[i].secret == claim.secret:
            grant[0] = &c.grants[i]
            return index
    return -1


cdef int resume_present(resume_grant *grant, const net_address *source, double now) noexcept nogil:
    cdef bint same = address_equal(&grant.address, source)
    # Else whoever repeats a request from elsewhere could keep its sender out of a handshake that
    # has begun; and a sender that moved on meanwhile is let in soon.
    if not same and grant.heard + QUIET > now:
        return RESUME_ELSEWHERE
    grant.heard = now
    grant.address = source[0]
    return RESUME_AGAIN if same else RESUME_NEW


cdef void resume_allow(connection *c, uint64_t secret) noexcept nogil:
    cdef resume_grant *free = &c.grants[0]
    if c.grants[RESUME_TOKENS - 1].secret != 0:
        resume_ended(c, free)
    while free.secret != 0:
        free += 1
    free.secret = secret
    free.heard = -QUIET


cdef void resume_ended(connection *c, resume_grant *grant) noexcept nogil:
    cdef resume_grant *last = &c.grants[RESUME_TOKENS - 1]
    while grant != last:
        grant[0] = grant[1]
        grant += 1
    memset(last, 0, sizeof(resume_grant))
