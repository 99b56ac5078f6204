"""The parser of ``python -m netcode``."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from netcode.cli.output import FAILED, OK, CommandError, tell

__all__ = ["main", "parser"]


def parser(*, complete: bool = True) -> ArgumentParser:
    """The whole parser; without ``complete``, as much as ``--version`` needs."""
    from netcode import __version__

    made = ArgumentParser(
        prog="python -m netcode",
        description="Tools of netcode, multiplayer netcode for Python.",
        epilog="Exit codes: 0 it worked, 1 it did not or the answer is no, 2 the command line "
        "is wrong.",
        allow_abbrev=False,
    )
    made.add_argument("--version", action="version", version=f"netcode {__version__}")
    if not complete:
        return made
    from netcode.cli.profile import add_profile_options
    from netcode.cli.proxy import add_proxy_command
    from netcode.cli.serve import add_serve_command
    from netcode.cli.token import add_token_commands
    from netcode.cli.train import add_train_options

    commands = made.add_subparsers(title="commands", metavar="COMMAND", required=True)
    token = commands.add_parser(
        "token",
        help="connect tokens: issue, inspect, verify, keygen, serve",
        description="Make and read connect tokens, and the key they are sealed with.",
    )
    add_serve_command(add_token_commands(token))
    add_proxy_command(commands)
    train = commands.add_parser(
        "train",
        help="make a model for a schema from recordings",
        description="Count what the delta coder decides over recordings and freeze it as a model "
        "file, which server and clients then share. The same recordings give the same file.",
    )
    add_train_options(train)
    profile = commands.add_parser(
        "profile",
        help="show where the bits of a recording go",
        description="Run the delta coder over a recording and print its bits by field and by "
        "entity; say what another step would save; write a page with pictures.",
    )
    add_profile_options(profile)
    return made


def parsed(made: ArgumentParser, given: Sequence[str]) -> Namespace:
    """Arguments as a namespace. Recordings may follow options, which argparse does not know of."""
    options, rest = made.parse_known_args(given)
    if rest and (not hasattr(options, "recordings") or any(each[:1] == "-" for each in rest)):
        made.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        options.recordings = [*options.recordings, *map(Path, rest)]
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (default: this process's); return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = parsed(parser(complete=given != ["--version"]), given)
        code: int = options.run(options)
    except SystemExit as stop:  # argparse: --help, --version, or a wrong command line
        return stop.code if isinstance(stop.code, int) else OK
    except CommandError as error:
        tell(str(error), kind="error")
        return error.code
    except BrokenPipeError:
        return FAILED
    except KeyboardInterrupt:
        return FAILED
    return code
