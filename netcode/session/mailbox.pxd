"""What arrived and waits for the application, sorted into messages and frames."""

from libc.stdint cimport uint64_t

from netcode.session.connection cimport session
from netcode.session.message_batch cimport MessageBatch, Store
from netcode.session.pool cimport connection_pool


cdef class Mailbox:
    cdef list messages           # of MessageBatch
    cdef list frames             # of MessageBatch
    cdef uint64_t message_bytes
    cdef uint64_t frame_bytes
    cdef Store last              # to be used again when nobody looks at it any more
    cdef Store swap(self, session *s)
    cdef int sort(self, session *s, const connection_pool *pool) except -1
    cdef MessageBatch take_messages(self, session *s, const connection_pool *pool)
    cdef MessageBatch take_frames(self, session *s, const connection_pool *pool)
    cdef list list_messages(self, session *s, const connection_pool *pool)
    cdef list list_frames(self, session *s, const connection_pool *pool)
    cdef list list_payloads(self, session *s, const connection_pool *pool)
