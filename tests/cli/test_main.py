"""main: help everywhere, the version, colours."""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
from pathlib import Path

import pytest

import netcode
from netcode.cli.main import main, parser
from netcode.cli.output import coloured, show

COMMANDS = [(), ("token",), ("proxy",), ("train",), ("profile",)] + [
    ("token", each) for each in ("issue", "inspect", "verify", "keygen", "serve")
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_everywhere(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("usage: python -m netcode")
    assert err == ""


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"netcode {netcode.__version__}\n"
    assert not parser(complete=False).parse_args([]).__dict__


def test_as_a_module() -> None:
    command = [sys.executable, "-m", "netcode", "token", "keygen"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: say where the key goes")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_on_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert coloured(Terminal())
    assert not coloured(io.StringIO())
    monkeypatch.setenv("TERM", "dumb")
    assert not coloured(Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not coloured(Terminal())


def test_show_aligns(capsys: pytest.CaptureFixture[str]) -> None:
    show({"one": 1, "long_name": ["a", "b"], "no": None, "yes": True}, as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "one        1",
        "long name  a",
        "           b",
        "no         none",
        "yes        yes",
    ]


def test_the_page_has_every_command_and_option() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "command-line.md").read_text("utf-8")
    commands = subparsers(parser())
    tokens = {f"token {name}": each for name, each in subparsers(commands.pop("token")).items()}
    for command, each in (commands | tokens).items():
        assert f"`{command}" in page
        options = {name for action in each._actions for name in action.option_strings}
        missing = [name for name in options - {"-h", "--help"} if f"`{name}" not in page]
        assert missing == [], command


def subparsers(parent: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parent._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise AssertionError("no subcommands")
