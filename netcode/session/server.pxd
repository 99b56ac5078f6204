"""The endpoint class, for drivers that run its core without the GIL (see server_core.pxd)."""

from netcode.session.batch cimport DatagramBatch
from netcode.session.connection cimport connection
from netcode.session.mailbox cimport Mailbox
from netcode.session.server_core cimport server_core


cdef class ServerEndpoint:
    """See server.pyi."""
    cdef server_core k
    cdef readonly object config
    cdef object entropy
    cdef object settings         # keeps the channel configuration alive
    cdef DatagramBatch filling
    cdef DatagramBatch sent
    cdef Mailbox mail
    cdef str owner               # who drives the core from here on; None: the methods here
    cdef int lend(self, str owner) except -1
    cdef int check_owned(self) except -1
    cdef connection *live(self, index) except NULL
    cdef object describe(self, connection *c)
