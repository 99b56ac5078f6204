"""What a connection's channels are and how much they may use. Both ends need the same."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from netcode.errors import ConfigError

__all__ = ["ChannelConfig", "DeliveryMode", "TransportConfig"]

MAX_CHANNELS = 64
MAX_MESSAGE = 1 << 24
MAX_WINDOW_MESSAGES = 8192
MAX_QUEUE_MESSAGES = 1 << 20
MAX_QUEUE_BYTES = 1 << 30
MAX_WINDOW_BYTES = 1 << 26
MAX_PACKETS = 16384
MIN_PRIORITY = -1
MAX_PRIORITY = 7
MAX_WEIGHT = 64


class DeliveryMode(IntEnum):
    """What a channel promises about its messages."""

    RELIABLE_ORDERED = 0
    """Every message exactly once, in the order of sending."""

    RELIABLE_UNORDERED = 1
    """Every message exactly once, as soon as it is here."""

    UNRELIABLE = 2
    """At most once, in any order, never sent again."""

    UNRELIABLE_SEQUENCED = 3
    """At most once, never sent again, and nothing older after something newer."""

    @property
    def reliable(self) -> bool:
        """Whether messages are sent again until they arrive."""
        return self <= DeliveryMode.RELIABLE_UNORDERED


def check_range(owner: str, name: str, value: float, low: float, high: float) -> None:
    """Raise ConfigError unless ``low <= value <= high``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ConfigError(f"{owner}.{name}: {value!r} is not between {low} and {high}")


def check_int(owner: str, name: str, value: int, low: int, high: int) -> None:
    """Raise ConfigError unless ``value`` is an int with ``low <= value <= high``."""
    if not isinstance(value, int):
        raise ConfigError(f"{owner}.{name}: {value!r} is not an int")
    check_range(owner, name, value, low, high)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelConfig:
    """One channel.

    Attributes:
        name: for people and statistics.
        mode: what it promises.
        max_message: bytes of the largest message, both ways; up to 16 MiB.
        queue_messages: messages that wait to be acked (reliable) or sent (unreliable) before a
            push raises ChannelFull.
        queue_bytes: the same in bytes.
        window_messages: messages a receiver holds back or puts together at a time, and so the
            most a sender has on the wire past the oldest one missing; up to 8,192.
        window_bytes: the same in bytes; at least ``max_message``.
        priority: -1 to 7; nothing of a lower priority is sent while something of a higher one
            waits and may leave. Channel 0, the library's own, goes before all.
        weight: 1 to 64; channels of equal priority share the packets in these proportions.
        send_rate: the most bytes per second that the channel sends, from 100; 0 for no limit of
            its own. A tenth of a second's worth may leave at once.
        lifetime: seconds that an unreliable message may wait to be sent before it is dropped;
            0 lets it wait for ever.
        redundant: reliable channels only: small messages that are not acked yet are repeated in
            every packet that has room, so that a loss costs one packet's time and not a round
            trip. For inputs and the like; it multiplies their bytes.
    """

    name: str
    mode: DeliveryMode = DeliveryMode.RELIABLE_ORDERED
    max_message: int = 65_536
    queue_messages: int = 8_192
    queue_bytes: int = 1 << 20
    window_messages: int = 4_096
    window_bytes: int = 1 << 18
    priority: int = 0
    weight: int = 1
    send_rate: float = 0.0
    lifetime: float = 0.0
    redundant: bool = False

    def __post_init__(self) -> None:
        owner = f"ChannelConfig({self.name!r})"
        if not isinstance(self.mode, DeliveryMode):
            raise ConfigError(f"{owner}.mode: {self.mode!r} is not a DeliveryMode")
        check_int(owner, "max_message", self.max_message, 1, MAX_MESSAGE)
        check_int(owner, "queue_messages", self.queue_messages, 1, MAX_QUEUE_MESSAGES)
        check_int(owner, "queue_bytes", self.queue_bytes, self.max_message, MAX_QUEUE_BYTES)
        check_int(owner, "window_messages", self.window_messages, 1, MAX_WINDOW_MESSAGES)
        check_int(owner, "window_bytes", self.window_bytes, self.max_message, MAX_WINDOW_BYTES)
        check_int(owner, "priority", self.priority, MIN_PRIORITY, MAX_PRIORITY)
        check_int(owner, "weight", self.weight, 1, MAX_WEIGHT)
        check_range(owner, "send_rate", self.send_rate, 0, 1e12)
        if 0 < self.send_rate < 100:
            raise ConfigError(f"{owner}.send_rate: {self.send_rate} is neither 0 nor from 100")
        check_range(owner, "lifetime", self.lifetime, 0, 3600)
        if self.lifetime and self.mode.reliable:
            raise ConfigError(f"{owner}.lifetime: {self.lifetime}, but the channel is reliable")
        if not isinstance(self.redundant, bool):
            raise ConfigError(f"{owner}.redundant: {self.redundant!r} is not a bool")
        if self.redundant and not self.mode.reliable:
            raise ConfigError(f"{owner}.redundant: True, but the channel is unreliable")


DEFAULT_CHANNELS = (
    ChannelConfig(name="control"),
    ChannelConfig(name="reliable"),
    ChannelConfig(name="unreliable", mode=DeliveryMode.UNRELIABLE),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportConfig:
    """The channels of a connection and the limits they share.

    Attributes:
        channels: by number; 0 is the library's own and must be reliable ordered.
        send_window: the most bytes of packets on the wire and not yet acked; the congestion
            controller mostly allows less.
        send_rate: fixed mode: bytes per second, whatever the path says; 0 leaves rate and window
            to the congestion controller.
        max_ack_delay: seconds an ack may wait for company.
        ack_every: packets that make an ack leave within a millisecond.
        max_packets: packets remembered until acked or lost; a power of two.
        reassembly_timeout: seconds that an unreliable message in fragments may stay incomplete.
        frame_bytes: opaque frames of upper floors queued at a time.
        initial_sequence: of the first packet, both ways; only worth changing in a test that
            wants to see the 16 bits on the wire wrap around.
        initial_message_id: of every channel's first message, likewise.
    """

    channels: tuple[ChannelConfig, ...] = DEFAULT_CHANNELS
    send_window: int = 1 << 23
    send_rate: float = 0.0
    max_ack_delay: float = 0.06
    ack_every: int = 4
    max_packets: int = 8_192
    reassembly_timeout: float = 3.0
    frame_bytes: int = 1 << 18
    initial_sequence: int = 0
    initial_message_id: int = 0

    def __post_init__(self) -> None:
        owner = "TransportConfig"
        check_int(owner, "len(channels)", len(self.channels), 1, MAX_CHANNELS)
        for channel in self.channels:
            if not isinstance(channel, ChannelConfig):
                raise ConfigError(f"{owner}.channels: {channel!r} is not a ChannelConfig")
        if self.channels[0].mode is not DeliveryMode.RELIABLE_ORDERED:
            raise ConfigError(f"{owner}.channels[0]: the control channel must be reliable ordered")
        names = [channel.name for channel in self.channels]
        if len(set(names)) != len(names):
            raise ConfigError(f"{owner}.channels: the same name twice in {names}")
        check_int(owner, "send_window", self.send_window, 1_200, 1 << 30)
        if not math.isfinite(self.send_rate):
            raise ConfigError(f"{owner}.send_rate: {self.send_rate} is not finite")
        if self.send_rate != 0:
            check_range(owner, "send_rate", self.send_rate, 1_200, 1e12)
        check_range(owner, "max_ack_delay", self.max_ack_delay, 0, 1)
        check_int(owner, "ack_every", self.ack_every, 1, 255)
        check_int(owner, "max_packets", self.max_packets, 64, MAX_PACKETS)
        if self.max_packets & (self.max_packets - 1):
            raise ConfigError(f"{owner}.max_packets: {self.max_packets} is not a power of two")
        check_range(owner, "reassembly_timeout", self.reassembly_timeout, 0.01, 3600)
        check_int(owner, "frame_bytes", self.frame_bytes, 2_048, 1 << 28)
        check_int(owner, "initial_sequence", self.initial_sequence, 0, 1 << 40)
        check_int(owner, "initial_message_id", self.initial_message_id, 0, 1 << 40)

    def channel(self, name: str) -> int:
        """The number of the channel with this name; ConfigError when there is none."""
        for number, channel in enumerate(self.channels):
            if channel.name == name:
                return number
        names = ", ".join(repr(channel.name) for channel in self.channels)
        raise ConfigError(f"no channel named {name!r}; there are {names}")
