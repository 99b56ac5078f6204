"""Values to codes and back, one place for all paths, so that all give the same bytes."""

from libc.math cimport INFINITY, fabs
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from netcode.bits.quantize cimport (
    QUANTIZE_NOT_FINITE,
    QUANTIZE_OK,
    dequantize,
    dequantize_angle,
    quantize,
    quantize_angle,
)
from netcode.schema.ops cimport (
    FAULT_CANONICAL,
    FAULT_CODE,
    FAULT_NAN,
    FAULT_NONE,
    FAULT_NOT_FINITE,
    FAULT_RANGE,
    OP_ANGLE,
    OP_CLAMP,
    OP_FINITE,
    OP_FLOAT32,
    OP_FLOAT64,
    OP_QUANTIZED,
    OP_SCALAR32,
    op,
)


cdef inline int int_code(const op *at, int64_t value, uint64_t *code) noexcept nogil:
    """Code of a signed value, or FAULT_RANGE."""
    code[0] = <uint64_t>value - <uint64_t>at.low
    return FAULT_NONE if value >= at.low and code[0] <= at.maximum else FAULT_RANGE


cdef inline int uint_code(const op *at, uint64_t value, uint64_t *code) noexcept nogil:
    """Code of a value above 2**63 - 1, or FAULT_RANGE."""
    code[0] = value - <uint64_t>at.low
    return FAULT_NONE if at.low >= 0 and code[0] <= at.maximum else FAULT_RANGE


cdef inline int quantized_code(
    const op *at, double value, uint64_t *code, uint64_t *clamped
) noexcept nogil:
    """Code of a value on the op's grid, or FAULT_NAN or FAULT_RANGE."""
    cdef int status = quantize(&at.grid, value, code)
    if status == QUANTIZE_OK:
        return FAULT_NONE
    if value != value:
        return FAULT_NAN
    if status == QUANTIZE_NOT_FINITE or not at.flags & OP_CLAMP:
        return FAULT_RANGE
    code[0] = 0 if value < at.grid.low else at.maximum
    clamped[0] += 1
    return FAULT_NONE


cdef inline int float32_code(const op *at, double value, uint64_t *code) noexcept nogil:
    """IEEE 754 single bits; every NaN is the same one."""
    cdef float single = <float>value
    cdef uint32_t word
    if not fabs(<double>single) < INFINITY:
        if value != value:
            code[0] = 0x7FC00000
            return FAULT_NAN if at.flags & OP_FINITE else FAULT_NONE
        if at.flags & OP_FINITE or fabs(value) < INFINITY:
            return FAULT_RANGE
    memcpy(&word, &single, 4)
    code[0] = word
    return FAULT_NONE


cdef inline int float64_code(const op *at, double value, uint64_t *code) noexcept nogil:
    """IEEE 754 double bits; every NaN is the same one."""
    if not fabs(value) < INFINITY:
        if value != value:
            code[0] = 0x7FF8000000000000ULL
            return FAULT_NAN if at.flags & OP_FINITE else FAULT_NONE
        if at.flags & OP_FINITE:
            return FAULT_RANGE
    memcpy(code, &value, 8)
    return FAULT_NONE


cdef inline int float_code(
    const op *at, double value, uint64_t *code, uint64_t *clamped
) noexcept nogil:
    """Code of a float, for every kind that has one float."""
    cdef uint32_t turn = 0
    cdef int status
    if at.kind == OP_QUANTIZED:
        return quantized_code(at, value, code, clamped)
    if at.kind == OP_ANGLE:
        status = quantize_angle(value, at.bits, &turn)
        code[0] = turn
        if status == QUANTIZE_OK:
            return FAULT_NONE
        return FAULT_NAN if value != value else FAULT_RANGE
    if at.kind == OP_FLOAT32:
        return float32_code(at, value, code)
    return float64_code(at, value, code)


cdef inline int float_check(const op *at, uint64_t code) noexcept nogil:
    """FAULT_NONE when ``float_code`` can give ``code``; else what is wrong with it."""
    if at.kind == OP_QUANTIZED:
        return FAULT_NONE if code <= at.maximum else FAULT_CODE
    if at.kind == OP_FLOAT32:
        if code & 0x7F800000 == 0x7F800000:
            if at.flags & OP_FINITE:
                return FAULT_NOT_FINITE
            if code & 0x7FFFFF and code != 0x7FC00000:
                return FAULT_CANONICAL
    elif at.kind == OP_FLOAT64:
        if code & 0x7FF0000000000000ULL == 0x7FF0000000000000ULL:
            if at.flags & OP_FINITE:
                return FAULT_NOT_FINITE
            if code & 0xFFFFFFFFFFFFFULL and code != 0x7FF8000000000000ULL:
                return FAULT_CANONICAL
    return FAULT_NONE


cdef inline double quantized_value(const op *at, uint64_t code) noexcept nogil:
    """The value of a code on the op's grid."""
    cdef double value = dequantize(&at.grid, code)
    return <double><float>value if at.flags & OP_SCALAR32 else value


cdef inline double float_value(const op *at, uint64_t code) noexcept nogil:
    """The value of a code that ``float_check`` accepts."""
    cdef double value
    cdef float single
    cdef uint32_t word
    if at.kind == OP_FLOAT64:
        memcpy(&value, &code, 8)
        return value
    if at.kind == OP_FLOAT32:
        word = <uint32_t>code
        memcpy(&single, &word, 4)
        return <double>single
    if at.kind == OP_ANGLE:
        value = dequantize_angle(<uint32_t>code, at.bits)
    else:
        value = dequantize(&at.grid, code)
    if at.flags & OP_SCALAR32:
        return <double><float>value
    return value
