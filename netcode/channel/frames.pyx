"""Frame syntax. Anything that passes here can be walked again without checks."""

from libc.stdint cimport uint64_t

from netcode.bits.varint cimport varint_get
from netcode.channel.settings cimport CHANNEL_MAX_MESSAGE

__all__ = ["REFUSALS"]

REFUSALS: tuple[str, ...] = (
    "packet_short",
    "packet_flags",
    "ack_malformed",
    "ack_never_sent",
    "frame_kind",
    "frame_cut",
    "channel_unknown",
    "channel_mode",
    "message_size",
    "message_window",
    "held_bytes",
    "fragment_malformed",
    "fragment_changed",
    "fragment_count",
)


cdef const uint8_t *run_next(
    const uint8_t *at, const uint8_t *end, const uint8_t **data, uint32_t *size
) noexcept nogil:
    cdef uint64_t value = 0
    cdef int n = varint_get(at, end, &value)
    if n == 0 or value > <uint64_t>(end - at - n):
        return NULL
    data[0] = at + n
    size[0] = <uint32_t>value
    return at + n + value


cdef int read_run(
    const uint8_t *at, const uint8_t *end, bint reliable, frame_view *view
) noexcept nogil:
    cdef int header = 5 if reliable else 3
    cdef const uint8_t *data = NULL
    cdef uint32_t size = 0
    cdef uint32_t _i
    if end - at < header:
        return REFUSED_FRAME_CUT
    view.channel = at[1]
    view.id = <uint16_t>(at[2] | (<uint16_t>at[3] << 8)) if reliable else 0
    view.count = at[header - 1]
    view.data = at + header
    if view.count == 0:
        return REFUSED_FRAME_CUT
    at += header
    for _i in range(view.count):
        at = run_next(at, end, &data, &size)
        if at == NULL:
            return REFUSED_FRAME_CUT
    view.size = <uint32_t>(at - view.data)
    return header + <int>view.size


cdef int read_fragment(const uint8_t *at, const uint8_t *end, frame_view *view) noexcept nogil:
    cdef const uint8_t *start = at
    cdef uint64_t total = 0
    cdef uint64_t first = 0
    cdef uint64_t size = 0
    cdef int n
    if end - at < 4:
        return REFUSED_FRAME_CUT
    view.channel = at[1]
    view.id = <uint16_t>(at[2] | (<uint16_t>at[3] << 8))
    at += 4
    n = varint_get(at, end, &total)
    if n == 0:
        return REFUSED_FRAME_CUT
    at += n
    n = varint_get(at, end, &first)
    if n == 0:
        return REFUSED_FRAME_CUT
    at += n
    n = varint_get(at, end, &size)
    if n == 0:
        return REFUSED_FRAME_CUT
    at += n
    if size > <uint64_t>(end - at):
        return REFUSED_FRAME_CUT
    if total > CHANNEL_MAX_MESSAGE:
        return REFUSED_MESSAGE_SIZE
    # Inside the message, and whole units but for the message's end.
    if size == 0 or first >= total or first * FRAGMENT_UNIT + size > total:
        return REFUSED_FRAGMENT
    if size % FRAGMENT_UNIT != 0 and first * FRAGMENT_UNIT + size != total:
        return REFUSED_FRAGMENT
    view.count = 1
    view.total = <uint32_t>total
    view.first = <uint32_t>first
    view.size = <uint32_t>size
    view.data = at
    return <int>(at - start) + <int>size


cdef int read_opaque(const uint8_t *at, const uint8_t *end, frame_view *view) noexcept nogil:
    cdef uint64_t size = 0
    cdef int n = varint_get(at + 1, end, &size)
    if n == 0 or size > <uint64_t>(end - at - 1 - n):
        return REFUSED_FRAME_CUT
    if size > FRAME_OPAQUE_MAX:
        return REFUSED_MESSAGE_SIZE
    view.count = 1
    view.size = <uint32_t>size
    view.data = at + 1 + n
    return 1 + n + <int>size


cdef int frame_read(const uint8_t *at, const uint8_t *end, frame_view *view) noexcept nogil:
    view.kind = at[0]
    if at[0] >= FRAME_OPAQUE_FIRST and at[0] <= FRAME_OPAQUE_LAST:
        return read_opaque(at, end, view)
    if at[0] == FRAME_MESSAGES or at[0] == FRAME_UNRELIABLE:
        return read_run(at, end, at[0] == FRAME_MESSAGES, view)
    if at[0] == FRAME_FRAGMENT or at[0] == FRAME_UNRELIABLE_FRAGMENT:
        return read_fragment(at, end, view)
    return REFUSED_FRAME_KIND
