"""Datagrams with their addresses in one contiguous buffer."""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy

from netcode.security.address cimport (
    address_from_object, address_to_tuple, address_unmap, net_address,
)

from netcode.constants import DATAGRAM_SLOT_BYTES
from netcode.errors import ConfigError

__all__ = ["DatagramBatch"]

cdef enum:
    FIRST_BYTES = 4096
    FIRST_ENTRIES = 16
    MAX_LIMIT = 1 << 30
    MAX_DATAGRAM = 65_507        # of UDP over IPv4

DEFAULT_LIMIT = 64 << 20


cdef int datagrams_init(datagrams *d, uint32_t limit) noexcept nogil:
    d.data = NULL
    d.entries = NULL
    d.used = d.capacity = d.count = d.entry_capacity = d.stride = 0
    d.limit = limit
    return 0


cdef int datagrams_init_slots(datagrams *d, uint32_t slots, uint32_t stride) noexcept nogil:
    datagrams_init(d, slots * stride)
    d.data = <uint8_t *>malloc(<size_t>slots * stride)
    d.entries = <datagram *>malloc(slots * sizeof(datagram))
    if d.data == NULL or d.entries == NULL:
        datagrams_free(d)
        return -1
    d.stride = stride
    d.capacity = slots * stride
    d.entry_capacity = slots
    return 0


cdef void datagrams_free(datagrams *d) noexcept nogil:
    free(d.data)
    free(d.entries)
    datagrams_init(d, d.limit)


cdef int grow_bytes(datagrams *d, uint64_t needed) noexcept nogil:
    cdef uint64_t capacity = d.capacity if d.capacity else FIRST_BYTES
    cdef uint8_t *data
    if needed > d.limit:
        return -1
    while capacity < needed:
        capacity *= 2
    if capacity > d.limit:
        capacity = d.limit
    data = <uint8_t *>realloc(d.data, <size_t>capacity)
    if data == NULL:
        return -1
    d.data = data
    d.capacity = <uint32_t>capacity
    return 0


cdef int grow_entries(datagrams *d) noexcept nogil:
    cdef uint32_t capacity = d.entry_capacity * 2 if d.entry_capacity else FIRST_ENTRIES
    # Empty datagrams cost no bytes of data: the limit bounds them as well.
    if <uint64_t>capacity * sizeof(datagram) > <uint64_t>d.limit + FIRST_BYTES:
        return -1
    cdef datagram *entries = <datagram *>realloc(d.entries, capacity * sizeof(datagram))
    if entries == NULL:
        return -1
    d.entries = entries
    d.entry_capacity = capacity
    return 0


cdef uint8_t *datagrams_reserve(datagrams *d, uint32_t size) noexcept nogil:
    if d.stride:
        if d.count >= d.entry_capacity or size > d.stride:
            return NULL
        return datagrams_slot(d, d.count)
    if d.count >= d.entry_capacity and grow_entries(d) < 0:
        return NULL
    if (d.data == NULL or <uint64_t>d.used + size > d.capacity) and grow_bytes(
            d, <uint64_t>d.used + size) < 0:
        return NULL
    return d.data + d.used


@cython.final
@cython.auto_pickle(False)
cdef class DatagramBatch:
    """Datagrams with their addresses, in order, in one contiguous buffer.

    Reading it (``batch[i]``, iteration) copies: what is returned outlives the batch.

    Args:
        slots: for receiving: the number of places, each ``DATAGRAM_SLOT_BYTES`` large, allocated
            at once. 0, the default: a buffer that grows.
        limit: bytes it may grow to, 4,096 to 2**30.

    Raises:
        ConfigError: ``slots`` or ``limit`` is out of range.
    """

    def __cinit__(self, *, slots=0, limit=DEFAULT_LIMIT):
        datagrams_init(&self.c, 0)
        if not 0 <= slots <= 65_536:
            raise ConfigError(f"slots: {slots}, must be 0 to 65536")
        if not FIRST_BYTES <= limit <= MAX_LIMIT:
            raise ConfigError(f"limit: {limit} bytes, must be {FIRST_BYTES} to {MAX_LIMIT}")
        if slots == 0:
            datagrams_init(&self.c, limit)
        elif datagrams_init_slots(&self.c, slots, DATAGRAM_SLOT_BYTES) < 0:
            raise MemoryError

    def __dealloc__(self):
        datagrams_free(&self.c)

    def __len__(self):
        return self.c.count

    def __getitem__(self, index):
        """The datagram number ``index`` as ``(bytes, (host, port))``."""
        cdef Py_ssize_t at = index
        if at < 0:
            at += self.c.count
        if not 0 <= at < self.c.count:
            raise IndexError(f"datagram {index} of {self.c.count}")
        cdef datagram *entry = &self.c.entries[at]
        return (
            PyBytes_FromStringAndSize(<char *>self.c.data + entry.offset, entry.size),
            address_to_tuple(&entry.address),
        )

    def __iter__(self):
        cdef Py_ssize_t at = 0
        while at < self.c.count:
            yield self[at]
            at += 1

    def __repr__(self):
        return f"<DatagramBatch of {self.c.count} datagrams, {self.nbytes} bytes>"

    @property
    def nbytes(self):
        """Bytes of all its datagrams."""
        cdef uint64_t total = 0
        cdef uint32_t i
        for i in range(self.c.count):
            total += self.c.entries[i].size
        return total

    @property
    def slots(self):
        """The number of places; 0 for a batch that grows."""
        return self.c.entry_capacity if self.c.stride else 0

    @property
    def limit(self):
        """Bytes it may grow to."""
        return self.c.limit

    def clear(self):
        """Forget every datagram and keep the memory."""
        datagrams_clear(&self.c)

    def append(self, const uint8_t[::1] data not None, address):
        """Add a datagram.

        Args:
            data: any buffer of up to 65,507 bytes (with slots: of a slot's size).
            address: ``(host, port)`` or an ``Address``, the host a literal. IPv4-mapped IPv6
                becomes IPv4.

        Raises:
            ConfigError: the address is none, or the datagram does not fit.
        """
        cdef net_address peer
        cdef uint8_t *place
        cdef uint32_t largest = self.c.stride if self.c.stride else MAX_DATAGRAM
        cdef Py_ssize_t size = data.shape[0]
        if size > largest:
            raise ConfigError(f"data: {size} bytes, must be at most {largest}")
        address_from_object(&peer, address)
        address_unmap(&peer)
        place = datagrams_reserve(&self.c, <uint32_t>size)
        if place == NULL:
            raise ConfigError(
                f"data: {size} bytes do not fit behind {self.c.count} datagrams of {self.c.used} "
                f"bytes, the limit is {self.c.limit} bytes"
            )
        if size:
            memcpy(place, &data[0], size)
        datagrams_commit(&self.c, <uint32_t>size, &peer)
