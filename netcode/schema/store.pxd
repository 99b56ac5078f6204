"""Single values in NumPy memory: loads and stores by type, text and its check."""

from libc.stdint cimport (
    int8_t,
    int16_t,
    int32_t,
    int64_t,
    uint8_t,
    uint16_t,
    uint32_t,
    uint64_t,
)
from libc.string cimport memchr, memcpy

from netcode.schema.ops cimport (
    FAULT_NONE,
    FAULT_NUL,
    FAULT_RANGE,
    FAULT_UTF8,
    NUMBER_FLOAT,
    NUMBER_INT,
    NUMBER_UINT,
    STORE_F32,
    STORE_I8,
    STORE_I16,
    STORE_I32,
    STORE_U8,
    STORE_U16,
    STORE_U32,
    STORE_U64,
    fault,
    member_table,
    op,
    value_code,
)
from netcode.schema.values cimport int_code, uint_code


cdef inline int64_t load_int(int store, const uint8_t *p) noexcept nogil:
    """Any integer type; a uint64 above 2**63 - 1 comes out negative."""
    cdef uint16_t u16
    cdef int16_t i16
    cdef uint32_t u32
    cdef int32_t i32
    cdef int64_t i64
    if store == STORE_U8:
        return p[0]
    if store == STORE_I8:
        return <int8_t>p[0]
    if store == STORE_U16:
        memcpy(&u16, p, 2)
        return u16
    if store == STORE_I16:
        memcpy(&i16, p, 2)
        return i16
    if store == STORE_U32:
        memcpy(&u32, p, 4)
        return u32
    if store == STORE_I32:
        memcpy(&i32, p, 4)
        return i32
    memcpy(&i64, p, 8)
    return i64


cdef inline void store_int(int store, uint8_t *p, int64_t value) noexcept nogil:
    """The low bytes of ``value``, which fits."""
    if store == STORE_U8 or store == STORE_I8:
        memcpy(p, &value, 1)
    elif store == STORE_U16 or store == STORE_I16:
        memcpy(p, &value, 2)
    elif store == STORE_U32 or store == STORE_I32:
        memcpy(p, &value, 4)
    else:
        memcpy(p, &value, 8)


cdef inline double load_float(int store, const uint8_t *p) noexcept nogil:
    cdef float single
    cdef double value
    if store == STORE_F32:
        memcpy(&single, p, 4)
        return <double>single
    memcpy(&value, p, 8)
    return value


cdef inline void store_float(int store, uint8_t *p, double value) noexcept nogil:
    cdef float single
    if store == STORE_F32:
        single = <float>value
        memcpy(p, &single, 4)
    else:
        memcpy(p, &value, 8)


cdef inline int load_code(const op *at, const uint8_t *p, uint64_t *code) noexcept nogil:
    """The code of an integer in memory, or FAULT_RANGE."""
    cdef int64_t value = load_int(at.store, p)
    if value < 0 and at.store == STORE_U64:
        return uint_code(at, <uint64_t>value, code)
    return int_code(at, value, code)


cdef inline int load_member(
    const op *at, const member_table *table, const uint8_t *p, uint64_t *code
) noexcept nogil:
    """The code of an enum member in memory, or FAULT_RANGE."""
    cdef int64_t value = load_int(at.store, p)
    cdef uint32_t i, low, high
    code[0] = <uint64_t>value
    if table.values == NULL:
        return FAULT_NONE if code[0] <= at.maximum else FAULT_RANGE
    low = 0
    high = table.size
    while low < high:
        i = (low + high) >> 1
        if table.by_value[i].value < value:
            low = i + 1
        else:
            high = i
    if low == table.size or table.by_value[low].value != value:
        return FAULT_RANGE
    code[0] = table.by_value[low].code
    return FAULT_NONE


cdef inline int64_t member_value(const member_table *table, uint64_t code) noexcept nogil:
    """What a row holds for ``code``, which is in range."""
    return <int64_t>code if table.values == NULL else table.values[code]


cdef inline void note_int(fault *f, const op *at, const uint8_t *p) noexcept nogil:
    """Keep the integer at fault for the message."""
    f.int_value = load_int(at.store, p)
    f.uint_value = <uint64_t>f.int_value
    f.number = NUMBER_UINT if at.store == STORE_U64 else NUMBER_INT


cdef inline void note_float(fault *f, double value) noexcept nogil:
    """Keep the float at fault for the message."""
    f.float_value = value
    f.number = NUMBER_FLOAT


cdef inline int32_t text_size(const uint8_t *p, int32_t capacity) noexcept nogil:
    """Bytes up to the last that is not NUL, as NumPy reads its S type."""
    while capacity and p[capacity - 1] == 0:
        capacity -= 1
    return capacity


cdef inline int text_scan(const uint8_t *p, int32_t size) noexcept nogil:
    """The fault of a text that comes first: FAULT_NUL, FAULT_UTF8 or FAULT_NONE."""
    cdef int32_t i = 0
    cdef int32_t more
    cdef uint8_t c, low, high
    while i < size:
        c = p[i]
        i += 1
        if c < 0x80:
            if c == 0:
                return FAULT_NUL
            continue
        low = 0x80
        high = 0xBF
        if c < 0xC2 or c > 0xF4:
            return FAULT_UTF8
        if c < 0xE0:
            more = 1
        elif c < 0xF0:
            more = 2
            if c == 0xE0:
                low = 0xA0
            elif c == 0xED:
                high = 0x9F
        else:
            more = 3
            if c == 0xF0:
                low = 0x90
            elif c == 0xF4:
                high = 0x8F
        if more > size - i:
            return FAULT_UTF8
        while more:
            if p[i] < low or p[i] > high:
                return FAULT_UTF8
            low = 0x80
            high = 0xBF
            i += 1
            more -= 1
    return FAULT_NONE


cdef inline int text_check(const uint8_t *p, int32_t size) noexcept nogil:
    """FAULT_NUL, FAULT_UTF8 (also surrogates and overlong forms), or FAULT_NONE.

    A text with both faults has the first, wherever they are: the object path looks for NUL first.
    """
    cdef int status = text_scan(p, size)
    if status == FAULT_UTF8 and memchr(p, 0, <size_t>size) != NULL:
        return FAULT_NUL
    return status
