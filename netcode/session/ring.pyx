"""A ring between two threads, as an object for its tests and for drivers to hold."""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from netcode.errors import ConfigError

__all__ = ["Ring"]


@cython.final
@cython.auto_pickle(False)
cdef class Ring:
    """A single-producer, single-consumer ring of fixed slots; drivers use its C form.

    Here a slot holds its size (4 bytes) and the item behind it.

    Args:
        slots: how many, a power of two up to 2**24.
        stride: bytes of a slot, 5 to 65,536.

    Raises:
        ConfigError: an argument is out of range.
    """

    def __cinit__(self, slots, stride):
        if not 1 <= slots <= 1 << 24 or slots & (slots - 1):
            raise ConfigError(f"slots: {slots}, must be a power of two up to {1 << 24}")
        if not 5 <= stride <= 65_536:
            raise ConfigError(f"stride: {stride}, must be 5 to 65536")
        self.c = ring_new(slots, stride)
        if self.c == NULL:
            raise MemoryError

    def __dealloc__(self):
        ring_free(self.c)

    def __len__(self):
        return ring_used(self.c)

    def push(self, const uint8_t[::1] data not None):
        """Add an item; False when the ring is full. One thread alone may push."""
        cdef uint8_t *place
        cdef Py_ssize_t size = data.shape[0]
        cdef uint32_t stored = <uint32_t>size
        if size > self.c.stride - 4:
            raise ConfigError(f"data: {size} bytes, must be at most {self.c.stride - 4}")
        place = ring_reserve(self.c)
        if place == NULL:
            return False
        memcpy(place, &stored, 4)
        if size:
            memcpy(place + 4, &data[0], size)
        ring_commit(self.c)
        return True

    def pop(self):
        """Take the oldest item; None when there is none. One thread alone may pop."""
        cdef uint8_t *place = ring_peek(self.c)
        cdef uint32_t size
        if place == NULL:
            return None
        memcpy(&size, place, 4)
        data = PyBytes_FromStringAndSize(<char *>place + 4, size)
        ring_release(self.c)
        return data
