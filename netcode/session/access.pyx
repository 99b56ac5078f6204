"""What the two endpoint classes share on their Python side: checks, pushes, counters."""

from libc.math cimport isfinite
from libc.stdint cimport UINT32_MAX, uint8_t, uint32_t

from netcode.channel.connection cimport (
    CHANNEL_TOO_LARGE, channel_has_room, channel_push, channel_push_frame,
    channel_statistics,
)
from netcode.channel.endpoint cimport check_room, frame_error, push_error, stats_object
from netcode.security.packet cimport PACKET_REASON_COUNT
from netcode.session.connection cimport (
    CHANNEL_REASONS, connection, connection_send_payload, session,
)
from netcode.session.counters cimport SESSION_COUNTERS

from netcode.channel import REFUSALS
from netcode.errors import ChannelFull, ConfigError
from netcode.security.packet import PACKET_REASONS
from netcode.session.counters import SESSION_COUNTER_NAMES
from netcode.session.stats import ConnectionStats

__all__ = ["COUNTER_NAMES"]

COUNTER_NAMES = (
    SESSION_COUNTER_NAMES
    + PACKET_REASONS[1:]
    + tuple(f"malformed_{reason}" for reason in REFUSALS)
)

if len(PACKET_REASONS) != PACKET_REASON_COUNT or len(REFUSALS) > CHANNEL_REASONS:
    raise AssertionError("reason names and enums differ")


cdef int check_now(double now) except -1:
    if not (isfinite(now) and now >= 0):
        raise ConfigError(f"now: {now}, must be a finite number of seconds, from 0")
    return 0


cdef bytes draw(object entropy, Py_ssize_t size):
    value = entropy(size)
    if not isinstance(value, bytes) or len(value) != size:
        raise ConfigError(f"entropy: entropy({size}) did not return {size} bytes")
    return value


cdef int need_channels(connection *c) except -1:
    if c.channel == NULL:
        raise ConfigError("channels: None, so there are payloads only; use send_payload")
    return 0


cdef int push_message(session *s, connection *c, object config, int channel,
                      const uint8_t[::1] data) except -1:
    cdef Py_ssize_t size = data.shape[0]
    cdef uint8_t nothing = 0
    cdef int status = CHANNEL_TOO_LARGE
    need_channels(c)
    if size <= UINT32_MAX:
        status = channel_push(
            c.channel, channel, &data[0] if size else &nothing, <uint32_t>size, s.now)
    if status < 0:
        raise push_error(config, channel, size, status)
    return 0


cdef bint room_for(session *s, connection *c, object config, int channel,
                   Py_ssize_t size) except -1:
    need_channels(c)
    check_room(config, channel, size)
    return channel_has_room(c.channel, channel, <uint32_t>size, s.now)


cdef int push_opaque(connection *c, object config, int kind, const uint8_t[::1] data) except -1:
    cdef Py_ssize_t size = data.shape[0]
    cdef uint8_t nothing = 0
    cdef int status = CHANNEL_TOO_LARGE
    need_channels(c)
    if size <= UINT32_MAX:
        status = channel_push_frame(
            c.channel, kind, &data[0] if size else &nothing, <uint32_t>size)
    if status < 0:
        raise frame_error(config, kind, size, status)
    return 0


cdef int push_payload(session *s, connection *c, const uint8_t[::1] data) except -1:
    cdef Py_ssize_t size = data.shape[0]
    if c.channel != NULL:
        raise ConfigError("channels: set, so payloads are theirs; push a message instead")
    if not 1 <= size <= s.protocol.max_payload:
        raise ConfigError(f"data: {size} bytes, must be 1 to {s.protocol.max_payload}")
    if connection_send_payload(s, c, &data[0], <uint32_t>size) < 0:
        raise ChannelFull(
            f"{s.out.used} bytes of datagrams wait for send() already, the limit is {s.out.limit}"
        )
    return 0


cdef object read_stats(connection *c):
    transport = None
    if c.channel != NULL:
        transport = stats_object(channel_statistics(c.channel))
    return ConnectionStats(
        c.packets_sent,
        c.packets_received,
        c.bytes_sent,
        c.bytes_received,
        transport.rtt if transport else 0.0,
        transport.jitter if transport else 0.0,
        transport.packet_loss if transport else 0.0,
        c.resumed,
        transport,
    )


cdef dict read_counters(const session *s):
    cdef int i
    values = [s.counts[i] for i in range(SESSION_COUNTERS)]
    values += [s.packet_reasons[i] for i in range(1, PACKET_REASON_COUNT)]
    values += [s.channel_reasons[i] for i in range(len(REFUSALS))]
    return dict(zip(COUNTER_NAMES, values, strict=True))
