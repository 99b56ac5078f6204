"""One end of a connection of reliable 1.0."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

cimport cython

from netcode.compat.reliable.figures cimport (
    line_figures,
    note_bandwidth,
    note_history,
    note_loss,
    note_rtt,
    packet_note,
)
from netcode.compat.reliable.header cimport (
    FRAGMENT_HEADER,
    FRAGMENT_PREFIX,
    HEADER_MAX,
    fragment_get,
    fragment_header,
    fragment_put,
    header_get,
    header_put,
    packet_header,
)
from netcode.compat.reliable.window cimport (
    NOTHING,
    sequence_window,
    window_advance,
    window_has,
    window_init,
    window_insert,
    window_place,
    window_stale,
)
from netcode.security.buffers cimport checked_int, view_of

from netcode.compat.reliable.config import ReliableConfig, ReliableStats
from netcode.errors import ConfigError, EncodeError

__all__ = ["ReliableEndpoint"]

cdef enum:
    # The eleven of the C library, in its order
    PACKETS_SENT
    PACKETS_RECEIVED
    PACKETS_ACKED
    PACKETS_STALE
    PACKETS_INVALID
    PACKETS_TOO_LARGE_TO_SEND
    PACKETS_TOO_LARGE_TO_RECEIVE
    FRAGMENTS_SENT
    FRAGMENTS_RECEIVED
    FRAGMENTS_INVALID
    PACKETS_DUPLICATE
    # What it drops without counting
    PACKETS_REJECTED
    FRAGMENTS_LATE
    FRAGMENTS_DUPLICATE
    ACKS_POSTPONED
    COUNTERS

cdef tuple COUNTER_NAMES = (
    "packets_sent",
    "packets_received",
    "packets_acked",
    "packets_stale",
    "packets_invalid",
    "packets_too_large_to_send",
    "packets_too_large_to_receive",
    "fragments_sent",
    "fragments_received",
    "fragments_invalid",
    "packets_duplicate",
    "packets_rejected",
    "fragments_late",
    "fragments_duplicate",
    "acks_postponed",
)


@cython.final
@cython.internal
cdef class Partial:
    """A packet of which some fragments have come. It holds what has come and no more."""

    cdef packet_header header
    cdef int count
    cdef int received
    cdef list parts

    def __cinit__(self, int count):
        self.count = count
        self.parts = [None] * count


@cython.final
@cython.auto_pickle(False)
cdef class ReliableEndpoint:
    """Numbers, acknowledges and fragments packets as the C library reliable does.

    Memory is bounded by the config. Not for several threads at a time.

    Args:
        config: a ReliableConfig; None has the defaults of the library.
        now: seconds at which it begins.
        sequence: of the first packet sent, 0 to 65535.
    """

    cdef readonly object config
    cdef sequence_window sent
    cdef sequence_window received
    cdef sequence_window assembly
    cdef packet_note *sent_notes
    cdef packet_note *received_notes
    cdef float *history
    cdef list partials          # at the places of ``assembly``
    cdef int assembling
    cdef list acks
    cdef uint64_t counts[COUNTERS]
    cdef line_figures figures
    cdef double time
    cdef uint16_t sequence
    # Of the config, for C
    cdef int max_packet
    cdef int largest_sent
    cdef int fragment_above
    cdef int max_fragments
    cdef int fragment_size
    cdef int most_acks
    cdef int history_size
    cdef int overhead
    cdef float rtt_share
    cdef float loss_share
    cdef float bandwidth_share

    def __cinit__(self, config=None, double now=0.0, *, sequence=0):
        cdef int i
        if config is None:
            config = ReliableConfig()
        elif not isinstance(config, ReliableConfig):
            raise ConfigError(f"config: a {type(config).__name__}, must be a ReliableConfig")
        self.config = config
        self.sequence = checked_int(sequence, 0, 0xFFFF, "sequence")
        self.time = now
        self.max_packet = config.max_packet_size
        self.largest_sent = config.largest_sent
        self.fragment_above = config.fragment_above
        self.max_fragments = config.max_fragments
        self.fragment_size = config.fragment_size
        self.most_acks = config.ack_buffer_size
        self.history_size = config.rtt_history_size
        self.overhead = config.packet_header_size
        self.rtt_share = config.rtt_smoothing_factor
        self.loss_share = config.packet_loss_smoothing_factor
        self.bandwidth_share = config.bandwidth_smoothing_factor
        self.acks = []
        if (
            window_init(&self.sent, config.sent_packets_buffer_size) < 0
            or window_init(&self.received, config.received_packets_buffer_size) < 0
            or window_init(&self.assembly, config.fragment_reassembly_buffer_size) < 0
        ):
            raise MemoryError()
        self.partials = [None] * self.assembly.size
        self.sent_notes = <packet_note *>calloc(self.sent.size, sizeof(packet_note))
        self.received_notes = <packet_note *>calloc(self.received.size, sizeof(packet_note))
        self.history = <float *>malloc(<size_t>self.history_size * sizeof(float))
        if self.sent_notes == NULL or self.received_notes == NULL or self.history == NULL:
            raise MemoryError()
        for i in range(self.history_size):
            self.history[i] = -1.0
        # The library's windows begin at 0 whatever the first sequence; ours only move when that
        # would have made the first packet stale.
        if window_stale(&self.sent, self.sequence):
            self.sent.next = self.sequence

    def __dealloc__(self):
        free(self.sent.held)
        free(self.received.held)
        free(self.assembly.held)
        free(self.sent_notes)
        free(self.received_notes)
        free(self.history)

    cdef void pass_time(self, double now) noexcept:
        if now > self.time:  # never back, and never to NaN
            self.time = now

    def send(self, packet, double now):
        """Number a packet; returns the datagrams that carry it: one, or its fragments in order.

        Args:
            packet: 1 to ``config.largest_sent`` bytes.
            now: seconds.

        Raises:
            EncodeError: the packet is empty or too large.
        """
        cdef const uint8_t[::1] view = view_of(packet, "packet")
        cdef Py_ssize_t size = view.shape[0]
        cdef uint8_t header[FRAGMENT_HEADER + HEADER_MAX]
        cdef packet_header h
        cdef Py_ssize_t at, part
        cdef int place, used, count, index
        self.pass_time(now)
        if size < 1 or size > self.largest_sent:
            if size:
                self.counts[PACKETS_TOO_LARGE_TO_SEND] += 1
            raise EncodeError(
                f"packet of {size} bytes: must be 1 to {self.largest_sent}",
                field="packet",
                value=size,
                limit=f"1 to {self.largest_sent} bytes",
            )
        self.write_acks(&h)
        h.sequence = self.sequence
        self.sequence = <uint16_t>(self.sequence + 1)
        window_advance(&self.sent, h.sequence)
        place = window_place(&self.sent, h.sequence)
        self.sent.held[place] = h.sequence
        self.sent_notes[place].time = self.time
        self.sent_notes[place].size = <uint32_t>(self.overhead + size)
        self.sent_notes[place].acked = False
        self.counts[PACKETS_SENT] += 1
        if size <= self.fragment_above:
            used = header_put(&h, header)
            return [joined(header, used, &view[0], size)]
        count = <int>((size + self.fragment_size - 1) // self.fragment_size)
        out = []
        at = 0
        for index in range(count):
            used = fragment_put(h.sequence, index, count, header)
            if index == 0:
                used += header_put(&h, header + used)
            part = min(<Py_ssize_t>self.fragment_size, size - at)
            out.append(joined(header, used, &view[at], part))
            at += part
        self.counts[FRAGMENTS_SENT] += <uint64_t>count
        return out

    cdef void write_acks(self, packet_header *h) noexcept:
        """The newest sequence seen, and which of the 32 up to it arrived."""
        cdef int i
        h.ack = <uint16_t>(self.received.next - 1)
        h.ack_bits = 0
        for i in range(32):
            if window_has(&self.received, <uint16_t>(h.ack - i)):
                h.ack_bits |= <uint32_t>1 << i

    def receive(self, datagram, double now, accept=None):
        """Take in a datagram; returns (sequence, packet) when it completes a packet, else None.

        Args:
            datagram: bytes-like, as it came.
            now: seconds.
            accept: called with (sequence, packet); when it returns something false the packet is
                not acknowledged and may come again. None accepts everything.

        Never raises for what the datagram holds; ``counters`` says why it was dropped.
        """
        cdef const uint8_t[::1] view = view_of(datagram, "datagram")
        cdef Py_ssize_t size = view.shape[0]
        cdef packet_header h
        cdef int used
        self.pass_time(now)
        if size > <Py_ssize_t>self.max_packet + HEADER_MAX + FRAGMENT_HEADER:
            self.counts[PACKETS_TOO_LARGE_TO_RECEIVE] += 1
            return None
        if size and view[0] & FRAGMENT_PREFIX:
            return self.receive_fragment(&view[0], size, accept)
        used = header_get(&view[0], size, &h) if size else 0
        if not used:
            self.counts[PACKETS_RECEIVED] += 1
            self.counts[PACKETS_INVALID] += 1
            return None
        if not self.wanted(h.sequence, size - used):
            return None
        packet = PyBytes_FromStringAndSize(<const char *>&view[0] + used, size - used)
        return self.take(&h, packet, size, accept)

    cdef object receive_fragment(self, const uint8_t *data, Py_ssize_t size, object accept):
        cdef fragment_header f
        cdef uint8_t header[HEADER_MAX]
        cdef Partial partial
        cdef int at = fragment_get(data, size, self.max_fragments, self.fragment_size, &f)
        cdef int place
        if not at:
            self.counts[FRAGMENTS_INVALID] += 1
            return None
        if window_has(&self.received, f.sequence):
            self.counts[FRAGMENTS_LATE] += 1
            return None
        place = window_place(&self.assembly, f.sequence)
        if not window_has(&self.assembly, f.sequence):
            if window_advance(&self.assembly, f.sequence):
                self.sweep()
            elif window_stale(&self.assembly, f.sequence):
                self.counts[FRAGMENTS_INVALID] += 1
                return None
            window_advance(&self.received, f.sequence)
            self.assembly.held[place] = f.sequence
            self.partials[place] = Partial(f.count)
            self.assembling += 1
        partial = self.partials[place]
        if f.count != partial.count:
            self.counts[FRAGMENTS_INVALID] += 1
            return None
        if partial.parts[f.index] is not None:
            self.counts[FRAGMENTS_DUPLICATE] += 1
            return None
        partial.parts[f.index] = PyBytes_FromStringAndSize(<const char *>data + at, size - at)
        partial.received += 1
        if f.index == 0:
            partial.header = f.packet
        self.counts[FRAGMENTS_RECEIVED] += 1
        if partial.received < partial.count:
            return None
        self.assembly.held[place] = NOTHING
        self.partials[place] = None
        self.assembling -= 1
        packet = b"".join(partial.parts)
        size = len(packet)
        at = header_put(&partial.header, header)
        if size + at > <Py_ssize_t>self.max_packet + HEADER_MAX + FRAGMENT_HEADER:
            self.counts[PACKETS_TOO_LARGE_TO_RECEIVE] += 1
            return None
        if not self.wanted(f.sequence, size):
            return None
        return self.take(&partial.header, packet, size + at, accept)

    cdef bint wanted(self, uint16_t sequence, Py_ssize_t size) noexcept:
        """Count a packet in, and say whether it is one to deliver."""
        self.counts[PACKETS_RECEIVED] += 1
        if size > self.max_packet:
            self.counts[PACKETS_TOO_LARGE_TO_RECEIVE] += 1
        elif window_stale(&self.received, sequence):
            self.counts[PACKETS_STALE] += 1
        elif window_has(&self.received, sequence):
            self.counts[PACKETS_DUPLICATE] += 1
        else:
            return True
        return False

    cdef object take(self, const packet_header *h, bytes packet, Py_ssize_t size, object accept):
        """Deliver a packet that came in ``size`` bytes, and hear what it acknowledges."""
        cdef uint16_t sequence = h.sequence
        cdef int place
        if accept is not None and not accept(sequence, packet):
            self.counts[PACKETS_REJECTED] += 1
            return None
        place = window_insert(&self.received, sequence)
        if place != NOTHING:  # stale by now only if ``accept`` itself received something
            self.received_notes[place].time = self.time
            self.received_notes[place].size = <uint32_t>(self.overhead + size)
        if window_advance(&self.assembly, sequence):
            self.sweep()
        self.hear(h.ack, h.ack_bits)
        return sequence, packet

    cdef int hear(self, uint16_t ack, uint32_t ack_bits) except -1:
        """Note which of our packets have arrived."""
        cdef packet_note *note
        cdef uint16_t sequence
        cdef float rtt
        cdef int i
        for i in range(32):
            if not ack_bits >> i & 1:
                continue
            sequence = <uint16_t>(ack - i)
            if not window_has(&self.sent, sequence):
                continue
            note = &self.sent_notes[window_place(&self.sent, sequence)]
            if note.acked:
                continue
            if len(self.acks) >= self.most_acks:
                self.counts[ACKS_POSTPONED] += 1
                continue
            self.acks.append(sequence)
            self.counts[PACKETS_ACKED] += 1
            note.acked = True
            rtt = <float>(self.time - note.time) * <float>1000.0
            self.history[sequence % self.history_size] = rtt
            note_rtt(&self.figures, rtt, self.rtt_share)
        return 0

    cdef int sweep(self) except -1:
        """Let go of the fragments of packets that have fallen out of the window."""
        cdef int i
        if self.assembling:
            for i in range(self.assembly.size):
                if self.assembly.held[i] == NOTHING and self.partials[i] is not None:
                    self.partials[i] = None
                    self.assembling -= 1
        return 0

    def pop_acks(self):
        """Sequences of packets that the other end has, in the order in which that became known;
        each once. At most ``ack_buffer_size`` wait: what does not fit is told with a later ack.
        """
        out = self.acks
        self.acks = []
        return out

    def update(self, double now):
        """Bring ``stats`` up to date; once a tick, as the C library does it."""
        self.pass_time(now)
        note_history(&self.figures, self.history, self.history_size)
        note_loss(&self.figures, &self.sent, self.sent_notes, self.loss_share)
        note_bandwidth(
            &self.figures.sent, &self.sent, self.sent_notes, False, self.bandwidth_share
        )
        note_bandwidth(
            &self.figures.received,
            &self.received,
            self.received_notes,
            False,
            self.bandwidth_share,
        )
        note_bandwidth(
            &self.figures.acked, &self.sent, self.sent_notes, True, self.bandwidth_share
        )

    @property
    def next_sequence(self):
        """The sequence that the next packet sent will have."""
        return self.sequence

    @property
    def counters(self):
        """Packets and fragments by what became of them."""
        return {name: self.counts[i] for i, name in enumerate(COUNTER_NAMES)}

    @property
    def reassembling(self):
        """Packets of which some fragments have come and some have not."""
        return self.assembling

    @property
    def stats(self):
        """A ReliableStats, as of the last ``update``; ``rtt_ms`` as of the last ack."""
        cdef line_figures *f = &self.figures
        return ReliableStats(
            f.rtt,
            f.rtt_min,
            f.rtt_max,
            f.rtt_avg,
            f.jitter_avg,
            f.jitter_max,
            f.jitter_stddev,
            f.packet_loss,
            f.sent,
            f.received,
            f.acked,
        )


cdef bytes joined(const uint8_t *head, int used, const uint8_t *data, Py_ssize_t size):
    cdef bytes out = PyBytes_FromStringAndSize(NULL, used + size)
    cdef char *to = PyBytes_AS_STRING(out)
    memcpy(to, head, used)
    memcpy(to + used, data, size)
    return out
