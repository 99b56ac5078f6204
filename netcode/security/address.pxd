"""An IP address and port as one small C struct."""

from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from netcode.security.aead cimport keyed_hash


cdef enum:
    ADDRESS_TEXT_BYTES = 64   # room for any address as text: "[45 characters]:65535", no zero byte
    ADDRESS_WIRE_BYTES = 19   # the larger form inside a token: type, 16 bytes, port


cdef struct net_address:
    uint8_t family    # 0 none, 4 or 6
    uint16_t port     # host byte order
    uint8_t ip[16]    # as in an IP header; 4 bytes and zeros for IPv4


cdef inline bint address_equal(const net_address *a, const net_address *b) noexcept nogil:
    """Whether family, port and IP are the same (two of family 0 with equal bytes are equal)."""
    return a.port == b.port and a.family == b.family and memcmp(a.ip, b.ip, 16) == 0


cdef inline void address_clear(net_address *a) noexcept nogil:
    """Make it family 0, all zeros."""
    memset(a, 0, sizeof(net_address))


cdef inline bint address_is_loopback(const net_address *a) noexcept nogil:
    """Whether it is 127.0.0.0/8 or ::1."""
    if a.family == 4:
        return a.ip[0] == 127
    return a.family == 6 and memcmp(
        a.ip, b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16) == 0


cdef inline void address_unmap(net_address *a) noexcept nogil:
    """Turn IPv4-mapped IPv6 (::ffff:a.b.c.d, what a dual-stack socket reports) into IPv4."""
    if a.family == 6 and memcmp(a.ip, b"\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0:
        a.family = 4
        memcpy(a.ip, a.ip + 12, 4)
        memset(a.ip + 4, 0, 12)


cdef inline uint64_t address_hash(const net_address *a, const uint8_t *key16) noexcept nogil:
    """Keyed hash for lookup tables; equal addresses have equal hashes."""
    cdef uint8_t flat[19]
    flat[0] = a.family
    flat[1] = <uint8_t>a.port
    flat[2] = <uint8_t>(a.port >> 8)
    memcpy(flat + 3, a.ip, 16)
    return keyed_hash(flat, 19, key16)


# Read "1.2.3.4", "1.2.3.4:5", "::1", "[::1]" or "[::1]:5"; 0, or -1 and ``out`` is cleared.
cdef int address_parse(net_address *out, const char *text, size_t size) noexcept nogil

# Read an IPv4 or IPv6 literal alone; the port becomes 0. 0, or -1 and ``out`` is cleared.
cdef int address_parse_host(net_address *out, const char *text, size_t size) noexcept nogil

# Write the IP as text into ADDRESS_TEXT_BYTES; return its length (0 for family 0). No zero byte.
cdef int address_host_text(const net_address *a, char *out) noexcept nogil

# Write "ip", "ip:port" or "[ip]:port" (port 0 is left out); return its length. No zero byte.
cdef int address_text(const net_address *a, char *out) noexcept nogil

# Write the token form into ADDRESS_WIRE_BYTES; return 7 or 19, or 0 for family 0.
cdef int address_put(const net_address *a, int order, uint8_t *out) noexcept nogil

# Read the token form; return 7 or 19, or 0 when cut short or of an unknown type.
cdef int address_get(net_address *out, int order, const uint8_t *data, size_t size) noexcept nogil

# The plain ``(host, port)`` tuple of sockets; ("", 0) for family 0.
cdef object address_to_tuple(const net_address *a)

# Read an Address or a ``(host, port, ...)`` tuple; ConfigError names what is wrong. Not unmapped.
cdef int address_from_object(net_address *out, object address) except -1

# The address_order named "standard" or "network"; ConfigError.
cdef int order_from_object(object order) except -1
