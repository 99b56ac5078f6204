"""Turning a TransportConfig into the struct that connections point at."""

cimport cython
from libc.stdint cimport uint64_t
from libc.string cimport memset

from netcode.channel.config import TransportConfig

__all__ = ["ChannelSettings"]


@cython.final
@cython.auto_pickle(False)
cdef class ChannelSettings:
    """A TransportConfig ready for C; one serves any number of connections.

    Args:
        config: validated by its own class.

    Raises:
        TypeError: it is something else.
    """

    def __cinit__(self, config):
        cdef channel_limits *limits
        if not isinstance(config, TransportConfig):
            raise TypeError(f"config is a TransportConfig, not {type(config).__name__}")
        self.config = config
        memset(&self.c, 0, sizeof(self.c))
        self.c.channels = len(config.channels)
        self.c.max_packets = config.max_packets
        self.c.send_window = config.send_window
        self.c.ack_every = config.ack_every
        self.c.initial_sequence = config.initial_sequence
        self.c.initial_message_id = config.initial_message_id
        self.c.send_rate = config.send_rate
        self.c.max_ack_delay = config.max_ack_delay
        self.c.reassembly_timeout = config.reassembly_timeout
        self.c.frame_bytes = config.frame_bytes
        for number, channel in enumerate(config.channels):
            limits = &self.c.channel[<int>number]
            limits.mode = int(channel.mode)
            limits.max_message = channel.max_message
            limits.queue_messages = channel.queue_messages
            limits.queue_bytes = channel.queue_bytes
            limits.window_messages = channel.window_messages
            limits.window_bytes = channel.window_bytes
            limits.weight = channel.weight
            limits.redundant = channel.redundant
            limits.send_rate = channel.send_rate
            limits.lifetime = channel.lifetime
            self.c.lane[<int>channel.priority + 1] |= <uint64_t>1 << <int>number
            if channel.redundant:
                self.c.redundant |= <uint64_t>1 << <int>number
