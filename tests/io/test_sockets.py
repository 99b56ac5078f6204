"""Options every UDP socket of ours gets."""

from __future__ import annotations

import logging
import socket
import sys

import pytest

from netcode.io import sockets
from netcode.io.sockets import buffers_for, has_ipv6, open_socket, size_buffers

pytestmark = pytest.mark.udp

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="options of Linux")


class Granting:
    """A socket of a system that grants at most ``most`` bytes, and forces nothing."""

    def __init__(self, most: int, *, refuses: bool = False) -> None:
        self.most = most
        self.refuses = refuses
        self.given = 1000

    def setsockopt(self, level: int, option: int, value: int) -> None:
        if option in (sockets.SO_RCVBUFFORCE, sockets.SO_SNDBUFFORCE):
            raise PermissionError
        if self.refuses and value > self.most:
            raise OSError
        self.given = min(value, self.most)

    def getsockopt(self, level: int, option: int) -> int:
        return 2 * self.given if sys.platform == "linux" else self.given


@pytest.fixture(autouse=True)
def unwarned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "warned", set())


def test_a_small_grant_is_said_once_with_its_remedy(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "netcode"):
        for _ in range(3):
            assert size_buffers(Granting(200_000), 4 << 20, 1 << 20) == (200_000, 200_000)
    assert len(caplog.records) == 2
    if sys.platform == "linux":
        assert "sysctl -w net.core.rmem_max=4194304" in caplog.records[0].message
        assert "sysctl -w net.core.wmem_max=1048576" in caplog.records[1].message


def test_enough_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    assert size_buffers(Granting(200_000), 256 << 10, 65536) == (200_000, 65536)
    assert caplog.records == []


def test_a_system_that_refuses_is_asked_for_less() -> None:
    assert size_buffers(Granting(300_000, refuses=True), 1 << 20, 1 << 20) == (262_144, 262_144)
    assert size_buffers(Granting(10, refuses=True), 1 << 20, 1 << 20) == (1000, 1000)


def test_more_peers_ask_for_more() -> None:
    assert buffers_for(1) == buffers_for(64) == (256 << 10, 256 << 10)
    assert buffers_for(1000) == (4_096_000, 2_048_000)
    assert buffers_for(10_000) == buffers_for(65_535) == (8 << 20, 4 << 20)


@LINUX
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", ""])
def test_datagrams_are_not_fragmented(host: str) -> None:
    if ":" in host and not has_ipv6():
        pytest.skip("no IPv6 here")
    made, dual = open_socket((host, 0))
    with made:
        if made.family == socket.AF_INET6:
            assert made.getsockopt(socket.IPPROTO_IPV6, 23) == 3
            assert made.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == (not dual)
        if made.family == socket.AF_INET or dual:
            assert made.getsockopt(socket.IPPROTO_IP, 10) == 3


def test_every_interface_is_ipv4_where_there_is_no_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "has_ipv6", lambda: False)
    made, dual = open_socket(("", 0))
    with made:
        assert made.family == socket.AF_INET
        assert not dual
