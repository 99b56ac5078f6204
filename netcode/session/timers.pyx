"""One deadline for each of n numbered things: an indexed heap with lazy postponing."""

cimport cython
from libc.math cimport INFINITY, isnan
from libc.stdint cimport int64_t, uint32_t, uintptr_t
from libc.stdlib cimport calloc, free

from netcode.errors import ConfigError

__all__ = ["TimerHeap"]

cdef enum:
    CHILDREN = 4
    LINE = CHILDREN * sizeof(timer_entry)


cdef int timers_init(timer_heap *t, uint32_t capacity) noexcept nogil:
    cdef size_t room = <size_t>capacity + 1  # calloc(0) may be NULL
    cdef uintptr_t first
    t.count = 0
    t.capacity = capacity
    t.memory = calloc(room + 2 * CHILDREN, sizeof(timer_entry))
    t.of = <timer_place *>calloc(room, sizeof(timer_place))
    if t.memory == NULL or t.of == NULL:
        timers_free(t)
        return -1
    # The first entry ends a line, so that each group of siblings is a line of its own.
    first = (<uintptr_t>t.memory + LINE - 1) // LINE * LINE
    t.heap = <timer_entry *>first + CHILDREN - 1
    return 0


cdef void timers_free(timer_heap *t) noexcept nogil:
    free(t.memory)
    free(t.of)
    t.memory = NULL
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
        parent = (at - 1) // CHILDREN
        if t.heap[parent].key <= entry.key:
            break
        place(t, at, &t.heap[parent])
        at = parent
    place(t, at, &entry)


cdef void sink(timer_heap *t, uint32_t at) noexcept nogil:
    cdef timer_entry entry = t.heap[at]
    cdef uint32_t child, last, i
    while True:
        child = CHILDREN * at + 1
        if child >= t.count:
            break
        last = min(child + CHILDREN, t.count)
        for i in range(child + 1, last):
            if t.heap[i].key < t.heap[child].key:
                child = i
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
        t.heap[at].identifier = identifier
        t.count += 1
    elif due < of.key:
        at = of.position - 1
    else:
        return
    of.key = due
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
    cdef timer_place *first
    while t.count:
        first = &t.of[t.heap[0].identifier]
        if first.due <= first.key:
            return first.due
        first.key = first.due
        t.heap[0].key = first.due
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
