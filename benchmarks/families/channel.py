"""What the reliable channel makes of a link: bulk, loss, queues and shares, in virtual time.

Every number here follows from seeds; the peers' are those of the same workloads on the same kind
of link in real time, measured once (see benchmarks/README.md).
"""

from __future__ import annotations

import statistics
import sys

from measure import Row, compare, row, row_of_values
from peers import Missing
from scenes import (
    Bulk,
    Clocked,
    Hub,
    Paced,
    Reno,
    channels_for,
    pair_of,
    transfer,
)
from wire_pair import BATCH, ROUNDS, ENetPair, OurPair

from netcode.channel import TransportConfig
from netcode.testing import Conditions, Network

FAMILY = "channel"
MIB = 1 << 20
HEADERS = 28 + 18 + 7
"""Bytes that UDP, IPv4 and the sealed packet add to a transport packet."""
SEEDS = (1, 2, 3)


def bulk(name: str, quick: bool, *, loss: float, size: int, peer: str, value: float,
         goal: float, moonshot: float) -> Row:  # fmt: skip
    """64 KiB messages over 50 ms; megabytes a second from the first push to the last delivery."""
    size = size // 4 if quick else size
    link = Conditions(latency=0.025, loss=loss)
    found = [size / transfer(seed, link, size) / 1e6 for seed in SEEDS[: 1 if quick else 3]]
    return row_of_values(
        FAMILY, name, "MB/s", ours=statistics.median(found), peer=peer, peer_value=value,
        goal=goal / value, moonshot=moonshot / value, better="higher",
    )  # fmt: skip


def paced(name: str, quick: bool, *, redundant: bool, goal: float, moonshot: float) -> Row:
    """One-way latency of 8 messages of 32 bytes sixty times a second, 5 % loss each way."""
    late: list[float] = []
    for seed in SEEDS:
        net, sender, receiver = pair_of(
            seed, Conditions(latency=0.025, loss=0.05), Paced, channels_for(redundant=redundant)
        )
        net.run(3.0 if quick else 10.0)
        sender.stop()
        net.run(2.0)
        late += [delay for delay, _ in receiver.delays(sender)]
    late.sort()
    return row_of_values(
        FAMILY, name, "ms", ours=late[len(late) * 99 // 100] * 1e3, peer="aioquic",
        peer_value=108.0, goal=goal / 108, moonshot=moonshot / 108,
    )  # fmt: skip


def ack_bytes(name: str, quick: bool) -> Row:
    """Bytes of sealed datagrams that carry acks back, for each message of ``paced`` traffic."""
    net, sender, receiver = pair_of(1, Conditions(latency=0.025), Paced, channels_for())
    net.run(2.0)
    before = (net.link("b", "a").stats, receiver.count)
    start = (before[0].pushed, before[0].pushed_bytes, before[1])
    net.run(3.0 if quick else 10.0)
    link = net.link("b", "a").stats
    # A sealed packet costs 18 to 25 bytes more than its body; 19 up to 65,535 packets.
    spent = link.pushed_bytes - start[1] + 19 * (link.pushed - start[0])
    each = spent / (receiver.count - start[2])
    assert sender.sent >= receiver.count
    return row_of_values(
        FAMILY, name, "B/message", ours=each, peer="GNS", peer_value=1.0, goal=1.0, moonshot=0.5
    )


def beside_enet(name: str, quick: bool, *, channel: str, goal: float, moonshot: float) -> Row:
    """CPU of both ends for each 32-byte message, 64 to a batch: ours encrypted, pyenet's not."""
    ours = OurPair(TransportConfig().channel(channel))
    peer = ENetPair(reliable=channel == "reliable")
    result = compare(ours.run, peer.run, units=BATCH * ROUNDS, quick=quick)
    ours.close()
    # What is counted as done must have been done.
    assert ours.got > 0.9 * ours.sent, f"{ours.got} of {ours.sent} arrived"
    assert peer.got > 0.9 * peer.sent, f"{peer.got} of {peer.sent} of pyenet arrived"
    return row(FAMILY, name, "ns/message", result, peer="pyenet", goal=goal, moonshot=moonshot)


def bottleneck(rate: float, latency: float, queue_time: float) -> Conditions:
    return Conditions(rate=rate, latency=latency, queue_time=queue_time, overhead=HEADERS)


def shares(flows: list[str], seconds: float, seed: int) -> list[float]:
    """Bytes that each flow got through one 20 Mbit/s bottleneck, after a third of the time."""
    net = Network(seed)
    net.link("a", "b").conditions = bottleneck(2.5e6, 0.02, 0.1)
    net.link("b", "a").conditions = Conditions(latency=0.02)
    left: list[Clocked] = [Reno(True) if f == "reno" else Bulk(channels_for()) for f in flows]
    right: list[Clocked] = [Reno(False) if f == "reno" else Clocked(channels_for()) for f in flows]
    net.add("a", Hub("b", left, stagger=1.0))
    net.add("b", Hub("a", right))
    net.run(seconds / 3)
    before = [flow.got for flow in right]
    net.run(seconds * 2 / 3)
    return [flow.got - old for flow, old in zip(right, before, strict=True)]


def jain(values: list[float]) -> float:
    return sum(values) ** 2 / (len(values) * sum(v * v for v in values))


def fair_share(name: str, quick: bool) -> Row:
    found = [jain(shares(["ours"] * 4, 15 if quick else 45, seed)) for seed in SEEDS]
    return row_of_values(
        FAMILY, name, "Jain", ours=min(found), peer="equal shares", peer_value=1.0, goal=0.9,
        moonshot=0.97, better="higher",
    )  # fmt: skip


def beside_reno(name: str, quick: bool) -> Row:
    """The smaller share of two flows, one ours and one Reno's."""
    found = []
    for seed in SEEDS[: 1 if quick else 3]:
        got = shares(["ours", "reno"], 30 if quick else 90, seed)
        found.append(min(got) / sum(got))
    return row_of_values(
        FAMILY, name, "share", ours=min(found), peer="equal shares", peer_value=0.5, goal=0.4,
        better="higher",
    )  # fmt: skip


def bufferbloat(name: str, quick: bool) -> Row:
    """Queueing that a bulk transfer adds: 95 % of its time, 10 Mbit/s, 40 ms, a queue of 1 s."""
    net, _, _ = pair_of(1, Conditions(latency=0.02), Bulk, channels_for())
    link = net.link("a", "b")
    link.conditions = bottleneck(1.25e6, 0.02, 1.0)
    waits = []
    for _ in range(1000 if quick else 4000):
        net.run(0.01)
        waits.append(link.waiting(net.now))
    waits.sort()
    used = link.stats.delivered_bytes / net.now / 1.25e6
    assert used > 0.8, f"only {used:.0%} of the link used"
    return row_of_values(
        FAMILY, name, "ms", ours=waits[len(waits) * 95 // 100] * 1e3, peer="the queue",
        peer_value=1000.0, goal=0.06, moonshot=0.02,
    )  # fmt: skip


def rows(quick: bool) -> list[Row]:
    found = []
    try:
        found = [
            beside_enet("w1a_rel32_vs_pyenet", quick, channel="reliable", goal=0.6, moonshot=0.3),
            beside_enet("w2a_unrel32_vs_pyenet", quick, channel="unreliable", goal=0.7,
                        moonshot=0.4),
        ]  # fmt: skip
    except Missing as why:
        print(f"no rows beside pyenet: {why}", file=sys.stderr)
    return [
        *found,
        bulk("w4_bulk_50ms_mb_s", quick, loss=0, size=64 * MIB, peer="GNS", value=19.7,
             goal=25, moonshot=60),
        bulk("w5c_bulk_5pct_50ms_mb_s", quick, loss=0.05, size=32 * MIB, peer="GNS", value=3.2,
             goal=5, moonshot=10),
        paced("w5a_p99_ms", quick, redundant=False, goal=98, moonshot=93),
        paced("w5a_redundant_p99_ms", quick, redundant=True, goal=50, moonshot=42),
        ack_bytes("ack_bytes_per_message", quick),
        fair_share("fair_share", quick),
        beside_reno("fair_share_reno", quick),
        bufferbloat("bufferbloat_ms", quick),
    ]  # fmt: skip
