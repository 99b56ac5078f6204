"""Resume tokens: made, recognised, and good once."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memset

from netcode.security.address cimport address_equal, net_address
from netcode.security.protocol cimport get_u32, get_u64
from netcode.session.connection cimport (
    RESUME_TOKENS, SLOT_LIVE, connection, handle_of, resume_grant,
)
from netcode.session.pool cimport connection_pool

from netcode.constants import RESUME_TOKEN_BYTES as TOKEN_BYTES

__all__ = []

cdef double QUIET = 1.0              # seconds after which another address may ask with a token

if TOKEN_BYTES != RESUME_TOKEN_BYTES:
    raise AssertionError("constants differ")


cdef bint resume_claimed(const uint8_t *user_data, resume_claim *claim) noexcept nogil:
    if memcmp(user_data, b"ncresume", RESUME_MARK_BYTES) != 0:
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
    cdef resume_grant *last = &c.grants[RESUME_TOKENS - 1]
    cdef int i
    if last.secret != 0:
        for i in range(RESUME_TOKENS - 1):
            c.grants[i] = c.grants[i + 1]
    elif c.grants[0].secret == 0:
        last = &c.grants[0]
    memset(last, 0, sizeof(resume_grant))
    last.secret = secret
    last.heard = -QUIET


cdef void resume_ended(connection *c, resume_grant *grant) noexcept nogil:
    if grant == &c.grants[0]:
        c.grants[0] = c.grants[1]
    memset(&c.grants[1], 0, sizeof(resume_grant))
