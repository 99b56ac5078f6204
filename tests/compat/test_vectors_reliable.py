"""compat.reliable against the vectors that the C library made."""

from __future__ import annotations

from typing import Any

import pytest
from vectors import load

from netcode.compat.reliable import (
    ReliableConfig,
    ReliableEndpoint,
    read_header,
    write_header,
)
from netcode.errors import DecodeError

FIGURES = {
    "rtt": "rtt_ms",
    "rtt_min": "rtt_min_ms",
    "rtt_max": "rtt_max_ms",
    "rtt_avg": "rtt_avg_ms",
    "jitter_avg_vs_min": "jitter_avg_ms",
    "jitter_max_vs_min": "jitter_max_ms",
    "jitter_stddev": "jitter_stddev_ms",
    "packet_loss": "packet_loss_percent",
    "sent_kbps": "sent_kbps",
    "received_kbps": "received_kbps",
    "acked_kbps": "acked_kbps",
}

Case = dict[str, Any]


def test_vector_headers() -> None:
    for sequence, ack, ack_bits, text in load("reliable.json", "packet_headers"):
        assert write_header(sequence, ack, ack_bits).hex() == text
        size = len(text) // 2
        assert read_header(bytes.fromhex(text)) == (sequence, ack, ack_bits, size)
        assert read_header(bytes.fromhex(text) + b"rest") == (sequence, ack, ack_bits, size)


def test_vector_header_reads() -> None:
    for case in load("reliable.json", "packet_header_reads"):
        data = bytes.fromhex(case["data"])
        if case["accept"]:
            found = read_header(data)
            expected = (case["sequence"], case["ack"], case["ack_bits"], case["bytes_read"])
            assert found == expected, case["name"]
        else:
            with pytest.raises(DecodeError):
                read_header(data)


def test_vector_fragments() -> None:
    """What we send is byte for byte theirs, and goes together again in any order."""
    for case in load("reliable.json", "fragments"):
        k = case["k"]
        config = ReliableConfig(**case["config"])
        sender = ReliableEndpoint(config)
        for sequence in range(0, 2 * k + 1, 2):
            assert sender.receive(write_header(sequence, 0xFFFF, 0) + b"x", 0.0) is not None
        for _ in range(k):
            sender.send(b"x", 0.0)
        assert sender.next_sequence == case["sequence"]
        payload = bytes((i * 7 + (i >> 8) + k) & 255 for i in range(case["payload_size"]))
        datagrams = sender.send(payload, 0.0)
        assert [each.hex() for each in datagrams] == case["fragments"]
        for order in (datagrams, datagrams[::-1], datagrams[1:] + datagrams[:1]):
            receiver = ReliableEndpoint(config)
            found = [receiver.receive(each, 0.0) for each in order]
            assert found == [None] * (len(order) - 1) + [(case["sequence"], payload)]
            assert receiver.reassembling == 0


def datagram_of(step: Case) -> bytes:
    if "datagram" in step:
        return bytes.fromhex(step["datagram"])
    assert step["datagram_rest"] == "zero"
    return bytes.fromhex(step["datagram_head"]).ljust(step["datagram_size"], b"\0")


def test_vector_receive_scripts() -> None:
    for script in load("reliable.json", "receive_scripts"):
        endpoint = ReliableEndpoint(ReliableConfig(**script["config"]))
        before = endpoint.counters
        for step in script["steps"]:
            asked: list[tuple[int, int]] = []
            refuses = "rejected" in step["name"]

            def accept(
                sequence: int,
                packet: bytes,
                asked: list[tuple[int, int]] = asked,
                refuses: bool = refuses,
            ) -> bool:
                asked.append((sequence, len(packet)))
                return not refuses

            found = endpoint.receive(datagram_of(step), 0.0, accept)
            expected = [(step["sequence"], step["payload_bytes"])] if step["delivered"] else []
            assert asked == expected, step["name"]
            assert (found is not None) == (step["delivered"] and not refuses), step["name"]
            counters = endpoint.counters
            for name in script["counters"]:
                changed = counters[name] - before[name]
                assert changed == step["counter_delta"].get(name, 0), (step["name"], name)
            before = counters
        assert {name: before[name] for name in script["counters"]} == script["counters"]


def test_vector_exchanges() -> None:
    """Headers, acks, counters and figures of two endpoints, tick for tick."""
    for run in load("reliable.json", "exchanges"):
        config = ReliableConfig(**run["config"])
        now = float(run["start_time"])
        ends = (
            ReliableEndpoint(config, now, sequence=run["endpoint0_initial_sequence"]),
            ReliableEndpoint(config, now),
        )
        rows = iter(run["datagrams"])
        for tick, *acks in run["acks"]:
            for side in (0, 1):
                row_tick, row_side, size, lost, header = next(rows)
                assert (row_tick, row_side) == (tick, side)
                (datagram,) = ends[side].send(bytes(size), now)
                assert datagram.hex() == header + "00" * size, (run["run"], tick, side)
                if not lost:
                    assert ends[1 - side].receive(datagram, now) is not None
            now += run["dt"]
            for end in ends:
                end.update(now)
            assert [end.pop_acks() for end in ends] == acks, (run["run"], tick)
        assert next(rows, None) is None
        for end, final in zip(ends, run["final"], strict=True):
            counters, stats = end.counters, end.stats._asdict()
            assert {name: counters[name] for name in final["counters"]} == final["counters"]
            got = {name: stats[ours] for name, ours in FIGURES.items()}
            assert got == pytest.approx({name: final[name] for name in FIGURES}, rel=1e-6)
