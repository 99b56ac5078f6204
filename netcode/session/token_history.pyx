"""The connect token history: one token makes one connection, even against a flood of tokens."""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

from netcode.security.address cimport (
    address_equal, address_from_object, address_unmap, net_address,
)
from netcode.security.aead cimport keyed_hash
from netcode.security.protocol cimport TAG_BYTES
from netcode.session.lookup cimport (
    lookup_free, lookup_init, lookup_insert, lookup_next, lookup_remove,
)
from netcode.session.timers cimport timers_free, timers_init, timers_pop, timers_set

from netcode.errors import ConfigError

__all__ = ["TokenHistory"]

MAX_CAPACITY = 1 << 24
RESULTS = ("ok", "consumed", "elsewhere", "full")


cdef int history_init(token_history *h, uint32_t capacity, const uint8_t *key16) noexcept nogil:
    cdef uint32_t i
    memset(h, 0, sizeof(token_history))
    h.capacity = capacity
    memcpy(h.key, key16, 16)
    h.entries = <token_entry *>calloc(capacity, sizeof(token_entry))
    h.unused = <uint32_t *>calloc(capacity, sizeof(uint32_t))
    if (h.entries == NULL or h.unused == NULL or timers_init(&h.expiry, capacity) < 0
            or lookup_init(&h.by_tag, 64) < 0):
        history_free(h)
        return -1
    for i in range(capacity):
        h.unused[i] = capacity - 1 - i
    h.unused_count = capacity
    return 0


cdef void history_free(token_history *h) noexcept nogil:
    free(h.entries)
    free(h.unused)
    timers_free(&h.expiry)
    lookup_free(&h.by_tag)
    memset(h, 0, sizeof(token_history))


cdef int64_t find(const token_history *h, const uint8_t *tag, uint64_t hash) noexcept nogil:
    cdef uint32_t step = 0
    cdef int64_t at
    while True:
        at = lookup_next(&h.by_tag, hash, &step)
        if at < 0 or memcmp(h.entries[at].tag, tag, TAG_BYTES) == 0:
            return at


cdef int history_present(token_history *h, const uint8_t *tag, const net_address *address,
                         uint64_t expire_timestamp) noexcept nogil:
    cdef uint64_t hash = keyed_hash(tag, TAG_BYTES, h.key)
    cdef int64_t at = find(h, tag, hash)
    cdef token_entry *entry
    if at >= 0:
        if h.entries[at].state == TOKEN_CONSUMED:
            return TOKEN_IS_CONSUMED
        return TOKEN_OK if address_equal(&h.entries[at].address, address) else TOKEN_IS_ELSEWHERE
    if h.unused_count == 0 or lookup_insert(&h.by_tag, hash, h.unused[h.unused_count - 1]) < 0:
        return TOKEN_NO_ROOM
    h.unused_count -= 1
    at = h.unused[h.unused_count]
    entry = &h.entries[at]
    memcpy(entry.tag, tag, TAG_BYTES)
    entry.address = address[0]
    entry.state = TOKEN_PENDING
    timers_set(&h.expiry, <uint32_t>at, <double>expire_timestamp)
    return TOKEN_OK


cdef bint history_consume(token_history *h, const uint8_t *tag) noexcept nogil:
    cdef int64_t at = find(h, tag, keyed_hash(tag, TAG_BYTES, h.key))
    if at < 0 or h.entries[at].state != TOKEN_PENDING:
        return False
    h.entries[at].state = TOKEN_CONSUMED
    return True


cdef void history_expire(token_history *h, uint64_t unix_now) noexcept nogil:
    cdef int64_t at
    while True:
        at = timers_pop(&h.expiry, <double>unix_now)
        if at < 0:
            return
        lookup_remove(
            &h.by_tag, keyed_hash(h.entries[at].tag, TAG_BYTES, h.key), <uint32_t>at)
        h.entries[at].state = TOKEN_FREE
        h.unused[h.unused_count] = <uint32_t>at
        h.unused_count += 1


@cython.final
@cython.auto_pickle(False)
cdef class TokenHistory:
    """Which connect tokens a server has seen, told apart by their authentication tag.

    A token is pending at the first address that presents it, consumed once it has made a
    connection, and forgotten when it expires. A full history takes no new token.

    The server endpoint uses its C form; this class lets tests drive it.

    Args:
        capacity: unexpired tokens it can hold, 1 to 2**24.
        key: 16 secret bytes for the hash of its lookup.

    Raises:
        ConfigError: an argument is out of range.
    """

    def __cinit__(self, capacity, key):
        cdef bytes secret = bytes(key)
        if not 1 <= capacity <= MAX_CAPACITY:
            raise ConfigError(f"capacity: {capacity}, must be 1 to {MAX_CAPACITY}")
        if len(secret) != 16:
            raise ConfigError(f"key: {len(secret)} bytes, must be 16")
        if history_init(&self.c, capacity, <const uint8_t *><char *>secret) < 0:
            raise MemoryError

    def __dealloc__(self):
        history_free(&self.c)

    def __len__(self):
        return self.c.capacity - self.c.unused_count

    def present(self, bytes tag, address, uint64_t expire_timestamp):
        """Find or add a token: "ok", "consumed", "elsewhere" or "full"."""
        cdef net_address peer
        if len(tag) != TAG_BYTES:
            raise ConfigError(f"tag: {len(tag)} bytes, must be {TAG_BYTES}")
        address_from_object(&peer, address)
        address_unmap(&peer)
        return RESULTS[history_present(
            &self.c, <const uint8_t *><char *>tag, &peer, expire_timestamp)]

    def consume(self, bytes tag):
        """Mark a pending token consumed; False when it is not pending."""
        if len(tag) != TAG_BYTES:
            raise ConfigError(f"tag: {len(tag)} bytes, must be {TAG_BYTES}")
        return history_consume(&self.c, <const uint8_t *><char *>tag)

    def expire(self, uint64_t unix_now):
        """Forget the tokens that expire at or before ``unix_now``."""
        history_expire(&self.c, unix_now)
