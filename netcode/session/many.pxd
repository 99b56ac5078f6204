"""A server's calls on many clients at once."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from netcode.session.server_core cimport server_core


cdef struct event_row:           # EVENT_DTYPE
    uint64_t client_id
    uint32_t index
    uint32_t generation
    uint8_t connected
    uint8_t reason
    uint8_t unused[6]


# ServerEndpoint.push_many.
cdef object push_each(server_core *k, object config, int channel, object indices,
                      const uint8_t[::1] data, object offsets)
