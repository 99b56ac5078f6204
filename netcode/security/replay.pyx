"""The replay window as a Python object, for tests and tools."""

cimport cython
from libc.stdint cimport uint64_t

__all__ = ["ReplayWindow"]


@cython.final
@cython.auto_pickle(False)
cdef class ReplayWindow:
    """Which of the newest 256 sequences have been received; sequences are 0 to 2**64 - 1."""

    def __cinit__(self):
        replay_init(&self.state)

    @property
    def most_recent(self):
        """The newest sequence marked, 0 at first."""
        return self.state.most_recent

    def check(self, uint64_t sequence):
        """Whether ``sequence`` is neither received nor 256 or more behind; changes nothing."""
        return bool(replay_check(&self.state, sequence))

    def advance(self, uint64_t sequence):
        """Mark ``sequence`` received. Call it only for a packet that proved authentic."""
        replay_advance(&self.state, sequence)
