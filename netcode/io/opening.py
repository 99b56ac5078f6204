"""Picks the best UDP back end that this system has."""

from __future__ import annotations

import sys
from typing import Final, Literal

from netcode.errors import ConfigError
from netcode.io.address import HostPort
from netcode.io.batched import BatchSocket
from netcode.io.sockets import RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES
from netcode.io.system import HAS_MMSG
from netcode.io.udp import UdpSocket

__all__ = ["BACKENDS", "open_udp"]

BACKENDS: Final[tuple[str, ...]] = (
    ("mmsg", "single", "python")
    if HAS_MMSG
    else ("python", "single")
    if sys.platform == "win32"  # until the C one has been run there
    else ("single", "python")
)
"""The UDP back ends this system has, best first: "mmsg" moves up to 64 datagrams a system call
(Linux), "single" one, both in C; "python" goes through Python's socket module."""


def open_udp(
    bind: HostPort,
    *,
    backend: Literal["mmsg", "single", "python"] | None = None,
    segments: bool = True,
    receive_buffer: int = RECEIVE_BUFFER_BYTES,
    send_buffer: int = SEND_BUFFER_BYTES,
) -> BatchSocket | UdpSocket:
    """A UDP socket for many peers; IPv4, IPv6, or both for host ``""`` and ``"::"``.

    Args:
        bind: where to listen; port 0 takes a free one.
        backend: one of ``BACKENDS``; None is the first.
        segments: let the kernel cut runs of datagrams to one peer from one message ("mmsg").
        receive_buffer, send_buffer: bytes asked of the system. When it gives less than half, a
            warning in the log "netcode" says so, once a process.

    Raises:
        ConfigError: the address cannot be bound, or this system has no such back end.
    """
    chosen = BACKENDS[0] if backend is None else backend
    if chosen not in BACKENDS:
        here = ", ".join(BACKENDS)
        raise ConfigError(f"backend: this system has no {chosen!r}, must be one of {here}")
    if chosen == "python":
        return UdpSocket(bind, receive_buffer=receive_buffer, send_buffer=send_buffer)
    return BatchSocket(
        bind,
        many=chosen == "mmsg",
        segments=segments,
        receive_buffer=receive_buffer,
        send_buffer=send_buffer,
    )
