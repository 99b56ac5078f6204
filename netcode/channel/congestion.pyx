"""The controller: a rate, a window and the phases in which it looks for more and for less."""

from libc.math cimport fmax, fmin
from libc.string cimport memset

from netcode.channel.recovery cimport PACKET_APP_LIMITED

__all__: list[str] = []

cdef double PACKET = 1200            # bytes
cdef double FIRST_WINDOW = 16 * 1200.0
cdef double LEAST_WINDOW = 6 * 1200.0
cdef double LEAST_SHARE = 5 * 1200.0
cdef double RTT_GUESS = 0.1
cdef double RTT_MIN = 0.0005         # seconds; on a faster path its own noise is larger
cdef double STARTUP_GAIN = 2.885     # 2 / ln 2: the least that doubles the rate each round trip
cdef double STARTUP_GROWTH = 1.25
cdef double UP_GAIN = 1.25
cdef double UP_GROWTH = 1.15         # and this much more was delivered: look again at once
cdef double CRUISE_GAIN = 1.05       # so that the window decides, which makes shares equal
cdef double DOWN_GAIN = 0.75
cdef double DRAIN_GAIN = 0.4
cdef double MIN_RTT_LIFE = 5.0
cdef double PROBE_RTT_TIME = 0.1     # and at least a round trip
cdef double GATHER = 0.001           # seconds for which a receiver gathers acks
cdef double NOISE_MOST = 0.02        # seconds of jitter that are made room for
cdef enum:
    STARTUP_STALLS = 3
    CRUISE_ROUNDS = 6
    DOWN_ROUNDS = 3
    CROWDED_RIVAL = 10               # round trips with a queue, drained in vain at least once
    CROWDED_FORGET = 3               # after which old rates are forgotten


cdef void control_init(controller *k) noexcept nogil:
    memset(k, 0, sizeof(controller))
    k.window = FIRST_WINDOW
    k.share = LEAST_SHARE


cdef void control_new_path(controller *k) noexcept nogil:
    # What was delivered goes on: packets that are still acked carry older counts of it.
    cdef uint64_t delivered = k.delivered
    cdef double delivered_time = k.delivered_time
    cdef double first_time = k.first_time
    control_init(k)
    k.delivered = delivered
    k.round_end = delivered
    k.delivered_time = delivered_time
    k.first_time = first_time


cdef void control_sent(
    controller *k, sent_packet *packet, uint64_t flight, double now
) noexcept nogil:
    if flight == 0:
        # Idle time is not delivery time.
        k.first_time = now
        k.delivered_time = now
    packet.delivered = k.delivered
    packet.delivered_time = k.delivered_time
    packet.first_time = k.first_time
    # The record may hold anything yet.
    packet.flags = PACKET_APP_LIMITED if k.limited_until > k.delivered else 0


cdef void control_limited(controller *k, uint64_t flight) noexcept nogil:
    k.limited_until = k.delivered + (flight if flight else 1)


cdef void control_delivered(
    controller *k, const sent_packet *packet, double now
) noexcept nogil:
    k.delivered += packet.bytes
    k.ack_bytes += packet.bytes
    k.delivered_time = now
    if not k.ack_any or packet.delivered >= k.ack_delivered:
        k.ack_any = True
        k.ack_delivered = packet.delivered
        k.ack_prior = packet.delivered_time
        k.ack_first = packet.first_time
        k.ack_sent = packet.time
        k.ack_limited = packet.flags & PACKET_APP_LIMITED
        if packet.time > k.first_time:
            k.first_time = packet.time


cdef void control_lost(controller *k) noexcept nogil:
    k.lost = True


cdef void sample_rate(controller *k, double now) noexcept nogil:
    """The rate at which the newest packet acked and those before it were delivered."""
    cdef double sending = k.ack_sent - k.ack_first
    cdef double acking = now - k.ack_prior
    cdef double interval = sending if sending > acking else acking
    cdef double rate
    # Shorter than a round trip: acks that were held up somewhere and came together.
    if interval <= 0 or interval < k.min_rtt * 0.99:
        return
    rate = <double>(k.delivered - k.ack_delivered) / interval
    if k.ack_limited and rate < k.bandwidth:
        return
    if not k.sampled:
        k.rate_at = k.rate_at + 1 if k.rate_at + 1 < CONTROL_ROUNDS else 0
        k.rates[k.rate_at] = 0
        k.sampled = True
    if rate > k.rates[k.rate_at]:
        k.rates[k.rate_at] = rate


cdef void update_bandwidth(controller *k) noexcept nogil:
    """The most of the round trips remembered; of few when a queue says that it was too much."""
    cdef uint32_t rounds = CONTROL_ROUNDS
    cdef uint32_t at = k.rate_at
    cdef double most = 0
    if k.crowded >= CROWDED_FORGET and not k.rival and k.phase != CONTROL_STARTUP:
        rounds = 3
    while rounds > 0:
        if k.rates[at] > most:
            most = k.rates[at]
        at = at - 1 if at else CONTROL_ROUNDS - 1
        rounds -= 1
    k.bandwidth = most


cdef inline double noise(const recovery *r) noexcept nogil:
    """Seconds by which round trips differ without a queue. A queue changes them but slowly."""
    return GATHER + fmin(2 * r.jitter, NOISE_MOST)


cdef inline double product(const controller *k) noexcept nogil:
    """Bytes in flight that fill the path and no queue."""
    return k.bandwidth * fmax(k.min_rtt, RTT_MIN)


cdef void enter(controller *k, uint8_t phase, double now) noexcept nogil:
    k.phase = phase
    k.phase_time = now
    k.phase_rounds = 0


cdef void end_round(controller *k, const recovery *r, double now) noexcept nogil:
    """A round trip is over: judge its queue, and whose it is."""
    cdef double crowd = 0.01 + k.min_rtt / 4 + 2 * noise(r)
    if k.round_rtt > 0:
        k.queue = fmax(k.round_rtt - k.min_rtt, 0)
        k.last_rtt = k.round_rtt
    if k.queue > crowd:
        k.crowded += 1
    else:
        k.crowded = 0
    if k.rival:
        if k.crowded == 0:
            k.share = fmax(k.share / 2, LEAST_SHARE)
            k.rival = k.share > LEAST_SHARE
        elif k.lost:
            k.share = fmax(k.share / 2, LEAST_SHARE)
        else:
            k.share += PACKET
    elif k.crowded >= CROWDED_RIVAL and k.phase != CONTROL_STARTUP:
        k.rival = True
    k.lost = False
    k.round_rtt = 0
    k.sampled = False
    k.phase_rounds += 1


cdef void startup_round(controller *k, const recovery *r, double now) noexcept nogil:
    """Whether the path is full: it carries no more than before, or a queue forms."""
    cdef double full = fmax(0.004, k.min_rtt / 8) + noise(r)
    if k.min_rtt_time + MIN_RTT_LIFE < now and k.last_rtt > 0:
        k.min_rtt = k.last_rtt
        k.min_rtt_time = now
    if k.bandwidth >= k.full * STARTUP_GROWTH:
        k.full = k.bandwidth
        k.stalled = 0
    elif k.ack_limited:
        return
    else:
        k.stalled += 1
    if k.stalled >= STARTUP_STALLS or (k.queue > full and k.bandwidth > 0):
        enter(k, CONTROL_DOWN, now)


cdef void next_phase(controller *k, const recovery *r, bint round_over, double now) noexcept nogil:
    if k.phase == CONTROL_STARTUP:
        if round_over:
            startup_round(k, r, now)
    elif k.phase == CONTROL_PROBE_RTT:
        if k.phase_rounds >= 2 and now >= k.phase_time + PROBE_RTT_TIME:
            if k.fresh_rtt > 0:
                k.min_rtt = k.fresh_rtt
            k.min_rtt_time = now
            enter(k, CONTROL_CRUISE, now)
    elif k.min_rtt_time + MIN_RTT_LIFE < now:
        k.fresh_rtt = 0
        enter(k, CONTROL_PROBE_RTT, now)
    elif k.phase == CONTROL_DOWN:
        if r.flight <= product(k) or k.phase_rounds >= DOWN_ROUNDS:
            enter(k, CONTROL_CRUISE, now)
    elif k.phase == CONTROL_CRUISE:
        if k.phase_rounds >= CRUISE_ROUNDS:
            k.full = k.bandwidth
            enter(k, CONTROL_UP, now)
    elif round_over and k.phase_rounds >= 2:
        # The acks of the faster round trip are in.
        if k.bandwidth >= k.full * UP_GROWTH and k.queue < 0.004 + noise(r):
            k.grown += 1
            k.full = k.bandwidth
            k.stalled = 0
            if k.grown >= 2:
                k.window = window_of(k, r)
                enter(k, CONTROL_STARTUP, now)
            else:
                enter(k, CONTROL_UP, now)
        else:
            k.grown = 0
            enter(k, CONTROL_DOWN, now)


cdef inline void see_rtt(controller *k, double rtt, double now) noexcept nogil:
    rtt = fmax(rtt, 1e-9)
    if k.min_rtt == 0 or rtt <= k.min_rtt:
        k.min_rtt = rtt
        k.min_rtt_time = now
    if k.round_rtt == 0 or rtt < k.round_rtt:
        k.round_rtt = rtt
    if k.fresh_rtt == 0 or rtt < k.fresh_rtt:
        k.fresh_rtt = rtt


cdef void control_acked(
    controller *k, const recovery *r, double rtt, double now
) noexcept nogil:
    cdef bint round_over = k.ack_delivered >= k.round_end
    if not k.ack_any:
        return
    if rtt >= 0:
        see_rtt(k, rtt, now)
    sample_rate(k, now)
    update_bandwidth(k)
    if k.phase == CONTROL_STARTUP and not k.ack_limited:
        # As slow start; the model, once there is one, sets the limit.
        k.window += k.ack_bytes
        if k.bandwidth > 0:
            k.window = fmin(k.window, STARTUP_GAIN * product(k) + FIRST_WINDOW)
    if round_over:
        k.round_end = k.delivered
        end_round(k, r, now)
    k.ack_any = False
    k.ack_bytes = 0
    next_phase(k, r, round_over, now)


cdef double window_of(const controller *k, const recovery *r) noexcept nogil:
    """What the model allows in flight, in bytes."""
    cdef double fill = product(k)
    if k.phase == CONTROL_STARTUP:
        return k.window
    if k.phase == CONTROL_PROBE_RTT:
        return fmax(fill / 2, LEAST_WINDOW)
    if k.phase == CONTROL_DOWN and not k.rival:
        return fmax(fill, LEAST_WINDOW)
    if k.phase == CONTROL_UP:
        fill *= UP_GAIN
    return fmax(fill + k.share + k.bandwidth * noise(r), LEAST_WINDOW)


cdef double control_window(
    const controller *k, const recovery *r, const channel_config *config
) noexcept nogil:
    if config.send_rate > 0:
        return config.send_window
    return fmin(window_of(k, r), config.send_window)


cdef double control_rate(
    const controller *k, const recovery *r, const channel_config *config
) noexcept nogil:
    cdef double rtt = r.srtt if r.srtt > 0 else RTT_GUESS
    cdef double gain = CRUISE_GAIN
    if config.send_rate > 0:
        return config.send_rate
    rtt = fmax(rtt, RTT_MIN)
    if k.phase == CONTROL_STARTUP or k.bandwidth == 0:
        return STARTUP_GAIN * fmax(k.bandwidth, FIRST_WINDOW / rtt)
    if k.phase == CONTROL_UP:
        gain = UP_GAIN
    elif k.phase == CONTROL_DOWN and not k.rival:
        gain = DRAIN_GAIN if r.flight > 1.5 * product(k) else DOWN_GAIN
    elif k.rival:
        gain = UP_GAIN
    return gain * fmax(k.bandwidth, LEAST_WINDOW / rtt)
