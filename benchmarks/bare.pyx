# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The server that nobody can beat: recvmmsg, open, seal, sendmmsg, and nothing else.

It trusts what it gets: the peer's number is the low half of its address, no window stops replays,
nobody times out. Compiled when the transport family runs; not part of the library.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from netcode.security.aead cimport aead_open, aead_seal
from netcode.security.protocol cimport protocol_init, wire_protocol

from sockets cimport (
    MANY, ROOM, many, many_init, many_receive, many_send, peer_host, place, readable,
    received_size, set_size,
)

cdef enum:
    TAG = 16
    AD_BYTES = 22
    PAYLOAD = 5


cdef struct peer:
    uint8_t receive_key[32]
    uint8_t send_key[32]
    uint64_t sequence


cdef class Bare:
    """Echoes what ``count`` peers send to the socket ``fd``; ``failed``: what did not open."""

    cdef peer *peers
    cdef many *m
    cdef uint32_t count
    cdef int fd
    cdef wire_protocol protocol
    cdef readonly uint64_t echoed, failed

    def __cinit__(self, int fd, uint32_t count, *, protocol_id):
        self.fd = fd
        self.count = count
        self.peers = <peer *>calloc(count, sizeof(peer))
        self.m = <many *>calloc(1, sizeof(many))
        if not (self.peers and self.m):
            raise MemoryError
        many_init(self.m)
        protocol_init(&self.protocol, protocol_id)

    def __dealloc__(self):
        free(self.peers)
        free(self.m)

    def set_keys(self, uint32_t i, bytes receive_key, bytes send_key, uint64_t sequence):
        memcpy(self.peers[i].receive_key, <char *>receive_key, 32)
        memcpy(self.peers[i].send_key, <char *>send_key, 32)
        self.peers[i].sequence = sequence

    cdef uint32_t turn(self, int i, uint8_t *ad, uint8_t *nonce) noexcept nogil:
        """Turn the packet in place ``i`` into its answer; the answer's size, 0 for none."""
        cdef uint8_t body[ROOM]
        cdef uint8_t *data = place(self.m, i)
        cdef uint32_t size = received_size(self.m, i)
        cdef uint32_t who = peer_host(self.m, i) & 0xFFFF
        cdef uint32_t length = data[0] >> 4
        cdef uint64_t sequence
        cdef peer *p
        cdef int n
        if who >= self.count or size < 1 + length + TAG:
            return 0
        p = &self.peers[who]
        ad[AD_BYTES - 1] = data[0]
        memcpy(nonce + 4, b"\0\0\0\0\0\0\0\0", 8)
        memcpy(nonce + 4, data + 1, length)
        if aead_open(body, data + 1 + length, size - 1 - length, ad, AD_BYTES, nonce,
                     p.receive_key) < 0:
            return 0
        size -= 1 + length + TAG
        sequence = p.sequence
        p.sequence += 1
        length = 1
        while length < 8 and sequence >> (8 * length):
            length += 1
        data[0] = <uint8_t>(PAYLOAD | length << 4)
        for n in range(8):
            nonce[4 + n] = <uint8_t>(sequence >> (8 * n))
        memcpy(data + 1, nonce + 4, length)
        ad[AD_BYTES - 1] = data[0]
        aead_seal(data + 1 + length, body, size, ad, AD_BYTES, nonce, p.send_key)
        return 1 + length + size + TAG

    cdef uint32_t batch(self) noexcept nogil:
        """One call of the system in, one out; how many came in."""
        cdef uint8_t ad[AD_BYTES]
        cdef uint8_t nonce[12]
        cdef int i
        cdef uint32_t made
        cdef int got = many_receive(self.m, self.fd, 0)
        memcpy(ad, self.protocol.prefix, AD_BYTES - 1)
        memcpy(nonce, b"\0\0\0\0", 4)
        for i in range(got):
            made = self.turn(i, ad, nonce)
            set_size(self.m, i, made)
            if made == 0:
                self.failed += 1
        if got and self.failed == 0:
            many_send(self.m, self.fd, got)
        self.echoed += <uint32_t>got
        return <uint32_t>got

    def drain(self):
        """Echo all that has arrived; how many."""
        cdef uint32_t total = 0
        cdef uint32_t got
        with nogil:
            while True:
                got = self.batch()
                total += got
                if got < MANY:
                    break
        return total

    def run(self, int stop):
        """Echo until the descriptor ``stop`` can be read."""
        with nogil:
            while True:
                if self.batch() == 0 and readable(self.fd, 0.001) <= 0 and readable(stop, 0) > 0:
                    break
