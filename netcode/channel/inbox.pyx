"""The inbox: one growing buffer for what many connections deliver in a batch."""

from libc.stdint cimport UINT32_MAX, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

__all__: list[str] = []


cdef void inbox_init(inbox *i, uint32_t limit_bytes, uint32_t limit_entries) noexcept nogil:
    i.data = NULL
    i.entries = NULL
    i.used = 0
    i.capacity = 0
    i.count = 0
    i.entry_capacity = 0
    i.limit_bytes = limit_bytes
    i.limit_entries = limit_entries
    i.round = 0


cdef void inbox_clear(inbox *i) noexcept nogil:
    i.used = 0
    i.count = 0
    i.round += 1


cdef void inbox_free(inbox *i) noexcept nogil:
    free(i.data)
    free(i.entries)
    inbox_init(i, i.limit_bytes, i.limit_entries)


cdef inline uint64_t grown(uint64_t capacity, uint64_t least, uint64_t most) noexcept nogil:
    """Twice the capacity or what is needed; not past the limit unless one item needs it."""
    cdef uint64_t wanted = capacity * 2 if capacity else 256
    if wanted > most:
        wanted = most
    return wanted if wanted > least else least


cdef int inbox_reserve(inbox *i, uint32_t size, uint32_t entries) noexcept nogil:
    cdef uint64_t need = <uint64_t>i.used + size
    cdef uint64_t need_entries = <uint64_t>i.count + entries
    cdef uint64_t capacity
    cdef void *moved
    if i.count and (need > i.limit_bytes or need_entries > i.limit_entries):
        return 1
    if need > UINT32_MAX or need_entries > UINT32_MAX:
        return -1
    if need > i.capacity:
        capacity = grown(i.capacity, need, i.limit_bytes)
        moved = realloc(i.data, capacity)
        if moved == NULL:
            return -1
        i.data = <uint8_t *>moved
        i.capacity = <uint32_t>capacity
    if need_entries > i.entry_capacity:
        capacity = grown(i.entry_capacity, need_entries, i.limit_entries)
        moved = realloc(i.entries, capacity * sizeof(inbox_entry))
        if moved == NULL:
            return -1
        i.entries = <inbox_entry *>moved
        i.entry_capacity = <uint32_t>capacity
    return 0


cdef int inbox_push(
    inbox *i, uint32_t index, uint8_t kind_or_channel, bint is_frame,
    const uint8_t *data, uint32_t size
) noexcept nogil:
    cdef inbox_entry *entry
    if size > i.capacity - i.used or i.count >= i.entry_capacity:
        # An empty inbox or one with room: the limits were the business of inbox_reserve.
        if inbox_reserve(i, size, 1) != 0:
            return -1
    entry = &i.entries[i.count]
    entry.index = index
    entry.kind_or_channel = kind_or_channel
    entry.is_frame = is_frame
    entry.offset = i.used
    entry.size = size
    if size:
        memcpy(i.data + i.used, data, size)
    i.used += size
    i.count += 1
    return 0
