"""A hash table from 64-bit keyed hashes to slot numbers.

The caller hashes with a secret key (``address_hash``, ``keyed_hash``), so a peer cannot choose
collisions, and compares the found slot's own key, so a collision is harmless.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t


cdef struct lookup_slot:
    uint64_t hash
    uint32_t value
    uint32_t used


cdef struct lookup_table:
    lookup_slot *slots
    uint32_t mask                # slots - 1; a power of two of them
    uint32_t count


# Empty, with room for ``expected`` entries before it grows; 0, or -1 out of memory.
cdef int lookup_init(lookup_table *t, uint32_t expected) noexcept nogil

# Give the memory back.
cdef void lookup_free(lookup_table *t) noexcept nogil

# Add an entry (the caller knows that it is not there); 0, or -1 out of memory.
cdef int lookup_insert(lookup_table *t, uint64_t hash, uint32_t value) noexcept nogil

# Take out the entry with this hash and value; 0, or -1 when there is none.
cdef int lookup_remove(lookup_table *t, uint64_t hash, uint32_t value) noexcept nogil


cdef inline int64_t lookup_next(const lookup_table *t, uint64_t hash,
                                uint32_t *step) noexcept nogil:
    """The next value stored under ``hash``, or -1. Start with ``step`` 0; call until it fits."""
    cdef uint32_t at
    while step[0] <= t.mask:
        at = (<uint32_t>hash + step[0]) & t.mask
        if not t.slots[at].used:
            return -1
        step[0] += 1
        if t.slots[at].hash == hash:
            return t.slots[at].value
    return -1


cdef class LookupTable:
    """The table as an object, for its tests."""
    cdef lookup_table c
