"""Which packets arrived, and the ack block that says so."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef enum:
    ACK_RANGES_KEPT = 64         # ranges remembered; what is older counts as seen
    ACK_RANGES_SENT = 32         # ranges in one ack block: the first and 31 more
    ACK_BLOCK_MIN_ROOM = 24      # bytes that the block's fixed part may need

cdef enum:
    # ack_parse
    ACK_MALFORMED = -1
    ACK_NEVER_SENT = -2


cdef struct ack_range:
    uint64_t first
    uint64_t last                # inclusive


cdef struct received_set:
    ack_range *ranges            # ascending, never touching
    uint32_t count
    uint32_t capacity
    uint64_t floor               # below: seen, or too old to tell
    uint64_t report_floor        # below: the peer is known to know
    uint64_t late_low            # oldest late arrival that the peer may not know of;
    uint64_t late_marker         # our packets from this sequence on report it
    uint64_t later_low           # the same for those that came after one of those packets left
    uint64_t later_marker
    double largest_time          # when the newest arrived


cdef struct ack_block:
    double delay                 # seconds between arrival of the largest and the sending
    uint32_t count
    ack_range ranges[ACK_RANGES_SENT]   # descending, never touching


# Nothing received yet; nothing allocated.
cdef void received_init(received_set *s, uint64_t first_sequence) noexcept nogil

# Give the memory back.
cdef void received_free(received_set *s) noexcept nogil

cdef inline uint64_t received_next(const received_set *s) noexcept nogil:
    """One past the newest packet received."""
    return s.ranges[s.count - 1].last + 1 if s.count else s.floor

# Whether the packet was seen, or is too old to tell.
cdef bint received_has(const received_set *s, uint64_t sequence) noexcept nogil

# Note an arrival. 1 new, 0 seen or too old, -1 out of memory. ``own_next`` is the sequence of
# the next packet we send, the first that will report this one.
cdef int received_add(
    received_set *s, uint64_t sequence, uint64_t own_next, double now
) noexcept nogil

# The peer got our packet ``own_sequence``, whose ack block reached up to ``largest``: what it
# said need not be said again.
cdef void received_reported(
    received_set *s, uint64_t largest, uint64_t own_sequence
) noexcept nogil

# Write the ack block, newest ranges first, as many as fit; the bytes, 0 when none fits.
cdef int ack_write(
    const received_set *s, double now, uint8_t *out, uint32_t room
) noexcept nogil

# Read an ack block about packets ``first_sent <= sequence < next_sent``: bytes read, or
# ACK_MALFORMED, or ACK_NEVER_SENT.
cdef int ack_parse(
    const uint8_t *data, const uint8_t *end, uint64_t first_sent, uint64_t next_sent,
    ack_block *block
) noexcept nogil
