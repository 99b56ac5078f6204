"""A ring of records between two threads, as an object for its tests."""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from netcode.errors import ConfigError

__all__ = ["RecordRing"]


@cython.final
@cython.auto_pickle(False)
cdef class RecordRing:
    """A single-producer, single-consumer ring of records; drivers use its C form.

    Args:
        size: its bytes, a power of two, 64 to 2**30.

    Raises:
        ConfigError: ``size`` is out of range.
    """

    def __cinit__(self, size):
        if not 64 <= size <= 1 << 30 or size & (size - 1):
            raise ConfigError(f"size: {size}, must be a power of two, 64 to {1 << 30}")
        self.c = records_new(size)
        if self.c == NULL:
            raise MemoryError

    def __dealloc__(self):
        records_free(self.c)

    @property
    def most(self):
        """Bytes of the largest record."""
        return records_most(self.c)

    def push(self, const uint8_t[::1] data not None):
        """Add a record, unseen until ``show``; False when the ring is full. One thread alone."""
        cdef Py_ssize_t size = data.shape[0]
        cdef uint8_t *place
        if size > records_most(self.c):
            raise ConfigError(f"data: {size} bytes, must be at most {records_most(self.c)}")
        place = records_reserve(self.c, <uint32_t>size)
        if place == NULL:
            return False
        if size:
            memcpy(place, &data[0], size)
        records_commit(self.c, <uint32_t>size)
        return True

    def show(self):
        """Let the consumer see what was pushed; True when it sleeps and is to be woken."""
        return records_show(self.c) and bell_tell(&self.bell)

    def pop(self):
        """Take the oldest record that was shown; None when there is none. One thread alone."""
        cdef uint32_t size = 0
        cdef uint8_t *place = records_peek(self.c, &size)
        if place == NULL:
            return None
        data = PyBytes_FromStringAndSize(<char *>place, size)
        records_step(self.c, size)
        records_give(self.c)
        return data

    def ahead(self):
        """The sizes of the records that ``pop`` will give, as far as it has looked."""
        cdef uint32_t size = 0
        cdef uint32_t cursor = self.c.at
        found = []
        while records_ahead(self.c, &cursor, &size) != NULL:
            found.append(size)
        return found

    @property
    def news(self):
        """How often ``show`` had something; note it before popping, for ``listen``."""
        return bell_news(&self.bell)

    def listen(self, uint32_t seen):
        """Whether the consumer may sleep: nothing was shown since ``news`` was ``seen``."""
        return bell_listen(&self.bell, seen)

    def awake(self):
        """The consumer sleeps no longer."""
        bell_awake(&self.bell)
