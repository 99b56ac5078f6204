"""What both ends of netcode 1.02 agree on, and little-endian loads and stores.

The dialects met in the wild differ from the standard in the two fields behind ``id``.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy


cdef enum:
    VERSION_BYTES = 13        # "NETCODE 1.02" and its zero byte
    KEY_BYTES = 32
    TAG_BYTES = 16            # Poly1305
    NONCE_BYTES = 12          # ChaCha20-Poly1305-IETF
    TOKEN_NONCE_BYTES = 24    # XChaCha20-Poly1305-IETF
    USER_DATA_BYTES = 256
    STANDARD_MAX_PAYLOAD = 1200
    LARGEST_MAX_PAYLOAD = 1300  # the largest of the dialects


cdef enum address_order:
    ADDRESS_ORDER_STANDARD = 0  # IPv6: eight 16-bit groups, each little-endian
    ADDRESS_ORDER_NETWORK = 1   # IPv6: sixteen bytes as in an IP header


cdef struct wire_protocol:
    uint64_t id                          # the application's protocol_id
    uint32_t max_payload                 # 1 to LARGEST_MAX_PAYLOAD bytes of a payload packet
    int order                            # an address_order, of IPv6 addresses in tokens
    uint8_t prefix[VERSION_BYTES + 8]    # version and id: how every associated data begins


cdef inline void put_u16(uint8_t *out, uint16_t value) noexcept nogil:
    """Store 2 bytes."""
    out[0] = <uint8_t>value
    out[1] = <uint8_t>(value >> 8)


cdef inline void put_u32(uint8_t *out, uint32_t value) noexcept nogil:
    """Store 4 bytes."""
    cdef int i
    for i in range(4):
        out[i] = <uint8_t>(value >> (8 * i))


cdef inline void put_u64(uint8_t *out, uint64_t value) noexcept nogil:
    """Store 8 bytes."""
    cdef int i
    for i in range(8):
        out[i] = <uint8_t>(value >> (8 * i))


cdef inline uint16_t get_u16(const uint8_t *data) noexcept nogil:
    """Load 2 bytes."""
    return <uint16_t>(data[0] | (<uint16_t>data[1] << 8))


cdef inline uint32_t get_u32(const uint8_t *data) noexcept nogil:
    """Load 4 bytes."""
    cdef uint32_t value = 0
    cdef int i
    for i in range(4):
        value |= <uint32_t>data[i] << (8 * i)
    return value


cdef inline uint64_t get_u64(const uint8_t *data) noexcept nogil:
    """Load 8 bytes."""
    cdef uint64_t value = 0
    cdef int i
    for i in range(8):
        value |= <uint64_t>data[i] << (8 * i)
    return value


cdef inline void protocol_init(wire_protocol *p, uint64_t protocol_id) noexcept nogil:
    """Set up the standard for ``protocol_id``; a dialect then overwrites max_payload and order."""
    p.id = protocol_id
    p.max_payload = STANDARD_MAX_PAYLOAD
    p.order = ADDRESS_ORDER_STANDARD
    memcpy(p.prefix, b"NETCODE 1.02\0", VERSION_BYTES)
    put_u64(p.prefix + VERSION_BYTES, protocol_id)


cdef inline void put_nonce(uint8_t *nonce, uint64_t sequence) noexcept nogil:
    """Store the 12-byte nonce of a sequence: four zero bytes, then the sequence."""
    put_u32(nonce, 0)
    put_u64(nonce + 4, sequence)
