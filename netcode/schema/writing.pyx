"""The object path, Python objects to bits, under the GIL.

An object whose type is exactly the schema class is read through its slots; anything else, and
everything on a free-threaded build, through attributes. Pointers are borrowed wherever no Python
code can run in between; where it can (``__index__``, ``__float__``, attributes) a reference is
held.
"""

from cpython.object cimport PyObject, PyTypeObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memchr

from netcode.bits.quantize cimport in_range, quantize_in_range
from netcode.schema.direct cimport encode_direct, is_direct
from netcode.schema.ops cimport (
    FAULT_CHANGED,
    FAULT_COMPONENTS,
    FAULT_LENGTH,
    FAULT_MISSING,
    FAULT_NONE,
    FAULT_NUL,
    FAULT_PYTHON,
    FAULT_RANGE,
    FAULT_TYPE,
    FAULT_UTF8,
    OP_ARRAY,
    OP_BOOLS,
    OP_ENUM,
    OP_FLAGS,
    OP_NESTED,
    OP_OPTIONAL,
    OP_QUANTIZED,
    OP_QUAT,
    OP_TEXT,
    OP_UINT,
    OP_VARUINT,
    OP_VECTOR,
    fail,
    member_table,
    op,
    run_item,
)
from netcode.schema.packer cimport pack, pack_bytes, packer, varint_groups
from netcode.schema.rotation cimport quat_code
from netcode.schema.python cimport (
    SLOT,
    Py_DECREF,
    Py_False,
    Py_INCREF,
    Py_None,
    Py_True,
    Py_TYPE,
    Py_XDECREF,
    Py_XINCREF,
    PyBytes_AS_STRING,
    PyBytes_Check,
    PyBytes_FromObject,
    PyBytes_GET_SIZE,
    PyErr_Clear,
    PyErr_ExceptionMatches,
    PyErr_Occurred,
    PyExc_AttributeError,
    PyExc_OverflowError,
    PyExc_TypeError,
    PyExc_UnicodeError,
    PyFloat_AS_DOUBLE,
    PyFloat_AsDouble,
    PyFloat_CheckExact,
    PyFloat_FromDouble,
    PyList_Check,
    PyLong_AsUnsignedLongLong,
    PyLong_Check,
    PyLong_CheckExact,
    PyNumber_Index,
    PyObject_CheckBuffer,
    PyObject_GetAttr,
    PyObject_IsTrue,
    PyObject_TypeCheck,
    PySequence_Tuple,
    PyTuple_Check,
    PyTuple_CheckExact,
    PyTuple_GET_ITEM,
    PyTuple_GET_SIZE,
    PyUnicode_AsUTF8AndSize,
    PyUnicode_Check,
    item_of,
    length_of,
    likely,
    long_value,
    unlikely,
)
from netcode.schema.values cimport float_code, int_code, quantized_code, uint_code

import numpy

cdef object VALUE_NAME = "_value_"
cdef object NUMPY_BOOL = numpy.bool_


cdef int refuse(encoder *e, int code, const op *at, int32_t part, PyObject *value) noexcept:
    """Note a failure together with the value that caused it; returns -1."""
    if e.error.code == FAULT_NONE:
        Py_XINCREF(value)
        e.error.value = value
    return fail(&e.error, code, at, part)


cdef int refuse_raised(encoder *e, const op *at, int32_t part, PyObject *value) noexcept:
    """Note a failure whose exception is set: wrong types and sizes are ours, others pass."""
    if PyErr_ExceptionMatches(PyExc_OverflowError):
        PyErr_Clear()
        return refuse(e, FAULT_RANGE, at, part, value)
    if PyErr_ExceptionMatches(PyExc_TypeError):
        PyErr_Clear()
        return refuse(e, FAULT_TYPE, at, part, value)
    if PyErr_ExceptionMatches(PyExc_UnicodeError):
        PyErr_Clear()
        return refuse(e, FAULT_UTF8, at, part, value)
    return refuse(e, FAULT_PYTHON, at, part, value)


cdef int slow_int(encoder *e, const op *at, PyObject *o) noexcept:
    """``e.slow_code`` of an integer that is not a small exact int: a big one, a subclass, anything
    with __index__."""
    cdef int64_t value
    cdef uint64_t large
    cdef PyObject *number
    Py_INCREF(o)
    number = PyNumber_Index(o)
    if number == NULL:
        refuse_raised(e, at, 0, o)
    elif long_value(number, &value):
        if int_code(at, value, &e.slow_code) != FAULT_NONE:
            refuse(e, FAULT_RANGE, at, 0, o)
    else:
        large = PyLong_AsUnsignedLongLong(number)
        if large == <uint64_t>-1 and PyErr_Occurred() != NULL:
            refuse_raised(e, at, 0, o)
        elif uint_code(at, large, &e.slow_code) != FAULT_NONE:
            refuse(e, FAULT_RANGE, at, 0, o)
    Py_XDECREF(number)
    Py_DECREF(o)
    return -1 if e.error.code else 0


cdef double slow_float(encoder *e, const op *at, int32_t part, PyObject *o) noexcept:
    """A float that is not an exact float: an int, a NumPy scalar, anything with __float__. Look at
    ``e.error`` afterwards."""
    cdef double x
    Py_INCREF(o)
    x = PyFloat_AsDouble(o)
    if x == -1.0 and PyErr_Occurred() != NULL:
        refuse_raised(e, at, part, o)
    Py_DECREF(o)
    return x


cdef int slow_tuple(encoder *e, const op *at, PyObject *o) noexcept:
    """``e.slow_floats``, the components of a vector or quaternion, from any sequence of the right
    length."""
    cdef PyObject *items
    cdef int32_t i
    if PyUnicode_Check(o) or PyBytes_Check(o):
        return refuse(e, FAULT_TYPE, at, 0, o)
    Py_INCREF(o)
    items = PySequence_Tuple(o)
    if items == NULL:
        refuse_raised(e, at, 0, o)
    elif PyTuple_GET_SIZE(items) != at.count:
        refuse(e, FAULT_COMPONENTS, at, 0, o)
    else:
        for i in range(at.count):
            e.slow_floats[i] = slow_float(
                e, at if at.kind == OP_QUAT else at + 1 + i, i, PyTuple_GET_ITEM(items, i)
            )
            if e.error.code:
                break
    Py_XDECREF(items)
    Py_DECREF(o)
    return -1 if e.error.code else 0


cdef int slow_bools(encoder *e, const op *at, PyObject *owner, PyObject *only) noexcept:
    """``e.slow_code`` of a run of bools: of attributes, with NumPy's bools, or with a fault."""
    cdef PyObject *o
    cdef int32_t i
    cdef int truth
    e.slow_code = 0
    for i in range(at.count):
        if owner == NULL or at.count == 1:
            o = only
            Py_INCREF(o)
        else:
            o = PyObject_GetAttr(owner, e.code.names[at.entry + i])
            if o == NULL:
                return refuse_attribute(e, at, i)
        truth = o == Py_True
        if <PyObject *>Py_TYPE(o) == <PyObject *>NUMPY_BOOL:
            truth = PyObject_IsTrue(o)
        elif o != Py_True and o != Py_False:
            refuse(e, FAULT_TYPE, at, i, o)
        Py_DECREF(o)
        if e.error.code:
            return -1
        e.slow_code |= <uint64_t>truth << i
    return 0


cdef int refuse_float(encoder *e, int code, const op *at, int32_t part, double x) noexcept:
    """Note a failure of a float; returns -1."""
    cdef PyObject *value = PyFloat_FromDouble(x)
    if value == NULL:
        return refuse(e, FAULT_PYTHON, at, part, NULL)
    refuse(e, code, at, part, value)
    Py_DECREF(value)
    return -1


cdef int64_t find_member(const member_table *table, PyObject *o) noexcept:
    """The code of an enum member, or -1."""
    cdef uint32_t low = 0
    cdef uint32_t high = table.size
    cdef uint32_t i
    while low < high:
        i = (low + high) >> 1
        if <size_t>table.by_pointer[i].member < <size_t>o:
            low = i + 1
        else:
            high = i
    if low < table.size and table.by_pointer[low].member == o:
        return table.by_pointer[low].code
    return -1


cdef int slow_flags(encoder *e, const op *at, PyObject *o) noexcept:
    """``e.slow_code``, the bits of an enum.Flag."""
    cdef const member_table *table = &e.code.tables[at.table]
    cdef PyObject *number
    cdef int64_t value = -1
    if not PyObject_TypeCheck(o, <PyTypeObject *>table.cls):
        return refuse(e, FAULT_TYPE, at, 0, o)
    if PyLong_Check(o):
        long_value(o, &value)
    else:
        Py_INCREF(o)
        number = PyObject_GetAttr(o, <PyObject *>VALUE_NAME)
        if number == NULL:
            refuse_raised(e, at, 0, o)
        elif PyLong_Check(number):
            long_value(number, &value)
        Py_XDECREF(number)
        Py_DECREF(o)
        if number == NULL:
            return -1
    if value < 0 or <uint64_t>value & ~at.maximum:
        return refuse(e, FAULT_RANGE, at, 0, o)
    e.slow_code = <uint64_t>value
    return 0


cdef int encode_bytes(encoder *e, const op *at, PyObject *o) noexcept:
    """Text and blob: the length, then the bytes."""
    cdef const char *data
    cdef Py_ssize_t size = 0
    cdef PyObject *copy = NULL
    cdef int status = 0
    if at.kind == OP_TEXT:
        if not PyUnicode_Check(o):
            return refuse(e, FAULT_TYPE, at, 0, o)
        data = PyUnicode_AsUTF8AndSize(o, &size)
        if data == NULL:
            return refuse_raised(e, at, 0, o)
    else:
        if not PyBytes_Check(o):
            if not PyObject_CheckBuffer(o):
                return refuse(e, FAULT_TYPE, at, 0, o)
            Py_INCREF(o)
            copy = PyBytes_FromObject(o)
            if copy == NULL:
                refuse_raised(e, at, 0, o)
            Py_DECREF(o)
            if copy == NULL:
                return -1
        data = PyBytes_AS_STRING(o if copy == NULL else copy)
        size = PyBytes_GET_SIZE(o if copy == NULL else copy)
    if size > at.capacity:
        status = refuse(e, FAULT_LENGTH, at, 0, o)
    elif at.kind == OP_TEXT and memchr(data, 0, <size_t>size) != NULL:
        status = refuse(e, FAULT_NUL, at, 0, o)
    else:
        pack(&e.out, <uint64_t>size, at.bits)
        pack_bytes(&e.out, <const uint8_t *>data, <size_t>size)
    Py_XDECREF(copy)
    return status


cdef int encode_array(encoder *e, const op *at, PyObject *o) noexcept:
    """A list or tuple: the count, then the items."""
    cdef Py_ssize_t i, count
    cdef PyObject *item
    cdef int status = 0
    cdef int32_t depth = e.error.depth
    if not PyList_Check(o) and not PyTuple_Check(o):
        return refuse(e, FAULT_TYPE, at, 0, o)
    count = length_of(o)
    if count > at.capacity:
        return refuse(e, FAULT_LENGTH, at, 0, o)
    pack(&e.out, <uint64_t>count, at.bits)
    Py_INCREF(o)
    e.error.depth = depth + 1
    for i in range(count):
        e.error.index[depth] = <int32_t>i
        item = item_of(o, i)
        if item == NULL:
            status = refuse(e, FAULT_CHANGED, at, 0, o)
        else:
            status = encode_fields(e, at + 1, at + 1 + at.body, NULL, item, False)
            Py_DECREF(item)
        if status:
            break
    if status == 0:
        e.error.depth = depth
    Py_DECREF(o)
    return status


cdef int encode_inside(encoder *e, const op *at, PyObject *o) noexcept:
    """What recurses, and what has no code of its own."""
    cdef int status
    if at.kind == OP_ARRAY:
        return encode_array(e, at, o)
    if at.kind != OP_NESTED:
        return encode_bytes(e, at, o)
    Py_INCREF(o)
    status = encode_fields(
        e, at + 1, at + 1 + at.body, o, NULL, is_direct(at + 1, at.body, at.cls, o)
    )
    Py_DECREF(o)
    return status


cdef int encode_fields(
    encoder *e, const op *at, const op *end, PyObject *owner, PyObject *given, bint direct
) noexcept:
    """Run ops on the fields of ``owner``, or one op on the value ``given``.

    Calls that may not be inlined get no address of a local: the packer stays in registers.
    """
    cdef packer out = e.out
    cdef PyObject *o
    cdef PyObject *kept = NULL  # what the last attribute gave, owned
    cdef const op *vector
    cdef const run_item *run
    cdef const member_table *table
    cdef int64_t number = 0
    cdef uint64_t code = 0
    cdef uint64_t part = 0
    cdef size_t odd
    cdef double x = 0.0
    cdef int32_t i
    cdef uint32_t bits
    cdef int status
    cdef bint exact
    while at < end:
        if direct:  # also the value of an optional, which has its slot
            o = SLOT(owner, at.slot)
            if unlikely(o == NULL):
                refuse(e, FAULT_MISSING, at, 0, NULL)
                break
        elif given != NULL:
            o = given
            given = NULL
        else:
            o = PyObject_GetAttr(owner, e.code.names[at.entry])
            if o == NULL:
                refuse_attribute(e, at, 0)
                break
            Py_XDECREF(kept)
            kept = o
        bits = at.bits

        if at.kind == OP_UINT or at.kind == OP_VARUINT:
            exact = PyLong_CheckExact(o) and long_value(o, &number)
            if unlikely(not exact):
                if slow_int(e, at, o):
                    break
                code = e.slow_code
            else:
                code = <uint64_t>number - <uint64_t>at.low
                if unlikely(number < at.low or code > at.maximum):
                    refuse(e, FAULT_RANGE, at, 0, o)
                    break
            if at.kind == OP_VARUINT:
                while code >> 49:
                    pack(&out, code & 0x7F | 0x80, 8)
                    code >>= 7
                bits = varint_groups(code, &code)
            elif bits > 63:
                pack(&out, <uint32_t>code, 32)
                code >>= 32
                bits = 32
        elif at.kind == OP_BOOLS:
            # Without branches on the values, which nothing could predict.
            code = o == Py_True
            odd = (<size_t>o ^ <size_t>Py_True) & (<size_t>o ^ <size_t>Py_False)
            if direct:
                run = &e.code.runs[at.extra]
                for i in range(1, at.count):
                    o = SLOT(owner, run[i].slot)
                    code |= <uint64_t>(o == Py_True) << i
                    odd |= (<size_t>o ^ <size_t>Py_True) & (<size_t>o ^ <size_t>Py_False)
            if unlikely(odd or (not direct and at.count > 1)):
                if slow_bools(e, at, owner, o):
                    break
                code = e.slow_code
        elif at.kind == OP_VECTOR:
            exact = PyTuple_CheckExact(o) and PyTuple_GET_SIZE(o) == at.count
            if unlikely(not exact) and slow_tuple(e, at, o):
                break
            code = 0
            bits = 0
            for i in range(at.count):
                vector = at + 1 + i
                if exact and PyFloat_CheckExact(PyTuple_GET_ITEM(o, i)):
                    x = PyFloat_AS_DOUBLE(PyTuple_GET_ITEM(o, i))
                elif exact:
                    # Maybe its __float__ drops the tuple: take all anew, from a tuple held.
                    exact = False
                    if slow_tuple(e, at, o):
                        break
                    x = e.slow_floats[i]
                else:
                    x = e.slow_floats[i]
                if bits + vector.bits > 63:
                    pack(&out, code, bits)
                    code = 0
                    bits = 0
                if likely(in_range(&vector.grid, x)):
                    part = quantize_in_range(&vector.grid, x)
                else:
                    status = quantized_code(vector, x, &part, &e.clamped)
                    if unlikely(status):
                        refuse_float(e, status, vector, 0, x)
                        break
                code |= part << bits
                bits += vector.bits
            if unlikely(e.error.code):
                break
            at += at.body
        elif at.kind == OP_QUAT:
            exact = (
                PyTuple_CheckExact(o)
                and PyTuple_GET_SIZE(o) == 4
                and PyFloat_CheckExact(PyTuple_GET_ITEM(o, 0))
                and PyFloat_CheckExact(PyTuple_GET_ITEM(o, 1))
                and PyFloat_CheckExact(PyTuple_GET_ITEM(o, 2))
                and PyFloat_CheckExact(PyTuple_GET_ITEM(o, 3))
            )
            if unlikely(not exact):
                if slow_tuple(e, at, o):
                    break
                status = quat_code(
                    e.slow_floats[0],
                    e.slow_floats[1],
                    e.slow_floats[2],
                    e.slow_floats[3],
                    at.bits,
                    &code,
                )
            else:
                status = quat_code(
                    PyFloat_AS_DOUBLE(PyTuple_GET_ITEM(o, 0)),
                    PyFloat_AS_DOUBLE(PyTuple_GET_ITEM(o, 1)),
                    PyFloat_AS_DOUBLE(PyTuple_GET_ITEM(o, 2)),
                    PyFloat_AS_DOUBLE(PyTuple_GET_ITEM(o, 3)),
                    at.bits,
                    &code,
                )
            if unlikely(status):
                refuse(e, status, at, 0, o)
                break
            bits = at.width
        elif at.kind == OP_OPTIONAL:
            code = 0
            if o == Py_None:
                at += at.body
            else:
                code = 1
                given = o
        elif at.kind == OP_ENUM:
            table = &e.code.tables[at.table]
            code = 0
            while code < 8 and code < table.size and table.members[code] != o:
                code += 1
            if code == 8 or code == table.size:
                number = find_member(table, o)
                if unlikely(number < 0):
                    refuse(e, FAULT_TYPE, at, 0, o)
                    break
                code = <uint64_t>number
        elif at.kind == OP_FLAGS:
            if slow_flags(e, at, o):
                break
            code = e.slow_code
        elif at.kind >= OP_TEXT:
            e.out = out
            status = encode_inside(e, at, o)
            out = e.out
            if unlikely(status):
                break
            at += 1 + at.body
            continue
        else:
            if PyFloat_CheckExact(o):
                x = PyFloat_AS_DOUBLE(o)
            else:
                x = slow_float(e, at, 0, o)
                if e.error.code:
                    break
            if at.kind == OP_QUANTIZED and likely(in_range(&at.grid, x)):
                code = quantize_in_range(&at.grid, x)
            else:
                status = float_code(at, x, &code, &e.clamped)
                if unlikely(status):
                    refuse_float(e, status, at, 0, x)
                    break
            if bits > 63:
                pack(&out, <uint32_t>code, 32)
                code >>= 32
                bits = 32
        pack(&out, code, bits)
        at += 1
    Py_XDECREF(kept)
    e.out = out
    return -1 if e.error.code else 0


cdef int refuse_attribute(encoder *e, const op *at, int32_t part) noexcept:
    """An attribute could not be read; returns -1."""
    if PyErr_ExceptionMatches(PyExc_AttributeError):
        PyErr_Clear()
        return refuse(e, FAULT_MISSING, at, part, NULL)
    return refuse(e, FAULT_PYTHON, at, part, NULL)


cdef int encode_object(encoder *e, PyObject *o) noexcept:
    """Append one object; -1 and ``e.error`` when a field refuses its value."""
    cdef const op *at = e.code.ops
    cdef const op *end = at + e.code.size
    cdef bint direct = is_direct(at, e.code.size, e.code.cls, o)
    if direct:
        at = encode_direct(e.code, &e.out, at, end, o)
        if at == end:
            return 0
    return encode_fields(e, at, end, o, NULL, direct)


cdef int encode_rest(encoder *e, const op *at, PyObject *o) noexcept:
    """As ``encode_object`` from ``at`` on, where ``encode_direct`` stopped."""
    return encode_fields(e, at, e.code.ops + e.code.size, o, NULL, True)


cdef int encode_field(encoder *e, const op *at, PyObject *value) noexcept:
    """Append ``value`` as the one field ``at``; -1 and ``e.error`` when it does not fit."""
    cdef op one = at[0]
    if at.kind != OP_BOOLS:
        return encode_fields(e, at, at + 1 + at.body, NULL, value, False)
    one.count = 1
    return encode_fields(e, &one, &one + 1, NULL, value, False)
