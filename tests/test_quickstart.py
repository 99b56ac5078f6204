"""The code on the README's first screen works: server and clients as processes, on real UDP."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pages import ROOT

SOURCE = ROOT / "examples" / "quickstart"
SECONDS = 30.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The quickstart with a free port in place of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name in ("shared.py", "server.py", "client.py"):
        text = (SOURCE / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("127.0.0.1:40000", f"127.0.0.1:{port}"))
    return tmp_path


@contextmanager
def running(folder: Path, script: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-u", script], cwd=folder, stdout=subprocess.PIPE, text=True,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.udp
def test_two_clients_see_each_other(folder: Path) -> None:
    with (
        running(folder, "server.py") as server,
        running(folder, "client.py") as first,
        running(folder, "client.py") as second,
    ):
        assert first.stdout is not None
        end = time.monotonic() + SECONDS
        mine: set[str] = set()
        others: set[str] = set()
        while (len(mine) < 5 or len(others) < 5) and time.monotonic() < end:
            line = first.stdout.readline()
            assert re.fullmatch(r" *[\d.]+ +[\d.]+ (mine)?\n", line), line
            (mine if line.endswith("mine\n") else others).add(line)
        assert len(mine) >= 5
        assert len(others) >= 5
        # Ctrl-C leaves the loop, and leaving tells the clients.
        server.send_signal(signal.SIGINT)
        assert first.stdout.read().count("\n") < 10_000
        assert first.wait(SECONDS) == 0
        assert second.poll() in {None, 0}
