"""serve: the token endpoint over real HTTP on loopback, and its rate limit in virtual time."""

from __future__ import annotations

import base64
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from netcode.cli.main import main
from netcode.cli.serve import RateLimit, TokenServer
from netcode.security import ConnectToken
from netcode.testing import VirtualClock

KEY = bytes(range(32))


def mint(client_id: int) -> ConnectToken:
    return ConnectToken.create(
        protocol_id=1,
        private_key=KEY,
        client_id=client_id,
        servers="192.0.2.1:40000",
        unix_now=1e9,
    )


@pytest.fixture(params=["127.0.0.1", "::1"])
def server(request: pytest.FixtureRequest) -> Iterator[TokenServer]:
    try:
        made = TokenServer(mint, (request.param, 0), per_minute=3)
    except OSError:
        pytest.skip(f"no {request.param} here")
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    thread.join(5)
    made.server_close()


def ask(server: TokenServer, path: str = "/token", **options: Any) -> tuple[int, Any, bytes]:
    host, port = server.server_address[:2]
    named = f"[{host!s}]" if ":" in str(host) else str(host)
    question = urllib.request.Request(f"http://{named}:{port}{path}", **options)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(question, timeout=5) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


@pytest.mark.udp
def test_tokens_over_http(server: TokenServer, capsys: pytest.CaptureFixture[str]) -> None:
    status, headers, body = ask(server, method="POST")
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    found = json.loads(body)
    token = ConnectToken.from_bytes(base64.b64decode(found["token"]))
    assert token.open_private(KEY).client_id == int(found["client_id"])
    assert token.expire_timestamp == found["expires"]
    plain = {"Accept": "application/octet-stream"}
    status, _, body = ask(server, method="POST", headers=plain, data=b"ignored")
    assert status == 200
    other = ConnectToken.from_bytes(body)
    assert other.open_private(KEY).client_id != int(found["client_id"])
    status, headers, _ = ask(server)
    assert (status, headers["Allow"]) == (405, "POST")
    assert ask(server, "/", method="POST")[0] == 404
    assert ask(server, method="POST")[0] == 200
    status, headers, _ = ask(server, method="POST")
    assert (status, headers["Retry-After"]) == (429, "60")
    logged = capsys.readouterr().err
    assert "POST /token" in logged
    assert found["token"][:40] not in logged
    assert KEY.hex() not in logged


def test_rate_limit() -> None:
    clock = VirtualClock()
    limit = RateLimit(6, lambda: clock.now)
    assert [limit.allow("a") for _ in range(7)] == [True] * 6 + [False]
    assert limit.allow("b")
    clock.advance_to(10.0)
    assert [limit.allow("a") for _ in range(2)] == [True, False]
    granted = sum(limit.allow(f"host {number}") for number in range(3000))
    assert granted <= 60
    assert len(limit.buckets) <= 1024


def test_serve_refuses_before_it_listens(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETCODE_KEY", KEY.hex())
    base = ["token", "serve", "--server", "192.0.2.1:40000"]
    for options, code, text in [
        (["--bind", "nowhere"], 2, "--bind"),
        (["--per-minute", "0"], 2, "--per-minute"),
        (["--expires-in", "0"], 2, "expires_in"),
        (["--bind", "192.0.2.55:1"], 1, "cannot listen"),
    ]:
        assert main([*base, *options]) == code
        out, err = capsys.readouterr()
        assert out == ""
        assert text in err


def test_serve_states_the_risk(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETCODE_KEY", KEY.hex())

    def interrupted(self: TokenServer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TokenServer, "serve_forever", interrupted)
    base = ["token", "serve", "--server", "192.0.2.1:40000", "--bind"]
    assert main([*base, "127.0.0.1:0"]) == 0
    assert "warning" not in capsys.readouterr().err
    assert main([*base, "0.0.0.0:0"]) == 0
    assert "warning: anybody who reaches this address gets a token" in capsys.readouterr().err
