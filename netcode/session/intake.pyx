"""The game's part of an exchange, inwards."""

cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport UINT32_MAX, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy

from netcode.channel.inbox cimport (
    inbox, inbox_clear, inbox_entry, inbox_free, inbox_init, inbox_push,
)
from netcode.session.exchange cimport delivery, exchange, session_news
from netcode.session.message_batch cimport MessageBatch, Store, batch_of
from netcode.session.outbox cimport outbox, outbox_open
from netcode.session.reasons cimport EVENT_LEFT, EVENT_MOVED
from netcode.session.ring cimport (
    ring_commit, ring_peek, ring_release, ring_reserve, ring_store,
)

__all__ = []

cdef extern from *:
    Py_ssize_t Py_REFCNT(PyObject *)

cdef enum:
    ENTRY_COST = 64              # what a held message counts beside its bytes
    KEPT_BYTES = 1 << 18         # a larger inbox is given back to the system


cdef struct sorting:
    uint64_t message_cost
    uint64_t frame_cost
    uint64_t frame_room
    uint64_t dropped


cdef int sort(const inbox *box, inbox *messages, inbox *frames, sorting *r) noexcept nogil:
    """Copy messages and frames to where the game will find them; -1: out of memory."""
    cdef const inbox_entry *entry
    cdef inbox *into
    cdef uint32_t i
    for i in range(box.count):
        entry = &box.entries[i]
        if entry.is_frame:
            if r.frame_cost >= r.frame_room:
                r.dropped += 1
                continue
            r.frame_cost += entry.size + ENTRY_COST
            into = frames
        else:
            r.message_cost += entry.size + ENTRY_COST
            into = messages
        if inbox_push(into, entry.index, entry.kind_or_channel, entry.is_frame,
                      box.data + entry.offset, entry.size) < 0:
            return -1
    return 0


cdef void give_back(exchange *x, inbox *box) noexcept nogil:
    """Let the owner use the memory again, or free it."""
    cdef uint8_t *place = NULL
    if box.data == NULL and box.entries == NULL:
        return
    if box.capacity <= KEPT_BYTES and box.entry_capacity <= KEPT_BYTES // sizeof(inbox_entry):
        place = ring_reserve(x.spent)
    if place == NULL:
        inbox_free(box)
        return
    (<inbox *>place)[0] = box[0]
    ring_commit(x.spent)


cdef uint32_t drop_stale(inbox *box, const uint32_t *handles) noexcept nogil:
    """Leave the slot alone in each entry, and drop those whose sender's slot has a new owner."""
    cdef uint32_t i, index
    cdef uint32_t kept = 0
    for i in range(box.count):
        index = box.entries[i].index & 0xFFFF
        if handles[index] == box.entries[i].index:
            box.entries[kept] = box.entries[i]
            box.entries[kept].index = index
            kept += 1
    i = box.count - kept
    box.count = kept
    return i


@cython.final
@cython.auto_pickle(False)
cdef class Held:
    """Messages, or frames, that the game has not read."""

    cdef int open(self) except -1:
        """Make ``store`` a place for more."""
        if self.store is not None:
            return 0
        if self.last is not None and Py_REFCNT(<PyObject *>self.last) == 1:
            self.store = self.last
            inbox_clear(&self.store.c)
        else:
            self.store = Store.__new__(Store)
            inbox_init(&self.store.c, UINT32_MAX, UINT32_MAX)
        self.last = None
        return 0

    cdef MessageBatch take(self, const uint32_t *handles, uint64_t *stale):
        cdef Store store
        self.open()
        store = self.store
        self.store = None
        self.cost = 0
        stale[0] += drop_stale(&store.c, handles)
        if store.c.capacity <= 4 * KEPT_BYTES:
            self.last = store
        return batch_of(store, 0, store.c.count)


@cython.final
@cython.auto_pickle(False)
cdef class Intake:
    """What was delivered, until the game reads it, and the table of clients that it knows of."""

    cdef int init(self, exchange *x, outbox *out, uint32_t capacity) except -1:
        self.x = x
        self.out = out
        self.capacity = capacity
        self.messages = Held()
        self.frames = Held()
        self.clients = <known_client *>calloc(capacity, sizeof(known_client))
        self.handles = <uint32_t *>calloc(capacity, sizeof(uint32_t))
        self.live = <uint8_t *>calloc(capacity, 1)
        if self.clients == NULL or self.handles == NULL or self.live == NULL:
            raise MemoryError
        return 0

    def __dealloc__(self):
        free(self.clients)
        free(self.handles)
        free(self.live)
        free(self.news)

    cdef int add_news(self, const session_news *news, uint32_t count) except -1:
        cdef uint32_t i, capacity
        cdef void *moved
        cdef known_client *c
        if self.news_count + count > self.news_capacity:
            capacity = max(2 * self.news_capacity, self.news_count + count)
            moved = realloc(self.news, capacity * sizeof(session_news))
            if moved == NULL:
                raise MemoryError
            self.news = <session_news *>moved
            self.news_capacity = capacity
        memcpy(self.news + self.news_count, news, count * sizeof(session_news))
        self.news_count += count
        for i in range(count):
            c = &self.clients[news[i].index]
            if news[i].kind == EVENT_MOVED:
                c.address = news[i].address
                continue
            if news[i].kind == EVENT_LEFT:
                self.leave(news[i].index)
                c.state = CLIENT_NONE
                continue
            c.client_id = news[i].client_id
            c.address = news[i].address
            c.generation = news[i].generation
            c.state = CLIENT_HERE
            memcpy(c.user_data, news[i].user_data, sizeof(c.user_data))
            self.handles[news[i].index] = (
                news[i].index | (news[i].generation & 0xFFFF) << 16)
            self.live[news[i].index] = 1
            self.live_count += 1
            outbox_open(self.out, news[i].index)
        return 0

    cdef void leave(self, uint32_t index) noexcept:
        """The game may no longer talk to this one."""
        if self.live[index]:
            self.live[index] = 0
            self.live_count -= 1
            self.clients[index].state = CLIENT_LEAVING

    cdef int pull(self) except -1:
        """Take what was delivered so far. Messages left lying stop it: peers feel that."""
        cdef exchange *x = self.x
        cdef delivery *d
        cdef sorting r
        cdef int status = 0
        cdef uint32_t taken_bytes = x.taken_bytes
        cdef uint32_t taken_entries = x.taken_entries
        self.messages.open()
        self.frames.open()
        while self.messages.cost < x.limit_bytes:
            d = <delivery *>ring_peek(x.deliveries)
            if d == NULL:
                break
            if d.news_count:
                self.add_news(d.news, d.news_count)
            r = sorting(0, self.frames.cost, x.limit_bytes, 0)
            with nogil:
                status = sort(&d.box, &self.messages.store.c, &self.frames.store.c, &r)
                taken_bytes += d.box.used
                taken_entries += d.box.count
                give_back(x, &d.box)
                free(d.news)
                ring_release(x.deliveries)
                ring_store(&x.taken_bytes, taken_bytes)
                ring_store(&x.taken_entries, taken_entries)
            self.messages.cost += r.message_cost
            self.frames.cost = r.frame_cost
            self.frames_dropped += r.dropped
            if status < 0:
                raise MemoryError
        return 0
