"""One deadline for each of n numbered things: an indexed heap with lazy postponing."""

cimport cython
from libc.math cimport INFINITY, isnan
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport calloc, free

from netcode.errors import ConfigError

__all__ = ["TimerHeap"]


cdef int timers_init(timer_heap *t, uint32_t capacity) noexcept nogil:
    cdef size_t room = <size_t>capacity + 1  # calloc(0) may be NULL
    t.count = 0
    t.capacity = capacity
    t.heap = <timer_entry *>calloc(room, sizeof(timer_entry))
    t.of = <timer_place *>calloc(room, sizeof(timer_place))
    if t.heap == NULL or t.of == NULL:
        timers_free(t)
        return -1
    return 0


cdef void timers_free(timer_heap *t) noexcept nogil:
    free(t.heap)
    free(t.of)
    t.heap = NULL
    t.of = NULL
    t.count = 0
    t.capacity = 0


cdef inline void place(timer_heap *t, uint32_t at, const timer_entry *entry) noexcept nogil:
    t.heap[at] = entry[0]
    t.of[entry.identifier].position = at + 1


cdef void rise(timer_heap *t, uint32_t at) noexcept nogil:
    cdef timer_entry entry = t.heap[at]
    cdef uint32_t parent
    while at:
        parent = (at - 1) // 2
        if t.heap[parent].key <= entry.key:
            break
        place(t, at, &t.heap[parent])
        at = parent
    place(t, at, &entry)


cdef void sink(timer_heap *t, uint32_t at) noexcept nogil:
    cdef timer_entry entry = t.heap[at]
    cdef uint32_t child
    while True:
        child = 2 * at + 1
        if child >= t.count:
            break
        if child + 1 < t.count and t.heap[child + 1].key < t.heap[child].key:
            child += 1
        if entry.key <= t.heap[child].key:
            break
        place(t, at, &t.heap[child])
        at = child
    place(t, at, &entry)


cdef void timers_set(timer_heap *t, uint32_t identifier, double due) noexcept nogil:
    cdef timer_place *of = &t.of[identifier]
    cdef uint32_t at
    of.due = due
    if of.position == 0:
        at = t.count
        t.heap[at].key = due
        t.heap[at].identifier = identifier
        t.count += 1
        rise(t, at)
    elif due < t.heap[of.position - 1].key:
        at = of.position - 1
        t.heap[at].key = due
        rise(t, at)


cdef void timers_cancel(timer_heap *t, uint32_t identifier) noexcept nogil:
    cdef uint32_t at
    cdef uint32_t last
    if t.of[identifier].position == 0:
        return
    at = t.of[identifier].position - 1
    t.of[identifier].position = 0
    t.count -= 1
    if at == t.count:
        return
    last = t.heap[t.count].identifier
    place(t, at, &t.heap[t.count])
    sink(t, at)
    rise(t, t.of[last].position - 1)


cdef double timers_next(timer_heap *t) noexcept nogil:
    cdef double due
    while t.count:
        due = t.of[t.heap[0].identifier].due
        if due <= t.heap[0].key:
            return due
        t.heap[0].key = due
        sink(t, 0)
    return INFINITY


cdef int64_t timers_pop(timer_heap *t, double now) noexcept nogil:
    cdef uint32_t first
    if t.count == 0 or t.heap[0].key > now or timers_next(t) > now:
        return -1
    first = t.heap[0].identifier
    timers_cancel(t, first)
    return first


@cython.final
@cython.auto_pickle(False)
cdef class TimerHeap:
    """Deadlines of the identifiers 0 to ``capacity`` - 1.

    The endpoints use its C form; this class lets tests drive it.

    Raises:
        ConfigError: an identifier or a deadline is out of range.
    """

    def __cinit__(self, uint32_t capacity):
        if timers_init(&self.c, capacity) < 0:
            raise MemoryError

    def __dealloc__(self):
        timers_free(&self.c)

    def __len__(self):
        return self.c.count

    def set(self, uint32_t identifier, double due):
        """Set or move a deadline."""
        if identifier >= self.c.capacity:
            raise ConfigError(f"identifier: {identifier}, must be below {self.c.capacity}")
        if isnan(due):
            raise ConfigError("due: nan, must be a number")
        timers_set(&self.c, identifier, due)

    def cancel(self, uint32_t identifier):
        """Forget a deadline, if it is set."""
        if identifier < self.c.capacity:
            timers_cancel(&self.c, identifier)

    @property
    def next(self):
        """The earliest deadline; infinity when none is set."""
        return timers_next(&self.c)

    def pop(self, double now):
        """Take out one identifier due at or before ``now``; None when there is none."""
        cdef int64_t identifier = timers_pop(&self.c, now)
        return None if identifier < 0 else identifier
