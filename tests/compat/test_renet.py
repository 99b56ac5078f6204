"""renet: its two forms of a connect token, and what is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcode.compat.renet import read_token, write_token
from netcode.errors import ConfigError, TokenError
from netcode.security import ConnectToken, Dialect

KEY = Dialect.RENET.development_key
SERVERS = ["192.0.2.1:40000", "[2001:db8::7]:40001"]
PREFIX = 8 + 13 + 24 + 24 + 1024


def made(servers: Any = SERVERS, client_id: int = 77, **options: Any) -> ConnectToken:
    settings = {"dialect": Dialect.RENET, "expires_in": 300, "timeout": 15}
    return ConnectToken.create(
        protocol_id=7,
        private_key=KEY,
        client_id=client_id,
        servers=servers,
        unix_now=1e9,
        **settings | options,
    )


def test_newer_form_byte_by_byte() -> None:
    token = made()
    data = write_token(token, 77)
    assert data[:8] == (77).to_bytes(8, "little")
    assert data[8:21] == b"NETCODE 1.02\0"
    assert data[PREFIX : PREFIX + 8] == bytes([15, 0, 0, 0, 2, 0, 0, 0])
    six = bytes.fromhex("20010db8000000000000000000000007")
    assert data[PREFIX + 8 : -64] == (
        bytes([1, 192, 0, 2, 1]) + (40000).to_bytes(2, "little")
        + bytes([2]) + six + (40001).to_bytes(2, "little")
    )  # fmt: skip
    assert data[-64:] == token.client_to_server_key + token.server_to_client_key


def test_both_forms_come_back() -> None:
    token = made()
    new, old = write_token(token, 77), write_token(token, None)
    assert new[8:] == old == token.to_bytes()[: len(old)]
    assert not any(token.to_bytes()[len(old) :])
    assert read_token(new) == (token, 77)
    assert read_token(old) == (token, None)
    assert read_token(new).token.open_private(KEY).client_id == 77


@given(
    st.integers(0, 2**64 - 1),
    st.lists(st.ip_addresses().filter(lambda ip: int(ip) % 2**32 != 0), min_size=1, max_size=32),
)
def test_round_trip(client_id: int, hosts: list[Any]) -> None:
    token = made([(str(host), 40000) for host in hosts], client_id)
    assert read_token(write_token(token, client_id)) == (token, client_id)
    assert read_token(write_token(token, None)) == (token, None)


def test_an_id_that_looks_like_the_version() -> None:
    tricky = int.from_bytes(b"NETCODE ", "little")
    token = made(client_id=tricky)
    assert read_token(write_token(token, tricky)) == (token, tricky)


@pytest.mark.parametrize("client_id", [77, None])
def test_cut_and_padded_tokens_are_refused(client_id: int | None) -> None:
    data = write_token(made(), client_id)
    for size in range(len(data)):
        with pytest.raises(TokenError):
            read_token(data[:size])
    with pytest.raises(TokenError, match="its servers make it"):
        read_token(data + b"\0")


def test_what_is_none() -> None:
    with pytest.raises(TokenError, match="renet2"):
        read_token(b"\0" * 1200)
    data = bytearray(write_token(made(), 77))
    data[PREFIX + 4] = 33
    with pytest.raises(TokenError, match="1 to 32 servers"):
        read_token(bytes(data))
    data[PREFIX + 4] = 2
    data[PREFIX + 8] = 3
    with pytest.raises(TokenError, match="neither IPv4 nor IPv6"):
        read_token(bytes(data))


def test_the_standard_order_cannot_be_turned_any_more() -> None:
    with pytest.raises(ConfigError, match=r"make it with dialect=Dialect\.RENET"):
        write_token(made(dialect=Dialect.STANDARD), 77)
    assert write_token(made("192.0.2.1:1", dialect=Dialect.STANDARD), 77)
    with pytest.raises(ConfigError, match="client_id"):
        write_token(made(), 2**64)
