"""The object path, bits to Python objects, under the GIL.

Objects are made without ``__init__`` and filled through their slots. The reference that is being
filled is nobody else's, so this is safe on a free-threaded build as well.
"""

from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memchr

from netcode.schema.ops cimport (
    FAULT_CODE,
    FAULT_COUNT,
    FAULT_END,
    FAULT_NONE,
    FAULT_NUL,
    FAULT_PYTHON,
    FAULT_UTF8,
    FAULT_VARINT,
    OP_ARRAY,
    OP_BLOB,
    OP_BOOLS,
    OP_ENUM,
    OP_FLAGS,
    OP_SCALAR32,
    OP_NESTED,
    OP_OPTIONAL,
    OP_QUANTIZED,
    OP_QUAT,
    OP_TEXT,
    OP_UINT,
    OP_VARUINT,
    OP_VECTOR,
    fail,
    fail_bit,
    member_table,
    op,
    run_item,
)
from netcode.schema.packer cimport unpack, unpack_bytes, unpack_left, unpack_varint, unpacker
from netcode.schema.python cimport (
    Py_DECREF,
    Py_False,
    Py_INCREF,
    Py_None,
    Py_True,
    PyBytes_AS_STRING,
    PyBytes_FromStringAndSize,
    PyDict_GetItemWithError,
    PyErr_Clear,
    PyErr_ExceptionMatches,
    PyErr_Occurred,
    PyExc_UnicodeError,
    PyFloat_FromDouble,
    PyList_New,
    PyList_SET_ITEM,
    PyLong_FromLongLong,
    PyLong_FromUnsignedLongLong,
    PyObject_CallOneArg,
    PyObject_SetAttr,
    PyTuple_New,
    PyTuple_SET_ITEM,
    PyUnicode_DecodeUTF8,
    new_object,
    unlikely,
)
from netcode.schema.rotation cimport quat_check, quat_value
from netcode.schema.values cimport float_check, float_value, quantized_value


cdef PyObject *decode_flags(decoder *d, const op *at, uint64_t code) noexcept:
    """The member of an enum.Flag; NULL with an exception set."""
    cdef const member_table *table = &d.code.tables[at.table]
    cdef PyObject *number = PyLong_FromLongLong(<int64_t>code)
    cdef PyObject *member
    if number == NULL:
        return NULL
    member = PyDict_GetItemWithError(table.known, number)
    if member != NULL:
        Py_INCREF(member)
    elif PyErr_Occurred() == NULL:
        member = PyObject_CallOneArg(table.cls, number)
    Py_DECREF(number)
    return member


cdef PyObject *decode_bytes(decoder *d, const op *at, uint64_t size) noexcept:
    """Text or blob of ``size`` bytes; NULL and ``d.error``, or NULL with an exception set."""
    cdef uint64_t start = d.source.position - at.bits
    cdef PyObject *data
    cdef PyObject *text = NULL
    if size > <uint64_t>at.capacity:
        fail_bit(&d.error, FAULT_CODE, at, 0, start)
        return NULL
    if size * 8 > unpack_left(&d.source):
        fail_bit(&d.error, FAULT_END, at, 0, start)
        return NULL
    data = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>size)
    if data == NULL:
        return NULL
    unpack_bytes(&d.source, <uint8_t *>PyBytes_AS_STRING(data), <size_t>size)
    if at.kind == OP_BLOB:
        return data
    if memchr(PyBytes_AS_STRING(data), 0, <size_t>size) != NULL:
        fail_bit(&d.error, FAULT_NUL, at, 0, start)
    else:
        text = PyUnicode_DecodeUTF8(PyBytes_AS_STRING(data), <Py_ssize_t>size, NULL)
        if text == NULL and PyErr_ExceptionMatches(PyExc_UnicodeError):
            PyErr_Clear()
            fail_bit(&d.error, FAULT_UTF8, at, 0, start)
    Py_DECREF(data)
    return text


cdef PyObject *decode_array(decoder *d, const op *at, uint64_t count) noexcept:
    """A list, allocated only for a count that the data can hold; as ``decode_bytes``."""
    cdef uint64_t start = d.source.position - at.bits
    cdef PyObject *items
    cdef PyObject *item
    cdef int32_t depth = d.error.depth
    cdef int32_t i
    if count > <uint64_t>at.capacity:
        fail_bit(&d.error, FAULT_CODE, at, 0, start)
        return NULL
    if count * at.least > unpack_left(&d.source):
        fail_bit(&d.error, FAULT_COUNT, at, 0, start)
        return NULL
    items = PyList_New(<Py_ssize_t>count)
    if items == NULL:
        return NULL
    d.error.depth = depth + 1
    for i in range(<int32_t>count):
        d.error.index[depth] = i
        item = NULL
        if decode_fields(d, at + 1, at + 1 + at.body, NULL, &item):
            Py_DECREF(items)
            return NULL
        PyList_SET_ITEM(items, i, item)
    d.error.depth = depth
    return items


cdef PyObject *decode_inside(decoder *d, const op *at, uint64_t code) noexcept:
    """What recurses, and what is longer than a code; as ``decode_bytes``."""
    cdef PyObject *o
    if at.kind == OP_ARRAY:
        return decode_array(d, at, code)
    if at.kind != OP_NESTED:
        return decode_bytes(d, at, code)
    o = new_object(at.cls)
    if o != NULL and decode_fields(d, at + 1, at + 1 + at.body, o, NULL):
        Py_DECREF(o)
        return NULL
    return o


cdef inline int give(
    decoder *d, PyObject *owner, PyObject **single, int32_t slot, int32_t entry, PyObject *o
) noexcept:
    """Give ``o`` to its field; -1 with an exception set."""
    cdef int status
    if slot >= 0:
        (<PyObject **>(<char *>owner + slot))[0] = o
        return 0
    if owner == NULL:
        single[0] = o
        return 0
    status = PyObject_SetAttr(owner, d.code.names[entry], o)
    Py_DECREF(o)
    return status


cdef inline PyObject *floats(const double *values, int32_t count) noexcept:
    """A tuple of floats."""
    cdef PyObject *result = PyTuple_New(count)
    cdef PyObject *number
    cdef int32_t i
    if result == NULL:
        return NULL
    for i in range(count):
        number = PyFloat_FromDouble(values[i])
        if number == NULL:
            Py_DECREF(result)
            return NULL
        PyTuple_SET_ITEM(result, i, number)
    return result


cdef int decode_fields(
    decoder *d, const op *at, const op *end, PyObject *owner, PyObject **single
) noexcept:
    """Run ops into the fresh object ``owner``, or one op into ``single``.

    Calls that may not be inlined get no address of a local: the unpacker stays in registers.
    """
    cdef unpacker r = d.source
    cdef PyObject *o
    cdef uint64_t start = 0
    cdef uint64_t code
    cdef double q[4]
    cdef const run_item *run
    cdef int32_t i
    cdef int status = FAULT_NONE
    while at < end:
        start = r.position
        if unlikely(at.width > unpack_left(&r)):
            status = FAULT_END
            break
        code = unpack(&r, at.width)

        if at.kind == OP_UINT:
            if unlikely(at.bits > 57):
                if <uint64_t>(at.bits - 32) > unpack_left(&r):
                    status = FAULT_END
                    break
                code |= unpack(&r, at.bits - 32) << 32
            if unlikely(code > at.maximum):
                status = FAULT_CODE
                break
            code += <uint64_t>at.low
            if at.low >= 0:
                o = PyLong_FromUnsignedLongLong(code)
            else:
                o = PyLong_FromLongLong(<int64_t>code)
        elif at.kind == OP_BOOLS:
            run = &d.code.runs[at.extra]
            for i in range(at.count):
                o = Py_True if code >> i & 1 else Py_False
                Py_INCREF(o)
                if unlikely(give(d, owner, single, run[i].slot, at.entry + i, o)):
                    status = FAULT_PYTHON
                    break
            if unlikely(status):
                break
            at += 1
            continue
        elif at.kind == OP_QUANTIZED:
            if unlikely(code > at.maximum):
                status = FAULT_CODE
                break
            o = PyFloat_FromDouble(quantized_value(at, code))
        elif at.kind == OP_OPTIONAL:
            if code:
                at += 1
                continue
            o = Py_None
            Py_INCREF(o)
        elif at.kind == OP_VARUINT:
            if code >= 0x80 and not unpack_varint(&r, code, &code):
                status = FAULT_END if r.position > r.size else FAULT_VARINT
                break
            if unlikely(code > at.maximum):
                status = FAULT_CODE
                break
            o = PyLong_FromUnsignedLongLong(code)
        elif at.kind == OP_VECTOR:
            i = 0
            while True:
                at += 1
                start = r.position
                if unlikely(at.bits > unpack_left(&r)):
                    status = FAULT_END
                    break
                code = unpack(&r, at.bits)
                if unlikely(code > at.maximum):
                    status = FAULT_CODE
                    break
                q[i] = quantized_value(at, code)
                i += 1
                if at[-i].count == i:
                    break
            if unlikely(status):
                break
            at -= i
            o = floats(q, i)
        elif at.kind == OP_QUAT:
            status = quat_check(code, at.bits)
            if unlikely(status):
                break
            quat_value(code, at.bits, at.flags & OP_SCALAR32, q)
            o = floats(q, 4)
        elif at.kind == OP_ENUM:
            if unlikely(code > at.maximum):
                status = FAULT_CODE
                break
            o = d.code.tables[at.table].members[code]
            Py_INCREF(o)
        elif at.kind == OP_FLAGS:
            if unlikely(code & ~at.maximum):
                status = FAULT_CODE
                break
            o = decode_flags(d, at, code)
        elif at.kind >= OP_TEXT:
            d.source.position = r.position
            o = decode_inside(d, at, code)
            r.position = d.source.position
        else:
            if at.bits > 57:
                if <uint64_t>(at.bits - 32) > unpack_left(&r):
                    status = FAULT_END
                    break
                code |= unpack(&r, at.bits - 32) << 32
            status = float_check(at, code)
            if unlikely(status):
                break
            o = PyFloat_FromDouble(float_value(at, code))
        if unlikely(o == NULL):
            status = FAULT_PYTHON
            break
        if unlikely(give(d, owner, single, at.slot, at.entry, o)):
            status = FAULT_PYTHON
            break
        at += 1 + at.body
    d.source.position = r.position
    if unlikely(status):
        return fail_bit(&d.error, status, at, 0, start)
    return 0


cdef PyObject *decode_object(decoder *d) noexcept:
    """One new object; NULL and ``d.error``."""
    cdef PyObject *o = new_object(d.code.cls)
    if o == NULL:
        fail(&d.error, FAULT_PYTHON, NULL, 0)
        return NULL
    if decode_fields(d, d.code.ops, d.code.ops + d.code.size, o, NULL):
        Py_DECREF(o)
        return NULL
    return o
