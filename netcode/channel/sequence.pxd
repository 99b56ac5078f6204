"""Sixteen bits on the wire, 64 bits inside: a counter is expanded to the value nearest to one
that both ends know. Right as long as the two are less than 32,768 apart, which every window of
this floor guarantees."""

from libc.stdint cimport int16_t, uint16_t, uint64_t


cdef inline uint64_t sequence_expand(uint16_t low, uint64_t near) noexcept nogil:
    """The value with these low 16 bits that is nearest to ``near``, and never below zero."""
    cdef int16_t distance = <int16_t>(<uint16_t>(low - <uint16_t>near))
    if distance < 0 and near < <uint64_t>(-<int>distance):
        return near + <uint64_t>(65536 + <int>distance)
    return near + <uint64_t><long long>distance


cdef inline bint sequence_newer(uint16_t a, uint16_t b) noexcept nogil:
    """Whether ``a`` comes after ``b`` on the circle of 65,536; false for equals."""
    return <int16_t>(<uint16_t>(a - b)) > 0
