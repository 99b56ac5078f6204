"""compat.reliable against its oracle, over bad lines, and against hostile peers."""

from __future__ import annotations

import math
import random
import tracemalloc
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import reliable as oracle

from netcode.compat.reliable import (
    ReliableConfig,
    ReliableEndpoint,
    read_header,
    write_header,
)
from netcode.errors import ConfigError, DecodeError, EncodeError
from netcode.testing import Conditions, Link

u16 = st.integers(0, 0xFFFF)
ack_bits = st.integers(0, 0xFFFFFFFF) | st.lists(
    st.sampled_from((0xFF, 0, 0xFE, 0x7F)), min_size=4, max_size=4
).map(lambda four: int.from_bytes(bytes(four), "little"))


@given(u16, u16 | st.integers(0, 300), ack_bits, st.booleans())
def test_headers_are_the_oracle_s(sequence: int, ack: int, bits: int, near: bool) -> None:
    if near:
        ack = (sequence - ack) & 0xFFFF
    data = write_header(sequence, ack, bits)
    assert data == oracle.encode(sequence, ack, bits)
    assert read_header(data + b"\xff\x01") == (sequence, ack, bits, len(data))
    for cut in range(len(data)):
        with pytest.raises(DecodeError, match="ends inside the header"):
            read_header(data[:cut])


@given(st.binary(max_size=12))
def test_any_bytes_read_as_the_oracle_reads_them(data: bytes) -> None:
    expected = oracle.decode(data)
    if expected is None:
        with pytest.raises(DecodeError):
            read_header(data)
    else:
        assert read_header(data) == expected


SMALL = ReliableConfig(
    max_packet_size=60,
    fragment_above=10,
    fragment_size=8,
    max_fragments=6,
    ack_buffer_size=4,
    sent_packets_buffer_size=16,
    received_packets_buffer_size=8,
    fragment_reassembly_buffer_size=4,
)

events = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 48)),
        st.tuples(st.just("send"), st.integers(1, 10)),
        st.tuples(st.just("deliver"), st.integers(0, 8)),
        st.tuples(st.just("reject"), st.integers(0, 8)),
        st.tuples(st.just("repeat"), st.integers(0, 8)),
        st.tuples(st.just("lose"), st.integers(0, 8)),
        st.tuples(st.just("flip"), st.integers(0, 500)),
        st.tuples(st.just("cut"), st.integers(0, 12)),
        st.tuples(st.just("forge"), st.integers(0, 2**63 - 1)),
        st.tuples(st.just("acks"), st.just(0)),
    ),
    max_size=120,
)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.booleans(), events), max_size=8), st.booleans())
def test_two_endpoints_are_two_oracles(
    turns: list[tuple[bool, list[tuple[str, int]]]], at_the_wrap: bool
) -> None:
    """Datagrams, deliveries, acks and counters, with every trick of a bad line and a bad peer."""
    first = 65_525 if at_the_wrap else 0
    ours = [ReliableEndpoint(SMALL, sequence=first) for _ in range(2)]
    theirs = [oracle.Endpoint(SMALL, first) for _ in range(2)]
    way: tuple[list[bytes], list[bytes]] = ([], [])
    for side, steps in turns:
        for what, number in steps:
            line = way[side]  # towards this side
            if what == "send":
                packet = bytes(n & 0xFF for n in range(number))
                sent = ours[side].send(packet, 0.0)
                assert sent == theirs[side].send(packet)
                way[not side].extend(sent)
            elif what == "acks":
                assert ours[side].pop_acks() == theirs[side].acks
                theirs[side].acks = []
            elif what == "forge":
                line.append(forged(number, ours[not side].next_sequence))
            elif line:
                at = number % len(line)
                if what == "repeat":
                    line.append(line[at])
                elif what == "lose":
                    del line[at]
                elif what == "flip":
                    data = bytearray(line[0])
                    if data:
                        data[number // 8 % len(data)] ^= 1 << number % 8
                    line.insert(0, bytes(data))
                elif what == "cut":
                    line.insert(0, line[0][:number])
                else:
                    data, accepts = line.pop(at), what == "deliver"
                    found = ours[side].receive(data, 0.0, lambda _, __, a=accepts: a)
                    assert found == theirs[side].receive(data, accepts)
        for mine, other in zip(ours, theirs, strict=True):
            assert +Counter(mine.counters) == +other.counters
            assert mine.reassembling == len(other.partial.known)
            assert mine.reassembling <= SMALL.fragment_reassembly_buffer_size


def forged(number: int, near: int) -> bytes:
    rng = random.Random(number)
    sequence = (near + rng.choice((-40000, -9, -1, 0, 1, 5, 32760, 32768, 40000))) & 0xFFFF
    if rng.random() < 0.5:
        head = write_header(sequence, rng.getrandbits(16), rng.getrandbits(32))
        return head + rng.randbytes(rng.randrange(70))
    index, count = rng.randrange(4), rng.randrange(1, 5)
    head = b"\1" + sequence.to_bytes(2, "little") + bytes([index, count - 1])
    if index == 0:
        head += write_header(sequence, rng.getrandbits(16), rng.getrandbits(32))
    return head + rng.randbytes(rng.choice((8, 8, 3)))


@pytest.mark.parametrize("start", [0, 65_300])
def test_acks_are_true_over_a_bad_line(start: int, seed: int) -> None:
    """Ten thousand packets each way: what is acked has arrived, once, and nearly all that
    arrives is acked. Ten virtual seconds of one kilohertz, and across the wrap."""
    bad = Conditions(
        loss=0.1, latency=0.002, jitter=0.001, duplicate=0.05, reorder=0.05, reorder_delay=0.01
    )
    ends = [ReliableEndpoint(sequence=start) for _ in range(2)]
    links = [Link(f"{seed}/{side}", bad) for side in (0, 1)]
    arrived: list[Counter[int]] = [Counter(), Counter()]
    acked: list[Counter[int]] = [Counter(), Counter()]
    for tick in range(10_000):
        now = tick * 0.001
        for side, end in enumerate(ends):
            for datagram in end.send(tick.to_bytes(2, "little"), now):
                links[side].push(datagram, None, now)
            for data, _ in links[1 - side].pop(now):
                found = end.receive(data, now)
                if found is not None:
                    arrived[1 - side][found[0]] += 1
            acked[side].update(end.pop_acks())
            if tick % 50 == 0:
                end.update(now)
    # 10,000 packets do not go round the circle, so a sequence is one packet.
    for side, end in enumerate(ends):
        assert set(acked[side].values()) == set(arrived[side].values()) == {1}
        assert set(acked[side]) <= set(arrived[side])
        # At 65,300 the first 204 are out of reach: windows begin at 0, and acks reach 32 back.
        assert len(acked[side]) > (0.99 if start == 0 else 0.96) * len(arrived[side])
        assert end.counters["packets_acked"] == len(acked[side])
    stats = ends[0].stats
    assert 4 <= stats.rtt_min_ms <= stats.rtt_ms < 30
    assert stats.packet_loss_percent == pytest.approx(10, abs=6)


def test_acks_go_on_round_the_whole_circle() -> None:
    a, b = ReliableEndpoint(), ReliableEndpoint()
    for total in range(70_000):
        (datagram,) = a.send(b"x", 0.0)
        assert b.receive(datagram, 0.0) is not None
        (datagram,) = b.send(b"y", 0.0)
        assert a.receive(datagram, 0.0) is not None
        acks = a.pop_acks()
        assert acks == [total & 0xFFFF]
    # With every bit of the acks set, a header has its least size.
    assert read_header(a.send(b"x", 0.0)[0]).size == 4


def test_figures_of_a_steady_line() -> None:
    """A packet each way every 10 ms, answers 50 ms after: the figures of that."""
    a, b = ReliableEndpoint(), ReliableEndpoint()
    line = Link(latency=0.025), Link(latency=0.025)
    for tick in range(1000):
        now = tick / 100
        for end, out, back in ((a, *line), (b, *line[::-1])):
            for data, _ in back.pop(now):
                end.receive(data, now)
            for datagram in end.send(bytes(72), now):
                out.push(datagram, None, now)
            end.update(now)
        a.pop_acks()
    stats = a.stats
    assert stats.rtt_ms == pytest.approx(60, abs=10.01)  # b answers at its next tick
    assert stats.rtt_max_ms <= 60.01
    assert stats.jitter_max_ms == pytest.approx(stats.rtt_max_ms - stats.rtt_min_ms)
    assert stats.packet_loss_percent == pytest.approx(0, abs=0.01)
    for value in (stats.sent_kbps, stats.received_kbps, stats.acked_kbps):
        assert value == pytest.approx(100 * 100 * 8 / 1000, rel=0.06)  # 72 + 28 bytes, 100 Hz


def test_a_bomb_of_fragments_is_no_larger_than_what_was_sent() -> None:
    """The first fragment of a packet sets nothing aside for those that may never come."""
    config = ReliableConfig(max_fragments=256, max_packet_size=262_144)
    end = ReliableEndpoint(config)
    tracemalloc.start()
    try:
        for number in range(20_000):
            end.receive(b"\1" + (number & 0xFFFF).to_bytes(2, "little") + b"\xff\xff!", 0.0)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert end.reassembling == 64
    assert held < 64 * (256 * 8 + 1000)
    assert end.counters["fragments_received"] == 20_000
    # The newest are still there; a packet that arrives whole pushes them out of the window.
    jump = (20_000 + 300) & 0xFFFF
    assert end.receive(write_header(jump, 0, 0) + b"x", 0.0) == (jump, b"x")
    assert end.reassembling == 0


def test_every_cut_and_flip_of_real_datagrams(rng: random.Random) -> None:
    a = ReliableEndpoint(SMALL)
    datagrams = [d for size in (5, 10, 11, 48) for d in a.send(rng.randbytes(size), 0.0)]
    hurt = [d[:cut] for d in datagrams for cut in range(len(d))]
    for data in datagrams:
        for bit in range(8 * len(data)):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            hurt.append(bytes(flipped))
    rng.shuffle(hurt)
    ours, theirs = ReliableEndpoint(SMALL), oracle.Endpoint(SMALL)
    for data in hurt:
        assert ours.receive(data, 0.0) == theirs.receive(data)
    assert +Counter(ours.counters) == +theirs.counters


def test_hostile_acks_ack_nothing_that_was_not_sent() -> None:
    end = ReliableEndpoint()
    for _ in range(3):
        end.send(b"x", 0.0)
    for sequence, ack in enumerate((65_535, 40_000, 34, 300)):
        end.receive(write_header(sequence, ack, 0xFFFFFFFF) + b"!", 0.0)
    # 34 - 31 = 3: the first of ours in reach would be 3, which was not sent.
    assert end.pop_acks() == []
    end.receive(write_header(9, 5, 0xFFFFFFFF) + b"!", 0.0)
    assert end.pop_acks() == [2, 1, 0]
    assert end.counters["packets_acked"] == 3


def test_acks_that_nobody_pops_wait_and_are_told_later() -> None:
    end = ReliableEndpoint(ReliableConfig(ack_buffer_size=2))
    for _ in range(5):
        end.send(b"x", 0.0)
    end.receive(write_header(0, 4, 0x1F) + b"!", 0.0)
    assert end.counters["acks_postponed"] == 3
    assert end.pop_acks() == [4, 3]
    end.receive(write_header(1, 4, 0x1F) + b"!", 0.0)
    assert end.pop_acks() == [2, 1]
    assert end.counters["packets_acked"] == 4


def test_what_is_not_accepted_may_come_again() -> None:
    a, b = ReliableEndpoint(SMALL), ReliableEndpoint(SMALL)
    fragments = a.send(bytes(40), 0.0)

    def broken(sequence: int, packet: bytes) -> bool:
        raise RuntimeError("no")

    for answer in (False, None, broken):
        accept = answer if callable(answer) else lambda _, __, a=answer: a
        for fragment in fragments[:-1]:
            assert b.receive(fragment, 0.0, accept) is None
        if answer is broken:
            with pytest.raises(RuntimeError, match="no"):
                b.receive(fragments[-1], 0.0, accept)
        else:
            assert b.receive(fragments[-1], 0.0, accept) is None
        assert b.reassembling == 0
    (reply,) = b.send(b"r", 0.0)
    a.receive(reply, 0.0)
    assert a.pop_acks() == []
    found = [b.receive(fragment, 0.0) for fragment in fragments]
    assert found == [None] * 4 + [(0, bytes(40))]
    (reply,) = b.send(b"r", 0.0)
    a.receive(reply, 0.0)
    assert a.pop_acks() == [0]


def test_an_accept_that_receives_and_sends_itself() -> None:
    a, b = ReliableEndpoint(SMALL), ReliableEndpoint(SMALL)
    datagrams = [d for _ in range(30) for d in a.send(b"12345", 0.0)]
    seen: list[int] = []

    def accept(sequence: int, packet: bytes) -> bool:
        seen.append(sequence)
        b.send(packet, 0.0)
        if sequence + 1 < len(datagrams):
            b.receive(datagrams[sequence + 1], 0.0, accept)
        return True

    assert b.receive(datagrams[0], 0.0, accept) == (0, b"12345")
    assert seen == list(range(30))


def test_time_goes_forward_only() -> None:
    a, b = ReliableEndpoint(now=10.0), ReliableEndpoint(now=10.0)
    (datagram,) = a.send(b"x", 11.0)
    b.receive(datagram, 11.0)
    (datagram,) = b.send(b"x", 11.0)
    a.receive(datagram, 5.0)
    a.update(math.nan)
    assert a.stats.rtt_ms == 0
    assert a.pop_acks() == [0]


def test_any_buffer_will_do() -> None:
    a, b = ReliableEndpoint(), ReliableEndpoint()
    for packet in (b"abc", bytearray(b"abc"), memoryview(b"xabc")[1:]):
        (datagram,) = a.send(packet, 0.0)
        found = b.receive(memoryview(datagram), 0.0)
        assert found is not None
        assert found[1] == b"abc"
    with pytest.raises(ConfigError, match="packet must be bytes"):
        a.send("abc", 0.0)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="datagram must be bytes"):
        a.receive(7, 0.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("config", "size", "limit"),
    [
        (ReliableConfig(), 0, 16_384),
        (ReliableConfig(), 16_385, 16_384),
        (ReliableConfig(fragment_size=500, fragment_above=500), 8001, 8000),
        (ReliableConfig(fragment_size=1, max_fragments=1, fragment_above=9), 10, 9),
    ],
)
def test_packets_that_cannot_be_sent(config: ReliableConfig, size: int, limit: int) -> None:
    end = ReliableEndpoint(config)
    with pytest.raises(EncodeError, match=f"packet of {size} bytes: must be 1 to {limit}") as error:
        end.send(bytes(size), 0.0)
    assert (error.value.value, error.value.limit) == (size, f"1 to {limit} bytes")
    assert end.next_sequence == 0
    assert end.counters["packets_too_large_to_send"] == bool(size)
    assert end.send(bytes(limit), 0.0)


@pytest.mark.parametrize(
    "fields",
    [
        {"max_packet_size": 0},
        {"max_packet_size": 1 << 25},
        {"fragment_above": -1},
        {"max_fragments": 257},
        {"fragment_size": 0},
        {"fragment_size": 1024.0},
        {"ack_buffer_size": True},
        {"sent_packets_buffer_size": 100},
        {"received_packets_buffer_size": 32_768},
        {"fragment_reassembly_buffer_size": 0},
        {"rtt_smoothing_factor": 1.5},
        {"packet_loss_smoothing_factor": math.nan},
        {"bandwidth_smoothing_factor": "x"},
        {"rtt_history_size": 0},
        {"packet_header_size": -1},
    ],
)
def test_configs_are_checked(fields: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=rf"ReliableConfig\.{next(iter(fields))}: "):
        ReliableConfig(**fields)


def test_arguments_are_checked() -> None:
    with pytest.raises(ConfigError, match="config: a dict"):
        ReliableEndpoint({})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="sequence 65536"):
        ReliableEndpoint(sequence=65_536)
    for arguments, name in (
        ((-1, 0, 0), "sequence"),
        ((0, 1 << 16, 0), "ack"),
        ((0, 0, 1 << 32), "ack_bits"),
    ):
        with pytest.raises(ConfigError, match=name):
            write_header(*arguments)
    with pytest.raises(DecodeError, match="a fragment"):
        read_header(b"\1\0\0\0\0")


def test_extreme_windows() -> None:
    most = ReliableConfig(
        sent_packets_buffer_size=1 << 14,
        received_packets_buffer_size=1 << 14,
        fragment_reassembly_buffer_size=1 << 14,
    )
    least = ReliableConfig(
        sent_packets_buffer_size=1,
        received_packets_buffer_size=1,
        fragment_reassembly_buffer_size=1,
        fragment_above=0,
        fragment_size=1,
        max_fragments=2,
        rtt_history_size=1,
    )
    for config in (most, least):
        for first in (0, 40_000, 65_535):
            a, b = ReliableEndpoint(config, sequence=first), ReliableEndpoint(config)
            for _ in range(3):
                for datagram in a.send(b"xy", 0.0):
                    b.receive(datagram, 0.0)
                a.update(0.0)
            assert a.next_sequence == (first + 3) & 0xFFFF
