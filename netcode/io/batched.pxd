"""The class over netcode/io/system.pxd, for those who drive it without the GIL."""

from libc.stdint cimport uint64_t

from netcode.io.system cimport udp_counters, udp_socket


cdef class BatchSocket:
    """See batched.pyi."""
    cdef udp_socket c
    cdef readonly object socket
    cdef readonly str backend        # "mmsg" or "single"
    cdef readonly int receive_buffer
    cdef readonly int send_buffer
    cdef tuple bound
    cdef object process              # only the process that opened it may disturb its waiters
    cdef uint64_t overflow           # what the system had dropped when the socket was closed
    cdef int users                   # calls under way without the GIL
    cdef bint closing

    cdef bint enter(self) noexcept
    cdef void leave(self) noexcept
    cdef object dropped_by_system(self)
    cdef dict counters_of(self, const udp_counters *c)
