import pytest

from netcode.errors import ConfigError, ConnectError
from netcode.io.address import is_loopback, is_wildcard, normalise, resolve, split_address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:40000", ("127.0.0.1", 40000)),
        (":40000", ("", 40000)),
        ("[::1]:7", ("::1", 7)),
        ("play.example.org:65535", ("play.example.org", 65535)),
        (" localhost:0 ", ("localhost", 0)),
    ],
)
def test_split_address(text: str, expected: tuple[str, int]) -> None:
    assert split_address(text) == expected


@pytest.mark.parametrize(
    "text", ["", "localhost", "a:b", "a:65536", "a:-1", "::1:40000", "a:", "a:１", "a:0x10"]
)
def test_malformed_addresses_say_what_is_wrong(text: str) -> None:
    with pytest.raises(ConfigError, match="address"):
        split_address(text)


def test_localhost_is_both_families_whatever_the_hosts_file_says() -> None:
    assert resolve("LocalHost:5") == [("::1", 5), ("127.0.0.1", 5)]


def test_numeric_hosts_resolve_to_themselves_and_mapped_ones_to_ipv4() -> None:
    assert resolve("192.0.2.1:9") == [("192.0.2.1", 9)]
    assert resolve("[::ffff:192.0.2.1]:9") == [("192.0.2.1", 9)]
    assert resolve(":9") == [("", 9)]


def test_unknown_names_are_connect_errors() -> None:
    with pytest.raises(ConnectError, match="cannot find the host"):
        resolve("no-such-host.invalid:40000")
    with pytest.raises(ConnectError):
        resolve("a..b:40000")


def test_normalise_and_classes() -> None:
    assert normalise("0:0:0:0:0:0:0:1") == "::1"
    assert normalise("::ffff:7f00:1") == "127.0.0.1"
    assert normalise("fe80::1%eth0") == "fe80::1"
    assert is_loopback("127.8.8.8")
    assert is_loopback("::1")
    assert not is_loopback("10.0.0.1")
    assert is_wildcard("")
    assert is_wildcard("::")
    assert not is_wildcard("127.0.0.1")
