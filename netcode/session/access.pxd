"""What the two endpoint classes share on their Python side."""

from libc.stdint cimport uint8_t

from netcode.session.connection cimport connection, session


# ConfigError unless ``now`` is finite and not negative.
cdef int check_now(double now) except -1

# ``size`` bytes of the caller's entropy; ConfigError when it gives something else.
cdef bytes draw(object entropy, Py_ssize_t size)

# channel_push, with errors raised; ``config`` is the TransportConfig.
cdef int push_message(session *s, connection *c, object config, int channel,
                      const uint8_t[::1] data) except -1

# channel_has_room, with errors raised.
cdef bint room_for(session *s, connection *c, object config, int channel,
                   Py_ssize_t size) except -1

# channel_push_frame, with errors raised.
cdef int push_opaque(connection *c, object config, int kind, const uint8_t[::1] data) except -1

# connection_send_payload, with errors raised.
cdef int push_payload(session *s, connection *c, const uint8_t[::1] data) except -1

# A ConnectionStats.
cdef object read_stats(connection *c)

# Every counter by name.
cdef dict read_counters(const session *s)
