"""The statistics of the C library: float32 where it has float, in the same order of operations."""

from libc.math cimport sqrt
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from netcode.compat.reliable.window cimport sequence_window, window_has, window_place


cdef struct packet_note:
    double time            # seconds, when it was sent or received
    uint32_t size          # bytes, headers of IP and UDP counted in
    uint8_t acked


cdef struct line_figures:
    float rtt
    float rtt_min
    float rtt_max
    float rtt_avg
    float jitter_avg
    float jitter_max
    float jitter_stddev
    float packet_loss
    float sent
    float received
    float acked


cdef inline bint differ(float a, float b) noexcept nogil:
    """Whether smoothing still has something to do."""
    cdef double distance = <double>(a - b)
    return distance > 0.00001 or distance < -0.00001


cdef inline void smooth(float *value, float sample, float share) noexcept nogil:
    """Move a value towards a sample, and onto it when it is near."""
    if differ(value[0], sample):
        value[0] += (sample - value[0]) * share
    else:
        value[0] = sample


cdef inline void note_rtt(line_figures *f, float rtt, float share) noexcept nogil:
    """A packet was acked ``rtt`` milliseconds after it left."""
    cdef double distance = <double>(f.rtt - rtt)
    if (f.rtt == 0.0 and rtt > 0.0) or (-0.00001 < distance < 0.00001):
        f.rtt = rtt
    else:
        f.rtt += (rtt - f.rtt) * share


cdef inline void note_history(line_figures *f, const float *history, int size) noexcept nogil:
    """Figures of the round-trip times remembered; negative ones are empty places."""
    cdef float least = 10000.0
    cdef float most = 0.0
    cdef float total = 0.0
    cdef float distances = 0.0
    cdef float farthest = 0.0
    cdef float squares = 0.0
    cdef float value, distance
    cdef int count = 0
    cdef int i
    for i in range(size):
        value = history[i]
        if value >= 0.0:
            if value < least:
                least = value
            if value > most:
                most = value
            total += value
            count += 1
    if least == 10000.0:
        least = 0.0
    f.rtt_min = least
    f.rtt_max = most
    f.rtt_avg = total / <float>count if count else 0.0
    for i in range(size):
        value = history[i]
        if value >= 0.0:
            distance = value - f.rtt_min
            distances += distance
            if distance > farthest:
                farthest = distance
            distance = value - f.rtt_avg
            squares += distance * distance
    f.jitter_max = farthest
    f.jitter_avg = distances / <float>count if count else 0.0
    f.jitter_stddev = <float>sqrt(<double>(squares / <float>count)) if count else 0.0


cdef inline uint16_t oldest(const sequence_window *w) noexcept nogil:
    """First of the older half of a window: old enough for their acks to have come."""
    return <uint16_t>(w.next - <uint16_t>w.size)


cdef inline void note_loss(
    line_figures *f, const sequence_window *w, const packet_note *notes, float share
) noexcept nogil:
    """Loss in percent, of the older half of the packets sent."""
    cdef uint16_t first_sequence = oldest(w)
    cdef uint16_t sequence
    cdef int sent = 0
    cdef int dropped = 0
    cdef int i
    for i in range(w.size // 2):
        sequence = <uint16_t>(first_sequence + i)
        if window_has(w, sequence):
            sent += 1
            dropped += not notes[window_place(w, sequence)].acked
    if sent:
        smooth(&f.packet_loss, <float>dropped / <float>sent * <float>100.0, share)
    else:
        f.packet_loss = 0.0


cdef inline void note_bandwidth(
    float *value, const sequence_window *w, const packet_note *notes, bint acked_only, float share
) noexcept nogil:
    """Kilobits per second of the older half of a window."""
    cdef uint16_t first_sequence = oldest(w)
    cdef uint16_t sequence
    cdef const packet_note *note
    cdef double first = 0.0
    cdef double last = 0.0
    cdef double size = 0.0
    cdef bint any_yet = False
    cdef int i
    for i in range(w.size // 2):
        sequence = <uint16_t>(first_sequence + i)
        if window_has(w, sequence):
            note = &notes[window_place(w, sequence)]
            if note.acked or not acked_only:
                size += note.size
                if not any_yet or note.time < first:
                    first = note.time
                if not any_yet or note.time > last:
                    last = note.time
                any_yet = True
    if last > first:
        smooth(value, <float>(size / (last - first) * 8.0 / 1000.0), share)
