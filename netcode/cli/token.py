"""``token issue``, ``inspect``, ``verify`` and ``keygen``."""

from __future__ import annotations

import base64
import binascii
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from netcode.cli.keys import add_key_options, key_of, read_key, write_secret
from netcode.cli.output import FAILED, OK, USAGE, CommandError, show, tell
from netcode.compat.renet import read_token, write_token
from netcode.errors import ConfigError, TokenError
from netcode.security import ConnectToken, Dialect, generate_key, parse_address, random_bytes

__all__ = [
    "DIALECTS",
    "add_mint_options",
    "add_token_commands",
    "describe",
    "load_token",
    "mint",
    "objections",
]

DIALECTS: Final = {each.name: each for each in (Dialect.STANDARD, Dialect.RENET, Dialect.LIGHTYEAR)}
MAX_FILE: Final = 1 << 14
U64_MAX: Final = 2**64 - 1


def number(text: str) -> int:
    """An integer, decimal or with 0x."""
    return int(text, 0)


def add_dialect_option(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--dialect",
        choices=sorted(DIALECTS),
        default="standard",
        help="the netcode 1.02 that server and client speak (default: %(default)s)",
    )


def add_mint_options(parser: ArgumentParser) -> None:
    """What a token is made of, beside the client it is for."""
    parser.add_argument(
        "--server",
        action="append",
        required=True,
        metavar="IP:PORT",
        help="as clients reach it; repeat for more, up to 32, tried in order",
    )
    parser.add_argument(
        "--internal-server",
        action="append",
        metavar="IP:PORT",
        help="the same servers as they know themselves, where that differs",
    )
    parser.add_argument(
        "--protocol-id", type=number, default=0, metavar="N", help="the application's number"
    )
    parser.add_argument(
        "--expires-in",
        type=number,
        default=30,
        metavar="SECONDS",
        help="until the client has to be connected (default: %(default)s)",
    )
    parser.add_argument(
        "--timeout",
        type=number,
        default=15,
        metavar="SECONDS",
        help="of silence that end the connection (default: %(default)s)",
    )
    parser.add_argument(
        "--user-data", default="", metavar="TEXT", help="up to 256 bytes that the server will see"
    )
    add_dialect_option(parser)
    add_key_options(parser)


def mint(options: Namespace, key: bytes, client_id: int) -> ConnectToken:
    """The token that the options describe; CommandError for wrong ones."""
    try:
        return ConnectToken.create(
            protocol_id=options.protocol_id,
            private_key=key,
            client_id=client_id,
            servers=options.server,
            internal_servers=options.internal_server,
            unix_now=time.time(),
            expires_in=options.expires_in,
            timeout=options.timeout,
            user_data=options.user_data.encode(),
            dialect=DIALECTS[options.dialect],
        )
    except ConfigError as error:
        raise CommandError(str(error), USAGE) from None


def random_client_id() -> int:
    return int.from_bytes(random_bytes(8), "little")


# The commands


def add_token_commands(parser: ArgumentParser) -> Any:
    """The subcommands of ``token``; returned, so that others can be added."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    issue = commands.add_parser(
        "issue",
        help="make a connect token",
        description="Make a connect token and print it as base64. It holds the keys of one "
        "connection: hand it over in private.",
    )
    issue.add_argument(
        "--client-id", type=number, metavar="N", help="who it is for (default: random)"
    )
    add_mint_options(issue)
    issue.add_argument(
        "--out", type=Path, metavar="FILE", help="write the bytes to a new file instead"
    )
    issue.add_argument(
        "--renet-file", action="store_true", help="the bytes that renet's ConnectToken::read takes"
    )
    issue.add_argument("--json", action="store_true", help="print JSON")
    issue.set_defaults(run=issue_command)

    inspect = commands.add_parser(
        "inspect",
        help="show what a connect token says",
        description="Show the public part of a connect token. Its keys are not shown. Exit code "
        "1 if it is no token.",
    )
    add_token_argument(inspect)
    inspect.set_defaults(run=inspect_command)

    verify = commands.add_parser(
        "verify",
        help="tell whether a server would accept a token",
        description="Open a connect token with the key and say whether a server would accept it. "
        "Exit code 0 if so, 1 if not. A token that was used already cannot be told from a new "
        "one here: only its server knows.",
    )
    add_token_argument(verify)
    verify.add_argument("--server", metavar="IP:PORT", help="the server that has to accept it")
    verify.add_argument("--protocol-id", type=number, metavar="N", help="what that server has")
    add_key_options(verify, previous=True)
    verify.set_defaults(run=verify_command)

    keygen = commands.add_parser(
        "keygen",
        help="make a private key",
        description="Make the 32 random bytes that token issuers and game servers share.",
    )
    keygen.add_argument(
        "--out", type=Path, metavar="FILE", help="write its 64 hex digits to a new file (mode 600)"
    )
    keygen.add_argument("--print", action="store_true", help="print the 64 hex digits")
    keygen.add_argument("--json", action="store_true", help="print JSON")
    keygen.set_defaults(run=keygen_command)
    return commands


def add_token_argument(parser: ArgumentParser) -> None:
    parser.add_argument(
        "token", metavar="TOKEN", help="a file of bytes, base64 or hex; - for stdin; or base64"
    )
    add_dialect_option(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def issue_command(options: Namespace) -> int:
    """``token issue``"""
    dialect = DIALECTS[options.dialect]
    if options.renet_file and dialect is not Dialect.RENET:
        raise CommandError("--renet-file needs --dialect renet", USAGE)
    key = key_of(options, dialect)
    assert key is not None
    client_id = random_client_id() if options.client_id is None else options.client_id
    token = mint(options, key, client_id)
    data = write_token(token, client_id) if options.renet_file else token.to_bytes()
    if options.out is not None:
        write_secret(options.out, data)
        tell(f"{len(data)} bytes written to {options.out}")
    text = base64.b64encode(data).decode()
    if options.json:
        # Who asked for a file does not want the secret on the screen as well.
        secret = {"file": str(options.out)} if options.out else {"token": text}
        show({"client_id": client_id, **describe(token), **secret}, as_json=True)
    elif options.out is None:
        print(text)
    return OK


def inspect_command(options: Namespace) -> int:
    """``token inspect``"""
    token, client_id = load_token(options.token, DIALECTS[options.dialect])
    front = {} if client_id is None else {"client_id_in_front": client_id}
    show(front | describe(token), as_json=options.json)
    return OK


def verify_command(options: Namespace) -> int:
    """``token verify``"""
    dialect = DIALECTS[options.dialect]
    token, _ = load_token(options.token, dialect)
    key = key_of(options, dialect)
    assert key is not None
    keys = [key]
    if options.previous_key_file is not None:
        keys.append(read_key(options.previous_key_file))
    if options.server is not None:
        try:
            parse_address(options.server)
        except ConfigError as error:
            raise CommandError(f"--server: {error}", USAGE) from None
    problems, found = objections(token, keys, time.time(), options.server, options.protocol_id)
    show({"accepted": not problems, **found, "problems": problems or None}, as_json=options.json)
    return FAILED if problems else OK


def keygen_command(options: Namespace) -> int:
    """``token keygen``"""
    if options.out is None and not options.print:
        raise CommandError("say where the key goes: --out FILE, or --print to see it", USAGE)
    key = generate_key().hex()
    if options.out is not None:
        write_secret(options.out, key.encode() + b"\n")
        tell(f"the key is in {options.out}; give it to servers and token issuers, to nobody else")
    if options.json:
        result: dict[str, object] = {"file": None if options.out is None else str(options.out)}
        show(result | ({"key": key} if options.print else {}), as_json=True)
    elif options.print:
        print(key)
    return OK


# Tokens


def describe(token: ConnectToken) -> dict[str, object]:
    """What a token says in public, without its keys."""
    now = time.time()
    forever = token.expire_timestamp == U64_MAX
    return {
        "protocol_id": f"{token.protocol_id:#x}",
        "created": moment(token.create_timestamp),
        "expires": "never" if forever else moment(token.expire_timestamp),
        "expired": token.expired(now),
        "seconds_left": None if forever else max(0, round(token.expire_timestamp - now)),
        "timeout": token.timeout if token.timeout >= 0 else None,
        "servers": [str(server) for server in token.servers],
    }


def moment(unix: int) -> str:
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(unix))
    except (OverflowError, OSError, ValueError):
        return f"{unix} (unix seconds)"


def objections(
    token: ConnectToken,
    keys: Sequence[bytes],
    unix_now: float,
    server: str | None = None,
    protocol_id: int | None = None,
) -> tuple[list[str], dict[str, object]]:
    """Why a server would refuse a token, and what its private part says when a key opens it."""
    problems = []
    if protocol_id is not None and token.protocol_id != protocol_id:
        problems.append(f"protocol_id is {token.protocol_id:#x}, the server's {protocol_id:#x}")
    if token.expired(unix_now):
        problems.append(f"expired {unix_now - token.expire_timestamp:.0f} s ago")
    for index, key in enumerate(keys):
        try:
            private = token.open_private(key)
        except TokenError:
            continue
        if server is not None and not private.names(parse_address(server)):
            named = ", ".join(map(str, private.servers))
            problems.append(f"it is for {named}, not for {server}")
        return problems, {
            "opened_by": "the previous key" if index else "the key",
            "client_id": private.client_id,
            "timeout": private.timeout if private.timeout >= 0 else None,
            "servers": [str(each) for each in private.servers],
            "user_data": private.user_data.rstrip(b"\0").hex() or None,
        }
    problems.append("no key opens it: another key made it, or it was altered")
    return problems, {}


def load_token(source: str, dialect: Dialect) -> tuple[ConnectToken, int | None]:
    """A token from a file, stdin ("-") or base64 text; CommandError says what is wrong with it.

    The second value is the client id in front of the token, which only renet's form has.
    """
    if source == "-":
        data = sys.stdin.buffer.read(MAX_FILE)
    elif len(source) > 1024:  # longer than any path
        data = source.encode()
    else:
        try:
            with Path(source).open("rb") as file:
                data = file.read(MAX_FILE)
        except OSError as error:
            raise CommandError(f"cannot read the token: {error}") from None
    data = unwrapped(data)
    try:
        if dialect is Dialect.RENET and len(data) != 2048:
            return read_token(data)
        return ConnectToken.from_bytes(data, dialect=dialect), None
    except TokenError as error:
        raise CommandError(f"this is no connect token: {error}") from None


def unwrapped(data: bytes) -> bytes:
    """The bytes behind base64 or hex text; anything else as it is."""
    compact = b"".join(data.split())
    try:
        return bytes.fromhex(compact.decode("ascii"))
    except ValueError:
        pass
    try:
        return base64.b64decode(compact, validate=True)
    except binascii.Error:
        return data
