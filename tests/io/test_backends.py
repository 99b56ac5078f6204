"""Every UDP back end against every other, on loopback."""

from __future__ import annotations

import os
import random
import socket
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from udp_line import batch_of, quiet, receive, stuck

from netcode.errors import ConfigError
from netcode.io import BACKENDS, open_udp
from netcode.io.conditioned import Outgoing
from netcode.io.sockets import has_ipv6
from netcode.io.system import HAS_MMSG
from netcode.session import DatagramBatch

pytestmark = pytest.mark.udp

IPV6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
HOSTS = ["127.0.0.1", pytest.param("::1", marks=IPV6)]

Open = Callable[..., object]


@pytest.fixture
def opened() -> Iterator[Open]:
    made = []

    def open_one(backend: str | None, host: str = "127.0.0.1", **options):
        made.append(open_udp((host, 0), backend=backend, **options))
        return made[-1]

    yield open_one
    for each in made:
        each.close()


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("there", BACKENDS)
def test_a_batch_arrives_in_order_with_its_source(opened, backend, there, host, rng) -> None:
    a, b = opened(backend, host), opened(there, host)
    sizes = [0, 1, 1200, 1408, *(rng.randrange(1409) for _ in range(200))]
    sent = [rng.randbytes(size) for size in sizes]
    a.send(batch_of(*((data, b.address) for data in sent)))
    assert receive(b, len(sent), slots=rng.choice((0, 1, 7, 300))) == [
        (data, a.address) for data in sent
    ]
    b.send(batch_of((b"back", a.address)))
    assert receive(a, 1) == [(b"back", b.address)]
    assert a.counters["sent"] == b.counters["received"] == len(sent)
    assert a.counters["sent_bytes"] == b.counters["received_bytes"] == sum(sizes)


def test_a_batch_for_many_peers(opened, backend, rng) -> None:
    a = opened(backend)
    peers = [opened(rng.choice(BACKENDS)) for _ in range(12)]
    sent: dict[int, list[bytes]] = {peer.address[1]: [] for peer in peers}
    batch = DatagramBatch()
    for _ in range(300):
        peer = rng.choice(peers)
        for _ in range(rng.choice((1, 1, 1, 5))):
            data = rng.randbytes(rng.choice((40, 40, 300)))
            batch.append(data, peer.address)
            sent[peer.address[1]].append(data)
    a.send(batch)
    for peer in peers:
        expected = sent[peer.address[1]]
        assert [data for data, _ in receive(peer, len(expected))] == expected


def test_any_batch_will_do(opened, backend) -> None:
    a, b = opened(backend), opened(backend)
    a.send(Outgoing([(b"1", b.address), (bytearray(b"2"), b.address)]))
    assert b.wait(1.0)
    got = Outgoing(())
    assert b.receive_into(got) == 2
    assert [bytes(data) for data, _ in got] == [b"1", b"2"]


@IPV6
@pytest.mark.parametrize("host", ["", "::"])
def test_dual_stack_sees_ipv4_as_ipv4_and_answers_it(opened, backend, host) -> None:
    server = opened(backend, host)
    peers = {"127.0.0.1": opened("python"), "::1": opened("python", "::1")}
    for home, peer in peers.items():
        peer.send(batch_of((home.encode(), (home, server.address[1]))))
    got = dict(receive(server, 2))
    assert got == {home.encode(): peer.address for home, peer in peers.items()}
    server.send(batch_of(*((b"re", address) for address in got.values())))
    for home, peer in peers.items():
        assert receive(peer, 1) == [(b"re", (home, server.address[1]))]


@IPV6
def test_an_ipv6_address_alone_is_ipv6_only(opened, backend) -> None:
    six = opened(backend, "::1")
    four = open_udp(("127.0.0.1", six.address[1]), backend=backend)  # the port is free for IPv4
    try:
        six.send(batch_of((b"x", four.address), (b"y", six.address)))
        assert receive(six, 1) == [(b"y", six.address)]
        assert six.counters["send_errors"] == 1
        assert quiet(four)
    finally:
        four.close()


def test_one_bad_address_costs_only_its_own_datagram(opened, backend) -> None:
    a, b = opened(backend), opened(backend)
    good = [(b"%d" % i, b.address) for i in range(6)]
    # Nothing leaves: broadcast is not allowed, the rest is no address of an IPv4 socket.
    bad = [("255.255.255.255", 9), ("127.0.0.1", 0), ("::1", 9), ("255.255.255.255", 9)]
    mixed = [good[0], *((b"bad", address) for address in bad), *good[1:], (b"bad", bad[0])]
    a.send(batch_of(*mixed))
    assert receive(b, 6) == [(data, a.address) for data, _ in good]
    counters = a.counters
    assert counters["send_errors"] == 5
    by_name = {name: n for name, n in counters.items() if name.startswith("send_errors_")}
    assert sum(by_name.values()) + counters.get("send_unreachable", 0) == 5
    assert any(name.startswith("send_errors_E") for name in by_name)


def test_longer_than_a_slot_is_dropped_and_the_rest_stays_whole(opened, backend, rng) -> None:
    a, b = opened("python"), opened(backend)
    sizes = [1409, 20, 1408, 1409, 65_507, 1000, 0, 1409, 3]
    sent = [rng.randbytes(size) for size in sizes]
    a.send(batch_of(*((data, b.address) for data in sent)))
    fit = [data for data in sent if len(data) <= 1408]
    assert [data for data, _ in receive(b, len(fit), slots=16)] == fit
    assert b.counters["receive_truncated"] == 4


def test_bursts_larger_than_the_buffer_lose_whole_datagrams_only(opened, backend) -> None:
    a, b = opened(backend), opened(backend, receive_buffer=16 << 10)
    sent = [b"%04d" % i + bytes(296) for i in range(1000)]
    a.send(batch_of(*((data, b.address) for data in sent)))
    got = [data for data, _ in receive(b, 1000, seconds=0.2)]
    assert 5 < len(got) < 1000
    assert got == sent[: len(got)]
    assert a.counters["sent"] == 1000
    if sys.platform == "linux" and backend != "python":
        assert b.counters["receive_overflow"] == 1000 - len(got)
    a.send(batch_of((b"after", b.address)))
    assert receive(b, 1) == [(b"after", a.address)]


@pytest.mark.skipif(os.name != "posix", reason="descriptors are swapped")
def test_what_the_system_refuses_waits_in_order(opened, backend) -> None:
    a, b = opened(backend), opened(backend)
    sent = [b"%05d" % i for i in range(200)]
    with stuck(a):
        a.send(batch_of(*((data, b.address) for data in sent[:100])))
        a.send(batch_of(*((data, b.address) for data in sent[100:150])))
        assert not a.wait(0.01)
        assert a.counters["send_delayed"] == 150
        assert a.counters["sent"] == 0
        assert a.next_deadline < time.monotonic() + 0.1
    if backend != "python":
        assert a.waiting == 150
        assert a.wait(1.0)  # the socket can be written
    a.send(batch_of(*((data, b.address) for data in sent[150:])))
    assert [data for data, _ in receive(b, 200)] == sent
    assert a.next_deadline == float("inf")
    assert a.counters["send_delayed"] == 150
    assert a.counters["send_overflow"] == a.counters["send_errors"] == 0


@pytest.mark.skipif(os.name != "posix", reason="descriptors are swapped")
def test_what_waits_is_bounded_and_the_oldest_are_lost(opened, backend) -> None:
    a, b = opened(backend), opened(backend, receive_buffer=32 << 20)
    sent = [b"%05d" % i for i in range(13_000)]
    with stuck(a):
        for at in range(0, len(sent), 1300):
            a.send(batch_of(*((data, b.address) for data in sent[at : at + 1300])))
    a.send(DatagramBatch())
    got = [data for data, _ in receive(b, 4096)]
    assert got == sent[-4096:][: len(got)]
    assert len(got) > 500  # as the buffer allows
    assert a.counters["send_overflow"] == 13_000 - 4096
    assert a.counters["sent"] == 4096


def test_an_unreachable_peer_harms_nobody(opened, backend) -> None:
    a, b = opened(backend), opened(backend)
    gone = open_udp(("127.0.0.1", 0))
    dead = gone.address
    gone.close()
    for _ in range(20):
        a.send(batch_of((b"x", dead), (b"y", b.address)))
        a.receive_into(DatagramBatch())
    assert len(receive(b, 20)) == 20
    b.send(batch_of((b"z", a.address)))
    assert receive(a, 1) == [(b"z", b.address)]


@pytest.mark.skipif(sys.platform != "linux", reason="IP_RECVERR")
def test_errors_reported_late_are_counted_and_passed_over(opened, backend) -> None:
    a, b = opened(backend), opened(backend)
    a.socket.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR: ICMP errors fail later calls
    gone = open_udp(("127.0.0.1", 0))
    dead = gone.address
    gone.close()
    for i in range(10):
        a.send(batch_of((b"%d" % i, b.address), (b"x", dead), (b"y", dead)))
        a.receive_into(DatagramBatch())
    assert a.counters["send_errors"] + a.counters["receive_errors"] > 0
    b.send(batch_of((b"z", a.address)))
    assert receive(a, 1) == [(b"z", b.address)]
    assert a.counters["sent"] + a.counters["send_errors"] == 30


def test_a_closed_socket_receives_and_sends_nothing(opened, backend) -> None:
    a, b = opened(backend), opened(backend)
    b.send(batch_of((b"x", a.address)))
    a.close()
    a.close()
    assert a.fileno() == -1
    assert a.receive_into(DatagramBatch()) == 0
    a.send(batch_of((b"x", b.address)))
    assert not a.wait(0.001)
    assert a.counters["received"] == 0
    assert quiet(b)


def test_a_taken_port_is_a_config_error(opened, backend) -> None:
    taken = opened(backend).address
    with pytest.raises(ConfigError, match="cannot bind UDP"):
        open_udp(taken, backend=backend)


def test_the_best_back_end_is_the_default(opened) -> None:
    made = opened(None)
    assert getattr(made, "backend", "python") == BACKENDS[0]
    if HAS_MMSG:
        assert BACKENDS == ("mmsg", "single", "python")
    with pytest.raises(ConfigError, match=r"no 'uring', must be one of .*python"):
        open_udp(("127.0.0.1", 0), backend="uring")


def test_noise_between_all_back_ends(opened, rng: random.Random) -> None:
    """Everybody to everybody, in small random batches, while reading now and then."""
    all_of_them = [opened(each) for each in BACKENDS for _ in range(2)]
    sent = {peer.address: [] for peer in all_of_them}
    got = {peer.address: [] for peer in all_of_them}
    for _ in range(60):
        sender, batch = rng.choice(all_of_them), DatagramBatch()
        for _ in range(rng.randrange(1, 90)):
            to, data = rng.choice(all_of_them).address, rng.randbytes(rng.randrange(64))
            batch.append(data, to)
            sent[to].append((data, sender.address))
        sender.send(batch)
        reader = rng.choice(all_of_them)
        got[reader.address] += receive(reader, 1, seconds=0.001, slots=rng.choice((0, 3)))
    for peer in all_of_them:
        missing = len(sent[peer.address]) - len(got[peer.address])
        got[peer.address] += receive(peer, missing)
    assert got == sent
