"""mypy sees the types that game code relies on."""

import re
from pathlib import Path

import pytest

api = pytest.importorskip("mypy.api", reason="mypy is not installed")

ROOT = Path(__file__).parents[2]
FILE = Path(__file__).with_name("shell_api.py")


def test_what_a_type_checker_makes_of_the_public_api(monkeypatch) -> None:
    monkeypatch.setenv("MYPYPATH", str(ROOT))
    options = ["--strict", "--config-file", str(ROOT / "pyproject.toml")]
    # The cache of the gate's own mypy: all but the file is known then.
    out, errors, _ = api.run([*options, "--cache-dir", str(ROOT / ".mypy_cache"), str(FILE)])
    assert errors == ""
    found: dict[int, list[str]] = {}
    for line in out.splitlines():
        match = re.match(rf".*{FILE.name}:(\d+): (?:note|error): (.*)", line)
        if match:
            text = re.sub(r"[\w.]+\.(?=\w+)", "", match[2])  # names without their modules
            found.setdefault(int(match[1]), []).append(text)
    for number, line in enumerate(FILE.read_text().splitlines(), 1):
        expected = re.search(r"  # (is|error:) (.*)$", line)
        if expected is None:
            assert number not in found, (number, found[number])
        elif expected[1] == "is":
            assert found.get(number) == [f'Revealed type is "{expected[2]}"'], (number, line)
        else:
            assert any(expected[2] in each for each in found.get(number, [])), (number, line)
