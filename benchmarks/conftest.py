"""Lets the benchmark files import their neighbours, and prints time beside bytes at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

Line = tuple[str, str, float | None, float]
LINES = pytest.StashKey[list[Line]]()


@pytest.fixture
def note(request: pytest.FixtureRequest, benchmark: Any) -> Iterator[Callable[..., None]]:
    """Says what a benchmark is of: its group, peer, units of work, and bytes of one message.

    A unit is what the printed nanoseconds are of; bytes also go to ``extra_info`` of the JSON.
    """
    said: dict[str, Any] = {}

    def say(group: str, peer: str, *, units: int, size: float) -> None:
        benchmark.group = group
        benchmark.extra_info.update(peer=peer, units=units, bytes=size)
        said.update(benchmark.extra_info, group=group)

    yield say
    if said:
        # With --benchmark-disable there is no time.
        time = benchmark.stats.stats.median * 1e9 / said["units"] if benchmark.stats else None
        lines = request.config.stash.setdefault(LINES, [])
        lines.append((said["group"], said["peer"], time, said["bytes"]))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """One table for each group, the fastest first."""
    lines = config.stash.get(LINES, [])
    for group in sorted({line[0] for line in lines}):
        terminalreporter.section(group, sep="-")
        terminalreporter.line(f"{'peer':<30} {'ns/unit':>12} {'bytes':>10}")
        of_group = [line[1:] for line in lines if line[0] == group]
        for peer, time, size in sorted(of_group, key=lambda line: line[1] or 0):
            shown = "-" if time is None else f"{time:,.1f}"
            terminalreporter.line(f"{peer:<30} {shown:>12} {size:>10,.1f}")
