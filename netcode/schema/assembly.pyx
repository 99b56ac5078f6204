"""The op program of one schema class in memory, and the errors of its runs."""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject, PyTypeObject
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.string cimport memset

from netcode.bits.quantize cimport QUANTIZE_OK, quantizer_init_step
from netcode.schema.ops cimport (
    FAULT_CANONICAL,
    FAULT_CHANGED,
    FAULT_CODE,
    FAULT_COMPONENTS,
    FAULT_COUNT,
    FAULT_END,
    FAULT_LENGTH,
    FAULT_MISSING,
    FAULT_NAN,
    FAULT_NOT_FINITE,
    FAULT_NUL,
    FAULT_PADDING,
    FAULT_PYTHON,
    FAULT_RANGE,
    FAULT_TRAILING,
    FAULT_TYPE,
    FAULT_UTF8,
    FAULT_VARINT,
    FAULT_ZERO,
    NUMBER_FLOAT,
    NUMBER_INT,
    NUMBER_UINT,
    OP_ANGLE,
    OP_ARRAY,
    OP_BLOB,
    OP_BOOLS,
    OP_CLAMP,
    OP_ENUM,
    OP_FINITE,
    OP_FLAGS,
    OP_FLOAT32,
    OP_FLOAT64,
    OP_NESTED,
    OP_OPTIONAL,
    OP_QUANTIZED,
    OP_QUAT,
    OP_SCALAR32,
    OP_TEXT,
    OP_UINT,
    OP_VARUINT,
    OP_VECTOR,
    STORE_F32,
    STORE_F64,
    STORE_I8,
    STORE_I16,
    STORE_I32,
    STORE_I64,
    STORE_U8,
    STORE_U16,
    STORE_U32,
    STORE_U64,
    fault,
    member_table,
    op,
    pointer_code,
    run_item,
    value_code,
)
from netcode.schema.plan cimport plan_free, plan_init
from netcode.schema.python cimport Py_XDECREF, member_offset

import sys

from netcode.schema.faults import decode_error, encode_error
from netcode.schema.kinds import FlagsKind

cdef dict OP_KINDS = {
    "uint": OP_UINT,
    "bools": OP_BOOLS,
    "quantized": OP_QUANTIZED,
    "angle": OP_ANGLE,
    "float32": OP_FLOAT32,
    "float64": OP_FLOAT64,
    "varuint": OP_VARUINT,
    "vector": OP_VECTOR,
    "quat": OP_QUAT,
    "enum": OP_ENUM,
    "flags": OP_FLAGS,
    "text": OP_TEXT,
    "blob": OP_BLOB,
    "optional": OP_OPTIONAL,
    "nested": OP_NESTED,
    "array": OP_ARRAY,
}
cdef dict STORES = {
    "u1": STORE_U8,
    "u2": STORE_U16,
    "u4": STORE_U32,
    "u8": STORE_U64,
    "i1": STORE_I8,
    "i2": STORE_I16,
    "i4": STORE_I32,
    "i8": STORE_I64,
    "f4": STORE_F32,
    "f8": STORE_F64,
}
cdef dict REASONS = {
    FAULT_MISSING: "missing",
    FAULT_TYPE: "type",
    FAULT_RANGE: "range",
    FAULT_NAN: "nan",
    FAULT_LENGTH: "length",
    FAULT_COMPONENTS: "type",
    FAULT_ZERO: "zero",
    FAULT_NUL: "nul",
    FAULT_UTF8: "utf8",
    FAULT_CHANGED: "changed",
    FAULT_END: "end",
    FAULT_CODE: "code",
    FAULT_VARINT: "varint",
    FAULT_COUNT: "count",
    FAULT_NOT_FINITE: "not_finite",
    FAULT_CANONICAL: "canonical",
    FAULT_PADDING: "padding",
    FAULT_TRAILING: "trailing",
}


cdef void *claim(size_t count, size_t size) except NULL:
    """Zeroed memory for ``count`` things, at least one."""
    cdef size_t total = (count if count else 1) * size
    cdef void *memory = PyMem_Malloc(total)
    if memory == NULL:
        raise MemoryError
    memset(memory, 0, total)
    return memory


cdef Py_ssize_t offset_of(object owner, str name) except -2:
    """Offset of a slot of a class, or -1."""
    for base in owner.__mro__:
        if name in base.__dict__:
            descriptor = base.__dict__[name]
            if getattr(descriptor, "__objclass__", None) is not base:  # of another class's objects
                return -1
            return member_offset(descriptor)
    return -1


cdef Py_ssize_t slot_of(dict found, object owner, str name) except -2:
    """Offset of the slot of a field, or -1: for all fields of a class when one has none, as where
    a mixin's property hides it. The object path looks at the first only.

    ``found`` keeps the slots of the classes asked for.
    """
    if owner is None:
        return -1
    if owner not in found:
        fields = getattr(owner, "__match_args__", ())  # dissect's holder of one value has none
        slots = {field: offset_of(owner, field) for field in fields}
        found[owner] = {} if -1 in slots.values() else slots
    return found[owner].get(name, -1)


@cython.final
@cython.auto_pickle(False)
@cython.no_gc_clear
cdef class Assembly:
    """The op program of ``cls`` in memory; immutable.

    Args:
        cls: the class; instances are made without calling ``__init__``.
        schema: its name, for errors.
        compiled: a ``netcode.schema.program.Program``.
    """

    def __cinit__(self, cls, str schema, compiled):
        cdef op *ops
        cdef run_item *runs
        cdef int32_t i
        self.cls = cls
        self.schema = schema
        self.names = tuple([sys.intern(entry.attribute) for entry in compiled.entries])
        self.paths = tuple([entry.path for entry in compiled.entries])
        self.limits = tuple([entry.limit for entry in compiled.entries])
        self.parts = []
        kept = []
        found = {}
        ops = <op *>claim(len(compiled.ops), sizeof(op))
        self.code.ops = ops
        self.code.size = <int32_t>len(compiled.ops)
        self.code.fields = compiled.fields
        self.code.bits_min = compiled.bits_min
        self.code.bits_max = compiled.bits_max
        self.code.cls = <PyTypeObject *>cls
        self.code.masks = compiled.masks
        self.code.lanes = <int32_t>len(compiled.lanes) if compiled.lanes is not None else 0
        runs = <run_item *>claim(len(compiled.runs), sizeof(run_item))
        self.code.runs = runs
        for i, item in enumerate(compiled.runs):
            runs[i].slot = <int32_t>slot_of(found, item.owner, item.attribute)
            runs[i].field = item.field
            runs[i].offset = item.offset
        self.code.names = <PyObject **>claim(len(self.names), sizeof(PyObject *))
        for i in range(<int32_t>len(self.names)):
            self.code.names[i] = <PyObject *>self.names[i]
        tables = [item.table for item in compiled.ops if item.table is not None]
        self.code.tables = <member_table *>claim(len(tables), sizeof(member_table))
        for i, table in enumerate(tables):
            kept.append(table)
            if isinstance(table, FlagsKind):
                known = table.cls._value2member_map_
                kept.append(known)
                self.code.tables[i].cls = <PyObject *>table.cls
                self.code.tables[i].known = <PyObject *>known
            else:
                self.fill(&self.code.tables[i], table.members, table.stored)
        self.kept = tuple(kept)
        table_count = 0
        for i, item in enumerate(compiled.ops):
            self.set_op(&ops[i], item, slot_of(found, item.owner, self.names[item.entry]))
            if item.table is not None:
                ops[i].table = table_count
                table_count += 1
        plan_init(&self.blocks, &self.code)

    cdef int set_op(self, op *at, item, Py_ssize_t slot) except -1:
        at.kind = OP_KINDS[item.kind]
        at.bits = item.bits
        at.width = item.width
        at.body = item.body
        at.entry = item.entry
        at.count = item.count
        at.slot = <int32_t>slot
        at.field = item.field
        at.offset = item.offset
        at.inner = item.inner
        at.stride = item.stride
        at.capacity = item.capacity
        at.lane = item.lane
        at.lanes = item.lanes
        at.extra = item.extra
        at.table = -1
        at.least = item.least
        at.maximum = item.maximum
        at.low = item.low
        at.cls = <PyTypeObject *>item.cls if item.cls is not None else NULL
        if item.dtype is not None:
            at.store = STORES[item.dtype.str[1:]]
            if at.store == STORE_F32:
                at.flags |= OP_SCALAR32
        if item.clamp:
            at.flags |= OP_CLAMP
        if item.finite:
            at.flags |= OP_FINITE
        if item.grid is not None:
            lo, hi, step = item.grid
            if (
                quantizer_init_step(&at.grid, lo, hi, step) != QUANTIZE_OK
                or at.grid.max_code != at.maximum
            ):
                raise AssertionError(f"{self.schema}: grid {lo}..{hi} step {step}")
        return 0

    cdef int fill(self, member_table *table, tuple members, tuple stored) except -1:
        """The tables of an enum."""
        cdef uint32_t i
        cdef bint same = True
        table.size = <uint32_t>len(members)
        table.members = <PyObject **>self.part(len(members), sizeof(PyObject *))
        table.by_pointer = <pointer_code *>self.part(len(members), sizeof(pointer_code))
        for i, member in enumerate(members):
            table.members[i] = <PyObject *>member
            same = same and stored[i] == i
        for i, (_, code) in enumerate(sorted([(id(m), c) for c, m in enumerate(members)])):
            table.by_pointer[i].member = <PyObject *>members[code]
            table.by_pointer[i].code = code
        if same:
            return 0
        table.values = <int64_t *>self.part(len(members), sizeof(int64_t))
        table.by_value = <value_code *>self.part(len(members), sizeof(value_code))
        for i, value in enumerate(stored):
            table.values[i] = value
        for i, (value, code) in enumerate(sorted([(v, c) for c, v in enumerate(stored)])):
            table.by_value[i].value = value
            table.by_value[i].code = code
        return 0

    cdef void *part(self, size_t count, size_t size) except NULL:
        """Zeroed memory that lives as long as the codec."""
        memory = bytearray((count if count else 1) * size)
        self.parts.append(memory)
        cdef char *start = memory
        return start

    def __dealloc__(self):
        plan_free(&self.blocks)
        PyMem_Free(self.code.ops)
        PyMem_Free(self.code.runs)
        PyMem_Free(self.code.names)
        PyMem_Free(self.code.tables)

    cdef str path_of(self, const fault *f):
        """The dotted name of the field at fault, with its array indices."""
        cdef int32_t i
        if f.at == NULL:
            return ""
        path = self.paths[self.entry_of(f)]
        for i in range(f.depth):
            path = path.replace("[]", f"[{f.index[i]}]", 1)
        return path

    cdef int32_t entry_of(self, const fault *f) noexcept:
        return f.at.entry + (f.part if f.at.kind == OP_BOOLS else 0)

    cdef int raise_encode(self, fault *f, int64_t row) except -1:
        """Raise for a failure of encoding, in ``row`` of a table or list when it is not -1."""
        value = None
        if f.code == FAULT_PYTHON:
            Py_XDECREF(f.value)
            return -1
        if f.value != NULL:
            value = <object>f.value
            Py_XDECREF(f.value)
            f.value = NULL
        elif f.number == NUMBER_INT:
            value = f.int_value
        elif f.number == NUMBER_UINT:
            value = f.uint_value
        elif f.number == NUMBER_FLOAT:
            value = f.float_value
        raise encode_error(
            REASONS[f.code],
            self.schema,
            self.path_of(f),
            value,
            self.limits[self.entry_of(f)],
            None if row < 0 else row,
        )

    cdef int raise_decode(self, fault *f) except -1:
        if f.code == FAULT_PYTHON:
            return -1
        raise decode_error(REASONS[f.code], self.schema, self.path_of(f), f.bit)
