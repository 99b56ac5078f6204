"""Ack ranges: every packet's fate is reported until the peer is known to know it."""

cimport cython
from libc.stdint cimport UINT64_MAX, uint16_t
from libc.stdlib cimport free, realloc
from libc.string cimport memmove

from netcode.bits.varint cimport varint_get, varint_put, varint_size
from netcode.channel.sequence cimport sequence_expand

from netcode.errors import DecodeError

__all__ = ["ReceivedPackets", "decode_acks", "expand_sequence"]

cdef double DELAY_UNIT = 250e-6
cdef enum:
    DELAY_UNITS_MAX = 65535      # 16 s: a larger delay says no more


cdef void received_init(received_set *s, uint64_t first_sequence) noexcept nogil:
    s.ranges = NULL
    s.count = 0
    s.capacity = 0
    s.floor = first_sequence
    s.report_floor = first_sequence
    s.late_low = UINT64_MAX
    s.late_marker = 0
    s.later_low = UINT64_MAX
    s.later_marker = 0
    s.largest_time = 0.0


cdef void received_free(received_set *s) noexcept nogil:
    free(s.ranges)
    s.ranges = NULL
    s.count = 0
    s.capacity = 0


cdef inline uint32_t find(const received_set *s, uint64_t sequence) noexcept nogil:
    """Ranges that start at or before the sequence; searched from the newest, where it mostly is."""
    cdef uint32_t i = s.count
    while i > 0 and sequence < s.ranges[i - 1].first:
        i -= 1
    return i


cdef bint received_has(const received_set *s, uint64_t sequence) noexcept nogil:
    cdef uint32_t i
    if sequence < s.floor:
        return True
    i = find(s, sequence)
    if i == 0:
        return s.count == ACK_RANGES_KEPT and sequence + 1 != s.ranges[0].first
    return sequence <= s.ranges[i - 1].last


cdef int insert_range(received_set *s, uint32_t at, uint64_t sequence) noexcept nogil:
    """Open a range of one packet before index ``at``; 0, or -1 out of memory."""
    cdef uint32_t capacity
    cdef void *grown
    if s.count == ACK_RANGES_KEPT:
        s.floor = s.ranges[0].last + 1
        s.count -= 1
        at -= 1
        memmove(&s.ranges[0], &s.ranges[1], s.count * sizeof(ack_range))
    elif s.count == s.capacity:
        capacity = s.capacity * 2 if s.capacity else 4
        grown = realloc(s.ranges, capacity * sizeof(ack_range))
        if grown == NULL:
            return -1
        s.ranges = <ack_range *>grown
        s.capacity = capacity
    memmove(&s.ranges[at + 1], &s.ranges[at], (s.count - at) * sizeof(ack_range))
    s.ranges[at].first = sequence
    s.ranges[at].last = sequence
    s.count += 1
    return 0


cdef inline void note_late(received_set *s, uint64_t sequence, uint64_t own_next) noexcept nogil:
    """Two generations, so that late arrivals without end do not put off the report for ever."""
    if s.late_low == UINT64_MAX or own_next <= s.late_marker:
        if sequence < s.late_low:
            s.late_low = sequence
        s.late_marker = own_next
    else:
        if sequence < s.later_low:
            s.later_low = sequence
        s.later_marker = own_next


cdef int received_add(
    received_set *s, uint64_t sequence, uint64_t own_next, double now
) noexcept nogil:
    cdef uint32_t i
    cdef bint newest, left, right
    if received_has(s, sequence):
        return 0
    i = find(s, sequence)
    newest = i == s.count
    left = i > 0 and s.ranges[i - 1].last + 1 == sequence
    right = not newest and s.ranges[i].first == sequence + 1
    if left and right:
        s.ranges[i - 1].last = s.ranges[i].last
        s.count -= 1
        memmove(&s.ranges[i], &s.ranges[i + 1], (s.count - i) * sizeof(ack_range))
    elif left:
        s.ranges[i - 1].last = sequence
    elif right:
        s.ranges[i].first = sequence
    elif insert_range(s, i, sequence) < 0:
        return -1
    if newest:
        s.largest_time = now
    else:
        note_late(s, sequence, own_next)
        if sequence < s.report_floor:
            s.report_floor = sequence
    return 1


cdef void received_reported(
    received_set *s, uint64_t largest, uint64_t own_sequence
) noexcept nogil:
    cdef uint64_t floor = largest + 1
    if own_sequence >= s.late_marker:
        s.late_low = s.later_low
        s.late_marker = s.later_marker
        s.later_low = UINT64_MAX
        if own_sequence >= s.late_marker:
            s.late_low = UINT64_MAX
    if s.late_low < floor:
        floor = s.late_low
    if s.later_low < floor:
        floor = s.later_low
    if floor > s.report_floor:
        s.report_floor = floor


cdef inline uint64_t first_to_report(const received_set *s, uint32_t i) noexcept nogil:
    """Where range ``i`` starts for the peer: what it knows already is left out."""
    if s.ranges[i].first >= s.report_floor:
        return s.ranges[i].first
    return s.report_floor if s.report_floor <= s.ranges[i].last else s.ranges[i].last


cdef int ack_write(
    const received_set *s, double now, uint8_t *out, uint32_t room
) noexcept nogil:
    cdef uint32_t i = s.count
    cdef uint64_t first, gap, length
    cdef uint8_t *at = out
    cdef uint8_t *end = out + room
    cdef uint8_t *more
    cdef double units
    if i == 0 or room < ACK_BLOCK_MIN_ROOM:
        return 0
    i -= 1
    units = (now - s.largest_time) / DELAY_UNIT
    if not (units > 0):
        units = 0
    elif units > DELAY_UNITS_MAX:
        units = DELAY_UNITS_MAX
    at[0] = <uint8_t>(s.ranges[i].last & 0xFF)
    at[1] = <uint8_t>((s.ranges[i].last >> 8) & 0xFF)
    at += 2
    at += varint_put(at, <uint64_t>units)
    first = first_to_report(s, i)
    at += varint_put(at, s.ranges[i].last - first)
    more = at
    more[0] = 0
    at += 1
    while i > 0 and more[0] < ACK_RANGES_SENT - 1:
        i -= 1
        if s.ranges[i].last < s.report_floor:
            break
        gap = first - s.ranges[i].last - 2
        first = first_to_report(s, i)
        length = s.ranges[i].last - first
        if end - at < varint_size(gap) + varint_size(length):
            break
        at += varint_put(at, gap)
        at += varint_put(at, length)
        more[0] += 1
    return <int>(at - out)


cdef int ack_parse(
    const uint8_t *data, const uint8_t *end, uint64_t first_sent, uint64_t next_sent,
    ack_block *block
) noexcept nogil:
    cdef const uint8_t *at = data
    cdef uint64_t units = 0
    cdef uint64_t value = 0
    cdef uint64_t last
    cdef uint32_t more
    cdef int n
    if end - at < 2:
        return ACK_MALFORMED
    if next_sent == first_sent:
        return ACK_NEVER_SENT
    last = sequence_expand(<uint16_t>(at[0] | (<uint16_t>at[1] << 8)), next_sent - 1)
    at += 2
    n = varint_get(at, end, &units)
    if n == 0:
        return ACK_MALFORMED
    at += n
    block.delay = <double>(units if units < DELAY_UNITS_MAX else DELAY_UNITS_MAX) * DELAY_UNIT
    n = varint_get(at, end, &value)
    if n == 0 or end - at == n:
        return ACK_MALFORMED
    at += n
    if last < first_sent or last >= next_sent or value > last - first_sent:
        return ACK_NEVER_SENT
    block.ranges[0].last = last
    block.ranges[0].first = last - value
    block.count = 1
    more = at[0]
    at += 1
    if more >= ACK_RANGES_SENT:
        return ACK_MALFORMED
    while more > 0:
        more -= 1
        n = varint_get(at, end, &value)
        if n == 0:
            return ACK_MALFORMED
        at += n
        # The range ends value + 2 below the start of the one before: value + 1 are missing.
        last = block.ranges[block.count - 1].first
        if last - first_sent < 2 or value > last - first_sent - 2:
            return ACK_NEVER_SENT
        last -= value + 2
        n = varint_get(at, end, &value)
        if n == 0:
            return ACK_MALFORMED
        at += n
        if value > last - first_sent:
            return ACK_NEVER_SENT
        block.ranges[block.count].last = last
        block.ranges[block.count].first = last - value
        block.count += 1
    return <int>(at - data)


@cython.final
@cython.auto_pickle(False)
cdef class ReceivedPackets:
    """The receiving half of the ack scheme: which sequences arrived, as ranges.

    Args:
        first: sequence of the first packet the peer can send.
    """
    cdef received_set s

    def __cinit__(self, uint64_t first=0):
        received_init(&self.s, first)

    def __dealloc__(self):
        received_free(&self.s)

    def __contains__(self, uint64_t sequence):
        return bool(received_has(&self.s, sequence))

    def add(self, uint64_t sequence, uint64_t own_next=0, double now=0.0):
        """Note an arrival; False when it was seen before or is too old to tell."""
        cdef int result = received_add(&self.s, sequence, own_next, now)
        if result < 0:
            raise MemoryError
        return result == 1

    def reported(self, uint64_t largest, uint64_t own_sequence):
        """The peer acked our packet ``own_sequence``, which reported up to ``largest``."""
        received_reported(&self.s, largest, own_sequence)

    @property
    def ranges(self):
        """Inclusive (first, last) pairs, oldest first; at most 64."""
        return [(self.s.ranges[i].first, self.s.ranges[i].last) for i in range(self.s.count)]

    @property
    def floor(self):
        """Sequences below it count as seen."""
        return self.s.floor

    def encode(self, double now=0.0, uint32_t room=256):
        """The ack block, at most ``room`` (24 to 256) bytes; ``b""`` before the first arrival."""
        cdef uint8_t[256] out
        cdef int n = ack_write(&self.s, now, out, room if room < 256 else 256)
        return <bytes>out[:n]


def decode_acks(const uint8_t[::1] data, uint64_t next_sequence, uint64_t first_sequence=0):
    """Read an ack block at the start of ``data``.

    Args:
        next_sequence: of the next packet the acked side will send.
        first_sequence: of the first packet it ever sent.

    Returns:
        (delay in seconds, inclusive (first, last) ranges newest first, bytes read).

    Raises:
        DecodeError: malformed, or it acks a packet that was never sent.
    """
    cdef ack_block block
    cdef uint8_t nothing = 0
    cdef const uint8_t *start = &data[0] if data.shape[0] else &nothing
    cdef int n = ack_parse(start, start + data.shape[0], first_sequence, next_sequence, &block)
    if n == ACK_NEVER_SENT:
        raise DecodeError("ack of a packet that was never sent")
    if n < 0:
        raise DecodeError("ack block cut short or malformed")
    ranges = [(block.ranges[i].first, block.ranges[i].last) for i in range(block.count)]
    return block.delay, ranges, n


def expand_sequence(uint16_t low, uint64_t near):
    """The 64-bit value with the low 16 bits ``low`` that is nearest to ``near``."""
    return sequence_expand(low, near)
