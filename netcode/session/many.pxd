"""A server's calls on many clients at once."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from netcode.session.server_core cimport server_core


cdef struct event_row:           # EVENT_DTYPE
    uint64_t client_id
    uint32_t index
    uint32_t generation
    uint8_t connected
    uint8_t reason
    uint8_t moved
    uint8_t unused[5]


# Client indices as an array, each below ``capacity``; else ConfigError.
cdef const int64_t[::1] checked_indices(object indices, uint32_t capacity)

# ``count`` + 1 ascending offsets into ``total`` bytes; else ConfigError.
cdef const int64_t[::1] checked_cuts(object offsets, Py_ssize_t count, Py_ssize_t total)

# ServerEndpoint.push_many.
cdef object push_each(server_core *k, object config, int channel, object indices,
                      const uint8_t[::1] data, object offsets)
