"""The C form of a channel configuration, shared read-only by every connection that uses it."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef enum:
    CHANNEL_MAX_CHANNELS = 64           # one bit of a word for each
    CHANNEL_MAX_MESSAGE = 1 << 24       # bytes: the largest message any configuration may allow
    CHANNEL_MAX_WINDOW = 8192           # messages: a quarter of the 16-bit identifier space
    CHANNEL_MAX_PACKETS = 16384         # packets remembered: a quarter of the 16-bit sequence space


cdef enum:
    CHANNEL_LANES = 9                   # priorities, from -1


cdef enum:
    MODE_RELIABLE_ORDERED = 0
    MODE_RELIABLE_UNORDERED = 1
    MODE_UNRELIABLE = 2
    MODE_UNRELIABLE_SEQUENCED = 3


cdef struct channel_limits:
    uint8_t mode
    uint32_t max_message         # bytes
    uint32_t queue_messages      # messages accepted and not yet acked (reliable) or sent
    uint32_t queue_bytes         # the same in bytes
    uint32_t window_messages     # messages a receiver holds back or reassembles
    uint32_t window_bytes        # the same in bytes; at least max_message
    uint32_t weight              # share of the packets among channels of equal priority
    bint redundant               # un-acked messages go again with every packet that has room
    double send_rate             # bytes per second; 0: no limit of its own
    double lifetime              # seconds that an unreliable message may wait; 0: for ever


cdef struct channel_config:
    uint32_t channels            # 1 to CHANNEL_MAX_CHANNELS
    uint32_t max_packets         # packets remembered until acked or lost; a power of two
    uint32_t send_window         # bytes in flight
    uint32_t ack_every           # ack-eliciting packets that force an ack
    uint64_t initial_sequence    # of both directions
    uint64_t initial_message_id  # of every channel, both directions
    double send_rate             # bytes per second; 0: only the window limits
    double max_ack_delay         # seconds
    double reassembly_timeout    # seconds, of unreliable messages in fragments
    uint32_t frame_bytes         # bytes of opaque frames queued at a time
    uint64_t lane[CHANNEL_LANES]  # bit per channel of this priority
    uint64_t redundant           # bit per channel
    channel_limits channel[CHANNEL_MAX_CHANNELS]


cdef class ChannelSettings:
    """A TransportConfig ready for C: hold it as long as a connection uses ``&settings.c``."""
    cdef channel_config c
    cdef readonly object config
