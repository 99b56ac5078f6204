"""The limits of a Server hold whoever moves its datagrams: drops, then a disconnect, counted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import pytest
from session.harness import make_token, request
from thread_line import KEY, PROTOCOL, RELIABLE, UNRELIABLE, Peer, opened, until

import netcode as nc
from netcode.errors import ChannelFull
from netcode.io import BACKENDS, BatchSocket
from netcode.session import DatagramBatch

pytestmark = pytest.mark.udp

DRIVERS = ["poll"] if BACKENDS[0] == "python" else ["poll", "thread"]

OTHERS = {
    "handshake_rate": 31,
    "handshake_burst": 127,
    "receive_messages": 65_535,
    "receive_bytes": 63 << 20,
    "flood_limit": 4_095,
    "malformed_limit": 7,
    "token_history": 4_097,
    "max_handshakes": 257,
    "inbox_bytes": 15 << 20,
    "out_bytes": 63 << 20,
}
Make = Callable[..., nc.Server[Any]]


@pytest.fixture(params=DRIVERS)
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes a running server of this driver."""
    made: list[nc.Server[Any]] = []

    def server(**limits: int) -> nc.Server[Any]:
        made.append(
            nc.Server("127.0.0.1:0", key=KEY, protocol_id=PROTOCOL, io=request.param, max_clients=8,
                      limits=nc.ServerLimits(**limits))
        )  # fmt: skip
        made[-1].start()
        return made[-1]

    yield server
    while opened:
        opened.pop().close()
    for each in made:
        each.close()


def address_of(server: nc.Server[Any]) -> tuple[str, int]:
    host, port = server.address.split(":")
    return host, int(port)


def joined(server: nc.Server[Any], number: int = 1) -> Peer:
    peer = Peer.at(address_of(server), number)
    until(lambda: server.poll() or (peer.connected and server.endpoint.connected), peer)
    return peer


def counted(server: nc.Server[Any], name: str, least: int = 1) -> Callable[[], bool]:
    """Whether it is, after a poll."""

    def check() -> bool:
        server.poll()
        return server.counters[name] >= least

    return check


def test_every_limit_reaches_the_endpoint(make: Make) -> None:
    assert {each.name for each in fields(nc.ServerLimits)} == set(OTHERS)
    server, usual = make(**OTHERS), make()
    for name, value in OTHERS.items():
        assert getattr(server.endpoint.config, name) == value
        assert getattr(usual.endpoint.config, name) != value


@pytest.mark.parametrize("limit", [{"receive_messages": 50}, {"receive_bytes": 8000}])
def test_who_sends_too_much_loses_it_and_then_its_connection(
    make: Make, limit: dict[str, int]
) -> None:
    server = make(flood_limit=20, **limit)
    peer, calm = joined(server, 1), joined(server, 2)

    def shout() -> bool:
        for _ in range(10):
            with contextlib.suppress(ChannelFull):
                peer.endpoint.push(UNRELIABLE, bytes(900))
        return counted(server, "flooded")()

    until(shout, peer, calm)
    counters = server.counters
    assert counters["rate_limited"] > 20
    assert counters["flooded"] == 1
    until(lambda: not peer.connected, peer, calm)
    assert calm.connected


def test_malformed_payloads_are_counted_and_then_disconnect(make: Make) -> None:
    server = make(malformed_limit=3)
    peer = Peer.at(address_of(server), 1, channels=None)
    until(lambda: server.poll() or (peer.connected and server.endpoint.connected), peer)
    for _ in range(6):
        peer.endpoint.send_payload(b"\xff" * 40)
    until(lambda: server.poll() or not peer.connected, peer)
    assert server.counters["payload_malformed"] == 3


def test_forged_handshakes_of_one_address(make: Make) -> None:
    server = make(handshake_rate=1, handshake_burst=4)
    target = address_of(server)
    good = request(make_token(7, protocol_id=PROTOCOL, unix_now=time.time(), servers=[target]))
    forged = DatagramBatch()
    for number in range(12):
        forged.append(good[:60] + bytes([number]) * (len(good) - 60), target)
    line = BatchSocket(("127.0.0.1", 0))
    line.send(forged)
    until(counted(server, "request_rate", 8))
    line.close()
    assert server.counters["request_forged"] == 4


def test_handshakes_and_tokens_that_are_remembered(make: Make) -> None:
    def ask(server: nc.Server[Any], name: str) -> None:
        lines = [BatchSocket(("127.0.0.1", 0)) for _ in range(3)]
        target = address_of(server)
        for number, line in enumerate(lines):
            token = make_token(number, protocol_id=PROTOCOL, unix_now=time.time(), servers=[target])
            batch = DatagramBatch()
            batch.append(request(token), target)
            line.send(batch)
        until(counted(server, name, 2))
        assert server.counters["challenges_sent"] == 1
        for line in lines:
            line.close()

    ask(make(max_handshakes=1), "request_handshakes_full")
    ask(make(token_history=1), "request_history_full")


def test_messages_above_the_inbox_come_later(make: Make) -> None:
    server = make(inbox_bytes=4096)
    peer = joined(server)
    heard: list[bytes] = []
    server.take_message = lambda index, channel, data, now: heard.append(data)  # type: ignore[method-assign]
    sent = [bytes([number]) * 1000 for number in range(40)]
    for data in sent:
        peer.endpoint.push(RELIABLE, data)
    for _ in range(8):  # the game takes nothing meanwhile
        peer.pump()
        server.host.pump() if server.host.keeper else time.sleep(0.002)
    until(lambda: server.poll() or len(heard) >= len(sent), peer, seconds=20)
    assert heard == sent
    counters = server.counters
    assert counters["payload_inbox_full"] + counters["payload_inbox_share"] > 0


def test_datagrams_above_the_out_buffer_are_dropped_and_counted(make: Make) -> None:
    server = make(out_bytes=4096)
    peer = joined(server)
    sent = [bytes([number]) * 1000 for number in range(30)]
    for data in sent:
        server.endpoint.push(0, RELIABLE, data)
    server.host.flush()
    heard: list[bytes] = []

    def listen() -> bool:
        server.poll()
        heard.extend(data for _, data in peer.heard())
        return len(heard) >= len(sent)

    until(listen, peer, seconds=20)
    assert heard == sent  # reliable: they come again
    assert server.counters["out_full"] > 0


def test_misuse_says_what_is_wrong() -> None:
    with pytest.raises(nc.ConfigError, match=r"flood_limit: 0, must be 1 to 1000000000"):
        nc.ServerLimits(flood_limit=0)
    with pytest.raises(nc.ConfigError, match=r"out_bytes: 100, must be 4096 to"):
        nc.ServerLimits(out_bytes=100)
    with pytest.raises(nc.ConfigError, match=r"token_history: 1.5 is a float, must be an int"):
        nc.ServerLimits(token_history=1.5)  # type: ignore[arg-type]
    with pytest.raises(nc.ConfigError, match="limits: a dict, must be a ServerLimits"):
        nc.Server("127.0.0.1:0", limits={"flood_limit": 1})  # type: ignore[call-overload]
