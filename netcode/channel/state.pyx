"""Timers, loss and pacing of a connection."""

from libc.math cimport INFINITY

from netcode.channel.congestion cimport control_lost, control_new_path, control_rate, control_window
from netcode.channel.incoming cimport in_expire
from netcode.channel.outgoing cimport out_backlog, out_due, out_lost
from netcode.channel.path cimport path_init, path_lost
from netcode.channel.recovery cimport (
    PACKET_ELICITING,
    recovery_leave,
    recovery_new_path,
    recovery_next_lost,
    recovery_oldest,
    recovery_packet,
    recovery_part,
    recovery_probe_time,
    sent_packet,
    sent_part,
)

__all__: list[str] = []

cdef double PACE_BURST = 0.025      # seconds of rate that may leave at once: a tick of 40 Hz
cdef double PACE_BURST_MIN = 12000  # bytes: ten packets
cdef double DEBT_SHARE = 0.75       # of the rate may pay for frames; messages get the rest
cdef enum:
    PROBE_PACKETS = 2
    LEAST_MESSAGE_BYTES = 2400      # of messages may always be in flight


cdef void state_lost(channel_state *c, uint64_t sequence) noexcept nogil:
    cdef sent_packet *packet = recovery_packet(&c.sent, sequence)
    cdef sent_part *part
    cdef uint32_t i
    c.stats.packets_lost += 1
    control_lost(&c.control)
    if packet.flags & PACKET_ELICITING:
        path_lost(&c.path, packet, c.now)
    for i in range(packet.part_count):
        part = recovery_part(&c.sent, packet, i)
        out_lost(c.outgoing[part.channel], part)
        if out_backlog(c.outgoing[part.channel]):
            c.backlog |= <uint64_t>1 << part.channel


cdef void state_moved(channel_state *c) noexcept nogil:
    cdef uint64_t at = c.sent.loss_scan
    cdef uint64_t sequence = 0
    cdef uint32_t shrunk = c.path.shrunk
    while recovery_leave(&c.sent, &at, &sequence):
        state_lost(c, sequence)
    recovery_new_path(&c.sent)
    control_new_path(&c.control)
    path_init(&c.path)
    c.path.shrunk = shrunk
    c.probes = 0


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
    return control_rate(&c.control, &c.sent, c.config)


cdef void state_refill(channel_state *c, double now) noexcept nogil:
    cdef double rate = state_pace_rate(c)
    cdef double most = rate * PACE_BURST
    cdef double grown, paid
    if most < PACE_BURST_MIN:
        most = PACE_BURST_MIN
    grown = rate * (now - c.pace_time)
    paid = min(c.pace_debt, DEBT_SHARE * grown)
    c.pace_debt = min(c.pace_debt - paid, most)
    c.pace_tokens += grown - paid
    c.pace_time = now
    if c.pace_tokens > most:
        c.pace_tokens = most


cdef double state_pace_due(const channel_state *c) noexcept nogil:
    cdef double rate = state_pace_rate(c)
    cdef double paying = c.pace_debt / (DEBT_SHARE * rate)
    cdef double meanwhile = (1 - DEBT_SHARE) * rate * paying
    if meanwhile >= -c.pace_tokens:
        return c.pace_time - c.pace_tokens / ((1 - DEBT_SHARE) * rate)
    return c.pace_time + paying - (c.pace_tokens + meanwhile) / rate


cdef double state_due(const channel_state *c) noexcept nogil:
    cdef uint64_t waiting = c.backlog
    cdef double due = INFINITY
    cdef double at
    cdef uint32_t i = 0
    while waiting:
        if waiting & 1:
            at = out_due(c.outgoing[i])
            if at <= c.now:
                return at
            if at < due:
                due = at
        waiting >>= 1
        i += 1
    return due


cdef bint state_window_open(const channel_state *c) noexcept nogil:
    # Frames of upper floors take of the window too, but may not starve the messages.
    return (
        c.sent.flight < control_window(&c.control, &c.sent, c.config)
        or c.sent.bytes_in_flight < LEAST_MESSAGE_BYTES
    )
