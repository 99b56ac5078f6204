"""How often an address prefix may fail a handshake: token buckets in a table that never grows.

A count-min sketch of buckets under a secret hash: an address is refused only when both of its
buckets are empty, so a few flooding addresses do not shut out the rest, and no number of spoofed
ones makes the table larger. A bucket is one number, the time at which it is full again.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from netcode.security.address cimport net_address


cdef enum:
    LIMITER_ROW = 8192           # buckets in each of the two rows; a power of two


cdef struct limiter:
    double *full_at              # two rows of LIMITER_ROW
    double interval              # seconds for one unit to come back; 0: no limit
    double depth                 # seconds for a whole bucket to come back
    uint8_t key[16]


# ``rate`` units a second, ``burst`` at once; rate 0: no limit. 0, or -1 out of memory.
cdef int limiter_init(limiter *l, double rate, double burst, const uint8_t *key16) noexcept nogil

# Give the memory back.
cdef void limiter_free(limiter *l) noexcept nogil

# The keyed hash of an address's prefix: all of IPv4, the first 64 bits of IPv6, never the port.
cdef uint64_t limiter_hash(const limiter *l, const net_address *address) noexcept nogil


cdef inline bint limiter_allows(const limiter *l, uint64_t hash, double now) noexcept nogil:
    """Whether one of the two buckets has something left. Takes nothing."""
    if l.interval == 0:
        return True
    return (l.full_at[hash & (LIMITER_ROW - 1)] <= now + l.depth
            or l.full_at[LIMITER_ROW + ((hash >> 32) & (LIMITER_ROW - 1))] <= now + l.depth)


# Take ``units`` out of the buckets.
cdef void limiter_charge(limiter *l, uint64_t hash, double now, double units) noexcept nogil


cdef class HandshakeLimiter:
    """See limiter.pyi."""
    cdef limiter c
