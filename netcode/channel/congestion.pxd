"""How much may be on the wire, and how fast it leaves: a model of the path, not a reaction to loss.

The path is a bottleneck rate (the most that was delivered lately) and a round trip without a
queue (the least seen lately), as in BBR (Cardwell et al., "BBR: Congestion-Based Congestion
Control", ACM Queue 2016; the rate samples are those of draft-cheng-iccrg-delivery-rate-estimation).
What may be in flight is their product and a few packets, as in Vegas and Copa (Brakmo et al.,
SIGCOMM 1994; Arun and Balakrishnan, NSDI 2018): the few packets are each flow's share of the
queue, so it stays short and the shares become equal. As in Copa, a queue that never empties means
a rival that fills it; then the few packets grow and halve with loss, as Reno's window does.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from netcode.channel.recovery cimport recovery, sent_packet
from netcode.channel.settings cimport channel_config


cdef enum:
    CONTROL_ROUNDS = 10          # round trips that a delivery rate is remembered

cdef enum:
    # phase
    CONTROL_STARTUP = 0          # twice as much each round trip, until the path is full
    CONTROL_DOWN = 1             # less than the path carries, until the queue is gone
    CONTROL_CRUISE = 2
    CONTROL_UP = 3               # a quarter more than the path carried: is there more?
    CONTROL_PROBE_RTT = 4        # half, for a clean look at the round-trip time


cdef struct controller:
    uint64_t delivered           # bytes acked so far
    double delivered_time        # when that last grew
    double first_time            # when the packet left that the newest ack was for
    uint64_t limited_until       # samples of packets up to here say what the game sent, not more
    uint64_t round_end           # delivered, at which this round trip ends
    double phase_time            # when the phase began
    double min_rtt               # seconds, of the last MIN_RTT_LIFE; 0 before the first sample
    double min_rtt_time
    double round_rtt             # least sample of this round trip; 0: none
    double last_rtt              # the same of the one before
    double fresh_rtt             # least sample since the probe for it began
    double queue                 # seconds: least of the round trip before this, less min_rtt
    double bandwidth             # bytes per second; 0 before the first sample
    double full                  # bandwidth at which startup last saw growth
    double window                # bytes that may be in flight during startup
    double share                 # bytes that this flow may keep in the queue
    double rates[CONTROL_ROUNDS]  # most of each round trip
    uint32_t rate_at             # in rates
    uint32_t phase_rounds
    uint32_t crowded             # round trips in a row with a queue
    uint32_t stalled             # those of startup without growth
    uint32_t grown               # probes in a row that found more
    uint8_t phase
    bint rival                   # somebody else fills the queue
    bint lost                    # something was lost in this round trip
    bint sampled                 # rates[rate_at] belongs to this round trip
    # of the ack being applied
    uint64_t ack_bytes
    uint64_t ack_delivered
    double ack_sent
    double ack_first
    double ack_prior
    bint ack_limited
    bint ack_any


# Nothing known yet.
cdef void control_init(controller *k) noexcept nogil

# The path is another one: nothing is known of it.
cdef void control_new_path(controller *k) noexcept nogil

# A packet that will be acked leaves; ``flight``: bytes in flight before it. Sets the record's
# flags to PACKET_APP_LIMITED or none.
cdef void control_sent(
    controller *k, sent_packet *packet, uint64_t flight, double now
) noexcept nogil

# Nothing more to send although more might be: what is in flight now says nothing of the path.
cdef void control_limited(controller *k, uint64_t flight) noexcept nogil

# A packet was acked. Then, once for the ack: control_acked; ``rtt`` below zero: no sample.
cdef void control_delivered(
    controller *k, const sent_packet *packet, double now
) noexcept nogil
cdef void control_acked(
    controller *k, const recovery *r, double rtt, double now
) noexcept nogil

# A packet was declared lost.
cdef void control_lost(controller *k) noexcept nogil

# Bytes that may be in flight.
cdef double control_window(
    const controller *k, const recovery *r, const channel_config *config
) noexcept nogil

# Bytes per second that may leave.
cdef double control_rate(
    const controller *k, const recovery *r, const channel_config *config
) noexcept nogil
