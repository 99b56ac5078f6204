"""W4: 1,000 integers of 1 to 32 bits, in each way that Python can write and read them.

pytest benchmarks/bench_bits.py --benchmark-group-by=group --benchmark-columns=median,ops
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from peers.writes import READERS, WRITERS, calls_writer
from workloads import W4_VALUES


def prepared(make: Callable[..., Any], *args: object) -> Callable[[], Any]:
    try:
        return make(*args)  # type: ignore[no-any-return]
    except ImportError as error:
        pytest.skip(f"not installed: {error}")


@pytest.mark.parametrize("way", WRITERS)
@pytest.mark.benchmark(group="W4 write 1,000")
def test_write(benchmark: Any, way: str) -> None:
    data = benchmark(prepared(WRITERS[way]))
    benchmark.extra_info["bytes"] = len(data)
    assert len(data) == len(calls_writer()())


@pytest.mark.parametrize("way", READERS)
@pytest.mark.benchmark(group="W4 read 1,000")
def test_read(benchmark: Any, way: str) -> None:
    assert benchmark(prepared(READERS[way], calls_writer()())) == W4_VALUES
