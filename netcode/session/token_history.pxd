"""Which connect tokens have been presented, by their authentication tag."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from netcode.security.address cimport net_address
from netcode.security.protocol cimport TAG_BYTES
from netcode.session.lookup cimport lookup_table
from netcode.session.timers cimport timer_heap


cdef enum:
    TOKEN_FREE = 0
    TOKEN_PENDING = 1            # presented; the same address may present it again
    TOKEN_CONSUMED = 2           # it made its connection and admits nothing any more


cdef enum:
    # history_present
    TOKEN_OK = 0
    TOKEN_IS_CONSUMED = 1
    TOKEN_IS_ELSEWHERE = 2       # pending at another address
    TOKEN_NO_ROOM = 3            # every entry holds an unexpired token


cdef struct token_entry:
    uint8_t tag[TAG_BYTES]
    net_address address
    uint8_t state


cdef struct token_history:
    token_entry *entries
    uint32_t *unused             # stack of free entries
    uint32_t unused_count
    uint32_t capacity
    lookup_table by_tag
    timer_heap expiry            # unix seconds
    uint8_t key[16]


# Empty; 0, or -1 out of memory.
cdef int history_init(token_history *h, uint32_t capacity, const uint8_t *key16) noexcept nogil

# Give the memory back.
cdef void history_free(token_history *h) noexcept nogil

# Find an unexpired token or add it as pending; TOKEN_OK or why it is refused.
cdef int history_present(token_history *h, const uint8_t *tag, const net_address *address,
                         uint64_t expire_timestamp) noexcept nogil

# Mark a pending token consumed; False when it is not pending.
cdef bint history_consume(token_history *h, const uint8_t *tag) noexcept nogil

# Forget the tokens that expire at or before ``unix_now``.
cdef void history_expire(token_history *h, uint64_t unix_now) noexcept nogil


cdef class TokenHistory:
    """See token_history.pyi."""
    cdef token_history c
