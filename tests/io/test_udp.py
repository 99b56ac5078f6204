import socket
import time

import pytest

from netcode.errors import ConfigError
from netcode.io.conditioned import Outgoing as Batch
from netcode.io.sockets import has_ipv6
from netcode.io.udp import BACKLOG, UdpSocket

pytestmark = pytest.mark.udp


@pytest.fixture
def pair():
    sockets = UdpSocket(("127.0.0.1", 0)), UdpSocket(("127.0.0.1", 0))
    yield sockets
    for each in sockets:
        each.close()


def receive(sock: UdpSocket, count: int) -> list[tuple[bytes, tuple[str, int]]]:
    batch = Batch(())
    end = time.monotonic() + 2
    while len(batch) < count and time.monotonic() < end:
        sock.wait(0.2)
        sock.receive_into(batch)
    return batch.items


def test_a_batch_arrives_with_its_source_address(pair) -> None:
    a, b = pair
    a.send(Batch([(b"one", b.address), (b"two", b.address)]))
    assert receive(b, 2) == [(b"one", a.address), (b"two", a.address)]
    assert a.counters["sent"] == 2
    assert b.counters["received_bytes"] == 6


def test_wait_sleeps_at_most_the_timeout(pair) -> None:
    start = time.monotonic()
    assert not pair[0].wait(0.02)
    assert 0.015 < time.monotonic() - start < 0.5
    assert not pair[0].wait(-1.0)


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_dual_stack_sees_ipv4_peers_as_ipv4_and_answers_them() -> None:
    server, four, six = UdpSocket(("", 0)), UdpSocket(("127.0.0.1", 0)), UdpSocket(("::1", 0))
    try:
        port = server.address[1]
        four.send(Batch([(b"4", ("127.0.0.1", port))]))
        six.send(Batch([(b"6", ("::1", port))]))
        got = dict(receive(server, 2))
        assert got == {b"4": four.address, b"6": six.address}
        server.send(Batch([(b"re", address) for address in got.values()]))
        assert receive(four, 1)[0] == (b"re", ("127.0.0.1", port))
        assert receive(six, 1)[0] == (b"re", ("::1", port))
    finally:
        for each in (server, four, six):
            each.close()


def test_an_icmp_refusal_of_one_peer_harms_nobody(pair) -> None:
    a, b = pair
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        dead = ("127.0.0.1", probe.getsockname()[1])
    for _ in range(5):
        a.send(Batch([(b"x", dead), (b"y", b.address)]))
    assert len(receive(b, 5)) == 5


def test_oversized_datagrams_are_dropped_and_counted(pair) -> None:
    a, b = pair
    a.send(Batch([(bytes(1409), b.address), (bytes(1408), b.address)]))
    assert [len(data) for data, _ in receive(b, 1)] == [1408]
    assert b.counters["receive_truncated"] == 1


def test_what_the_system_refuses_is_kept_in_order_and_bounded(pair, monkeypatch) -> None:
    a, b = pair
    real = a.send_one
    monkeypatch.setattr(a, "send_one", lambda data, address: False)
    a.send(Batch([(b"%d" % i, b.address) for i in range(3)]))
    assert a.counters["send_delayed"] == 3
    monkeypatch.setattr(a, "send_one", real)
    a.send(Batch([(b"3", b.address)]))
    assert [data for data, _ in receive(b, 4)] == [b"0", b"1", b"2", b"3"]
    monkeypatch.setattr(a, "send_one", lambda data, address: False)
    a.send(Batch([(b"x", b.address)] * (BACKLOG + 10)))
    assert len(a.backlog) == BACKLOG
    assert a.counters["send_overflow"] == 10


def test_a_taken_port_is_a_config_error(pair) -> None:
    with pytest.raises(ConfigError, match="cannot bind UDP"):
        UdpSocket(pair[0].address)


def test_a_closed_socket_receives_and_sends_nothing(pair) -> None:
    a, b = pair
    a.close()
    a.close()
    assert a.receive_into(Batch(())) == 0
    a.send(Batch([(b"x", b.address)]))
    assert not a.wait(0.001)
