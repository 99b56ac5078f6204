"""The frames of a packet as they stand in its bytes: syntax only, no state."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t


cdef enum:
    PACKET_HEADER_BYTES = 3          # u8 flags, u16 LE low bits of the sequence
    FLAG_ACK = 1                     # an ack block follows
    FLAG_ELICITING = 2               # the receiver must ack soon; set whenever there are frames
    FLAGS_ALL = 3

cdef enum:
    FRAME_MESSAGES = 0x01            # u8 channel, u16 id, u8 count, count x (varint size, bytes)
    FRAME_FRAGMENT = 0x02            # u8 channel, u16 id, varint total, first unit, size, bytes
    FRAME_UNRELIABLE = 0x03          # u8 channel, u8 count, count x (varint size, bytes)
    FRAME_UNRELIABLE_FRAGMENT = 0x04  # as FRAME_FRAGMENT, with identifiers of its own
    FRAME_OPAQUE_FIRST = 0x40        # upper floors: varint size, bytes
    FRAME_OPAQUE_LAST = 0x7F
    FRAME_OPAQUE_MAX = 1152          # bytes
    FRAGMENT_UNIT = 64               # bytes; only a message's last unit may be shorter
    RUN_MAX = 255                    # messages in a frame
    PACKET_FRAGMENTS_MAX = 64        # fragment frames in a packet

cdef enum:
    # why a packet is malformed; REFUSALS holds the names in this order
    REFUSED_SHORT = -1
    REFUSED_FLAGS = -2
    REFUSED_ACK = -3
    REFUSED_ACK_NEVER_SENT = -4
    REFUSED_FRAME_KIND = -5
    REFUSED_FRAME_CUT = -6
    REFUSED_CHANNEL = -7
    REFUSED_MODE = -8
    REFUSED_MESSAGE_SIZE = -9
    REFUSED_WINDOW = -10
    REFUSED_HELD_BYTES = -11
    REFUSED_FRAGMENT = -12
    REFUSED_FRAGMENT_CHANGED = -13
    REFUSED_FRAGMENT_COUNT = -14


cdef struct frame_view:
    uint8_t kind
    uint8_t channel
    uint16_t id                      # low bits; of the first message of a run
    uint32_t count                   # messages of a run
    uint32_t total                   # fragment: bytes of the whole message
    uint32_t first                   # fragment: first unit
    uint32_t size                    # bytes at data; of a run: sizes and payloads together
    const uint8_t *data


# Read one frame: the bytes it takes, or the reason why it is malformed. Everything inside the
# view is then within the packet; a fragment's numbers agree with each other.
cdef int frame_read(const uint8_t *at, const uint8_t *end, frame_view *view) noexcept nogil

# Step over one (size, bytes) of a run; what follows it, or NULL when cut short.
cdef const uint8_t *run_next(
    const uint8_t *at, const uint8_t *end, const uint8_t **data, uint32_t *size
) noexcept nogil
