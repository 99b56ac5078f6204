"""What a connection measured and counted."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ChannelStats"]


@dataclass(frozen=True, slots=True)
class ChannelStats:
    """One connection's measurements at a moment. Times are seconds, sizes bytes."""

    rtt: float
    """Smoothed round-trip time; 0 before the first sample."""
    latest_rtt: float
    """The newest sample."""
    min_rtt: float
    """The smallest sample."""
    rtt_variance: float
    """Smoothed mean deviation, as in RFC 6298."""
    jitter: float
    """Smoothed difference of successive samples."""
    packet_loss: float
    """Smoothed fraction of our packets that were lost, 0 to 1."""
    bandwidth: float
    """Bytes per second that the path delivers, as far as it was tried; 0 before the first sample.
    While less is sent than would be allowed, it is no more than what was sent."""
    send_rate: float
    """Bytes per second that the pacer lets through now."""
    queue_delay: float
    """Seconds that packets waited in queues during the last round trip, at the least."""
    send_window: int
    """Bytes of packets that may be in flight now."""
    packets_sent: int
    packets_received: int
    packets_acked: int
    packets_lost: int
    """Declared lost, by later acks or by a probe timeout."""
    packets_spurious: int
    """Declared lost and acked after all."""
    packets_duplicate: int
    """Arrived twice, or too late to tell; ignored."""
    packets_refused: int
    """Malformed; nothing of them was applied."""
    bytes_sent: int
    """Of transport packets: without encryption and UDP."""
    bytes_received: int
    messages_pushed: int
    messages_delivered: int
    messages_duplicate: int
    """Messages and fragments that were here already."""
    messages_dropped: int
    """Unreliable: incomplete for too long, or older than one delivered."""
    messages_expired: int
    """Unreliable: waited for longer than the channel's ``lifetime`` and were not sent."""
    messages_resent: int
    """Runs of messages and of fragments that went on the wire again."""
    frames_sent: int
    frames_delivered: int
    probes: int
    """Probe timeouts."""
    frames_dropped: int
    """Opaque frames that no packet of this path takes."""
    black_holes: int
    """How often large packets stopped to arrive, and packets were cut to 480 bytes."""
    mtu: int
    """Bytes that a packet may have now, without encryption and UDP; 0 before the first."""
    bytes_in_flight: int
    """Of messages, sent and not yet acked or lost."""
    bytes_queued: int
    """Of messages accepted and not yet acked (reliable) or sent (unreliable)."""
    messages_queued: int
    bytes_held: int
    """Of messages that wait here for an older one or for their other fragments."""
    memory: int
    """Allocated for this connection: all of the above and the bookkeeping."""
