"""What was sent and what became of it: sent packets, round-trip time, loss detection, probes.

After RFC 9002 (packet and time thresholds, probe timeout) with RFC 6298 smoothing. The packet
ring is bounded; a record stays after a loss for a while, so that a late ack still counts.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t


cdef enum:
    PACKET_EMPTY = 0
    PACKET_OUTSTANDING = 1
    PACKET_ACKED = 2
    PACKET_LOST = 3

cdef enum:
    PACKET_ELICITING = 1         # the peer must ack it; it counts as in flight
    PACKET_HAS_ACK = 2           # carries an ack block
    PACKET_PROBED = 4            # given up by the probe timeout, not by an ack
    PACKET_APP_LIMITED = 8       # left while there was less to send than was allowed
    PACKET_ELSEWHERE = 16        # left on a path that the connection is no longer on

cdef enum:
    RECOVERY_PACKET_PARTS = 64   # message runs and fragments in one packet
    RECOVERY_SPAN = 30000        # packets past the newest acked; then only probes,
    RECOVERY_SPAN_MAX = 32000    # and here none: 16 bits on the wire carry 32,767

cdef enum:
    PART_MESSAGES = 0
    PART_FRAGMENT = 1


cdef struct sent_part:
    uint64_t id                  # of the (first) message
    uint32_t first               # fragment: first unit
    uint32_t count               # messages in the run, or units
    uint8_t channel
    uint8_t kind


cdef struct sent_packet:
    double time
    uint64_t ack_largest         # what its ack block reached up to
    uint32_t part_first          # low bits of the running part number
    uint32_t skip                # records from here that are acked for sure; see recovery_unacked
    uint16_t part_count
    uint16_t size                # bytes of message frames
    uint16_t bytes               # of the whole packet
    uint8_t state
    uint8_t flags
    uint64_t delivered           # the controller's counters when it left
    double delivered_time
    double first_time


cdef struct recovery:
    sent_packet *packets         # ring by sequence
    sent_part *parts             # ring by running part number
    uint32_t packet_capacity     # powers of two
    uint32_t part_capacity
    uint32_t max_packets
    uint64_t first               # sequence of the first packet ever
    uint64_t next                # sequence of the next packet
    uint64_t tail                # oldest record kept
    uint64_t loss_scan           # nothing outstanding below
    uint64_t part_next
    uint64_t largest_acked
    bint any_acked
    uint32_t bytes_in_flight     # message frames outstanding
    uint32_t flight              # bytes of whole packets outstanding that ask for an ack
    uint32_t eliciting_in_flight
    uint32_t packet_threshold    # packets acked above one that make it lost
    uint32_t time_eighths        # loss delay in eighths of the round-trip time
    uint32_t steady              # losses since the thresholds last changed
    uint32_t probe_count         # probe timeouts in a row
    double max_ack_delay
    double eliciting_time        # when the last ack-eliciting packet left
    double loss_time             # when the oldest outstanding packet becomes lost; infinity: never
    double srtt                  # 0 before the first sample
    double rttvar
    double min_rtt
    double latest_rtt
    double jitter
    double loss                  # smoothed fraction


# Nothing sent yet; nothing allocated.
cdef void recovery_init(
    recovery *r, uint64_t first, uint32_t max_packets, double max_ack_delay
) noexcept nogil

# Give the memory back.
cdef void recovery_free(recovery *r) noexcept nogil

# Make room for one more packet and its parts. 1 ready; 0: the oldest record must be settled
# first, or out of memory.
cdef int recovery_room(recovery *r, double now) noexcept nogil

cdef inline uint64_t recovery_span(const recovery *r) noexcept nogil:
    """Packets past the newest one acked."""
    return r.next - (r.largest_acked if r.any_acked else r.first)

cdef inline sent_packet *recovery_packet(const recovery *r, uint64_t sequence) noexcept nogil:
    """The record of a sequence with tail <= sequence < next."""
    return &r.packets[sequence & (r.packet_capacity - 1)]

cdef inline sent_part *recovery_part(
    const recovery *r, const sent_packet *packet, uint32_t i
) noexcept nogil:
    """Part ``i`` of a packet that is still kept."""
    return &r.parts[(packet.part_first + i) & (r.part_capacity - 1)]

cdef inline sent_part *recovery_next_part(const recovery *r, uint32_t i) noexcept nogil:
    """Where part ``i`` of the packet being built goes, after recovery_room."""
    return &r.parts[(r.part_next + i) & (r.part_capacity - 1)]

# Record packet ``next`` of ``bytes``, with its parts and ``size`` bytes of message frames, and
# step on.
cdef void recovery_sent(
    recovery *r, double now, uint32_t bytes, uint32_t size, uint32_t parts, uint8_t flags,
    uint64_t ack_largest
) noexcept nogil

# The first sequence in sequence <= s < end that is not acked, or end; both within tail..next.
# Walked stretches are remembered, so repeating an ack costs little.
cdef uint64_t recovery_unacked(recovery *r, uint64_t sequence, uint64_t end) noexcept nogil

# Mark an unacked record acked; True when it had been declared lost.
cdef bint recovery_acked(recovery *r, uint64_t sequence) noexcept nogil

# One round-trip sample in seconds, from the newest packet acked.
cdef void recovery_rtt(recovery *r, double sample, double ack_delay) noexcept nogil

# Declare one more packet lost by the packet or time threshold; False when there is none,
# and loss_time is then current.
cdef bint recovery_next_lost(recovery *r, double now, uint64_t *sequence) noexcept nogil

# Give up the oldest outstanding ack-eliciting packet for a probe; False when there is none.
cdef bint recovery_oldest(recovery *r, uint64_t *sequence) noexcept nogil

# Give up the next outstanding ack-eliciting packet from ``at[0]`` on, which starts at
# ``loss_scan``, because the path is another one; False when there is none.
cdef bint recovery_leave(recovery *r, uint64_t *at, uint64_t *sequence) noexcept nogil

# Forget what was measured: nothing is known of the path from here on.
cdef void recovery_new_path(recovery *r) noexcept nogil

# When the probe timeout fires; infinity when nothing is in flight.
cdef double recovery_probe_time(const recovery *r) noexcept nogil

# Give memory back when far less is on the way than was; after acks. ``idle``: nothing waits to be
# sent, or to be sent again.
cdef void recovery_shrink(recovery *r, double now, bint idle) noexcept nogil

# Forget old records whose fate is settled.
cdef void recovery_retire(recovery *r, double now) noexcept nogil
