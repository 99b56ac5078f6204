"""dialect: what it checks, and the three that are named."""

from __future__ import annotations

from typing import Any

import pytest

from netcode.errors import ConfigError
from netcode.security import ConnectToken, Dialect
from netcode.security.dialect import DEVELOPMENT_KEY, PUBLIC_KEYS


def test_the_named_ones() -> None:
    known = (Dialect.STANDARD, Dialect.RENET, Dialect.LIGHTYEAR)
    assert [each.name for each in known] == ["standard", "renet", "lightyear"]
    assert [each.max_payload for each in known] == [1200, 1300, 1200]
    assert [each.token_order for each in known] == ["standard", "network", "network"]
    assert [each.development_key for each in known] == [DEVELOPMENT_KEY, bytes(32), bytes(32)]
    assert {each.development_key for each in known} == PUBLIC_KEYS
    assert Dialect(name="standard") == Dialect.STANDARD


def test_repr_shows_no_key() -> None:
    assert repr(Dialect.RENET) == "<Dialect renet>"
    assert repr(Dialect(max_payload=900)) == "<Dialect custom>"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"max_payload": 0}, "max_payload: 0, must be 1 to 1300"),
        ({"max_payload": 1301}, "max_payload: 1301"),
        ({"max_payload": True}, "max_payload: True"),
        ({"token_order": "big"}, "token_order: 'big'"),
        ({"development_key": b"short"}, "development_key must be 32 bytes"),
    ],
)
def test_refuses(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        Dialect(**fields)


def test_tokens_take_the_order_of_a_dialect() -> None:
    def made(**options: Any) -> ConnectToken:
        return ConnectToken.create(
            protocol_id=1,
            private_key=bytes(range(32)),
            client_id=2,
            servers="[2001:db8::1]:40000",
            unix_now=1e9,
            entropy=bytes,
            **options,
        )

    assert made().order == made(dialect=Dialect.STANDARD).order == "standard"
    rust = made(dialect=Dialect.RENET)
    assert rust.order == "network"
    assert rust == made(order="network")
    assert made(dialect=Dialect.RENET, order="standard") == made()
    assert rust.to_bytes() != made().to_bytes()
    assert ConnectToken.from_bytes(rust.to_bytes(), dialect=Dialect.LIGHTYEAR) == rust
    assert ConnectToken.from_bytes(rust.to_bytes(), "network") == rust
    assert str(ConnectToken.from_bytes(rust.to_bytes()).servers[0]) == "[120:b80d::100]:40000"
