"""A hash table from 64-bit keyed hashes to slot numbers: linear probing, no tombstones."""

cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

__all__ = ["LookupTable"]

cdef enum:
    MIN_SLOTS = 16
    MAX_SLOTS = 1 << 27


cdef int lookup_init(lookup_table *t, uint32_t expected) noexcept nogil:
    cdef uint32_t slots = MIN_SLOTS
    while slots < MAX_SLOTS and slots // 2 < expected:
        slots *= 2
    t.count = 0
    t.mask = 0
    t.slots = <lookup_slot *>calloc(slots, sizeof(lookup_slot))
    if t.slots == NULL:
        return -1
    t.mask = slots - 1
    return 0


cdef void lookup_free(lookup_table *t) noexcept nogil:
    free(t.slots)
    t.slots = NULL
    t.mask = 0
    t.count = 0


cdef void put(lookup_table *t, uint64_t hash, uint32_t value) noexcept nogil:
    cdef uint32_t at = <uint32_t>hash & t.mask
    while t.slots[at].used:
        at = (at + 1) & t.mask
    t.slots[at].hash = hash
    t.slots[at].value = value
    t.slots[at].used = 1
    t.count += 1


cdef int grow(lookup_table *t) noexcept nogil:
    cdef lookup_table larger
    cdef uint32_t i
    if t.mask + 1 >= MAX_SLOTS or lookup_init(&larger, t.mask + 1) < 0:
        return -1
    for i in range(t.mask + 1):
        if t.slots[i].used:
            put(&larger, t.slots[i].hash, t.slots[i].value)
    free(t.slots)
    t[0] = larger
    return 0


cdef int lookup_insert(lookup_table *t, uint64_t hash, uint32_t value) noexcept nogil:
    # At most half full, so runs stay short.
    if t.count >= (t.mask + 1) // 2 and grow(t) < 0:
        return -1
    put(t, hash, value)
    return 0


cdef int lookup_remove(lookup_table *t, uint64_t hash, uint32_t value) noexcept nogil:
    cdef uint32_t hole = <uint32_t>hash & t.mask
    cdef uint32_t at, home
    while t.slots[hole].used and (
            t.slots[hole].hash != hash or t.slots[hole].value != value):
        hole = (hole + 1) & t.mask
    if not t.slots[hole].used:
        return -1
    # Close the gap: an entry moves back unless the hole lies before its home slot.
    at = hole
    while True:
        at = (at + 1) & t.mask
        if not t.slots[at].used:
            break
        home = <uint32_t>t.slots[at].hash & t.mask
        if ((at - home) & t.mask) >= ((at - hole) & t.mask):
            t.slots[hole] = t.slots[at]
            hole = at
    t.slots[hole].used = 0
    t.count -= 1
    return 0


@cython.final
@cython.auto_pickle(False)
cdef class LookupTable:
    """A table from hashes (0 to 2**64 - 1) to values (0 to 2**32 - 1).

    The endpoints use its C form; this class lets tests drive it.

    Raises:
        MemoryError: the table cannot grow.
    """

    def __cinit__(self, uint32_t expected=0):
        if lookup_init(&self.c, expected) < 0:
            raise MemoryError

    def __dealloc__(self):
        lookup_free(&self.c)

    def __len__(self):
        return self.c.count

    def insert(self, uint64_t hashed, uint32_t value):
        """Add an entry; equal hashes may have several values."""
        if lookup_insert(&self.c, hashed, value) < 0:
            raise MemoryError

    def find(self, uint64_t hashed):
        """Every value stored under ``hashed``, as a list."""
        cdef uint32_t step = 0
        cdef int64_t value
        found = []
        while True:
            value = lookup_next(&self.c, hashed, &step)
            if value < 0:
                return found
            found.append(value)

    def remove(self, uint64_t hashed, uint32_t value):
        """Take an entry out; False when it was not there."""
        return lookup_remove(&self.c, hashed, value) == 0
