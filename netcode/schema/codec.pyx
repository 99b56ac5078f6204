"""The compiled codec of one schema class: the Python side of the three paths."""

cimport cython
from cpython.buffer cimport (
    PyBUF_SIMPLE,
    PyBUF_WRITABLE,
    Py_buffer,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.bytes cimport (
    PyBytes_AS_STRING,
    PyBytes_CheckExact,
    PyBytes_FromStringAndSize,
    PyBytes_GET_SIZE,
)
from cpython.object cimport PyObject
from cpython.pyport cimport PY_SSIZE_T_MAX
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy

from netcode.schema.assembly cimport Assembly
from netcode.schema.direct cimport encode_direct, is_direct
from netcode.schema.lanes cimport dequantize_lanes, quantize_lanes
from netcode.schema.ops cimport (
    FAULT_NONE,
    FAULT_PADDING,
    FAULT_TRAILING,
    NUMBER_NONE,
    OP_BOOLS,
    fail_bit,
    fault,
    op,
    program,
)
from netcode.schema.packer cimport (
    PACK_SLACK,
    pack_finish,
    pack_init,
    pack_varint,
    packer,
    unpack,
    unpack_init,
    unpack_left,
    unpack_varint,
    unpacker,
)
from netcode.schema.python cimport Py_XDECREF, PyTuple_GET_ITEM, owned
from netcode.schema.python cimport PyBytes_FromStringAndSize as raw_bytes
from netcode.schema.reading cimport decode_object, decoder
from netcode.schema.rows cimport table_view
from netcode.schema.simd cimport decode_blocks, encode_blocks
from netcode.schema.tables cimport field_offsets, view_columns, view_records
from netcode.schema.writing cimport encode_field, encode_object, encode_rest, encoder

import numpy

from netcode.errors import EncodeError
from netcode.schema.faults import decode_error, value_at
from netcode.schema.limits import MANY_LIMIT, MAX_RECORDS_BYTES

cdef enum:
    STACK_BYTES = 1024     # encodings up to here need no allocation but the result
    COUNT_BYTES = 10       # a varint


cdef uint8_t *allocate(size_t size) except NULL:
    """A buffer for ``size`` bytes and a packer's slack; free() it."""
    cdef uint8_t *memory = <uint8_t *>malloc(size + PACK_SLACK)
    if memory == NULL:
        raise MemoryError
    return memory


cdef inline void start_encoder(encoder *e, Assembly assembly, uint8_t *data) noexcept:
    e.code = &assembly.code
    e.clamped = 0
    e.error.code = FAULT_NONE
    e.error.depth = 0
    e.error.value = NULL
    e.error.number = NUMBER_NONE
    pack_init(&e.out, data)


cdef inline void start_decoder(
    decoder *d, Assembly assembly, const char *data, Py_ssize_t size
) noexcept:
    d.code = &assembly.code
    d.error.code = FAULT_NONE
    d.error.depth = 0
    d.error.value = NULL
    unpack_init(&d.source, <const uint8_t *>data, <size_t>size)


cdef inline int finish(unpacker *source, fault *error) noexcept:
    """Refuse what stands behind the last bit: -1 and ``error``."""
    cdef uint64_t left = unpack_left(source)
    cdef uint64_t at = source.position
    if left >= 8:
        return fail_bit(error, FAULT_TRAILING, NULL, 0, at)
    if left and unpack(source, <int>left):
        return fail_bit(error, FAULT_PADDING, NULL, 0, at)
    return 0


cdef int refuse(Assembly assembly, table_view *t, rows) except -1:
    """Raise for a row of columns or records. A fault has room for a number only: what else the
    value may be is looked up."""
    if t.error.value == NULL and t.error.number == NUMBER_NONE:
        fields = assembly.cls._kind.fields
        value = value_at(fields, rows, t.row, assembly.path_of(&t.error))
        Py_INCREF(value)
        t.error.value = <PyObject *>value
    assembly.raise_encode(&t.error, t.row)
    return 0


@cython.final
@cython.auto_pickle(False)
cdef class Codec:
    """Encodes and decodes one schema class. Immutable, but for the count of clamped values.

    Args:
        cls: the class; instances are made without calling ``__init__``.
        schema: its name, for errors.
        compiled: a ``netcode.schema.program.Program``.
        dtype: NumPy type of one row.
    """

    def __cinit__(self, cls, str schema, compiled, dtype):
        cdef Py_ssize_t i
        self.assembly = Assembly(cls, schema, compiled)
        self.cls = cls
        self.schema = schema
        self.dtype = dtype
        for i, offset in enumerate(field_offsets(dtype)):
            self.offsets[i] = offset

    @property
    def bits_min(self):
        return self.assembly.code.bits_min

    @property
    def bits_max(self):
        return self.assembly.code.bits_max

    @property
    def clamped(self):
        return self.clamp_count

    # Objects

    @cython.binding(False)
    def encode(self, obj):
        """One object.

        Raises:
            EncodeError: a value does not fit its field, or is not set.
        """
        return self.encode_bytes(<PyObject *>obj)

    cdef bytes encode_bytes(self, PyObject *obj):
        """As ``encode``."""
        cdef uint8_t stack[STACK_BYTES + PACK_SLACK]
        cdef uint8_t *data = stack
        cdef PyObject *result = NULL
        cdef encoder e
        cdef packer out
        cdef const program *code = &self.assembly.code
        cdef const op *at = code.ops
        cdef const op *end = at + code.size
        cdef bint direct = is_direct(at, code.size, code.cls, obj)
        cdef int status = 0
        if code.bits_max > 8 * STACK_BYTES:
            data = allocate(<size_t>(code.bits_max // 8 + 1))
        pack_init(&out, data)
        if direct:
            at = encode_direct(code, &out, at, end, obj)
        if not direct or at < end:
            start_encoder(&e, self.assembly, data)
            e.out = out
            status = encode_rest(&e, at, obj) if direct else encode_object(&e, obj)
            out = e.out
            if status == 0:
                self.clamp_count += e.clamped
        if status == 0:
            result = raw_bytes(<char *>data, pack_finish(&out) - data)
        if data != stack:
            free(data)
        if status:
            self.assembly.raise_encode(&e.error, -1)
        return owned(result)

    @cython.binding(False)
    def decode(self, data):
        """One object from exactly its bytes.

        Raises:
            DecodeError: the bytes are no encoding.
        """
        cdef Py_buffer view
        cdef decoder d
        cdef PyObject *made
        cdef bint exact = PyBytes_CheckExact(data)
        if exact:  # no need to ask for a buffer
            start_decoder(&d, self.assembly, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        else:
            PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
            start_decoder(&d, self.assembly, <const char *>view.buf, view.len)
        made = decode_object(&d)
        if made != NULL and finish(&d.source, &d.error):
            Py_XDECREF(made)
            made = NULL
        if not exact:
            PyBuffer_Release(&view)
        if made == NULL:
            self.assembly.raise_decode(&d.error)
        return owned(made)

    def decode_from(self, data, Py_ssize_t offset=0):
        """One object from byte ``offset`` on; returns it and the offset behind it.

        Raises:
            DecodeError: the bytes there are no encoding; ``bit`` counts from ``offset``.
        """
        cdef Py_buffer view
        cdef decoder d
        cdef PyObject *made = NULL
        cdef uint64_t start = 0
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            if offset < 0 or offset > view.len:
                raise IndexError(f"offset {offset} is outside the {view.len} bytes")
            start_decoder(
                &d, self.assembly, <const char *>view.buf + offset, view.len - offset
            )
            made = decode_object(&d)
            start = d.source.position
            if made != NULL and unpack(&d.source, <int>(-start & 7)):
                fail_bit(&d.error, FAULT_PADDING, NULL, 0, start)
                Py_XDECREF(made)
                made = NULL
        finally:
            PyBuffer_Release(&view)
        if made == NULL:
            self.assembly.raise_decode(&d.error)
        return owned(made), offset + <Py_ssize_t>((start + 7) >> 3)

    def encode_into(self, obj, buffer, Py_ssize_t offset=0):
        """One object into ``buffer`` from byte ``offset`` on; returns the offset behind it.

        Raises:
            EncodeError: a value does not fit its field, or the buffer is too small.
        """
        cdef Py_buffer view
        cdef bytes data = self.encode_bytes(<PyObject *>obj)
        cdef Py_ssize_t size = len(data)
        PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
        try:
            if offset < 0 or offset > view.len or size > view.len - offset:
                raise EncodeError(
                    f"{self.schema}: {size} bytes do not fit behind offset {offset} of a buffer "
                    f"of {view.len}",
                    schema=self.schema,
                    value=size,
                    limit=f"{view.len - offset} bytes",
                )
            memcpy(<char *>view.buf + offset, <const char *>data, <size_t>size)
        finally:
            PyBuffer_Release(&view)
        return offset + size

    def check(self, int field, value):
        """Encode ``value`` as the top-level field number ``field``, for the checks of defaults.

        Raises:
            EncodeError: when it does not fit.
        """
        cdef encoder e
        cdef uint8_t *heap
        cdef const op *at = self.assembly.code.ops
        cdef const op *end = at + self.assembly.code.size
        while at < end and not (
            at.field <= field < at.field + (at.count if at.kind == OP_BOOLS else 1)
        ):
            at += 1 + at.body
        if at == end:
            raise IndexError(field)
        heap = allocate(<size_t>(self.assembly.code.bits_max // 8 + 1))
        try:
            start_encoder(&e, self.assembly, heap)
            if encode_field(&e, at, <PyObject *>value):
                if at.kind == OP_BOOLS:
                    e.error.at = at
                    e.error.part = field - at.field
                self.assembly.raise_encode(&e.error, -1)
        finally:
            free(heap)

    def encode_many(self, objects, *, limit=MANY_LIMIT):
        """A count and the objects, bit behind bit.

        Raises:
            EncodeError: a value does not fit its field, or there are more than ``limit`` objects.
        """
        cdef encoder e
        cdef uint8_t *heap
        cdef uint8_t *larger
        cdef uint8_t *end
        cdef size_t most = <size_t>(self.assembly.code.bits_max // 8 + 16)
        cdef size_t size
        cdef Py_ssize_t i, count, done
        cdef tuple items = tuple(objects)
        count = len(items)
        self.check_count(count, limit)
        size = COUNT_BYTES + most + <size_t>(count * (self.assembly.code.bits_min // 8 + 4))
        heap = allocate(size)
        end = heap + size
        try:
            start_encoder(&e, self.assembly, heap)
            pack_varint(&e.out, <uint64_t>count)
            for i in range(count):
                if <size_t>(end - e.out.at) < most:
                    done = e.out.at - heap
                    size = 2 * size + most
                    larger = <uint8_t *>realloc(heap, size + PACK_SLACK)
                    if larger == NULL:
                        raise MemoryError
                    heap = larger
                    end = heap + size
                    e.out.at = heap + done
                if encode_object(&e, PyTuple_GET_ITEM(<PyObject *>items, i)):
                    self.assembly.raise_encode(&e.error, i)
            self.clamp_count += e.clamped
            return PyBytes_FromStringAndSize(<char *>heap, pack_finish(&e.out) - heap)
        finally:
            free(heap)

    def decode_many(self, data, *, limit=MANY_LIMIT):
        """The list of objects from ``encode_many`` or ``encode_records``.

        Raises:
            DecodeError: the bytes are no encoding, or hold more than ``limit`` objects.
        """
        cdef Py_buffer view
        cdef decoder d
        cdef uint64_t count
        cdef PyObject *made
        cdef list result = []
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            start_decoder(&d, self.assembly, <const char *>view.buf, view.len)
            count = self.take_count(&d.source, limit)
            for _ in range(count):
                made = decode_object(&d)
                if made == NULL:
                    self.assembly.raise_decode(&d.error)
                result.append(owned(made))
            if finish(&d.source, &d.error):
                self.assembly.raise_decode(&d.error)
        finally:
            PyBuffer_Release(&view)
        return result

    # Rows

    def encode_records(self, records, *, limit=MANY_LIMIT):
        """The bytes that ``encode_many`` gives, from a structured array; releases the GIL.

        Raises:
            EncodeError: a value does not fit its field, or there are more than ``limit`` rows.
            TypeError: the array's fields are not those of ``dtype``.
        """
        cdef table_view t
        cdef packer out
        cdef uint8_t *heap
        cdef uint8_t *end
        cdef uint64_t most = self.assembly.code.bits_max
        cdef size_t size
        cdef int status
        view_records(
            &t, &self.assembly.code, self.offsets, self.schema, self.dtype, records, False
        )
        self.check_count(t.rows, limit)
        # One row of memory can be any number of rows: of a stride of 0.
        if most and <uint64_t>t.rows > <uint64_t>PY_SSIZE_T_MAX // most:
            raise MemoryError(f"{self.schema}: {t.rows:,} rows")
        size = <size_t>((<uint64_t>t.rows * most + 7) // 8 + COUNT_BYTES)
        heap = allocate(size)
        try:
            pack_init(&out, heap)
            with nogil:
                pack_varint(&out, <uint64_t>t.rows)
                status = encode_blocks(&t, &self.assembly.blocks, &out)
                end = pack_finish(&out)
            if status:
                refuse(self.assembly, &t, records)
            self.clamp_count += t.clamped
            return PyBytes_FromStringAndSize(<char *>heap, end - heap)
        finally:
            free(heap)

    def decode_records(self, data, out=None, *, limit=MANY_LIMIT):
        """A structured array from ``encode_records`` or ``encode_many``; releases the GIL.

        Args:
            data: any bytes-like object.
            out: an array to fill from its first row on, instead of a new one; its first rows are
                returned. When decoding fails its rows hold anything: a block of them is filled
                field by field, before the fault in it is found.
            limit: the largest count to accept.

        Raises:
            DecodeError: the bytes are no encoding, or hold more rows than ``limit`` or ``out``, or
                than fit in MAX_RECORDS_BYTES.
            TypeError: the fields of ``out`` are not those of ``dtype``.
        """
        cdef Py_buffer view
        cdef table_view t
        cdef decoder d
        cdef uint64_t count
        cdef int status
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            start_decoder(&d, self.assembly, <const char *>view.buf, view.len)
            count = self.take_count(&d.source, limit if out is None else min(limit, len(out)))
            if out is None:
                if count * self.dtype.itemsize > MAX_RECORDS_BYTES:
                    raise decode_error("count", self.schema, "", 0)
                result = numpy.zeros(count, self.dtype)
            else:
                result = out[:count]
            view_records(
                &t, &self.assembly.code, self.offsets, self.schema, self.dtype, result, True
            )
            with nogil:
                status = decode_blocks(&t, &self.assembly.blocks, &d.source)
            if status:
                self.assembly.raise_decode(&t.error)
            if finish(&d.source, &d.error):
                self.assembly.raise_decode(&d.error)
        finally:
            PyBuffer_Release(&view)
        return result

    # Lanes

    def quantize(self, columns, lanes, rows):
        """Fill ``lanes`` from ``columns``; see ``Schema.quantize``."""
        cdef Py_buffer lane_view
        cdef Py_buffer row_view
        cdef table_view t
        cdef uint8_t *masks
        cdef int status
        columns = view_columns(
            &t, &self.assembly.code, self.schema, self.dtype, columns, lanes, rows, False
        )
        PyObject_GetBuffer(lanes, &lane_view, PyBUF_WRITABLE)
        PyObject_GetBuffer(rows, &row_view, PyBUF_SIMPLE)
        masks = allocate(<size_t>(t.rows * self.assembly.code.masks))
        try:
            with nogil:
                status = quantize_lanes(
                    &t, <int32_t *>lane_view.buf, <const uint8_t *>row_view.buf, masks
                )
            if status:
                refuse(self.assembly, &t, columns)
            self.clamp_count += t.clamped
        finally:
            free(masks)
            PyBuffer_Release(&lane_view)
            PyBuffer_Release(&row_view)

    def dequantize(self, lanes, columns, rows):
        """Fill ``columns`` from ``lanes``; see ``Schema.dequantize``."""
        cdef Py_buffer lane_view
        cdef Py_buffer row_view
        cdef table_view t
        cdef uint8_t *masks
        columns = view_columns(
            &t, &self.assembly.code, self.schema, self.dtype, columns, lanes, rows, True
        )
        PyObject_GetBuffer(lanes, &lane_view, PyBUF_SIMPLE)
        PyObject_GetBuffer(rows, &row_view, PyBUF_SIMPLE)
        masks = allocate(<size_t>(t.rows * self.assembly.code.masks))
        try:
            with nogil:
                dequantize_lanes(
                    &t, <const int32_t *>lane_view.buf, <const uint8_t *>row_view.buf, masks
                )
        finally:
            free(masks)
            PyBuffer_Release(&lane_view)
            PyBuffer_Release(&row_view)

    cdef int check_count(self, int64_t count, limit) except -1:
        if count > limit:
            raise EncodeError(
                f"{self.schema}: {count:,} are more than limit={limit:,}",
                schema=self.schema,
                value=count,
                limit=f"at most {limit:,}",
            )
        return 0

    cdef uint64_t take_count(self, unpacker *source, limit) except? 0xFFFFFFFFFFFFFFFF:
        """Read a count that is within ``limit`` and that the data can hold."""
        cdef uint64_t count = 0
        cdef uint64_t least = self.assembly.code.bits_min
        if unpack_left(source) < 8:
            raise decode_error("end", self.schema, "", 0)
        if not unpack_varint(source, unpack(source, 8), &count):
            reason = "end" if source.position > source.size else "varint"
            raise decode_error(reason, self.schema, "", 0)
        if count > limit or (least and count > unpack_left(source) // least):
            raise decode_error("count", self.schema, "", 0)
        return count
