"""Headers of reliable 1.0.

A packet's header is a prefix, the sequence, the ack, and those bytes of the ack bits that are not
0xFF; on a healthy line it has 4 bytes.
"""

from libc.string cimport memcmp

from netcode.security.buffers cimport checked_int, view_of

from netcode.compat.reliable.config import PacketHeader
from netcode.errors import DecodeError

__all__ = ["read_header", "write_header"]


cdef int header_put(const packet_header *h, uint8_t *out) noexcept nogil:
    cdef uint16_t distance = <uint16_t>(h.sequence - h.ack)
    cdef uint8_t byte
    cdef int at = 3
    cdef int i
    out[0] = 0
    out[1] = <uint8_t>h.sequence
    out[2] = <uint8_t>(h.sequence >> 8)
    if distance <= 255:
        out[0] |= SHORT_ACK
        out[at] = <uint8_t>distance
        at += 1
    else:
        out[at] = <uint8_t>h.ack
        out[at + 1] = <uint8_t>(h.ack >> 8)
        at += 2
    for i in range(4):
        byte = <uint8_t>(h.ack_bits >> (8 * i))
        if byte != 0xFF:
            out[0] |= <uint8_t>(2 << i)
            out[at] = byte
            at += 1
    return at


cdef int header_get(const uint8_t *data, Py_ssize_t size, packet_header *h) noexcept nogil:
    cdef uint32_t byte
    cdef int at, need, i
    if size < 1 or data[0] & FRAGMENT_PREFIX:
        return 0
    need = 4 if data[0] & SHORT_ACK else 5
    at = need
    for i in range(4):
        need += data[0] >> (i + 1) & 1
    if size < need:
        return 0
    h.sequence = <uint16_t>(data[1] | data[2] << 8)
    if data[0] & SHORT_ACK:
        h.ack = <uint16_t>(h.sequence - data[3])
    else:
        h.ack = <uint16_t>(data[3] | data[4] << 8)
    h.ack_bits = 0
    for i in range(4):
        byte = 0xFF
        if data[0] >> (i + 1) & 1:
            byte = data[at]
            at += 1
        h.ack_bits |= byte << (8 * i)
    return at


cdef int fragment_put(uint16_t sequence, int index, int count, uint8_t *out) noexcept nogil:
    out[0] = FRAGMENT_PREFIX
    out[1] = <uint8_t>sequence
    out[2] = <uint8_t>(sequence >> 8)
    out[3] = <uint8_t>index
    out[4] = <uint8_t>(count - 1)
    return FRAGMENT_HEADER


cdef int fragment_get(
    const uint8_t *data, Py_ssize_t size, int max_fragments, int fragment_size,
    fragment_header *f
) noexcept nogil:
    cdef uint8_t canonical[HEADER_MAX]
    cdef int at = FRAGMENT_HEADER
    cdef int used
    if size < FRAGMENT_HEADER or data[0] != FRAGMENT_PREFIX:
        return 0
    f.sequence = <uint16_t>(data[1] | data[2] << 8)
    f.index = data[3]
    f.count = <int>data[4] + 1
    if f.count > max_fragments or f.index >= f.count:
        return 0
    if f.index == 0:
        used = header_get(data + at, size - at, &f.packet)
        if used == 0 or f.packet.sequence != f.sequence:
            return 0
        # The one place where the standard's readers insist on the canonical form.
        if header_put(&f.packet, canonical) != used or memcmp(canonical, data + at, used) != 0:
            return 0
        at += used
    if size - at > fragment_size or (f.index < f.count - 1 and size - at != fragment_size):
        return 0
    return at


def write_header(sequence, ack, ack_bits):
    """The bytes of a packet's header, 4 to 9 of them, in the one form the standard allows.

    Args:
        sequence: of the packet, 0 to 65535.
        ack: the newest sequence known of the other end, 0 to 65535.
        ack_bits: 32 bits; bit n says that ``ack - n`` arrived.

    Raises:
        ConfigError: an argument is out of its range.
    """
    cdef packet_header h
    cdef uint8_t out[HEADER_MAX]
    h.sequence = checked_int(sequence, 0, 0xFFFF, "sequence")
    h.ack = checked_int(ack, 0, 0xFFFF, "ack")
    h.ack_bits = checked_int(ack_bits, 0, 0xFFFFFFFF, "ack_bits")
    return (<char *>out)[:header_put(&h, out)]


def read_header(data):
    """Read the header that a packet begins with, as a PacketHeader.

    As the C library it also takes forms that are longer than need be, except that fragments must
    have the canonical one.

    Raises:
        DecodeError: the data is a fragment, or ends inside the header.
    """
    cdef packet_header h
    cdef const uint8_t[::1] view = view_of(data, "data")
    cdef Py_ssize_t size = view.shape[0]
    cdef int used = header_get(&view[0], size, &h) if size else 0
    if not used:
        if size and view[0] & FRAGMENT_PREFIX:
            raise DecodeError("a fragment, not a packet", bit=0)
        raise DecodeError(f"the data ends inside the header, after {size} bytes", bit=8 * size)
    return PacketHeader(h.sequence, h.ack, h.ack_bits, used)
