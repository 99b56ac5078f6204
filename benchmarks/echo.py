"""Servers on a real socket that echo what a crowd of encrypted clients sends, and its lockstep.

In lockstep one thread plays clients and servers in turn, and only the servers' turns are timed: a
busy machine cannot disturb it, and no datagram is lost. ``live.py`` lets them run free.
"""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
from compiled import compiled
from crowd import EPOCH, KEY, PROTOCOL, SERVER, UNRELIABLE, token
from peers import Missing

from netcode.channel import TransportConfig
from netcode.channel.settings import ChannelSettings
from netcode.io import open_udp
from netcode.session import (
    ClientConfig,
    ClientEndpoint,
    ClientState,
    DatagramBatch,
    ServerConfig,
    ServerEndpoint,
)

__all__ = [
    "BareServer",
    "DeskServer",
    "Guests",
    "PollServer",
    "endpoint_of",
    "give_back",
    "lockstep",
]

BATCH: Final = 128
"""Datagrams taken or sent at a time: few enough to stay in the cache."""

BUFFER: Final = 4 << 20
PERIOD: Final = 0.05
FIRST_SEQUENCE: Final = 1000
"""Of a client's packets after its handshake, which needs far fewer."""

ROUNDS_TO_CONNECT: Final = 200


class EchoServer(Protocol):
    """``turn`` echoes all that has arrived and returns how many messages that were."""

    address: tuple[str, int]

    def turn(self, now: float) -> int: ...


def endpoint_of(count: int, channels: TransportConfig | None, epoch: float = EPOCH) -> Any:
    return ServerEndpoint(
        ServerConfig(
            protocol_id=PROTOCOL, private_key=KEY, addresses=(SERVER,), max_clients=count,
            channels=channels, inbox_bytes=1 << 28, out_bytes=1 << 26,
        ),
        entropy=random.Random(4).randbytes,
        epoch=epoch,
    )  # fmt: skip


def udp() -> Any:
    return open_udp(("127.0.0.1", 0), receive_buffer=BUFFER, send_buffer=BUFFER)


def give_back(server: Any, received: Any) -> int:
    """What a game does: a batch of arrays in, one call for everybody's answer out."""
    count = len(received)
    if count:
        records = received.records
        offsets = np.empty(count + 1, np.int64)
        offsets[:-1] = records["offset"]
        offsets[-1] = int(records["offset"][-1]) + int(records["size"][-1])
        if server.config.channels is None:
            server.send_payloads(records["index"], received.buffer, offsets)
        else:
            server.push_many(records["index"], UNRELIABLE, received.buffer, offsets)
    return count


class PollServer:
    """Our endpoint and socket, driven by calls in the game's own loop."""

    def __init__(self, count: int, *, channels: TransportConfig | None) -> None:
        self.socket = udp()
        self.address = self.socket.address
        self.endpoint = endpoint_of(count, channels)
        self.batch = DatagramBatch(slots=BATCH)

    def turn(self, now: float) -> int:
        batch, endpoint, udp_socket = self.batch, self.endpoint, self.socket
        while True:
            batch.clear()
            if not udp_socket.receive_into(batch):
                break
            endpoint.receive(batch, now)
        endpoint.update(now)
        endpoint.receive_events()
        count = give_back(endpoint, endpoint.receive_messages())
        while True:
            udp_socket.send(endpoint.send(now, limit=BATCH))
            if not endpoint.waiting:
                return count

    def close(self) -> None:
        self.socket.close()


class DeskServer:
    """What the I/O thread and the game do together, both on this thread: rings and all."""

    def __init__(self, count: int, *, channels: TransportConfig | None) -> None:
        try:
            from netcode.session import ServerDesk
        except ImportError as error:
            raise Missing(str(error)) from error
        self.socket = udp()
        self.address = self.socket.address
        self.desk = ServerDesk(endpoint_of(count, channels))
        self.batch = DatagramBatch(slots=BATCH)

    def owner(self, now: float) -> None:
        """The I/O thread's loop until there is nothing to do."""
        batch = self.batch
        while True:
            batch.clear()
            got = self.socket.receive_into(batch)
            out = self.desk.turn(batch, now, limit=BATCH)
            self.socket.send(out)
            if not got and self.desk.next_deadline > now:
                return

    def turn(self, now: float) -> int:
        desk = self.desk
        self.owner(now)
        desk.take()
        desk.receive_events()
        count = give_back(desk, desk.receive_messages())
        desk.flush()
        self.owner(now)
        return count

    def close(self) -> None:
        self.socket.close()


class BareServer:
    """The floor, on a socket of its own."""

    def __init__(self, count: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        self.socket.bind(("127.0.0.1", 0))
        self.address = self.socket.getsockname()
        self.core = compiled("bare").Bare(self.socket.fileno(), count, protocol_id=PROTOCOL)

    def turn(self, now: float) -> int:
        return int(self.core.drain())

    def close(self) -> None:
        self.socket.close()


class Guests:
    """The clients of one server: ``load`` sends and checks for all of them, in C."""

    def __init__(self, server: EchoServer, count: int, *, channels: TransportConfig | None) -> None:
        self.server = server
        self.count = count
        self.channels = channels
        self.rng = random.Random(1)
        order = list(range(count))
        self.rng.shuffle(order)
        self.settings = None if channels is None else ChannelSettings(channels)
        self.load = compiled("load").Load(
            server.address, order, protocol_id=PROTOCOL, settings=self.settings,
            channel=UNRELIABLE,
        )  # fmt: skip

    def meet(self, core: Any) -> None:
        """Make keys known to the bare server, which has no handshake."""
        for n in range(self.count):
            up, down = self.rng.randbytes(32), self.rng.randbytes(32)
            core.set_keys(n, up, down, FIRST_SEQUENCE)
            self.load.set_keys(n, up, down, FIRST_SEQUENCE)

    def connect(self, now: float = 0.0) -> float:
        """Everyone's handshake over the socket; the time afterwards."""
        for first in range(0, self.count, BATCH):
            now = self.connect_some(range(first, min(first + BATCH, self.count)), now)
        return now + PERIOD

    def connect_some(self, part: range, now: float) -> float:
        tokens = {n: token(n, self.rng) for n in part}
        clients = {
            n: ClientEndpoint(ClientConfig(token=tokens[n], channels=self.channels)) for n in part
        }
        for _ in range(ROUNDS_TO_CONNECT):
            for n in part:
                clients[n].update(now)
                for data, _ in clients[n].send(now):
                    self.load.send_datagram(n, data)
            self.server.turn(now)
            for n, data in self.load.receive_datagrams():
                if n in clients:
                    clients[n].receive_datagram(data, SERVER, now)
            now += 0.0001
            if all(each.state is ClientState.CONNECTED for each in clients.values()):
                break
        else:
            raise AssertionError(f"clients {part} did not connect")
        for n in part:
            keys = tokens[n].client_to_server_key, tokens[n].server_to_client_key
            self.load.set_keys(n, *keys, FIRST_SEQUENCE)
        return now

    def check(self) -> None:
        """All came back, and nothing else."""
        load = self.load
        if load.wrong or load.arrived != load.sent:
            raise AssertionError(f"{load.sent} sent, {load.arrived} back, {load.wrong} wrong")

    def close(self) -> None:
        self.load.close()


def lockstep(
    parties: Sequence[Guests], payloads: Sequence[bytes], *, now: float, groups: int, rounds: int
) -> list[list[float]]:
    """Nanoseconds of each server per pair, ``rounds`` numbers for each party.

    In a round each client sends once, in ``groups`` parts of the period; the parties take turns
    part by part.
    """
    found: list[list[float]] = [[] for _ in parties]
    for turn in range(rounds):
        spent = [0] * len(parties)
        for group in range(groups):
            for at in range(len(parties)) if turn % 2 else reversed(range(len(parties))):
                party, payload = parties[at], payloads[at]
                first = party.count * group // groups
                last = party.count * (group + 1) // groups
                party.load.send(first, last, payload, now)
                start = time.thread_time_ns()
                count = party.server.turn(now)
                spent[at] += time.thread_time_ns() - start
                party.load.collect(payload, now)
                if count != last - first:
                    raise AssertionError(f"{count} of {last - first} echoed")
            now += PERIOD / groups
        for at, party in enumerate(parties):
            found[at].append(spent[at] / party.count)
    for party in parties:
        party.check()
    return found
