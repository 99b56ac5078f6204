"""Timers, loss and pacing of a connection.

The window and the rate are fixed numbers of the configuration; a controller takes their place by
setting what ``state_window_open`` and ``state_pace_rate`` answer.
"""

from libc.math cimport INFINITY

from netcode.channel.incoming cimport in_expire
from netcode.channel.outgoing cimport out_backlog, out_lost, out_ready
from netcode.channel.recovery cimport (
    recovery_next_lost,
    recovery_oldest,
    recovery_packet,
    recovery_part,
    recovery_probe_time,
    sent_packet,
    sent_part,
)

__all__: list[str] = []

cdef double PACE_GAIN = 1.25        # of window per round trip: enough to keep the window full
cdef double PACE_BURST = 0.025      # seconds of rate that may leave at once: a tick of 40 Hz
cdef double PACE_BURST_MIN = 12000  # bytes: ten packets
cdef double PACE_RTT_MIN = 0.001
cdef double PACE_RTT_GUESS = 0.1    # before the first sample
cdef enum:
    PROBE_PACKETS = 2


cdef void state_lost(channel_state *c, uint64_t sequence) noexcept nogil:
    cdef sent_packet *packet = recovery_packet(&c.sent, sequence)
    cdef sent_part *part
    cdef uint32_t i
    c.stats.packets_lost += 1
    for i in range(packet.part_count):
        part = recovery_part(&c.sent, packet, i)
        out_lost(c.outgoing[part.channel], part)
        if out_backlog(c.outgoing[part.channel]):
            c.backlog |= <uint64_t>1 << part.channel


cdef void state_detect(channel_state *c, double now) noexcept nogil:
    cdef uint64_t sequence = 0
    while recovery_next_lost(&c.sent, now, &sequence):
        state_lost(c, sequence)


cdef void state_timers(channel_state *c, double now) noexcept nogil:
    cdef uint64_t sequence = 0
    cdef uint32_t i, _i
    if now >= c.sent.loss_time:
        state_detect(c, now)
    if now >= recovery_probe_time(&c.sent):
        c.sent.probe_count += 1
        c.stats.probes += 1
        for _i in range(<uint32_t>PROBE_PACKETS):
            if recovery_oldest(&c.sent, &sequence):
                state_lost(c, sequence)
        c.probes = PROBE_PACKETS
    if now >= c.expires:
        c.expires = INFINITY
        for i in range(c.config.channels):
            if c.incoming[i] != NULL:
                in_expire(c.incoming[i], now)
                if c.incoming[i].expires < c.expires:
                    c.expires = c.incoming[i].expires


cdef double state_pace_rate(const channel_state *c) noexcept nogil:
    cdef double rtt = c.sent.srtt if c.sent.srtt > 0 else PACE_RTT_GUESS
    if c.config.send_rate > 0:
        return c.config.send_rate
    return PACE_GAIN * c.config.send_window / (rtt if rtt > PACE_RTT_MIN else PACE_RTT_MIN)


cdef void state_refill(channel_state *c, double now) noexcept nogil:
    cdef double rate = state_pace_rate(c)
    cdef double most = rate * PACE_BURST
    if most < PACE_BURST_MIN:
        most = PACE_BURST_MIN
    c.pace_tokens += rate * (now - c.pace_time)
    c.pace_time = now
    if c.pace_tokens > most:
        c.pace_tokens = most


cdef bint state_ready(const channel_state *c) noexcept nogil:
    cdef uint32_t i
    if c.backlog == 0:
        return False
    for i in range(c.config.channels):
        if (c.backlog >> i) & 1 and out_ready(c.outgoing[i]):
            return True
    return False


cdef bint state_window_open(const channel_state *c) noexcept nogil:
    return c.sent.bytes_in_flight < c.config.send_window
