"""W4: 1,000 integers of 1 to 32 bits, in each way that Python can write and read them.

    pytest benchmarks/bench_bits.py --benchmark-group-by=group --benchmark-columns=median,ops

A unit of the table at the end is one integer; bytes are those of all. Who packs no bits is here as
well: the others are what its users would have instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from peers import Missing
from peers.writes import WAYS
from workloads import W4_VALUES


def prepared(make: Callable[..., Any], *args: object) -> Callable[[], Any]:
    try:
        return make(*args)  # type: ignore[no-any-return]
    except Missing as reason:
        pytest.skip(str(reason))
    except ImportError as error:
        pytest.skip(f"not installed: {error}")


@pytest.mark.parametrize("way", WAYS)
def test_encode(benchmark: Any, note: Callable[..., None], way: str) -> None:
    writer, reader = WAYS[way]
    write = prepared(writer)
    data = write()
    assert list(prepared(reader, data)()) == W4_VALUES
    note("W4 encode", way, units=len(W4_VALUES), size=len(data))
    assert benchmark(write) == data


@pytest.mark.parametrize("way", WAYS)
def test_decode(benchmark: Any, note: Callable[..., None], way: str) -> None:
    writer, reader = WAYS[way]
    data = prepared(writer)()
    note("W4 decode", way, units=len(W4_VALUES), size=len(data))
    assert list(benchmark(prepared(reader, data))) == W4_VALUES
