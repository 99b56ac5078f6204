"""The I/O thread under a flood on real UDP: the clients stay, and new ones come in."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator

import pytest
from session.harness import make_token, request
from thread_line import KEY, PROTOCOL, RELIABLE, Peer, open_thread, opened

from netcode.errors import ConfigError
from netcode.io import BACKENDS, BatchSocket, ServerThread
from netcode.session import ClientConnected, DatagramBatch

pytestmark = [
    pytest.mark.udp,
    pytest.mark.skipif(BACKENDS[0] == "python", reason="no I/O thread on this system"),
]

CLIENTS = 500
BURST = 100


class Flood(threading.Thread):
    """Sends ``rate`` hostile datagrams a second, as far as this machine can, from four sockets."""

    def __init__(self, target: tuple[str, int], rate: int, rng: random.Random) -> None:
        super().__init__(daemon=True)
        self.rate = rate
        self.sent = 0
        self.over = False
        # Not from the clients' address: that one's rate of failed handshakes is soon used up.
        try:
            self.lines = [BatchSocket((f"127.0.0.{n}", 0)) for n in range(2, 6)]
        except ConfigError:
            pytest.skip("127.0.0.1 is the only loopback address of this system")
        self.bursts = [hostile(target, rng) for _ in range(16)]

    def run(self) -> None:
        start = time.monotonic()
        number = 0
        while not self.over:
            due = (time.monotonic() - start) * self.rate
            if self.sent >= due:
                time.sleep(0.0005)
                continue
            if due - self.sent > self.rate / 20:  # it fell behind: no burst makes up for it
                start += (due - self.sent) / self.rate
            self.lines[number % 4].send(self.bursts[number % 16])
            self.sent += BURST
            number += 1

    def end(self) -> None:
        self.over = True
        self.join()
        for line in self.lines:
            line.close()


def hostile(target: tuple[str, int], rng: random.Random) -> DatagramBatch:
    """Garbage, packets of nobody, forged requests of the right size, and expired tokens."""
    batch = DatagramBatch()
    now = time.time()
    token = make_token(
        999, private_key=KEY, protocol_id=PROTOCOL, servers=[target], unix_now=now, expires_in=600
    )
    good = request(token)
    old = make_token(
        998, private_key=KEY, protocol_id=PROTOCOL, servers=[target], unix_now=now - 1000
    )
    for number in range(BURST):
        kind = number % 4
        if kind == 0:
            data = rng.randbytes(rng.randrange(1, 1200))
        elif kind == 1:
            data = bytes([0x25]) + rng.randbytes(rng.randrange(18, 400))
        elif kind == 2:
            data = good[:60] + rng.randbytes(len(good) - 60)
        else:
            data = request(old)
        batch.append(data, target)
    return batch


@contextlib.contextmanager
def crowded(clients: int) -> Iterator[tuple[ServerThread, list[Peer]]]:
    server = open_thread(max_clients=clients + 8)
    try:
        peers: list[Peer] = []
        for at in range(0, clients, 50):  # as many at once as the smallest buffers hold
            peers += (Peer(server, at + each) for each in range(min(50, clients - at)))
            end = time.monotonic() + 20
            while not all(peer.connected for peer in peers[at:]):
                assert time.monotonic() < end
                for peer in peers[at:]:
                    peer.pump()
        yield server, peers
    finally:
        while opened:
            opened.pop().close()
        server.close()


def flood(seconds: float, rate: int, seed: int) -> None:
    with crowded(CLIENTS) as (server, peers):
        server.take()
        index = {event.client_id: event.index for event in server.events()
                 if isinstance(event, ClientConnected)}  # fmt: skip
        assert len(index) == CLIENTS
        heard: dict[int, list[int]] = {at: [] for at in index.values()}
        echoes: list[list[int]] = [[] for _ in peers]
        said = 0

        def turn(*, talk: bool) -> None:
            nonlocal said
            for number, peer in enumerate(peers):
                if talk:
                    peer.endpoint.push(RELIABLE, said.to_bytes(4, "little"))
                peer.pump()
                echoes[number] += (int.from_bytes(data, "little") for _, data in peer.heard())
            said += talk
            server.take()
            server.events()
            for at, channel, data in server.messages():
                heard[at].append(int.from_bytes(data, "little"))
                server.push(at, channel, data)
            server.flush()

        evil = Flood(server.socket.address, rate, random.Random(seed))
        evil.start()
        start = time.monotonic()
        newcomer = None
        came_after = None
        try:
            while time.monotonic() < start + seconds:
                turn(talk=True)
                if newcomer is None and time.monotonic() > start + seconds / 4:
                    newcomer, asked = Peer(server, 77_777), time.monotonic()
                if newcomer is not None and came_after is None:
                    newcomer.pump()
                    if newcomer.connected:
                        came_after = time.monotonic() - asked
        finally:
            evil.end()
        assert came_after is not None
        assert came_after <= 1.0
        end = time.monotonic() + 20
        while not all(len(each) == said for each in echoes):
            assert time.monotonic() < end, "something was lost"
            turn(talk=False)
        counters = server.counters
        print(f"{evil.sent / seconds:.0f} hostile datagrams a second, {said} rounds, "
              f"joined after {came_after:.3f} s, {server.socket_counters['receive_overflow']} "
              f"found the buffer full, thread {server.cpu:.2f} s CPU")  # fmt: skip
        everything = list(range(said))
        assert all(heard[at] == everything for at in index.values())
        assert echoes == [everything] * CLIENTS
        assert all(peer.connected for peer in peers)
        assert counters["request_rate"] + counters["request_forged"] > 0
        for name in ("request_expired", "unknown_sender"):
            assert counters[name] > 0, name
        assert counters["disconnected"] == 0


def test_most_of_a_second_of_flood(seed: int) -> None:
    flood(0.8, 50_000, seed)


@pytest.mark.soak
def test_five_seconds_of_flood(seed: int) -> None:
    flood(5, 50_000, seed)
