"""One connection's transport as a Python object: for tests, simulations and embedders."""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.math cimport isfinite
from libc.stdint cimport UINT32_MAX, uint8_t, uint32_t

from typing import NamedTuple

from netcode.channel.connection cimport (
    CHANNEL_FRAME_FIRST,
    CHANNEL_FRAME_LAST,
    CHANNEL_FULL,
    CHANNEL_MAX_FRAME,
    CHANNEL_TOO_LARGE,
    CHANNEL_UNKNOWN,
    RECEIVE_DUPLICATE,
    RECEIVE_INBOX_FULL,
    channel_build,
    channel_deadline,
    channel_free,
    channel_has_room,
    channel_idle,
    channel_moved,
    channel_new,
    channel_push,
    channel_push_frame,
    channel_receive,
    channel_state,
    channel_statistics,
)
from netcode.channel.inbox cimport inbox, inbox_clear, inbox_entry, inbox_free, inbox_init
from netcode.channel.settings cimport ChannelSettings

from netcode.channel.config import TransportConfig
from netcode.channel.frames import REFUSALS
from netcode.channel.stats import ChannelStats
from netcode.constants import MAX_PAYLOAD_BYTES
from netcode.errors import ChannelFull, ConfigError, EncodeError

__all__ = ["ChannelEndpoint", "Frame", "Message"]

cdef enum:
    PACKET_MAX = 65_507          # bytes of the largest UDP payload
    INBOX_BYTES = 1 << 24
    INBOX_ENTRIES = 1 << 18


class Message(NamedTuple):
    """A delivered message."""

    channel: int
    data: bytes


class Frame(NamedTuple):
    """A delivered opaque frame."""

    kind: int
    data: bytes


cdef object stats_object(const channel_stats *s):
    return ChannelStats(
        s.rtt,
        s.latest_rtt,
        s.min_rtt,
        s.rtt_variance,
        s.jitter,
        s.packet_loss,
        s.bandwidth,
        s.send_rate,
        s.queue_delay,
        s.send_window,
        s.packets_sent,
        s.packets_received,
        s.packets_acked,
        s.packets_lost,
        s.packets_spurious,
        s.packets_duplicate,
        s.packets_refused,
        s.bytes_sent,
        s.bytes_received,
        s.messages_pushed,
        s.messages_delivered,
        s.messages_duplicate,
        s.messages_dropped,
        s.messages_expired,
        s.messages_resent,
        s.frames_sent,
        s.frames_delivered,
        s.probes,
        s.frames_dropped,
        s.black_holes,
        s.mtu,
        s.bytes_in_flight,
        s.bytes_queued,
        s.messages_queued,
        s.bytes_held,
        s.memory,
    )


cdef object push_error(object config, int channel, object size, int status):
    if status == CHANNEL_UNKNOWN:
        last = len(config.channels) - 1
        return ConfigError(f"channel {channel} does not exist; there are 0 to {last}")
    limits = config.channels[channel]
    if status == CHANNEL_TOO_LARGE:
        return EncodeError(
            f"message of {size} bytes on channel {channel} ({limits.name!r}): "
            f"the most is {limits.max_message}",
            field=limits.name,
            value=size,
            limit=f"{limits.max_message} bytes",
        )
    if status == CHANNEL_FULL:
        limit = f"{limits.queue_messages} messages and {limits.queue_bytes} bytes"
        return ChannelFull(
            f"channel {channel} ({limits.name!r}) is full: a message of {size} bytes does not fit "
            f"its queue of {limit}",
            channel=limits.name,
            size=size,
            limit=limit,
        )
    return MemoryError()


cdef object frame_error(object config, int kind, object size, int status):
    if status == CHANNEL_UNKNOWN:
        return ConfigError(
            f"frame kind {kind:#x} is not between {CHANNEL_FRAME_FIRST:#x} "
            f"and {CHANNEL_FRAME_LAST:#x}"
        )
    if status == CHANNEL_TOO_LARGE:
        return EncodeError(
            f"frame of {size} bytes: the most is {CHANNEL_MAX_FRAME}",
            field="frame",
            value=size,
            limit=f"{CHANNEL_MAX_FRAME} bytes",
        )
    if status == CHANNEL_FULL:
        return ChannelFull(
            f"a frame of {size} bytes does not fit the queue of {config.frame_bytes} bytes",
            size=size,
            limit=f"{config.frame_bytes} bytes",
        )
    return MemoryError()


cdef int check_room(object config, int channel, Py_ssize_t size) except -1:
    if channel < 0 or channel >= len(config.channels):
        raise push_error(config, channel, size, CHANNEL_UNKNOWN)
    if size < 0:
        raise ValueError(f"size is {size}, less than 0")
    if size > config.channels[channel].max_message:
        raise push_error(config, channel, size, CHANNEL_TOO_LARGE)
    return 0


cdef double checked_time(double now) except -1:
    if not (isfinite(now) and now >= 0):
        raise ValueError(f"now is {now}, not a finite number of seconds from 0 on")
    return now


@cython.final
@cython.auto_pickle(False)
@cython.no_gc_clear  # the state points into the settings until it is freed
cdef class ChannelEndpoint:
    """One end of one connection, without encryption, sockets or a clock.

    The owner moves packets: ``build`` until it returns None, ``receive`` what the peer built.
    Not safe to share between threads.

    Args:
        config: the same on both ends.
    """
    cdef channel_state *state
    cdef inbox delivered
    cdef ChannelSettings settings
    cdef uint8_t[1500] small

    def __cinit__(self, config=None):
        inbox_init(&self.delivered, INBOX_BYTES, INBOX_ENTRIES)
        self.settings = ChannelSettings(TransportConfig() if config is None else config)
        self.state = channel_new(&self.settings.c)
        if self.state == NULL:
            raise MemoryError

    def __dealloc__(self):
        channel_free(self.state)
        inbox_free(&self.delivered)

    @property
    def config(self):
        """The TransportConfig."""
        return self.settings.config

    def push(self, int channel, data, double now=0.0):
        """Queue a message.

        Raises:
            ConfigError: no such channel.
            EncodeError: larger than the channel's ``max_message``.
            ChannelFull: the queue is at its limit; nothing was queued.
        """
        cdef const uint8_t[::1] view = memoryview(data).cast("B")
        cdef Py_ssize_t size = view.shape[0]
        cdef uint8_t nothing = 0
        cdef int status
        checked_time(now)
        if size > UINT32_MAX:
            status = CHANNEL_TOO_LARGE
        else:
            status = channel_push(
                self.state, channel, &view[0] if size else &nothing, <uint32_t>size, now
            )
        if status < 0:
            raise push_error(self.settings.config, channel, size, status)

    def has_room(self, int channel, Py_ssize_t size, double now=0.0):
        """Whether ``push`` of a message of ``size`` bytes would find room in the queue.

        Raises:
            ConfigError: no such channel.
            EncodeError: larger than the channel's ``max_message``.
        """
        checked_time(now)
        check_room(self.settings.config, channel, size)
        return bool(channel_has_room(self.state, channel, <uint32_t>size, now))

    def push_frame(self, int kind, data):
        """Queue an opaque frame (kind 0x40 to 0x7F, at most 1,152 bytes) for the next packets.

        Raises:
            ConfigError: another kind.
            EncodeError: too large.
            ChannelFull: ``frame_bytes`` are queued already.
        """
        cdef const uint8_t[::1] view = memoryview(data).cast("B")
        cdef Py_ssize_t size = view.shape[0]
        cdef uint8_t nothing = 0
        cdef int status
        if size > UINT32_MAX:
            status = CHANNEL_TOO_LARGE
        else:
            status = channel_push_frame(
                self.state, kind, &view[0] if size else &nothing, <uint32_t>size
            )
        if status < 0:
            raise frame_error(self.settings.config, kind, size, status)

    def build(self, double now, Py_ssize_t capacity=MAX_PAYLOAD_BYTES):
        """The next packet, or None when there is nothing (more) to send at ``now``.

        Args:
            capacity: bytes that the packet may have, 128 to 65,507. Below 1,200 large opaque
                frames are dropped.
        """
        cdef int n
        cdef bytes packet
        cdef char *out
        checked_time(now)
        if capacity < 128 or capacity > PACKET_MAX:
            raise ValueError(f"capacity {capacity} is not between 128 and {PACKET_MAX}")
        if capacity <= 1500:
            n = channel_build(self.state, now, self.small, <uint32_t>capacity)
            return PyBytes_FromStringAndSize(<char *>self.small, n) if n else None
        packet = PyBytes_FromStringAndSize(NULL, capacity)
        out = packet
        n = channel_build(self.state, now, <uint8_t *>out, <uint32_t>capacity)
        return packet[:n] if n else None

    def build_all(self, double now, Py_ssize_t capacity=MAX_PAYLOAD_BYTES):
        """Every packet that may leave at ``now``, as a list."""
        packets = []
        while True:
            packet = self.build(now, capacity)
            if packet is None:
                return packets
            packets.append(packet)

    def receive(self, data, double now):
        """Take a packet in.

        Returns:
            None when it was applied, else the reason as text: ``"duplicate"``, ``"inbox_full"``
            (drain, the peer will send again), ``"memory"``, or one of
            ``netcode.channel.frames.REFUSALS``.
        """
        cdef const uint8_t[::1] view = memoryview(data).cast("B")
        cdef uint8_t nothing = 0
        cdef int status
        checked_time(now)
        if view.shape[0] > PACKET_MAX:
            return "packet_long"
        status = channel_receive(
            self.state, &view[0] if view.shape[0] else &nothing, <uint32_t>view.shape[0], now,
            &self.delivered, 0
        )
        if status == 0:
            return None
        if status < 0:
            return REFUSALS[-status - 1]
        if status == RECEIVE_DUPLICATE:
            return "duplicate"
        return "inbox_full" if status == RECEIVE_INBOX_FULL else "memory"

    def drain(self):
        """What was delivered since the last call: Message and Frame, in order of arrival."""
        cdef list result = []
        cdef inbox_entry *entry
        cdef uint32_t i
        for i in range(self.delivered.count):
            entry = &self.delivered.entries[i]
            data = PyBytes_FromStringAndSize(
                <char *>self.delivered.data + entry.offset, entry.size
            )
            if entry.is_frame:
                result.append(Frame(entry.kind_or_channel, data))
            else:
                result.append(Message(entry.kind_or_channel, data))
        inbox_clear(&self.delivered)
        return result

    def move(self, double now):
        """The packets take another path from here on, as when a client roams.

        What is unacked leaves again at once, and the path is measured anew.
        """
        checked_time(now)
        channel_moved(self.state, now)

    @property
    def next_deadline(self):
        """When ``build`` would next have something to send; ``inf`` when idle."""
        return channel_deadline(self.state)

    @property
    def idle(self):
        """Nothing queued, and every reliable message acked."""
        return bool(channel_idle(self.state))

    @property
    def stats(self):
        """A ChannelStats of now."""
        return stats_object(channel_statistics(self.state))
