"""The values of one op in a block of rows, to codes.

Each kind is a loop of its own over plain numbers, without branches, for the C compiler to make
vector code of. What needs a closer look, which is a value at fault nearly always, is only noticed
here; the row path then looks at the block again, names the fault or finds that there is none.
"""

from libc.math cimport fabs, sqrt
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from netcode.schema.ops cimport (
    OP_ANGLE,
    OP_BOOLS,
    OP_ENUM,
    OP_FLAGS,
    OP_FLOAT32,
    OP_FLOAT64,
    OP_OPTIONAL,
    OP_QUANTIZED,
    OP_QUAT,
    STORE_F32,
    STORE_I8,
    STORE_I16,
    STORE_I32,
    STORE_U8,
    STORE_U16,
    STORE_U32,
    member_table,
    op,
    run_item,
)
from netcode.schema.plan cimport BLOCK_ROWS, NARROW_QUAT
from netcode.schema.rotation cimport quat_code, quat_settle
from netcode.schema.rows cimport table_view
from netcode.schema.store cimport load_float, load_member

cdef struct rows_at:
    table_view *t
    int64_t shift                  # bytes from row 0 to the first row of the block
    int64_t stride                 # bytes from row to row
    int count                      # rows, at most BLOCK_ROWS
    const uint64_t *mask           # all ones for the rows that the op is for; NULL: for all


cdef inline uint64_t bits_of(double x) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, &x, 8)
    return word


cdef inline double chosen(uint64_t mask, double x, double y) noexcept nogil:
    """``x`` where the mask is all ones, ``y`` where it is zero."""
    cdef uint64_t word = bits_of(y) ^ ((bits_of(x) ^ bits_of(y)) & mask)
    cdef double result
    memcpy(&result, &word, 8)
    return result


cdef inline void load_floats(
    const rows_at *r, int store, const uint8_t *data, double neutral, double *x
) noexcept nogil:
    """The floats of the rows; ``neutral`` where the mask is zero."""
    cdef const uint64_t *mask = r.mask
    cdef int64_t stride = r.stride
    cdef int count = r.count
    cdef float single
    cdef int i
    if store == STORE_F32:
        for i in range(count):
            memcpy(&single, data + i * stride, 4)
            x[i] = <double>single
    else:
        for i in range(count):
            memcpy(&x[i], data + i * stride, 8)
    if mask != NULL:
        for i in range(count):
            x[i] = chosen(mask[i], x[i], neutral)


cdef inline void load_ints(
    const rows_at *r, int store, const uint8_t *data, uint64_t neutral, uint64_t *x
) noexcept nogil:
    """The integers of the rows, negative ones wrapped around; ``neutral`` where the mask is
    zero."""
    cdef const uint64_t *mask = r.mask
    cdef int64_t stride = r.stride
    cdef int count = r.count
    cdef uint16_t u16
    cdef int16_t i16
    cdef uint32_t u32
    cdef int32_t i32
    cdef int i
    if store == STORE_U8:
        for i in range(count):
            x[i] = data[i * stride]
    elif store == STORE_U16:
        for i in range(count):
            memcpy(&u16, data + i * stride, 2)
            x[i] = u16
    elif store == STORE_U32:
        for i in range(count):
            memcpy(&u32, data + i * stride, 4)
            x[i] = u32
    elif store == STORE_I8:
        for i in range(count):
            x[i] = <uint64_t><int64_t><int8_t>data[i * stride]
    elif store == STORE_I16:
        for i in range(count):
            memcpy(&i16, data + i * stride, 2)
            x[i] = <uint64_t><int64_t>i16
    elif store == STORE_I32:
        for i in range(count):
            memcpy(&i32, data + i * stride, 4)
            x[i] = <uint64_t><int64_t>i32
    else:
        for i in range(count):
            memcpy(&x[i], data + i * stride, 8)
    if mask != NULL:
        for i in range(count):
            x[i] ^= (x[i] ^ neutral) & ~mask[i]


cdef inline bint outside(int count, const double *x, double low, double high) noexcept nogil:
    """True when a number is not from ``low`` to ``high``, which are finite.

    The signs of differences, as comparing in a loop is not made vector code.
    """
    cdef uint64_t signs = 0
    cdef uint64_t strange = 0
    cdef int i
    for i in range(count):
        signs |= bits_of(x[i] - low) | bits_of(high - x[i])
        strange |= bits_of(x[i] - x[i])  # 0, or a NaN
    return signs >> 63 or strange


cdef inline bint int_codes(const op *at, int count, uint64_t *codes) noexcept nogil:
    """Values to codes in place; true when one is out of range.

    A value below the lowest wraps around to a code above the maximum, whatever the type.
    """
    cdef uint64_t low = <uint64_t>at.low
    cdef int i
    if low:
        for i in range(count):
            codes[i] = codes[i] - low
    return above(at.maximum, count, codes)


cdef inline bint above(uint64_t maximum, int count, const uint64_t *codes) noexcept nogil:
    """True when a code is above ``maximum``."""
    cdef uint64_t signs = 0
    cdef int i
    if maximum >> 63:
        for i in range(count):
            if codes[i] > maximum:
                return True
        return False
    for i in range(count):
        signs |= codes[i] | (maximum - codes[i])
    return signs >> 63


cdef inline bint flag_codes(const op *at, int count, const uint64_t *codes) noexcept nogil:
    """True when there is a bit that is no flag."""
    cdef uint64_t all = 0
    cdef int i
    for i in range(count):
        all |= codes[i]
    return all & ~at.maximum != 0


cdef inline bint quantized_codes(
    const op *at, int count, const double *x, uint64_t *codes
) noexcept nogil:
    """As ``values.quantized_code``; true when a value is outside, or just outside, the range."""
    cdef double low = at.grid.low
    cdef double inverse = at.grid.inverse
    cdef double top = <double>at.maximum
    cdef double code
    cdef int i
    if outside(count, x, low, at.grid.accept_high):
        return True
    for i in range(count):
        code = (x[i] - low) * inverse
        code = code + 0.5
        code = code if code < top else top
        codes[i] = <uint64_t><int64_t>code
    return False


cdef inline bint gather_quantized(
    const rows_at *r, const op *at, int place, uint64_t *words
) noexcept nogil:
    """Put the codes of a quantised op at bit ``place`` of words, in one go as it is the most
    frequent; true when the row path has to look. The op has at most 31 bits."""
    cdef const uint8_t *data = r.t.bases[at.field] + at.offset + r.shift
    cdef double low = at.grid.low
    cdef double high = at.grid.accept_high
    cdef double inverse = at.grid.inverse
    cdef double top = <double>at.maximum
    cdef const uint64_t *mask = r.mask
    cdef int64_t stride = r.stride
    cdef int count = r.count
    cdef uint64_t signs = 0
    cdef uint64_t strange = 0
    cdef double x[BLOCK_ROWS]
    cdef double value, code
    cdef float single
    cdef int i
    if at.store == STORE_F32:
        for i in range(count):
            memcpy(&single, data + i * stride, 4)
            x[i] = <double>single
    else:
        for i in range(count):
            memcpy(&x[i], data + i * stride, 8)
    if mask != NULL:
        for i in range(count):
            x[i] = chosen(mask[i], x[i], low)
    for i in range(count):
        value = x[i]
        code = value - low
        signs |= bits_of(code) | bits_of(high - value)
        strange |= bits_of(value - value)
        code = code * inverse
        code = code + 0.5
        code = code if code > 0.0 else 0.0  # so that every cast is defined
        code = code if code < top else top
        words[i] |= <uint64_t><uint32_t><int32_t>code << place
    return signs >> 63 or strange


cdef inline bint angle_codes(
    const op *at, int count, const double *x, uint64_t *codes
) noexcept nogil:
    """As ``quantize_angle``; true when an angle is above a turn."""
    cdef double scale = <double>(<uint64_t>1 << at.bits) / 6.283185307179586
    cdef int64_t mask = (<int64_t>1 << at.bits) - 1
    cdef double code
    cdef int64_t whole
    cdef int32_t narrow
    cdef int i
    if outside(count, x, -6.283185307179586, 6.283185307179586):
        return True
    if at.bits <= 30:
        for i in range(count):
            code = x[i] * scale
            code = code + 0.5
            narrow = <int32_t>code
            narrow -= <double>narrow > code
            codes[i] = <uint32_t>narrow & mask
    else:
        for i in range(count):
            code = x[i] * scale
            code = code + 0.5
            whole = <int64_t>code
            whole -= <double>whole > code
            codes[i] = <uint64_t>(whole & mask)
    return False


cdef inline bint float_codes(
    const op *at, int count, const double *x, uint64_t *codes
) noexcept nogil:
    """IEEE 754 bits; true when one is an infinity, a NaN, or too large for 32 bits."""
    cdef float single
    cdef uint32_t word
    cdef bint bad = False
    cdef int i
    if at.kind == OP_FLOAT32:
        for i in range(count):
            single = <float>x[i]
            memcpy(&word, &single, 4)
            bad |= (word & 0x7F800000) == 0x7F800000
            codes[i] = word
        return bad
    for i in range(count):
        memcpy(&codes[i], &x[i], 8)
        bad |= (codes[i] & 0x7FF0000000000000ULL) == 0x7FF0000000000000ULL
    return bad


cdef inline void bool_codes(const rows_at *r, const op *at, uint64_t *codes) noexcept nogil:
    """A run of bools; neighbours in memory are taken eight at a time."""
    cdef table_view *t = r.t
    cdef const run_item *run = &t.code.runs[at.extra]
    cdef const uint8_t *data
    cdef int64_t stride = r.stride
    cdef int count = r.count
    cdef uint64_t word
    cdef int32_t done = 0
    cdef int32_t size, shift
    cdef int i
    for i in range(count):
        codes[i] = 0
    while done < at.count:
        data = t.bases[run[done].field] + run[done].offset
        size = 1
        while (
            size < 8
            and done + size < at.count
            and t.bases[run[done + size].field] + run[done + size].offset == data + size
        ):
            size += 1
        # Eight bytes that are all inside the row, where there are so many.
        shift = 0
        if data + size - t.bases[0] >= 8:
            shift = 8 - size
        data += r.shift - shift
        for i in range(count):
            if shift or size == 8:
                memcpy(&word, data + i * stride, 8)
                word >>= 8 * shift
            else:
                word = load_few(data + i * stride, size)
            # Any bit of a byte to its lowest, then those to the top byte.
            word |= word >> 4 & 0x0F0F0F0F0F0F0F0FULL
            word |= word >> 2 & 0x3F3F3F3F3F3F3F3FULL
            word |= word >> 1
            word &= 0x0101010101010101ULL
            codes[i] |= word * 0x0102040810204080ULL >> 56 << done
        done += size


cdef inline uint64_t load_few(const uint8_t *data, int32_t size) noexcept nogil:
    """``size`` (1 to 7) bytes."""
    cdef uint64_t word = 0
    memcpy(&word, data, <size_t>size)
    return word


cdef inline bint quat_codes(
    const rows_at *r, const op *at, const uint8_t *data, uint64_t *codes
) noexcept nogil:
    """As ``quat_code`` where it is narrow, in 32-bit integers; true when one has no code."""
    cdef double q[4][BLOCK_ROWS]
    cdef int32_t whole[4][BLOCK_ROWS]
    cdef uint8_t near[BLOCK_ROWS]
    cdef double total[BLOCK_ROWS]
    cdef double scale[BLOCK_ROWS]
    cdef double x, y, z, w, turned
    cdef int32_t middle = ((<int32_t>1 << at.bits) - 1) >> 1
    cdef double offset = <double>(2 * middle) + 0.5
    cdef double unit = <double>middle * 1.4142135623730951
    cdef int64_t width = 4 if at.store == STORE_F32 else 8
    cdef int32_t a, b, c, d, left, right, second, fourth, upper, sign
    cdef int32_t size_a, size_b, size_c, size_d, top, best
    cdef int settle = 0
    cdef int far = 0
    cdef int count = r.count
    cdef int i
    for i in range(4):
        load_floats(r, at.store, data + i * width, i == 3, q[i])
    for i in range(count):
        x = q[0][i]
        y = q[1][i]
        z = q[2][i]
        w = q[3][i]
        total[i] = (x * x + y * y) + (z * z + w * w)
    if outside(count, total, 1.1e-200, 0.9e200):  # the row path looks at all near them
        return True
    for i in range(count):
        scale[i] = unit
        far |= fabs(total[i] - 1.0) > 1e-7
    if far:  # nearly never, and a root and a division are slow
        for i in range(count):
            turned = unit / sqrt(total[i])
            scale[i] = unit if fabs(total[i] - 1.0) <= 1e-7 else turned
    for i in range(count):
        whole[0][i] = <int32_t>(q[0][i] * scale[i] + offset) - 2 * middle
        whole[1][i] = <int32_t>(q[1][i] * scale[i] + offset) - 2 * middle
        whole[2][i] = <int32_t>(q[2][i] * scale[i] + offset) - 2 * middle
        whole[3][i] = <int32_t>(q[3][i] * scale[i] + offset) - 2 * middle
    for i in range(count):
        a = whole[0][i]
        b = whole[1][i]
        c = whole[2][i]
        d = whole[3][i]
        size_a = (a ^ (a >> 31)) - (a >> 31)
        size_b = (b ^ (b >> 31)) - (b >> 31)
        size_c = (c ^ (c >> 31)) - (c >> 31)
        size_d = (d ^ (d >> 31)) - (d >> 31)
        second = (size_a - size_b) >> 31
        fourth = (size_c - size_d) >> 31
        top = size_a ^ ((size_a ^ size_b) & second)
        best = size_c ^ ((size_c ^ size_d) & fourth)
        upper = (top - best) >> 31
        size_a = size_a + size_b - top
        size_c = size_c + size_d - best
        left = a ^ ((a ^ b) & second)
        right = c ^ ((c ^ d) & fourth)
        sign = (left ^ ((left ^ right) & upper)) >> 31
        left = a ^ b ^ left
        right = c ^ d ^ right
        whole[0][i] = (((left ^ ((left ^ a) & upper)) ^ sign) - sign) + middle
        whole[1][i] = (((c ^ ((c ^ b) & upper)) ^ sign) - sign) + middle
        whole[2][i] = (((d ^ ((d ^ right) & upper)) ^ sign) - sign) + middle
        second = -second
        whole[3][i] = second ^ ((second ^ (2 - fourth)) & upper)
        size_b = best ^ ((best ^ top) & ~upper)
        best = top + best - size_b
        size_a = size_a ^ ((size_a ^ size_c) & upper)
        best = best ^ ((best ^ size_a) & ((best - size_a) >> 31))
        near[i] = size_b <= best + 3
        settle += near[i]
    for i in range(count):
        codes[i] = (
            <uint64_t><uint32_t>whole[3][i]
            | <uint64_t><uint32_t>whole[0][i] << 2
            | <uint64_t><uint32_t>whole[1][i] << (2 + at.bits)
            | <uint64_t><uint32_t>whole[2][i] << (2 + 2 * at.bits)
        )
    if settle:
        for i in range(count):
            if near[i]:
                quat_settle(&codes[i], at.bits)
    return False


cdef inline bint gather(const rows_at *r, const op *at, uint64_t *codes) noexcept nogil:
    """The codes of a block of rows; true when the row path has to look. Where the mask is zero,
    they are the codes of something that the op accepts."""
    cdef double x[BLOCK_ROWS]
    cdef const uint8_t *data = r.t.bases[at.field] + at.offset + r.shift
    cdef const member_table *table
    cdef int64_t stride = r.stride
    cdef int count = r.count
    cdef double q[4]
    cdef int64_t width
    cdef int i, k
    if at.kind == OP_BOOLS:
        bool_codes(r, at, codes)
        return False
    if at.kind == OP_OPTIONAL:
        for i in range(count):
            codes[i] = data[i * stride] != 0
        return False
    if at.kind == OP_QUAT:
        if at.bits <= NARROW_QUAT:
            return quat_codes(r, at, data, codes)
        width = 4 if at.store == STORE_F32 else 8
        for i in range(count):
            for k in range(4):
                q[k] = load_float(at.store, data + i * stride + k * width)
            if quat_code(q[0], q[1], q[2], q[3], at.bits, &codes[i]) and is_there(r, i):
                return True
        return False
    if at.kind == OP_QUANTIZED:
        load_floats(r, at.store, data, at.grid.low, x)
        return quantized_codes(at, count, x, codes)
    if at.kind == OP_ANGLE:
        load_floats(r, at.store, data, 0.0, x)
        return angle_codes(at, count, x, codes)
    if at.kind == OP_FLOAT32 or at.kind == OP_FLOAT64:
        load_floats(r, at.store, data, 0.0, x)
        return float_codes(at, count, x, codes)
    if at.kind == OP_ENUM and r.t.code.tables[at.table].values != NULL:
        table = &r.t.code.tables[at.table]
        for i in range(count):
            if load_member(at, table, data + i * stride, &codes[i]) and is_there(r, i):
                return True
        return False
    if at.kind == OP_FLAGS:
        load_ints(r, at.store, data, 0, codes)
        return flag_codes(at, count, codes)
    load_ints(r, at.store, data, <uint64_t>at.low, codes)
    return int_codes(at, count, codes)


cdef inline bint is_there(const rows_at *r, int row) noexcept nogil:
    return r.mask == NULL or r.mask[row] != 0
