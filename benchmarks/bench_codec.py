"""W1, W2, W3 and W5: every object of the workload once, encoded and decoded by each peer.

    pytest benchmarks/bench_codec.py --benchmark-group-by=group --benchmark-columns=median

The median of pytest-benchmark is the time of all objects of the workload (64 inputs, 256 entities,
one snapshot, one chat line). The table at the end has the time of one input, entity or line, and
the bytes of a message; both are in ``extra_info`` of the JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from peers import OBJECT_WORKLOADS, PEERS, Codec, Missing, codec
from workloads import ENTITIES


def find(peer: str, workload: str) -> Codec:
    try:
        return codec(peer, workload)
    except Missing as reason:
        pytest.skip(str(reason))


def units(workload: str, found: Codec) -> int:
    return len(ENTITIES) if workload == "W3" else len(found.objects)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("workload", OBJECT_WORKLOADS)
def test_encode(benchmark: Any, note: Callable[..., None], workload: str, peer: str) -> None:
    found = find(peer, workload)
    size = found.bytes_per_object()
    note(f"{workload} encode", peer, units=units(workload, found), size=size)
    benchmark(found.encode_all)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("workload", OBJECT_WORKLOADS)
def test_decode(benchmark: Any, note: Callable[..., None], workload: str, peer: str) -> None:
    found = find(peer, workload)
    assert found.decode(found.encode(found.objects[0])) is not None
    size = found.bytes_per_object()
    note(f"{workload} decode", peer, units=units(workload, found), size=size)
    benchmark(found.decoder())
