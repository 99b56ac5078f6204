"""Tick by tick beside pyenet's server: workload W3t, a tick of 60 Hz, every client at 30 Hz.

Run as a program in a process of its own, where ENet is given the benchmark's time (enet_clock.c):
it pings everybody twice a second, and a slow machine must not put that on its bill.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from peers import Missing

__all__ = ["EnetGuests", "EnetServer", "beside_enet"]

HERE: Final = Path(__file__).resolve().parent
TICK: Final = 1 / 60
CHANNELS: Final = 2
BUFFER: Final = 4 << 20
PATIENCE: Final = 60.0
SLICE: Final = 256
"""Clients that connect at a time."""


def beside_enet(count: int, size: int, ticks: int) -> list[tuple[float, float]]:
    """(ours, pyenet's) nanoseconds of the server per echo, for each tick in which ENet echoed."""
    enet()
    compiler = (sysconfig.get_config_var("CC") or "cc").split()
    with tempfile.TemporaryDirectory() as folder:
        clock = Path(folder, "enet_clock.so")
        command = [*compiler, "-O2", "-shared", "-fPIC", str(HERE / "enet_clock.c"), "-o", clock]
        try:
            subprocess.run(command, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Missing(f"a C compiler: {error}") from error
        done = subprocess.run(
            [sys.executable, __file__, str(clock), str(count), str(size), str(ticks)],
            env={**os.environ, "LD_PRELOAD": str(clock)}, stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
    return [(ours, theirs) for ours, theirs in json.loads(done.stdout)]


def enet() -> Any:
    try:
        import enet as module
    except ImportError as error:
        raise Missing(f"pyenet: {error}") from error
    return module


def widen(host: Any) -> None:
    """Room for a tick's datagrams, of which ENet asks 256 KiB."""
    with socket.socket(fileno=os.dup(host.socket.fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        same.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)


class EnetServer:
    """Echoes on one host, as its users write it, with the fewest calls that do."""

    def __init__(self, count: int) -> None:
        self.enet = enet()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        address = self.enet.Address(b"127.0.0.1", self.port)
        self.host = self.enet.Host(address, count, CHANNELS, 0, 0)
        widen(self.host)

    def turn(self, now: float) -> int:
        """Drain, echo each message, flush once; how many messages."""
        host, packet = self.host, self.enet.Packet
        none, received = self.enet.EVENT_TYPE_NONE, self.enet.EVENT_TYPE_RECEIVE
        count = 0
        while True:
            before = host.totalReceivedPackets
            event = host.service(0)
            if event.type == none and host.totalReceivedPackets == before:
                break
            # What one call took from the socket; another call would look there again.
            while event is not None and event.type != none:
                if event.type == received:
                    event.peer.send(event.channelID, packet(event.packet.data))
                    count += 1
                event = host.check_events()
        host.flush()
        return count

    def close(self) -> None:
        self.host = None


class EnetGuests:
    """A client host each, with a socket of its own."""

    def __init__(self, server: EnetServer, count: int) -> None:
        self.enet = server.enet
        self.server = server
        self.count = count
        self.hosts: list[Any] = []
        self.peers: list[Any] = []

    def connect(self, clock: Any) -> None:
        target = self.enet.Address(b"127.0.0.1", self.server.port)
        end = time.monotonic() + PATIENCE
        for first in range(0, self.count, SLICE):
            waiting = set(range(first, min(first + SLICE, self.count)))
            for _ in waiting:
                host = self.enet.Host(None, 1, CHANNELS, 0, 0)
                self.hosts.append(host)
                self.peers.append(host.connect(target, CHANNELS))
            while waiting:
                for n in tuple(waiting):
                    if self.hosts[n].service(0).type == self.enet.EVENT_TYPE_CONNECT:
                        waiting.discard(n)
                self.server.turn(0.0)
                clock.enet_clock_advance(1000)
                if time.monotonic() > end:
                    raise AssertionError(f"{len(waiting)} ENet clients did not connect")

    def send(self, first: int, step: int, payload: bytes) -> int:
        """A message of every ``step``-th client from ``first`` on; how many."""
        packet = self.enet.Packet
        numbers = range(first, self.count, step)
        for n in numbers:
            self.peers[n].send(0, packet(payload))
            self.hosts[n].flush()
        return len(numbers)

    def collect(self, first: int, step: int) -> int:
        """How many echoes those clients got."""
        found = 0
        for n in range(first, self.count, step):
            while (event := self.hosts[n].service(0)).type != self.enet.EVENT_TYPE_NONE:
                found += event.type == self.enet.EVENT_TYPE_RECEIVE
        return found

    def close(self) -> None:
        self.peers.clear()
        self.hosts.clear()


def main(library: str, count: int, size: int, ticks: int) -> None:
    from crowd import CHANNELS as CONFIG
    from echo import Guests, PollServer

    clock = ctypes.CDLL(library)
    payload = bytes(size)
    theirs = EnetServer(count)
    crowd = EnetGuests(theirs, count)
    crowd.connect(clock)
    ours = PollServer(count, channels=CONFIG)
    guests = Guests(ours, count, channels=CONFIG)
    now = guests.connect(0.0)
    found = []
    for tick in range(ticks):
        half = tick % 2
        crowd.send(half, 2, payload)
        start = time.thread_time_ns()
        echoed = theirs.turn(now)
        enet_ns = time.thread_time_ns() - start
        back = crowd.collect(half, 2)
        guests.load.send(count * half // 2, count * (half + 1) // 2, payload, now)
        start = time.thread_time_ns()
        echoed_by_us = ours.turn(now)
        our_ns = time.thread_time_ns() - start
        guests.load.collect(payload, now)
        if echoed_by_us != count // 2:
            raise AssertionError(f"tick {tick}: {echoed_by_us} echoes of {count // 2}")
        # ENet's throttle may drop unreliable packets, on loopback too: then it has less to do.
        if min(echoed, back) >= 0.5 * echoed_by_us:
            found.append((our_ns / echoed_by_us, enet_ns / echoed))
        now += TICK
        clock.enet_clock_advance(round(TICK * 1e6))
    if guests.load.wrong or guests.load.arrived != guests.load.sent:
        raise AssertionError(f"{guests.load.arrived} of {guests.load.sent} came back")
    if len(found) < ticks * 3 // 4:
        raise AssertionError(f"ENet echoed enough in {len(found)} of {ticks} ticks only")
    print(json.dumps(found))


if __name__ == "__main__":
    sys.path.append(str(HERE.parent))
    main(sys.argv[1], *map(int, sys.argv[2:5]))
