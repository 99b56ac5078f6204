"""Sent packets, round-trip time, loss detection and probe timeouts."""

from libc.math cimport INFINITY, fabs
from libc.stdlib cimport free, malloc
from libc.string cimport memset

__all__: list[str] = []

cdef double INITIAL_RTT = 0.1          # a guess only for the first probe timeout
cdef double GRANULARITY = 0.001
cdef double RTT_LEAST = 1e-9
cdef double PROBE_INTERVAL_MAX = 0.5   # back-off stops here: a game waits for each of them
cdef double LOSS_GAIN = 1.0 / 64
cdef enum:
    FIRST_CAPACITY = 16
    PARTS_PER_PACKET = 4               # average parts of a packet at the memory limit
    PACKET_THRESHOLD = 3
    PACKET_THRESHOLD_MAX = 128
    TIME_EIGHTHS = 9
    TIME_EIGHTHS_MAX = 16
    STEADY_LOSSES = 64                 # real losses after which the thresholds shrink again
    PROBE_SHIFT_MAX = 10


cdef void recovery_init(
    recovery *r, uint64_t first, uint32_t max_packets, double max_ack_delay
) noexcept nogil:
    memset(r, 0, sizeof(recovery))
    r.max_packets = max_packets
    r.first = first
    r.next = first
    r.tail = first
    r.loss_scan = first
    r.packet_threshold = PACKET_THRESHOLD
    r.time_eighths = TIME_EIGHTHS
    r.max_ack_delay = max_ack_delay
    r.loss_time = INFINITY


cdef void recovery_free(recovery *r) noexcept nogil:
    free(r.packets)
    free(r.parts)
    r.packets = NULL
    r.parts = NULL
    r.packet_capacity = 0
    r.part_capacity = 0


cdef int resize_packets(recovery *r, uint32_t capacity) noexcept nogil:
    """Another ring with room for all records kept; 0: out of memory, and nothing changed."""
    cdef uint64_t sequence
    cdef sent_packet *moved = <sent_packet *>malloc(capacity * sizeof(sent_packet))
    if moved == NULL:
        return 0
    for sequence in range(r.tail, r.next):
        moved[sequence & (capacity - 1)] = recovery_packet(r, sequence)[0]
    free(r.packets)
    r.packets = moved
    r.packet_capacity = capacity
    return 1


cdef int resize_parts(recovery *r, uint32_t capacity, uint64_t part_tail) noexcept nogil:
    """The same for the parts."""
    cdef uint64_t part
    cdef sent_part *moved = <sent_part *>malloc(capacity * sizeof(sent_part))
    if moved == NULL:
        return 0
    for part in range(part_tail, r.part_next):
        moved[part & (capacity - 1)] = r.parts[part & (r.part_capacity - 1)]
    free(r.parts)
    r.parts = moved
    r.part_capacity = capacity
    return 1


cdef int grow_packets(recovery *r) noexcept nogil:
    cdef uint32_t capacity = r.packet_capacity * 2 if r.packet_capacity else FIRST_CAPACITY
    return 0 if capacity > r.max_packets else resize_packets(r, capacity)


cdef int grow_parts(recovery *r, uint64_t part_tail) noexcept nogil:
    cdef uint32_t capacity = r.part_capacity * 2 if r.part_capacity else RECOVERY_PACKET_PARTS
    if capacity > r.max_packets * PARTS_PER_PACKET and capacity > 2 * RECOVERY_PACKET_PARTS:
        return 0
    return resize_parts(r, capacity, part_tail)


cdef uint32_t roomy(uint32_t capacity, uint32_t least, uint64_t used) noexcept nogil:
    """A smaller power of two with room for twice what is used, or ``capacity``.

    Only when it can be a quarter at most: then there were more packets since the ring grew than
    are copied now.
    """
    cdef uint32_t fit = least
    while fit < 2 * used:
        fit *= 2
    return fit if fit <= capacity // 4 else capacity


cdef void recovery_shrink(recovery *r, double now, bint idle) noexcept nogil:
    cdef uint32_t fit
    cdef uint64_t tail
    if (r.packet_capacity <= 4 * FIRST_CAPACITY
            or r.eliciting_in_flight > r.packet_capacity // 8):
        return
    recovery_retire(r, now)
    if idle and r.eliciting_in_flight == 0:
        # Nothing may come any more that would shrink it. What is lost has arrived otherwise: a late
        # ack of it would only be counted.
        force_retire(r, <uint32_t>(r.next - r.tail))
    fit = roomy(r.packet_capacity, FIRST_CAPACITY, r.next - r.tail)
    if fit < r.packet_capacity:
        resize_packets(r, fit)
    tail = part_tail(r)
    fit = roomy(r.part_capacity, 2 * RECOVERY_PACKET_PARTS,
                r.part_next - tail + RECOVERY_PACKET_PARTS)
    if fit < r.part_capacity:
        resize_parts(r, fit, tail)


cdef inline uint64_t part_tail(const recovery *r) noexcept nogil:
    """The oldest part still referred to."""
    cdef uint32_t used
    if r.tail == r.next:
        return r.part_next
    used = <uint32_t>r.part_next - recovery_packet(r, r.tail).part_first
    return r.part_next - used


cdef int recovery_room(recovery *r, double now) noexcept nogil:
    if r.next - r.tail >= r.packet_capacity:
        recovery_retire(r, now)
        if r.next - r.tail >= r.packet_capacity and not grow_packets(r):
            force_retire(r, 1)
            if r.packet_capacity == 0 or r.next - r.tail >= r.packet_capacity:
                return 0
    if r.part_next - part_tail(r) + RECOVERY_PACKET_PARTS > r.part_capacity:
        recovery_retire(r, now)
        while r.part_next - part_tail(r) + RECOVERY_PACKET_PARTS > r.part_capacity:
            if not grow_parts(r, part_tail(r)):
                force_retire(r, r.packet_capacity)
                return r.part_next - part_tail(r) + RECOVERY_PACKET_PARTS <= r.part_capacity
    return 1


cdef inline bint settled(const sent_packet *packet) noexcept nogil:
    """Whether forgetting the record loses nothing that must be told to the messages."""
    return packet.state != PACKET_OUTSTANDING or packet.part_count == 0


cdef void forget_tail(recovery *r) noexcept nogil:
    cdef sent_packet *packet = recovery_packet(r, r.tail)
    if packet.state == PACKET_OUTSTANDING and packet.flags & PACKET_ELICITING:
        r.bytes_in_flight -= packet.size
        r.flight -= packet.bytes
        r.eliciting_in_flight -= 1
    packet.state = PACKET_EMPTY
    r.tail += 1
    if r.loss_scan < r.tail:
        r.loss_scan = r.tail


cdef void force_retire(recovery *r, uint32_t most) noexcept nogil:
    """Forget old records before their time, down to one that still carries something."""
    while most > 0 and r.tail < r.next and settled(recovery_packet(r, r.tail)):
        forget_tail(r)
        most -= 1


cdef void recovery_retire(recovery *r, double now) noexcept nogil:
    cdef double keep = 3 * (r.srtt + 4 * r.rttvar) + r.max_ack_delay
    cdef sent_packet *packet
    if keep < 0.1:
        keep = 0.1
    while r.tail < r.next:
        packet = recovery_packet(r, r.tail)
        if packet.state == PACKET_OUTSTANDING:
            # An ack is never acked for its own sake: let it go once it is old.
            if packet.flags & PACKET_ELICITING or packet.time + keep > now:
                break
        elif packet.state == PACKET_LOST and packet.time + keep > now:
            break
        forget_tail(r)


cdef void recovery_sent(
    recovery *r, double now, uint32_t bytes, uint32_t size, uint32_t parts, uint8_t flags,
    uint64_t ack_largest
) noexcept nogil:
    cdef sent_packet *packet = recovery_packet(r, r.next)
    packet.time = now
    packet.ack_largest = ack_largest
    packet.part_first = <uint32_t>r.part_next
    packet.part_count = <uint16_t>parts
    packet.skip = 0
    packet.size = <uint16_t>(size if size < 65535 else 65535)
    packet.bytes = <uint16_t>(bytes if bytes < 65535 else 65535)
    packet.state = PACKET_OUTSTANDING
    packet.flags = flags
    if flags & PACKET_ELICITING:
        r.bytes_in_flight += packet.size
        r.flight += packet.bytes
        r.eliciting_in_flight += 1
        r.eliciting_time = now
    r.part_next += parts
    r.next += 1


cdef uint64_t recovery_unacked(recovery *r, uint64_t sequence, uint64_t end) noexcept nogil:
    cdef uint64_t start = sequence
    cdef uint64_t reached
    cdef sent_packet *packet
    while sequence < end:
        packet = recovery_packet(r, sequence)
        if packet.state != PACKET_ACKED:
            break
        sequence += packet.skip if packet.skip else 1
    reached = sequence
    if reached > start:
        recovery_packet(r, start).skip = <uint32_t>(reached - start)
    return reached if reached < end else end


cdef bint recovery_acked(recovery *r, uint64_t sequence) noexcept nogil:
    cdef sent_packet *packet = recovery_packet(r, sequence)
    cdef bint late = packet.state == PACKET_LOST
    if late:
        # One loss fewer, and the thresholds were too tight for this path's reordering.
        r.loss -= LOSS_GAIN
        if r.loss < 0:
            r.loss = 0
        if not packet.flags & PACKET_PROBED:
            r.steady = 0
            r.packet_threshold *= 2
            if r.packet_threshold > PACKET_THRESHOLD_MAX:
                r.packet_threshold = PACKET_THRESHOLD_MAX
            if r.time_eighths < TIME_EIGHTHS_MAX:
                r.time_eighths += 1
    else:
        r.loss -= r.loss * LOSS_GAIN
        if packet.flags & PACKET_ELICITING:
            r.bytes_in_flight -= packet.size
            r.flight -= packet.bytes
            r.eliciting_in_flight -= 1
    packet.state = PACKET_ACKED
    if not r.any_acked or sequence > r.largest_acked:
        r.largest_acked = sequence
        r.any_acked = True
    return late


cdef void recovery_rtt(recovery *r, double sample, double ack_delay) noexcept nogil:
    cdef double difference
    if not (sample >= 0):
        return
    # Else an end that sends little would seem as far away as its peer's acks are late. A peer that
    # lies about its delay gets probes sooner and a smaller window: its own loss.
    if ack_delay > 0:
        sample -= ack_delay if ack_delay < r.max_ack_delay else r.max_ack_delay
        if sample < 0:
            sample = 0
    if r.srtt == 0:
        r.min_rtt = sample
        r.latest_rtt = sample
        r.srtt = sample if sample > RTT_LEAST else RTT_LEAST
        r.rttvar = sample / 2
        return
    if sample < r.min_rtt:
        r.min_rtt = sample
    r.jitter += (fabs(sample - r.latest_rtt) - r.jitter) / 16
    r.latest_rtt = sample
    difference = fabs(r.srtt - sample)
    r.rttvar += (difference - r.rttvar) / 4
    r.srtt += (sample - r.srtt) / 8
    # Zero says that there is no sample; and numbers near it are slow to compute with.
    if r.srtt < RTT_LEAST:
        r.srtt = RTT_LEAST
    if r.rttvar < RTT_LEAST:
        r.rttvar = 0


cdef inline double loss_delay(const recovery *r) noexcept nogil:
    cdef double rtt = r.srtt if r.srtt > r.latest_rtt else r.latest_rtt
    rtt = rtt * r.time_eighths / 8
    return rtt if rtt > GRANULARITY else GRANULARITY


cdef void declare_lost(recovery *r, sent_packet *packet) noexcept nogil:
    packet.state = PACKET_LOST
    if packet.flags & PACKET_ELICITING:
        r.bytes_in_flight -= packet.size
        r.flight -= packet.bytes
        r.eliciting_in_flight -= 1
    r.loss += (1 - r.loss) * LOSS_GAIN


cdef bint recovery_next_lost(recovery *r, double now, uint64_t *sequence) noexcept nogil:
    cdef double delay = loss_delay(r)
    cdef uint64_t at
    cdef sent_packet *packet
    r.loss_time = INFINITY
    if not r.any_acked:
        return False
    # Only what was sent before the newest acked packet can be judged.
    while r.loss_scan < r.largest_acked:
        if recovery_packet(r, r.loss_scan).state == PACKET_OUTSTANDING:
            break
        r.loss_scan += 1
    at = r.loss_scan
    while at < r.largest_acked:
        packet = recovery_packet(r, at)
        if packet.state == PACKET_OUTSTANDING:
            if at + r.packet_threshold <= r.largest_acked or packet.time + delay <= now:
                declare_lost(r, packet)
                r.steady += 1
                if r.steady >= STEADY_LOSSES:
                    r.steady = 0
                    r.packet_threshold //= 2
                    if r.packet_threshold < PACKET_THRESHOLD:
                        r.packet_threshold = PACKET_THRESHOLD
                    if r.time_eighths > TIME_EIGHTHS:
                        r.time_eighths -= 1
                sequence[0] = at
                return True
            if packet.time + delay < r.loss_time:
                r.loss_time = packet.time + delay
        at += 1
    return False


cdef bint recovery_oldest(recovery *r, uint64_t *sequence) noexcept nogil:
    cdef uint64_t at = r.loss_scan
    cdef sent_packet *packet
    while at < r.next:
        packet = recovery_packet(r, at)
        if packet.state == PACKET_OUTSTANDING and packet.flags & PACKET_ELICITING:
            declare_lost(r, packet)
            packet.flags |= PACKET_PROBED
            sequence[0] = at
            return True
        at += 1
    return False


cdef bint recovery_leave(recovery *r, uint64_t *at, uint64_t *sequence) noexcept nogil:
    cdef sent_packet *packet
    while at[0] < r.next:
        packet = recovery_packet(r, at[0])
        at[0] += 1
        if packet.state == PACKET_OUTSTANDING and packet.flags & PACKET_ELICITING:
            declare_lost(r, packet)
            packet.flags |= PACKET_PROBED | PACKET_ELSEWHERE
            sequence[0] = at[0] - 1
            return True
    return False


cdef void recovery_new_path(recovery *r) noexcept nogil:
    r.srtt = 0
    r.rttvar = 0
    r.min_rtt = 0
    r.latest_rtt = 0
    r.probe_count = 0
    r.loss_time = INFINITY


cdef double recovery_probe_time(const recovery *r) noexcept nogil:
    cdef double interval, variance, most
    if r.eliciting_in_flight == 0:
        return INFINITY
    if r.srtt == 0:
        interval = 3 * INITIAL_RTT
    else:
        variance = 4 * r.rttvar
        interval = r.srtt + (variance if variance > GRANULARITY else GRANULARITY)
    interval += r.max_ack_delay
    most = interval if interval > PROBE_INTERVAL_MAX else PROBE_INTERVAL_MAX
    interval *= 1 << (r.probe_count if r.probe_count < PROBE_SHIFT_MAX else PROBE_SHIFT_MAX)
    return r.eliciting_time + (interval if interval < most else most)
