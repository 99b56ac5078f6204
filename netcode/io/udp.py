"""The portable UDP back end, over Python's socket module."""

from __future__ import annotations

import collections
import errno
import select
import sys
import time
from typing import Final

from netcode.constants import DATAGRAM_SLOT_BYTES
from netcode.io.address import HostPort, normalise
from netcode.io.sockets import (
    RECEIVE_BUFFER_BYTES,
    SEND_BUFFER_BYTES,
    open_socket,
    size_buffers,
)
from netcode.io.transport import Buffer, Datagrams

__all__ = ["UdpSocket"]

RECEIVE_BATCH: Final = 1024
"""Datagrams taken in one call, so that a flood cannot hold the loop for ever."""

BACKLOG: Final = 4096
"""Datagrams kept when the system takes no more; the oldest are the first to be lost."""

LONGEST_WAIT: Final = 3600.0
"""The system calls know no infinity; who waits for ever waits again."""

RETRY_SECONDS: Final = 0.001
"""After which what the system refused is tried again."""

SELECT_LIMIT: Final = 1024
"""select() takes no higher file descriptor on POSIX."""


class UdpSocket:
    """One UDP socket for many peers; IPv4, IPv6, or both for host ``""`` and ``"::"``.

    Addresses are (numeric host, port), v4-mapped ones as IPv4. Raises ConfigError when
    the address cannot be bound. No method raises for what a peer or the network does.
    Datagrams of more than ``longest`` bytes are dropped and counted.
    """

    def __init__(
        self,
        bind: HostPort,
        *,
        receive_buffer: int = RECEIVE_BUFFER_BYTES,
        send_buffer: int = SEND_BUFFER_BYTES,
        longest: int = DATAGRAM_SLOT_BYTES,
    ) -> None:
        self.counters: dict[str, int] = dict.fromkeys(
            (
                "received",
                "received_bytes",
                "receive_errors",
                "receive_truncated",
                "sent",
                "sent_bytes",
                "send_delayed",
                "send_errors",
                "send_overflow",
            ),
            0,
        )
        self.backlog: collections.deque[tuple[bytes, HostPort]] = collections.deque()
        self.longest = longest
        self.buffer = bytearray(longest + 1)
        self.window = memoryview(self.buffer)
        self.socket, self.dual = open_socket(bind)
        host, port = self.socket.getsockname()[:2]
        self.bound: HostPort = (normalise(host), port)
        self.receive_buffer, self.send_buffer = size_buffers(
            self.socket, receive_buffer, send_buffer
        )

    @property
    def address(self) -> HostPort:
        return self.bound

    @property
    def waiting(self) -> int:
        """Datagrams the system has not taken yet; the next ``send`` offers them first."""
        return len(self.backlog)

    @property
    def next_deadline(self) -> float:
        return time.monotonic() + RETRY_SECONDS if self.backlog else float("inf")

    def receive_into(self, batch: Datagrams) -> int:
        """Append what has arrived and fits, up to RECEIVE_BATCH datagrams; returns how many."""
        slots = getattr(batch, "slots", 0)
        most = min(RECEIVE_BATCH, slots - len(batch)) if slots else RECEIVE_BATCH
        counters, window, receive = self.counters, self.window, self.socket.recvfrom_into
        accepted = size_sum = 0
        for _ in range(most):
            try:
                size, source = receive(self.buffer)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                # ICMP errors of earlier sends (POSIX, Windows) and datagrams longer than
                # the buffer (Windows): none says anything about the other peers. A closed
                # socket also lands here and yields nothing.
                counters["receive_errors"] += 1
                if self.socket.fileno() < 0:
                    break
                continue
            if size > self.longest:
                counters["receive_truncated"] += 1
                continue
            host = source[0]
            if ":" in host:
                host = normalise(host)
            batch.append(window[:size], (host, source[1]))
            accepted += 1
            size_sum += size
        counters["received"] += accepted
        counters["received_bytes"] += size_sum
        return accepted

    def send(self, batch: Datagrams) -> None:
        """Send what waits from earlier calls, then ``batch``; keep what the system refuses now."""
        backlog = self.backlog
        while backlog:
            data, address = backlog[0]
            if not self.send_one(data, address):
                break
            backlog.popleft()
        for each, address in batch:
            if backlog or not self.send_one(each, address):
                self.counters["send_delayed"] += 1
                if len(backlog) >= BACKLOG:
                    self.counters["send_overflow"] += 1
                    backlog.popleft()
                backlog.append((bytes(each), address))

    def send_one(self, data: Buffer, address: HostPort) -> bool:
        """False when the system takes nothing now; errors for one peer count as sent."""
        host, port = address
        if self.dual and ":" not in host:
            host = "::ffff:" + host
        try:
            self.socket.sendto(data, (host, port))
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            if error.errno == errno.ENOBUFS:  # macOS: the queue is full
                return False
            self.counters["send_errors"] += 1
            name = "send_errors_" + errno.errorcode.get(error.errno or 0, "other")
            self.counters[name] = self.counters.get(name, 0) + 1
            return True
        self.counters["sent"] += 1
        self.counters["sent_bytes"] += len(data)
        return True

    def wait(self, timeout: float) -> bool:
        """Sleep until a datagram can be read or ``timeout`` seconds passed."""
        descriptor = self.socket.fileno()
        timeout = min(max(0.0, timeout), LONGEST_WAIT)
        if descriptor < 0:
            time.sleep(timeout)
            return False
        if descriptor < SELECT_LIMIT or sys.platform == "win32":
            # select() has microseconds, poll() only whole milliseconds, rounded up.
            return bool(select.select([descriptor], [], [], timeout)[0])
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(timeout * 1000))

    def fileno(self) -> int:
        return self.socket.fileno()

    def close(self) -> None:
        self.socket.close()
