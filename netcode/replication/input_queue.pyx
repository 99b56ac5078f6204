"""The queue that feeds a player's inputs to the server, one a tick; frames are read in C.

Every player's frame comes every tick and repeats what was not confirmed, so most of a frame is
known already: it is walked without an object for it.
"""

import collections

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint64_t

from netcode.errors import DecodeError
from netcode.replication.inputs import MAX_FRAME as FRAME
from netcode.replication.inputs import MAX_QUEUED as QUEUED
from netcode.replication.inputs import MAX_REDUNDANT as REDUNDANT
from netcode.replication.inputs import RUNS_PER_TICK as RUNS
from netcode.replication.inputs import TARGET_QUEUED as TARGET

__all__ = ["InputQueue"]

cdef uint64_t MAX_FRAME = FRAME
cdef int MAX_QUEUED = QUEUED
cdef uint64_t MAX_REDUNDANT = REDUNDANT
cdef int RUNS_PER_TICK = RUNS
cdef int TARGET_QUEUED = TARGET


cdef struct reader:
    const uint8_t *data
    Py_ssize_t size
    Py_ssize_t offset


cdef enum fault:
    FAULT_NONE
    FAULT_END
    FAULT_LONG
    FAULT_CANONICAL


cdef inline int take_varint(reader *r, uint64_t limit, uint64_t *value) noexcept:
    """A canonical LEB128 number of at most ``limit``, or a fault."""
    cdef int shift = 0
    cdef uint8_t byte
    value[0] = 0
    while True:
        if r.offset >= r.size:
            return FAULT_END
        byte = r.data[r.offset]
        r.offset += 1
        if shift == 63 and byte & 0x7E:
            return FAULT_CANONICAL if byte < 0x80 else FAULT_LONG
        value[0] |= <uint64_t>(byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 63:
            return FAULT_LONG
    return FAULT_CANONICAL if (byte == 0 and shift) or value[0] > limit else FAULT_NONE


cdef object refusal(int fault, const reader *r):
    if fault == FAULT_END:
        what = "the data ends"
    elif fault == FAULT_LONG:
        what = "a number is too long"
    else:
        what = "a number is not canonical or too large"
    return DecodeError(f"{what} at byte {r.offset}", bit=r.offset * 8)


cdef class InputQueue:
    """One player's inputs on the server.

    ``take`` gives the input of this tick: the next in line, or the last one again when
    none has arrived. ``applied`` is the tick of the last input taken, ``received`` of the
    newest that arrived; both are 0 before any.
    """

    cdef readonly object decode
    cdef readonly object current
    cdef readonly object waiting    # deque of (tick, input), MAX_QUEUED at most
    cdef readonly uint64_t applied
    cdef readonly uint64_t received
    cdef readonly uint64_t repeated
    cdef readonly uint64_t skipped
    cdef readonly int runs          # read since the last ``take``

    def __cinit__(self, decode, first):
        self.decode = decode
        self.current = first
        self.waiting = collections.deque(maxlen=MAX_QUEUED)

    @classmethod
    def __class_getitem__(cls, item):
        return cls

    def receive(self, bytes frame not None):
        """Take in a frame whole, or raise DecodeError and change nothing."""
        cdef reader r
        cdef uint64_t tick = 0
        cdef uint64_t size = 0
        cdef uint64_t count = 0
        cdef uint64_t newest, run, oldest
        cdef int fault
        cdef list fresh = None
        if self.runs >= RUNS_PER_TICK:
            return
        r.data = <const uint8_t *>PyBytes_AS_STRING(frame)
        r.size = PyBytes_GET_SIZE(frame)
        r.offset = 0
        fault = take_varint(&r, ~<uint64_t>0, &tick)
        if fault:
            raise refusal(fault, &r)
        newest = tick
        while True:
            if r.offset >= r.size:
                raise refusal(FAULT_END, &r)
            run = r.data[r.offset]
            r.offset += 1
            self.runs += 1
            fault = take_varint(&r, MAX_FRAME, &size)
            if fault or size > <uint64_t>(r.size - r.offset):
                raise refusal(fault if fault else FAULT_END, &r)
            count += run
            if run == 0 or count > MAX_REDUNDANT or count > newest:
                raise DecodeError(f"a run of {run} inputs, {count} in all")
            if tick > self.received:
                value = self.decode(
                    PyBytes_FromStringAndSize(<const char *>r.data + r.offset, <Py_ssize_t>size)
                )
                oldest = tick - run if tick - run > self.received else self.received
                if fresh is None:
                    fresh = []
                while tick > oldest:
                    fresh.append((tick, value))
                    tick -= 1
                    run -= 1
            tick -= run
            r.offset += <Py_ssize_t>size
            if r.offset == r.size:
                break
        if fresh is not None:
            if len(self.waiting) + len(fresh) > MAX_QUEUED:
                self.skipped += len(self.waiting) + len(fresh) - MAX_QUEUED
            fresh.reverse()
            self.waiting.extend(fresh)
            self.received = newest

    def take(self):
        """The input of this tick."""
        cdef object waiting = self.waiting
        cdef Py_ssize_t size = len(waiting)
        self.runs = 0
        if size == 0:
            self.repeated += 1
            return self.current
        if size > TARGET_QUEUED + 1:
            waiting.popleft()
            self.skipped += 1
        applied, self.current = waiting.popleft()
        self.applied = applied
        return self.current
