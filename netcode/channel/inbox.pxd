"""What connections deliver: messages and opaque frames, in arrival order, in one buffer."""

from libc.stdint cimport uint8_t, uint32_t


cdef struct inbox_entry:
    uint32_t index               # the connection, as given to channel_receive
    uint8_t kind_or_channel
    uint8_t is_frame             # 1: an opaque frame of this kind; 0: a message on this channel
    uint32_t offset              # into inbox.data
    uint32_t size


cdef struct inbox:
    uint8_t *data
    inbox_entry *entries
    uint32_t used                # bytes of data in use
    uint32_t capacity
    uint32_t count               # entries in use
    uint32_t entry_capacity
    uint32_t limit_bytes         # reached: connections refuse packets until inbox_clear
    uint32_t limit_entries
    uint32_t round               # counts the times it was emptied


# Empty; nothing is allocated yet.
cdef void inbox_init(inbox *i, uint32_t limit_bytes, uint32_t limit_entries) noexcept nogil

# Forget every entry and keep the memory.
cdef void inbox_clear(inbox *i) noexcept nogil

# Give the memory back; usable again as after inbox_init.
cdef void inbox_free(inbox *i) noexcept nogil

# Make room, so that pushes of this much cannot fail. 1: over the limits and not empty;
# -1: out of memory. An empty inbox takes one reservation of any size.
cdef int inbox_reserve(inbox *i, uint32_t size, uint32_t entries) noexcept nogil

# Append a copy. 0, or -1 out of memory.
cdef int inbox_push(
    inbox *i, uint32_t index, uint8_t kind_or_channel, bint is_frame,
    const uint8_t *data, uint32_t size
) noexcept nogil
