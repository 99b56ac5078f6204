"""Connect tokens and challenge tokens: plain structs, their bytes, and their encryption.

Functions return 0, or -1 with nothing usable in their output. A buffer's size is the constant of
its kind; the caller owns both sides.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from netcode.security.address cimport address_equal, address_unmap, net_address
from netcode.security.protocol cimport (
    KEY_BYTES, TAG_BYTES, TOKEN_NONCE_BYTES, USER_DATA_BYTES, wire_protocol,
)


cdef enum:
    PRIVATE_TOKEN_BYTES = 1024
    PUBLIC_TOKEN_BYTES = 2048
    CHALLENGE_TOKEN_BYTES = 300
    MAX_TOKEN_SERVERS = 32
    PRIVATE_TOKEN_TAG = PRIVATE_TOKEN_BYTES - TAG_BYTES  # the tag, by which tokens are told apart


cdef struct private_token:
    uint64_t client_id
    int32_t timeout                       # seconds; negative: none
    uint32_t server_count                 # 1 to MAX_TOKEN_SERVERS
    net_address servers[MAX_TOKEN_SERVERS]  # as the servers know themselves
    uint8_t client_to_server_key[KEY_BYTES]
    uint8_t server_to_client_key[KEY_BYTES]
    uint8_t user_data[USER_DATA_BYTES]


cdef struct public_token:
    uint64_t protocol_id
    uint64_t create_timestamp             # unix seconds
    uint64_t expire_timestamp             # unix seconds; the first second at which it is expired
    uint8_t nonce[TOKEN_NONCE_BYTES]
    uint8_t sealed[PRIVATE_TOKEN_BYTES]   # the private part, sealed
    int32_t timeout                       # seconds; negative: none
    uint32_t server_count                 # 1 to MAX_TOKEN_SERVERS
    net_address servers[MAX_TOKEN_SERVERS]  # as the client reaches them
    uint8_t client_to_server_key[KEY_BYTES]
    uint8_t server_to_client_key[KEY_BYTES]


cdef struct challenge_token:
    uint64_t client_id
    uint8_t user_data[USER_DATA_BYTES]


# Write PRIVATE_TOKEN_BYTES; -1 when server_count or an address family is out of range.
cdef int private_token_put(const private_token *token, int order, uint8_t *out) noexcept nogil

# Read PRIVATE_TOKEN_BYTES; -1 when server_count or an address type is out of range.
cdef int private_token_get(private_token *token, int order, const uint8_t *data) noexcept nogil

# Seal PRIVATE_TOKEN_BYTES (the last 16 ignored) into as many; 24-byte nonce; ``out == plain`` is
# allowed.
cdef int private_token_seal(const wire_protocol *protocol, uint64_t expire_timestamp,
                            const uint8_t *nonce, const uint8_t *key, const uint8_t *plain,
                            uint8_t *out) noexcept nogil

# Open into PRIVATE_TOKEN_BYTES (the last 16 zero); -1 when not authentic. ``out != sealed``.
cdef int private_token_open(const wire_protocol *protocol, uint64_t expire_timestamp,
                            const uint8_t *nonce, const uint8_t *key, const uint8_t *sealed,
                            uint8_t *out) noexcept nogil

# Write PUBLIC_TOKEN_BYTES; -1 when server_count or an address family is out of range.
cdef int public_token_put(const public_token *token, int order, uint8_t *out) noexcept nogil

# Read PUBLIC_TOKEN_BYTES; -1 for another version, create > expire, or bad servers.
cdef int public_token_get(public_token *token, int order, const uint8_t *data) noexcept nogil

# Write CHALLENGE_TOKEN_BYTES under the server's own challenge key; never use a sequence twice.
cdef int challenge_token_seal(const challenge_token *token, uint64_t sequence, const uint8_t *key,
                              uint8_t *out) noexcept nogil

# Open CHALLENGE_TOKEN_BYTES; -1 when this server did not make it with that sequence.
cdef int challenge_token_open(challenge_token *token, uint64_t sequence, const uint8_t *key,
                              const uint8_t *sealed) noexcept nogil


cdef inline bint private_token_names(const private_token *token,
                                     const net_address *server) noexcept nogil:
    """Whether the token is for ``server`` (already unmapped)."""
    cdef net_address named
    cdef uint32_t i
    for i in range(token.server_count):
        named = token.servers[i]
        address_unmap(&named)
        if address_equal(&named, server):
            return True
    return False


# The PrivateToken of a struct.
cdef object private_to_object(const private_token *token)
