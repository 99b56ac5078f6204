"""The sans-IO client endpoint."""

cimport cython
from libc.math cimport INFINITY
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from netcode.channel.inbox cimport inbox_free, inbox_init
from netcode.channel.settings cimport ChannelSettings
from netcode.security.address cimport (
    address_from_object, address_to_tuple, address_unmap, net_address,
)
from netcode.security.aead cimport wipe
from netcode.security.protocol cimport (
    ADDRESS_ORDER_NETWORK, ADDRESS_ORDER_STANDARD, protocol_init,
)
from netcode.security.token cimport PUBLIC_TOKEN_BYTES, public_token_get
from netcode.session.access cimport (
    check_now, push_message, push_opaque, push_payload, read_counters, read_stats,
    room_for,
)
from netcode.session.batch cimport DatagramBatch, datagrams_clear
from netcode.session.client_core cimport (
    STATE_CONNECTED, STATE_DISCONNECTED, STATE_REQUESTING, STATE_RESPONDING, STATE_TOKEN_EXPIRED,
    STATE_TOKEN_INVALID, client_begin, client_core, client_deadline, client_end, client_receive,
    client_receive_batch, client_send, client_time, client_update,
)
from netcode.session.client_roaming cimport (
    roaming_begin, roaming_deadline, roaming_free, roaming_keep, roaming_receive, roaming_send,
    roaming_update,
)
from netcode.session.connection cimport connection, connection_end
from netcode.session.mailbox cimport Mailbox
from netcode.session.reasons cimport (
    REASON_CLOSED, REASON_TOKEN_EXPIRED, REASON_TOKEN_INVALID,
)

from netcode.constants import RESUME_TOKEN_BYTES
from netcode.errors import ConfigError, ConnectionClosed
from netcode.security.connect import ConnectToken
from netcode.session.config import ClientConfig
from netcode.session.events import ClientState, Connected, Disconnected, DisconnectReason

__all__ = ["ClientEndpoint"]

cdef tuple REASONS = tuple(DisconnectReason)
cdef enum:
    INBOX_ENTRIES = 1 << 16


@cython.final
@cython.auto_pickle(False)
@cython.no_gc_clear  # the channels read their configuration until they are freed
cdef class ClientEndpoint:
    """The client side of netcode 1.02: datagrams and the time go in, datagrams and events come out.

    It connects from the first call on, to the servers of its token in turn; each tick:
    ``receive``, ``update``, read ``events()`` and ``messages()``, ``push``, ``send``. It makes one
    connection; the next needs another token and another endpoint. Datagrams never raise. Time
    never goes back: a smaller ``now`` counts as the largest one seen.

    One thread at a time may use it.

    Args:
        config: its settings, or just the connect token (or its bytes).
        entropy: accepted as at the server; a client draws nothing.
        epoch: unix time at ``now`` 0, in seconds. If given, a token that has expired by this
            clock ends the attempt before it begins; else only servers judge that.

    Raises:
        ConfigError: an argument is not what it should be.
    """

    cdef client_core k
    cdef readonly object config
    cdef object settings         # keeps the channel configuration alive
    cdef DatagramBatch filling
    cdef DatagramBatch sent
    cdef DatagramBatch elsewhere     # what leaves from a new address
    cdef Mailbox mail
    cdef uint32_t was_resumed        # ``resumed`` at the last send_roaming
    cdef bint told_connected
    cdef bint told_disconnected
    cdef readonly object epoch

    def __cinit__(self, config, *, entropy=None, epoch=None):
        cdef bytes data
        cdef int order = ADDRESS_ORDER_STANDARD
        if isinstance(config, ConnectToken | bytes):
            config = ClientConfig(token=config)
        if not isinstance(config, ClientConfig):
            raise ConfigError(
                f"config: a {type(config).__name__}, must be a ClientConfig or a ConnectToken")
        if epoch is not None:
            check_now(epoch)
        memset(&self.k, 0, sizeof(self.k))
        self.config = config
        self.epoch = epoch
        self.mail = Mailbox()
        self.filling = DatagramBatch(limit=config.out_bytes)
        self.sent = DatagramBatch(limit=config.out_bytes)
        self.elsewhere = DatagramBatch(limit=config.out_bytes)
        self.k.session.out = &self.filling.c
        self.k.roaming.out = &self.elsewhere.c
        self.k.roaming.after = INFINITY if config.roam_after is None else config.roam_after
        self.k.session.client_end = True
        self.k.session.malformed_limit = config.malformed_limit
        self.k.session.flush_packets = config.flush_packets
        self.k.answer_at_once = config.answer_at_once
        inbox_init(&self.k.session.received, config.inbox_bytes, INBOX_ENTRIES)
        if config.channels is not None:
            self.settings = ChannelSettings(config.channels)
            self.k.session.channels = &(<ChannelSettings>self.settings).c
        if isinstance(config.token, bytes):
            data = config.token
            written = config.dialect.token_order
        else:
            data = config.token.to_bytes()
            written = config.token.order
        if written == "network":
            order = ADDRESS_ORDER_NETWORK
        if len(data) != PUBLIC_TOKEN_BYTES or public_token_get(
                &self.k.token, order, <const uint8_t *><char *>data) < 0:
            self.k.started = True
            self.k.state = STATE_TOKEN_INVALID
            self.k.reason = REASON_TOKEN_INVALID
        protocol_init(&self.k.session.protocol, self.k.token.protocol_id)
        self.k.session.protocol.max_payload = config.max_payload
        self.k.session.protocol.order = order

    def __dealloc__(self):
        roaming_free(&self.k)
        connection_end(&self.k.link)
        inbox_free(&self.k.session.received)
        wipe(&self.k, sizeof(self.k))

    def __repr__(self):
        return f"<ClientEndpoint {self.state.name}>"

    cdef int at(self, double now) except -1:
        check_now(now)
        if self.k.started:
            client_time(&self.k, now)
        elif client_begin(&self.k, now) < 0:
            raise MemoryError
        elif self.epoch is not None and self.k.token.expire_timestamp <= int(self.epoch + now):
            client_end(&self.k, STATE_TOKEN_EXPIRED, REASON_TOKEN_EXPIRED, False)
        return 0

    # Time and datagrams

    def receive(self, DatagramBatch batch not None, double now):
        """Process every datagram of a batch; its addresses are where they came from."""
        self.at(now)
        with nogil:
            client_receive_batch(&self.k, &batch.c)

    def receive_datagram(self, const uint8_t[::1] data not None, address, double now):
        """Process one datagram (any bytes, at most 65,535) from ``(host, port)``."""
        cdef net_address source
        cdef uint8_t nothing = 0
        cdef Py_ssize_t size = data.shape[0]
        if size > 65_535:
            raise ConfigError(f"data: {size} bytes, a datagram has at most 65535")
        address_from_object(&source, address)
        address_unmap(&source)
        self.at(now)
        client_receive(&self.k, &source, &data[0] if size else &nothing, <uint32_t>size)

    def update(self, double now):
        """Time out, walk on to the next server, or expire. Receive first."""
        self.at(now)
        client_update(&self.k)
        roaming_update(&self.k)

    def send(self, double now):
        """What leaves now: requests, responses, messages, acks, keep-alive packets.

        Returns:
            The batch to send, whose addresses are where the datagrams go; valid until the next
            ``send``, which fills it anew.
        """
        cdef DatagramBatch batch = self.filling
        self.at(now)
        with nogil:
            client_send(&self.k)
        self.filling = self.sent
        self.sent = batch
        datagrams_clear(&self.filling.c)
        self.k.session.out = &self.filling.c
        return batch

    @property
    def next_deadline(self):
        """When ``update`` and ``send`` next have something to do; infinity when it is over."""
        if not self.k.started:
            return -INFINITY
        return min(client_deadline(&self.k), roaming_deadline(&self.k))

    # Another address

    def take_resume_token(self, const uint8_t[::1] token not None):
        """Keep a token of ``ServerEndpoint.resume_token``; of more than two, the newest.

        With one, a connection from which nothing came for ``roam_after`` seconds goes on from
        another address: see ``roaming``.

        Raises:
            ConfigError: it is not 1,112 bytes.
        """
        if token.shape[0] != RESUME_TOKEN_BYTES:
            raise ConfigError(f"token: {token.shape[0]} bytes, must be {RESUME_TOKEN_BYTES}")
        if self.k.state == STATE_CONNECTED and roaming_keep(&self.k, &token[0]) < 0:
            raise MemoryError

    @property
    def roaming(self):
        """The number of the attempt to go on from another address, from 1; 0 while there is none.

        Each wants an address of its own: open another socket. Until the attempt is over, give what
        arrives there to ``receive_roaming``, and send from there what ``send_roaming`` gives; all
        else goes on at the old address. When ``resumed`` has grown, the new address is the one of
        the connection, and when it has not, the old one is still.
        """
        return self.k.roaming.attempt if self.k.roaming.state else 0

    @property
    def resumed(self):
        """How often the connection went on from another address."""
        return self.k.link.resumed

    def roam(self, double now):
        """Begin an attempt at once, for who knows that the old address is lost.

        Returns:
            Whether there is a connection and a token for it.
        """
        self.at(now)
        return bool(roaming_begin(&self.k, True))

    def receive_roaming(self, DatagramBatch batch not None, double now):
        """Process every datagram that arrived at the new address."""
        cdef uint32_t i
        self.at(now)
        with nogil:
            for i in range(batch.c.count):
                self.receive_there(&batch.c.entries[i].address,
                                   batch.c.data + batch.c.entries[i].offset,
                                   batch.c.entries[i].size)

    cdef void receive_there(self, const net_address *source, const uint8_t *data,
                            uint32_t size) noexcept nogil:
        # Behind the packet that ends the attempt, it is the address of the connection.
        if self.k.roaming.state or self.k.link.resumed == self.was_resumed:
            roaming_receive(&self.k, source, data, size)
        else:
            client_receive(&self.k, source, data, size)

    def send_roaming(self, double now):
        """What leaves now from the new address, as a batch; valid until the next call."""
        self.at(now)
        datagrams_clear(&self.elsewhere.c)
        self.was_resumed = self.k.link.resumed
        roaming_send(&self.k)
        return self.elsewhere

    # What arrived

    def events(self):
        """Connected and Disconnected since the last call; each comes at most once."""
        result = []
        if not self.told_connected and self.k.was_connected:
            self.told_connected = True
            result.append(Connected(
                self.k.client_index, self.k.max_clients,
                address_to_tuple(&self.k.link.address)))
        if not self.told_disconnected and self.k.started and self.k.state < STATE_REQUESTING:
            self.told_disconnected = True
            result.append(Disconnected(REASONS[self.k.reason], self.state))
        return result

    def messages(self):
        """``(0, channel, bytes)`` of the messages since the last call, in order of arrival."""
        return self.mail.list_messages(&self.k.session, NULL)

    def frames(self):
        """``(0, kind, bytes)`` of the opaque frames since the last call.

        Frames that nobody reads are dropped at ``inbox_bytes``.
        """
        return self.mail.list_frames(&self.k.session, NULL)

    def payloads(self):
        """Without channels: ``(0, bytes)`` of the payloads since the last call."""
        return self.mail.list_payloads(&self.k.session, NULL)

    def receive_messages(self):
        """What ``messages`` gives (or ``payloads``), as a MessageBatch: arrays over one buffer."""
        return self.mail.take_messages(&self.k.session, NULL)

    def receive_frames(self):
        """What ``frames`` gives, as a MessageBatch."""
        return self.mail.take_frames(&self.k.session, NULL)

    # What goes out

    cdef connection *connected(self) except NULL:
        if self.k.state != STATE_CONNECTED:
            raise ConnectionClosed(f"not connected: the state is {self.state.name}")
        return &self.k.link

    def push(self, int channel, const uint8_t[::1] data not None):
        """Queue a message to the server; it leaves with the next ``send``.

        Raises:
            ConnectionClosed: it is not connected, not yet or no more.
            ChannelFull: the channel's queue is at its limit.
            EncodeError: the message is too large for the channel.
            ConfigError: there is no such channel.
        """
        push_message(
            &self.k.session, self.connected(), self.config.channels, channel, data)

    def has_room(self, int channel, Py_ssize_t size):
        """Whether ``push`` of a message of ``size`` bytes would find room in the channel's queue.

        Raises as ``push``, but never ChannelFull.
        """
        return bool(room_for(
            &self.k.session, self.connected(), self.config.channels, channel, size))

    def push_frame(self, int kind, const uint8_t[::1] data not None):
        """Queue an opaque unreliable frame (kind 0x40 to 0x7F); raises as ``push``."""
        push_opaque(self.connected(), self.config.channels, kind, data)

    def send_payload(self, const uint8_t[::1] data not None):
        """Without channels: seal a payload of 1 to ``max_payload`` bytes for the next ``send``.

        Raises:
            ConnectionClosed: it is not connected.
            ChannelFull: ``out_bytes`` of datagrams wait already.
            ConfigError: the size is out of range.
        """
        push_payload(&self.k.session, self.connected(), data)

    def disconnect(self):
        """End the connection or the attempt; the next ``send`` tells the server.

        What is queued is not sent. Nothing happens when it is over already.
        """
        if not self.k.started:
            self.k.started = True
            self.k.state = STATE_DISCONNECTED
            self.k.reason = REASON_CLOSED
        elif self.k.state >= STATE_REQUESTING:
            # The server may have accepted a response whose keep-alive is still under way.
            client_end(&self.k, STATE_DISCONNECTED, REASON_CLOSED,
                       self.k.state >= STATE_RESPONDING)

    # The connection

    @property
    def state(self):
        """The ClientState of now."""
        if not self.k.started:
            return ClientState.SENDING_CONNECTION_REQUEST
        return ClientState(self.k.state)

    @property
    def client_index(self):
        """The slot at the server, as the server told; 0 before it did."""
        return self.k.client_index

    @property
    def max_clients(self):
        """The slots of the server, as the server told; 0 before it did."""
        return self.k.max_clients

    @property
    def server_address(self):
        """``(host, port)`` of the server it talks to, or talked to last."""
        return address_to_tuple(&self.k.token.servers[self.k.server])

    def stats(self):
        """The ConnectionStats of now."""
        return read_stats(&self.k.link)

    @property
    def counters(self):
        """Every counter by name, traffic and reasons for refusal, as a new dict.

        The names are ``netcode.session.COUNTER_NAMES``.
        """
        return read_counters(&self.k.session)
