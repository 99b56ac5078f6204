"""Settings and results of a ReliableEndpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from netcode.errors import ConfigError

__all__ = ["PacketHeader", "ReliableConfig", "ReliableStats"]

MAX_PACKET: Final = 1 << 24
MAX_FRAGMENTS: Final = 256
MAX_FRAGMENT: Final = 65_000
MAX_WINDOW: Final = 1 << 14
"""A quarter of the circle: with half of it, old and new could not be told apart."""
MAX_HISTORY: Final = 1 << 16

INTEGERS: Final = {
    "max_packet_size": (1, MAX_PACKET),
    "fragment_above": (0, MAX_PACKET),
    "max_fragments": (1, MAX_FRAGMENTS),
    "fragment_size": (1, MAX_FRAGMENT),
    "ack_buffer_size": (1, 1 << 20),
    "rtt_history_size": (1, MAX_HISTORY),
    "packet_header_size": (0, 1 << 16),
}
WINDOWS: Final = (
    "sent_packets_buffer_size",
    "received_packets_buffer_size",
    "fragment_reassembly_buffer_size",
)
SHARES: Final = (
    "rtt_smoothing_factor",
    "packet_loss_smoothing_factor",
    "bandwidth_smoothing_factor",
)


class PacketHeader(NamedTuple):
    """What the header of a packet says."""

    sequence: int
    """Of this packet, 0 to 65535."""
    ack: int
    """The newest sequence that its sender knows of the other end, 0 to 65535."""
    ack_bits: int
    """32 bits: bit n says that ``ack - n`` arrived."""
    size: int
    """Bytes of the header, 4 to 9."""


class ReliableStats(NamedTuple):
    """The figures of the C library, in its units and rounded to float32 as it does."""

    rtt_ms: float
    """Round-trip time, smoothed."""
    rtt_min_ms: float
    """Of the last ``rtt_history_size`` packets that were acked."""
    rtt_max_ms: float
    rtt_avg_ms: float
    jitter_avg_ms: float
    """Mean distance from the least round-trip time."""
    jitter_max_ms: float
    """Greatest distance from it."""
    jitter_stddev_ms: float
    """Standard deviation from the mean."""
    packet_loss_percent: float
    """Of the older half of the packets in the window, smoothed."""
    sent_kbps: float
    """Kilobits per second, headers of IP and UDP counted in, smoothed."""
    received_kbps: float
    acked_kbps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliableConfig:
    """Settings, with the names and defaults of the C library.

    Both ends must agree on ``fragment_size``, and each must take what the other may send. Inside
    netcode's payloads of 1,200 bytes, ``fragment_size`` is at most 1,186 and ``fragment_above``
    at most 1,191.

    Attributes:
        max_packet_size: bytes of a packet, sent or received, 1 to 16 MiB.
        fragment_above: packets of more bytes than this leave as fragments.
        max_fragments: of one packet, 1 to 256.
        fragment_size: bytes of the data in each fragment but the last, 1 to 65,000.
        ack_buffer_size: acks that wait for ``pop_acks``; more are put off.
        sent_packets_buffer_size: packets remembered for acks and statistics, a power of two up
            to 16,384.
        received_packets_buffer_size: packets remembered to know duplicates; what is older is
            stale. A power of two up to 16,384.
        fragment_reassembly_buffer_size: packets that are put together at a time, a power of two
            up to 16,384. Each may hold ``max_fragments * fragment_size`` bytes.
        rtt_smoothing_factor, packet_loss_smoothing_factor, bandwidth_smoothing_factor: share of
            a new value in the smoothed one, 0 to 1.
        rtt_history_size: round-trip times remembered.
        packet_header_size: bytes of IP and UDP around each packet, for the statistics.

    Raises:
        ConfigError: names the field, its value and the limit.
    """

    max_packet_size: int = 16 * 1024
    fragment_above: int = 1024
    max_fragments: int = 16
    fragment_size: int = 1024
    ack_buffer_size: int = 256
    sent_packets_buffer_size: int = 256
    received_packets_buffer_size: int = 256
    fragment_reassembly_buffer_size: int = 64
    rtt_smoothing_factor: float = 0.0025
    rtt_history_size: int = 512
    packet_loss_smoothing_factor: float = 0.1
    bandwidth_smoothing_factor: float = 0.1
    packet_header_size: int = 28

    def __post_init__(self) -> None:
        for name, (low, high) in INTEGERS.items():
            value = self.integer(name)
            if not low <= value <= high:
                raise ConfigError(f"ReliableConfig.{name}: {value}, must be {low} to {high}")
        for name in WINDOWS:
            value = self.integer(name)
            # Only powers of two divide the 65,536 sequences: other windows break at the wrap.
            if not 1 <= value <= MAX_WINDOW or value & (value - 1):
                raise ConfigError(
                    f"ReliableConfig.{name}: {value}, must be a power of two up to {MAX_WINDOW}"
                )
        for name in SHARES:
            share = getattr(self, name)
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
                raise ConfigError(f"ReliableConfig.{name}: {share!r}, must be 0 to 1")

    @property
    def largest_sent(self) -> int:
        """Bytes of the largest packet that can be sent: ``max_packet_size``, unless that needs
        more than ``max_fragments``."""
        whole = max(self.fragment_above, self.max_fragments * self.fragment_size)
        return min(self.max_packet_size, whole)

    def integer(self, name: str) -> int:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigError(f"ReliableConfig.{name}: {value!r}, must be an integer")
        return value
