"""W1, W2, W3 and W5: every object of the workload once, encoded and decoded by each peer.

    pytest benchmarks/bench_codec.py --benchmark-group-by=group --benchmark-columns=median

The median is the time of all objects of the workload (64 inputs, 256 entities, one snapshot, one
chat line). Bytes of a message are in ``extra_info`` of the JSON, and printed with ``-s``.
"""

from __future__ import annotations

from typing import Any

import pytest
from peers import OBJECT_WORKLOADS, PEERS, Codec, Missing, codec


def find(peer: str, workload: str) -> Codec:
    try:
        return codec(peer, workload)
    except Missing as reason:
        pytest.skip(str(reason))


def note(benchmark: Any, peer: str, workload: str, found: Codec) -> None:
    size = found.bytes_per_object()
    benchmark.extra_info["bytes"] = size
    print(f"{workload} {peer}: {size:,.1f} bytes")


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("workload", OBJECT_WORKLOADS)
def test_encode(benchmark: Any, workload: str, peer: str) -> None:
    found = find(peer, workload)
    benchmark.group = f"{workload} encode"
    note(benchmark, peer, workload, found)
    benchmark(found.encode_all)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("workload", OBJECT_WORKLOADS)
def test_decode(benchmark: Any, workload: str, peer: str) -> None:
    found = find(peer, workload)
    benchmark.group = f"{workload} decode"
    message = found.encode(found.objects[0])
    assert found.decode(message) is not None
    benchmark(found.decoder())
