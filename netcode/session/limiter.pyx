"""Token buckets of address prefixes, in a count-min sketch with conservative update."""

cimport cython
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from netcode.security.address cimport address_from_object, address_unmap, net_address
from netcode.security.aead cimport keyed_hash

from netcode.errors import ConfigError

__all__ = ["HandshakeLimiter"]

cdef enum:
    PREFIX_V4 = 4
    PREFIX_V6 = 8                # a /64: what one subscriber has at least


cdef int limiter_init(limiter *l, double rate, double burst,
                      const uint8_t *key16) noexcept nogil:
    memset(l, 0, sizeof(limiter))
    memcpy(l.key, key16, 16)
    # Another hash than the lookups': colliding there tells nothing about here.
    l.key[0] ^= 0xFF
    if rate <= 0:
        return 0
    l.interval = 1.0 / rate
    l.depth = (burst - 0.99) / rate  # with slack for rounding
    l.full_at = <double *>calloc(2 * LIMITER_ROW, sizeof(double))
    return 0 if l.full_at != NULL else -1


cdef void limiter_free(limiter *l) noexcept nogil:
    free(l.full_at)
    memset(l, 0, sizeof(limiter))


cdef uint64_t limiter_hash(const limiter *l, const net_address *address) noexcept nogil:
    cdef uint8_t flat[1 + PREFIX_V6]
    cdef size_t size = PREFIX_V4 if address.family == 4 else PREFIX_V6
    if l.interval == 0:
        return 0
    flat[0] = address.family
    memcpy(flat + 1, address.ip, size)
    return keyed_hash(flat, 1 + size, l.key)


cdef void limiter_charge(limiter *l, uint64_t hash, double now, double units) noexcept nogil:
    cdef double *a
    cdef double *b
    cdef double until
    if l.interval == 0:
        return
    a = &l.full_at[hash & (LIMITER_ROW - 1)]
    b = &l.full_at[LIMITER_ROW + ((hash >> 32) & (LIMITER_ROW - 1))]
    # The fuller bucket is the better estimate; the other holds strangers' charges as well.
    until = a[0] if a[0] < b[0] else b[0]
    if until < now:
        until = now
    until += units * l.interval
    if a[0] < until:
        a[0] = until
    if b[0] < until:
        b[0] = until


@cython.final
@cython.auto_pickle(False)
cdef class HandshakeLimiter:
    """Token buckets for address prefixes: all of IPv4, the first 64 bits of IPv6.

    The server endpoint uses its C form; this class lets tests drive it.

    Args:
        rate: units that come back a second; 0: no limit.
        burst: units in a full bucket, from 1.
        key: 16 secret bytes for its hash.

    Raises:
        ConfigError: an argument is out of range.
    """

    def __cinit__(self, double rate, double burst, key):
        cdef bytes secret = bytes(key)
        if not (0 <= rate <= 1e9 and 1 <= burst <= 1e9):
            raise ConfigError(f"rate, burst: {rate}, {burst}, must be 0 to 1e9 and 1 to 1e9")
        if len(secret) != 16:
            raise ConfigError(f"key: {len(secret)} bytes, must be 16")
        if limiter_init(&self.c, rate, burst, <const uint8_t *><char *>secret) < 0:
            raise MemoryError

    def __dealloc__(self):
        limiter_free(&self.c)

    def allows(self, address, double now):
        """Whether the address has something left; takes nothing."""
        cdef net_address peer
        address_from_object(&peer, address)
        address_unmap(&peer)
        return limiter_allows(&self.c, limiter_hash(&self.c, &peer), now)

    def charge(self, address, double now, double units=1.0):
        """Take units from the address; it may end below nothing."""
        cdef net_address peer
        address_from_object(&peer, address)
        address_unmap(&peer)
        limiter_charge(&self.c, limiter_hash(&self.c, &peer), now, units)
