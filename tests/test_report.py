"""benchmarks/report.py: its options, its errors, and the keys of its rows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPORT = Path(__file__).resolve().parent.parent / "benchmarks" / "report.py"
KEYS = ["family", "name", "unit", "ours", "peer", "peer_value", "ratio", "goal", "moonshot"]
KEYS += ["better", "met"]
BITS = {
    "write_bits_vs_bitarray",
    "w1_encode_vs_struct",
    "w2_encode_vs_msgspec",
    "w2_decode_vs_msgspec",
    "w2_bytes_vs_msgspec",
    "w3_records_encode_vs_msgspec",
    "w3_records_encode_vs_c",
    "w3_records_decode_vs_c",
    "encode_records_two_threads",
    "numpy_sort_two_threads",
}


def report(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(REPORT), *arguments], capture_output=True, text=True, check=False
    )


def test_list() -> None:
    done = report("--list")
    assert done.returncode == 0
    assert "bits" in done.stdout.split()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "no family 'nonsense'; there are: "),
        ([], "name a family: "),
        (["bits", "--json", "/nowhere/at/all.json"], "the folder of /nowhere/at/all.json"),
    ],
)
def test_errors_are_one_line(arguments: list[str], says: str) -> None:
    done = report(*arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_rows(tmp_path: Path) -> None:
    pytest.importorskip("bitarray")
    out = tmp_path / "bits.json"
    done = report("bits", "--quick", "--json", str(out))
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())
    # What is not measured is named.
    named = set(re.findall(r"^(\w+): not measured", done.stderr, re.MULTILINE))
    assert {row["name"] for row in rows} | named == BITS
    header = next(line for line in done.stdout.splitlines() if line.startswith("family"))
    assert header.split() == KEYS
    for row in rows:
        assert list(row) == KEYS
        assert row["moonshot"] is None or isinstance(row["moonshot"], float)
        assert row["better"] in ("lower", "higher")
        good = row["ratio"] <= row["goal"] if row["better"] == "lower" else None
        assert row["met"] is (good if good is not None else row["ratio"] >= row["goal"])
        assert f"{row['name']} " in done.stdout
