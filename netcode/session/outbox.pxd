"""The game's part of an exchange, outwards: commands, and whether a queue has room for a message.

A queue lies with the owner; here is how full it is at most: what it held when the owner was last
asked, and what was pushed since. The owner is asked when that passes half of a limit, so nearly
never, and then the answer is there before the limit is. Who finds a queue full while the answer is
under way waits for it (OUTBOX_ASKED): a queue is said to be full when it is. Of full ones the
owner is asked again each time the game takes what arrived, all at once, so that a game that goes
on pushing to those who do not listen waits once a tick at most.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from netcode.channel.settings cimport channel_config
from netcode.session.exchange cimport exchange


cdef enum:
    # Beside the results of channel_push
    OUTBOX_NO_ROOM = 1           # the command ring is full: show it, wait, try again
    OUTBOX_ASKED = 2             # the queue may be full: wait for the answer, try again
    OUTBOX_GONE = 3              # nobody is connected there


cdef struct queue_level:
    uint64_t bytes
    uint64_t bytes_since         # pushed after the question
    uint32_t messages
    uint32_t messages_since
    uint32_t asked               # the question that waits for its answer; 0: none
    uint32_t questions
    bint full                    # the last answer said so
    bint again                   # the question that waits was asked because of that
    bint listed                  # among the outbox's full ones


cdef struct outbox:
    exchange *x
    const channel_config *channels
    queue_level *levels          # as exchange.credits
    const uint32_t *handles      # of each slot
    const uint8_t *live          # whether a slot has an owner whom the game may talk to
    queue_level *waiting         # OUTBOX_ASKED: whose answer
    size_t *full                 # places in ``levels`` of those that were full
    uint32_t full_count


# Allocate; 0, or -1 out of memory. ``handles`` and ``live`` are the caller's.
cdef int outbox_init(outbox *o, exchange *x, const channel_config *channels, uint32_t max_clients,
                     const uint32_t *handles, const uint8_t *live) noexcept nogil

# Give the memory back.
cdef void outbox_free(outbox *o) noexcept nogil

# A slot has a new owner, whose queues are empty.
cdef void outbox_open(outbox *o, uint32_t index) noexcept nogil

# Ask again about the queues that were full; whether any was asked.
cdef bint outbox_ask_again(outbox *o) noexcept nogil

# A command without data but ``bits``, 8 bytes of any kind: 0 or OUTBOX_NO_ROOM.
cdef int outbox_command(outbox *o, int kind, uint32_t handle, uint32_t count,
                        uint64_t bits) noexcept nogil

# A message on a channel that exists, not too large for it: as channel_push, or OUTBOX_.
cdef int outbox_message(outbox *o, uint32_t index, uint32_t channel, const uint8_t *data,
                        uint32_t size) noexcept nogil

# Whether such a message would find room: 0, CHANNEL_FULL or OUTBOX_NO_ROOM, OUTBOX_ASKED.
cdef int outbox_room(outbox *o, uint32_t index, uint32_t channel, uint32_t size) noexcept nogil

# An opaque frame of a legal kind and size: likewise.
cdef int outbox_frame(outbox *o, uint32_t index, uint32_t kind, const uint8_t *data,
                      uint32_t size) noexcept nogil

# A payload of a legal size: likewise.
cdef int outbox_payload(outbox *o, uint32_t index, const uint8_t *data,
                        uint32_t size) noexcept nogil

# Messages (``channel`` -1: payloads) to ``count`` slots from ``at[0]`` on, which goes forward: the
# same for all, or cut out of ``data`` by ``offsets``. ``status`` says for each 0 queued, 1 full, 2
# gone. 0 when done, else OUTBOX_NO_ROOM, OUTBOX_ASKED or CHANNEL_MEMORY at ``at[0]``.
cdef int outbox_many(outbox *o, const int64_t *indices, Py_ssize_t count, Py_ssize_t *at,
                     int channel, const uint8_t *data, uint32_t size, const int64_t *offsets,
                     uint8_t *status) noexcept nogil

# Slots whose owners the game knows to have left: how many of ``count`` handles found room.
cdef uint32_t outbox_reclaim(outbox *o, const uint32_t *handles, uint32_t count) noexcept nogil
