"""The game's part of an exchange, outwards."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from netcode.channel.connection cimport CHANNEL_FULL, CHANNEL_MEMORY, CHANNEL_OK
from netcode.channel.settings cimport channel_limits
from netcode.session.exchange cimport (
    COMMAND_CREDIT, COMMAND_FRAME, COMMAND_PAYLOAD, COMMAND_PUSH, COMMAND_PUSH_FAR,
    COMMAND_PUSH_MANY, COMMAND_PUSH_MANY_FAR, COMMAND_RECLAIM, command, credit,
)
from netcode.session.records cimport records_commit, records_reserve
from netcode.session.ring cimport ring_load

__all__ = []

cdef enum:
    NEAR_BYTES = 2048            # larger messages travel by pointer
    HANDLES = 256                # in one record
    FULL_MOST = 4096             # full queues that are asked about again by themselves
    FRAME_COST = 11              # what channel_push_frame counts beside the bytes


cdef int outbox_init(outbox *o, exchange *x, const channel_config *channels, uint32_t max_clients,
                     const uint32_t *handles, const uint8_t *live) noexcept nogil:
    memset(o, 0, sizeof(outbox))
    o.x = x
    o.channels = channels
    o.handles = handles
    o.live = live
    if x.queues:
        o.levels = <queue_level *>calloc(<size_t>max_clients * x.queues, sizeof(queue_level))
        o.full = <size_t *>malloc(FULL_MOST * sizeof(size_t))
        if o.levels == NULL or o.full == NULL:
            return -1
    return 0


cdef void outbox_free(outbox *o) noexcept nogil:
    free(o.levels)
    free(o.full)
    o.levels = NULL
    o.full = NULL


cdef void outbox_open(outbox *o, uint32_t index) noexcept nogil:
    cdef uint32_t i, questions
    cdef bint listed
    cdef queue_level *level
    for i in range(o.x.queues):
        level = &o.levels[<size_t>index * o.x.queues + i]
        questions = level.questions
        listed = level.listed
        memset(level, 0, sizeof(queue_level))
        level.listed = listed
        level.questions = questions  # an answer to the owner before must not pass for one


cdef inline command *begin(outbox *o, int kind, uint32_t handle, uint32_t more) noexcept nogil:
    cdef command *m = <command *>records_reserve(o.x.commands, sizeof(command) + more)
    if m != NULL:
        m.kind = <uint8_t>kind
        m.channel = 0
        m.unused = 0
        m.handle = handle
        m.count = 0
        m.size = 0
    return m


cdef inline uint8_t *data_of(command *m) noexcept nogil:
    return <uint8_t *>m + sizeof(command)


cdef inline void end(outbox *o, uint32_t more) noexcept nogil:
    records_commit(o.x.commands, sizeof(command) + more)


cdef int outbox_command(outbox *o, int kind, uint32_t handle, uint32_t count,
                        uint64_t bits) noexcept nogil:
    cdef command *m = begin(o, kind, handle, sizeof(bits))
    if m == NULL:
        return OUTBOX_NO_ROOM
    m.count = count
    memcpy(data_of(m), &bits, sizeof(bits))
    end(o, sizeof(bits))
    return 0


# How full a queue is

cdef int ask(outbox *o, queue_level *level, uint32_t index, uint32_t queue) noexcept nogil:
    cdef command *m = begin(o, COMMAND_CREDIT, o.handles[index], 0)
    if m == NULL:
        return OUTBOX_NO_ROOM
    level.questions += 1
    if level.questions == 0:
        level.questions = 1
    m.channel = <uint8_t>queue
    m.count = level.questions
    end(o, 0)
    level.asked = level.questions
    level.messages_since = 0
    level.bytes_since = 0
    level.again = False
    return 0


cdef void list_full(outbox *o, queue_level *level) noexcept nogil:
    if not level.listed and o.full_count < FULL_MOST:
        level.listed = True
        o.full[o.full_count] = level - o.levels
        o.full_count += 1


cdef inline bint fits(const queue_level *level, uint32_t most_messages, uint64_t most_bytes,
                      uint64_t size) noexcept nogil:
    return level.messages < most_messages and level.bytes + size <= most_bytes


cdef bint take_answer(outbox *o, queue_level *level) noexcept nogil:
    """Whether the question that waited was answered: then the level is what it is at most now."""
    cdef credit *answer = &o.x.credits[level - o.levels]
    if not level.asked or ring_load(&answer.answered) != level.asked:
        return False
    level.asked = 0
    level.messages = answer.messages + level.messages_since
    level.bytes = answer.bytes + level.bytes_since
    return True


cdef bint is_full(const outbox *o, const queue_level *level, uint32_t queue) noexcept nogil:
    """Whether it takes nothing at all."""
    if queue == o.x.queues - 1:
        return level.bytes + <uint32_t>FRAME_COST > o.channels.frame_bytes
    return not fits(level, o.channels.channel[queue].queue_messages,
                    o.channels.channel[queue].queue_bytes, 0)


cdef bint outbox_ask_again(outbox *o) noexcept nogil:
    cdef uint32_t i = 0
    cdef uint32_t queue
    cdef queue_level *level
    cdef bint asked = False
    while i < o.full_count:
        level = &o.levels[o.full[i]]
        queue = <uint32_t>(o.full[i] % o.x.queues)
        if take_answer(o, level):
            level.full = is_full(o, level, queue)
        if not level.full or not o.live[o.full[i] // o.x.queues]:
            level.listed = False
            o.full_count -= 1
            o.full[i] = o.full[o.full_count]
            continue
        if not level.asked:
            if ask(o, level, <uint32_t>(o.full[i] // o.x.queues), queue) != 0:
                break
            level.again = True
            asked = True
        i += 1
    return asked


cdef inline bint is_high(const queue_level *level, uint32_t most_messages,
                         uint64_t most_bytes) noexcept nogil:
    return level.messages >= most_messages // 2 or level.bytes >= most_bytes // 2


cdef int find_room(outbox *o, uint32_t index, uint32_t queue, uint32_t most_messages,
                   uint64_t most_bytes, uint64_t size) noexcept nogil:
    """Whether the queue takes it: 0, CHANNEL_FULL or OUTBOX_."""
    cdef queue_level *level = &o.levels[<size_t>index * o.x.queues + queue]
    cdef bint room
    if take_answer(o, level):
        level.full = not fits(level, most_messages, most_bytes, size)
        if level.full:
            list_full(o, level)
    room = fits(level, most_messages, most_bytes, size)
    if not level.asked and not (level.full and level.listed) and (
            not room or is_high(level, most_messages, most_bytes)):
        if ask(o, level, index, queue) != 0:
            return OUTBOX_NO_ROOM
    if not room:
        if level.full and not (level.asked and level.again):
            return CHANNEL_FULL
        o.waiting = level
        return OUTBOX_ASKED
    return 0


cdef inline int admit(outbox *o, uint32_t index, uint32_t queue, uint32_t most_messages,
                      uint64_t most_bytes, uint64_t size) noexcept nogil:
    """As find_room; what finds room is counted."""
    cdef queue_level *level = &o.levels[<size_t>index * o.x.queues + queue]
    cdef int status = find_room(o, index, queue, most_messages, most_bytes, size)
    if status != 0:
        return status
    level.messages += 1
    level.bytes += size
    level.messages_since += 1
    level.bytes_since += size
    return 0


# Messages

cdef int put_data(command *m, const uint8_t *data, uint32_t size, bint far) noexcept nogil:
    cdef uint8_t *copy
    m.size = size
    if not far:
        if size:
            memcpy(data_of(m), data, size)
        return 0
    copy = <uint8_t *>malloc(size)
    if copy == NULL:
        return CHANNEL_MEMORY
    memcpy(copy, data, size)
    memcpy(data_of(m), &copy, sizeof(copy))
    return 0


cdef int outbox_message(outbox *o, uint32_t index, uint32_t channel, const uint8_t *data,
                        uint32_t size) noexcept nogil:
    cdef const channel_limits *limits = &o.channels.channel[channel]
    cdef bint far = size > NEAR_BYTES
    cdef uint32_t more = <uint32_t>sizeof(void *) if far else size
    cdef command *m
    cdef int status
    if not o.live[index]:
        return OUTBOX_GONE
    # The room first: what is counted must be put in.
    if records_reserve(o.x.commands, 2 * sizeof(command) + 16 + more) == NULL:
        return OUTBOX_NO_ROOM
    status = admit(o, index, channel, limits.queue_messages, limits.queue_bytes, size)
    if status != 0:
        return status
    m = begin(o, COMMAND_PUSH_FAR if far else COMMAND_PUSH, o.handles[index], more)
    if m == NULL:
        return CHANNEL_MEMORY  # not with that room
    m.channel = <uint8_t>channel
    if put_data(m, data, size, far) < 0:
        return CHANNEL_MEMORY
    end(o, more)
    return CHANNEL_OK


cdef int outbox_room(outbox *o, uint32_t index, uint32_t channel, uint32_t size) noexcept nogil:
    cdef const channel_limits *limits = &o.channels.channel[channel]
    return find_room(o, index, channel, limits.queue_messages, limits.queue_bytes, size)


cdef int outbox_frame(outbox *o, uint32_t index, uint32_t kind, const uint8_t *data,
                      uint32_t size) noexcept nogil:
    cdef command *m
    cdef int status
    if not o.live[index]:
        return OUTBOX_GONE
    if records_reserve(o.x.commands, 2 * sizeof(command) + 16 + size) == NULL:
        return OUTBOX_NO_ROOM
    status = admit(o, index, o.x.queues - 1, 0xFFFFFFFF, o.channels.frame_bytes,
                   size + <uint32_t>FRAME_COST)
    if status != 0:
        return status
    m = begin(o, COMMAND_FRAME, o.handles[index], size)
    if m == NULL:
        return CHANNEL_MEMORY
    m.channel = <uint8_t>kind
    put_data(m, data, size, False)
    end(o, size)
    return CHANNEL_OK


cdef int outbox_payload(outbox *o, uint32_t index, const uint8_t *data,
                        uint32_t size) noexcept nogil:
    cdef command *m
    if not o.live[index]:
        return OUTBOX_GONE
    m = begin(o, COMMAND_PAYLOAD, o.handles[index], size)
    if m == NULL:
        return OUTBOX_NO_ROOM
    put_data(m, data, size, False)
    end(o, size)
    return CHANNEL_OK


cdef int shared_many(outbox *o, const int64_t *indices, Py_ssize_t count, Py_ssize_t *at,
                     uint32_t channel, const uint8_t *data, uint32_t size,
                     uint8_t *status) noexcept nogil:
    """One message for all: as many as fit one record."""
    cdef const channel_limits *limits = &o.channels.channel[channel]
    cdef bint far = size > NEAR_BYTES
    cdef uint32_t near = <uint32_t>sizeof(void *) if far else size
    cdef uint32_t most = <uint32_t>min(count - at[0], <Py_ssize_t>HANDLES)
    cdef uint32_t handles[HANDLES]
    cdef uint32_t index
    cdef uint32_t n = 0
    cdef uint32_t _i
    cdef int result = 0
    cdef queue_level *level
    cdef command *m
    # Room for the record and for every question that comes up before it.
    if records_reserve(o.x.commands, most * (sizeof(command) + 16 + 4) + 64 + near) == NULL:
        return OUTBOX_NO_ROOM
    for _i in range(most):
        index = <uint32_t>indices[at[0]]
        if not o.live[index]:
            status[at[0]] = 2
        else:
            level = &o.levels[<size_t>index * o.x.queues + channel]
            if n and not level.asked and is_high(
                    level, limits.queue_messages - 1, limits.queue_bytes - size):
                # This one may be in the record already: what was counted before a question must
                # reach the owner before it.
                break
            result = admit(o, index, channel, limits.queue_messages, limits.queue_bytes, size)
            if result == CHANNEL_FULL:
                status[at[0]] = 1
                result = 0
            elif result != 0:
                break
            else:
                handles[n] = o.handles[index]
                n += 1
        at[0] += 1
    if n:
        m = begin(o, COMMAND_PUSH_MANY_FAR if far else COMMAND_PUSH_MANY, handles[0], near + n * 4)
        if m == NULL:
            return CHANNEL_MEMORY
        m.channel = <uint8_t>channel
        m.count = n
        if put_data(m, data, size, far) < 0:
            return CHANNEL_MEMORY
        memcpy(data_of(m) + near, handles, n * sizeof(uint32_t))
        end(o, near + n * 4)
    return result


cdef int outbox_many(outbox *o, const int64_t *indices, Py_ssize_t count, Py_ssize_t *at,
                     int channel, const uint8_t *data, uint32_t size, const int64_t *offsets,
                     uint8_t *status) noexcept nogil:
    cdef const uint8_t *start = data
    cdef int result = 0
    while at[0] < count and result == 0:
        if offsets == NULL and channel >= 0:
            result = shared_many(o, indices, count, at, <uint32_t>channel, data, size, status)
            continue
        if offsets != NULL:
            start = data + offsets[at[0]]
            size = <uint32_t>(offsets[at[0] + 1] - offsets[at[0]])
        if channel >= 0:
            result = outbox_message(o, <uint32_t>indices[at[0]], <uint32_t>channel, start, size)
        else:
            result = outbox_payload(o, <uint32_t>indices[at[0]], start, size)
        if result == OUTBOX_GONE:
            status[at[0]] = 2
        elif result == CHANNEL_FULL:
            status[at[0]] = 1
        elif result != 0:
            break
        result = 0
        at[0] += 1
    return result


cdef uint32_t outbox_reclaim(outbox *o, const uint32_t *handles, uint32_t count) noexcept nogil:
    cdef uint32_t done = 0
    cdef uint32_t n
    cdef command *m
    while done < count:
        n = min(count - done, <uint32_t>HANDLES)
        m = begin(o, COMMAND_RECLAIM, handles[done], n * 4)
        if m == NULL:
            break
        m.count = n
        memcpy(data_of(m), handles + done, n * sizeof(uint32_t))
        end(o, n * 4)
        done += n
    return done
