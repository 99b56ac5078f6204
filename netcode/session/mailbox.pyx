"""What arrived and waits for the application, sorted into messages and frames."""

cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from netcode.channel.inbox cimport inbox, inbox_clear, inbox_entry
from netcode.session.connection cimport handle_of, session
from netcode.session.counters cimport COUNT_DELIVERIES_STALE, COUNT_FRAMES_DROPPED
from netcode.session.message_batch cimport (
    MessageBatch, Store, batch_compact, batch_joined, batch_list, batch_of,
)
from netcode.session.pool cimport connection_pool

__all__ = ["Mailbox"]

cdef extern from *:
    Py_ssize_t Py_REFCNT(PyObject *)

cdef enum:
    ENTRY_COST = 64              # what a held message counts beside its bytes


cdef struct sorting:
    uint32_t messages
    uint32_t frames
    uint32_t stale
    uint32_t dropped
    uint64_t frame_bytes


cdef int partition(inbox *box, const connection_pool *pool, uint64_t frame_room,
                   sorting *r) noexcept nogil:
    """Messages to the front, frames behind them, both in order of arrival; -1: out of memory."""
    cdef inbox_entry *frames = NULL
    cdef inbox_entry *entry
    cdef uint32_t i, index
    for i in range(box.count):
        entry = &box.entries[i]
        index = entry.index & 0xFFFF
        if pool != NULL and handle_of(&pool.slots[index]) != entry.index:
            # Its sender left, and the slot has a new owner, who did not say this.
            r.stale += 1
        elif not entry.is_frame:
            entry.index = index
            box.entries[r.messages] = entry[0]
            r.messages += 1
        elif r.frame_bytes >= frame_room:
            r.dropped += 1
        else:
            if frames == NULL:
                frames = <inbox_entry *>malloc((box.count - i) * sizeof(inbox_entry))
                if frames == NULL:
                    return -1
            entry.index = index
            frames[r.frames] = entry[0]
            r.frames += 1
            r.frame_bytes += entry.size + ENTRY_COST
    for i in range(r.frames):
        box.entries[r.messages + i] = frames[i]
    free(frames)
    return 0


cdef int compact_newest(list waiting) except -1:
    cdef Py_ssize_t newest = len(waiting) - 1
    if newest >= 0:
        waiting[newest] = batch_compact(waiting[newest])
    return 0


@cython.final
@cython.auto_pickle(False)
cdef class Mailbox:
    """Sorts the inbox into messages and frames.

    An application that drains one kind only must not lose the other, nor let it grow without
    end: messages left lying stop the draining, so peers see back-pressure; frames left lying are
    dropped, as frames may be.
    """

    def __cinit__(self):
        self.messages = []
        self.frames = []

    cdef Store swap(self, session *s):
        """The inbox's memory as a store; the inbox goes on in memory that nobody looks at."""
        cdef Store store = self.last
        cdef inbox taken = s.received
        self.last = None
        if store is None or Py_REFCNT(<PyObject *>store) != 1:
            store = None
            s.received.data = NULL
            s.received.entries = NULL
            s.received.capacity = s.received.entry_capacity = 0
        else:
            s.received.data = store.c.data
            s.received.entries = store.c.entries
            s.received.capacity = store.c.capacity
            s.received.entry_capacity = store.c.entry_capacity
        inbox_clear(&s.received)
        if store is None:
            store = Store.__new__(Store)
        store.c = taken
        self.last = store
        return store

    cdef int sort(self, session *s, const connection_pool *pool) except -1:
        cdef sorting r = sorting(0, 0, 0, 0, 0)
        cdef Store store
        cdef MessageBatch batch
        if s.received.count == 0 or self.message_bytes >= s.received.limit_bytes:
            return 0
        cdef uint64_t room = s.received.limit_bytes
        room = room - self.frame_bytes if self.frame_bytes < room else 0
        if partition(&s.received, pool, room, &r) < 0:
            raise MemoryError
        s.counts[COUNT_DELIVERIES_STALE] += r.stale
        s.counts[COUNT_FRAMES_DROPPED] += r.dropped
        # What was left lying of one kind must not keep the memory of the other.
        compact_newest(self.messages)
        compact_newest(self.frames)
        store = self.swap(s)
        if r.messages:
            batch = batch_of(store, 0, r.messages)
            self.messages.append(batch)
            self.message_bytes += batch.bytes + <uint64_t>ENTRY_COST * batch.count
        if r.frames:
            self.frames.append(batch_of(store, r.messages, r.frames))
            self.frame_bytes += r.frame_bytes
        return 0

    cdef MessageBatch take_messages(self, session *s, const connection_pool *pool):
        self.sort(s, pool)
        taken = self.messages
        self.messages = []
        self.message_bytes = 0
        return batch_joined(taken)

    cdef MessageBatch take_frames(self, session *s, const connection_pool *pool):
        self.sort(s, pool)
        taken = self.frames
        self.frames = []
        self.frame_bytes = 0
        return batch_joined(taken)

    cdef list list_messages(self, session *s, const connection_pool *pool):
        return batch_list(self.take_messages(s, pool))

    cdef list list_frames(self, session *s, const connection_pool *pool):
        return batch_list(self.take_frames(s, pool))

    cdef list list_payloads(self, session *s, const connection_pool *pool):
        return [(index, data) for index, _, data in self.list_messages(s, pool)]
