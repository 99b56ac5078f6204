"""Bits and schemas against what packs and serializes elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from measure import Row, compare, row, row_of_values, two_threads
from peers import Codec, Missing, codec
from peers.writes import bitarray_writer, calls_writer
from workloads import ENTITIES, W4_VALUES

FAMILY = "bits"

GOALS: dict[str, tuple[float, float | None]] = {
    "write_bits_vs_bitarray": (0.08, 0.05),
    "w1_encode_vs_struct": (0.15, 0.1),
    "w2_encode_vs_msgspec": (0.5, 0.35),
    "w2_decode_vs_msgspec": (0.85, 0.6),
    "w2_bytes_vs_msgspec": (0.2, None),
    "w3_records_encode_vs_msgspec": (0.35, 0.2),
    "w3_records_encode_vs_c": (1.4, 1.0),
    "w3_records_decode_vs_c": (2.5, 1.5),
    "encode_records_two_threads": (1.7, None),
    "numpy_sort_two_threads": (1.0, None),
}
"""What must be, and what we hope for."""

THREAD_SNAPSHOTS = 16
"""Copies of W3 in the array of each thread: a call long enough to run beside another."""
SORTED = 4096


def goals(name: str) -> dict[str, Any]:
    goal, moonshot = GOALS[name]
    return {"goal": goal, "moonshot": moonshot}


def write_bits(name: str, quick: bool) -> Row:
    result = compare(calls_writer(), bitarray_writer(), units=len(W4_VALUES), quick=quick)
    return row(FAMILY, name, "ns/write", result, peer="bitarray", **goals(name))


def encoding(name: str, workload: str, peer: str, quick: bool) -> Row:
    ours, theirs = codec("netcode", workload), codec(peer, workload)
    units = len(ours.objects)
    result = compare(ours.encode_all, theirs.encode_all, units=units, quick=quick)
    return row(FAMILY, name, "ns/message", result, peer=peer, **goals(name))


def decoding(name: str, workload: str, peer: str, quick: bool) -> Row:
    ours, theirs = codec("netcode", workload), codec(peer, workload)
    units = len(ours.objects)
    result = compare(ours.decoder(), theirs.decoder(), units=units, quick=quick)
    return row(FAMILY, name, "ns/message", result, peer=peer, **goals(name))


def size(name: str, workload: str, peer: str) -> Row:
    return row_of_values(
        FAMILY,
        name,
        "B/message",
        ours=codec("netcode", workload).bytes_per_object(),
        peer=peer,
        peer_value=codec(peer, workload).bytes_per_object(),
        **goals(name),
    )


def records_encoding(name: str, peer: str, label: str, quick: bool) -> Row:
    """W3 from a structured array, against what the peer has: objects, or rows in C."""
    ours: Codec = codec("records", "W3")
    theirs: Codec = codec(peer, "W3")
    result = compare(ours.encode_all, theirs.encode_all, units=len(ENTITIES), quick=quick)
    return row(FAMILY, name, "ns/entity", result, peer=label, **goals(name))


def records_decoding(name: str, peer: str, label: str, quick: bool) -> Row:
    """W3 into an array that is there, as the C twin decodes into rows that are."""
    ours: Codec = codec("records", "W3")
    theirs: Codec = codec(peer, "W3")
    result = compare(ours.decoder(), theirs.decoder(), units=len(ENTITIES), quick=quick)
    return row(FAMILY, name, "ns/entity", result, peer=label, **goals(name))


def parallel(name: str, unit: str, call: Callable[[Any], object], array: Any, quick: bool) -> Row:
    """Two threads, each with an array of its own: rows a second of the wall clock."""
    other = array[::-1].copy()
    alone, together = two_threads(lambda: call(array), lambda: call(other), quick=quick)
    return row_of_values(
        FAMILY,
        name,
        unit,
        ours=1e3 * len(array) / together,
        peer="one thread",
        peer_value=1e3 * len(array) / alone,
        better="higher",
        **goals(name),
    )


def records_parallel(name: str, quick: bool) -> Row:
    import numpy as np
    from peers.ours import snapshot_records

    schema, records = snapshot_records()
    array = np.concatenate([records] * THREAD_SNAPSHOTS)
    return parallel(name, "M entities/s", schema.encode_records, array, quick)


def sort_parallel(name: str, quick: bool) -> Row:
    """What the machine has for two threads just now, of a call as long that holds no GIL either."""
    import numpy as np

    return parallel(name, "M numbers/s", np.sort, np.random.default_rng(1).random(SORTED), quick)


MEASURES: dict[str, Callable[[str, bool], Row]] = {
    "write_bits_vs_bitarray": write_bits,
    "w1_encode_vs_struct": lambda name, quick: encoding(name, "W1", "struct", quick),
    "w2_encode_vs_msgspec": lambda name, quick: encoding(name, "W2", "msgspec", quick),
    "w2_decode_vs_msgspec": lambda name, quick: decoding(name, "W2", "msgspec", quick),
    "w2_bytes_vs_msgspec": lambda name, _quick: size(name, "W2", "msgspec"),
    "w3_records_encode_vs_msgspec": lambda name, quick: records_encoding(
        name, "msgspec", "msgspec", quick
    ),
    "w3_records_encode_vs_c": lambda name, quick: records_encoding(name, "twin", "C twin", quick),
    "w3_records_decode_vs_c": lambda name, quick: records_decoding(name, "twin", "C twin", quick),
    "encode_records_two_threads": records_parallel,
    "numpy_sort_two_threads": sort_parallel,
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
