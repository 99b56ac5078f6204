"""The I/O thread's class."""

from libc.stdint cimport intptr_t, uint32_t, uint64_t

from netcode.io.batched cimport BatchSocket
from netcode.io.system cimport udp_counters
from netcode.session.batch cimport datagrams
from netcode.session.desk cimport ServerDesk


cdef struct thread_report:       # beside the session's
    udp_counters socket
    double cpu                   # seconds
    uint64_t turns
    uint64_t sleeps


cdef class ServerThread(ServerDesk):
    """See thread.pyi."""
    cdef readonly BatchSocket socket
    cdef object thread           # threading.Thread
    cdef object bells            # what holds the descriptors open
    cdef object process
    cdef intptr_t owner_bell     # read by the owner
    cdef intptr_t owner_rope     # written to wake it
    cdef intptr_t game_bell
    cdef intptr_t game_rope
    cdef datagrams incoming
    cdef datagrams outgoing
    cdef uint32_t news_seen
    cdef bint listening          # ``fileno`` was asked to become readable
    cdef uint32_t quit           # the owner is to end at once
    cdef uint32_t running        # it has not ended
    cdef thread_report numbers
    cdef bint closed
    cdef object __weakref__
    cdef void own(self) noexcept nogil
    cdef double pause(self, int bits, double now) noexcept nogil
    cdef int check_alive(self) except -1
    cdef int prepare(self, socket) except -1
    cdef int hang_up(self) except -1
    cdef void forsake(self) noexcept
