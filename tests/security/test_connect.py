"""connect and token: what create checks, what a token says about itself, what reading refuses."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import security as oracle

from netcode.errors import ConfigError, DecodeError, TokenError
from netcode.security import (
    Address,
    ConnectToken,
    PrivateToken,
    generate_key,
    open_challenge,
    seal_challenge,
)

KEY = bytes(range(32))
NOW = 1_800_000_000


def create(**options: Any) -> ConnectToken:
    chosen: dict[str, Any] = {
        "protocol_id": 7,
        "private_key": KEY,
        "client_id": 9,
        "servers": "192.0.2.1:40000",
        "unix_now": NOW,
    }
    return ConnectToken.create(**(chosen | options))


u64 = st.integers(0, 2**64 - 1)
some_servers = st.lists(
    st.tuples(st.ip_addresses().map(lambda ip: oracle.host_text(ip)), st.integers(1, 65535)),
    min_size=1,
    max_size=32,
)


@given(
    u64,
    u64,
    st.integers(-(2**31), 2**31 - 1),
    some_servers,
    some_servers,
    st.binary(min_size=256, max_size=256),
    st.sampled_from(["standard", "network"]),
)
def test_bytes_as_the_oracle(
    protocol: int,
    client: int,
    timeout: int,
    public: list[tuple[str, int]],
    internal: list[tuple[str, int]],
    user_data: bytes,
    order: Any,
) -> None:
    c2s, s2c, nonce = generate_key(), generate_key(), generate_key()[:24]
    servers = tuple(Address(*server) for server in internal)
    private = PrivateToken(client, timeout, servers, c2s, s2c, user_data)
    plain = oracle.private_plain(client, timeout, internal, c2s + s2c, user_data, order)
    assert private.to_bytes(order) == plain
    assert PrivateToken.from_bytes(plain, order) == private
    sealed = private.seal(
        protocol_id=protocol, expire_timestamp=NOW, nonce=nonce, private_key=KEY, order=order
    )
    assert sealed == oracle.seal_private(plain, protocol, NOW, nonce, KEY)
    data = oracle.public_bytes(protocol, NOW, NOW, nonce, sealed, timeout, public, c2s + s2c, order)
    token = ConnectToken.from_bytes(data, order)
    assert token.to_bytes() == data
    assert token.servers == tuple(public)
    assert token.open_private(KEY) == private


@given(st.integers(0, 2047), st.integers(1, 255))
def test_altered_tokens_are_read_as_the_oracle_reads_them(position: int, change: int) -> None:
    data = bytearray(create(servers=["192.0.2.1:1", "[::1]:2"]).to_bytes())
    data[position] ^= change
    if oracle.public_acceptable(bytes(data)):
        assert len(ConnectToken.from_bytes(bytes(data)).servers) <= 32
    else:
        with pytest.raises(TokenError):
            ConnectToken.from_bytes(bytes(data))


def test_round_trip() -> None:
    token = create(user_data=b"hello", internal_servers=["10.0.0.1:5"], timeout=3, expires_in=60)
    data = token.to_bytes()
    assert len(data) == 2048
    assert ConnectToken.from_bytes(data) == token
    assert (token.create_timestamp, token.expire_timestamp) == (NOW, NOW + 60)
    private = token.open_private(KEY)
    assert private.servers == (("10.0.0.1", 5),)
    assert private.user_data == b"hello".ljust(256, b"\0")
    assert (private.client_id, private.timeout, token.timeout) == (9, 3, 3)
    assert private.client_to_server_key == token.client_to_server_key
    assert private.server_to_client_key == token.server_to_client_key
    assert pickle.loads(pickle.dumps(token)) == copy.deepcopy(token) == token


def test_names_a_server() -> None:
    private = create(internal_servers=["10.0.0.1:5", "[::1]:6"]).open_private(KEY)
    mapped = private._replace(servers=(Address("::ffff:10.0.0.1", 5),))
    for server, named in (
        (("10.0.0.1", 5), True),
        (Address("::ffff:10.0.0.1", 5), True),
        ("[::1]:6", True),
        ("[::1]:5", False),
        ("10.0.0.2:5", False),
    ):
        assert private.names(server) is named
    assert mapped.names("10.0.0.1:5")


def test_fresh_secrets_every_time() -> None:
    first, second = create(), create()
    for name in ("nonce", "sealed", "client_to_server_key", "server_to_client_key"):
        assert getattr(first, name) != getattr(second, name)
    assert first.client_to_server_key != first.server_to_client_key


def test_entropy_can_be_given() -> None:
    asked: list[int] = []

    def entropy(size: int) -> bytes:
        asked.append(size)
        return bytes([len(asked)]) * size

    token = create(entropy=entropy)
    assert asked == [24, 32, 32]
    assert token.nonce == b"\1" * 24
    assert token.client_to_server_key == b"\2" * 32
    assert token.server_to_client_key == b"\3" * 32


def test_expiry() -> None:
    token = create(expires_in=30, unix_now=NOW + 0.9)
    assert token.create_timestamp == NOW
    assert [token.expired(NOW + n) for n in (0, 29, 29.99, 30, 31)] == [False] * 3 + [True] * 2
    forever = create(expires_in=None)
    assert forever.expire_timestamp == 2**64 - 1
    assert not forever.expired(1e18)


def test_no_timeout() -> None:
    token = create(timeout=None)
    assert token.timeout == -1
    assert ConnectToken.from_bytes(token.to_bytes()).timeout == -1
    assert token.open_private(KEY).timeout == -1


def test_forms_of_servers() -> None:
    expected = (Address("192.0.2.1", 5),)
    for form in (
        "192.0.2.1:5",
        ["192.0.2.1:5"],
        ("192.0.2.1", 5),
        [("192.0.2.1", 5)],
        Address("192.0.2.1", 5),
        iter([Address("192.0.2.1", 5)]),
        ["[::ffff:192.0.2.1]:5"],
    ):
        assert create(servers=form).servers == expected
    assert create(servers=("192.0.2.1:5", "[::1]:6")).servers == (*expected, ("::1", 6))


def test_nothing_secret_is_shown() -> None:
    token = create(user_data=b"secret", internal_servers="10.0.0.1:5")
    private = token.open_private(KEY)
    shown = f"{token!r} {token} {private!r} {private}"
    for secret in (token.client_to_server_key, token.server_to_client_key, token.nonce, b"secret"):
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown
    assert "10.0.0.1" not in f"{token!r}"
    assert "192.0.2.1" in f"{token!r}"
    assert "client_id=9" in repr(private)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"protocol_id": -1}, "protocol_id -1 is not an integer from 0 to 18446744073709551615"),
        ({"protocol_id": 2**64}, "protocol_id 18446744073709551616 is not"),
        ({"client_id": "nine"}, "client_id 'nine' is not an integer"),
        ({"client_id": True}, "client_id True"),
        ({"private_key": bytes(31)}, "private_key must be 32 bytes, not 31; generate_key"),
        ({"private_key": "x" * 32}, "private_key must be bytes, not str"),
        ({"user_data": bytes(257)}, "user_data has 257 bytes; the limit is 256"),
        ({"user_data": "text"}, "user_data must be bytes, not str"),
        ({"expires_in": 0}, "expires_in 0 is not an integer from 1 to"),
        ({"expires_in": 1.5}, "expires_in 1.5"),
        ({"expires_in": 2**64}, "expires_in"),
        ({"timeout": 0}, "timeout 0 is not an integer from 1 to 2147483647"),
        ({"timeout": -1}, "timeout -1"),
        ({"unix_now": -1.0}, "unix_now -1.0 is not a unix time"),
        ({"unix_now": float("nan")}, "unix_now nan"),
        ({"unix_now": float("inf")}, "unix_now inf"),
        ({"unix_now": None}, "unix_now None"),
        ({"servers": []}, "servers must be 1 to 32 addresses, not 0"),
        ({"servers": ["192.0.2.1:1"] * 33}, "servers must be 1 to 32 addresses, not 33"),
        ({"servers": "192.0.2.1"}, "servers: '192.0.2.1' has no port"),
        ({"servers": "0.0.0.0:5"}, "servers: no client can connect to the wildcard 0.0.0.0:5"),
        ({"servers": ["[::]:5"]}, r"wildcard \[::\]:5"),
        ({"servers": "example.org:5"}, "servers: 'example.org:5' is not an address like"),
        ({"servers": [5]}, "servers: 5 is not an address"),
        ({"servers": [("192.0.2.1", 70000)]}, "servers: port 70000"),
        ({"internal_servers": "10.0.0.1"}, "internal_servers: '10.0.0.1' has no port"),
        ({"internal_servers": ()}, "internal_servers must be 1 to 32 addresses, not 0"),
        ({"order": "big"}, "order 'big'"),
    ],
)
def test_create_refuses(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        create(**options)


def test_reading_says_what_is_wrong() -> None:
    good = create().to_bytes()
    for data, said in (
        (b"", "has 2048 bytes, not 0"),
        (good[:-1], "has 2048 bytes, not 2047"),
        (good + b"\0", "has 2048 bytes, not 2049"),
        (good.replace(b"1.02", b"1.01", 1), r"begins with b'NETCODE 1\.01"),
        (good[:29] + bytes(8) + good[37:], r"expires \(0\) before it was created \(1800000000\)"),
        (good[:1089] + bytes(4) + good[1093:], "1 to 32 IPv4 or IPv6 servers"),
        (good[:1089] + b"\xff" * 4 + good[1093:], "1 to 32 IPv4 or IPv6 servers"),
        (good[:1093] + b"\3" + good[1094:], "1 to 32 IPv4 or IPv6 servers"),
    ):
        with pytest.raises(TokenError, match=said):
            ConnectToken.from_bytes(data)
    with pytest.raises(ConfigError, match="data must be bytes, not str"):
        ConnectToken.from_bytes("token")  # type: ignore[arg-type]


def test_another_private_key() -> None:
    with pytest.raises(TokenError, match="another private key, protocol_id"):
        create().open_private(generate_key())
    with pytest.raises(ConfigError, match="private_key must be 32 bytes"):
        create().open_private(b"short")


def test_private_token_refuses() -> None:
    good = create().open_private(KEY)
    for change, said in (
        ({"client_id": 2**64}, "client_id"),
        ({"timeout": 2**31}, "timeout 2147483648"),
        ({"servers": ()}, "1 to 32 servers, not 0"),
        ({"servers": (("192.0.2.1", 1),) * 33}, "1 to 32 servers, not 33"),
        ({"client_to_server_key": b""}, "client_to_server_key must be 32 bytes, not 0"),
        ({"user_data": b"x"}, "user_data must be 256 bytes, not 1"),
    ):
        with pytest.raises(ConfigError, match=said):
            good._replace(**change).to_bytes()
    for size in (0, 1023, 1025):
        with pytest.raises(DecodeError, match=f"1024 bytes, not {size}"):
            PrivateToken.from_bytes(bytes(size))
    with pytest.raises(DecodeError, match="1 to 32"):
        PrivateToken.from_bytes(bytes(1024))


def test_challenge_tokens() -> None:
    user_data = bytes(range(256))
    sealed = seal_challenge(5, user_data, sequence=3, key=KEY)
    assert open_challenge(sealed, sequence=3, key=KEY) == (5, user_data)
    for bad, sequence, key in (
        (sealed, 4, KEY),
        (sealed, 3, bytes(32)),
        (b"\1" + sealed[1:], 3, KEY) if sealed[0] != 1 else (b"\2" + sealed[1:], 3, KEY),
        (sealed[:-1] + bytes([sealed[-1] ^ 1]), 3, KEY),
    ):
        with pytest.raises(DecodeError, match="not authentic"):
            open_challenge(bad, sequence=sequence, key=key)
    with pytest.raises(DecodeError, match="300 bytes, not 299"):
        open_challenge(sealed[:-1], sequence=3, key=KEY)
    with pytest.raises(ConfigError, match="user_data must be 256 bytes"):
        seal_challenge(5, b"", sequence=3, key=KEY)
