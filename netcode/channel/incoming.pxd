"""The receiving half of one channel: what waits for an older message, and what is incomplete.

Every ``in_check`` judges without changing what will be delivered; the apply functions after it
cannot find the packet wrong any more.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from netcode.channel.inbox cimport inbox
from netcode.channel.settings cimport channel_limits


cdef enum:
    IN_PARTIALS = 16                 # unreliable messages being reassembled at a time

cdef enum:
    IN_EMPTY = 0
    IN_PARTIAL = 1
    IN_HELD = 2                      # complete, waits for an older one
    IN_JOINED = 3                    # complete as an in_partial, waits for an older one
    IN_DONE = 4                      # delivered ahead of an older one (reliable unordered)

cdef enum:
    # in_check, in_check_fragment
    IN_NEW = 0
    IN_SEEN = 1
    IN_WINDOW = -1                   # the sender ran past the window
    IN_CHANGED = -2                  # another total than the fragments before

cdef enum:
    # apply functions
    IN_OK = 0
    IN_MEMORY = -1


cdef struct in_partial:
    uint32_t size
    uint32_t units
    uint32_t have
    uint64_t *bits
    uint8_t *data                    # behind the bits, in the same allocation


cdef struct in_slot:
    uint8_t *data                    # IN_HELD: the payload; IN_PARTIAL, IN_JOINED: an in_partial
    uint32_t size
    uint32_t state


cdef struct in_loose:
    in_partial *partial              # NULL: free
    uint64_t packet                  # newest packet with one of its fragments
    uint64_t order                   # where that fragment stood, for sequencing
    double expires
    uint16_t id


cdef struct in_queue:
    const channel_limits *limits
    in_slot *slots                   # reliable: ring by id, next on
    in_loose *loose                  # unreliable: IN_PARTIALS of them
    uint32_t capacity                # power of two
    uint32_t waiting                 # slots that are not empty
    uint64_t next                    # reliable: oldest message not wholly received
    uint64_t held                    # bytes of payload held back or incomplete
    uint64_t order                   # sequenced: where the newest delivered one stood
    uint64_t delivered
    uint64_t duplicates
    uint64_t dropped
    double expires                   # earliest of the loose ones; infinity: none
    bint reliable
    bint ordered
    bint sequenced
    uint8_t index


# Nothing received yet, or NULL when out of memory.
cdef in_queue *in_new(
    const channel_limits *limits, uint8_t index, uint64_t first_id
) noexcept nogil

# Free the queue and all it holds; NULL is allowed.
cdef void in_free(in_queue *q) noexcept nogil

# Judge a whole reliable message.
cdef int in_check(const in_queue *q, uint64_t id) noexcept nogil

# Judge a reliable fragment; IN_NEW: the message's first. ``missing``: units not yet received, 0
# when the message is complete.
cdef int in_check_fragment(
    const in_queue *q, uint64_t id, uint32_t total, uint32_t *missing
) noexcept nogil

# The same for an unreliable fragment.
cdef int in_check_loose(
    const in_queue *q, uint16_t id, uint32_t total, uint64_t packet, uint32_t *missing
) noexcept nogil

# Apply a whole reliable message: deliver it and what waited for it, or hold it.
cdef int in_message(
    in_queue *q, uint64_t id, const uint8_t *data, uint32_t size, inbox *delivered, uint32_t index
) noexcept nogil

# Apply a reliable fragment; deliver when that completes a message whose turn it is.
cdef int in_fragment(
    in_queue *q, uint64_t id, uint32_t total, uint32_t first, const uint8_t *data, uint32_t size,
    inbox *delivered, uint32_t index
) noexcept nogil

# Apply a whole unreliable message; ``order`` grows with packet sequence and place in it.
cdef int in_unreliable(
    in_queue *q, uint64_t order, const uint8_t *data, uint32_t size, inbox *delivered,
    uint32_t index
) noexcept nogil

# Apply an unreliable fragment; the oldest incomplete message makes room for a new one.
cdef int in_loose_fragment(
    in_queue *q, uint16_t id, uint32_t total, uint32_t first, const uint8_t *data, uint32_t size,
    uint64_t packet, uint64_t order, double expires, inbox *delivered, uint32_t index
) noexcept nogil

# Drop incomplete unreliable messages whose time is over.
cdef void in_expire(in_queue *q, double now) noexcept nogil
