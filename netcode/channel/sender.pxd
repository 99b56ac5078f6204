"""Building packets."""

from libc.stdint cimport uint8_t, uint32_t

from netcode.channel.state cimport channel_state


# The next packet into ``out``; its size, or 0 when there is nothing (more) to send now.
cdef int packet_build(
    channel_state *c, double now, uint8_t *out, uint32_t capacity
) noexcept nogil

# When packet_build would next send something; infinity: not before something is pushed or
# received.
cdef double packet_deadline(const channel_state *c) noexcept nogil
