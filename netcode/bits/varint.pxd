"""Unsigned LEB128 integers on byte boundaries, 1 to 10 bytes, and zigzag."""

from libc.stdint cimport int64_t, uint8_t, uint64_t


cdef enum:
    VARINT_MAX_BYTES = 10


cdef inline int varint_size(uint64_t value) noexcept nogil:
    """Bytes that ``varint_put`` will write."""
    cdef int n = 1
    while value >= 0x80:
        value >>= 7
        n += 1
    return n


cdef inline int varint_put(uint8_t *out, uint64_t value) noexcept nogil:
    """Write ``value``; return the bytes written. The caller has checked the room."""
    cdef int n = 0
    while value >= 0x80:
        out[n] = <uint8_t>(value | 0x80)
        value >>= 7
        n += 1
    out[n] = <uint8_t>value
    return n + 1


cdef inline int varint_get(const uint8_t *data, const uint8_t *end, uint64_t *value) noexcept nogil:
    """Read one value; return the bytes read, or 0 when cut short, overlong or above 64 bits."""
    cdef uint64_t result = 0
    cdef int n = 0
    cdef uint8_t byte
    while data + n < end and n < VARINT_MAX_BYTES:
        byte = data[n]
        if n == 9 and byte > 1:
            return 0
        result |= <uint64_t>(byte & 0x7F) << (7 * n)
        n += 1
        if byte < 0x80:
            if byte == 0 and n > 1:  # a shorter form exists: one value, one encoding
                return 0
            value[0] = result
            return n
    return 0


cdef inline uint64_t zigzag(int64_t value) noexcept nogil:
    """Map 0, -1, 1, -2 to 0, 1, 2, 3."""
    return (<uint64_t>value << 1) ^ <uint64_t>(value >> 63)


cdef inline int64_t unzigzag(uint64_t value) noexcept nogil:
    """The inverse of ``zigzag``."""
    return <int64_t>(value >> 1) ^ -<int64_t>(value & 1)
