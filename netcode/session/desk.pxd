"""The class over exchange, outbox and intake, for those who let a thread own its core."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from netcode.session.exchange cimport exchange
from netcode.session.intake cimport Intake
from netcode.session.outbox cimport outbox
from netcode.session.server cimport ServerEndpoint


cdef class ServerDesk:
    """See desk.pyi."""
    cdef exchange x
    cdef outbox out
    cdef readonly ServerEndpoint endpoint
    cdef readonly object config
    cdef Intake intake
    cdef uint32_t reports
    cdef double epoch_set
    cdef bint ended              # the owner takes no more turns

    # The owner is needed: let it work a little, which it does at once when it is this thread.
    cdef int await_owner(self, int tries) except -1
    # Commands were put in: show them, and wake the owner.
    cdef int show(self) except -1
    cdef int command(self, int kind, uint32_t handle, uint32_t count, uint64_t bits) except -1
    cdef int settle(self, int status, int tries) except -1
    cdef int ask_report(self, uint32_t handle) except -1
    cdef uint32_t live_index(self, index) except? 0xFFFFFFFF
    cdef int ask_again(self) except -1
    cdef int reclaim(self) except -1
    cdef int check_payload(self, Py_ssize_t size) except -1
    cdef object many(self, int channel, object indices, const uint8_t[::1] data, object offsets)
