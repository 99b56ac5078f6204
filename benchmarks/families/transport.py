"""What a crowd of encrypted connections costs the server, over what nobody can avoid."""

from __future__ import annotations

import random
import socket
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from compiled import compiled
from crowd import CHANNELS, EPOCH, Crowd, token
from echo import BareServer, DeskServer, Guests, PollServer, lockstep
from enet_echo import beside_enet
from live import ThreadServer, live
from measure import Row, collector_off, row_of_values
from peers import Missing

from netcode.security import seal_packet, seal_request
from netcode.session import DatagramBatch

FAMILY = "transport"
CLIENTS, QUICK_CLIENTS = 10_000, 1_000
TICKS, QUICK_TICKS = 9, 3
PAYLOAD = bytes(300)
GROUPS = 3  # a server of 60 Hz has a third of the clients' datagrams of 20 Hz in a tick
ENET_CLIENTS, ENET_SIZE = 2_048, 64
HOSTILE = 2_000
DRAIN = 100


def floor() -> Any:
    """The compiled floor.pyx."""
    return compiled("floor")


def cpu_of(call: Callable[[], object]) -> int:
    start = time.thread_time_ns()
    call()
    return time.thread_time_ns() - start


def connecting(name: str, quick: bool) -> Row:
    count = QUICK_CLIENTS if quick else CLIENTS
    crowd = Crowd(count, channels=CHANNELS)
    crowd.connect()
    seconds = crowd.cpu / 1e9 * CLIENTS / count
    return row_of_values(
        FAMILY, name, "s", ours=seconds, peer="the budget", peer_value=0.3, goal=1.0, moonshot=0.5
    )


def memory(name: str, quick: bool) -> Row:
    count = QUICK_CLIENTS if quick else CLIENTS
    crowd = Crowd(count, channels=CHANNELS)
    if crowd.heap is None:
        raise Missing("mallinfo2 of glibc")
    crowd.connect()
    each = crowd.memory / count
    return row_of_values(
        FAMILY, name, "B/connection", ours=each, peer="16 KiB", peer_value=16384, goal=1.0,
        moonshot=0.375,
    )  # fmt: skip


def pairs(name: str, quick: bool, *, channels: bool, goal: float) -> Row:
    """One datagram in and one out, beside opening and sealing alone, turn by turn."""
    count, ticks = (QUICK_CLIENTS, QUICK_TICKS) if quick else (CLIENTS, TICKS)
    crowd = Crowd(count, channels=CHANNELS if channels else None)
    crowd.connect()
    order = list(range(count))
    random.Random(2).shuffle(order)
    cipher = floor().Cipher(order, len(PAYLOAD))
    ours, bare = [], []
    crowd.tick(PAYLOAD)
    cipher.pairs()
    for _ in range(ticks):
        ours.append(crowd.tick(PAYLOAD) / count)
        bare.append(cpu_of(cipher.pairs) / count)
    ratio = statistics.median(a / b for a, b in zip(ours, bare, strict=True))
    middle = statistics.median(bare)
    return row_of_values(
        FAMILY, name, "ns/pair", ours=ratio * middle, peer="AEAD alone", peer_value=middle,
        goal=goal,
    )  # fmt: skip


def receiving() -> float:
    """Nanoseconds that the kernel takes to hand over one 300-byte datagram on loopback."""
    compiled = floor()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        found = []
        for _ in range(31):
            for _ in range(DRAIN):
                sender.sendto(PAYLOAD, receiver.getsockname())
            start = time.thread_time_ns()
            drained = compiled.drain(receiver.fileno(), DRAIN)
            found.append((time.thread_time_ns() - start) / max(drained, 1))
    return statistics.median(found)


def hostile_kinds(crowd: Crowd) -> dict[str, list[tuple[bytes, tuple[str, int]]]]:
    """Datagrams by kind; the first three are the cheapest to send."""
    rng = random.Random(3)

    def strange() -> tuple[str, int]:
        return f"{rng.randrange(1, 224)}.{rng.randrange(256)}.{rng.randrange(256)}.9", 5

    def times(make: Callable[[], tuple[bytes, tuple[str, int]]]) -> list[Any]:
        return [make() for _ in range(HOSTILE)]

    good = token(10**6, rng)
    request = seal_request(
        protocol_id=good.protocol_id,
        expire_timestamp=good.expire_timestamp,
        nonce=good.nonce,
        sealed=good.sealed,
    )
    old = token(10**6 + 1, rng, unix_now=EPOCH - 2000)
    expired = seal_request(
        protocol_id=old.protocol_id,
        expire_timestamp=old.expire_timestamp,
        nonce=old.nonce,
        sealed=old.sealed,
    )
    shape = seal_packet(5, 77, PAYLOAD, protocol_id=7, key=bytes(32))
    other = bytearray(request)
    other[20] ^= 1
    # A packet that each of these clients has sent already.
    crowd.now += 0.2
    batch = crowd.incoming(PAYLOAD)
    crowd.server.receive(batch, crowd.now)
    crowd.server.receive_messages()
    sent = [batch[n] for n in range(min(HOSTILE, len(batch)))]
    return {
        "size": times(lambda: (rng.randbytes(9), strange())),
        "id": times(lambda: (bytes(other), strange())),
        "type": times(lambda: (b"\x1f" + PAYLOAD, strange())),
        "stranger": times(lambda: (shape, strange())),
        "expired": times(lambda: (expired, strange())),
        "replayed": (sent * HOSTILE)[:HOSTILE],
        "forged": times(lambda: (shape[:1] + b"\xff" + shape[2:], rng.choice(crowd.addresses))),
        "request": times(lambda: (request[:60] + rng.randbytes(1018), strange())),
        "request_flood": times(lambda: (request[:60] + rng.randbytes(1018), ("198.51.100.1", 5))),
    }


def hostile(quick: bool) -> list[Row]:
    """Core cost on top of the bare receive, for each kind of hostile datagram."""
    crowd = Crowd(QUICK_CLIENTS if quick else CLIENTS, channels=CHANNELS)
    crowd.connect()
    bare = receiving()
    found = {}
    for kind, items in hostile_kinds(crowd).items():
        batch = DatagramBatch(limit=1 << 28)
        for data, source in items:
            batch.append(data, source)
        slices = [cpu_of(lambda b=batch: crowd.server.receive(b, crowd.now)) for _ in range(15)]
        found[kind] = statistics.median(slices) / HOSTILE
    cheapest = max(found[kind] for kind in ("size", "id", "type"))
    rows = [
        row_of_values(
            FAMILY, "hostile_ns_vs_recv", "ns", ours=bare + cheapest, peer="recvfrom alone",
            peer_value=bare, goal=1.3, moonshot=1.1,
        )
    ]  # fmt: skip
    for kind, cost in found.items():
        rows.append(
            row_of_values(
                FAMILY, f"hostile_{kind}_ns", "ns", ours=bare + cost, peer="recvfrom alone",
                peer_value=bare, goal=1.3 if kind in ("size", "id", "type") else 8.0,
            )
        )  # fmt: skip
    return rows


def echo(name: str, quick: bool, make: Callable[..., Any], channels: Any) -> Row:
    """A tick of the server over the bare loop's, through the kernel, turn by turn.

    Without ``channels`` the packets are the same byte for byte but for keys; with them the server
    also does what no bare loop does: message numbers, acks both ways, loss detection.
    """
    count, rounds = (QUICK_CLIENTS, QUICK_TICKS) if quick else (CLIENTS, 2 * TICKS)
    bare = BareServer(count)
    theirs = Guests(bare, count, channels=None)
    theirs.meet(bare.core)
    server = make(count, channels=channels)
    ours = Guests(server, count, channels=channels)
    now = ours.connect()
    parties, payloads = (ours, theirs), (PAYLOAD, PAYLOAD)
    lockstep(parties, payloads, now=now, groups=GROUPS, rounds=2)
    found, floors = lockstep(parties, payloads, now=now + 1, groups=GROUPS, rounds=rounds)
    for each in (bare, server, *parties):
        each.close()
    ratio = statistics.median(a / b for a, b in zip(found, floors, strict=True))
    middle = statistics.median(floors)
    return row_of_values(
        FAMILY, name, "ns/pair", ours=ratio * middle, peer="bare loop", peer_value=middle,
        goal=1.25,
    )  # fmt: skip


def delivered(quick: bool) -> list[Row]:
    """The share that comes back in real time, ours and the bare loop's.

    Without channels the packets are those of ``echo_10k_vs_floor``. Beside the server's threads
    the clients take a processor: two processors are too few for a game, its I/O thread and them.
    """
    count, seconds = (QUICK_CLIENTS, 0.5) if quick else (CLIENTS, 5.0)
    found = []
    for rate, tail in ((15, ""), (20, "_20hz")):
        for name, make, channels in (
            ("echo_10k_delivered", ThreadServer, None),
            ("echo_10k_channels_delivered", ThreadServer, CHANNELS),
            ("echo_10k_poll_channels_delivered", PollServer, CHANNELS),
            ("floor_10k_delivered", BareServer, None),
        ):
            try:
                share = live(make, count, PAYLOAD, rate=rate, seconds=seconds, channels=channels)
            except Missing as reason:
                print(f"{name}{tail}: not measured: {reason}", file=sys.stderr)
                continue
            print(
                f"{name}{tail}: {share.ns:.0f} ns of the server a message; the clients took "
                f"{share.late:.2f} of the time they should have had",
                file=sys.stderr,
            )
            found.append(
                row_of_values(
                    FAMILY, name + tail, "share", ours=share.delivered, peer="everything",
                    peer_value=1.0, goal=0.999, better="higher",
                )
            )  # fmt: skip
    return found


def echo_enet(name: str, quick: bool) -> Row:
    """Ours, encrypted, and pyenet's, in the clear, tick by tick of workload W3t."""
    count, ticks = (QUICK_CLIENTS // 2, 20) if quick else (ENET_CLIENTS, 120)
    found = beside_enet(count, ENET_SIZE, ticks)[ticks // 4 :]
    ratio = statistics.median(ours / theirs for ours, theirs in found)
    middle = statistics.median(theirs for _, theirs in found)
    return row_of_values(
        FAMILY, name, "ns/echo", ours=ratio * middle, peer="pyenet, in the clear",
        peer_value=middle, goal=1.0,
    )  # fmt: skip


MEASURES: dict[str, Callable[[str, bool], Row | list[Row]]] = {
    "echo_10k_vs_floor": lambda name, quick: echo(name, quick, DeskServer, None),
    "echo_10k_channels_vs_floor": lambda name, quick: echo(name, quick, DeskServer, CHANNELS),
    "echo_10k_poll_channels_vs_floor": lambda name, quick: echo(name, quick, PollServer, CHANNELS),
    "echo_10k_delivered": lambda _name, quick: delivered(quick),
    "echo_2048_vs_pyenet": echo_enet,
    "connect_10k_seconds_cpu": connecting,
    "bytes_per_connection": memory,
    "core_ns_per_pair": lambda name, quick: pairs(name, quick, channels=False, goal=1.6),
    "transport_ns_per_pair": lambda name, quick: pairs(name, quick, channels=True, goal=2.5),
    "hostile_ns_vs_recv": lambda _name, quick: hostile(quick),
}


def rows(quick: bool) -> list[Row]:
    """Every line that can be measured with what is installed; the others are named on stderr."""
    found: list[Row] = []
    for name, measure in MEASURES.items():
        try:
            with collector_off():
                result = measure(name, quick)
        except (Missing, ImportError) as reason:
            print(f"{name}: not measured: {reason}", file=sys.stderr)
            continue
        found += result if isinstance(result, list) else [result]
    return found
