"""Whether the frames of a packet may take effect, judged without any of them doing so."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from netcode.channel.frames cimport PACKET_FRAGMENTS_MAX
from netcode.channel.settings cimport CHANNEL_MAX_CHANNELS
from netcode.channel.state cimport channel_state


cdef struct opened:
    uint64_t id                  # a message whose first fragment is in this packet
    uint32_t total
    uint32_t channel


cdef struct judgement:
    uint64_t sequence
    uint64_t deliver_bytes       # the most this packet can deliver
    uint32_t deliver_entries
    uint32_t fragments
    uint32_t units               # fragment units in this packet
    uint32_t opened_count
    uint64_t released            # bit per channel whose held messages may come out
    uint32_t added[CHANNEL_MAX_CHANNELS]   # bytes this packet may add to what a channel holds
    opened open[PACKET_FRAGMENTS_MAX]


# Judge every frame of a packet; ``sequence`` of the judgement is set before. 0, or a REFUSED_*
# reason, or 1 when out of memory.
cdef int judge_frames(
    channel_state *c, const uint8_t *at, const uint8_t *end, judgement *j
) noexcept nogil
