"""Settings every test shares: Hypothesis profiles, and seeds that a failure prints."""

from __future__ import annotations

import os
import random
import signal
import zlib

import pytest
from hypothesis import HealthCheck, settings
from virtual_desk import DeskHost

from netcode.constants import MAX_CLIENTS
from netcode.io import BACKENDS

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile("dev", max_examples=50, deadline=None, suppress_health_check=SLOW)
settings.register_profile(
    "ci", max_examples=50, deadline=None, derandomize=True, suppress_health_check=SLOW
)
settings.register_profile(
    "soak", max_examples=20_000, deadline=None, suppress_health_check=SLOW, print_blob=True
)

DEFAULT_PROFILE = "ci" if os.environ.get("CI", "").lower() in {"1", "true"} else "dev"
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", DEFAULT_PROFILE)
settings.load_profile(PROFILE)


# A shell that runs the tests in the background has them, and what they start, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    return f"hypothesis profile: {PROFILE} (HYPOTHESIS_PROFILE=dev|ci|soak)"


@pytest.fixture(params=["poll", "thread"])
def driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What moves the datagrams of servers on real UDP that do not say so themselves."""
    chosen: str = request.param
    if chosen == "thread" and BACKENDS[0] == "python":
        pytest.skip("no I/O thread on this system")
    monkeypatch.setattr("netcode.server.POLLED_CLIENTS", 0 if chosen == "thread" else MAX_CLIENTS)
    monkeypatch.setattr("netcode.server.processors", lambda: 2)
    return chosen


@pytest.fixture(params=["endpoint", "desk"])
def owner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What owns the connections of servers in virtual time: the loop's own endpoint, or another."""
    chosen: str = request.param
    if chosen == "desk":
        monkeypatch.setattr("netcode.server.ServerHost", DeskHost)
    return chosen


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A seed for this test; the same every run under ci, and printed when the test fails.

    NETCODE_SEED=<n> repeats a run.
    """
    if "NETCODE_SEED" in os.environ:
        value = int(os.environ["NETCODE_SEED"])
    elif PROFILE == "ci":
        value = zlib.crc32(request.node.nodeid.encode())
    else:
        value = random.SystemRandom().getrandbits(32)
    # Captured, so pytest shows it with the failure and keeps it quiet otherwise.
    print(f"seed {value} (repeat with NETCODE_SEED={value})")
    return value


@pytest.fixture
def rng(seed: int) -> random.Random:
    """A generator started from ``seed``."""
    return random.Random(seed)
