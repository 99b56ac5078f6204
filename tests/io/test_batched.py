"""What only the compiled back ends do: segments, sleeping, closing, sharing with a child."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from udp_line import batch_of, receive, stuck

from netcode.errors import ConfigError
from netcode.io.batched import BatchSocket
from netcode.io.sockets import has_ipv6
from netcode.io.system import HAS_MMSG
from netcode.session import DatagramBatch

pytestmark = pytest.mark.udp

MMSG = pytest.mark.skipif(not HAS_MMSG, reason="no recvmmsg here")
KINDS = [False, pytest.param(True, marks=MMSG)]
HOSTS = [
    "127.0.0.1",
    pytest.param("::1", marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")),
]
SO_NO_CHECK = 11
UDP_NO_CHECK6_TX = 101
UDP_NO_CHECK6_RX = 102


@pytest.fixture(params=HOSTS)
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[BatchSocket, BatchSocket]]:
    sockets = BatchSocket((request.param, 0)), BatchSocket((request.param, 0))
    yield sockets
    for each in sockets:
        each.close()


def refuse_segments(transport: BatchSocket) -> None:
    """Linux sends no segments from a socket that sends no checksums."""
    if transport.socket.family == socket.AF_INET6:
        transport.socket.setsockopt(socket.IPPROTO_UDP, UDP_NO_CHECK6_TX, 1)
    transport.socket.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)


@MMSG
def test_runs_to_one_peer_leave_as_segments(pair, rng) -> None:
    a, b = pair
    other = BatchSocket((a.address[0], 0))
    try:
        sizes = [300] * 5 + [120] + [300] + [1200] * 70 + [0, 0] + [7] * 3 + [8]
        sent = [rng.randbytes(size) for size in sizes]
        batch = batch_of(*((data, b.address) for data in sent))
        batch.append(b"alone", other.address)
        a.send(batch)
        assert [data for data, _ in receive(b, len(sent))] == sent
        assert [data for data, _ in receive(other, 1)] == [b"alone"]
    finally:
        other.close()
    counters = a.counters
    assert a.segments
    assert counters["send_segmented"] >= 6 + 60 + 3
    assert counters["sent"] == len(sent) + 1
    assert counters["sent_bytes"] == sum(sizes) + 5
    assert counters["send_segments_refused"] == 0


@MMSG
def test_a_refusal_of_segments_is_for_good_and_loses_nothing(pair, rng) -> None:
    a, b = pair
    refuse_segments(a)
    if b.socket.family == socket.AF_INET6:
        b.socket.setsockopt(socket.IPPROTO_UDP, UDP_NO_CHECK6_RX, 1)
    for _ in range(3):
        sent = [rng.randbytes(size) for size in (50, 200, 200, 200, 30, 1200, 1200)]
        a.send(batch_of(*((data, b.address) for data in sent)))
        assert [data for data, _ in receive(b, len(sent))] == sent
    counters = a.counters
    assert not a.segments
    assert counters["send_segments_refused"] == 1
    assert counters["send_segmented"] == counters["send_errors"] == 0
    assert counters["sent"] == 21


@MMSG
def test_segments_can_be_left_off() -> None:
    a, b = BatchSocket(("127.0.0.1", 0), segments=False), BatchSocket(("127.0.0.1", 0))
    try:
        a.send(batch_of(*((b"same", b.address),) * 10))
        assert len(receive(b, 10)) == 10
        assert a.counters["send_segmented"] == 0
        assert a.counters["send_calls"] == 1
    finally:
        a.close()
        b.close()


@MMSG
def test_one_call_moves_64_datagrams(pair) -> None:
    a, b = pair
    a.send(batch_of(*((bytes([i]), b.address) for i in range(128))))
    assert b.wait(1.0)
    assert b.receive_into(DatagramBatch(slots=128)) == 128
    assert a.counters["send_calls"] == b.counters["receive_calls"] == 2


@pytest.mark.parametrize("many", KINDS)
def test_slots_are_filled_behind_those_already_there(many) -> None:
    a, b = BatchSocket(("127.0.0.1", 0), many=many), BatchSocket(("127.0.0.1", 0), many=many)
    try:
        a.send(batch_of(*((b"%d" % i, b.address) for i in range(8))))
        assert b.wait(1.0)
        batch = DatagramBatch(slots=6)
        batch.append(b"first", ("127.0.0.1", 9))
        assert b.receive_into(batch) == 5
        assert [data for data, _ in batch] == [b"first", b"0", b"1", b"2", b"3", b"4"]
        assert b.receive_into(batch) == 0
        batch.clear()
        assert b.receive_into(batch) == 3
        assert [data for data, _ in batch] == [b"5", b"6", b"7"]
    finally:
        a.close()
        b.close()


@pytest.mark.parametrize("many", KINDS)
def test_a_full_growing_batch_loses_and_counts(many) -> None:
    a, b = BatchSocket(("127.0.0.1", 0), many=many), BatchSocket(("127.0.0.1", 0), many=many)
    try:
        a.send(batch_of(*((bytes(1000), b.address) for _ in range(8))))
        assert b.wait(1.0)
        batch = DatagramBatch(limit=4096)
        assert b.receive_into(batch) == 4
        assert len(batch) == b.counters["receive_unplaced"] == 4
    finally:
        a.close()
        b.close()


def test_what_waits_is_bounded_in_bytes(pair) -> None:
    a, b = pair
    with stuck(a):
        for _ in range(5):
            a.send(batch_of(*((bytes(60_000), b.address) for _ in range(50))))
            a.send(batch_of((b"last", b.address)))
        assert a.waiting == (8 << 20) // 60_000 + 3  # three of the small ones are recent enough
        assert a.counters["send_overflow"] == 255 - a.waiting


@pytest.mark.parametrize("many", KINDS)
def test_wait_sleeps_at_most_the_timeout(many) -> None:
    a = BatchSocket(("127.0.0.1", 0), many=many)
    try:
        start = time.monotonic()
        assert not a.wait(0.02)
        assert 0.0199 < time.monotonic() - start < 0.5
        assert not a.wait(-1.0)
        assert not a.wait(float("nan"))
        a.send(batch_of((b"x", a.address)))
        assert a.wait(float("inf"))
    finally:
        a.close()


def test_closing_ends_a_wait_and_frees_the_port() -> None:
    a = BatchSocket(("127.0.0.1", 0))
    answers: list[bool] = []
    threads = [threading.Thread(target=lambda: answers.append(a.wait(60.0))) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    start = time.monotonic()
    a.close()
    again = BatchSocket(a.address)  # at once
    again.close()
    for thread in threads:
        thread.join(5.0)
    assert answers == [False, False, False]
    assert time.monotonic() - start < 2.0


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers that send signals")
def test_a_signal_is_handled_while_waiting() -> None:
    class Rang(Exception):
        pass

    def ring(*_: object) -> None:
        raise Rang

    a = BatchSocket(("127.0.0.1", 0))
    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        start = time.monotonic()
        with pytest.raises(Rang):
            a.wait(20.0)
        assert time.monotonic() - start < 5.0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        a.close()


CHILD = """
import os, threading
from netcode.io.batched import BatchSocket
from netcode.session import DatagramBatch

a, b = BatchSocket(("127.0.0.1", 0)), BatchSocket(("127.0.0.1", 0))
sleeper = threading.Thread(target=a.wait, args=(1.0,))
sleeper.start()
child = os.fork()
if child == 0:
    a.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
out = DatagramBatch()
out.append(b"still here", b.address)
a.send(out)
assert a.counters["sent"] == 1 and b.wait(2.0)
b.send(out)
a.close()
b.close()
sleeper.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="forks beside a thread")
def test_a_forked_child_does_not_shut_its_parent_down() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 0, done.stderr


def test_constructor_says_what_is_wrong() -> None:
    with pytest.raises(ConfigError, match=r"cannot bind UDP 192\.0\.2\.1"):
        BatchSocket(("192.0.2.1", 1))
    if not HAS_MMSG:
        with pytest.raises(ConfigError, match="recvmmsg"):
            BatchSocket(("127.0.0.1", 0), many=True)


@pytest.mark.parametrize("many", KINDS)
def test_repr_names_back_end_and_port(many) -> None:
    a = BatchSocket(("127.0.0.1", 0), many=many)
    kind = "mmsg" if many else "single"
    assert repr(a) == f"<BatchSocket {kind} 127.0.0.1 port {a.address[1]}>"
    a.close()
    assert repr(a) == f"<BatchSocket {kind} closed>"
