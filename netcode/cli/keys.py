"""Keys from files and the environment. Nothing here prints one."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

from netcode.cli.output import FAILED, USAGE, CommandError
from netcode.security import Dialect
from netcode.security.dialect import PUBLIC_KEYS

__all__ = ["KEY_VARIABLE", "add_key_options", "key_of", "parse_key", "read_key", "write_secret"]

KEY_VARIABLE: Final = "NETCODE_KEY"
KEY_BYTES: Final = 32
MAX_FILE: Final = 4096

HOW: Final = (
    f"give --key-file FILE, or set {KEY_VARIABLE} to the 64 hex digits of the key; "
    f"python -m netcode token keygen --out FILE makes one"
)


def add_key_options(parser: ArgumentParser, *, previous: bool = False) -> None:
    """``--key-file`` and ``--development-key``; with ``previous``, ``--previous-key-file``."""
    group = parser.add_argument_group("key", f"from the first of these, else from {KEY_VARIABLE}")
    group.add_argument(
        "--key-file", type=Path, metavar="FILE", help="32 bytes, or their 64 hex digits"
    )
    group.add_argument(
        "--development-key",
        action="store_true",
        help="the dialect's key for servers without a key; everybody has it",
    )
    if previous:
        group.add_argument(
            "--previous-key-file",
            type=Path,
            metavar="FILE",
            help="the key that is being replaced; either may open the token",
        )


def key_of(options: Namespace, dialect: Dialect, *, needed: bool = True) -> bytes | None:
    """The key that the options or the environment name. CommandError when there is none."""
    if options.development_key:
        if options.key_file is not None:
            raise CommandError("give --key-file or --development-key, not both", USAGE)
        return dialect.development_key
    if options.key_file is not None:
        key = read_key(options.key_file)
    elif KEY_VARIABLE in os.environ:
        key = parse_key(os.environ[KEY_VARIABLE].encode(), KEY_VARIABLE)
    elif needed:
        raise CommandError(f"no key: {HOW}", USAGE)
    else:
        return None
    if key in PUBLIC_KEYS:
        raise CommandError(
            "this key is one that everybody has; use --development-key if that is meant", USAGE
        )
    return key


def read_key(path: Path) -> bytes:
    """The key in a file, binary or hex. CommandError says what is wrong, without the content."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE)
    except OSError as error:
        raise CommandError(f"cannot read the key: {error}", FAILED) from None
    return parse_key(data, str(path))


def parse_key(data: bytes, where: str) -> bytes:
    """32 bytes from 32 bytes, or from 64 hex digits with white space around."""
    if len(data) == KEY_BYTES:
        return data
    try:
        key = bytes.fromhex(data.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise CommandError(f"{where} holds no key: {KEY_BYTES} bytes or 64 hex digits", FAILED)
    return key


def write_secret(path: Path, data: bytes) -> None:
    """Write a new file that only its owner can read; CommandError when it is there already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CommandError(f"{path} exists; remove it first, or choose another name") from None
    except OSError as error:
        raise CommandError(f"cannot write: {error}") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
