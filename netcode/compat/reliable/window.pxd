"""Which of the newest sequences are known: a ring of sequences of 16 bits, indexed modulo its size.

``size`` is a power of two up to 16,384, so it divides the circle and no two sequences of one
window share a place.
"""

from libc.stdint cimport int32_t, uint16_t
from libc.stdlib cimport free, malloc


cdef enum:
    NOTHING = -1


cdef struct sequence_window:
    int32_t *held          # the sequence at each place, or NOTHING
    int size
    uint16_t next          # one past the newest sequence ever inserted


cdef inline bint circle_newer(uint16_t a, uint16_t b) noexcept nogil:
    """Whether ``a`` comes after ``b``; halfway round, the larger number does, as in the C
    library."""
    return (a > b and a - b <= 32768) or (a < b and b - a > 32768)


cdef inline void window_clear(sequence_window *w) noexcept nogil:
    """Know nothing."""
    cdef int i
    for i in range(w.size):
        w.held[i] = NOTHING


cdef inline int window_init(sequence_window *w, int size) noexcept nogil:
    """0, or -1 out of memory; ``held`` must be NULL or from here."""
    free(w.held)
    w.held = <int32_t *>malloc(<size_t>size * sizeof(int32_t))
    if w.held == NULL:
        return -1
    w.size = size
    w.next = 0
    window_clear(w)
    return 0


cdef inline int window_place(const sequence_window *w, uint16_t sequence) noexcept nogil:
    """Index of a sequence in the ring."""
    return sequence & (w.size - 1)


cdef inline bint window_has(const sequence_window *w, uint16_t sequence) noexcept nogil:
    """Whether it was inserted and is not forgotten."""
    return w.held[window_place(w, sequence)] == sequence


cdef inline bint window_stale(const sequence_window *w, uint16_t sequence) noexcept nogil:
    """Whether it is too old for the window to tell."""
    return circle_newer(<uint16_t>(w.next - <uint16_t>w.size), sequence)


cdef inline bint window_advance(sequence_window *w, uint16_t sequence) noexcept nogil:
    """Make it the newest if it is newer, and forget what falls out; whether it was."""
    cdef int steps, i
    cdef uint16_t after = <uint16_t>(sequence + 1)
    if not circle_newer(after, w.next):
        return False
    steps = <uint16_t>(after - w.next)
    if steps >= w.size:
        window_clear(w)
    else:
        for i in range(steps):
            w.held[window_place(w, <uint16_t>(w.next + i))] = NOTHING
    w.next = after
    return True


cdef inline int window_insert(sequence_window *w, uint16_t sequence) noexcept nogil:
    """Note a sequence: its place, or NOTHING when it is stale."""
    cdef int place = window_place(w, sequence)
    if window_stale(w, sequence):
        return NOTHING
    window_advance(w, sequence)
    w.held[place] = sequence
    return place
