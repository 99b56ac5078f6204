"""The interop example with itself, over real UDP on loopback, in each dialect."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "interop" / "peer.py"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    settings = os.environ | {"NETCODE_KEY": bytes(range(32)).hex(), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=settings)


@pytest.mark.udp
@pytest.mark.parametrize(
    ("dialect", "size", "more"),
    [("standard", "1200", []), ("renet", "1300", ["--development-key"])],
)
def test_payloads_come_back(dialect: str, size: str, more: list[str]) -> None:
    address = f"127.0.0.1:{free_port()}"
    options = [address, "--dialect", dialect, *more]
    with start("server", *options, "--seconds", "15", "--once") as server:
        try:
            with start("client", *options, "--size", size, "--seconds", "2") as client:
                out, _ = client.communicate(timeout=30)
            said, _ = server.communicate(timeout=30)
        finally:
            server.kill()
    assert client.returncode == 0, out
    counts = re.search(rf"sent (\d+) payloads of {size} bytes, received (\d+), equal (\d+)", out)
    assert counts, out
    sent, received, equal = map(int, counts.groups())
    assert sent >= received == equal > 0
    assert server.returncode == 0, said
    assert "ClientConnected" in said
    assert "closed by peer" in said
