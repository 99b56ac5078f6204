"""The op program in C: what a compiled schema is, and what a failed run of it leaves behind.

One flat array of ops drives every path. An op with a body (optional, nested, array, vector) has
its ops directly behind it, ``body`` of them. Offsets and lanes count from the nearest origin: the
storage of the top-level field, or, inside an array, the item.
"""

from cpython.object cimport PyObject, PyTypeObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from netcode.bits.quantize cimport quantizer


cdef enum op_kind:
    OP_UINT        # code = value - low
    OP_BOOLS       # a run of ``count`` bools, first in the lowest bit
    OP_QUANTIZED
    OP_ANGLE
    OP_FLOAT32
    OP_FLOAT64
    OP_VARUINT
    OP_VECTOR      # body: ``count`` OP_QUANTIZED
    OP_QUAT
    OP_ENUM
    OP_FLAGS
    OP_OPTIONAL    # one bit; body if it is set
    # From here on there is more to an op than a code or a few.
    OP_TEXT        # length in ``bits``, then bytes
    OP_BLOB
    OP_NESTED      # body: the fields of ``cls``
    OP_ARRAY       # count in ``bits``; body: one item


cdef enum store_kind:
    STORE_NONE
    STORE_U8
    STORE_U16
    STORE_U32
    STORE_U64
    STORE_I8
    STORE_I16
    STORE_I32
    STORE_I64
    STORE_F32
    STORE_F64


cdef enum:
    OP_CLAMP = 1     # a value out of range is moved to the nearest end
    OP_FINITE = 2    # NaN and infinities are refused
    OP_SCALAR32 = 4  # values are float32, on every path

    PROGRAM_MAX_DEPTH = 8
    PROGRAM_MAX_FIELDS = 255


cdef struct op:
    uint8_t kind
    uint8_t bits          # of the code, of a count or length, of one quaternion component
    uint8_t width         # bits to take before looking at the kind; at most 57
    uint8_t store
    uint8_t flags
    int32_t body
    int32_t entry         # of the names; a run of bools has ``count`` of them
    int32_t count
    int32_t slot          # of the member in its object, or -1: by attribute
    int32_t field         # top-level field that is the origin, or -1: the array's item
    int32_t offset        # of the storage
    int32_t inner         # offset of an array's items, a blob's data, an optional's value
    int32_t stride        # from item to item; bytes of an optional's value
    int32_t capacity      # items or bytes
    int32_t lane          # the first
    int32_t lanes         # all, those of the body included; for an array those of one item
    int32_t extra         # run of bools: index into ``program.runs``
    int32_t table         # index into ``program.tables``
    uint32_t least        # array: fewest bits of one item
    uint64_t maximum      # the largest code; for flags, the mask
    int64_t low
    PyTypeObject *cls     # nested
    quantizer grid


cdef struct run_item:     # one bool of a run
    int32_t slot
    int32_t field
    int32_t offset


cdef struct pointer_code:
    PyObject *member
    uint32_t code


cdef struct value_code:
    int64_t value
    uint32_t code


cdef struct member_table:
    uint32_t size
    PyObject **members        # by code
    pointer_code *by_pointer  # sorted
    int64_t *values           # by code, as rows hold them; NULL when they are the codes
    value_code *by_value      # sorted
    PyObject *cls             # flags: the class and its value -> member dict
    PyObject *known


cdef struct program:
    op *ops
    int32_t size
    int32_t fields
    uint64_t bits_min
    uint64_t bits_max
    run_item *runs
    member_table *tables
    PyObject **names          # by entry: the attribute, an interned str
    PyTypeObject *cls
    int32_t lanes             # 0: too many for a table
    int32_t masks             # nesting of optionals and arrays


cdef enum fault_code:
    FAULT_NONE
    # encoding
    FAULT_PYTHON       # an exception is set
    FAULT_MISSING
    FAULT_TYPE
    FAULT_RANGE
    FAULT_NAN
    FAULT_LENGTH       # too many bytes or items
    FAULT_COMPONENTS   # a vector with too few or too many
    FAULT_ZERO         # a quaternion of length 0
    FAULT_NUL
    FAULT_UTF8
    FAULT_CHANGED      # a list changed its length while it was encoded
    # decoding
    FAULT_END
    FAULT_CODE         # above the maximum
    FAULT_VARINT
    FAULT_COUNT        # above the limit, or more than the data can hold
    FAULT_NOT_FINITE
    FAULT_CANONICAL    # a second encoding of the same value
    FAULT_PADDING
    FAULT_TRAILING


cdef enum number_kind:
    NUMBER_NONE
    NUMBER_INT
    NUMBER_UINT
    NUMBER_FLOAT


cdef struct fault:
    int code
    const op *at          # NULL: no field
    int32_t part          # bool of a run, component of a vector, or 0
    int32_t depth         # array indices below
    int32_t index[PROGRAM_MAX_DEPTH]
    uint64_t bit          # decoding: where the item starts
    PyObject *value       # encoding an object: owned
    int number            # encoding a row: which of the three below
    int64_t int_value
    uint64_t uint_value
    double float_value


cdef inline int fail(fault *f, int code, const op *at, int32_t part) noexcept nogil:
    """Note the first failure; returns -1."""
    if f.code == FAULT_NONE:
        f.code = code
        f.at = at
        f.part = part
    return -1


cdef inline int fail_bit(
    fault *f, int code, const op *at, int32_t part, uint64_t bit
) noexcept nogil:
    """Note a failure of decoding; returns -1."""
    if f.code == FAULT_NONE:
        f.bit = bit
    return fail(f, code, at, part)
