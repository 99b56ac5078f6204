"""What commands print: aligned text or JSON, colours on terminals only."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Final, TextIO

__all__ = ["FAILED", "OK", "USAGE", "CommandError", "coloured", "show", "tell"]

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2


class CommandError(Exception):
    """A command that cannot go on: what is wrong and what to do, and the exit code."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


def coloured(stream: TextIO) -> bool:
    """Whether to colour: on a terminal, unless NO_COLOR is set (https://no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def show(fields: Mapping[str, object], *, as_json: bool) -> None:
    """Print a result to stdout: a line for each field, or one JSON object."""
    if as_json:
        print(json.dumps(fields, indent=2))
        return
    faint, plain = ("\033[2m", "\033[0m") if coloured(sys.stdout) else ("", "")
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        label = name.replace("_", " ")
        lines = value if isinstance(value, list) else [value]
        for line in lines:
            print(f"{faint}{label:<{width}}{plain}  {text_of(line)}")
            label = ""


def text_of(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def tell(message: str, *, kind: str = "") -> None:
    """Print to stderr; ``kind`` is "error", "warning" or nothing."""
    if kind:
        colour = {"error": "\033[31m", "warning": "\033[33m"}[kind]
        word = f"{colour}{kind}:\033[0m" if coloured(sys.stderr) else f"{kind}:"
        message = f"{word} {message}"
    print(message, file=sys.stderr)
