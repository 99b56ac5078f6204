# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""Ten thousand clients behind a few sockets: each has an address, keys and channels of its own.

The addresses are 127.x.y.z, told to the kernel with every datagram (IP_PKTINFO), so that a client
costs no descriptor. Compiled when the transport family runs; not part of the library.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

from netcode.channel.connection cimport (
    channel_build, channel_free, channel_new, channel_push, channel_receive,
)
from netcode.channel.inbox cimport inbox, inbox_clear, inbox_free, inbox_init
from netcode.channel.settings cimport ChannelSettings
from netcode.channel.state cimport channel_state
from netcode.security.packet cimport (
    PACKET_CLIENT_MASK, PACKET_MAX_BODY, PACKET_MAX_BYTES, PACKET_PAYLOAD, packet_header,
    packet_open, packet_seal,
)
from netcode.security.protocol cimport KEY_BYTES, protocol_init, wire_protocol

from sockets cimport (
    MANY, clock_now, many, many_from, many_init, many_local, many_receive, many_send, many_to,
    place, readable, received_size, set_size,
)

import socket as sockets_of_python

cdef enum:
    FIRST_HOST = 0x7F010000      # 127.1.0.0
    BUFFER = 4 << 20
    SLACK = 16 * MANY            # packets by which the clients may be late and hurry
    DRAIN = 32                   # looks at sockets between two sends


cdef struct client:
    uint8_t send_key[KEY_BYTES]
    uint8_t receive_key[KEY_BYTES]
    uint64_t sequence
    channel_state *channel       # NULL: raw payloads
    uint32_t back                # messages that came back


cdef class Load:
    """``count`` clients of the server at ``target`` (an IPv4 host and a port).

    ``settings``: the ChannelSettings of the clients, and ``channel`` the one they use; None for
    raw payloads. They send in the sequence ``order``.
    """

    cdef readonly uint32_t count
    cdef readonly uint64_t sent, arrived, wrong
    cdef readonly list addresses
    cdef client *clients
    cdef uint32_t *order
    cdef uint32_t *socket_of
    cdef int *fds
    cdef int socket_count
    cdef list sockets
    cdef many *m
    cdef inbox box
    cdef wire_protocol protocol
    cdef object settings
    cdef int channel
    cdef uint32_t host
    cdef uint16_t port

    def __cinit__(self, target, order, *, protocol_id, settings=None, int channel=0,
                  int sockets=10):
        cdef uint32_t i, at
        self.count = <uint32_t>len(order)
        self.host = int.from_bytes(sockets_of_python.inet_aton(target[0]), "big")
        self.port = target[1]
        self.settings = settings
        self.channel = channel
        self.socket_count = sockets
        self.clients = <client *>calloc(self.count, sizeof(client))
        self.order = <uint32_t *>calloc(self.count, sizeof(uint32_t))
        self.socket_of = <uint32_t *>calloc(self.count, sizeof(uint32_t))
        self.fds = <int *>calloc(sockets, sizeof(int))
        self.m = <many *>calloc(1, sizeof(many))
        if not (self.clients and self.order and self.socket_of and self.fds and self.m):
            raise MemoryError
        many_init(self.m)
        inbox_init(&self.box, 1 << 28, 1 << 20)
        protocol_init(&self.protocol, protocol_id)
        self.sockets = []
        for i in range(<uint32_t>sockets):
            opened = sockets_of_python.socket(
                sockets_of_python.AF_INET, sockets_of_python.SOCK_DGRAM)
            opened.setsockopt(sockets_of_python.IPPROTO_IP, 8, 1)    # IP_PKTINFO
            opened.setsockopt(sockets_of_python.SOL_SOCKET, sockets_of_python.SO_SNDBUF, BUFFER)
            opened.setsockopt(sockets_of_python.SOL_SOCKET, sockets_of_python.SO_RCVBUF, BUFFER)
            opened.bind(("0.0.0.0", 0))
            self.sockets.append(opened)
            self.fds[i] = opened.fileno()
        ports = [opened.getsockname()[1] for opened in self.sockets]
        self.addresses = [None] * self.count
        for at in range(self.count):
            # Runs of one socket, so that one call sends a run.
            i = order[at]
            self.order[at] = i
            self.socket_of[i] = at // MANY % <uint32_t>sockets
            host = sockets_of_python.inet_ntoa((<uint32_t>FIRST_HOST + i).to_bytes(4, "big"))
            self.addresses[i] = (host, ports[self.socket_of[i]])
        if settings is not None:
            for i in range(self.count):
                self.clients[i].channel = channel_new(&(<ChannelSettings>settings).c)
                if self.clients[i].channel == NULL:
                    raise MemoryError

    def __dealloc__(self):
        cdef uint32_t i
        if self.clients != NULL:
            for i in range(self.count):
                channel_free(self.clients[i].channel)
        inbox_free(&self.box)
        free(self.clients)
        free(self.order)
        free(self.socket_of)
        free(self.fds)
        free(self.m)

    def close(self):
        for opened in self.sockets:
            opened.close()

    # Handshakes, which others speak

    def send_datagram(self, uint32_t i, const uint8_t[::1] data not None):
        """Send a ready datagram from client ``i``."""
        memcpy(place(self.m, 0), &data[0], data.shape[0])
        set_size(self.m, 0, data.shape[0])
        many_to(self.m, 0, self.host, self.port)
        many_from(self.m, 0, <uint32_t>FIRST_HOST + i)
        many_send(self.m, self.fds[self.socket_of[i]], 1)

    def receive_datagrams(self):
        """``(client, bytes)`` of all that has arrived."""
        cdef int s, got, n
        found = []
        for s in range(self.socket_count):
            while True:
                got = many_receive(self.m, self.fds[s], 1)
                for n in range(got):
                    found.append((many_local(self.m, n) - FIRST_HOST,
                                  (<char *>place(self.m, n))[:received_size(self.m, n)]))
                if got < MANY:
                    break
        return found

    def set_keys(self, uint32_t i, bytes send_key, bytes receive_key, uint64_t sequence):
        """The connection of client ``i`` is there; its next packet has this sequence."""
        memcpy(self.clients[i].send_key, <char *>send_key, KEY_BYTES)
        memcpy(self.clients[i].receive_key, <char *>receive_key, KEY_BYTES)
        self.clients[i].sequence = sequence

    # Payloads

    cdef uint32_t seal(self, client *c, const uint8_t *payload, uint32_t size, uint8_t *out,
                       double now) noexcept nogil:
        """The next packet of a client; its size, 0 when it has none."""
        cdef uint8_t body[PACKET_MAX_BODY]
        cdef int made
        if c.channel != NULL:
            if channel_push(c.channel, self.channel, payload, size, now) < 0:
                return 0
            made = channel_build(c.channel, now, body, self.protocol.max_payload)
            if made <= 0:
                return 0
            payload = body
            size = <uint32_t>made
        made = packet_seal(&self.protocol, PACKET_PAYLOAD, c.sequence, c.send_key, payload, size,
                           out, PACKET_MAX_BYTES)
        c.sequence += 1
        return <uint32_t>made if made > 0 else 0

    cdef uint32_t send_some(self, uint32_t first, uint32_t last, const uint8_t *payload,
                            uint32_t size, double now) noexcept nogil:
        """One packet of each client of a stretch of the order within one socket's run."""
        cdef uint32_t at, i, made
        cdef int n = 0
        if first >= last:
            return 0
        for at in range(first, last):
            i = self.order[at]
            made = self.seal(&self.clients[i], payload, size, place(self.m, n), now)
            if made == 0:
                continue
            set_size(self.m, n, made)
            many_to(self.m, n, self.host, self.port)
            many_from(self.m, n, <uint32_t>FIRST_HOST + i)
            n += 1
        return <uint32_t>many_send(self.m, self.fds[self.socket_of[self.order[first]]], n)

    def send(self, uint32_t first, uint32_t last, const uint8_t[::1] payload not None,
             double now):
        """One payload of each client from ``first`` to ``last`` in the order; how many left."""
        cdef uint32_t end
        cdef uint32_t sent = 0
        with nogil:
            while first < last:
                end = min(last, (first // MANY + 1) * MANY)
                sent += self.send_some(first, end, &payload[0], <uint32_t>payload.shape[0], now)
                first = end
        self.sent += sent
        return sent

    cdef void open(self, uint32_t i, const uint8_t *data, uint32_t size, const uint8_t *payload,
                   uint32_t length, double now) noexcept nogil:
        """Count what came back to a client: arrived, or wrong."""
        cdef uint8_t body[PACKET_MAX_BODY]
        cdef packet_header header
        cdef client *c
        cdef int opened
        cdef uint32_t n
        if i >= self.count:
            self.wrong += 1
            return
        c = &self.clients[i]
        opened = packet_open(&self.protocol, data, size, PACKET_CLIENT_MASK, c.receive_key, NULL,
                             body, &header)
        if opened < 0:
            self.wrong += 1
        elif header.type != PACKET_PAYLOAD:
            return
        elif c.channel == NULL:
            if <uint32_t>opened == length and memcmp(body, payload, length) == 0:
                c.back += 1
                self.arrived += 1
            else:
                self.wrong += 1
        else:
            inbox_clear(&self.box)
            if channel_receive(c.channel, body, <uint32_t>opened, now, &self.box, i) < 0:
                self.wrong += 1
            for n in range(self.box.count):
                if (self.box.entries[n].size == length and memcmp(
                        self.box.data + self.box.entries[n].offset, payload, length) == 0):
                    c.back += 1
                    self.arrived += 1
                else:
                    self.wrong += 1

    cdef uint32_t take(self, int s, const uint8_t *payload, uint32_t length,
                       double now) noexcept nogil:
        """What one socket has; how many datagrams."""
        cdef int n
        cdef int got = many_receive(self.m, self.fds[s], 1)
        for n in range(got):
            self.open(many_local(self.m, n) - <uint32_t>FIRST_HOST, place(self.m, n),
                      received_size(self.m, n), payload, length, now)
        return <uint32_t>got

    def collect(self, const uint8_t[::1] payload not None, double now):
        """Open all that has come back; how many datagrams."""
        cdef uint32_t total = 0
        cdef uint32_t got
        cdef int s
        with nogil:
            for s in range(self.socket_count):
                while True:
                    got = self.take(s, &payload[0], <uint32_t>payload.shape[0], now)
                    total += got
                    if got < MANY:
                        break
        return total

    def run(self, const uint8_t[::1] payload not None, double rate, double seconds,
            double tail):
        """Each client ``rate`` times a second, spread evenly, for ``seconds``.

        Then ``tail`` seconds for what is still under way. Returns the seconds it really took to
        send: more than asked when this process had too little of a processor.
        """
        cdef double begin = clock_now()
        cdef double start = begin
        cdef double now = begin
        cdef double finished = 0
        cdef uint64_t due, total = <uint64_t>(self.count * rate * seconds)
        cdef uint64_t at = 0
        cdef uint64_t stop
        cdef uint32_t first, last, size = <uint32_t>payload.shape[0]
        cdef uint32_t sent = 0
        cdef int s = 0
        cdef int idle, turns
        with nogil:
            while True:
                now = clock_now()
                due = <uint64_t>((now - start) * self.count * rate)
                if due > at + SLACK:
                    # This process had no processor: the clients stood still, and hurry no more.
                    start += <double>(due - at - SLACK) / (self.count * rate)
                    due = at + SLACK
                if due > total:
                    due = total
                if at < due:
                    # Up to the end of this socket's run, and no further than is due.
                    first = <uint32_t>(at % self.count)
                    last = min(self.count, (first // MANY + 1) * MANY)
                    if at + (last - first) <= due or due == total:
                        stop = min(total, at + (last - first))
                        last = first + <uint32_t>(stop - at)
                        sent += self.send_some(first, last, &payload[0], size, now)
                        at = stop
                        if at == total:
                            finished = clock_now()
                # More than was sent: keep-alive packets and acks come as well.
                idle = 0
                turns = 0
                while idle < self.socket_count and turns < DRAIN:
                    s = (s + 1) % self.socket_count
                    idle = 0 if self.take(s, &payload[0], size, now) else idle + 1
                    turns += 1
                if at == total and now > finished + tail:
                    break
                if idle == self.socket_count and (at == total or due - at < MANY // 2):
                    readable(self.fds[s], 0.0001)
        self.sent += sent
        return finished - begin
