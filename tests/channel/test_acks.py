import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle.channel import RANGES_KEPT, RANGES_SENT, Received, decode_acks, encode_acks

from netcode.channel.acks import ReceivedPackets
from netcode.channel.acks import decode_acks as fast_decode_acks
from netcode.errors import DecodeError

sparse = st.lists(st.integers(0, 300), max_size=400)
starts = st.sampled_from([0, 1, 65_400, (1 << 32) - 100])


@given(sparse, starts)
def test_ranges_agree_with_a_set(arrivals: list[int], start: int) -> None:
    fast, slow = ReceivedPackets(start), Received(start)
    for step in arrivals:
        sequence = start + step
        assert (sequence in fast) == slow.known(sequence)
        assert fast.add(sequence) == slow.add(sequence)
        assert fast.ranges == slow.ranges()
        assert fast.floor == slow.floor
        assert len(fast.ranges) <= RANGES_KEPT


@given(st.lists(st.integers(0, 300), min_size=1, max_size=200), starts, st.floats(0, 20))
def test_block_agrees_with_the_oracle(arrivals: list[int], start: int, delay: float) -> None:
    fast, slow = ReceivedPackets(start), Received(start)
    newest = -1
    for step in arrivals:
        fast.add(start + step, 0, 5.0 if step > newest else 1.0)
        slow.add(start + step)
        newest = max(newest, step)
    block = fast.encode(5.0 + delay)
    told = slow.ranges()[::-1][:RANGES_SENT]
    units = min(int(((5.0 + delay) - 5.0) / 250e-6), 65_535)
    assert block == encode_acks(told, units)
    assert decode_acks(block, 0, start + 300) == (units, told, len(block))
    seconds, ranges, size = fast_decode_acks(block + b"\0\0", start + 400, start)
    assert (seconds, ranges, size) == (units * 250e-6, told, len(block))


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=200), st.integers(24, 60))
def test_block_fits_its_room_newest_first(arrivals: list[int], room: int) -> None:
    packets = ReceivedPackets()
    for sequence in arrivals:
        packets.add(sequence)
    block = packets.encode(room=room)
    assert 0 < len(block) <= room
    _, ranges, _ = fast_decode_acks(block, 3000)
    assert ranges == packets.ranges[::-1][: len(ranges)]


def test_a_block_is_not_written_into_too_little_room() -> None:
    packets = ReceivedPackets()
    assert packets.encode() == b""
    packets.add(0)
    assert packets.encode(room=23) == b""


def test_what_the_peer_knows_is_not_told_again() -> None:
    packets = ReceivedPackets()
    for sequence in (0, 1, 3, 4, 7):
        packets.add(sequence, own_next=0)
    packets.reported(7, own_sequence=0)
    packets.add(9, own_next=1)
    assert fast_decode_acks(packets.encode(), 20)[1] == [(9, 9)]
    packets.add(5, own_next=1)  # late: must be told although it is below what was reported
    assert fast_decode_acks(packets.encode(), 20)[1] == [(9, 9), (7, 7), (5, 5)]
    packets.reported(9, own_sequence=0)  # left before the late one came
    assert (5, 5) in fast_decode_acks(packets.encode(), 20)[1]
    packets.reported(9, own_sequence=1)
    assert fast_decode_acks(packets.encode(), 20)[1] == [(9, 9)]


def test_late_arrivals_without_end_do_not_put_off_the_report() -> None:
    packets = ReceivedPackets()
    in_flight: list[tuple[int, int]] = []
    longest = 0
    for own, base in enumerate(range(0, 4000, 2)):
        packets.add(base + 1, own_next=own)
        packets.add(base, own_next=own)  # every second packet is late
        if base % 10 == 0:
            packets.add(base + 5, own_next=own)
        in_flight.append((own, packets.ranges[-1][1]))
        longest = max(longest, len(packets.encode()))
        if len(in_flight) > 10:
            sequence, largest = in_flight.pop(0)
            packets.reported(largest, sequence)
    assert longest < 30


@given(st.integers(0, 10_000), st.integers(1, 60))
def test_reported_floor_never_hides_an_unreported_arrival(seed: int, delay: int) -> None:
    """The sender's view: everything that arrived becomes known, whatever acks are lost."""
    rng = random.Random(seed)
    packets, known = ReceivedPackets(), set()
    order = [s for s in range(300) if rng.random() < 0.8]
    order.sort(key=lambda s: s + rng.random() * 20)
    flying: list[tuple[int, int, list[tuple[int, int]]]] = []
    for own, sequence in enumerate(order + [400 + i for i in range(3 * delay)]):
        packets.add(sequence, own_next=own)
        ranges = fast_decode_acks(packets.encode(), 2000)[1]
        assert len(ranges) <= RANGES_SENT
        flying.append((own, ranges[0][1], ranges))
        if len(flying) > delay:
            sent, largest, ranges = flying.pop(0)
            if rng.random() < 0.7:  # else this ack was lost
                for first, last in ranges:
                    known.update(range(first, last + 1))
                packets.reported(largest, sent)
    floor = packets.floor
    reported = {s for s in order if s in known}
    missing = {s for s in order if s >= floor} - reported
    # Only what the 32 newest ranges could not hold may be left untold.
    assert not missing or len(packets.ranges) >= RANGES_SENT or missing <= set(order[-delay:])


@pytest.mark.parametrize(
    ("data", "next_sequence"),
    [
        (b"", 10),
        (b"\x00", 10),
        (b"\x05\x00\x00\x00", 10),  # cut before the count of ranges
        (b"\x05\x00\x00\x00\x20", 10),  # 32 more ranges
        (b"\x05\x00\x00\x00\x01", 10),  # a range is missing
        (b"\x05\x00\x00\x00\x01\x00", 10),
        (b"\x05\x00\x80\x00\x00\x00", 10),  # a varint longer than it needs to be
        (b"\x05\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x00\x00", 10),  # above 64 bits
    ],
)
def test_malformed_blocks(data: bytes, next_sequence: int) -> None:
    with pytest.raises(DecodeError, match="malformed"):
        fast_decode_acks(data, next_sequence)


@pytest.mark.parametrize(
    ("data", "next_sequence", "first"),
    [
        (b"\x00\x00\x00\x00\x00", 0, 0),  # nothing was sent at all
        (b"\x0a\x00\x00\x00\x00", 10, 0),
        (b"\xff\xff\x00\x00\x00", 10, 0),
        (b"\x05\x00\x00\x06\x00", 10, 0),  # six before packet 5
        (b"\x05\x00\x00\x00\x00", 10, 6),
        (b"\x05\x00\x00\x00\x01\x04\x00", 10, 0),  # a range that ends below zero
        (b"\x05\x00\x00\x00\x01\x00\x04", 10, 0),
        (b"\x05\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", 10, 0),
        (b"\x05\x00\x00\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", 10, 0),
    ],
)
def test_acks_of_packets_never_sent(data: bytes, next_sequence: int, first: int) -> None:
    with pytest.raises(DecodeError, match="never sent"):
        fast_decode_acks(data, next_sequence, first)


@given(st.binary(max_size=80), st.integers(0, 1 << 20), st.integers(0, 1 << 10))
def test_any_bytes_are_read_within_bounds(data: bytes, sent: int, first: int) -> None:
    try:
        _, ranges, size = fast_decode_acks(data, first + sent, first)
    except DecodeError:
        return
    assert size <= len(data)
    below = first + sent
    for low, high in ranges:
        assert first <= low <= high < below
        below = low - 1
