"""Opening a UDP socket the way every back end wants it: families, sizes, no fragments."""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
from typing import Final

from netcode.errors import ConfigError
from netcode.io.address import HostPort

__all__ = [
    "RECEIVE_BUFFER_BYTES",
    "SEND_BUFFER_BYTES",
    "buffers_for",
    "has_ipv6",
    "open_socket",
    "size_buffers",
]

log = logging.getLogger("netcode")

RECEIVE_BUFFER_BYTES: Final = 4 << 20
"""Asked of the system: about 3,000 datagrams of 300 bytes as Linux counts them, which is 15 ms
of 10,000 clients at 20 Hz."""

SEND_BUFFER_BYTES: Final = 1 << 20
"""Asked of the system: one tick of 800 clients."""

SMALL_BUFFER_BYTES: Final = 256 << 10
"""Enough for a client, and not much above what every Linux grants."""

MOST_BUFFER_BYTES: Final = 8 << 20
"""Beyond it a busy server needs a second socket rather than more patience."""

LEAST_BUFFER_BYTES: Final = 64 << 10
"""Every system grants this much."""

SIO_UDP_CONNRESET: Final = 0x9800000C
"""Windows: an ICMP error for one peer must not fail the next receive for all. Where Python's
ioctl() does not know it, ``receive_into`` swallows the error instead."""

# Numbers of options that Python's socket module does not name everywhere.
DONT_FRAGMENT: Final[dict[str, tuple[tuple[int, int, int, int], ...]]] = {
    # family, level, option, value. PROBE: set the bit, and believe no ICMP about the path.
    "linux": (
        (socket.AF_INET, socket.IPPROTO_IP, 10, 3),  # IP_MTU_DISCOVER, IP_PMTUDISC_PROBE
        (socket.AF_INET6, socket.IPPROTO_IPV6, 23, 3),  # IPV6_MTU_DISCOVER
        (socket.AF_INET6, socket.IPPROTO_IP, 10, 3),  # for IPv4 peers of a socket of both
    ),
    "darwin": (
        (socket.AF_INET, socket.IPPROTO_IP, 28, 1),  # IP_DONTFRAG
        (socket.AF_INET6, socket.IPPROTO_IPV6, 62, 1),  # IPV6_DONTFRAG
    ),
    "win32": (
        (socket.AF_INET, socket.IPPROTO_IP, 14, 1),  # IP_DONTFRAGMENT
        (socket.AF_INET6, socket.IPPROTO_IPV6, 14, 1),  # IPV6_DONTFRAG
        (socket.AF_INET6, socket.IPPROTO_IP, 14, 1),
    ),
}
SO_SNDBUFFORCE: Final = 32
SO_RCVBUFFORCE: Final = 33

warned: set[int] = set()
"""The options whose small grant has been reported: once a process says it all."""


def open_socket(bind: HostPort) -> tuple[socket.socket, bool]:
    """A bound, non-blocking socket, and whether it is IPv6 carrying IPv4 as well.

    Host ``""`` is every interface, of both families where there is IPv6; ``"::"`` is both as
    well. Any other IPv6 address is IPv6 only. Raises ConfigError when it cannot be bound.
    """
    host, port = bind
    any_host = host in ("", "::")
    family = socket.AF_INET6 if any_host or ":" in host else socket.AF_INET
    try:
        if host == "" and not has_ipv6():
            family, host = socket.AF_INET, "0.0.0.0"
        made = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as error:
        raise ConfigError(f"cannot open a UDP socket for {bind}: {error}") from error
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if any_host else 1)
        if sys.platform == "win32":
            with contextlib.suppress(OSError, ValueError):
                made.ioctl(SIO_UDP_CONNRESET, False)
        forbid_fragments(made)
        made.setblocking(False)
        made.bind((host or "::", port) if family == socket.AF_INET6 else (host, port))
    except OSError as error:
        made.close()
        raise ConfigError(f"cannot bind UDP {host or '*'}:{port}: {error}") from error
    return made, family == socket.AF_INET6 and any_host


def has_ipv6() -> bool:
    if not socket.has_ipv6:
        return False
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def forbid_fragments(made: socket.socket) -> None:
    """Set the don't-fragment bit where the system can."""
    for family, level, option, value in DONT_FRAGMENT.get(sys.platform, ()):
        if family == made.family:
            with contextlib.suppress(OSError):
                made.setsockopt(level, option, value)


def buffers_for(peers: int) -> tuple[int, int]:
    """Bytes to ask for receiving and sending with so many peers at full speed.

    Linux counts about 1,280 bytes for a datagram of 300 and grants the double of what is asked:
    room for six of every peer, 100 ms at 60 Hz, and for half of that when sending.
    """
    receive = min(max(4096 * peers, SMALL_BUFFER_BYTES), MOST_BUFFER_BYTES)
    return receive, max(receive // 2, SMALL_BUFFER_BYTES)


def size_buffers(made: socket.socket, receive: int, send: int) -> tuple[int, int]:
    """Ask for buffers of these bytes; what the system gives. A warning once if far less."""
    return (
        size_buffer(made, socket.SO_RCVBUF, SO_RCVBUFFORCE, receive),
        size_buffer(made, socket.SO_SNDBUF, SO_SNDBUFFORCE, send),
    )


def size_buffer(made: socket.socket, option: int, force: int, size: int) -> int:
    given = ask_buffer(made, option, size)
    if given < size and sys.platform == "linux":
        with contextlib.suppress(OSError):  # only for the privileged
            made.setsockopt(socket.SOL_SOCKET, force, size)
            given = granted(made, option)
    if given < size // 2 and option not in warned:
        warned.add(option)
        receiving = option == socket.SO_RCVBUF
        log.warning(
            "the system gives a %s buffer of %d bytes, not %d: bursts may %s%s",
            "receive" if receiving else "send",
            given,
            size,
            "be lost" if receiving else "be delayed",
            advice("rmem_max" if receiving else "wmem_max", size),
        )
    return given


def advice(name: str, size: int) -> str:
    if sys.platform == "linux":
        return f"; allow more with: sysctl -w net.core.{name}={size}"
    if sys.platform == "darwin":
        return f"; allow more with: sysctl -w kern.ipc.maxsockbuf={2 * size}"
    return ""


def ask_buffer(made: socket.socket, option: int, size: int) -> int:
    """Ask for a buffer, halving until the system agrees; returns what it gives, in bytes."""
    asked = size
    while True:
        try:
            made.setsockopt(socket.SOL_SOCKET, option, asked)
            break
        except OSError:  # macOS and BSD refuse what is above their limit
            asked //= 2
            if asked < LEAST_BUFFER_BYTES:
                break
    return granted(made, option)


def granted(made: socket.socket, option: int) -> int:
    given = made.getsockopt(socket.SOL_SOCKET, option)
    return given // 2 if sys.platform == "linux" else given  # Linux reports the double
