"""The shortest way from an object's slots to bits, for values that are just what is expected.

Exact ints, floats, bools and tuples, in range. It stops in front of anything else, which
``writing`` then takes or refuses, so it has no errors and holds no references: no Python code
runs in it.
"""

from cpython.object cimport PyObject, PyTypeObject
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from netcode.bits.quantize cimport in_range, quantize_in_range
from netcode.schema.ops cimport (
    FAULT_NONE,
    OP_ANGLE,
    OP_BOOLS,
    OP_ENUM,
    OP_FLOAT32,
    OP_OPTIONAL,
    OP_QUANTIZED,
    OP_QUAT,
    OP_UINT,
    OP_VARUINT,
    OP_VECTOR,
    member_table,
    op,
    program,
    run_item,
)
from netcode.schema.packer cimport pack, packer, varint_groups
from netcode.schema.python cimport (
    SLOT,
    Py_False,
    Py_None,
    Py_True,
    Py_TYPE,
    PyFloat_AS_DOUBLE,
    PyFloat_CheckExact,
    PyLong_CheckExact,
    PyTuple_CheckExact,
    PyTuple_GET_ITEM,
    PyTuple_GET_SIZE,
    long_value,
    unlikely,
)
from netcode.schema.rotation cimport quat_code
from netcode.schema.values cimport float_code


cdef enum:
    FEW_MEMBERS = 8    # looked for one by one


cdef inline bint is_direct(
    const op *first, int32_t count, PyTypeObject *cls, PyObject *o
) noexcept:
    """May the fields of ``o`` be read through slots?"""
    return Py_TYPE(o) == cls and count > 0 and first.slot >= 0


cdef inline uint32_t direct_vector(const op *at, PyObject *o, uint64_t *code) noexcept:
    """The components of a tuple, and how many bits that is, up to 63; 0 when it is not taken."""
    cdef const op *part = at + 1
    cdef PyObject *item
    cdef uint64_t all = 0
    cdef uint32_t bits = 0
    cdef double x
    cdef int32_t i
    if unlikely(not PyTuple_CheckExact(o) or PyTuple_GET_SIZE(o) != at.count):
        return 0
    for i in range(at.count):
        item = PyTuple_GET_ITEM(o, i)
        if unlikely(not PyFloat_CheckExact(item) or bits + part.bits > 63):
            return 0
        x = PyFloat_AS_DOUBLE(item)
        if unlikely(not in_range(&part.grid, x)):
            return 0
        all |= quantize_in_range(&part.grid, x) << bits
        bits += part.bits
        part += 1
    code[0] = all
    return bits


cdef inline bint direct_quat(const op *at, PyObject *o, uint64_t *code) noexcept:
    """The code of a tuple of four floats; false when it is not taken."""
    cdef PyObject *x
    cdef PyObject *y
    cdef PyObject *z
    cdef PyObject *w
    if unlikely(not PyTuple_CheckExact(o) or PyTuple_GET_SIZE(o) != 4):
        return False
    x = PyTuple_GET_ITEM(o, 0)
    y = PyTuple_GET_ITEM(o, 1)
    z = PyTuple_GET_ITEM(o, 2)
    w = PyTuple_GET_ITEM(o, 3)
    if unlikely(
        not PyFloat_CheckExact(x)
        or not PyFloat_CheckExact(y)
        or not PyFloat_CheckExact(z)
        or not PyFloat_CheckExact(w)
    ):
        return False
    return quat_code(
        PyFloat_AS_DOUBLE(x),
        PyFloat_AS_DOUBLE(y),
        PyFloat_AS_DOUBLE(z),
        PyFloat_AS_DOUBLE(w),
        at.bits,
        code,
    ) == FAULT_NONE


cdef inline bint direct_bools(
    const run_item *run, int32_t count, PyObject *owner, uint64_t *code
) noexcept:
    """A run of bools, without branches on their values; false when one is none."""
    cdef uint64_t all = 0
    cdef size_t odd = 0
    cdef PyObject *o
    cdef int32_t i
    for i in range(count):
        o = SLOT(owner, run[i].slot)
        all |= <uint64_t>(o == Py_True) << i
        odd |= (<size_t>o ^ <size_t>Py_True) & (<size_t>o ^ <size_t>Py_False)
    code[0] = all
    return odd == 0


cdef inline uint64_t member_code(const member_table *table, PyObject *o) noexcept:
    """The code of one of the first members of an enum, or FEW_MEMBERS."""
    cdef uint64_t i
    for i in range(table.size if table.size < FEW_MEMBERS else FEW_MEMBERS):
        if table.members[i] == o:
            return i
    return FEW_MEMBERS


cdef inline const op *encode_direct(
    const program *code, packer *to, const op *at, const op *end, PyObject *owner
) noexcept:
    """Append the ops from ``at`` on; the first that is not taken, or ``end``."""
    cdef packer out = to[0]
    cdef PyObject *o
    cdef int64_t number = 0
    cdef uint64_t value = 0
    cdef uint64_t clamped = 0
    cdef uint32_t bits
    while at < end:
        o = SLOT(owner, at.slot)
        if unlikely(o == NULL):
            break
        bits = at.bits
        if at.kind == OP_UINT or at.kind == OP_VARUINT:
            if unlikely(not PyLong_CheckExact(o) or not long_value(o, &number)):
                break
            value = <uint64_t>number - <uint64_t>at.low
            if unlikely(number < at.low or value > at.maximum):
                break
            if at.kind == OP_VARUINT:
                if unlikely(value >> 49):
                    break
                bits = varint_groups(value, &value)
            elif unlikely(bits > 63):
                break
        elif at.kind == OP_VECTOR:
            bits = direct_vector(at, o, &value)
            if unlikely(bits == 0):
                break
            at += at.body
        elif at.kind == OP_BOOLS:
            if unlikely(not direct_bools(&code.runs[at.extra], at.count, owner, &value)):
                break
        elif at.kind == OP_QUAT:
            if unlikely(not direct_quat(at, o, &value)):
                break
            bits = at.width
        elif at.kind == OP_OPTIONAL:
            value = o != Py_None
            if not value:
                at += at.body
        elif at.kind == OP_QUANTIZED:
            if unlikely(not PyFloat_CheckExact(o) or bits > 63):
                break
            if unlikely(not in_range(&at.grid, PyFloat_AS_DOUBLE(o))):
                break
            value = quantize_in_range(&at.grid, PyFloat_AS_DOUBLE(o))
        elif at.kind == OP_ANGLE or at.kind == OP_FLOAT32:
            if unlikely(not PyFloat_CheckExact(o)):
                break
            if unlikely(float_code(at, PyFloat_AS_DOUBLE(o), &value, &clamped)):
                break
        elif at.kind == OP_ENUM:
            value = member_code(&code.tables[at.table], o)
            if unlikely(value == FEW_MEMBERS):
                break
        else:
            break
        pack(&out, value, bits)
        at += 1
    to[0] = out
    return at
