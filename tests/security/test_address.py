"""address: text and token bytes against the oracle, and the Address tuple."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracle import security as oracle

from netcode.errors import ConfigError, DecodeError
from netcode.security import Address, parse_address

ports = st.integers(0, 65535)
hosts = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.integers(0, 2**32 - 1).map(lambda n: f"::ffff:{n >> 16:x}:{n & 0xFFFF:x}"),
    st.lists(st.sampled_from(["0", "0", "1", "ff"]), min_size=8, max_size=8).map(":".join),
)
nearly = st.text(alphabet="0123456789abcF:.[]%x -", max_size=24)


@given(nearly | hosts.map(lambda host: f"[{host}]") | st.text(max_size=8))
@example("[1.2.3.4:5]:6")
@example("1.2.3.4\0")
@example("\uff11.2.3.4")
@example("1.2.3.4:\u0665")
def test_parse_as_the_oracle(text: str) -> None:
    expected = oracle.parse_address(text)
    if expected is None:
        with pytest.raises(ConfigError):
            parse_address(text)
    else:
        assert parse_address(text) == expected
        assert str(parse_address(text)) == oracle.format_address(*expected)


@given(hosts, ports)
def test_round_trips(host: str, port: int) -> None:
    address = Address(host, port)
    assert parse_address(str(address)) == address
    assert Address(*address) == address == oracle.parse_address(str(address))
    assert hash(address) == hash((address.host, address.port))
    assert pickle.loads(pickle.dumps(address)) == address
    assert type(address._replace(port=1)) is Address
    for order in ("standard", "network"):
        data = address.to_bytes(order)
        assert data == oracle.address_bytes(*address, order)
        assert Address.from_bytes(data, order) == address


@given(st.binary(max_size=20))
@example(b"\1\1\2\3\4\5\6")
@example(b"\2" + bytes(18))
@example(b"\3" + bytes(18))
@example(b"\1" + bytes(18))
@example(b"\2" + bytes(6))
def test_from_bytes_as_the_oracle(data: bytes) -> None:
    expected = oracle.read_address(data)
    if expected is None or expected[1] != len(data):
        with pytest.raises(DecodeError):
            Address.from_bytes(data)
    else:
        assert Address.from_bytes(data) == expected[0]


def test_one_spelling() -> None:
    assert Address("2001:DB8:0:0:0:0:0:1", 5) == Address("2001:db8::1", 5) == ("2001:db8::1", 5)
    assert Address("::1").port == 0
    assert repr(Address("::1", 5)) == "Address(host='::1', port=5)"
    assert len({Address("::1", 5), parse_address("[0::1]:5"), ("::1", 5)}) == 1


def test_mapped_and_loopback() -> None:
    assert Address("::ffff:1.2.3.4", 5).unmapped() == Address("1.2.3.4", 5)
    assert Address("::1.2.3.4", 5).unmapped() == Address("::1.2.3.4", 5)
    assert Address("::fffe:1.2.3.4", 5).unmapped().family == 6
    for host, loopback in {
        "127.0.0.1": True,
        "127.255.255.255": True,
        "128.0.0.1": False,
        "::1": True,
        "::2": False,
        "::": False,
        "7f00::1": False,
    }.items():
        assert Address(host).is_loopback is loopback, host


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [
        ("localhost", 5, "'localhost' is not an IPv4 or IPv6 address; resolve"),
        ("fe80::1%eth0", 5, "leave out any %zone"),
        ("1.2.3.4:5", 5, "is not an IPv4"),
        ("", 5, "is not an IPv4"),
        ("x" * 10_000, 5, r"\.\.\. is not"),
        (b"1.2.3.4", 5, "host must be a str, not bytes"),
        ("1.2.3.4", 65536, "port 65536 is not an integer from 0 to 65535"),
        ("1.2.3.4", -1, "port -1"),
        ("1.2.3.4", 5.0, "port 5.0"),
        ("1.2.3.4", True, "port True"),
        ("1.2.3.4", "5", "port '5'"),
        ("\ud800", 5, "is not an IPv4"),
    ],
)
def test_what_is_no_address(host: object, port: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Address(host, port)  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        Address("1.2.3.4", 5)._replace(host=host, port=port)  # type: ignore[arg-type]


def test_parse_says_how_it_should_look() -> None:
    with pytest.raises(ConfigError, match=r"'example\.org:5' .* like 203\.0\.113\.5:40000 or \["):
        parse_address("example.org:5")
    with pytest.raises(ConfigError, match="an address is a str, not int"):
        parse_address(5)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="order 'big'"):
        Address("::1").to_bytes("big")  # type: ignore[arg-type]
