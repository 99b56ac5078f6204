"""``token serve``: a tiny token endpoint for playing with friends on a LAN.

``POST /token`` answers with a fresh connect token, to anybody who asks. It is no login: put it
nowhere that strangers can reach.
"""

from __future__ import annotations

import base64
import json
import socket
import sys
import threading
import time
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Final

from netcode.cli.keys import key_of
from netcode.cli.output import OK, USAGE, CommandError, tell
from netcode.cli.token import DIALECTS, add_mint_options, mint, random_client_id
from netcode.errors import ConfigError
from netcode.io import is_loopback, split_address
from netcode.security import ConnectToken

__all__ = ["RateLimit", "TokenServer", "add_serve_command", "serve_command"]

MAX_AT_ONCE: Final = 16
"""Connections answered at a time; more are closed."""
PATIENCE: Final = 5.0
"""Seconds a connection may take to say what it wants."""
MAX_BODY: Final = 1 << 16
REMEMBERED: Final = 1024
"""Addresses whose rate is remembered; the one that asked longest ago goes first."""

Mint = Callable[[int], ConnectToken]

RISK: Final = (
    "anybody who reaches this address gets a token and can join, and plain HTTP lets anybody on "
    "the way read tokens and with them the games. For friends on a network you trust; for "
    "anything else issue tokens over HTTPS, after a login"
)


class RateLimit:
    """Allows each address ``per_minute`` requests, in bursts of as many, and all together
    ten times that. One thread at a time may use it."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self.clock = clock
        self.full = clock()
        self.buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self.everybody = (10.0 * per_minute, clock())

    def allow(self, host: str) -> bool:
        """Whether ``host`` may have one more now."""
        now = self.clock()
        own = self.refilled(self.buckets.pop(host, (float(self.per_minute), now)), 1, now)
        everybody = self.refilled(self.everybody, 10, now)
        granted = own >= 1 and everybody >= 1
        self.everybody = (everybody - granted, now)
        self.buckets[host] = (own - granted, now)
        if len(self.buckets) > REMEMBERED:
            self.buckets.popitem(last=False)
        return granted

    def refilled(self, bucket: tuple[float, float], share: int, now: float) -> float:
        level, since = bucket
        most = float(share * self.per_minute)
        return min(most, level + (now - since) * most / 60)


class TokenServer(ThreadingHTTPServer):
    """The endpoint: ``serve_forever()`` until ``shutdown()``; ``server_address`` says where.

    Args:
        mint: makes the token for a client id.
        address: ``(host, port)`` to bind; port 0 for a free one.
        per_minute: tokens for one address.
    """

    daemon_threads = True

    def __init__(self, mint: Mint, address: tuple[str, int], per_minute: int = 30) -> None:
        self.mint = mint
        self.limit = RateLimit(per_minute)
        self.lock = threading.Lock()
        self.slots = threading.BoundedSemaphore(MAX_AT_ONCE)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, TokenHandler)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's looks a name up that nothing needs

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self.slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError):  # hanging up is no news
            tell(f"{client_address[0]}: {error}", kind="error")


class TokenHandler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: TokenServer
    timeout = PATIENCE
    server_version = "netcode"
    sys_version = ""

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "0")
        # Nothing in a body matters; read it, or closing would cut off the answer.
        self.rfile.read(min(int(length) if length.isdecimal() else 0, MAX_BODY))
        if self.path != "/token":
            self.answer(404, {"error": "only POST /token is here"})
            return
        with self.server.lock:
            allowed = self.server.limit.allow(self.client_address[0])
        if not allowed:
            self.answer(429, {"error": "too many tokens; wait a minute"}, ("Retry-After", "60"))
            return
        client_id = random_client_id()
        token = self.server.mint(client_id)
        if "application/octet-stream" in self.headers.get("Accept", ""):
            self.send(200, "application/octet-stream", token.to_bytes())
            return
        found = {
            "token": base64.b64encode(token.to_bytes()).decode(),
            "client_id": str(client_id),  # JavaScript's numbers would round it
            "expires": token.expire_timestamp,
        }
        self.answer(200, found)

    def do_GET(self) -> None:
        self.answer(405, {"error": "ask with POST /token"}, ("Allow", "POST"))

    def answer(self, status: int, content: object, *headers: tuple[str, str]) -> None:
        self.send(status, "application/json", json.dumps(content).encode() + b"\n", *headers)

    def send(self, status: int, kind: str, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        tell(f"{self.client_address[0]} {format % args}")


def add_serve_command(commands: Any) -> None:
    """``token serve`` beside the other token commands."""
    parser = commands.add_parser(
        "serve",
        help="hand out tokens over HTTP, for a LAN among friends",
        description=f"Answer POST /token with a fresh connect token for a random client id. "
        f"Beware: {RISK}.",
    )
    parser.add_argument(
        "--bind",
        default="127.0.0.1:8080",
        metavar="IP:PORT",
        help="where to listen; 0.0.0.0:8080 for the LAN (default: %(default)s)",
    )
    parser.add_argument(
        "--per-minute",
        type=int,
        default=30,
        metavar="N",
        help="tokens for one address, and ten times that for all (default: %(default)s)",
    )
    add_mint_options(parser)
    parser.set_defaults(run=serve_command)


def serve_command(options: Namespace) -> int:
    """``token serve``"""
    key = key_of(options, DIALECTS[options.dialect])
    assert key is not None
    if options.per_minute < 1:
        raise CommandError("--per-minute must be at least 1", USAGE)
    try:
        host, port = split_address(options.bind)
    except ConfigError as error:
        raise CommandError(f"--bind: {error}", USAGE) from None
    host = "127.0.0.1" if host == "localhost" else host
    mint(options, key, 0)  # wrong options are found now, not by the first friend
    try:
        server = TokenServer(
            lambda client_id: mint(options, key, client_id), (host, port), options.per_minute
        )
    except OSError as error:
        raise CommandError(f"cannot listen on {options.bind}: {error}") from None
    if not is_loopback(host):
        tell(RISK + ".", kind="warning")
    where, bound = server.server_address[:2]
    named = f"[{where!s}]" if ":" in str(where) else str(where)
    tell(f"POST http://{named}:{bound}/token for a token; Ctrl-C ends")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    return OK
