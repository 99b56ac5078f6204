"""The I/O thread on real UDP: what a desk alone cannot show."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator

import pytest
from thread_line import RELIABLE, UNRELIABLE, Peer, open_thread, opened, until
from udp_line import stuck

from netcode.errors import ChannelFull, ConfigError, ConnectionClosed
from netcode.io import BatchSocket, ServerThread, UdpSocket
from netcode.io.system import HAS_MMSG
from netcode.session import ClientConnected, ClientDisconnected, ServerEndpoint

pytestmark = pytest.mark.udp

KINDS = [False, pytest.param(True, marks=pytest.mark.skipif(not HAS_MMSG, reason="no mmsg here"))]


@pytest.fixture
def server() -> Iterator[ServerThread]:
    made = open_thread()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def peers_closed() -> Iterator[None]:
    yield
    while opened:
        opened.pop().close()


def joined(server: ServerThread, *peers: Peer) -> None:
    until(lambda: server.take() or len(server.connected) == len(peers), *peers)
    until(lambda: all(peer.connected for peer in peers), *peers)


@pytest.mark.parametrize("many", KINDS)
def test_messages_go_both_ways(many: bool) -> None:
    with open_thread(many=many) as server:
        peers = [Peer(server, number) for number in range(3)]
        joined(server, *peers)
        assert all(isinstance(event, ClientConnected) for event in server.events())
        for number in range(200):
            for peer in peers:
                peer.endpoint.push(RELIABLE, b"%d" % number)
        got: dict[int, list[int]] = {0: [], 1: [], 2: []}

        def echo() -> bool:
            server.take()
            for index, channel, data in server.messages():
                got[index].append(int(data))
                server.push(index, channel, data)
            server.flush()
            return all(len(each) == 200 for each in got.values())

        until(echo, *peers)
        assert list(got.values()) == [list(range(200))] * 3
        heard: dict[int, list[tuple[int, bytes]]] = {at: [] for at in range(3)}

        def listen() -> bool:
            for at, peer in enumerate(peers):
                heard[at] += peer.heard()
            return all(len(each) == 200 for each in heard.values())

        until(listen, *peers)
        assert heard[0] == [(RELIABLE, b"%d" % number) for number in range(200)]
        counters = server.socket_counters
        assert counters["received"] == server.counters["datagrams_received"] > 5
        assert 0 < server.cpu < 10
        assert "3 of 64 clients" in repr(server)
        for peer in peers:
            peer.close()
        until(lambda: server.take() or server.connected == [])
        assert all(isinstance(event, ClientDisconnected) for event in server.events())


def test_it_acks_answers_and_keeps_alive_while_nobody_takes(server) -> None:
    peer = Peer(server, 1, timeout=1)
    joined(server, peer)
    start = time.monotonic()
    number = 0
    while time.monotonic() < start + 1.5:  # longer than the timeout
        with contextlib.suppress(ChannelFull):
            peer.endpoint.push(RELIABLE, b"%d" % number)
            number += 1
        peer.pump()
        time.sleep(0.005)
    until(lambda: peer.queued == 0, peer)
    stats = peer.endpoint.stats()
    assert peer.connected
    assert stats.rtt < 0.1
    late = Peer(server, 2)
    until(lambda: late.connected, late)
    server.take()
    assert [int(data) for _, _, data in server.messages()] == list(range(number))
    assert len(server.connected) == 2
    peer.close()
    late.close()


def test_a_flush_wakes_it_at_once(server) -> None:
    peer = Peer(server, 1)
    joined(server, peer)
    waits = []
    for number in range(60):
        until(lambda: not peer.socket.wait(0.02), peer)  # silence: it sleeps
        start = time.monotonic()
        server.push(0, UNRELIABLE, b"%d" % number)
        server.flush()
        until(lambda: peer.heard(), peer, pause=0.0)
        waits.append(time.monotonic() - start)
    # Far below the 100 ms after which it would have woken by itself.
    assert sorted(waits)[len(waits) // 2] < 0.01


def test_waiting_for_deliveries(server) -> None:
    start = time.monotonic()
    assert not server.wait(0.05)
    assert 0.049 < time.monotonic() - start < 2
    assert not server.wait(-1.0)
    peer = Peer(server, 1)
    joined(server, peer)
    server.events()
    server.take()
    peer.endpoint.push(RELIABLE, b"x")
    timer = threading.Timer(0.05, peer.pump)
    timer.start()
    assert server.wait(20.0)
    assert time.monotonic() - start < 15
    assert server.wait(0.0)  # until it is taken
    server.take()
    assert server.messages() == [(0, RELIABLE, b"x")]
    assert not server.wait(0.0)
    timer.join()
    # And as event loops do.
    server.listen()
    assert select.select([server.fileno()], [], [], 0)[0] == []
    peer.endpoint.push(RELIABLE, b"y")
    peer.pump()
    assert select.select([server.fileno()], [], [], 5)[0]
    server.take()
    server.listen()
    assert select.select([server.fileno()], [], [], 0)[0] == []
    peer.endpoint.push(RELIABLE, b"z")
    peer.pump()
    until(lambda: peer.queued == 0, peer)
    server.listen()  # it waits already
    assert select.select([server.fileno()], [], [], 5)[0]
    peer.close()


def test_closing_ends_a_wait(server) -> None:
    answers: list[bool] = []
    waiter = threading.Thread(target=lambda: answers.append(server.wait(60.0)))
    waiter.start()
    time.sleep(0.05)
    server.close()
    waiter.join(5)
    assert answers == [False]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers that send signals")
def test_a_signal_is_handled_while_waiting(server) -> None:
    class Rang(Exception):
        pass

    def ring(*_: object) -> None:
        raise Rang

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Rang):
            server.wait(20.0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_it_sleeps_when_there_is_nothing_to_do(server) -> None:
    peer = Peer(server, 1)
    joined(server, peer)
    before = server.cpu
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        peer.pump()
        time.sleep(0.02)
    assert server.cpu - before < 0.1
    peer.close()


def test_the_last_words_go_out_before_it_ends() -> None:
    server = open_thread()
    peers = [Peer(server, number) for number in range(4)]
    joined(server, *peers)
    server.push_many([0, 1, 2, 3], RELIABLE, b"bye" * 1000)
    server.flush()
    server.disconnect_all()
    server.close()
    server.close()
    assert not server.alive
    assert server.fileno() == -1
    counters = server.counters
    assert counters["disconnected"] == 4
    assert server.socket_counters["sent"] == counters["datagrams_sent"]
    for peer in peers:
        until(lambda peer=peer: not peer.connected, peer)
        assert peer.heard() == [(RELIABLE, b"bye" * 1000)]
        peer.close()
    with pytest.raises(ConnectionClosed):
        server.push(0, RELIABLE, b"x")
    with pytest.raises(ConfigError, match="started or closed before"):
        server.start()
    server.take()
    server.flush()
    server.disconnect_all()
    assert server.wait(0.0) is False
    assert server.cpu > 0


def test_misuse_says_what_is_wrong(server) -> None:
    with pytest.raises(ConfigError, match="started or closed before"):
        server.start()
    with pytest.raises(ConfigError, match="takes its turns itself"):
        server.turn(None, 0.0)
    with pytest.raises(ConfigError, match="a ServerThread owns it"):
        server.endpoint.events()
    assert server.next_deadline == float("inf")
    other = open_thread(start=False)
    endpoint = ServerEndpoint(other.config, entropy=bytes, epoch=0.0)
    with UdpSocketClosing() as plain, pytest.raises(ConfigError, match="needs a BatchSocket"):
        ServerThread(endpoint, plain)
    assert endpoint.events() == []  # still its own
    other.socket.close()
    with pytest.raises(ConfigError, match="it is closed"):
        ServerThread(endpoint, other.socket)
    with pytest.raises(ConfigError, match="it is closed"):
        other.start()
    other.close()


class UdpSocketClosing(UdpSocket):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0))

    def __enter__(self) -> UdpSocketClosing:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def test_before_the_start_everything_is_there_and_nothing_moves() -> None:
    server = open_thread(start=False)
    assert not server.alive
    assert server.native_id is None
    assert server.counters["connected"] == 0
    assert server.cpu == 0.0
    assert server.socket_counters["received"] == 0
    server.epoch += 1
    server.flush()
    server.take()
    assert server.connected == []
    server.close()


def test_a_socket_that_takes_nothing(server) -> None:
    """EAGAIN: the rest is carried over, messages wait in their queues, nobody spins."""
    peers = [Peer(server, number) for number in range(3)]
    joined(server, *peers)
    before = server.cpu
    with stuck(server.socket):
        for number in range(300):
            server.push_many([0, 1, 2], RELIABLE, b"%d" % number + bytes(900))
        server.flush()
        time.sleep(0.3)
        spent = server.cpu - before
        assert server.socket_counters["send_delayed"] > 0
    assert spent < 0.25
    heard: list[list[bytes]] = [[], [], []]

    def listen() -> bool:
        for peer, list_of in zip(peers, heard, strict=True):
            list_of += [data for _, data in peer.heard()]
        return all(len(each) >= 300 for each in heard)

    until(listen, *peers)
    expected = [b"%d" % number + bytes(900) for number in range(300)]
    assert heard == [expected] * 3
    for peer in peers:
        peer.close()


def test_a_constructor_that_fails_gives_the_endpoint_back(server, monkeypatch) -> None:
    with pytest.raises(ConfigError, match="made already"):
        server.__init__(server.endpoint, server.socket)
    assert server.alive
    endpoint = ServerEndpoint(server.config, entropy=random.Random(1).randbytes, epoch=0.0)
    socket = BatchSocket(("127.0.0.1", 0))
    with monkeypatch.context() as patch:

        def none_left(*_: int) -> int:
            raise OSError(24, "Too many open files")

        patch.setattr("os.eventfd" if sys.platform == "linux" else "socket.socketpair", none_left)
        with pytest.raises(OSError, match="Too many"):
            ServerThread(endpoint, socket)
    assert endpoint.connected == []
    ServerThread(endpoint, socket).close()


class Interrupted(Exception):
    """What a handler of a signal raises."""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
def test_a_close_that_is_interrupted_still_ends_the_thread(server) -> None:
    peer = Peer(server, 1)
    joined(server, peer)

    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    descriptor = server.socket.fileno()
    try:
        with stuck(server.socket):  # so that the last words take their time
            server.disconnect_all()
            server.flush()
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Interrupted):
                server.close()
            assert not server.alive
            assert server.socket.fileno() == -1
    finally:
        signal.signal(signal.SIGALRM, before)
        os.close(descriptor)  # opened again by ``stuck``


def test_it_goes_on_when_its_object_is_dropped_and_ends_with_close() -> None:
    server = open_thread()
    native, reference = server.native_id, weakref.ref(server)
    del server
    gc.collect()
    again = reference()
    assert again is not None  # as a socket in use, it has to be closed
    assert again.native_id == native
    again.close()
    del again
    gc.collect()
    assert reference() is None


def test_closing_the_socket_ends_it() -> None:
    server = open_thread()
    server.socket.close()
    until(lambda: not server.alive)
    with pytest.raises(ConnectionClosed, match="thread has ended"):
        fill(server)
    server.close()


def fill(server: ServerThread) -> None:
    """With more than the ring holds: somebody would have to empty it."""
    while True:
        server.epoch += 1


END = """
import sys
sys.path[:0] = {path!r}
from thread_line import *
server = open_thread()
print(server.socket.address[1], flush=True)
while not server.connected:
    server.wait(1.0)
    server.take()
{end}
"""


@pytest.mark.parametrize("end", ["sys.exit(3)", "raise KeyboardInterrupt", "del server"])
def test_an_interpreter_that_just_ends(end: str) -> None:
    """It neither hangs nor crashes, and what was flushed is sent."""
    words = "server.push(0, RELIABLE, b'last')\nserver.flush()\n"
    code = END.format(path=sys.path, end=words + end)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        peer = Peer.at(("127.0.0.1", port), 1)
        heard: list[tuple[int, bytes]] = []
        until(lambda: heard.extend(peer.heard()) or heard, peer)
        assert heard == [(RELIABLE, b"last")]
        assert process.wait(10) in (0, 1, 3, -2, 130)
        peer.close()


FORK = """
import os, sys, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)
sys.path[:0] = {path!r}
from thread_line import *
from netcode.errors import ConnectionClosed
server = open_thread()
peer = Peer(server, 1)
until(lambda: server.take() or server.connected, peer)
child = os.fork()
if child == 0:
    code = 1
    try:
        assert not server.alive
        server.take()
        server.flush()
        server.disconnect_all()
        server.counters, server.cpu, server.socket_counters
        try:
            server.push(0, RELIABLE, b"from the child")
        except ConnectionClosed:
            server.close()
            del server
            code = 0
    finally:
        os._exit(code) if {hard} else sys.exit(code)
assert os.waitpid(child, 0)[1] == 0
for _ in range(30):
    peer.pump()
    time.sleep(0.01)
assert peer.connected
server.push(0, RELIABLE, b"from the parent")
server.flush()
heard = []
until(lambda: heard.extend(peer.heard()) or heard, peer)
assert heard == [(RELIABLE, b"from the parent")], heard
assert server.counters["disconnected"] == 0
server.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("hard", [True, False])
def test_a_forked_child_has_no_thread_and_disturbs_nothing(hard: bool) -> None:
    code = FORK.format(path=sys.path, hard=hard)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
