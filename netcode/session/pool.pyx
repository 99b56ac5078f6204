"""A server's connections in numbered slots."""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from netcode.security.address cimport (
    address_equal, address_from_object, address_hash, address_to_tuple, address_unmap,
    net_address,
)
from netcode.security.aead cimport keyed_hash
from netcode.security.protocol cimport USER_DATA_BYTES
from netcode.session.connection cimport (
    SLOT_FREE, SLOT_LIVE, SLOT_RETIRED, connection, connection_end,
)
from netcode.session.lookup cimport (
    lookup_free, lookup_init, lookup_insert, lookup_next, lookup_remove,
)

from netcode.constants import MAX_CLIENTS
from netcode.errors import ConfigError

__all__ = ["ConnectionPool"]


cdef int pool_init(connection_pool *p, uint32_t capacity, const uint8_t *key) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t words = (capacity + 63) // 64
    memset(p, 0, sizeof(connection_pool))
    p.capacity = capacity
    memcpy(p.key, key, HASH_KEY_BYTES)
    p.slots = <connection *>calloc(capacity, sizeof(connection))
    p.user_data = <uint8_t *>calloc(capacity, USER_DATA_BYTES)
    p.live = <uint32_t *>calloc(capacity, sizeof(uint32_t))
    p.retired = <uint32_t *>calloc(capacity, sizeof(uint32_t))
    p.free_bits = <uint64_t *>calloc(words, sizeof(uint64_t))
    if (p.slots == NULL or p.user_data == NULL or p.live == NULL or p.retired == NULL
            or p.free_bits == NULL or lookup_init(&p.by_address, 64) < 0
            or lookup_init(&p.by_client, 64) < 0):
        pool_free(p)
        return -1
    for i in range(capacity):
        p.free_bits[i >> 6] |= <uint64_t>1 << (i & 63)
    return 0


cdef void pool_free(connection_pool *p) noexcept nogil:
    cdef uint32_t i
    if p.slots != NULL and p.live != NULL:
        for i in range(p.live_count):
            connection_end(&p.slots[p.live[i]])
    lookup_free(&p.by_address)
    lookup_free(&p.by_client)
    free(p.slots)
    free(p.user_data)
    free(p.live)
    free(p.retired)
    free(p.free_bits)
    memset(p, 0, sizeof(connection_pool))


cdef uint64_t client_hash(const connection_pool *p, uint64_t client_id) noexcept nogil:
    return keyed_hash(<const uint8_t *>&client_id, 8, p.key)


cdef int64_t lowest_free(connection_pool *p) noexcept nogil:
    cdef uint32_t words = (p.capacity + 63) // 64
    cdef uint64_t word
    cdef uint32_t bit = 0
    while p.free_from < words and p.free_bits[p.free_from] == 0:
        p.free_from += 1
    if p.free_from == words:
        return -1
    word = p.free_bits[p.free_from]
    while not word & 1:
        word >>= 1
        bit += 1
    return <int64_t>p.free_from * 64 + bit


cdef int64_t pool_claim(connection_pool *p, const net_address *address,
                        uint64_t client_id) noexcept nogil:
    cdef int64_t index = lowest_free(p)
    cdef uint64_t hash
    cdef connection *c
    if index < 0:
        return -1
    hash = address_hash(address, p.key)
    if lookup_insert(&p.by_address, hash, <uint32_t>index) < 0:
        return -2
    if lookup_insert(&p.by_client, client_hash(p, client_id), <uint32_t>index) < 0:
        lookup_remove(&p.by_address, hash, <uint32_t>index)
        return -2
    p.free_bits[index >> 6] &= ~(<uint64_t>1 << (index & 63))
    c = &p.slots[index]
    c.state = SLOT_LIVE
    c.index = <uint32_t>index
    c.generation += 1
    c.address = address[0]
    c.client_id = client_id
    c.user_data = p.user_data + index * USER_DATA_BYTES
    c.channel = NULL
    c.position = p.live_count
    p.live[p.live_count] = <uint32_t>index
    p.live_count += 1
    return index


cdef int pool_move(connection_pool *p, uint32_t index, const net_address *address) noexcept nogil:
    cdef connection *c = &p.slots[index]
    if lookup_insert(&p.by_address, address_hash(address, p.key), index) < 0:
        return -1
    lookup_remove(&p.by_address, address_hash(&c.address, p.key), index)
    c.address = address[0]
    return 0


cdef void pool_retire(connection_pool *p, uint32_t index) noexcept nogil:
    cdef connection *c = &p.slots[index]
    cdef uint32_t last
    if c.state != SLOT_LIVE:
        return
    connection_end(c)
    lookup_remove(&p.by_address, address_hash(&c.address, p.key), index)
    lookup_remove(&p.by_client, client_hash(p, c.client_id), index)
    p.live_count -= 1
    last = p.live[p.live_count]
    p.live[c.position] = last
    p.slots[last].position = c.position
    c.state = SLOT_RETIRED
    c.position = p.retired_count
    p.retired[p.retired_count] = index
    p.retired_count += 1


cdef void set_free(connection_pool *p, uint32_t index) noexcept nogil:
    p.slots[index].state = SLOT_FREE
    memset(p.slots[index].user_data, 0, USER_DATA_BYTES)
    p.free_bits[index >> 6] |= <uint64_t>1 << (index & 63)
    if index >> 6 < p.free_from:
        p.free_from = index >> 6


cdef void pool_reclaim(connection_pool *p) noexcept nogil:
    cdef uint32_t i
    for i in range(p.retired_count):
        set_free(p, p.retired[i])
    p.retired_count = 0


cdef void pool_reclaim_one(connection_pool *p, uint32_t index) noexcept nogil:
    cdef uint32_t last
    if index >= p.capacity or p.slots[index].state != SLOT_RETIRED:
        return
    p.retired_count -= 1
    last = p.retired[p.retired_count]
    p.retired[p.slots[index].position] = last
    p.slots[last].position = p.slots[index].position
    set_free(p, index)


cdef int64_t pool_find_address(const connection_pool *p,
                               const net_address *address) noexcept nogil:
    return pool_find_hashed(p, address_hash(address, p.key), address)


cdef int64_t pool_find_hashed(const connection_pool *p, uint64_t hash,
                              const net_address *address) noexcept nogil:
    cdef uint32_t step = 0
    cdef int64_t index
    while True:
        index = lookup_next(&p.by_address, hash, &step)
        if index < 0 or address_equal(&p.slots[index].address, address):
            return index


cdef int64_t pool_find_client(const connection_pool *p, uint64_t client_id) noexcept nogil:
    cdef uint64_t hash = client_hash(p, client_id)
    cdef uint32_t step = 0
    cdef int64_t index
    while True:
        index = lookup_next(&p.by_client, hash, &step)
        if index < 0 or p.slots[index].client_id == client_id:
            return index


@cython.final
@cython.auto_pickle(False)
cdef class ConnectionPool:
    """Numbered slots for connections, found by address and by client id.

    The server endpoint uses its C form; this class lets tests drive it.

    Args:
        capacity: slots, 1 to 65,535.
        key: 16 secret bytes for the hash of both lookups.

    Raises:
        ConfigError: an argument is out of range.
    """

    def __cinit__(self, capacity, key):
        cdef bytes secret = bytes(key)
        if not 1 <= capacity <= MAX_CLIENTS:
            raise ConfigError(f"capacity: {capacity}, must be 1 to {MAX_CLIENTS}")
        if len(secret) != HASH_KEY_BYTES:
            raise ConfigError(f"key: {len(secret)} bytes, must be {HASH_KEY_BYTES}")
        if pool_init(&self.c, capacity, <const uint8_t *><char *>secret) < 0:
            raise MemoryError

    def __dealloc__(self):
        pool_free(&self.c)

    def __len__(self):
        return self.c.live_count

    @property
    def capacity(self):
        """The number of slots."""
        return self.c.capacity

    def claim(self, address, uint64_t client_id):
        """Take the lowest free slot; its index, or None when there is none."""
        cdef net_address peer
        address_from_object(&peer, address)
        address_unmap(&peer)
        if pool_find_address(&self.c, &peer) >= 0 or pool_find_client(&self.c, client_id) >= 0:
            raise ConfigError(f"address {address} or client_id {client_id} is connected already")
        cdef int64_t index = pool_claim(&self.c, &peer, client_id)
        if index == -2:
            raise MemoryError
        return None if index < 0 else index

    def retire(self, uint32_t index):
        """End the connection in a slot, which stays taken until ``reclaim``; False if none is."""
        if index >= self.c.capacity or self.c.slots[index].state != SLOT_LIVE:
            return False
        pool_retire(&self.c, index)
        return True

    def reclaim(self):
        """Make the retired slots free."""
        pool_reclaim(&self.c)

    def find_address(self, address):
        """The index of the connection with this address, or None."""
        cdef net_address peer
        address_from_object(&peer, address)
        address_unmap(&peer)
        cdef int64_t index = pool_find_address(&self.c, &peer)
        return None if index < 0 else index

    def find_client(self, uint64_t client_id):
        """The index of the connection of this client, or None."""
        cdef int64_t index = pool_find_client(&self.c, client_id)
        return None if index < 0 else index

    def live(self):
        """The indices of all connections, ascending."""
        cdef uint32_t i
        return sorted([self.c.live[i] for i in range(self.c.live_count)])

    def slot(self, uint32_t index):
        """``(address, client_id, generation, live)`` of a slot."""
        if index >= self.c.capacity:
            raise ConfigError(f"index: {index}, must be below {self.c.capacity}")
        cdef connection *c = &self.c.slots[index]
        return address_to_tuple(&c.address), c.client_id, c.generation, c.state == SLOT_LIVE
