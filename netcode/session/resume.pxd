"""Resume tokens: how a client that has another address is known to be the one of a connection.

A resume token is a connect token that the server makes with its own key and hands to the client
inside the connection. Its private user data begin with a mark and name the connection and a
secret; the connection holds the secret, as a grant, until the token is used or replaced. So a token
is good once, only while its connection lives, and only at this server.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from netcode.security.address cimport net_address
from netcode.security.protocol cimport KEY_BYTES, TOKEN_NONCE_BYTES
from netcode.session.connection cimport connection, resume_grant
from netcode.session.pool cimport connection_pool


cdef enum:
    RESUME_MARK_BYTES = 8
    RESUME_CLAIM_BYTES = RESUME_MARK_BYTES + 4 + 8  # of the user data; zeros follow
    # What resume_make draws: secret, nonce, both keys.
    RESUME_ENTROPY_BYTES = 8 + TOKEN_NONCE_BYTES + 2 * KEY_BYTES
    # resume_present
    RESUME_NEW = 0               # this address was not the last to ask
    RESUME_AGAIN = 1
    RESUME_ELSEWHERE = 2         # another address asks with it


cdef struct resume_claim:
    uint64_t secret              # 0: none
    uint32_t handle


# A token (RESUME_TOKEN_BYTES) for the connection of a handle, of RESUME_ENTROPY_BYTES that nobody
# can guess, and the secret in it. ``config`` is the server's.
cdef bytes resume_make(object config, const uint8_t *drawn, uint64_t client_id, uint32_t handle,
                       uint64_t *secret)

# Whether the user data of an authentic private token are those of a resume token.
cdef bint resume_claimed(const uint8_t *user_data, resume_claim *claim) noexcept nogil

# The index of the connection that granted this, and the grant; or -1.
cdef int64_t resume_wanted(const connection_pool *p, const resume_claim *claim, uint64_t client_id,
                           resume_grant **grant) noexcept nogil

# ``source`` asks with the token: RESUME_.
cdef int resume_present(resume_grant *grant, const net_address *source, double now) noexcept nogil

# Grant a resumption, in the place of the older one when there are two.
cdef void resume_allow(connection *c, uint64_t secret) noexcept nogil

# A grant has been used.
cdef void resume_ended(connection *c, resume_grant *grant) noexcept nogil
