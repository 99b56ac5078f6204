# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What no server can do without: opening and sealing every packet, and taking it from the kernel.

Compiled when the transport family runs; not part of the library.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from netcode.security.aead cimport aead_open, aead_seal

cdef extern from *:
    """
    #ifdef _WIN32
    #define floor_receive(fd, data, size) (-1)
    #else
    #include <sys/socket.h>
    #include <netinet/in.h>
    static long floor_receive(int fd, void *data, size_t size) {
        struct sockaddr_storage from;
        socklen_t length = sizeof(from);
        return (long)recvfrom(fd, data, size, MSG_DONTWAIT, (struct sockaddr *)&from, &length);
    }
    #endif
    """
    long floor_receive(int fd, void *data, size_t size) noexcept nogil

cdef enum:
    AD_BYTES = 22
    TAG = 16
    MAX_PACKET = 1400


cdef struct peer:
    uint8_t receive_key[32]
    uint8_t send_key[32]
    uint64_t sequence


cdef class Cipher:
    """``count`` peers with keys of their own, and a sealed packet from each."""

    cdef peer *peers
    cdef uint8_t *packets
    cdef uint8_t *out
    cdef uint32_t *order
    cdef uint32_t count
    cdef uint32_t size

    def __cinit__(self, order, uint32_t size):
        cdef uint8_t ad[AD_BYTES]
        cdef uint8_t nonce[12]
        cdef uint32_t i
        self.count = <uint32_t>len(order)
        self.size = size
        self.peers = <peer *>calloc(self.count, sizeof(peer))
        self.packets = <uint8_t *>calloc(self.count, size + TAG)
        self.out = <uint8_t *>calloc(self.count, size + TAG)
        self.order = <uint32_t *>calloc(self.count, sizeof(uint32_t))
        if not (self.peers and self.packets and self.out and self.order):
            raise MemoryError
        for i in range(AD_BYTES):
            ad[i] = 0
        for i in range(12):
            nonce[i] = 0
        for i in range(self.count):
            self.order[i] = order[i]
            memcpy(self.peers[i].receive_key, &i, 4)
            memcpy(self.peers[i].send_key, &i, 4)
            aead_seal(self.packets + <size_t>i * (size + TAG), self.out, size, ad, AD_BYTES, nonce,
                      self.peers[i].receive_key)

    def __dealloc__(self):
        free(self.peers)
        free(self.packets)
        free(self.out)
        free(self.order)

    def pairs(self):
        """Open one packet of every peer and seal one to it."""
        cdef uint8_t ad[AD_BYTES]
        cdef uint8_t nonce[12]
        cdef uint8_t body[MAX_PACKET]
        cdef uint32_t i, n
        cdef size_t stride = self.size + TAG
        cdef int failed = 0
        with nogil:
            for i in range(AD_BYTES):
                ad[i] = 0
            for i in range(12):
                nonce[i] = 0
            for n in range(self.count):
                i = self.order[n]
                failed |= aead_open(body, self.packets + i * stride, stride, ad, AD_BYTES, nonce,
                                    self.peers[i].receive_key)
            for n in range(self.count):
                i = self.order[n]
                self.peers[i].sequence += 1
                aead_seal(self.out + n * stride, body, self.size, ad, AD_BYTES, nonce,
                          self.peers[i].send_key)
        if failed:
            raise AssertionError("a packet does not open")


def drain(int fd, uint32_t most):
    """Take up to ``most`` datagrams from a socket, one call each; how many there were."""
    cdef uint8_t data[MAX_PACKET]
    cdef uint32_t n = 0
    with nogil:
        while n < most and floor_receive(fd, data, MAX_PACKET) >= 0:
            n += 1
    return n
