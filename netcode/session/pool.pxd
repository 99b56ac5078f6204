"""A server's connections: C structs in numbered slots, found by address and by client id."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from netcode.security.address cimport net_address
from netcode.session.connection cimport connection
from netcode.session.lookup cimport lookup_table


cdef enum:
    HASH_KEY_BYTES = 16


cdef struct connection_pool:
    connection *slots
    uint8_t *user_data           # USER_DATA_BYTES for each slot
    uint32_t capacity
    uint32_t *live               # indices of the live slots, in no order
    uint32_t live_count
    uint32_t *retired            # indices of slots that pool_reclaim frees, in no order
    uint32_t retired_count
    uint64_t *free_bits          # one bit for each slot
    uint32_t free_from           # no free slot in the words below
    lookup_table by_address
    lookup_table by_client
    uint8_t key[HASH_KEY_BYTES]


# ``capacity`` free slots; 0, or -1 out of memory. The system gives the pages at first use.
cdef int pool_init(connection_pool *p, uint32_t capacity, const uint8_t *key) noexcept nogil

# End every live connection and give the memory back.
cdef void pool_free(connection_pool *p) noexcept nogil

# The lowest free slot, now live with its address, client id and next generation; -1: none free,
# -2: out of memory. The caller knows that neither address nor client id is there.
cdef int64_t pool_claim(connection_pool *p, const net_address *address,
                        uint64_t client_id) noexcept nogil

# Let a live connection have another address, which none has; 0, or -1 out of memory.
cdef int pool_move(connection_pool *p, uint32_t index, const net_address *address) noexcept nogil

# End a live connection. Its address, client id and user data stay readable until pool_reclaim.
cdef void pool_retire(connection_pool *p, uint32_t index) noexcept nogil

# Make the retired slots free for new owners.
cdef void pool_reclaim(connection_pool *p) noexcept nogil

# The same for one slot; nothing happens when it is not retired.
cdef void pool_reclaim_one(connection_pool *p, uint32_t index) noexcept nogil

# Index of the live connection with this address, or -1.
cdef int64_t pool_find_address(const connection_pool *p, const net_address *address) noexcept nogil

# The same, with the address's hash under the pool's key.
cdef int64_t pool_find_hashed(const connection_pool *p, uint64_t hash,
                              const net_address *address) noexcept nogil

# Index of the live connection of this client, or -1.
cdef int64_t pool_find_client(const connection_pool *p, uint64_t client_id) noexcept nogil


cdef class ConnectionPool:
    """See pool.pyi."""
    cdef connection_pool c
