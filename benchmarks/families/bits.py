"""Bits and schemas against what packs and serializes elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from measure import Row, compare, row, row_of_values
from peers import Codec, Missing, codec
from peers.writes import bitarray_writer, calls_writer
from workloads import ENTITIES, W4_VALUES

FAMILY = "bits"


def write_bits(quick: bool) -> Row:
    result = compare(calls_writer(), bitarray_writer(), units=len(W4_VALUES), quick=quick)
    return row(FAMILY, "write_bits_vs_bitarray", "ns/write", result, peer="bitarray", goal=0.08)


def encoding(name: str, workload: str, peer: str, goal: float, quick: bool) -> Row:
    ours, theirs = codec("netcode", workload), codec(peer, workload)
    units = len(ours.objects)
    result = compare(ours.encode_all, theirs.encode_all, units=units, quick=quick)
    return row(FAMILY, name, "ns/message", result, peer=peer, goal=goal)


def decoding(name: str, workload: str, peer: str, goal: float, quick: bool) -> Row:
    ours, theirs = codec("netcode", workload), codec(peer, workload)
    units = len(ours.objects)
    result = compare(ours.decoder(), theirs.decoder(), units=units, quick=quick)
    return row(FAMILY, name, "ns/message", result, peer=peer, goal=goal)


def size(name: str, workload: str, peer: str, goal: float) -> Row:
    return row_of_values(
        FAMILY,
        name,
        "B/message",
        ours=codec("netcode", workload).bytes_per_object(),
        peer=peer,
        peer_value=codec(peer, workload).bytes_per_object(),
        goal=goal,
    )


def records(name: str, peer: str, goal: float, quick: bool) -> Row:
    """W3 from a structured array, against a list of the peer's objects."""
    theirs: Codec = codec(peer, "W3")
    schema, array = own_records()
    result = compare(
        lambda: schema.encode_records(array), theirs.encode_all, units=len(ENTITIES), quick=quick
    )
    return row(FAMILY, name, "ns/entity", result, peer=peer, goal=goal)


def own_records() -> tuple[Any, Any]:
    from peers.ours import snapshot_records

    try:
        return snapshot_records()
    except ImportError as error:
        raise Missing(str(error)) from error


MEASURES: dict[str, Callable[[str, bool], Row]] = {
    "write_bits_vs_bitarray": lambda _name, quick: write_bits(quick),
    "w1_encode_vs_struct": lambda name, quick: encoding(name, "W1", "struct", 0.15, quick),
    "w2_encode_vs_msgspec": lambda name, quick: encoding(name, "W2", "msgspec", 0.5, quick),
    "w2_decode_vs_msgspec": lambda name, quick: decoding(name, "W2", "msgspec", 0.85, quick),
    "w2_bytes_vs_msgspec": lambda name, _quick: size(name, "W2", "msgspec", 0.2),
    "w3_records_encode_vs_msgspec": lambda name, quick: records(name, "msgspec", 0.35, quick),
}


def rows(quick: bool) -> list[Row]:
    """Every line that can be measured with what is installed; the others are named on stderr."""
    found = []
    for name, measure in MEASURES.items():
        try:
            found.append(measure(name, quick))
        except (Missing, ImportError) as reason:
            print(f"{name}: not measured: {reason}", file=sys.stderr)
    return found
