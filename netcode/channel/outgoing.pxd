"""The sending half of one channel: queued messages, what is on the wire, what must go again.

A message goes whole when it fits an empty packet, else as runs of 64-byte units, so that a loss
resends only what was lost and a path that shrinks can cut the rest smaller.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from netcode.channel.recovery cimport sent_part
from netcode.channel.settings cimport channel_limits


cdef enum:
    WHOLE_MESSAGE = 1024             # up to here a message waits for a packet that takes it whole

cdef enum:
    SLOT_QUEUED = 0                  # never on the wire, or in part for the first time
    SLOT_SENT = 1
    SLOT_LOST = 2                    # it, or units of it, must go again
    SLOT_DONE = 3                    # acked, payload freed

cdef enum:
    # out_write
    OUT_NOTHING = 0
    OUT_NO_ROOM = -1
    OUT_MEMORY = -2


cdef struct out_fragments:
    uint32_t units
    uint32_t next                    # first unit never sent
    uint32_t acked
    uint32_t lost
    uint32_t lost_low                # no lost unit below
    uint64_t *acked_bits
    uint64_t *lost_bits


cdef struct out_slot:
    uint8_t *data
    out_fragments *fragments         # NULL while whole
    double expires                   # when it need not be sent any more
    uint32_t size
    uint16_t state
    uint16_t copies                  # whole: packets on the wire that have it


cdef struct out_queue:
    const channel_limits *limits
    out_slot *slots                  # ring by message id
    uint32_t capacity                # power of two
    uint32_t lost_count              # slots in SLOT_LOST
    uint64_t low                     # oldest message not acked (reliable) or not sent
    uint64_t next                    # first message not yet wholly on the wire
    uint64_t end                     # id of the next message pushed
    uint64_t lost_low                # no lost message below
    uint64_t bytes                   # payload not yet acked or sent
    uint64_t bitmaps                 # bytes of out_fragments
    uint64_t window                  # payload of low..next and of the one being cut
    uint64_t expired
    uint64_t repeat_end              # messages before it may be repeated in this packet
    double repeat_time               # when that is next worth its bytes
    double paid                      # send_rate: when what was sent is within it
    uint8_t *spare                   # memory of a small message that is done, for the next; or NULL
    uint32_t spare_bytes
    int32_t deficit                  # bytes this channel may still send in its turn
    uint16_t fragment_id             # of the unreliable message being cut
    bint reliable
    uint8_t index


# An empty queue, or NULL when out of memory.
cdef out_queue *out_new(
    const channel_limits *limits, uint8_t index, uint64_t first_id
) noexcept nogil

# Free the queue and its payloads; NULL is allowed.
cdef void out_free(out_queue *q) noexcept nogil

# Whether a message of this size finds room.
cdef bint out_has_room(out_queue *q, uint32_t size, double now) noexcept nogil

# Queue a copy. 0; -1 full; -2 out of memory. The caller has checked max_message.
cdef int out_push(
    out_queue *q, const uint8_t *data, uint32_t size, double now
) noexcept nogil

cdef inline bint out_backlog(const out_queue *q) noexcept nogil:
    """Whether anything waits to be sent, be it allowed now or not."""
    return q.lost_count > 0 or q.next < q.end

# When something may be sent, as far as the channel's window and rate go; infinity: not before
# an ack, or nothing waits.
cdef double out_due(const out_queue *q) noexcept nogil

# Drop unreliable messages that waited for too long.
cdef void out_expire(out_queue *q, double now) noexcept nogil

# Write a run of the newest whole messages before ``repeat_end`` that are not acked; 0 for none.
cdef int out_repeat(
    out_queue *q, uint8_t *out, uint32_t room, double now, sent_part *part
) noexcept nogil

# Note that ``size`` bytes left.
cdef void out_pay(out_queue *q, uint32_t size, double now) noexcept nogil

# Write one frame. Bytes written with ``part`` filled (count 0 when unreliable), or OUT_NOTHING,
# OUT_NO_ROOM, OUT_MEMORY. ``fresh``: the packet has nothing else in it, a larger room
# will not come.
cdef int out_write(
    out_queue *q, uint8_t *out, uint32_t room, bint fresh, sent_part *part, uint32_t *resent
) noexcept nogil

# The peer has this part; parts of messages long done are ignored.
cdef void out_acked(out_queue *q, const sent_part *part) noexcept nogil

# The packet with this part is lost: queue again what is still missing of it.
cdef void out_lost(out_queue *q, const sent_part *part) noexcept nogil
