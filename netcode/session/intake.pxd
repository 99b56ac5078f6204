"""The game's part of an exchange, inwards: what was delivered, until the game reads it.

The table of clients here follows the deliveries that the game took, not the owner's pool: nothing
in it is ever read while another thread writes it.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from netcode.security.address cimport net_address
from netcode.security.protocol cimport USER_DATA_BYTES
from netcode.session.exchange cimport exchange, session_news
from netcode.session.message_batch cimport MessageBatch, Store
from netcode.session.outbox cimport outbox


cdef enum:
    CLIENT_NONE = 0
    CLIENT_HERE = 1
    CLIENT_LEAVING = 2           # the game disconnected it; its event is still to come


cdef struct known_client:
    uint64_t client_id
    net_address address
    uint32_t generation
    uint8_t state                # CLIENT_
    uint8_t user_data[USER_DATA_BYTES]


cdef class Held:
    """Messages, or frames, that the game has not read."""
    cdef Store store
    cdef Store last              # to be used again when nobody looks at it any more
    cdef uint64_t cost
    cdef int open(self) except -1
    cdef MessageBatch take(self, const uint32_t *handles, uint64_t *stale)


cdef class Intake:
    cdef exchange *x
    cdef outbox *out
    cdef known_client *clients
    cdef uint32_t *handles       # of each slot
    cdef uint8_t *live           # whether the game may talk to it
    cdef uint32_t capacity
    cdef uint32_t live_count
    cdef session_news *news
    cdef uint32_t news_count
    cdef uint32_t news_capacity
    cdef Held messages
    cdef Held frames
    cdef uint64_t frames_dropped
    cdef uint64_t stale
    cdef int init(self, exchange *x, outbox *out, uint32_t capacity) except -1
    cdef int pull(self) except -1
    cdef int add_news(self, const session_news *news, uint32_t count) except -1
    cdef void leave(self, uint32_t index) noexcept
