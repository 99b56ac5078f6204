"""The replay window of netcode: the newest 256 sequences, one bit each."""

from libc.stdint cimport uint64_t
from libc.string cimport memset


cdef enum:
    REPLAY_WINDOW = 256
    REPLAY_WORDS = 4


cdef struct replay_window:
    uint64_t most_recent              # newest sequence marked; 0 at first
    uint64_t received[REPLAY_WORDS]  # bit sequence % 256, for (most_recent - 256, most_recent]


cdef inline void replay_init(replay_window *w) noexcept nogil:
    """Nothing received yet."""
    memset(w, 0, sizeof(replay_window))


cdef inline bint replay_check(const replay_window *w, uint64_t sequence) noexcept nogil:
    """Whether ``sequence`` is new and not too old. Changes nothing: the packet may be forged."""
    if sequence > w.most_recent:
        return True
    # Subtraction on the side that cannot wrap: sequence + 256 would, near 2**64.
    if w.most_recent - sequence >= REPLAY_WINDOW:
        return False
    return not (w.received[(sequence & 255) >> 6] >> (sequence & 63)) & 1


cdef inline void replay_advance(replay_window *w, uint64_t sequence) noexcept nogil:
    """Mark ``sequence`` received, once its packet proved authentic; too old changes nothing."""
    cdef uint64_t step
    if sequence > w.most_recent:
        if sequence - w.most_recent >= REPLAY_WINDOW:
            memset(w.received, 0, sizeof(w.received))
        else:
            # The slots of the sequences skipped over still hold the bits of 256 before.
            step = w.most_recent
            while step != sequence:
                step += 1
                w.received[(step & 255) >> 6] &= ~(<uint64_t>1 << (step & 63))
        w.most_recent = sequence
    elif w.most_recent - sequence >= REPLAY_WINDOW:
        return
    w.received[(sequence & 255) >> 6] |= <uint64_t>1 << (sequence & 63)


cdef class ReplayWindow:
    cdef replay_window state
