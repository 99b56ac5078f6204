"""The game's side of a server endpoint whose core another thread owns."""

cimport cython
from libc.stdint cimport UINT32_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from netcode.channel.connection cimport (
    CHANNEL_FRAME_FIRST, CHANNEL_FRAME_LAST, CHANNEL_MAX_FRAME, CHANNEL_TOO_LARGE, CHANNEL_UNKNOWN,
)
from netcode.channel.endpoint cimport check_room, frame_error, push_error, stats_object
from netcode.security.address cimport address_to_tuple
from netcode.security.packet cimport PACKET_REASON_COUNT
from netcode.security.protocol cimport USER_DATA_BYTES
from netcode.session.access cimport check_now, draw
from netcode.session.batch cimport DatagramBatch, datagrams_clear
from netcode.session.counters cimport SESSION_COUNTERS
from netcode.session.exchange cimport (
    COMMAND_ALLOW, COMMAND_DISCONNECT, COMMAND_DISCONNECT_ALL, COMMAND_EPOCH, COMMAND_FLUSH,
    COMMAND_REPORT, NO_HANDLE, TURN_REPORT, exchange_deadline, exchange_free, exchange_init,
    exchange_report, exchange_reported, exchange_turn, session_news, session_report,
)
from netcode.session.intake cimport Intake, known_client
from netcode.session.many cimport checked_cuts, checked_indices, event_row
from netcode.session.outbox cimport (
    OUTBOX_GONE, OUTBOX_NO_ROOM, outbox_ask_again, outbox_command, outbox_frame, outbox_free,
    outbox_init, outbox_many, outbox_message, outbox_payload, outbox_reclaim, outbox_room,
)
from netcode.session.reasons cimport EVENT_CAME, EVENT_LEFT, EVENT_MOVED
from netcode.session.records cimport bell_tell, records_show, records_unshown
from netcode.session.resume cimport RESUME_ENTROPY_BYTES, resume_make
from netcode.session.ring cimport ring_load
from netcode.session.server cimport ServerEndpoint

import numpy as np

from netcode.channel import REFUSALS
from netcode.errors import ConfigError, ConnectionClosed
from netcode.session.access import COUNTER_NAMES
from netcode.session.events import (
    ClientConnected, ClientDisconnected, ClientMoved, DisconnectReason,
)
from netcode.session.many import EVENT_DTYPE
from netcode.session.stats import ConnectionStats

__all__ = ["ServerDesk"]

cdef tuple REASONS = tuple(DisconnectReason)
cdef enum:
    INBOX_ENTRIES = 1 << 18
    LEAST_RING = 1 << 18         # bytes of the command ring,
    MOST_RING = 1 << 25
    RING_PER_CLIENT = 512
    ROOM_TRIES = 1 << 30         # an owner that runs makes room
    ANSWER_TRIES = 200           # one that cannot answer soon is taken to have said "full"


cdef uint32_t ring_bytes(uint32_t clients) noexcept:
    cdef uint32_t size = LEAST_RING
    while size < MOST_RING and size < clients * <uint64_t>RING_PER_CLIENT:
        size *= 2
    return size


@cython.auto_pickle(False)
cdef class ServerDesk:
    """What the game's thread uses of a ServerEndpoint that another thread owns.

    The owner receives, opens, acks, keeps alive, seals and sends; this side takes what it
    delivered and puts in commands, through rings, without a lock. ``netcode.io.ServerThread`` is a
    desk with its own thread; this class alone is driven by ``turn``, on one thread, in virtual
    time.

    Each tick: ``take()``, then read ``events()``, ``messages()`` and ``frames()``, which give what
    came up to then; ``push`` what there is to say; ``flush()``. The methods are those of
    ServerEndpoint. A client whose end the owner knows and the game does not yet can still be
    pushed to; such messages are counted (``pushes_too_late``) and lost.

    One thread at a time may use it.

    Args:
        endpoint: whose core is to be owned; its own methods are closed from here on.

    Raises:
        ConfigError: it is owned already.
    """

    def __cinit__(self, ServerEndpoint endpoint not None, *_, **__):
        cdef uint32_t queues = 0
        cdef uint32_t clients = endpoint.k.pool.capacity
        endpoint.lend(type(self).__name__)
        self.endpoint = endpoint
        self.config = endpoint.config
        if endpoint.k.session.channels != NULL:
            queues = endpoint.k.session.channels.channels + 1
        self.intake = Intake()
        if exchange_init(&self.x, clients, queues, ring_bytes(clients),
                         endpoint.k.session.received.limit_bytes, INBOX_ENTRIES) < 0:
            raise MemoryError
        self.intake.init(&self.x, &self.out, clients)
        if outbox_init(&self.out, &self.x, endpoint.k.session.channels, clients,
                       self.intake.handles, self.intake.live) < 0:
            raise MemoryError
        self.epoch_set = endpoint.k.admission.epoch

    def __dealloc__(self):
        outbox_free(&self.out)
        exchange_free(&self.x)

    def __repr__(self):
        return (
            f"<{type(self).__name__} {', '.join(map(str, self.config.addresses))}: "
            f"{self.intake.live_count} of {self.intake.capacity} clients>"
        )

    # The owner

    cdef int await_owner(self, int tries) except -1:
        cdef int bits = exchange_turn(
            &self.x, &self.endpoint.k, NULL, &self.endpoint.filling.c,
            self.endpoint.k.session.now, 0, False)
        if bits & TURN_REPORT:
            exchange_reported(&self.x)
        return 0

    cdef int show(self) except -1:
        if records_show(self.x.commands):
            bell_tell(&self.x.to_owner)
        return 0

    def turn(self, DatagramBatch batch, double now, *, limit=0):
        """One turn of the owner on this thread, in place of a thread of its own.

        Args:
            batch: what arrived, or None.
            now: the time.
            limit: as of ``ServerEndpoint.send``; 2**32 - 1: nothing but the answers to ``batch``,
                as while a socket takes nothing.

        Returns:
            The batch to send, valid until the next turn.
        """
        cdef ServerEndpoint endpoint = self.endpoint
        cdef DatagramBatch out = endpoint.filling
        cdef int bits
        check_now(now)
        if not (isinstance(limit, int) and 0 <= limit <= UINT32_MAX):
            raise ConfigError(f"limit: {limit!r}, must be 0 to {UINT32_MAX}")
        cdef uint32_t most = limit
        bits = exchange_turn(&self.x, &endpoint.k, NULL if batch is None else &batch.c, &out.c,
                             now, most, True)
        if bits & TURN_REPORT:
            exchange_reported(&self.x)
        endpoint.filling = endpoint.sent
        endpoint.sent = out
        datagrams_clear(&endpoint.filling.c)
        endpoint.k.session.out = &endpoint.filling.c
        return out

    @property
    def next_deadline(self):
        """When ``turn`` next has something to do; infinity when idle.

        A turn carries out a bounded number of commands, and may send nothing while more of what
        was flushed together wait: not a turn without datagrams is the last of a tick, but the one
        after which this is later than its ``now``.
        """
        return exchange_deadline(&self.x, &self.endpoint.k)

    # Commands

    cdef int settle(self, int status, int tries) except -1:
        """After OUTBOX_NO_ROOM or OUTBOX_ASKED: until it is worth trying again."""
        if self.ended:
            raise ConnectionClosed("the server is closed")
        self.show()
        if status == OUTBOX_NO_ROOM:
            self.await_owner(ROOM_TRIES)
            return 0
        cdef uint32_t asked = self.out.waiting.asked
        cdef uint32_t *answer = &self.x.credits[self.out.waiting - self.out.levels].answered
        while ring_load(answer) != asked and tries > 0:
            self.await_owner(tries)
            tries -= 1
        if ring_load(answer) != asked:
            self.out.waiting.full = True
            self.out.waiting.again = False
        return 0

    cdef int command(self, int kind, uint32_t handle, uint32_t count, uint64_t bits) except -1:
        if self.ended:
            return 0
        while outbox_command(&self.out, kind, handle, count, bits) != 0:
            self.settle(OUTBOX_NO_ROOM, 0)
        return 0

    def flush(self):
        """Let the owner carry out what was put in, and send it before anything put in later."""
        if records_unshown(self.x.commands):
            self.command(COMMAND_FLUSH, 0, 0, 0)
            self.show()

    @property
    def epoch(self):
        """As of ServerEndpoint; set, the owner takes it over with the next ``flush``."""
        return self.epoch_set

    @epoch.setter
    def epoch(self, double value):
        cdef uint64_t bits
        check_now(value)
        memcpy(&bits, &value, sizeof(bits))
        self.command(COMMAND_EPOCH, 0, 0, bits)
        self.epoch_set = value
        self.show()

    # What arrived

    def take(self):
        """Take over what the owner has delivered so far: what the methods below then give."""
        self.intake.pull()
        self.ask_again()

    cdef int ask_again(self) except -1:
        if self.out.full_count and not self.ended and outbox_ask_again(&self.out):
            self.show()
        return 0

    cdef int reclaim(self) except -1:
        """The game knows now who left: their slots may have new owners."""
        cdef const session_news *news = self.intake.news
        cdef uint32_t i
        cdef uint32_t n = 0
        cdef uint32_t done = 0
        cdef uint32_t *handles
        if self.intake.news_count == 0 or self.ended:
            return 0
        handles = <uint32_t *>malloc(self.intake.news_count * sizeof(uint32_t))
        if handles == NULL:
            raise MemoryError
        try:
            for i in range(self.intake.news_count):
                if news[i].kind == EVENT_LEFT:
                    handles[n] = news[i].index | (news[i].generation & 0xFFFF) << 16
                    n += 1
            while True:
                done += outbox_reclaim(&self.out, handles + done, n - done)
                if done >= n:
                    break
                self.settle(OUTBOX_NO_ROOM, 0)
        finally:
            free(handles)
        if n:
            self.show()
        return 0

    def events(self):
        """ClientConnected, ClientMoved and ClientDisconnected up to the last ``take``."""
        cdef uint32_t i
        cdef const session_news *news
        result = []
        for i in range(self.intake.news_count):
            news = &self.intake.news[i]
            if news.kind == EVENT_CAME:
                result.append(ClientConnected(
                    news.index, news.client_id, address_to_tuple(&news.address),
                    (<char *>news.user_data)[:USER_DATA_BYTES], news.generation))
            elif news.kind == EVENT_MOVED:
                result.append(ClientMoved(
                    news.index, news.client_id, address_to_tuple(&news.address), news.generation))
            else:
                result.append(ClientDisconnected(
                    news.index, news.client_id, REASONS[news.reason], news.generation))
        self.reclaim()
        self.intake.news_count = 0
        return result

    def receive_events(self):
        """What ``events`` gives, as a structured array of ``EVENT_DTYPE``."""
        cdef uint32_t i
        cdef uint32_t count = self.intake.news_count
        cdef const session_news *news
        cdef event_row *row
        result = np.zeros(count, EVENT_DTYPE)
        cdef uint8_t[::1] rows = result.view("u1")
        for i in range(count):
            news = &self.intake.news[i]
            row = <event_row *>&rows[i * sizeof(event_row)]
            row.client_id = news.client_id
            row.index = news.index
            row.generation = news.generation
            row.connected = news.kind != EVENT_LEFT
            row.moved = news.kind == EVENT_MOVED
            row.reason = news.reason
        self.reclaim()
        self.intake.news_count = 0
        return result

    def receive_messages(self):
        """The messages (or payloads) up to the last ``take``, as a MessageBatch."""
        return self.intake.messages.take(self.intake.handles, &self.intake.stale)

    def receive_frames(self):
        """The opaque frames up to the last ``take``, as a MessageBatch."""
        return self.intake.frames.take(self.intake.handles, &self.intake.stale)

    def messages(self):
        """``(index, channel, bytes)`` of the messages up to the last ``take``."""
        return list(self.receive_messages())

    def frames(self):
        """``(index, kind, bytes)`` of the opaque frames up to the last ``take``."""
        return list(self.receive_frames())

    def payloads(self):
        """Without channels: ``(index, bytes)`` of the payloads up to the last ``take``."""
        return [(index, data) for index, _, data in self.receive_messages()]

    # What goes out

    cdef uint32_t live_index(self, index) except? 0xFFFFFFFF:
        if not isinstance(index, int) or not 0 <= index < self.intake.capacity:
            raise ConfigError(f"index: {index!r}, must be 0 to {self.intake.capacity - 1}")
        if not self.intake.live[<uint32_t>index] or self.ended:
            raise ConnectionClosed(f"client {index} is not connected")
        return index

    def push(self, index, int channel, const uint8_t[::1] data not None):
        """Queue a message to a client; it leaves with the next ``flush``, or before.

        Raises as ``ServerEndpoint.push``.
        """
        cdef uint32_t slot = self.live_index(index)
        cdef Py_ssize_t size = data.shape[0]
        cdef uint8_t nothing = 0
        cdef int status
        if self.x.queues == 0:
            raise ConfigError("channels: None, so there are payloads only; use send_payload")
        if channel < 0 or <uint32_t>channel >= self.out.channels.channels:
            raise push_error(self.config.channels, channel, size, CHANNEL_UNKNOWN)
        if size > self.out.channels.channel[channel].max_message:
            raise push_error(self.config.channels, channel, size, CHANNEL_TOO_LARGE)
        while True:
            status = outbox_message(&self.out, slot, <uint32_t>channel,
                                    &data[0] if size else &nothing, <uint32_t>size)
            if status <= 0 or status == OUTBOX_GONE:
                break
            self.settle(status, ANSWER_TRIES)
        if status < 0:
            raise push_error(self.config.channels, channel, size, status)

    def has_room(self, index, int channel, Py_ssize_t size):
        """Whether ``push`` would find room; as ``ServerEndpoint.has_room``.

        Of a queue that was full, what the owner last said: it is asked again with each ``take``.
        """
        cdef uint32_t slot = self.live_index(index)
        cdef int status
        if self.x.queues == 0:
            raise ConfigError("channels: None, so there are payloads only; use send_payload")
        check_room(self.config.channels, channel, size)
        while True:
            status = outbox_room(&self.out, slot, <uint32_t>channel, <uint32_t>size)
            if status <= 0:
                return status == 0
            self.settle(status, ANSWER_TRIES)

    def push_frame(self, index, int kind, const uint8_t[::1] data not None):
        """Queue an opaque unreliable frame (kind 0x40 to 0x7F); raises as ``push``."""
        cdef uint32_t slot = self.live_index(index)
        cdef Py_ssize_t size = data.shape[0]
        cdef uint8_t nothing = 0
        cdef int status
        if self.x.queues == 0:
            raise ConfigError("channels: None, so there are payloads only; use send_payload")
        if kind < CHANNEL_FRAME_FIRST or kind > CHANNEL_FRAME_LAST:
            raise frame_error(self.config.channels, kind, size, CHANNEL_UNKNOWN)
        if size > CHANNEL_MAX_FRAME:
            raise frame_error(self.config.channels, kind, size, CHANNEL_TOO_LARGE)
        while True:
            status = outbox_frame(&self.out, slot, <uint32_t>kind,
                                  &data[0] if size else &nothing, <uint32_t>size)
            if status <= 0 or status == OUTBOX_GONE:
                break
            self.settle(status, ANSWER_TRIES)
        if status < 0:
            raise frame_error(self.config.channels, kind, size, status)

    def send_payload(self, index, const uint8_t[::1] data not None):
        """Without channels: a payload of 1 to ``max_payload`` bytes; raises as ``push``."""
        cdef uint32_t slot = self.live_index(index)
        cdef Py_ssize_t size = data.shape[0]
        self.check_payload(size)
        while outbox_payload(&self.out, slot, &data[0], <uint32_t>size) == OUTBOX_NO_ROOM:
            self.settle(OUTBOX_NO_ROOM, 0)

    cdef int check_payload(self, Py_ssize_t size) except -1:
        if self.x.queues:
            raise ConfigError("channels: set, so payloads are theirs; push a message instead")
        if not 1 <= size <= self.config.max_payload:
            raise ConfigError(f"data: {size} bytes, must be 1 to {self.config.max_payload}")
        return 0

    cdef object many(self, int channel, object indices, const uint8_t[::1] data, object offsets):
        cdef const int64_t[::1] rows = checked_indices(indices, self.intake.capacity)
        cdef const int64_t[::1] cuts = rows
        cdef Py_ssize_t count = rows.shape[0]
        cdef Py_ssize_t total = data.shape[0]
        cdef Py_ssize_t least = total
        cdef Py_ssize_t largest = total
        cdef Py_ssize_t at = 0
        cdef const int64_t *cut = NULL
        cdef uint8_t nothing = 0
        cdef const uint8_t *start = &data[0] if total else &nothing
        cdef uint8_t[::1] status
        cdef int result
        if offsets is not None:
            cuts = checked_cuts(offsets, count, total)
            if count:
                sizes = np.diff(np.asarray(cuts))
                least, largest = sizes.min(), sizes.max()
                cut = &cuts[0]
            else:
                least, largest = 1, 0
        if channel >= 0:
            if self.x.queues == 0:
                raise ConfigError("channels: None, so there are payloads only; use send_payload")
            if largest > self.out.channels.channel[channel].max_message:
                raise push_error(self.config.channels, channel, largest, CHANNEL_TOO_LARGE)
        elif count:
            self.check_payload(least)
            self.check_payload(largest)
        outcome = np.zeros(count, np.uint8)
        if count == 0:
            return outcome
        status = outcome
        while True:
            with nogil:
                result = outbox_many(&self.out, &rows[0], count, &at, channel, start,
                                     <uint32_t>total if cut == NULL else 0, cut, &status[0])
            if result == 0:
                return outcome
            if result < 0:
                raise MemoryError
            self.settle(result, ANSWER_TRIES)

    def push_many(self, indices, int channel, const uint8_t[::1] data not None, offsets=None):
        """Queue a message to each of many clients; as ``ServerEndpoint.push_many``."""
        if self.x.queues and not 0 <= channel < <int>self.out.channels.channels:
            raise push_error(self.config.channels, channel, data.shape[0], CHANNEL_UNKNOWN)
        return self.many(max(channel, 0), indices, data, offsets)

    def send_payloads(self, indices, const uint8_t[::1] data not None, offsets=None):
        """Without channels: a payload to each of many clients; arguments as of ``push_many``.

        Returns:
            An array (u1) with a row per index: 0 sent on, 2 nobody is connected there.
        """
        return self.many(-1, indices, data, offsets)

    def resume_token(self, index):
        """A token with which a client may go on from another address; as of ServerEndpoint.

        It is good from the next ``flush`` on, so a message that carries it is pushed after this.
        """
        cdef uint32_t slot = self.live_index(index)
        cdef uint32_t handle = self.intake.handles[slot]
        cdef uint64_t secret = 0
        cdef bytes drawn = draw(self.endpoint.entropy, RESUME_ENTROPY_BYTES)
        made = resume_make(self.config, <const uint8_t *><const char *>drawn,
                           self.intake.clients[slot].client_id, handle, &secret)
        self.command(COMMAND_ALLOW, handle, 0, secret)
        return made

    def disconnect(self, index):
        """End a connection and tell the client; raises as ``ServerEndpoint.disconnect``."""
        cdef uint32_t slot = self.live_index(index)
        self.command(COMMAND_DISCONNECT, self.intake.handles[slot], 0, 0)
        self.intake.leave(slot)

    def disconnect_all(self):
        """End every connection, also of clients that the game has not heard of."""
        cdef uint32_t i
        self.command(COMMAND_DISCONNECT_ALL, 0, 0, 0)
        for i in range(self.intake.capacity):
            self.intake.leave(i)

    # Who is here

    @property
    def max_clients(self):
        """The number of slots."""
        return self.intake.capacity

    @property
    def connected(self):
        """The indices of the clients that the game knows of, ascending, as a new list."""
        cdef uint32_t i
        return [i for i in range(self.intake.capacity) if self.intake.live[i]]

    def client(self, index):
        """The ClientConnected of a connected client; raises as ``disconnect``."""
        cdef const known_client *c = &self.intake.clients[self.live_index(index)]
        return ClientConnected(
            index, c.client_id, address_to_tuple(&c.address),
            (<char *>c.user_data)[:USER_DATA_BYTES], c.generation)

    cdef int ask_report(self, uint32_t handle) except -1:
        """Have ``x.report`` made anew."""
        if self.ended:
            exchange_report(&self.x, &self.endpoint.k, NO_HANDLE)
            return 0
        self.reports += 1
        if self.reports == 0:
            self.reports = 1
        self.command(COMMAND_REPORT, handle, self.reports, 0)
        self.show()
        while not self.ended and ring_load(&self.x.report.answered) != self.reports:
            self.await_owner(ROOM_TRIES)
        return 0

    def stats(self, index):
        """The ConnectionStats of a connected client; raises as ``disconnect``."""
        cdef uint32_t slot = self.live_index(index)
        cdef const session_report *r = &self.x.report
        self.ask_report(self.intake.handles[slot])
        if not r.found:
            raise ConnectionClosed(f"client {index} is not connected")
        transport = stats_object(&r.stats) if self.x.queues else None
        return ConnectionStats(
            r.packets_sent, r.packets_received, r.bytes_sent, r.bytes_received,
            transport.rtt if transport else 0.0, transport.jitter if transport else 0.0,
            transport.packet_loss if transport else 0.0, r.resumed, transport)

    @property
    def counters(self):
        """As of ServerEndpoint, and ``pushes_too_late``; the owner is asked for them."""
        cdef const session_report *r = &self.x.report
        cdef int i
        self.ask_report(NO_HANDLE)
        values = [r.counts[i] for i in range(SESSION_COUNTERS)]
        values += [r.packet_reasons[i] for i in range(1, PACKET_REASON_COUNT)]
        values += [r.channel_reasons[i] for i in range(len(REFUSALS))]
        counted = dict(zip(COUNTER_NAMES, values, strict=True))
        counted["frames_dropped"] += self.intake.frames_dropped
        counted["deliveries_stale"] += self.intake.stale
        counted["pushes_too_late"] = r.gone
        return counted
