"""A server's answers to connection requests and responses, in the standard's strict order."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from netcode.security.address cimport net_address
from netcode.security.packet cimport packet_header
from netcode.security.protocol cimport KEY_BYTES
from netcode.session.connection cimport session
from netcode.session.handshake cimport handshake_table
from netcode.session.limiter cimport limiter
from netcode.session.pool cimport connection_pool
from netcode.session.token_history cimport token_history


cdef enum:
    MAX_OWN_ADDRESSES = 16
    MAX_PRIVATE_KEYS = 2


cdef struct admission:
    session *session
    connection_pool *pool
    token_history *history
    handshake_table handshakes
    limiter limits               # of failed handshakes, by address prefix
    uint64_t unix_now            # seconds; never goes back
    double epoch                 # unix time at ``now`` 0
    uint64_t oldest_expire       # restart rule: tokens expiring before this are refused
    uint64_t global_sequence     # of challenges and denials: the top half, clear of connections
    uint64_t challenge_sequence
    uint8_t challenge_key[KEY_BYTES]
    uint32_t key_count
    uint8_t keys[MAX_PRIVATE_KEYS * KEY_BYTES]
    uint32_t address_count
    net_address addresses[MAX_OWN_ADDRESSES]


# Process a connection request: a challenge or a denial goes to the out batch, or it is counted.
cdef void admit_request(admission *a, const net_address *source, const uint8_t *data,
                        uint32_t size) noexcept nogil

# An encrypted packet from handshake ``at``: a connection response, or it is refused and counted.
# The index of the client that is new, or has ``moved`` here, or -1.
cdef int64_t admit_handshaking(admission *a, uint32_t at, const packet_header *header,
                               const uint8_t *data, bint *moved) noexcept nogil

# Process an authentic connection response of handshake ``at``; as admit_handshaking.
cdef int64_t admit_response(admission *a, uint32_t at, const uint8_t *body,
                            bint *moved) noexcept nogil

# Count an authentic connection response of an address that is connected.
cdef void refuse_response(admission *a, const uint8_t *body) noexcept nogil
