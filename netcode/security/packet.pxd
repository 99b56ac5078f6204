"""The seven packets of netcode 1.02: sealing, and reading in the standard's order.

A function that can refuse returns a negative packet_reason; its name, a counter's key, is
``PACKET_REASONS[-result]``.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from netcode.security.protocol cimport (
    LARGEST_MAX_PAYLOAD, TAG_BYTES, TOKEN_NONCE_BYTES, VERSION_BYTES, get_u32, get_u64, put_u32,
    put_u64, wire_protocol,
)
from netcode.security.replay cimport replay_window
from netcode.security.token cimport CHALLENGE_TOKEN_BYTES, PRIVATE_TOKEN_BYTES, private_token


cdef enum packet_type:
    PACKET_REQUEST = 0
    PACKET_DENIED = 1
    PACKET_CHALLENGE = 2
    PACKET_RESPONSE = 3
    PACKET_KEEP_ALIVE = 4
    PACKET_PAYLOAD = 5
    PACKET_DISCONNECT = 6
    PACKET_TYPES = 7


cdef enum:
    PACKET_MIN_BYTES = 18             # prefix, one sequence byte, tag
    PACKET_REQUEST_BYTES = 1 + VERSION_BYTES + 8 + 8 + TOKEN_NONCE_BYTES + PRIVATE_TOKEN_BYTES
    PACKET_CHALLENGE_BODY = 8 + CHALLENGE_TOKEN_BYTES   # of a challenge and of a response
    PACKET_KEEP_ALIVE_BODY = 8
    PACKET_MAX_BODY = LARGEST_MAX_PAYLOAD    # room that packet_open needs behind ``body``
    PACKET_MAX_OVERHEAD = 1 + 8 + TAG_BYTES
    PACKET_MAX_BYTES = PACKET_MAX_BODY + PACKET_MAX_OVERHEAD
    PACKET_SERVER_MASK = 0x79         # a server reads 0, 3, 4, 5, 6
    PACKET_CLIENT_MASK = 0x76         # a client reads 1, 2, 4, 5, 6


cdef enum packet_reason:
    PACKET_OK = 0
    # Any datagram, before a key is needed
    PACKET_TOO_SMALL = 1
    PACKET_TOO_LARGE = 2
    PACKET_TYPE_UNKNOWN = 3
    PACKET_TYPE_NOT_ALLOWED = 4
    PACKET_SEQUENCE_SIZE = 5
    PACKET_TRUNCATED = 6
    # Encrypted packets
    PACKET_NO_KEY = 7
    PACKET_REPLAYED = 8
    PACKET_FORGED = 9
    PACKET_BODY_SIZE = 10
    # Connection requests
    PACKET_REQUEST_PREFIX = 11
    PACKET_REQUEST_SIZE = 12
    PACKET_REQUEST_VERSION = 13
    PACKET_REQUEST_PROTOCOL = 14
    PACKET_REQUEST_EXPIRED = 15
    PACKET_REQUEST_FORGED = 16        # no private key opens it
    PACKET_REQUEST_INVALID = 17       # it opens, but is no private token
    # Connection responses
    PACKET_CHALLENGE_FORGED = 18
    # Our own calls
    PACKET_NO_ROOM = 19
    PACKET_REASON_COUNT = 20


cdef struct packet_header:
    int type
    uint64_t sequence                 # 0 for a request
    uint32_t header_size              # 1 for a request
    uint32_t body_size                # decrypted; of a request, all behind the first byte


cdef struct packet_request:
    uint64_t expire_timestamp
    const uint8_t *nonce              # 24 bytes, in the datagram
    const uint8_t *sealed             # PRIVATE_TOKEN_BYTES, in the datagram
    int key_index                     # which of the private keys opened it
    private_token token


cdef inline uint32_t packet_header_size(uint64_t sequence) noexcept nogil:
    """Bytes before the sealed body: the prefix and the sequence without its high zero bytes."""
    cdef uint32_t n = 2
    while sequence > 0xFF:
        sequence >>= 8
        n += 1
    return n


# The steps that need no key (look the sender up afterwards); 0 or -reason. ``allowed``: bit per
# type.
# A packet of type 0 passes without a look at its size or content: give it to packet_open_request.
cdef int packet_parse(const uint8_t *data, size_t size, uint32_t allowed,
                      packet_header *header) noexcept nogil

# Replay test, decryption, replay advance, body size, after packet_parse of the same data.
# Return the body's size, or -reason. ``body`` has room for PACKET_MAX_BODY and does not overlap
# ``data``. ``key`` may be NULL (PACKET_NO_KEY); ``replay`` may be NULL (no replay test).
cdef int packet_open_parsed(const wire_protocol *protocol, const packet_header *header,
                            const uint8_t *data, const uint8_t *key, replay_window *replay,
                            uint8_t *body) noexcept nogil

# packet_parse and packet_open_parsed for types 1 to 6 (PACKET_TYPE_NOT_ALLOWED for a request).
cdef int packet_open(const wire_protocol *protocol, const uint8_t *data, size_t size,
                     uint32_t allowed, const uint8_t *key, replay_window *replay, uint8_t *body,
                     packet_header *header) noexcept nogil

# Read a connection request in the standard's order, up to and with the private token; 0 or
# -reason.
# ``keys``: ``key_count`` (1 or 2) keys of 32 bytes, tried in order. The pointers in ``request``
# live as long as ``data``. ``request.token`` holds keys: wipe it after use.
cdef int packet_open_request(const wire_protocol *protocol, const uint8_t *data, size_t size,
                             uint64_t unix_now, const uint8_t *keys, int key_count,
                             packet_request *request) noexcept nogil

# Write a packet of type 1 to 6; return its size, or -PACKET_BODY_SIZE, -PACKET_TYPE_UNKNOWN,
# -PACKET_NO_ROOM.
# ``body`` may lie at ``out + packet_header_size(sequence)``, to be sealed in place; else no
# overlap. A (key, sequence) pair must never be used twice.
cdef int packet_seal(const wire_protocol *protocol, int type, uint64_t sequence,
                     const uint8_t *key, const uint8_t *body, uint32_t body_size, uint8_t *out,
                     size_t capacity) noexcept nogil

# Write a connection request; return PACKET_REQUEST_BYTES, or -PACKET_NO_ROOM.
cdef int packet_put_request(const wire_protocol *protocol, uint64_t expire_timestamp,
                            const uint8_t *nonce, const uint8_t *sealed, uint8_t *out,
                            size_t capacity) noexcept nogil


cdef inline void put_keep_alive(uint8_t *body, uint32_t client_index,
                                uint32_t max_clients) noexcept nogil:
    """Write PACKET_KEEP_ALIVE_BODY bytes."""
    put_u32(body, client_index)
    put_u32(body + 4, max_clients)


cdef inline void get_keep_alive(const uint8_t *body, uint32_t *client_index,
                                uint32_t *max_clients) noexcept nogil:
    """Read PACKET_KEEP_ALIVE_BODY bytes; the values are a peer's and may be anything."""
    client_index[0] = get_u32(body)
    max_clients[0] = get_u32(body + 4)
