"""What arrived in a batch, as arrays over one buffer; objects only for those who ask."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from netcode.channel.inbox cimport inbox, inbox_entry


cdef class Store:
    """The memory of one or more deliveries, which batches and their views share."""
    cdef inbox c


cdef class Span:
    """A stretch of memory with the buffer protocol, read-only."""
    cdef object owner
    cdef void *at
    cdef Py_ssize_t size


cdef class MessageBatch:
    """See message_batch.pyi."""
    cdef Store store
    cdef inbox_entry *entries    # in the store's memory
    cdef uint32_t count
    cdef uint64_t bytes          # of the messages
    cdef inbox_entry *entry(self, Py_ssize_t number) except NULL
    cdef object item(self, inbox_entry *entry)


# The ``count`` entries from ``first`` on of a store, whose ``index`` is the slot alone.
cdef MessageBatch batch_of(Store store, uint32_t first, uint32_t count)

# One batch of all messages of several, copied; of one, itself.
cdef MessageBatch batch_joined(list batches)

# The batch with nothing else in its memory.
cdef MessageBatch batch_compact(MessageBatch batch)

# All of it as ``(index, channel, bytes)``.
cdef list batch_list(MessageBatch batch)
