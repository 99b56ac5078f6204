"""The sans-IO server endpoint."""

cimport cython
from libc.stdint cimport UINT32_MAX, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from netcode.channel.inbox cimport inbox_init
from netcode.channel.settings cimport ChannelSettings
from netcode.security.address cimport (
    address_from_object, address_to_tuple, address_unmap, net_address,
)
from netcode.security.protocol cimport (
    ADDRESS_ORDER_NETWORK, KEY_BYTES, USER_DATA_BYTES, protocol_init,
)
from netcode.session.access cimport (
    check_now, draw, push_message, push_opaque, push_payload, read_counters, read_stats,
    room_for,
)
from netcode.session.batch cimport DatagramBatch, datagrams_clear
from netcode.session.connection cimport DROP_SECONDS, SLOT_LIVE, connection, handle_of
from netcode.session.limiter cimport limiter_init
from netcode.session.mailbox cimport Mailbox
from netcode.session.many cimport event_row, push_each
from netcode.session.pool cimport HASH_KEY_BYTES
from netcode.session.reasons cimport (
    EVENT_CAME, EVENT_LEFT, EVENT_MOVED, REASON_CLOSED, session_event,
)
from netcode.session.resume cimport RESUME_ENTROPY_BYTES, resume_allow, resume_make
from netcode.session.server_core cimport (
    core_deadline, core_disconnect, core_drive_receive, core_drive_send, core_drive_update,
    core_events_read, core_free, core_init, core_receive, core_schedule, core_time, core_touch,
)

import numpy as np

from netcode.errors import ConfigError, ConnectionClosed
from netcode.session.config import ServerConfig
from netcode.session.many import EVENT_DTYPE
from netcode.session.events import (
    ClientConnected, ClientDisconnected, ClientMoved, DisconnectReason,
)

__all__ = ["ServerEndpoint"]

cdef tuple REASONS = tuple(DisconnectReason)
cdef enum:
    INBOX_ENTRIES = 1 << 18


@cython.final
@cython.auto_pickle(False)
@cython.no_gc_clear  # the channels read their configuration until they are freed
cdef class ServerEndpoint:
    """The server side of netcode 1.02: datagrams and the time go in, datagrams and events come out.

    Each tick: ``receive`` what came, ``update``, read ``events()`` and ``messages()``, ``push``
    what there is to say, and give the batch of ``send`` to the socket. Datagrams never raise,
    whatever they hold: a refused one is counted by its reason. Time never goes back: a smaller
    ``now`` counts as the largest one seen.

    One thread at a time may use it.

    Args:
        config: its settings.
        entropy: called twice, for 32 random bytes (the challenge key) and for 16 (the hash key),
            and for each resume token. They must be new at every start:
            ``netcode.security.random_bytes``.
        epoch: unix time at ``now`` 0, in seconds, by which tokens expire.

    Raises:
        ConfigError: an argument is not what it should be.
    """

    def __cinit__(self, config, *, entropy, epoch):
        if not isinstance(config, ServerConfig):
            raise ConfigError(f"config: a {type(config).__name__}, must be a ServerConfig")
        cdef bytes challenge_key = draw(entropy, KEY_BYTES)
        cdef bytes hash_key = draw(entropy, HASH_KEY_BYTES)
        cdef bytes key
        cdef int i
        if core_init(&self.k, config.max_clients, config.max_handshakes, config.token_history,
                     <const uint8_t *><char *>hash_key) < 0:
            raise MemoryError
        self.config = config
        self.entropy = entropy
        self.mail = Mailbox()
        self.filling = DatagramBatch(limit=config.out_bytes)
        self.sent = DatagramBatch(limit=config.out_bytes)
        protocol_init(&self.k.session.protocol, config.protocol_id)
        self.k.session.protocol.max_payload = config.max_payload
        if config.token_order == "network":
            self.k.session.protocol.order = ADDRESS_ORDER_NETWORK
        self.k.session.out = &self.filling.c
        if config.channels is not None:
            self.settings = ChannelSettings(config.channels)
            self.k.session.channels = &(<ChannelSettings>self.settings).c
        inbox_init(&self.k.session.received, config.inbox_bytes, INBOX_ENTRIES)
        self.k.session.max_clients = config.max_clients
        self.k.session.malformed_limit = config.malformed_limit
        self.k.session.flush_packets = config.flush_packets
        if config.receive_messages:
            self.k.session.message_cost = 1.0 / config.receive_messages
        if config.receive_bytes:
            self.k.session.byte_cost = 1.0 / config.receive_bytes
        self.k.session.drop_cost = <double>DROP_SECONDS / config.flood_limit
        if limiter_init(&self.k.admission.limits, config.handshake_rate, config.handshake_burst,
                        <const uint8_t *><char *>hash_key) < 0:
            raise MemoryError
        memcpy(self.k.admission.challenge_key, <char *>challenge_key, KEY_BYTES)
        for key in (config.private_key, config.previous_private_key):
            if key is not None:
                memcpy(self.k.admission.keys + self.k.admission.key_count * KEY_BYTES,
                       <char *>key, KEY_BYTES)
                self.k.admission.key_count += 1
        for i, address in enumerate(config.addresses):
            address_from_object(&self.k.admission.addresses[i], address)
        self.k.admission.address_count = len(config.addresses)
        self.k.loopback_only = config.loopback_only
        self.k.token_lifetime = (
            -1.0 if config.max_token_lifetime is None else config.max_token_lifetime)
        self.epoch = epoch

    def __dealloc__(self):
        core_free(&self.k)

    def __repr__(self):
        return (
            f"<ServerEndpoint {', '.join(map(str, self.config.addresses))}: "
            f"{self.k.pool.live_count} of {self.k.pool.capacity} clients>"
        )

    cdef int lend(self, str owner) except -1:
        """The core belongs to another driver from here on."""
        self.check_owned()
        self.owner = owner
        return 0

    cdef int check_owned(self) except -1:
        if self.owner is not None:
            raise ConfigError(f"endpoint: a {self.owner} owns it; use that one's methods")
        return 0

    # Time and datagrams

    @property
    def epoch(self):
        """Unix time at ``now`` 0. Setting it follows a corrected clock.

        Tokens that have expired stay expired when it is set back.
        """
        return self.k.admission.epoch

    @epoch.setter
    def epoch(self, double value):
        check_now(value)
        self.check_owned()
        self.k.admission.epoch = value

    def receive(self, DatagramBatch batch not None, double now):
        """Process every datagram of a batch; its addresses are where they came from."""
        check_now(now)
        self.check_owned()
        with nogil:
            core_drive_receive(&self.k, &batch.c, &self.filling.c, now)

    def receive_datagram(self, const uint8_t[::1] data not None, address, double now):
        """Process one datagram (any bytes, at most 65,535) from ``(host, port)``."""
        cdef net_address source
        cdef uint8_t nothing = 0
        cdef Py_ssize_t size = data.shape[0]
        check_now(now)
        self.check_owned()
        if size > 65_535:
            raise ConfigError(f"data: {size} bytes, a datagram has at most 65535")
        address_from_object(&source, address)
        address_unmap(&source)
        core_time(&self.k, now)
        core_receive(&self.k, &source, &data[0] if size else &nothing, <uint32_t>size)

    def update(self, double now):
        """End the connections that timed out. Receive first: what waits in a socket counts."""
        check_now(now)
        self.check_owned()
        with nogil:
            core_drive_update(&self.k, &self.filling.c, now)

    def send(self, double now, *, limit=0):
        """What leaves now: answers, messages, acks, keep-alive packets.

        Args:
            now: the time.
            limit: stop between two clients after so many datagrams beside the answers that wait
                already; the next call goes on with those whose turn has not come. A driver that
                calls this in slices and receives between them loses nothing to a burst to
                thousands of clients. 0: everything.

        Returns:
            The batch to send, whose addresses are where the datagrams go; valid until the next
            ``send``, which fills it anew.
        """
        cdef DatagramBatch batch = self.filling
        cdef uint32_t most
        check_now(now)
        self.check_owned()
        if not (isinstance(limit, int) and 0 <= limit <= UINT32_MAX):
            raise ConfigError(f"limit: {limit!r}, must be 0 to {UINT32_MAX}")
        most = limit
        if most and most <= UINT32_MAX - batch.c.count:
            most += batch.c.count
        with nogil:
            core_drive_send(&self.k, &batch.c, now, most)
        self.filling = self.sent
        self.sent = batch
        datagrams_clear(&self.filling.c)
        self.k.session.out = &self.filling.c
        return batch

    @property
    def waiting(self):
        """How many clients the last ``send`` left for the next one, and new ones since."""
        self.check_owned()
        return self.k.dirty_count

    @property
    def next_deadline(self):
        """When ``update`` and ``send`` next have something to do; infinity when idle."""
        self.check_owned()
        return core_deadline(&self.k)

    # What arrived

    def events(self):
        """ClientConnected, ClientMoved and ClientDisconnected since the last call, in order.

        Reading them gives the slots of departed clients free, so read ``messages()`` in the same
        tick: what a client said before it left is dropped once its slot has a new owner.
        """
        cdef uint32_t i
        cdef session_event *event
        cdef connection *c
        self.check_owned()
        result = []
        for i in range(self.k.event_count):
            event = &self.k.events[i]
            c = &self.k.pool.slots[event.index]
            if event.kind == EVENT_CAME:
                result.append(self.describe(c))
            elif event.kind == EVENT_MOVED:
                result.append(ClientMoved(
                    c.index, c.client_id, address_to_tuple(&c.address), c.generation))
            else:
                result.append(ClientDisconnected(
                    c.index, c.client_id, REASONS[event.reason], c.generation))
        # The application knows now who left: their slots may have new owners.
        core_events_read(&self.k)
        return result

    def receive_events(self):
        """What ``events`` gives, as a structured array of ``EVENT_DTYPE``, a row per event.

        ``index`` u4, ``generation`` u4, ``client_id`` u8, ``connected`` bool, and ``reason`` u1:
        the number of the DisconnectReason among its members. ``moved`` bool: a ClientMoved, and
        ``connected`` is True too. ``client(index)`` has the rest of one that is still connected.
        """
        cdef uint32_t i
        cdef uint32_t count = self.k.event_count
        cdef session_event *event
        cdef connection *c
        cdef event_row *row
        self.check_owned()
        result = np.zeros(count, EVENT_DTYPE)
        cdef uint8_t[::1] rows = result.view("u1")
        for i in range(count):
            event = &self.k.events[i]
            c = &self.k.pool.slots[event.index]
            row = <event_row *>&rows[i * sizeof(event_row)]
            row.client_id = c.client_id
            row.index = c.index
            row.generation = c.generation
            row.connected = event.kind != EVENT_LEFT
            row.moved = event.kind == EVENT_MOVED
            row.reason = event.reason
        core_events_read(&self.k)
        return result

    def messages(self):
        """``(index, channel, bytes)`` of the messages since the last call, in order of arrival."""
        self.check_owned()
        return self.mail.list_messages(&self.k.session, &self.k.pool)

    def frames(self):
        """``(index, kind, bytes)`` of the opaque frames since the last call.

        Frames that nobody reads are dropped at ``inbox_bytes``.
        """
        self.check_owned()
        return self.mail.list_frames(&self.k.session, &self.k.pool)

    def payloads(self):
        """Without channels: ``(index, bytes)`` of the payloads since the last call."""
        self.check_owned()
        return self.mail.list_payloads(&self.k.session, &self.k.pool)

    def receive_messages(self):
        """What ``messages`` gives (or ``payloads``), as a MessageBatch: arrays over one buffer."""
        self.check_owned()
        return self.mail.take_messages(&self.k.session, &self.k.pool)

    def receive_frames(self):
        """What ``frames`` gives, as a MessageBatch."""
        self.check_owned()
        return self.mail.take_frames(&self.k.session, &self.k.pool)

    # What goes out

    def push(self, index, int channel, const uint8_t[::1] data not None):
        """Queue a message to a client; it leaves with the next ``send``.

        Raises:
            ConnectionClosed: nobody is connected there.
            ChannelFull: the channel's queue is at its limit.
            EncodeError: the message is too large for the channel.
            ConfigError: there is no such index or channel.
        """
        cdef connection *c = self.live(index)
        push_message(&self.k.session, c, self.config.channels, channel, data)
        core_touch(&self.k, c)

    def push_many(self, indices, int channel, const uint8_t[::1] data not None, offsets=None):
        """Queue a message to each of many clients; they leave with the next ``send``.

        Args:
            indices: client indices, integers in any array or sequence.
            channel: the channel's number.
            data: the message, the same for all. With ``offsets``, all messages one behind the
                other.
            offsets: ``len(indices) + 1`` integers, ascending: message i is
                ``data[offsets[i]:offsets[i + 1]]``.

        Returns:
            An array (u1) with a row per index: 0 queued, 1 the channel's queue is at its limit,
            2 nobody is connected there.

        Raises:
            ConfigError: an index, the channel or ``offsets`` is out of range; then nothing was
                queued.
            EncodeError: a message is too large for the channel; likewise.
        """
        self.check_owned()
        return push_each(&self.k, self.config.channels, channel, indices, data, offsets)

    def has_room(self, index, int channel, Py_ssize_t size):
        """Whether ``push`` of a message of ``size`` bytes would find room in the channel's queue.

        Raises as ``push``, but never ChannelFull.
        """
        return bool(room_for(
            &self.k.session, self.live(index), self.config.channels, channel, size))

    def push_frame(self, index, int kind, const uint8_t[::1] data not None):
        """Queue an opaque unreliable frame (kind 0x40 to 0x7F); raises as ``push``."""
        cdef connection *c = self.live(index)
        push_opaque(c, self.config.channels, kind, data)
        core_touch(&self.k, c)

    def send_payload(self, index, const uint8_t[::1] data not None):
        """Without channels: seal a payload of 1 to ``max_payload`` bytes for the next ``send``.

        Raises:
            ConnectionClosed: nobody is connected there.
            ChannelFull: ``out_bytes`` of datagrams wait already.
            ConfigError: there is no such index, or the size is out of range.
        """
        cdef connection *c = self.live(index)
        push_payload(&self.k.session, c, data)
        core_schedule(&self.k, c)

    def resume_token(self, index):
        """A new token with which a client may go on from another address, as bytes.

        The client gives them to ``ClientEndpoint.take_resume_token``; they hold keys, so they go
        inside the connection and nowhere else. A token is good once. Two of a client are good at a
        time, the last two made: make two for a new client, and another at each ClientMoved.

        Raises:
            ConnectionClosed: nobody is connected there.
            ConfigError: there is no such index.
        """
        cdef connection *c = self.live(index)
        cdef uint64_t secret = 0
        cdef bytes drawn = draw(self.entropy, RESUME_ENTROPY_BYTES)
        made = resume_make(self.config, <const uint8_t *><const char *>drawn, c.client_id,
                           handle_of(c), &secret)
        resume_allow(c, secret)
        return made

    def disconnect(self, index):
        """End a connection; the next ``send`` tells the client. What is queued is not sent.

        Raises:
            ConnectionClosed: nobody is connected there.
            ConfigError: there is no such index.
        """
        self.live(index)
        core_disconnect(&self.k, index, REASON_CLOSED, True)

    def disconnect_all(self):
        """End every connection."""
        self.check_owned()
        while self.k.pool.live_count:
            core_disconnect(&self.k, self.k.pool.live[0], REASON_CLOSED, True)

    # Who is here

    cdef connection *live(self, index) except NULL:
        self.check_owned()
        if not isinstance(index, int) or not 0 <= index < self.k.pool.capacity:
            raise ConfigError(f"index: {index!r}, must be 0 to {self.k.pool.capacity - 1}")
        cdef connection *c = &self.k.pool.slots[<uint32_t>index]
        if c.state != SLOT_LIVE:
            raise ConnectionClosed(f"client {index} is not connected")
        return c

    cdef object describe(self, connection *c):
        return ClientConnected(
            c.index, c.client_id, address_to_tuple(&c.address),
            (<char *>c.user_data)[:USER_DATA_BYTES], c.generation)

    @property
    def max_clients(self):
        """The number of slots."""
        return self.k.pool.capacity

    @property
    def connected(self):
        """The indices of the connected clients, ascending, as a new list."""
        cdef uint32_t i
        self.check_owned()
        return sorted([self.k.pool.live[i] for i in range(self.k.pool.live_count)])

    def client(self, index):
        """The ClientConnected of a connected client; raises as ``disconnect``."""
        return self.describe(self.live(index))

    def stats(self, index):
        """The ConnectionStats of a connected client; raises as ``disconnect``."""
        return read_stats(self.live(index))

    @property
    def counters(self):
        """Every counter by name, traffic and reasons for refusal, as a new dict.

        The names are ``netcode.session.COUNTER_NAMES``.
        """
        self.check_owned()
        return read_counters(&self.k.session)
