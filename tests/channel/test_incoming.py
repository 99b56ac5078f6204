"""Delivery modes seen from the receiver, packet by packet."""

from __future__ import annotations

from oracle import channel as wire

from netcode.channel import ChannelConfig, ChannelEndpoint, DeliveryMode, Message, TransportConfig

CONFIG = TransportConfig(
    channels=(
        ChannelConfig(name="ordered"),
        ChannelConfig(name="unordered", mode=DeliveryMode.RELIABLE_UNORDERED),
        ChannelConfig(name="loose", mode=DeliveryMode.UNRELIABLE),
        ChannelConfig(name="newest", mode=DeliveryMode.UNRELIABLE_SEQUENCED),
    ),
    reassembly_timeout=1.0,
)


class Feed:
    """Hands frames to an endpoint in packets of chosen sequence."""

    def __init__(self) -> None:
        self.end = ChannelEndpoint(CONFIG)

    def __call__(self, sequence: int, *frames: bytes, now: float = 0.0) -> list[bytes]:
        assert self.end.receive(wire.packet(sequence, b"".join(frames)), now) is None
        return [m.data for m in self.end.drain() if isinstance(m, Message)]


def test_ordered_holds_back_and_releases_in_order() -> None:
    feed = Feed()
    assert feed(0, wire.messages(0, 2, [b"c", b"d"])) == []
    assert feed(1, wire.messages(0, 5, [b"f"])) == []
    assert feed.end.stats.bytes_held == 3
    assert feed(2, wire.messages(0, 0, [b"a"])) == [b"a"]
    assert feed(3, wire.messages(0, 0, [b"a", b"b", b"c"])) == [b"b", b"c", b"d"]
    assert feed(4, wire.messages(0, 4, [b"e"])) == [b"e", b"f"]
    assert feed.end.stats.bytes_held == 0
    assert feed.end.stats.messages_duplicate == 2


def test_ordered_holds_back_fragments_too() -> None:
    feed = Feed()
    large = bytes(range(200))
    assert feed(0, wire.fragment(0, 1, 200, 2, large[128:])) == []
    assert feed(1, wire.fragment(0, 1, 200, 0, large[:128])) == []
    assert feed(2, wire.messages(0, 2, [b"after"])) == []
    assert feed.end.stats.bytes_held == 205
    assert feed(3, wire.messages(0, 0, [b"before"])) == [b"before", large, b"after"]
    assert feed(4, wire.fragment(0, 3, 200, 0, large[:128])) == []
    assert feed(5, wire.fragment(0, 3, 200, 2, large[128:])) == [large]
    assert feed.end.stats.bytes_held == 0


def test_unordered_delivers_at_once_and_once() -> None:
    feed = Feed()
    large = bytes(range(100))
    assert feed(0, wire.messages(1, 2, [b"c"])) == [b"c"]
    assert feed(1, wire.fragment(1, 1, 100, 0, large[:64])) == []
    assert feed(2, wire.messages(1, 2, [b"c", b"d"])) == [b"d"]
    assert feed(3, wire.fragment(1, 1, 100, 1, large[64:])) == [large]
    assert feed(4, wire.fragment(1, 1, 100, 1, large[64:])) == []
    assert feed(5, wire.messages(1, 0, [b"a"])) == [b"a"]
    assert feed(6, wire.messages(1, 0, [b"a"]), wire.messages(1, 4, [b"e"])) == [b"e"]
    assert feed.end.stats.bytes_held == 0


def test_unreliable_delivers_whatever_comes() -> None:
    feed = Feed()
    large = bytes(range(130))
    assert feed(5, wire.unreliable(2, [b"late", b""])) == [b"late", b""]
    assert feed(3, wire.fragment(2, 9, 130, 0, large[:64], 4)) == []
    assert feed(2, wire.unreliable(2, [b"early"])) == [b"early"]
    assert feed(9, wire.fragment(2, 9, 130, 1, large[64:], 4)) == [large]
    assert feed.end.stats.messages_dropped == 0


def test_sequenced_delivers_nothing_older_than_what_was_delivered() -> None:
    feed = Feed()
    large = bytes(range(130))
    assert feed(1, wire.unreliable(3, [b"a", b"b"])) == [b"a", b"b"]
    assert feed(3, wire.fragment(3, 0, 130, 1, large[64:], 4)) == []
    assert feed(4, wire.unreliable(3, [b"c"]), wire.unreliable(3, [b"d"])) == [b"c", b"d"]
    assert feed(2, wire.fragment(3, 0, 130, 0, large[:64], 4)) == []  # complete, but too late
    assert feed(0, wire.unreliable(3, [b"old"])) == []
    assert feed.end.stats.messages_dropped == 2
    assert feed.end.stats.bytes_held == 0
    assert feed(6, wire.fragment(3, 1, 130, 1, large[64:], 4)) == []
    assert feed(7, wire.fragment(3, 1, 130, 0, large[:64], 4)) == [large]
    assert feed(5, wire.unreliable(3, [b"old"])) == []


def test_sequenced_keeps_the_order_inside_a_packet() -> None:
    """A message whose last fragment shares a packet with its successor is older than that."""
    feed = Feed()
    large = bytes(range(130))
    assert feed(1, wire.fragment(3, 0, 130, 2, large[128:], 4), wire.unreliable(3, [b"b"])) == [
        b"b"
    ]
    assert feed(0, wire.fragment(3, 0, 130, 0, large[:128], 4)) == []


def test_incomplete_unreliable_messages_time_out() -> None:
    feed = Feed()
    assert feed(0, wire.fragment(2, 0, 130, 0, bytes(64), 4), now=0.0) == []
    assert feed(1, wire.fragment(3, 0, 130, 0, bytes(64), 4), now=0.5) == []
    feed.end.build_all(0.6)
    assert feed.end.next_deadline == 1.0
    feed.end.build_all(1.0)
    assert feed.end.stats.bytes_held == 130
    assert feed.end.next_deadline == 1.5
    feed.end.build_all(1.5)
    assert feed.end.stats.bytes_held == 0
    assert feed.end.stats.messages_dropped == 2
    assert feed(2, wire.fragment(2, 0, 130, 1, bytes(66), 4), now=2.0) == []  # too late


def test_the_oldest_incomplete_unreliable_message_makes_room() -> None:
    feed = Feed()
    for number in range(17):
        assert feed(number, wire.fragment(2, number, 130, 0, bytes(64), 4)) == []
    assert feed.end.stats.messages_dropped == 1
    assert feed(20, wire.fragment(2, 16, 130, 1, bytes(66), 4)) == [bytes(130)]
    assert feed(21, wire.fragment(2, 1, 130, 1, bytes(66), 4)) == [bytes(130)]
    assert feed(22, wire.fragment(2, 0, 130, 1, bytes(66), 4)) == []


def test_a_fragment_id_of_another_age_is_another_message() -> None:
    """The 16 bits of the id came round: the fragments must not be mixed."""
    feed = Feed()
    old, new = bytes([1]) * 130, bytes([2]) * 130
    assert feed(0, wire.fragment(2, 7, 130, 0, old[:64], 4)) == []
    for sequence in range(30_000, 70_000, 20_000):
        feed(sequence, wire.unreliable(2, [b""]))
    assert feed(50_001, wire.fragment(2, 7, 130, 1, new[64:], 4)) == []
    assert feed(50_002, wire.fragment(2, 7, 130, 0, new[:64], 4)) == [new]
