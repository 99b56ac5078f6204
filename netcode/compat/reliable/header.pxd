"""Headers of packets and fragments as bytes. Readers load nothing past ``size``."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t


cdef enum:
    HEADER_MAX = 9              # bytes of a packet's header: 4 to 9
    FRAGMENT_HEADER = 5         # bytes in front of a fragment
    FRAGMENT_PREFIX = 1
    SHORT_ACK = 1 << 5          # in the prefix: the ack is one byte, the distance to it
    CIRCLE = 65536


cdef struct packet_header:
    uint16_t sequence
    uint16_t ack
    uint32_t ack_bits


cdef struct fragment_header:
    uint16_t sequence
    int index
    int count
    packet_header packet        # of fragment 0 only


# Write a header in its one canonical form; the bytes, at most HEADER_MAX.
cdef int header_put(const packet_header *h, uint8_t *out) noexcept nogil

# Read a header: its bytes, or 0 when it is none. Takes other forms than the canonical one, and
# unused bits of the prefix, as the C library does.
cdef int header_get(const uint8_t *data, Py_ssize_t size, packet_header *h) noexcept nogil

# Write what stands in front of a fragment, the packet's header apart; FRAGMENT_HEADER.
cdef int fragment_put(uint16_t sequence, int index, int count, uint8_t *out) noexcept nogil

# Read a fragment of a packet of up to ``max_fragments`` times ``fragment_size`` bytes: the
# offset of its data, or 0 when it is to be refused.
cdef int fragment_get(
    const uint8_t *data, Py_ssize_t size, int max_fragments, int fragment_size,
    fragment_header *f
) noexcept nogil
