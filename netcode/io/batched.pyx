"""A UDP socket that moves whole batches in C, without the GIL and without an object a datagram."""

import contextlib
import errno
import os
import socket as sockets_of_python
import struct
import sys
import time

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport intptr_t, uint32_t

from netcode.io.native cimport native_clock, native_wait
from netcode.io.system cimport (
    UDP_ERRORS, UDP_RECEIVE_LIMIT, udp_counters, udp_free, udp_init, udp_receive, udp_send,
    udp_wait, udp_waiting,
)
from netcode.session.batch cimport DatagramBatch, datagrams

from netcode.errors import ConfigError
from netcode.io.address import normalise
from netcode.io.sockets import (
    RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES, open_socket, size_buffers,
)
from netcode.io.system import HAS_MMSG

__all__ = ["BatchSocket"]

# Linux wakes a sleeper whose socket is shut down; elsewhere it has to look up now and then.
cdef double SLICE = 3600.0 if sys.platform == "linux" else 0.05

RETRY_SECONDS = 0.001

SO_MEMINFO = 55
DROPS_AT = 8    # SK_MEMINFO_DROPS: the ninth of its 32-bit numbers


@cython.final
@cython.auto_pickle(False)
cdef class BatchSocket:
    """One UDP socket for many peers; IPv4, IPv6, or both for host ``""`` and ``"::"``.

    A ``DatagramBatch`` is filled and sent in C; any other batch works, more slowly. Addresses are
    (numeric host, port), v4-mapped ones as IPv4. One thread at a time may receive and one send;
    ``wait`` may run beside them, and ``close`` ends it.

    ``backend`` is "mmsg" (up to 64 datagrams a system call) or "single"; ``receive_buffer`` and
    ``send_buffer`` are the bytes that the system granted.

    Args:
        bind: where to listen; port 0 takes a free one.
        many: up to 64 datagrams a system call (Linux); else one.
        segments: with ``many``, let the kernel cut runs of datagrams to one peer from one message
            (UDP_SEGMENT). Off for good when it refuses once.
        receive_buffer, send_buffer: bytes asked of the system.

    Raises:
        ConfigError: the address cannot be bound, or the system cannot do ``many``.
    """

    def __cinit__(
        self,
        bind,
        *,
        bint many=HAS_MMSG,
        bint segments=True,
        int receive_buffer=RECEIVE_BUFFER_BYTES,
        int send_buffer=SEND_BUFFER_BYTES,
    ):
        self.c.fd = -1
        if many and not HAS_MMSG:
            raise ConfigError("many: this system has no recvmmsg and sendmmsg")
        opened, dual = open_socket(bind)
        cdef int families = 10 if dual else 6 if opened.family == sockets_of_python.AF_INET6 else 4
        try:
            self.receive_buffer, self.send_buffer = size_buffers(
                opened, receive_buffer, send_buffer)
            host, port = opened.getsockname()[:2]
            self.bound = (normalise(host), port)
            if udp_init(&self.c, <intptr_t>opened.fileno(), families, many, segments) < 0:
                raise MemoryError
        except BaseException:
            opened.close()
            raise
        self.socket = opened
        self.backend = "mmsg" if self.c.incoming != NULL else "single"
        self.process = os.getpid()

    def __dealloc__(self):
        udp_free(&self.c)

    def __repr__(self):
        state = "closed" if self.closing else f"{self.bound[0]} port {self.bound[1]}"
        return f"<BatchSocket {self.backend} {state}>"

    cdef bint enter(self) noexcept:
        """Begin a call without the GIL; False when the socket is closed."""
        cdef bint open_still
        with cython.critical_section(self):
            open_still = not self.closing
            self.users += open_still
        return open_still

    cdef void leave(self) noexcept:
        with cython.critical_section(self):
            self.users -= 1

    cdef object dropped_by_system(self):
        """Datagrams that found the receive buffer full (Linux; 0 elsewhere)."""
        if sys.platform == "linux" and self.c.fd >= 0:
            with contextlib.suppress(OSError):
                sizes = self.socket.getsockopt(sockets_of_python.SOL_SOCKET, SO_MEMINFO, 64)
                if len(sizes) >= 4 * DROPS_AT + 4:
                    return struct.unpack_from("=I", sizes, 4 * DROPS_AT)[0]
        return self.overflow

    @property
    def address(self):
        """Where it listens."""
        return self.bound

    @property
    def segments(self):
        """Whether runs of datagrams to one peer leave as one message."""
        return bool(self.c.segments)

    @property
    def waiting(self):
        """Datagrams the system has not taken yet; the next ``send`` offers them first."""
        return udp_waiting(&self.c)

    @property
    def blocked(self):
        """Whether datagrams wait until the descriptor can be written: watch it for that."""
        return bool(udp_waiting(&self.c) and self.c.watched)

    @property
    def next_deadline(self):
        """When to offer again what waits to be sent, for those who do not sleep in ``wait``."""
        return time.monotonic() + RETRY_SECONDS if udp_waiting(&self.c) else float("inf")

    @property
    def counters(self):
        """What was received, sent, delayed and lost, by reason; failed sends also by errno."""
        return self.counters_of(&self.c.counters)

    cdef dict counters_of(self, const udp_counters *c):
        cdef int i
        found = {
            "received": c.received,
            "received_bytes": c.received_bytes,
            "receive_calls": c.receive_calls,
            "receive_errors": c.receive_errors,
            "receive_truncated": c.receive_truncated,
            "receive_unplaced": c.receive_unplaced,
            "receive_overflow": self.dropped_by_system(),
            "sent": c.sent,
            "sent_bytes": c.sent_bytes,
            "send_calls": c.send_calls,
            "send_delayed": c.send_delayed,
            "send_errors": c.send_errors,
            "send_overflow": c.send_overflow,
            "send_unreachable": c.send_unreachable,
            "send_segmented": c.segmented,
            "send_segments_refused": c.segments_refused,
        }
        for i in range(UDP_ERRORS):
            if c.errors[i].count:
                code = c.errors[i].code
                found[f"send_errors_{errno.errorcode.get(code, code)}"] = c.errors[i].count
        return found

    def receive_into(self, batch):
        """Append what has arrived and return how many.

        At most as many as a batch with slots has free, or 1,024.
        """
        cdef datagrams *into
        cdef uint32_t got
        cdef DatagramBatch own
        if isinstance(batch, DatagramBatch):
            own = <DatagramBatch>batch
        else:
            own = DatagramBatch()
        into = &own.c
        if not self.enter():
            return 0
        with nogil:
            got = udp_receive(&self.c, into, into.entry_capacity if into.stride
                              else <uint32_t>UDP_RECEIVE_LIMIT)
        self.leave()
        if own is not batch:
            for data, address in own:
                batch.append(data, address)
        return got

    def send(self, batch):
        """Send what waits from earlier calls, then ``batch``; keep what the system refuses now.

        The batch may be changed afterwards.
        """
        cdef const datagrams *out
        cdef DatagramBatch own
        if isinstance(batch, DatagramBatch):
            own = <DatagramBatch>batch
        else:
            own = DatagramBatch()
            for data, address in batch:
                own.append(data, address)
        out = &own.c
        if (out.count == 0 and udp_waiting(&self.c) == 0) or not self.enter():
            return
        with nogil:
            udp_send(&self.c, out)
        self.leave()

    def wait(self, double timeout):
        """Sleep until something can be received, or sent that waits (True), or ``timeout`` s.

        Signals are handled while it sleeps. On a closed socket it only sleeps.
        """
        cdef double left = timeout if timeout > 0 else 0.0
        cdef double end = native_clock() + left
        cdef int ready
        cdef bint entered
        while True:
            entered = self.enter()
            with nogil:
                if entered:
                    ready = udp_wait(&self.c, min(left, SLICE), -1)
                else:
                    ready = native_wait(-1, -1, False, min(left, SLICE))
            if entered:
                self.leave()
            PyErr_CheckSignals()
            if entered and self.closing:
                return False
            if ready > 0:
                return True
            left = end - native_clock()
            if left <= 0:
                return False

    def fileno(self):
        """The descriptor, or -1 when it is closed."""
        return self.c.fd

    def close(self):
        """Release the address; a thread in ``wait`` comes back. May be called twice."""
        cdef bint first
        with cython.critical_section(self):
            first = not self.closing
            self.closing = True
        if not first or self.socket is None:
            return
        if os.getpid() == self.process:
            # A forked child shares the socket: shutting it down there would stop the parent's.
            if self.users:
                with contextlib.suppress(OSError):
                    self.socket.shutdown(sockets_of_python.SHUT_RDWR)
            while self.users:
                with nogil:
                    native_wait(-1, -1, False, 0.0005)
        self.overflow = self.dropped_by_system()
        udp_free(&self.c)
        self.socket.close()
