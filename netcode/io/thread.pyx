"""The I/O thread: one system thread that owns a server's connections and its socket."""

import atexit
import contextlib
import os
import socket as sockets_of_python
import sys
import threading
import weakref

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport Py_INCREF
from libc.stdint cimport uint32_t

from netcode.io.batched cimport BatchSocket
from netcode.io.bell cimport native_hush, native_ring, native_thread_time
from netcode.io.native cimport native_clock, native_wait
from netcode.io.system cimport UDP_ALSO, UDP_BACKLOG, udp_receive, udp_send, udp_wait, udp_waiting
from netcode.session.batch cimport (
    datagrams_clear, datagrams_free, datagrams_init, datagrams_init_slots,
)
from netcode.session.desk cimport ServerDesk
from netcode.session.exchange cimport (
    COMMAND_STOP, NO_HANDLE, TURN_HOLDING, TURN_MORE, TURN_NOTHING, TURN_REPORT, TURN_STOP,
    TURN_WAKE, exchange_reported, exchange_turn,
)
from netcode.session.records cimport (
    bell_awake, bell_listen, bell_news, bell_tell, records_show,
)
from netcode.session.ring cimport ring_load, ring_store
from netcode.session.server_core cimport core_deadline

from netcode.constants import DATAGRAM_SLOT_BYTES
from netcode.errors import ConfigError, ConnectionClosed

__all__ = ["ServerThread"]

cdef enum:
    RECEIVE_SLOTS = 128          # datagrams a turn
    SEND_SLICE = 128             # and so many are sealed before the socket is looked at again
    DRAIN_TURNS = 16             # under a flood, timers run once in so many turns

cdef double LONGEST = 60.0       # seconds of sleep
cdef double HOLDING = 0.001      # seconds after which a game that is behind is looked at again
cdef double RETRY = 0.001        # the same for a socket that does not say when it is writable
cdef double LAST_WORDS = 0.25    # seconds that a socket may take for them at the end
cdef double ANSWER = 0.00002     # seconds between looks for an answer of the owner
SECONDS_TO_END = 5.0

running = weakref.WeakSet()


class Bell:
    """What netcode.io.bell makes readable: ``read`` is watched, ``write`` is rung."""

    def __init__(self):
        self.ends = ()
        self.read = self.write = -1
        if sys.platform == "linux":
            self.read = self.write = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        else:
            self.ends = sockets_of_python.socketpair()
            for end in self.ends:
                end.setblocking(False)
            self.read, self.write = (end.fileno() for end in self.ends)

    def close(self):
        if self.ends:
            for end in self.ends:
                end.close()
        elif self.read >= 0:
            os.close(self.read)
        self.read = self.write = -1

    __del__ = close


@cython.final
@cython.auto_pickle(False)
cdef class ServerThread(ServerDesk):
    """A ServerDesk whose owner is a system thread that never takes the GIL.

    The thread sleeps until the socket has something, a timer is due or the game flushed; then it
    receives, opens, acks, answers, runs timers, seals and sends, in slices, so that neither a
    flood nor a tick's burst keeps the other waiting. Game code that holds the GIL, or does nothing
    for long, does not stop it; what it receives meanwhile waits in bounded memory, and what does
    not fit there is not acked.

        endpoint = ServerEndpoint(config, entropy=random_bytes, epoch=time.time() - monotonic())
        with ServerThread(endpoint, open_udp(("", 40000))) as server:
            server.start()
            while True:
                server.wait(0.05)
                server.take()
                events, batch = server.receive_events(), server.receive_messages()
                server.push_many(indices, channel, data, offsets)
                server.flush()

    ``now`` is ``time.monotonic``, so ``epoch`` is ``time.time() - time.monotonic()``.

    Args:
        endpoint: whose core the thread will own; its own methods are closed from here on.
        socket: a BatchSocket, closed with the thread; its own methods are for nobody else now.

    Raises:
        ConfigError: the socket is of another kind or closed, or the endpoint owned already.
    """

    def __cinit__(self, endpoint, socket):
        datagrams_init(&self.incoming, 0)
        datagrams_init(&self.outgoing, 0)
        self.owner_bell = self.owner_rope = self.game_bell = self.game_rope = -1

    def __init__(self, endpoint, socket):
        if self.socket is not None:
            raise ConfigError("the thread was made already")
        try:
            self.prepare(socket)
        except BaseException:
            self.endpoint.owner = None
            raise

    cdef int prepare(self, socket) except -1:
        if not isinstance(socket, BatchSocket):
            raise ConfigError(
                f"socket: a {type(socket).__name__}; a thread needs a BatchSocket (open_udp with "
                "the backend \"mmsg\" or \"single\")")
        if socket.fileno() < 0:
            raise ConfigError("socket: it is closed")
        datagrams_init(&self.outgoing, self.config.out_bytes)
        if datagrams_init_slots(&self.incoming, RECEIVE_SLOTS, DATAGRAM_SLOT_BYTES) < 0:
            raise MemoryError
        self.bells = owner, game = Bell(), Bell()
        self.owner_bell, self.owner_rope = owner.read, owner.write
        self.game_bell, self.game_rope = game.read, game.write
        self.process = os.getpid()
        self.socket = socket
        return 0

    def __dealloc__(self):
        datagrams_free(&self.incoming)
        datagrams_free(&self.outgoing)

    # The owner, without the GIL for its whole life.

    cdef double pause(self, int bits, double now) noexcept nogil:
        """How long there is nothing to do."""
        cdef double length = core_deadline(&self.endpoint.k) - now
        if length > LONGEST:
            length = LONGEST
        if bits & TURN_HOLDING and length > HOLDING:
            length = HOLDING
        if udp_waiting(&self.socket.c) and not self.socket.c.watched and length > RETRY:
            length = RETRY
        return length if length > 0 else 0.0

    cdef void own(self) noexcept nogil:
        cdef uint32_t got, news
        cdef uint32_t busy = 0
        cdef int bits = 0
        cdef int ready
        cdef double now, end = 0.0
        cdef bint stuck
        while not ring_load(&self.quit) and not ring_load(<uint32_t *>&self.socket.closing):
            news = bell_news(&self.x.to_owner)
            now = native_clock()
            datagrams_clear(&self.incoming)
            got = udp_receive(&self.socket.c, &self.incoming, RECEIVE_SLOTS)
            busy = busy + 1 if got == RECEIVE_SLOTS else 0
            # While the socket takes nothing, sealing more would only push the oldest out.
            stuck = udp_waiting(&self.socket.c) >= UDP_BACKLOG // 2
            bits = exchange_turn(
                &self.x, &self.endpoint.k, &self.incoming, &self.outgoing, now,
                TURN_NOTHING if stuck else SEND_SLICE, busy % DRAIN_TURNS == 0)
            if self.outgoing.count or udp_waiting(&self.socket.c):
                udp_send(&self.socket.c, &self.outgoing)
                datagrams_clear(&self.outgoing)
            self.numbers.turns += 1
            if bits & TURN_REPORT:
                self.numbers.socket = self.socket.c.counters
                self.numbers.cpu = native_thread_time()
                exchange_reported(&self.x)
            if bits & TURN_WAKE:
                native_ring(self.game_rope)
            if bits & TURN_STOP:
                # The last words should not wait in our memory.
                end = now + LAST_WORDS if end == 0 else end
                if udp_waiting(&self.socket.c) == 0 or now >= end:
                    break
                udp_wait(&self.socket.c, RETRY, -1)
                continue
            if busy or bits & TURN_MORE and not stuck:
                continue
            if bits & TURN_MORE:
                udp_wait(&self.socket.c, RETRY, -1)
                continue
            if bell_listen(&self.x.to_owner, news):
                self.numbers.sleeps += 1
                ready = udp_wait(&self.socket.c, self.pause(bits, now), self.owner_bell)
                bell_awake(&self.x.to_owner)
                if ready > 0 and ready & UDP_ALSO:
                    native_hush(self.owner_bell)
        self.numbers.cpu = native_thread_time()
        ring_store(&self.running, 0)

    def run(self):
        """The thread's life; ``start`` calls it."""
        with nogil:
            self.own()
        self.socket.leave()

    # The game.

    def start(self):
        """Begin. May be called once.

        Raises:
            ConfigError: it began already, or is closed.
        """
        if self.closed or self.thread is not None:
            raise ConfigError("the thread was started or closed before")
        if not self.socket.enter():
            raise ConfigError("socket: it is closed")
        self.thread = threading.Thread(target=self.run, name="netcode io", daemon=True)
        ring_store(&self.running, 1)
        running.add(self)
        try:
            self.thread.start()
        except BaseException:
            ring_store(&self.running, 0)
            self.thread = None
            self.socket.leave()
            raise

    @property
    def native_id(self):
        """The system's number of the thread, or None before ``start``."""
        return None if self.thread is None else self.thread.native_id

    @property
    def alive(self):
        """Whether the thread runs."""
        return bool(ring_load(&self.running)) and os.getpid() == self.process

    cdef int check_alive(self) except -1:
        if not ring_load(&self.running):
            self.ended = True
            raise ConnectionClosed("the I/O thread has ended")
        return 0

    cdef int await_owner(self, int tries) except -1:
        if self.thread is None:
            # Not begun: whoever waits is the only thread there is.
            ServerDesk.await_owner(self, tries)
            return 0
        if os.getpid() != self.process:
            self.ended = True
            raise ConnectionClosed("this is a forked child, in which the I/O thread is not")
        self.check_alive()
        with nogil:
            native_wait(-1, -1, False, ANSWER)
        PyErr_CheckSignals()
        return 0

    cdef int show(self) except -1:
        if records_show(self.x.commands) and bell_tell(&self.x.to_owner):
            native_ring(self.owner_rope)
        return 0

    def turn(self, batch, now, *, limit=0):
        """Not of a ServerThread: its thread does it."""
        raise ConfigError("a ServerThread takes its turns itself; use a ServerDesk")

    @property
    def next_deadline(self):
        """Infinity: the thread keeps its own time."""
        return float("inf")

    def listen(self):
        """Make ``fileno`` readable when something is delivered from here on, or already waits.

        ``wait`` does it by itself; this is for event loops, once after every ``take``, which ends
        it: until ``listen`` is called again, ``fileno`` stays quiet.
        """
        self.listening = True
        native_hush(self.game_bell)
        if not bell_listen(&self.x.to_game, self.news_seen):
            native_ring(self.game_rope)

    def fileno(self):
        """A descriptor to watch for reading, see ``listen``."""
        return -1 if self.closed else self.game_bell

    def take(self):
        """Take over what was delivered so far: what ``events()`` and the like then give."""
        if self.listening:
            # First: what is told from here on is either taken now or told again by ``listen``.
            self.listening = False
            bell_awake(&self.x.to_game)
            native_hush(self.game_bell)
        self.news_seen = bell_news(&self.x.to_game)
        self.intake.pull()
        self.ask_again()

    def wait(self, double timeout):
        """Sleep until something was delivered after the last ``take`` (True), or ``timeout`` s.

        Signals are handled while it sleeps.
        """
        cdef double left = timeout if timeout > 0 else 0.0
        cdef double end = native_clock() + left
        cdef int ready = 0
        if left > LONGEST * 60:
            left = LONGEST * 60
        while True:
            if self.closed:
                return False
            if not bell_listen(&self.x.to_game, self.news_seen):
                return True
            with nogil:
                ready = native_wait(self.game_bell, -1, False, left)
            if not self.listening:  # or an event loop would not hear of the next
                bell_awake(&self.x.to_game)
                if ready > 0 and not self.closed:
                    native_hush(self.game_bell)
            PyErr_CheckSignals()
            if bell_news(&self.x.to_game) != self.news_seen:
                return True
            left = end - native_clock()
            if left <= 0:
                return False

    @property
    def cpu(self):
        """Seconds of processor time that the thread has used; it is asked."""
        if not self.alive:
            return self.numbers.cpu
        self.ask_report(NO_HANDLE)
        return self.numbers.cpu

    @property
    def socket_counters(self):
        """The counters of the socket, as of BatchSocket; the thread is asked for them."""
        if self.thread is None or not self.alive:
            return self.socket.counters_of(&self.socket.c.counters)
        self.ask_report(NO_HANDLE)
        return self.socket.counters_of(&self.numbers.socket)

    def close(self):
        """Carry out what was put in, send it, end the thread and close the socket.

        May be called twice. In a forked child it only closes what is the child's own.
        """
        if self.closed:
            return
        self.closed = True
        running.discard(self)
        if os.getpid() != self.process:
            self.ended = True
            self.socket.close()
            self.hang_up()
            return
        try:
            if self.thread is not None:
                with contextlib.suppress(ConnectionClosed):
                    if ring_load(&self.running):
                        self.command(COMMAND_STOP, 0, 0, 0)
                        self.show()
                self.ended = True
                self.thread.join(SECONDS_TO_END)
        finally:
            # Also when a handler of a signal raised while this waited.
            self.ended = True
            if self.thread is not None and self.thread.is_alive():
                ring_store(&self.quit, 1)
                native_ring(self.owner_rope)
                self.thread.join()
            self.socket.close()
            native_ring(self.game_rope)  # who still waits comes back
            self.hang_up()

    cdef int hang_up(self) except -1:
        self.owner_bell = self.owner_rope = self.game_bell = self.game_rope = -1
        for bell in self.bells:
            bell.close()
        return 0

    cdef void forsake(self) noexcept:
        """In a forked child: the thread is not here, and stopped wherever it was."""
        self.ended = True
        self.running = 0
        # What it was changing must not be taken apart either: it stays until the child ends.
        Py_INCREF(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def forsake_all():
    cdef ServerThread thread
    for thread in list(running):
        thread.forsake()


def close_all():
    for thread in list(running):
        if thread.alive:
            thread.close()


atexit.register(close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forsake_all)
