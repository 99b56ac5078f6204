"""keys: which keys keep others out, and what may be bound with them."""

from __future__ import annotations

from typing import Any

import pytest
from virtual_game import ADDRESS, Game

import netcode as nc
from netcode.security.dialect import DEVELOPMENT_KEY
from netcode.shell.host import VIRTUAL_EPOCH
from netcode.shell.keys import is_public, server_key

OLD, NEW = bytes(range(32)), bytes(range(1, 33))
LOCAL, ANY = ("127.0.0.1", 1), ("", 1)


def test_public_keys() -> None:
    assert is_public(None)
    assert is_public(DEVELOPMENT_KEY)
    assert is_public(bytes(32))
    assert not is_public(OLD)


@pytest.mark.parametrize("key", [None, DEVELOPMENT_KEY, bytes(32)])
def test_a_key_that_everybody_has_stays_on_loopback(key: bytes | None) -> None:
    assert server_key(key, None, LOCAL) == (key or DEVELOPMENT_KEY)
    with pytest.raises(nc.ConfigError, match="would let anybody in"):
        server_key(key, None, ANY)


def test_previous_key() -> None:
    assert server_key(NEW, OLD, ANY) == NEW
    assert server_key(NEW, bytes(32), LOCAL) == NEW
    for previous, text in [
        (bytes(32), "would let anybody in"),
        (NEW, "the same as key"),
        (b"short", "previous_key is 5 bytes"),
    ]:
        with pytest.raises(nc.ConfigError, match=text):
            server_key(NEW, previous, ANY)
    with pytest.raises(nc.ConfigError, match="previous_key needs key"):
        server_key(None, OLD, LOCAL)


def test_a_dialect_brings_its_development_key() -> None:
    assert server_key(None, None, LOCAL, nc.Dialect.RENET) == bytes(32)
    game = Game(dialect=nc.Dialect.RENET)
    with game.connect(dialect=nc.Dialect.RENET) as client:
        assert client.connected
    with pytest.raises(nc.ConnectTimeout):
        game.connect(timeout=0.5)
    assert game.server.counters["request_forged"]
    assert game.server.endpoint.config.loopback_only
    game.server.close()


def token(key: bytes, client_id: int, **options: Any) -> nc.ConnectToken:
    settings = {"unix_now": VIRTUAL_EPOCH, "servers": [ADDRESS]}
    return nc.ConnectToken.create(
        protocol_id=7, private_key=key, client_id=client_id, **settings | options
    )


def test_a_rotation_takes_both_keys_and_then_one() -> None:
    """Servers with both keys first, then the backend, then servers without the old one."""
    during = Game(key=NEW, previous_key=OLD, protocol_id=7)
    for number, key in enumerate((OLD, NEW), 1):
        with during.connect(token=token(key, number)) as client:
            assert client.connected
    during.server.close()
    after = Game(key=NEW, protocol_id=7)
    with after.connect(token=token(NEW, 3)) as client:
        assert client.connected
    with pytest.raises(nc.ConnectTimeout):
        after.connect(token=token(OLD, 4), timeout=0.5)
    assert after.server.counters["request_forged"]
    after.server.close()


def test_a_token_admits_once() -> None:
    game = Game(key=NEW, previous_key=OLD, protocol_id=7)
    once = token(OLD, 1)
    with game.connect(token=once):
        pass
    game.run(0.2)
    with pytest.raises(nc.ConnectTimeout):
        game.connect(token=once, timeout=0.5)
    assert game.server.counters["request_token_consumed"]
    game.server.close()


def test_the_server_judges_expiry_by_its_own_clock() -> None:
    game = Game(key=NEW, protocol_id=7)
    late = token(NEW, 1, expires_in=30)
    game.server.endpoint.epoch += 60
    with pytest.raises(nc.ConnectTimeout):
        game.connect(token=late, timeout=0.5)
    assert game.server.counters["request_expired"]
    game.server.close()


def test_tokens_from_before_a_restart() -> None:
    game = Game(key=NEW, protocol_id=7, max_token_lifetime=60)
    with pytest.raises(nc.ConnectTimeout):
        game.connect(token=token(NEW, 1, expires_in=30), timeout=0.5)
    assert game.server.counters["request_before_start"]
    game.server.close()


def test_no_key_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    game = Game(key=NEW, previous_key=OLD, protocol_id=7)
    made = token(OLD, 1)
    secrets = (NEW, OLD, made.client_to_server_key, made.server_to_client_key)
    seen = [repr(made), str(made), repr(made.open_private(OLD)), repr(nc.Dialect.STANDARD)]
    with caplog.at_level("DEBUG"), game.connect(token=made) as client:
        game.run(0.1, client)
        endpoints = (game.server.endpoint, client.endpoint)
        seen += [repr(each) for each in (game.server, client, *game.events, *endpoints)]
        seen += [repr(each.config) for each in endpoints]
        with pytest.raises(nc.TokenError) as wrong:
            made.open_private(NEW)
        with pytest.raises(nc.ConnectTimeout) as silent:
            game.connect(token=token(bytes(32), 2), timeout=0.5)
        game.run(6.0)
    game.server.close()
    text = "\n".join([*seen, str(wrong.value), str(silent.value), caplog.text])
    assert "refused" in caplog.text
    for secret in secrets:
        assert secret.hex() not in text.lower()
        assert repr(secret)[2:-1] not in text
