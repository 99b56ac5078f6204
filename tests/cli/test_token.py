"""token: issue, inspect, verify and keygen, with their exit codes and what goes where."""

from __future__ import annotations

import base64
import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from netcode.cli.main import main
from netcode.compat.renet import read_token
from netcode.security import ConnectToken, Dialect

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
SERVER = "192.0.2.1:40000"
ISSUE = ("token", "issue", "--server", SERVER, "--protocol-id", "0x77")


@pytest.fixture(autouse=True)
def key_in_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETCODE_KEY", KEY.hex())
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command line: (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(each) for each in arguments])
        out, err = capsys.readouterr()
        assert KEY.hex() not in out + err
        assert "\033" not in out + err
        return code, out, err

    return run


def secrets(token: ConnectToken) -> list[str]:
    return [token.client_to_server_key.hex(), token.server_to_client_key.hex()]


def test_issue_prints_a_token_that_a_server_takes(run: Any) -> None:
    options = ("--client-id", 5, "--user-data", "red", "--expires-in", 60, "--timeout", 7)
    code, out, err = run(*ISSUE, *options)
    assert (code, err) == (0, "")
    token = ConnectToken.from_bytes(base64.b64decode(out))
    assert (token.protocol_id, token.timeout) == (0x77, 7)
    assert token.expire_timestamp - token.create_timestamp == 60
    assert abs(token.create_timestamp - time.time()) < 5
    private = token.open_private(KEY)
    assert private.client_id == 5
    assert private.user_data.rstrip(b"\0") == b"red"


def test_issue_json_and_file(run: Any, tmp_path: Path) -> None:
    _, out, _ = run(*ISSUE, "--client-id", 2**64 - 1, "--json")
    found = json.loads(out)
    assert found["client_id"] == 2**64 - 1
    assert found["servers"] == [SERVER]
    assert len(base64.b64decode(found["token"])) == 2048
    file = tmp_path / "token"
    code, out, err = run(*ISSUE, "--out", file, "--json")
    assert code == 0
    assert "token" not in json.loads(out)
    assert "2048 bytes written" in err
    assert stat.S_IMODE(file.stat().st_mode) & 0o77 == 0
    code, out, err = run(*ISSUE, "--out", file)
    assert (code, out) == (1, "")
    assert "exists; remove it first" in err


def test_issue_for_renet(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "token"
    options = ("--dialect", "renet", "--client-id", 9, "--out", file, "--renet-file")
    code, _, _ = run("token", "issue", "--server", "[2001:db8::1]:5000", *options)
    assert code == 0
    token, client_id = read_token(file.read_bytes())
    assert (client_id, token.order) == (9, "network")
    code, out, _ = run("token", "inspect", "--dialect", "renet", file, "--json")
    assert (code, json.loads(out)["client_id_in_front"]) == (0, 9)
    assert run("token", "verify", "--dialect", "renet", file)[0] == 0
    code, _, err = run(*ISSUE, "--renet-file")
    assert (code, "--renet-file needs --dialect renet" in err) == (2, True)


def test_development_key(run: Any) -> None:
    code, out, _ = run(*ISSUE, "--development-key", "--dialect", "lightyear")
    assert code == 0
    token = ConnectToken.from_bytes(base64.b64decode(out), dialect=Dialect.LIGHTYEAR)
    assert token.open_private(bytes(32))


def test_inspect_shows_no_secret(run: Any, tmp_path: Path) -> None:
    _, text, _ = run(*ISSUE)
    token = ConnectToken.from_bytes(base64.b64decode(text))
    for name, data in [
        ("binary", token.to_bytes()),
        ("base64", text.encode()),
        ("hex", token.to_bytes().hex().encode()),
    ]:
        file = tmp_path / name
        file.write_bytes(data)
        code, out, _ = run("token", "inspect", file)
        assert code == 0
        assert "0x77" in out
        assert SERVER in out
        assert not any(secret in out for secret in secrets(token))
    code, out, _ = run("token", "inspect", text.strip(), "--json")
    assert (code, json.loads(out)["expired"]) == (0, False)


def test_verify_says_yes(run: Any, tmp_path: Path) -> None:
    _, text, _ = run(*ISSUE, "--client-id", 5, "--user-data", "red")
    options = ("--server", SERVER, "--protocol-id", "0x77", "--json")
    code, out, _ = run("token", "verify", text.strip(), *options)
    found = json.loads(out)
    assert (code, found["accepted"], found["problems"]) == (0, True, None)
    assert (found["client_id"], found["user_data"]) == (5, b"red".hex())
    new = tmp_path / "new"
    new.write_text(OTHER.hex() + "\n")
    old = tmp_path / "old"
    old.write_bytes(KEY)
    code, out, _ = run("token", "verify", text.strip(), "--key-file", new)
    assert (code, "no key opens it" in out) == (1, True)
    options = ("--key-file", new, "--previous-key-file", old)
    code, out, _ = run("token", "verify", text.strip(), *options)
    assert (code, "the previous key" in out) == (0, True)


def test_verify_says_no_and_why(run: Any) -> None:
    made = ConnectToken.create(
        protocol_id=7,
        private_key=KEY,
        client_id=1,
        servers=SERVER,
        unix_now=time.time() - 100,
        expires_in=30,
    )
    text = base64.b64encode(made.to_bytes()).decode()
    options = ("--server", "192.0.2.9:1", "--protocol-id", 8, "--json")
    code, out, _ = run("token", "verify", text, *options)
    problems = json.loads(out)["problems"]
    assert code == 1
    assert [line.split()[0] for line in problems] == ["protocol_id", "expired", "it"]
    assert "it is for 192.0.2.1:40000, not for 192.0.2.9:1" in problems


def test_keygen(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "key"
    code, out, err = run("token", "keygen", "--out", file)
    assert (code, out) == (0, "")
    assert str(file) in err
    key = file.read_text().strip()
    assert len(bytes.fromhex(key)) == 32
    assert stat.S_IMODE(file.stat().st_mode) & 0o77 == 0
    assert key not in err
    code, out, _ = run("token", "keygen", "--print")
    assert len(bytes.fromhex(out)) == 32
    code, out, err = run("token", "keygen")
    assert (code, out) == (2, "")
    assert "--out FILE, or --print" in err
    _, out, _ = run("token", "keygen", "--print", "--json")
    assert len(json.loads(out)["key"]) == 64


def test_keys_that_are_none(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("", "abc", KEY.hex()[:-2]):
        monkeypatch.setenv("NETCODE_KEY", value)
        code, _, err = run(*ISSUE)
        assert (code, "NETCODE_KEY holds no key: 32 bytes or 64 hex digits" in err) == (1, True)
    monkeypatch.setenv("NETCODE_KEY", bytes(32).hex())
    code, _, err = run(*ISSUE)
    assert (code, "everybody has" in err) == (2, True)
    monkeypatch.delenv("NETCODE_KEY")
    code, _, err = run(*ISSUE)
    assert code == 2
    assert "token keygen" in err
    code, _, err = run(*ISSUE, "--key-file", tmp_path / "absent")
    assert (code, "cannot read the key" in err) == (1, True)
    code, _, err = run(*ISSUE, "--key-file", "x", "--development-key")
    assert (code, "not both" in err) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("token",),
        ("token", "burn"),
        ("token", "issue"),
        ("token", "issue", "--server", "nowhere"),
        (*ISSUE, "--client-id", "x"),
        (*ISSUE, "--client-id", "-1"),
        (*ISSUE, "--expires-in", "0"),
        (*ISSUE, "--user-data", "x" * 257),
        (*ISSUE, "--dialect", "klingon"),
    ],
)
def test_wrong_command_lines(run: Any, arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "error:" in err


@pytest.mark.parametrize("content", [b"", b"abc", b"NETCODE 1.02\0" + bytes(2035), bytes(2048)])
def test_what_is_no_token(run: Any, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    for command in ("inspect", "verify"):
        for dialect in ("standard", "renet"):
            code, out, err = run("token", command, file, "--dialect", dialect)
            assert (code, out) == (1, "")
            assert "no connect token" in err
    code, _, err = run("token", "inspect", tmp_path / "absent")
    assert (code, "cannot read the token" in err) == (1, True)
