"""Text such as ``"play.example.org:40000"`` to the addresses a socket takes."""

from __future__ import annotations

import ipaddress
import socket

from netcode.errors import ConfigError, ConnectError

__all__ = ["HostPort", "is_loopback", "is_wildcard", "normalise", "resolve", "split_address"]

HostPort = tuple[str, int]
"""A numeric host and a port, v4-mapped IPv6 hosts written as IPv4."""

LOCALHOST = ("::1", "127.0.0.1")


def split_address(text: str) -> tuple[str, int]:
    """``"host:port"``, ``"[v6]:port"`` or ``":port"`` to (host, port).

    No host (``""``) means every interface.
    Raises ConfigError when the text has no port, or the port is not 0 to 65535.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon:
        raise ConfigError(f'address {text!r} has no port; write it as "host:port"')
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 0xFFFF):
        raise ConfigError(f"address {text!r}: {port!r} is not a port from 0 to 65535")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigError(f'address {text!r}: write an IPv6 address in brackets, as "[::1]:40000"')
    return host, int(port)


def normalise(host: str) -> str:
    """The shortest numeric form; a v4-mapped IPv6 address becomes IPv4; zone ids are dropped."""
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host.partition("%")[0])
    return str(address.ipv4_mapped or address)


def is_loopback(host: str) -> bool:
    """Whether a numeric host is this machine only."""
    return host.startswith("127.") or host == "::1"


def is_wildcard(host: str) -> bool:
    """Whether a numeric host to bind means every interface."""
    return host in ("", "0.0.0.0", "::")


def resolve(text: str) -> list[HostPort]:
    """Every address that ``text`` may mean, in the order to try, without duplicates.

    ``localhost`` is ``::1`` and ``127.0.0.1`` whatever the hosts file says. Name lookup
    may block. Raises ConfigError for malformed text and ConnectError for an unknown name.
    """
    host, port = split_address(text)
    if host == "":
        return [("", port)]
    if host.lower() == "localhost":
        return [(each, port) for each in LOCALHOST]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, proto=socket.IPPROTO_UDP)
    except (OSError, UnicodeError) as error:
        raise ConnectError(f"cannot find the host {host!r}: {error}") from error
    unique = dict.fromkeys(
        (normalise(str(address[0])), port)
        for family, _, _, _, address in found
        if family in (socket.AF_INET, socket.AF_INET6)
    )
    if not unique:
        raise ConnectError(f"the host {host!r} has no IPv4 or IPv6 address")
    return list(unique)
