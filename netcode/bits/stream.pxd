"""Bit streams in C: least significant bit first, little-endian, as the serialize standard.

A writer needs 8 bytes of slack behind its last byte; a reader needs none and never loads past
its end. Both carry an error code instead of raising, so a run of calls is checked once: the first
failure stays, and everything after it does nothing. Little-endian machines only.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy


cdef extern from *:
    """
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    #error "netcode stores words as they lie in memory: it needs a little-endian machine"
    #endif
    """


cdef enum:
    BITS_OK = 0
    BITS_END = 1        # past the end of the buffer
    BITS_PADDING = 2    # a pad bit is not zero
    BITS_VARINT = 3     # a varint is overlong or above 64 bits


cdef struct bit_writer:
    uint8_t *data          # base, with 8 writable bytes behind data + capacity
    uint64_t capacity      # bits
    uint64_t position      # bits written, scratch included
    uint64_t scratch       # bits not yet stored, from position & ~7 on
    int error              # BITS_OK, or BITS_END once a put did not fit


cdef struct bit_reader:
    const uint8_t *data
    uint64_t size          # bits
    uint64_t position      # bits read
    int error              # BITS_OK, or the first failure; gets then return 0


cdef inline int bit_length(uint64_t value) noexcept nogil:
    """Bits needed for 0..value: 0 for 0, 64 for 2**64 - 1."""
    cdef int n = 0
    if value >> 32:
        n += 32
        value >>= 32
    if value >> 16:
        n += 16
        value >>= 16
    if value >> 8:
        n += 8
        value >>= 8
    while value:
        n += 1
        value >>= 1
    return n


cdef inline uint64_t bit_mask(int bits) noexcept nogil:
    """The largest value of ``bits`` (0 to 64)."""
    return (<uint64_t>1 << bits) - 1 if bits < 64 else ~<uint64_t>0


cdef inline void bw_init(bit_writer *w, uint8_t *data, size_t capacity_bytes) noexcept nogil:
    """Start at bit 0 of ``data``."""
    w.data = data
    w.capacity = <uint64_t>capacity_bytes * 8
    w.position = 0
    w.scratch = 0
    w.error = BITS_OK


cdef inline void bw_put(bit_writer *w, uint64_t value, int bits) noexcept nogil:
    """Append the low ``bits`` (0 to 57) of ``value``; the bits above must be zero."""
    cdef uint64_t used = w.position & 7
    if w.error or w.position + <uint64_t>bits > w.capacity:
        w.error = BITS_END
        return
    w.scratch |= value << used
    # Little-endian store of 8 bytes: the bytes past the written bits are slack or rewritten later.
    memcpy(w.data + (w.position >> 3), &w.scratch, 8)
    used += <uint64_t>bits
    w.position += <uint64_t>bits
    w.scratch = w.scratch >> (used & ~<uint64_t>7) if used < 64 else 0


cdef inline void bw_put64(bit_writer *w, uint64_t value, int bits) noexcept nogil:
    """Append the low ``bits`` (0 to 64) of ``value``; the bits above must be zero."""
    if bits <= 57:
        bw_put(w, value, bits)
    elif w.error or w.position + <uint64_t>bits > w.capacity:
        w.error = BITS_END
    else:
        bw_put(w, <uint32_t>value, 32)
        bw_put(w, value >> 32, bits - 32)


cdef inline void bw_align(bit_writer *w) noexcept nogil:
    """Append zero bits up to the next byte boundary."""
    bw_put(w, 0, <int>(-w.position & 7))


cdef inline void bw_put_bytes(bit_writer *w, const uint8_t *data, size_t size) noexcept nogil:
    """Append ``size`` whole bytes at the current bit; all of them or none."""
    cdef uint32_t word
    if w.error or size > (w.capacity - w.position) >> 3:
        w.error = BITS_END
        return
    if size and not w.position & 7:
        memcpy(w.data + (w.position >> 3), data, size)
        w.position += <uint64_t>size * 8
        return
    while size >= 4:
        memcpy(&word, data, 4)
        bw_put(w, word, 32)
        data += 4
        size -= 4
    while size:
        bw_put(w, data[0], 8)
        data += 1
        size -= 1


cdef inline void bw_put_varint(bit_writer *w, uint64_t value) noexcept nogil:
    """Append LEB128 groups of 8 bits (7 of value, 1 "more"), not aligned; all or none."""
    cdef uint64_t low = 0
    cdef int shift = 0
    while value >= 0x80 and shift < 56:
        low |= (value & 0x7F | 0x80) << shift
        value >>= 7
        shift += 8
    if shift < 56:
        low |= value << shift
        bw_put64(w, low, shift + 8)
        return
    # Seven groups are in ``low``; one to three are left.
    shift = 8 if value < 0x80 else 16 if value < 0x4000 else 24
    if w.error or w.position + 56 + <uint64_t>shift > w.capacity:
        w.error = BITS_END
        return
    bw_put(w, low, 56)
    if shift == 24:
        value = (value & 0x7F | 0x80) | (value >> 7 & 0x7F | 0x80) << 8 | value >> 14 << 16
    elif shift == 16:
        value = (value & 0x7F | 0x80) | value >> 7 << 8
    bw_put(w, value, shift)


cdef inline void bw_seek(bit_writer *w, uint64_t position) noexcept nogil:
    """Drop what was written from bit ``position`` (at most the current one) on, and the error."""
    w.position = position
    w.scratch = 0
    if position & 7:
        w.scratch = w.data[position >> 3] & bit_mask(<int>(position & 7))
        w.data[position >> 3] = <uint8_t>w.scratch
    w.error = BITS_OK


cdef inline size_t bw_bytes(const bit_writer *w) noexcept nogil:
    """Bytes touched so far; the unused high bits of the last one are zero."""
    return <size_t>((w.position + 7) >> 3)


cdef inline void br_init(bit_reader *r, const uint8_t *data, size_t size_bytes) noexcept nogil:
    """Start at bit 0 of ``data``."""
    r.data = data
    r.size = <uint64_t>size_bytes * 8
    r.position = 0
    r.error = BITS_OK


cdef inline uint64_t br_left(const bit_reader *r) noexcept nogil:
    """Bits not read yet."""
    return r.size - r.position


cdef inline uint64_t br_get(bit_reader *r, int bits) noexcept nogil:
    """Take ``bits`` (0 to 57); 0 and the error code past the end."""
    cdef uint64_t word = 0
    cdef uint64_t at = r.position >> 3
    cdef uint64_t used = r.position & 7
    cdef uint64_t left
    if r.error or r.position + <uint64_t>bits > r.size:
        if not r.error:
            r.error = BITS_END
        return 0
    left = ((r.size + 7) >> 3) - at
    if left >= 8:
        memcpy(&word, r.data + at, 8)
    elif left:
        memcpy(&word, r.data + at, <size_t>left)
    r.position += <uint64_t>bits
    return (word >> used) & ((<uint64_t>1 << bits) - 1)


cdef inline uint64_t br_get64(bit_reader *r, int bits) noexcept nogil:
    """Take ``bits`` (0 to 64); 0 and the error code past the end."""
    cdef uint64_t low
    if bits <= 57:
        return br_get(r, bits)
    if r.error or r.position + <uint64_t>bits > r.size:
        if not r.error:
            r.error = BITS_END
        return 0
    low = br_get(r, 32)
    return low | (br_get(r, bits - 32) << 32)


cdef inline void br_align(bit_reader *r) noexcept nogil:
    """Go to the next byte boundary; BITS_PADDING when a bit skipped over is not zero."""
    if br_get(r, <int>(-r.position & 7)) and not r.error:
        r.error = BITS_PADDING


cdef inline void br_get_bytes(bit_reader *r, uint8_t *out, size_t size) noexcept nogil:
    """Take ``size`` whole bytes from the current bit into ``out``; all of them or none."""
    cdef uint32_t word
    if r.error or size > br_left(r) >> 3:
        if not r.error:
            r.error = BITS_END
        return
    if size and not r.position & 7:
        memcpy(out, r.data + (r.position >> 3), size)
        r.position += <uint64_t>size * 8
        return
    while size >= 4:
        word = <uint32_t>br_get(r, 32)
        memcpy(out, &word, 4)
        out += 4
        size -= 4
    while size:
        out[0] = <uint8_t>br_get(r, 8)
        out += 1
        size -= 1


cdef inline uint64_t br_get_varint(bit_reader *r) noexcept nogil:
    """Take one varint; BITS_VARINT unless it is the shortest form of a 64-bit value."""
    cdef uint64_t value = 0
    cdef uint64_t group
    cdef int shift = 0
    while True:
        group = br_get(r, 8)
        if r.error:
            return 0
        if shift == 63 and group > 1:  # above 64 bits, or an eleventh group
            break
        value |= (group & 0x7F) << shift
        if group < 0x80:
            if group == 0 and shift:  # a shorter form exists: one value, one encoding
                break
            return value
        shift += 7
    r.error = BITS_VARINT
    return 0
