"""Taking packets in: judge the whole packet, then apply it."""

from libc.stdint cimport uint8_t, uint32_t

from netcode.channel.inbox cimport inbox
from netcode.channel.state cimport channel_state


cdef enum:
    # packet_receive: above zero the packet is ignored and not a fault of the peer
    RECEIVE_OK = 0
    RECEIVE_DUPLICATE = 1        # seen, or so old that it cannot be told
    RECEIVE_INBOX_FULL = 2       # nothing applied, nothing acked: the peer sends again
    RECEIVE_MEMORY = 3


# RECEIVE_OK, above zero ignored, below zero a REFUSED_* reason; then nothing was applied.
cdef int packet_receive(
    channel_state *c, const uint8_t *data, uint32_t size, double now, inbox *delivered,
    uint32_t index
) noexcept nogil
