"""Bit streams for the codec, least significant bit first, as those of netcode.bits.stream.

Their state is small, so that the C compiler keeps it in registers. The packer does not look for
the end of its buffer: the largest encoding of a schema is known, and room for it is made before.
The unpacker never loads past its end, and has no branch for it.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy


cdef enum:
    PACK_SLACK = 8    # writable bytes behind a packer's buffer


cdef struct packer:
    uint8_t *at       # where the next whole word goes
    uint64_t word     # bits not stored yet
    uint32_t used     # how many, 0 to 63


cdef inline void pack_init(packer *p, uint8_t *data) noexcept nogil:
    """Start at bit 0 of ``data``, which has room for all that will come, and PACK_SLACK."""
    p.at = data
    p.word = 0
    p.used = 0


cdef inline uint8_t *pack_finish(packer *p) noexcept nogil:
    """Store what is left, padded with zero bits; returns the end."""
    memcpy(p.at, &p.word, 8)
    return p.at + ((p.used + 7) >> 3)


cdef inline void pack(packer *p, uint64_t value, uint32_t bits) noexcept nogil:
    """Append the low ``bits`` (0 to 63) of ``value``; the bits above must be zero."""
    p.word |= value << p.used
    if p.used + bits < 64:
        p.used += bits
        return
    memcpy(p.at, &p.word, 8)
    p.at += 8
    p.word = value >> (63 - p.used) >> 1
    p.used += bits - 64


cdef inline void pack_wide(packer *p, uint64_t value, uint32_t bits) noexcept nogil:
    """Append the low ``bits`` (0 to 64) of ``value``; the bits above must be zero."""
    if bits > 32:
        pack(p, <uint32_t>value, 32)
        value >>= 32
        bits -= 32
    pack(p, value, bits)


cdef inline void pack_bytes(packer *p, const uint8_t *data, size_t size) noexcept nogil:
    """Append whole bytes, not aligned."""
    cdef uint64_t word
    if p.used & 7 == 0:
        memcpy(p.at, &p.word, 8)
        p.at += p.used >> 3
        memcpy(p.at, data, size)
        p.at += size
        p.word = 0
        p.used = 0
        return
    while size >= 7:
        word = 0
        memcpy(&word, data, 7)
        pack(p, word, 56)
        data += 7
        size -= 7
    word = 0
    memcpy(&word, data, size)
    pack(p, word, <uint32_t>(8 * size))


cdef inline int varint_groups(uint64_t value, uint64_t *groups) noexcept nogil:
    """The 8-bit groups of a value below 2**49 and their width, 8 to 56."""
    cdef int bits = 8
    groups[0] = value & 0x7F
    value >>= 7
    while value:
        groups[0] |= <uint64_t>1 << (bits - 1) | (value & 0x7F) << bits
        value >>= 7
        bits += 8
    return bits


cdef inline void pack_varint(packer *p, uint64_t value) noexcept nogil:
    """Append groups of 8 bits, 7 of value and 1 "more"."""
    while value >= 0x80:
        pack(p, value & 0x7F | 0x80, 8)
        value >>= 7
    pack(p, value, 8)


cdef struct unpacker:
    const uint8_t *data   # at least 8 bytes
    uint64_t last         # byte offset of the last 8
    uint64_t size         # bits
    uint64_t position     # bits read
    uint8_t spare[8]      # copy of data shorter than 8 bytes


cdef inline void unpack_init(unpacker *u, const uint8_t *data, size_t size) noexcept nogil:
    """Start at bit 0; ``u`` must stay where it is."""
    u.size = <uint64_t>size * 8
    u.position = 0
    u.data = data
    if size >= 8:
        u.last = size - 8
        return
    u.last = 0
    memcpy(u.spare, b"\0\0\0\0\0\0\0\0", 8)
    if size:
        memcpy(u.spare, data, size)
    u.data = u.spare


cdef inline uint64_t unpack_left(const unpacker *u) noexcept nogil:
    """Bits not read yet."""
    return u.size - u.position


cdef inline uint64_t unpack(unpacker *u, int bits) noexcept nogil:
    """Take ``bits`` (0 to 57), no more than ``unpack_left``."""
    cdef uint64_t word
    cdef uint64_t at = u.position >> 3
    if at > u.last:
        at = u.last
    memcpy(&word, u.data + at, 8)
    word >>= (u.position - 8 * at) & 63  # 64 only when nothing is left to take
    u.position += <uint64_t>bits
    return word & ((<uint64_t>1 << bits) - 1)


cdef inline void unpack_bytes(unpacker *u, uint8_t *out, size_t size) noexcept nogil:
    """Take whole bytes, no more than there are."""
    cdef uint32_t word
    if not u.position & 7:
        memcpy(out, u.data + (u.position >> 3), size)
        u.position += <uint64_t>size * 8
        return
    while size >= 4:
        word = <uint32_t>unpack(u, 32)
        memcpy(out, &word, 4)
        out += 4
        size -= 4
    while size:
        out[0] = <uint8_t>unpack(u, 8)
        out += 1
        size -= 1


cdef inline bint unpack_varint(unpacker *u, uint64_t group, uint64_t *value) noexcept nogil:
    """Take the rest of a varint whose first ``group`` is taken; 0 when it is cut short (everything
    is then taken), overlong or above 64 bits."""
    cdef int shift = 0
    value[0] = group & 0x7F
    while group >= 0x80:
        shift += 7
        if u.size - u.position < 8:
            u.position = u.size + 1
            return 0
        group = unpack(u, 8)
        if shift == 63 and group > 1:
            return 0
        value[0] |= (group & 0x7F) << shift
        if group == 0:
            return 0
    return 1
