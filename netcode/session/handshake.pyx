"""Handshakes in progress, by address, bounded in number and in time."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from netcode.security.address cimport address_equal, address_hash, net_address
from netcode.security.aead cimport wipe
from netcode.session.lookup cimport (
    lookup_free, lookup_init, lookup_insert, lookup_next, lookup_remove,
)
from netcode.session.timers cimport timers_cancel, timers_free, timers_init, timers_pop

__all__ = []


cdef int handshakes_init(handshake_table *t, uint32_t capacity,
                         const uint8_t *key16) noexcept nogil:
    cdef uint32_t i
    memset(t, 0, sizeof(handshake_table))
    t.capacity = capacity
    memcpy(t.key, key16, 16)
    t.entries = <handshake *>calloc(capacity, sizeof(handshake))
    t.unused = <uint32_t *>calloc(capacity, sizeof(uint32_t))
    if (t.entries == NULL or t.unused == NULL or timers_init(&t.expiry, capacity) < 0
            or lookup_init(&t.by_address, 64) < 0):
        handshakes_free(t)
        return -1
    for i in range(capacity):
        t.unused[i] = capacity - 1 - i
    t.unused_count = capacity
    return 0


cdef void handshakes_free(handshake_table *t) noexcept nogil:
    if t.entries != NULL:
        wipe(t.entries, t.capacity * sizeof(handshake))
    free(t.entries)
    free(t.unused)
    timers_free(&t.expiry)
    lookup_free(&t.by_address)
    memset(t, 0, sizeof(handshake_table))


cdef int64_t handshakes_find(const handshake_table *t,
                             const net_address *address) noexcept nogil:
    return handshakes_find_hashed(t, address_hash(address, t.key), address)


cdef int64_t handshakes_find_hashed(const handshake_table *t, uint64_t hash,
                                    const net_address *address) noexcept nogil:
    cdef uint32_t step = 0
    cdef int64_t at
    while True:
        at = lookup_next(&t.by_address, hash, &step)
        if at < 0 or address_equal(&t.entries[at].address, address):
            return at


cdef int64_t handshakes_open(handshake_table *t, const net_address *address) noexcept nogil:
    cdef uint32_t at
    if t.unused_count == 0:
        return -1
    at = t.unused[t.unused_count - 1]
    if lookup_insert(&t.by_address, address_hash(address, t.key), at) < 0:
        return -1
    t.unused_count -= 1
    t.entries[at].address = address[0]
    return at


cdef void handshakes_close(handshake_table *t, uint32_t at) noexcept nogil:
    cdef handshake *entry = &t.entries[at]
    if lookup_remove(&t.by_address, address_hash(&entry.address, t.key), at) < 0:
        return
    timers_cancel(&t.expiry, at)
    wipe(entry, sizeof(handshake))
    t.unused[t.unused_count] = at
    t.unused_count += 1


cdef void handshakes_expire(handshake_table *t, double now) noexcept nogil:
    cdef int64_t at
    while True:
        at = timers_pop(&t.expiry, now)
        if at < 0:
            return
        handshakes_close(t, <uint32_t>at)
