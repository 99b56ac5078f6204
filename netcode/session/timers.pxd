"""One deadline for each of n numbered things, and the next of them to come due.

An indexed heap whose deadlines move later for free: a connection that sends at 60 Hz pushes its
keep-alive ahead at every packet, and the heap looks at it again only when the old time comes. Then
it sinks: four children to a node, which share a cache line, so ten thousand deadlines are seven
lines deep. Nothing scans them all.
"""

from libc.stdint cimport int64_t, uint32_t


cdef struct timer_entry:
    double key                   # what the heap is ordered by, at or before the true deadline
    uint32_t identifier


cdef struct timer_place:
    double due                   # the true deadline
    double key                   # a copy of the heap's, so that moving later looks no further
    uint32_t position            # in the heap, plus 1; 0: not set


cdef struct timer_heap:
    void *memory                 # of the heap, which begins so that siblings share a line
    timer_entry *heap            # the earliest key first
    timer_place *of              # each identifier
    uint32_t count
    uint32_t capacity


# No deadline set, for identifiers below ``capacity``; 0, or -1 out of memory.
cdef int timers_init(timer_heap *t, uint32_t capacity) noexcept nogil

# Give the memory back.
cdef void timers_free(timer_heap *t) noexcept nogil

# Set or move a deadline (not NaN; infinity is allowed).
cdef void timers_set(timer_heap *t, uint32_t identifier, double due) noexcept nogil

# Forget a deadline, if it is set.
cdef void timers_cancel(timer_heap *t, uint32_t identifier) noexcept nogil

# The earliest deadline, exactly; infinity when none is set.
cdef double timers_next(timer_heap *t) noexcept nogil

# Take out one identifier due at or before ``now``, the earliest first; -1 when there is none.
cdef int64_t timers_pop(timer_heap *t, double now) noexcept nogil


cdef class TimerHeap:
    """The heap as an object, for its tests."""
    cdef timer_heap c
