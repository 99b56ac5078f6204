"""The first pass over a packet: nothing changes that can be seen."""

from libc.string cimport memset

from netcode.channel.frames cimport (
    FRAGMENT_UNIT,
    FRAME_FRAGMENT,
    FRAME_MESSAGES,
    FRAME_OPAQUE_FIRST,
    FRAME_UNRELIABLE,
    REFUSED_CHANNEL,
    REFUSED_FRAGMENT_CHANGED,
    REFUSED_FRAGMENT_COUNT,
    REFUSED_HELD_BYTES,
    REFUSED_MESSAGE_SIZE,
    REFUSED_MODE,
    REFUSED_WINDOW,
    frame_read,
    frame_view,
    run_next,
)
from netcode.channel.incoming cimport (
    IN_CHANGED,
    IN_NEW,
    IN_WINDOW,
    in_check,
    in_check_fragment,
    in_check_loose,
    in_new,
    in_queue,
)
from netcode.channel.sequence cimport sequence_expand

__all__: list[str] = []


cdef in_queue *queue_for(channel_state *c, uint32_t channel) noexcept nogil:
    if c.incoming[channel] == NULL:
        c.incoming[channel] = in_new(
            &c.config.channel[channel], <uint8_t>channel, c.config.initial_message_id
        )
    return c.incoming[channel]


cdef inline void may_release(in_queue *q, judgement *j) noexcept nogil:
    """The message that is next may be complete with this packet, and what waits for it follow."""
    if q.ordered and not (j.released >> q.index) & 1:
        j.released |= <uint64_t>1 << q.index
        j.deliver_bytes += q.held
        j.deliver_entries += q.waiting


cdef int judge_run(
    in_queue *q, const frame_view *view, judgement *j
) noexcept nogil:
    cdef const uint8_t *at = view.data
    cdef const uint8_t *end = view.data + view.size
    cdef const uint8_t *data = NULL
    cdef uint32_t size = 0
    cdef uint64_t id = sequence_expand(view.id, q.next)
    cdef uint32_t _i
    cdef int judged
    for _i in range(view.count):
        at = run_next(at, end, &data, &size)
        if size > q.limits.max_message:
            return REFUSED_MESSAGE_SIZE
        if q.reliable:
            judged = in_check(q, id)
            if judged == IN_WINDOW:
                return REFUSED_WINDOW
            if id == q.next:
                may_release(q, j)  # and it is itself delivered, not held
            elif judged == IN_NEW:
                j.added[q.index] += size
            id += 1
        j.deliver_bytes += size
    j.deliver_entries += view.count
    return 0


cdef int judge_fragment(
    in_queue *q, const frame_view *view, judgement *j
) noexcept nogil:
    cdef uint64_t id = view.id
    cdef uint32_t missing = 0
    cdef uint32_t i
    cdef int judged
    if view.total > q.limits.max_message:
        return REFUSED_MESSAGE_SIZE
    j.fragments += 1
    j.units += (view.size + FRAGMENT_UNIT - 1) // FRAGMENT_UNIT
    if j.fragments > PACKET_FRAGMENTS_MAX:
        return REFUSED_FRAGMENT_COUNT
    if q.reliable:
        id = sequence_expand(view.id, q.next)
        judged = in_check_fragment(q, id, view.total, &missing)
    else:
        judged = in_check_loose(q, view.id, view.total, j.sequence, &missing)
    if judged == IN_WINDOW:
        return REFUSED_WINDOW
    if judged == IN_CHANGED:
        return REFUSED_FRAGMENT_CHANGED
    if missing and missing <= j.units:
        j.deliver_bytes += view.total
        j.deliver_entries += 1
        if id == q.next:
            may_release(q, j)
    if judged != IN_NEW:
        return 0
    for i in range(j.opened_count):
        if j.open[i].id == id and j.open[i].channel == q.index:
            return 0 if j.open[i].total == view.total else REFUSED_FRAGMENT_CHANGED
    j.open[j.opened_count].id = id
    j.open[j.opened_count].total = view.total
    j.open[j.opened_count].channel = q.index
    j.opened_count += 1
    if q.reliable:
        j.added[q.index] += view.total
    return 0


cdef int judge_frame(channel_state *c, const frame_view *view, judgement *j) noexcept nogil:
    cdef in_queue *q
    cdef bint reliable = view.kind == FRAME_MESSAGES or view.kind == FRAME_FRAGMENT
    cdef int reason
    if view.kind >= FRAME_OPAQUE_FIRST:
        j.deliver_bytes += view.size
        j.deliver_entries += 1
        return 0
    if view.channel >= c.config.channels:
        return REFUSED_CHANNEL
    q = queue_for(c, view.channel)
    if q == NULL:
        return 1
    if q.reliable != reliable:
        return REFUSED_MODE
    if view.kind == FRAME_MESSAGES or view.kind == FRAME_UNRELIABLE:
        reason = judge_run(q, view, j)
    else:
        reason = judge_fragment(q, view, j)
    if reason == 0 and q.reliable and q.held + j.added[q.index] > q.limits.window_bytes:
        return REFUSED_HELD_BYTES
    return reason


cdef int judge_frames(
    channel_state *c, const uint8_t *at, const uint8_t *end, judgement *j
) noexcept nogil:
    cdef frame_view view
    cdef int n
    j.deliver_bytes = 0
    j.deliver_entries = 0
    j.fragments = 0
    j.units = 0
    j.opened_count = 0
    j.released = 0
    memset(j.added, 0, c.config.channels * sizeof(uint32_t))
    while at < end:
        n = frame_read(at, end, &view)
        if n < 0:
            return n
        at += n
        n = judge_frame(c, &view, j)
        if n != 0:
            return n
    return 0
