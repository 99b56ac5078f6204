"""The same crowd in real time: the server in a process of its own, the clients in this one.

    python benchmarks/live.py thread --rate 12

says what share of it comes back, and what the server and the clients took for it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from crowd import CHANNELS, EPOCH
from echo import BareServer, Guests, PollServer, endpoint_of, give_back, udp
from peers import Missing

from netcode.channel import TransportConfig

__all__ = ["Shares", "live"]

TAIL: Final = 0.5
"""Seconds for what is still under way at the end."""

TICK: Final = 1 / 60
PATIENCE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Shares:
    """How a run went: ``delivered`` of all messages came back, the server took ``ns`` for each,
    and the clients needed ``late`` times the time they should have had."""

    delivered: float
    ns: float
    late: float


class ThreadServer:
    """Our endpoint with its I/O thread, and a game with a tick of 60 Hz."""

    def __init__(self, count: int, *, channels: TransportConfig | None) -> None:
        try:
            from netcode.io import ServerThread
        except ImportError as error:
            raise Missing(str(error)) from error
        self.socket = udp()
        self.address = self.socket.address
        self.make = ServerThread
        self.thread: Any = None
        self.count, self.channels = count, channels

    def start(self) -> None:
        """In the process where it is to run."""
        epoch = EPOCH - time.monotonic()
        self.thread = self.make(endpoint_of(self.count, self.channels, epoch), self.socket)
        self.thread.start()

    def turn(self, now: float) -> int:
        thread = self.thread
        thread.take()
        thread.receive_events()
        count = give_back(thread, thread.receive_messages())
        thread.flush()
        return count


def serve(server: Any, stop: int, now: Callable[[], float]) -> dict[str, float]:
    """Echo until the pipe ``stop`` can be read."""
    served = 0
    os.set_blocking(stop, False)
    while True:
        count = server.turn(now())
        served += count
        if isinstance(server, ThreadServer):
            time.sleep(TICK)
        elif not count:
            server.socket.wait(0.001)
        try:
            os.read(stop, 1)
        except BlockingIOError:
            continue
        return {"served": served, "cpu": time.process_time()}


class Remote:
    """A server in a child process, as its clients see it."""

    def __init__(self, server: Any) -> None:
        self.address = server.address

    def turn(self, now: float) -> int:
        time.sleep(0.001)
        return 0


def live(
    make: Callable[..., Any], count: int, payload: bytes, *, rate: float, seconds: float,
    channels: TransportConfig | None,
) -> Shares:  # fmt: skip
    """``make`` is BareServer, PollServer or ThreadServer."""
    bare = make is BareServer
    server = BareServer(count) if bare else make(count, channels=channels)
    guests = Guests(Remote(server), count, channels=channels)
    if bare:
        guests.meet(server.core)
    stop_read, stop_write = os.pipe()
    result_read, result_write = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if isinstance(server, ThreadServer):
                server.start()
            start = time.monotonic()
            if bare:
                server.core.run(stop_read)
                found = {"served": float(server.core.echoed), "cpu": time.process_time()}
            else:
                found = serve(server, stop_read, lambda: time.monotonic() - start)
            os.write(result_write, json.dumps(found).encode())
            status = 0
        finally:
            os._exit(status)
    try:
        if not bare:
            guests.connect()
        # The child's bill begins here, with what it took so far.
        before = cpu_of(child)
        took = guests.load.run(payload, rate, seconds, TAIL)
        after = cpu_of(child)
        os.write(stop_write, b".")
        os.read(result_read, 4096)
    finally:
        os.close(stop_write)
        os.waitpid(child, 0)
        for descriptor in (stop_read, result_read, result_write):
            os.close(descriptor)
        guests.close()
    load = guests.load
    if load.wrong:
        raise AssertionError(f"{load.wrong} wrong datagrams")
    return Shares(load.arrived / load.sent, (after - before) / max(load.arrived, 1), took / seconds)


def cpu_of(process: int) -> float:
    """Nanoseconds of processor time of all its threads."""
    return time.clock_gettime_ns(clock_of(process))


def clock_of(process: int) -> int:
    """Linux: MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED)."""
    return (~process << 3) | 2


SERVERS: Final = {"thread": ThreadServer, "poll": PollServer, "floor": BareServer}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("server", choices=SERVERS, help="floor: the bare loop")
    parser.add_argument("--rate", type=float, default=15.0, help="messages a second of a client")
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=300, help="bytes of a message")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--channels", action="store_true", help="messages, not raw payloads")
    options = parser.parse_args()
    if options.channels and options.server == "floor":
        parser.error("the bare loop has no channels")
    share = live(
        SERVERS[options.server], options.clients, bytes(options.size), rate=options.rate,
        seconds=options.seconds, channels=CHANNELS if options.channels else None,
    )  # fmt: skip
    print(
        f"{share.delivered:.4f} delivered; {share.ns:.0f} ns of the server a message; the clients "
        f"took {share.late:.2f} of the time they should have had"
    )


if __name__ == "__main__":
    main()
