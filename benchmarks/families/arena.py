"""The arena demo on real UDP: what one client costs, beside the same world in other formats."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from measure import Row, row_of_values

FAMILY = "arena"
DEMO = Path(__file__).resolve().parents[2] / "examples" / "arena" / "demo.py"
GOALS = {"json": 0.1, "pickle": 0.2, "msgpack": 0.2, "struct": 0.5}
TICK_BUDGET_MS = 1000 / 60


def play(quick: bool) -> dict[str, Any]:
    """The numbers of one run; RuntimeError when the demo found something wrong."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "demo.json"
        command = [sys.executable, str(DEMO), "--seconds", "4" if quick else "15"]
        done = subprocess.run(
            [*command, "--json", str(report)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"the demo failed:\n{done.stdout}{done.stderr}")
        found: dict[str, Any] = json.loads(report.read_text())
        return found


def rows(quick: bool) -> list[Row]:
    found = play(quick)
    ours = found["bytes_per_client_per_second"]
    sizes = found["full_world_bytes_per_client_per_second"]
    made = [
        row_of_values(
            FAMILY,
            f"bytes_vs_{name}",
            "B/client/s",
            ours=ours,
            peer=f"full world as {name}",
            peer_value=sizes[name],
            goal=goal,
        )
        for name, goal in GOALS.items()
        if sizes.get(name)
    ]
    tick = row_of_values(
        FAMILY,
        "tick_p99_vs_tick",
        "ms",
        ours=found["tick_p99_ms"],
        peer="one tick at 60 Hz",
        peer_value=TICK_BUDGET_MS,
        goal=0.5,
    )
    return [*made, tick]
