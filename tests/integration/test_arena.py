"""The example is the first thing anybody runs: it must work, and fail when something is wrong."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ARENA = ROOT / "examples" / "arena"
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}

pytestmark = pytest.mark.udp


def run(script: str, *options: str, seconds: float = 40.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ARENA / script), *options],
        capture_output=True,
        text=True,
        timeout=seconds,
        env=ENVIRONMENT,
    )


@pytest.mark.parametrize("line", [(), ("--loss", "0.1", "--latency", "0.03")])
def test_the_demo_ends_with_its_table_and_no_mismatch(tmp_path: Path, line: tuple[str]) -> None:
    numbers = tmp_path / "numbers.json"
    done = run("demo.py", "--seconds", "2", "--bots", "4", "--json", str(numbers), *line)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads(numbers.read_text())
    assert summary["mismatches"] == 0
    assert summary["snapshots_compared"] > 100
    assert summary["tick_p99_ms"] > 0
    others = summary["full_world_bytes_per_client_per_second"]
    assert 0 < summary["bytes_per_client_per_second"] < others["struct"] < others["json"]
    for row in ("server tick, p50 / p99", "round trip", "packets lost", "state mismatches"):
        assert row in done.stdout
    assert "snapshots" in done.stderr
    if line:
        assert summary["packets_lost"] > 0
        assert summary["rtt_ms"] > 60


@pytest.mark.parametrize("options", [("--bots", "65"), ("--loss", "1"), ("--seconds", "0")])
def test_wrong_options_are_refused(options: tuple[str]) -> None:
    assert run("demo.py", *options).returncode == 2


def test_the_client_plays_without_a_screen() -> None:
    command = [sys.executable, str(ARENA / "server.py"), "--listen", "127.0.0.1:0"]
    with subprocess.Popen(
        [*command, "--seconds", "20"], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[-1]
            done = run("client.py", "--connect", address, "--headless", "--seconds", "1.2")
            assert done.returncode == 0, done.stderr
            assert "hp 100" in done.stdout
            assert run("bot.py", "--connect", address, "--seconds", "0.5").returncode == 0
        finally:
            server.terminate()
        assert server.wait(5) == 0


def test_a_client_without_a_server_says_what_may_be_wrong() -> None:
    done = run("client.py", "--connect", "127.0.0.1:9", "--headless")
    assert done.returncode == 1
    assert "no server runs at this address" in done.stderr


@pytest.fixture
def demo(monkeypatch):
    monkeypatch.syspath_prepend(str(ARENA))
    import demo

    yield demo
    for name in ("bot", "demo", "shared"):
        sys.modules.pop(name, None)


SERVER = {
    "tick_p50_ms": 1.0,
    "tick_p99_ms": 2.0,
    "ticks": 100,
    "overruns": 0,
    "hashes": {"5": "00000000000000aa"},
    "snapshot_bytes": {"json": 10.0, "msgpack": None},
}


@pytest.mark.parametrize(
    ("hashes", "failure", "complaint"),
    [
        ({5: 0xAA}, "", None),
        ({5: 0xAB}, "", "1 snapshots differ from the server's world"),
        ({6: 0xAA}, "", "bot 0: no snapshot to compare"),
        ({}, "disconnected: timeout", "bot 0: disconnected: timeout"),
    ],
)
def test_what_counts_as_wrong(demo, capsys, hashes, failure, complaint) -> None:
    bot = demo.Bot(0, hashes=hashes, failure=failure, seconds=1.0, rtt=[0.01])
    summary = demo.summarise([bot], SERVER)
    assert summary["failures"] == ([complaint] if complaint else [])
    demo.show(summary)
    shown = capsys.readouterr().out
    assert "not measured (pip install msgpack)" in shown
    assert (f"FAILED: {complaint}" in shown) == bool(complaint)


def test_the_line_is_seeded(demo) -> None:
    options = argparse.Namespace(loss=0.5, latency=0.0, seed=3)
    first, again = demo.bad_line(options, 1), demo.bad_line(options, 1)
    assert [link.seed for link in first] == [link.seed for link in again]
    assert demo.bad_line(argparse.Namespace(loss=0, latency=0, seed=3), 1) is None
