"""Handshakes in progress: the keys of an address between its request and its response.

The standard calls an entry an encryption mapping. There is one for each address; a newer accepted
request from the same address takes it over.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from netcode.security.address cimport net_address
from netcode.security.protocol cimport KEY_BYTES, TAG_BYTES
from netcode.session.lookup cimport lookup_table
from netcode.session.resume cimport resume_claim
from netcode.session.timers cimport timer_heap


cdef struct handshake:
    net_address address
    uint64_t client_id
    uint64_t first_challenge     # sequence of the first challenge made for it
    double timeout               # seconds, of the connection to be; infinity: none
    uint8_t tag[TAG_BYTES]       # of the token, for its history
    resume_claim resume          # of the connection that is to move here; secret 0: a new one
    uint8_t send_key[KEY_BYTES]
    uint8_t receive_key[KEY_BYTES]


cdef struct handshake_table:
    handshake *entries
    uint32_t *unused             # stack of free entries
    uint32_t unused_count
    uint32_t capacity
    lookup_table by_address
    timer_heap expiry            # seconds of ``now``
    uint8_t key[16]


# Empty; 0, or -1 out of memory.
cdef int handshakes_init(handshake_table *t, uint32_t capacity, const uint8_t *key16) noexcept nogil

# Wipe the keys and give the memory back.
cdef void handshakes_free(handshake_table *t) noexcept nogil

# The entry of an address, or -1.
cdef int64_t handshakes_find(const handshake_table *t, const net_address *address) noexcept nogil

# The same, with the address's hash under the table's key.
cdef int64_t handshakes_find_hashed(const handshake_table *t, uint64_t hash,
                                    const net_address *address) noexcept nogil

# A new entry of an address that has none; -1 when the table is full or out of memory.
cdef int64_t handshakes_open(handshake_table *t, const net_address *address) noexcept nogil

# Wipe an entry and make it free.
cdef void handshakes_close(handshake_table *t, uint32_t at) noexcept nogil

# Close the entries due at or before ``now``.
cdef void handshakes_expire(handshake_table *t, double now) noexcept nogil
