"""Python objects from C state, for the floors above."""

from netcode.channel.state cimport channel_stats


# A ChannelStats.
cdef object stats_object(const channel_stats *s)

# The exception for a failed channel_push.
cdef object push_error(object config, int channel, object size, int status)

# The exceptions of a has_room: no such channel, no message that it takes.
cdef int check_room(object config, int channel, Py_ssize_t size) except -1

# The exception for a failed channel_push_frame.
cdef object frame_error(object config, int kind, object size, int status)
