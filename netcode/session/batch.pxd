"""Datagrams with their addresses in one contiguous buffer: the form in which I/O meets the core.

The same type serves both directions. Growing mode: ``datagrams_reserve`` a place, write it,
``datagrams_commit``. Slots mode, for receiving: fill ``datagrams_slot(d, 0..k-1)`` and their
``entries``, then set ``count = k``.
"""

from libc.stdint cimport uint8_t, uint32_t

from netcode.security.address cimport net_address


cdef struct datagram:
    net_address address          # the peer: where it came from, or where it goes
    uint32_t offset              # into datagrams.data
    uint32_t size


cdef struct datagrams:
    uint8_t *data
    datagram *entries
    uint32_t used                # bytes of data
    uint32_t capacity
    uint32_t count               # entries
    uint32_t entry_capacity
    uint32_t limit               # bytes that data may grow to
    uint32_t stride              # bytes of a slot; 0: growing mode


# Growing mode, empty, nothing allocated; 0.
cdef int datagrams_init(datagrams *d, uint32_t limit) noexcept nogil

# Slots mode: room for ``slots`` datagrams, all allocated; 0, or -1 out of memory.
cdef int datagrams_init_slots(datagrams *d, uint32_t slots, uint32_t stride) noexcept nogil

# Give the memory back.
cdef void datagrams_free(datagrams *d) noexcept nogil

# Room for the next datagram of up to ``size`` bytes, valid until the next call; NULL when full.
cdef uint8_t *datagrams_reserve(datagrams *d, uint32_t size) noexcept nogil


cdef inline void datagrams_clear(datagrams *d) noexcept nogil:
    """Forget every datagram and keep the memory."""
    d.count = 0
    d.used = 0


cdef inline void datagrams_commit(datagrams *d, uint32_t size,
                                  const net_address *address) noexcept nogil:
    """Make what was written to the reserved place a datagram of ``size`` bytes."""
    cdef datagram *entry = &d.entries[d.count]
    entry.address = address[0]
    entry.offset = d.count * d.stride if d.stride else d.used
    entry.size = size
    d.count += 1
    d.used += size


cdef inline uint8_t *datagrams_slot(datagrams *d, uint32_t slot) noexcept nogil:
    """The place of slot ``slot`` (slots mode), ``stride`` bytes."""
    return d.data + <size_t>slot * d.stride


cdef class DatagramBatch:
    """See batch.pyi."""
    cdef datagrams c
