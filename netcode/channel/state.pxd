"""The struct of one connection: small while idle, everything else allocated on first use."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from netcode.channel.acks cimport received_set
from netcode.channel.congestion cimport controller
from netcode.channel.incoming cimport in_queue
from netcode.channel.outgoing cimport out_queue
from netcode.channel.path cimport path_limit
from netcode.channel.recovery cimport recovery
from netcode.channel.settings cimport channel_config


cdef struct channel_stats:
    double rtt                   # seconds, smoothed; 0 before the first sample
    double latest_rtt
    double min_rtt
    double rtt_variance
    double jitter                # seconds, mean difference of successive samples
    double packet_loss           # 0 to 1, smoothed, of packets sent
    double bandwidth             # bytes per second, estimated; 0 before the first sample
    double send_rate             # bytes per second that may leave now
    double queue_delay           # seconds
    uint64_t send_window         # bytes of packets that may be in flight
    uint64_t packets_sent
    uint64_t packets_received
    uint64_t packets_acked
    uint64_t packets_lost
    uint64_t packets_spurious    # declared lost, acked after all
    uint64_t packets_duplicate
    uint64_t packets_refused     # malformed
    uint64_t bytes_sent
    uint64_t bytes_received
    uint64_t messages_pushed
    uint64_t messages_delivered
    uint64_t messages_duplicate
    uint64_t messages_dropped    # unreliable: not reassembled in time, or out of sequence
    uint64_t messages_expired    # unreliable: waited too long to be sent
    uint64_t messages_resent     # messages and fragment runs put on the wire again
    uint64_t frames_sent
    uint64_t frames_delivered
    uint64_t probes
    uint64_t frames_dropped      # too large for any packet of this path
    uint64_t black_holes         # how often large packets stopped to arrive
    uint64_t mtu                 # bytes that a packet may have now; 0 before the first
    uint64_t bytes_in_flight
    uint64_t bytes_queued        # payload bytes of messages accepted and not yet acked or sent
    uint64_t messages_queued
    uint64_t bytes_held          # payload bytes held by the receiving side
    uint64_t memory              # bytes allocated for this connection, bookkeeping included


cdef struct channel_state:
    const channel_config *config
    uint32_t channels            # of the configuration, which may be gone when this is freed
    out_queue **outgoing         # by channel; NULL until used; behind the struct
    in_queue **incoming
    recovery sent
    controller control
    path_limit path
    uint32_t capacity            # that the last packet was asked to have
    received_set received
    double now                   # of the latest call; time never goes back
    double ack_due               # when what arrived must be acked; infinity: nothing to ack
    double expires               # when incomplete unreliable messages are dropped next
    double pace_tokens           # bytes that may leave now
    double pace_time             # of the last refill
    double pace_debt             # bytes that frames took, to be paid out of three quarters
    uint64_t backlog             # bit per channel with something queued or to be resent
    uint8_t *frames              # opaque frames as they go on the wire
    uint32_t frames_at           # first byte not yet sent
    uint32_t frames_size
    uint32_t frames_capacity
    uint32_t eliciting_unacked   # arrivals that await an ack
    uint32_t plain_sent          # packets since the last ack-eliciting one
    uint32_t probes              # packets that may leave whatever the window says
    uint32_t turn                # channel whose turn it is
    bint ack_pending             # something arrived since the last ack block
    channel_stats stats


# Queue again what the packet carried.
cdef void state_lost(channel_state *c, uint64_t sequence) noexcept nogil

# The connection is on another path: queue again all that is unacked, and measure anew.
cdef void state_moved(channel_state *c) noexcept nogil

# Declare lost what the packet and time thresholds say.
cdef void state_detect(channel_state *c, double now) noexcept nogil

# Run what is due: loss detection, the probe timeout, expiry of incomplete messages.
cdef void state_timers(channel_state *c, double now) noexcept nogil

# Bytes per second that the pacer lets through.
cdef double state_pace_rate(const channel_state *c) noexcept nogil

# Let the pacer's tokens grow up to now.
cdef void state_refill(channel_state *c, double now) noexcept nogil

# When there will be tokens again.
cdef double state_pace_due(const channel_state *c) noexcept nogil

# When some channel may send, as far as the channels' windows and rates go; at or before ``now``
# when one may already, infinity when none waits.
cdef double state_due(const channel_state *c) noexcept nogil

cdef inline bint state_ready(const channel_state *c) noexcept nogil:
    """Whether some channel may send now, as far as the channels go."""
    return c.backlog != 0 and state_due(c) <= c.now

# Whether the connection's window takes another packet.
cdef bint state_window_open(const channel_state *c) noexcept nogil
