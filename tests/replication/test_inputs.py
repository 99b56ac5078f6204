import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcode.errors import DecodeError
from netcode.replication.input_queue import InputQueue
from netcode.replication.inputs import (
    MAX_FRAME,
    MAX_QUEUED,
    MAX_REDUNDANT,
    TARGET_QUEUED,
    InputSender,
    TimeFrame,
)


def queue() -> InputQueue[bytes]:
    return InputQueue(bytes, b"default")


def test_every_input_arrives_once_in_order_whatever_is_lost() -> None:
    sender, server = InputSender(), queue()
    taken = []
    for tick in range(1, 41):
        sender.add(tick, b"%d" % (tick // 3))
        if tick % 5 == 0:
            server.receive(sender.frame())
            sender.confirm(server.received)
        while len(server.waiting) > 1:
            taken.append(server.waiting.popleft())
    taken += server.waiting
    assert taken == [(tick, b"%d" % (tick // 3)) for tick in range(1, 41)]
    assert sender.frame() is None


def test_repeated_inputs_cost_almost_nothing() -> None:
    sender = InputSender()
    for tick in range(1, 31):
        sender.add(tick, b"same")
    assert len(sender.frame()) == 1 + 1 + 1 + 4


def test_large_inputs_are_repeated_less() -> None:
    sender, server = InputSender(), queue()
    for tick in range(1, 31):
        sender.add(tick, bytes([tick]) * 200)
    frame = sender.frame()
    assert len(frame) <= MAX_FRAME
    server.receive(frame)
    assert server.received == 30
    assert 3 <= len(server.waiting) < 6


def test_one_input_a_tick_and_the_last_again_when_none_came() -> None:
    sender, server = InputSender(), queue()
    assert server.take() == b"default"
    assert (server.applied, server.repeated) == (0, 1)
    sender.add(7, b"a")
    sender.add(8, b"b")
    server.receive(sender.frame())
    assert [server.take() for _ in range(3)] == [b"a", b"b", b"b"]
    assert server.applied == 8


def test_a_long_queue_is_worked_off_two_at_a_time() -> None:
    sender, server = InputSender(), queue()
    for tick in range(1, 13):
        sender.add(tick, b"%d" % tick)
    server.receive(sender.frame())
    ticks = []
    while server.waiting:
        server.take()
        ticks.append(server.applied)
    assert ticks == [2, 4, 6, 8, 9, 10, 11, 12]
    assert len(server.waiting) == 0
    assert server.skipped == 4
    assert TARGET_QUEUED == 3


def test_the_queue_is_bounded() -> None:
    sender, server = InputSender(), queue()
    for tick in range(1, 250):
        sender.add(tick, b"x")
        server.receive(sender.frame())
    assert len(server.waiting) == MAX_QUEUED
    assert server.skipped == 249 - MAX_QUEUED
    assert sender.pending == MAX_REDUNDANT


def test_old_and_repeated_frames_change_nothing() -> None:
    sender, server = InputSender(), queue()
    sender.add(5, b"a")
    old = sender.frame()
    sender.add(6, b"b")
    server.receive(sender.frame())
    server.receive(old)
    server.receive(old)
    assert [tick for tick, _ in server.waiting] == [5, 6]


@given(st.binary(max_size=60))
def test_hostile_frames_change_nothing_or_are_bounded(data: bytes) -> None:
    server = queue()
    try:
        server.receive(data)
    except DecodeError:
        assert server.received == 0
        assert not server.waiting
    assert len(server.waiting) <= MAX_QUEUED


def test_every_truncation_and_bit_flip_is_refused_or_bounded() -> None:
    sender = InputSender()
    for tick in range(1, 20):
        sender.add(tick, b"%d" % (tick // 4))
    frame = sender.frame()
    for size in range(len(frame)):
        server = queue()
        try:
            server.receive(frame[:size])
        except DecodeError:
            assert not server.waiting
        assert len(server.waiting) < 19  # a shorter frame of whole runs is legal
    for bit in range(len(frame) * 8):
        flipped = bytearray(frame)
        flipped[bit // 8] ^= 1 << bit % 8
        server = queue()
        try:
            server.receive(bytes(flipped))
        except DecodeError:
            assert not server.waiting
        assert len(server.waiting) <= MAX_QUEUED


def test_a_decode_error_of_the_schema_leaves_the_queue_as_it_was() -> None:
    def decode(data: bytes) -> bytes:
        if data == b"bad":
            raise DecodeError("bad")
        return data

    sender, server = InputSender(), InputQueue(decode, b"")
    sender.add(1, b"bad")
    sender.add(2, b"good")
    with pytest.raises(DecodeError):
        server.receive(sender.frame())
    assert not server.waiting
    assert server.received == 0


@given(st.integers(0, 2**40), st.integers(0, 2**40), st.integers(0, 2**20))
def test_time_frames_round_trip(tick: int, applied: int, more: int) -> None:
    frame = TimeFrame(tick, applied, applied + more)
    assert TimeFrame.decode(frame.encode()) == frame
    with pytest.raises(DecodeError):
        TimeFrame.decode(frame.encode() + b"\0")
