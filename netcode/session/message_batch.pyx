"""What arrived in a batch, as arrays over one buffer."""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport UINT32_MAX, uint8_t, uint32_t

from netcode.channel.inbox cimport inbox_entry, inbox_free, inbox_init, inbox_push

import numpy as np

__all__ = ["MESSAGE_DTYPE", "MessageBatch"]

cdef inbox_entry layout
MESSAGE_DTYPE = np.dtype({
    "names": ["index", "channel", "offset", "size"],
    "formats": ["u4", "u1", "u4", "u4"],
    "offsets": [
        <char *>&layout.index - <char *>&layout,
        <char *>&layout.kind_or_channel - <char *>&layout,
        <char *>&layout.offset - <char *>&layout,
        <char *>&layout.size - <char *>&layout,
    ],
    "itemsize": sizeof(inbox_entry),
})


@cython.final
@cython.auto_pickle(False)
cdef class Store:
    """The memory of one or more deliveries, which batches and their views share."""

    def __cinit__(self):
        inbox_init(&self.c, 0, 0)

    def __dealloc__(self):
        inbox_free(&self.c)


@cython.final
@cython.auto_pickle(False)
cdef class Span:
    """A stretch of memory with the buffer protocol, read-only."""

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.at, self.size, 1, flags)

    def __releasebuffer__(self, Py_buffer *view):
        pass


cdef uint8_t nothing = 0


cdef Span span(object owner, void *at, Py_ssize_t size):
    cdef Span result = Span.__new__(Span)
    result.owner = owner
    result.at = at if size else &nothing
    result.size = size
    return result


@cython.final
@cython.auto_pickle(False)
cdef class MessageBatch:
    """Messages (or frames) in order of arrival, in one buffer: a row of ``records`` for each.

    As a sequence it gives ``(index, channel, bytes)``, made when asked for; ``records`` and
    ``buffer`` are views on the same memory, which lives as long as any of them.
    """

    def __len__(self):
        return self.count

    def __bool__(self):
        return self.count > 0

    cdef inbox_entry *entry(self, Py_ssize_t number) except NULL:
        cdef Py_ssize_t at = number + self.count if number < 0 else number
        if not 0 <= at < self.count:
            raise IndexError(f"message {number} of {self.count}")
        return &self.entries[at]

    cdef object item(self, inbox_entry *entry):
        return (
            entry.index, entry.kind_or_channel,
            PyBytes_FromStringAndSize(<char *>self.store.c.data + entry.offset, entry.size),
        )

    def __getitem__(self, Py_ssize_t number):
        """Message ``number`` as ``(index, channel or kind, bytes)``."""
        return self.item(self.entry(number))

    def __iter__(self):
        cdef uint32_t i
        for i in range(self.count):
            yield self.item(&self.entries[i])

    def __repr__(self):
        return f"<MessageBatch of {self.count} messages, {self.bytes} bytes>"

    @property
    def records(self):
        """A read-only structured array, a row per message, of ``MESSAGE_DTYPE``.

        ``index`` is the client's slot, ``channel`` the channel (of frames: the kind), ``offset``
        and ``size`` say where in ``buffer`` its bytes are.
        """
        return np.frombuffer(
            span(self, self.entries, self.count * <Py_ssize_t>sizeof(inbox_entry)),
            dtype=MESSAGE_DTYPE)

    @property
    def buffer(self):
        """A read-only memoryview of the bytes; other things may lie between the messages."""
        return memoryview(span(self, self.store.c.data, self.store.c.used))

    @property
    def nbytes(self):
        """Bytes of all messages."""
        return self.bytes

    def view(self, Py_ssize_t number):
        """The bytes of message ``number`` as a read-only memoryview, without a copy."""
        cdef inbox_entry *entry = self.entry(number)
        return memoryview(span(self, self.store.c.data + entry.offset, entry.size))


cdef MessageBatch batch_of(Store store, uint32_t first, uint32_t count):
    cdef MessageBatch batch = MessageBatch.__new__(MessageBatch)
    cdef uint32_t i
    batch.store = store
    batch.entries = store.c.entries + first
    batch.count = count
    for i in range(count):
        batch.bytes += batch.entries[i].size
    return batch


cdef MessageBatch batch_copied(list batches):
    cdef Store store = Store.__new__(Store)
    cdef MessageBatch batch
    cdef inbox_entry *entry
    cdef uint32_t i
    inbox_init(&store.c, UINT32_MAX, UINT32_MAX)
    for batch in batches:
        for i in range(batch.count):
            entry = &batch.entries[i]
            if inbox_push(&store.c, entry.index, entry.kind_or_channel, entry.is_frame,
                          batch.store.c.data + entry.offset, entry.size) < 0:
                raise MemoryError
    return batch_of(store, 0, store.c.count)


cdef MessageBatch batch_joined(list batches):
    return batches[0] if len(batches) == 1 else batch_copied(batches)


cdef MessageBatch batch_compact(MessageBatch batch):
    return batch if batch.bytes == batch.store.c.used else batch_copied([batch])


cdef list batch_list(MessageBatch batch):
    cdef uint32_t i
    return [batch.item(&batch.entries[i]) for i in range(batch.count)]
