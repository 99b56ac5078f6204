"""Type checkers see the types that users write."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
def test_mypy() -> None:
    # The options of the gate's own mypy, whose cache knows all but the file.
    command = [sys.executable, "-m", "mypy", "--strict"]
    check([*command, str(HERE / "schema_types.py")])


@pytest.mark.skipif(shutil.which("pyright") is None, reason="pyright is not installed")
def test_pyright() -> None:
    check(["pyright", "--pythonpath", sys.executable, str(HERE / "schema_types.py")])


def check(command: list[str]) -> None:
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert result.returncode == 0, result.stdout + result.stderr
