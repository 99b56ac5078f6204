# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""W2 and W3 as twin.h encodes and decodes them. Compiled when it is asked for; see native.py."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

cdef extern from "twin.h":
    ctypedef struct twin_entity:
        pass
    enum:
        TWIN_ENTITY_MOST
        TWIN_COUNT_MOST
        TWIN_SLACK
    size_t twin_encode(const twin_entity *e, uint8_t *out) noexcept nogil
    bint twin_decode(const uint8_t *data, size_t size, twin_entity *e) noexcept nogil
    size_t twin_encode_many(const twin_entity *e, uint32_t count, uint8_t *out) noexcept nogil
    int64_t twin_decode_many(
        const uint8_t *data, size_t size, twin_entity *e, uint32_t most
    ) noexcept nogil


ENTITY_BYTES = sizeof(twin_entity)


cdef class Twin:
    """The rows of a structured array, encoded and decoded in place.

    ``encode_*`` and ``decode_*`` run over memory made beforehand, so that a call measures only the
    C code; they raise ValueError for what the code refuses. Each row also is a message of its own.
    """

    cdef twin_entity *rows        # what is encoded
    cdef twin_entity *decoded
    cdef uint8_t *snapshot
    cdef size_t snapshot_size
    cdef uint8_t *messages        # each in MESSAGE_ROOM bytes
    cdef size_t *sizes
    cdef uint32_t count

    def __cinit__(self, records):
        cdef Py_buffer view
        PyObject_GetBuffer(records, &view, PyBUF_SIMPLE)
        try:
            if view.len == 0 or view.len % sizeof(twin_entity) or view.len >> 31:
                raise ValueError(f"{view.len} bytes are no rows of {sizeof(twin_entity)}")
            self.count = <uint32_t>(view.len // sizeof(twin_entity))
            self.rows = <twin_entity *>malloc(view.len)
            self.decoded = <twin_entity *>calloc(self.count, sizeof(twin_entity))
            self.snapshot = <uint8_t *>malloc(
                TWIN_COUNT_MOST + <size_t>self.count * TWIN_ENTITY_MOST + TWIN_SLACK
            )
            self.messages = <uint8_t *>malloc(self.count * room())
            self.sizes = <size_t *>calloc(self.count, sizeof(size_t))
            if not (self.rows and self.decoded and self.snapshot and self.messages and self.sizes):
                raise MemoryError
            memcpy(self.rows, view.buf, view.len)
        finally:
            PyBuffer_Release(&view)

    def __dealloc__(self):
        free(self.rows)
        free(self.decoded)
        free(self.snapshot)
        free(self.messages)
        free(self.sizes)

    def encode_snapshot(self):
        """W3: all rows in one message."""
        self.snapshot_size = twin_encode_many(self.rows, self.count, self.snapshot)
        if self.snapshot_size == 0:
            raise ValueError("a row is refused")

    def decode_snapshot(self):
        """The message of ``encode_snapshot`` into ``rows_decoded``."""
        cdef int64_t found = twin_decode_many(
            self.snapshot, self.snapshot_size, self.decoded, self.count
        )
        if found != self.count:
            raise ValueError("the snapshot is refused")

    def encode_messages(self):
        """W2: each row in a message of its own."""
        cdef uint32_t i
        for i in range(self.count):
            self.sizes[i] = twin_encode(self.rows + i, self.messages + i * room())
            if self.sizes[i] == 0:
                raise ValueError(f"row {i} is refused")

    def decode_messages(self):
        """The messages of ``encode_messages`` into ``rows_decoded``."""
        cdef uint32_t i
        for i in range(self.count):
            if not twin_decode(self.messages + i * room(), self.sizes[i], self.decoded + i):
                raise ValueError(f"message {i} is refused")

    @property
    def bytes_of_snapshot(self):
        return PyBytes_FromStringAndSize(<char *>self.snapshot, <Py_ssize_t>self.snapshot_size)

    @property
    def bytes_of_messages(self):
        return [
            PyBytes_FromStringAndSize(<char *>self.messages + i * room(), self.sizes[i])
            for i in range(self.count)
        ]

    @property
    def rows_decoded(self):
        """The memory of the rows that were decoded last."""
        return PyBytes_FromStringAndSize(<char *>self.decoded, self.count * sizeof(twin_entity))


cdef inline size_t room() noexcept nogil:
    return TWIN_ENTITY_MOST + TWIN_SLACK


def decode(data, out):
    """Decode one message into the first row of ``out``, a writable array; whether it is accepted."""
    cdef Py_buffer rows
    cdef bytes message = bytes(data)
    PyObject_GetBuffer(out, &rows, PyBUF_SIMPLE | PyBUF_WRITABLE)
    try:
        if rows.len < <Py_ssize_t>sizeof(twin_entity):
            raise ValueError("no room for a row")
        return twin_decode(<const uint8_t *><char *>message, len(message), <twin_entity *>rows.buf)
    finally:
        PyBuffer_Release(&rows)


def decode_many(data, out):
    """Decode a snapshot into ``out``, a writable array; the count, or None when it is refused."""
    cdef Py_buffer rows
    cdef bytes message = bytes(data)
    cdef int64_t count
    PyObject_GetBuffer(out, &rows, PyBUF_SIMPLE | PyBUF_WRITABLE)
    try:
        count = twin_decode_many(
            <const uint8_t *><char *>message, len(message), <twin_entity *>rows.buf,
            <uint32_t>(rows.len // sizeof(twin_entity)),
        )
        return None if count < 0 else count
    finally:
        PyBuffer_Release(&rows)
