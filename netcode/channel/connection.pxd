"""One connection's transport state: packets, acks, messages, fragments, frames. Bytes only.

The state belongs to one thread. Time is the caller's ``now`` (seconds, never going back).
"""

from libc.stdint cimport uint8_t, uint32_t

from netcode.channel.inbox cimport inbox
from netcode.channel.receiver cimport (
    RECEIVE_DUPLICATE,
    RECEIVE_INBOX_FULL,
    RECEIVE_MEMORY,
    RECEIVE_OK,
)
from netcode.channel.settings cimport channel_config
from netcode.channel.state cimport channel_state, channel_stats


cdef enum:
    CHANNEL_MAX_FRAME = 1152     # bytes of an opaque frame: fits any packet of CHANNEL_MIN_CAPACITY
    CHANNEL_MIN_CAPACITY = 1200  # the least packet capacity that carries every legal frame
    CHANNEL_FRAME_FIRST = 0x40   # opaque frames of upper floors: 0x40 to 0x7F
    CHANNEL_FRAME_LAST = 0x7F


cdef enum:
    # channel_push, channel_push_frame
    CHANNEL_OK = 0
    CHANNEL_FULL = -1            # the queue is at its limit: back-pressure
    CHANNEL_TOO_LARGE = -2
    CHANNEL_UNKNOWN = -3         # no such channel or frame kind
    CHANNEL_MEMORY = -4


# A connection's state, or NULL when out of memory. ``config`` is read until channel_free,
# which itself does not need it.
cdef channel_state *channel_new(const channel_config *config) noexcept nogil

# Free everything; NULL is allowed.
cdef void channel_free(channel_state *c) noexcept nogil

# Queue a copy of a message. 0, or CHANNEL_FULL, _TOO_LARGE, _UNKNOWN, _MEMORY.
cdef int channel_push(
    channel_state *c, int channel, const uint8_t *data, uint32_t size, double now
) noexcept nogil

# Whether a message of this size could be queued.
cdef bint channel_has_room(
    channel_state *c, int channel, uint32_t size, double now
) noexcept nogil

# Queue an opaque unreliable frame for the next packets; never fragmented, never resent.
cdef int channel_push_frame(
    channel_state *c, int kind, const uint8_t *data, uint32_t size
) noexcept nogil

# Write the next packet; its size, or 0 when there is nothing (more) to send now.
#
# Call it until it returns 0. Capacity below CHANNEL_MIN_CAPACITY works for everything but
# frames and whole messages too large for it.
cdef int channel_build(
    channel_state *c, double now, uint8_t *out, uint32_t capacity
) noexcept nogil

# Parse a packet whole, then apply it. RECEIVE_OK, above zero ignored, below zero the reason
# why it is malformed (an index into ``REFUSALS`` by -reason - 1); then nothing was applied.
cdef int channel_receive(
    channel_state *c, const uint8_t *data, uint32_t size, double now, inbox *delivered,
    uint32_t index
) noexcept nogil

# When channel_build would next have something to send; infinity when idle, and at or before
# ``now`` when it has something already.
cdef double channel_deadline(const channel_state *c) noexcept nogil

# Counters and estimates, current; valid until the state is freed.
cdef const channel_stats *channel_statistics(channel_state *c) noexcept nogil

# The packets go another way from now on: what is in flight may be lost, so it is sent again at
# once, and round trip, bandwidth and the size that passes are measured anew.
cdef void channel_moved(channel_state *c, double now) noexcept nogil

# Nothing queued and every reliable message acked.
cdef bint channel_idle(const channel_state *c) noexcept nogil
