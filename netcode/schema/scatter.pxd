"""Codes of one op to the values in a block of rows: gather.pxd the other way round.

A code that no value has is only noticed; the row path then reads the block again and names it.
"""

from libc.math cimport fabs, sqrt
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from netcode.bits.quantize cimport dequantize, dequantize_angle
from netcode.schema.gather cimport above, rows_at
from netcode.schema.ops cimport (
    FAULT_NONE,
    OP_ANGLE,
    OP_BOOLS,
    OP_ENUM,
    OP_FLAGS,
    OP_FLOAT32,
    OP_FLOAT64,
    OP_QUANTIZED,
    OP_QUAT,
    OP_SCALAR32,
    STORE_F32,
    STORE_F64,
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
from netcode.schema.rotation cimport SETTLED, quat_settle, quat_check, quat_value
from netcode.schema.rows cimport table_view
from netcode.schema.store cimport member_value, store_float, store_int
from netcode.schema.values cimport float_check, float_value

cdef inline void store_floats(
    const rows_at *r, int store, uint8_t *data, const double *x
) noexcept nogil:
    cdef int64_t stride = r.stride
    cdef int count = r.count
    cdef float single
    cdef int i
    if store == STORE_F32:
        for i in range(count):
            single = <float>x[i]
            memcpy(data + i * stride, &single, 4)
    else:
        for i in range(count):
            memcpy(data + i * stride, &x[i], 8)


cdef inline void store_ints(
    const rows_at *r, int store, uint8_t *data, const uint64_t *codes, uint64_t low
) noexcept nogil:
    """The low bytes of each code plus ``low``."""
    cdef int64_t stride = r.stride
    cdef int count = r.count
    cdef uint16_t u16
    cdef uint32_t u32
    cdef uint64_t u64
    cdef int i
    if store == STORE_U8 or store == STORE_I8:
        for i in range(count):
            data[i * stride] = <uint8_t>(codes[i] + low)
    elif store == STORE_U16 or store == STORE_I16:
        for i in range(count):
            u16 = <uint16_t>(codes[i] + low)
            memcpy(data + i * stride, &u16, 2)
    elif store == STORE_U32 or store == STORE_I32:
        for i in range(count):
            u32 = <uint32_t>(codes[i] + low)
            memcpy(data + i * stride, &u32, 4)
    else:
        for i in range(count):
            u64 = codes[i] + low
            memcpy(data + i * stride, &u64, 8)


cdef inline bint scatter_quantized(
    const rows_at *r, const op *at, const uint64_t *words, int shift
) noexcept nogil:
    """As ``dequantize``, from words that hold the codes at bit ``shift``, in one go as it is the
    most frequent; true when a code is above the largest. The op has at most 30 bits."""
    cdef uint8_t *data = r.t.bases[at.field] + at.offset + r.shift
    cdef double low = at.grid.low
    cdef double step = at.grid.step
    cdef double top = at.grid.top
    cdef double last = <double>at.maximum
    cdef double nothing = fabs(low) * 4.5e-16
    cdef int32_t maximum = <int32_t>at.maximum
    cdef int32_t bits = <int32_t>((<uint32_t>1 << at.bits) - 1)
    cdef const uint64_t *mask = r.mask
    cdef int count = r.count
    cdef int32_t codes[BLOCK_ROWS]
    cdef double x[BLOCK_ROWS]
    cdef uint32_t signs = 0
    cdef double code, value
    cdef int i
    if mask == NULL:
        for i in range(count):
            codes[i] = <int32_t>(words[i] >> shift) & bits
    else:
        for i in range(count):
            codes[i] = <int32_t>((words[i] & mask[i]) >> shift) & bits
    for i in range(count):
        signs |= <uint32_t>(maximum - codes[i])
        code = <double>codes[i]
        value = code * step
        value = low + value
        value = value if fabs(value) >= nothing else 0.0
        value = value if value < top else top
        x[i] = value if code < last else top
    store_floats(r, at.store, data, x)
    return signs >> 31


cdef inline bint quat_values(
    const rows_at *r, const op *at, uint8_t *data, const uint64_t *codes
) noexcept nogil:
    """As ``quat_check`` and ``quat_value``, where the components are narrow."""
    cdef int32_t mask = (<int32_t>1 << at.bits) - 1
    cdef int32_t middle = mask >> 1
    cdef int32_t whole[3][BLOCK_ROWS]
    cdef double x[4][BLOCK_ROWS]
    cdef uint8_t near[BLOCK_ROWS]
    cdef double scale = sqrt(0.5) / <double>middle
    cdef double p, q, v, rest
    cdef int64_t stride = r.stride
    cdef int count = r.count
    cdef double wide[4]
    cdef int32_t a, b, c, size_a, size_b, size_c, left
    cdef int32_t bad = 0
    cdef int32_t settle = 0
    cdef int64_t width = 4 if at.store == STORE_F32 else 8
    cdef int largest
    cdef uint8_t *place
    cdef uint64_t code
    cdef int i, k
    for i in range(count):
        whole[0][i] = <int32_t>(codes[i] >> 2) & mask
        whole[1][i] = <int32_t>(codes[i] >> (2 + at.bits)) & mask
        whole[2][i] = <int32_t>(codes[i] >> (2 + 2 * at.bits)) & mask
    for i in range(count):
        a = whole[0][i]
        b = whole[1][i]
        c = whole[2][i]
        bad |= (a == mask) | (b == mask) | (c == mask)
        a -= middle
        b -= middle
        c -= middle
        left = 2 * middle * middle - a * a - b * b - c * c
        size_a = (a ^ (a >> 31)) - (a >> 31)
        size_b = (b ^ (b >> 31)) - (b >> 31)
        size_c = (c ^ (c >> 31)) - (c >> 31)
        size_a = size_a if size_a > size_b else size_b
        size_a = size_a if size_a > size_c else size_c
        near[i] = left <= size_a * size_a + size_a
        settle |= near[i]
        p = <double>a * scale
        q = <double>b * scale
        v = <double>c * scale
        rest = (p * p + q * q) + v * v
        rest = rest if rest < 1.0 else 1.0
        x[0][i] = p
        x[1][i] = q
        x[2][i] = v
        x[3][i] = sqrt(1.0 - rest)
    if bad:
        return True
    if settle:
        for i in range(count):
            code = codes[i]
            if near[i] and quat_settle(&code, at.bits) != SETTLED:
                return True
    if at.store == STORE_F32:
        for i in range(count):
            largest = <int>(codes[i] & 3)
            place = data + i * stride
            store_float(STORE_F32, place + 4 * (1 >> largest & 1), x[0][i])
            store_float(STORE_F32, place + 4 * (1 + (3 >> largest & 1)), x[1][i])
            store_float(STORE_F32, place + 4 * (2 + (7 >> largest & 1)), x[2][i])
            store_float(STORE_F32, place + 4 * largest, x[3][i])
    else:
        for i in range(count):
            largest = <int>(codes[i] & 3)
            place = data + i * stride
            store_float(STORE_F64, place + 8 * (1 >> largest & 1), x[0][i])
            store_float(STORE_F64, place + 8 * (1 + (3 >> largest & 1)), x[1][i])
            store_float(STORE_F64, place + 8 * (2 + (7 >> largest & 1)), x[2][i])
            store_float(STORE_F64, place + 8 * largest, x[3][i])
    if settle:
        for i in range(count):
            if near[i]:  # rounding may have put what is left out below zero
                quat_value(codes[i], at.bits, at.flags & OP_SCALAR32, wide)
                for k in range(4):
                    store_float(at.store, data + i * stride + k * width, wide[k])
    return False


cdef inline void store_bools(const rows_at *r, const op *at, const uint64_t *codes) noexcept nogil:
    """A run of bools; neighbours in memory are stored eight at a time."""
    cdef table_view *t = r.t
    cdef int64_t stride = r.stride
    cdef int count = r.count
    cdef const run_item *run = &t.code.runs[at.extra]
    cdef uint8_t *data
    cdef uint64_t word
    cdef int32_t done = 0
    cdef int32_t size
    cdef int i
    while done < at.count:
        data = t.bases[run[done].field] + run[done].offset
        size = 1
        while (
            size < 8
            and done + size < at.count
            and t.bases[run[done + size].field] + run[done + size].offset == data + size
        ):
            size += 1
        data += r.shift
        for i in range(count):
            # Bit k to the lowest of byte k, seven at a time, as eight would run into each other.
            word = codes[i] >> done
            word = ((word & 0x7F) * 0x02040810204081ULL & 0x0101010101010101ULL) | (
                (word & 0x80) << 49
            )
            if size == 8:
                memcpy(data + i * stride, &word, 8)
            elif size == 1:
                data[i * stride] = <uint8_t>word
            else:
                store_bytes(data + i * stride, word, size)
        done += size


cdef inline void store_bytes(uint8_t *data, uint64_t word, int32_t size) noexcept nogil:
    """The low ``size`` (2 to 7) bytes of ``word``."""
    if size & 4:
        memcpy(data, &word, 4)
        data += 4
        word >>= 32
    if size & 2:
        memcpy(data, &word, 2)
        data += 2
        word >>= 16
    if size & 1:
        data[0] = <uint8_t>word


cdef inline uint64_t neutral_code(const op *at) noexcept nogil:
    """A code that every ``scatter`` of the op takes."""
    cdef uint64_t middle
    if at.kind != OP_QUAT:
        return 0
    middle = ((<uint64_t>1 << at.bits) - 1) >> 1
    return 3 | middle << 2 | middle << (2 + at.bits) | middle << (2 + 2 * at.bits)


cdef inline bint scatter(const rows_at *r, const op *at, const uint64_t *codes) noexcept nogil:
    """Store the values of a block of codes; true when the row path has to look. The mask is not
    looked at."""
    cdef double x[BLOCK_ROWS]
    cdef uint8_t *data = r.t.bases[at.field] + at.offset + r.shift
    cdef const member_table *table
    cdef int64_t stride = r.stride
    cdef int count = r.count
    cdef double q[4]
    cdef int64_t width
    cdef int i, k
    if at.kind == OP_QUANTIZED:
        if above(at.maximum, count, codes):
            return True
        for i in range(count):
            x[i] = dequantize(&at.grid, codes[i])
        store_floats(r, at.store, data, x)
        return False
    if at.kind == OP_BOOLS:
        store_bools(r, at, codes)
        return False
    if at.kind == OP_QUAT:
        if at.bits <= NARROW_QUAT:
            return quat_values(r, at, data, codes)
        width = 4 if at.store == STORE_F32 else 8
        for i in range(count):
            if quat_check(codes[i], at.bits):
                return True
            quat_value(codes[i], at.bits, at.flags & OP_SCALAR32, q)
            for k in range(4):
                store_float(at.store, data + i * stride + k * width, q[k])
        return False
    if at.kind == OP_FLAGS:
        for i in range(count):
            if codes[i] & ~at.maximum:
                return True
        store_ints(r, at.store, data, codes, 0)
        return False
    if at.kind == OP_ANGLE:
        for i in range(count):
            x[i] = dequantize_angle(<uint32_t>codes[i], at.bits)
        store_floats(r, at.store, data, x)
        return False
    if at.kind == OP_FLOAT32 or at.kind == OP_FLOAT64:
        for i in range(count):
            if float_check(at, codes[i]) != FAULT_NONE:
                return True
            x[i] = float_value(at, codes[i])
        store_floats(r, at.store, data, x)
        return False
    if above(at.maximum, count, codes):
        return True
    if at.kind == OP_ENUM:
        table = &r.t.code.tables[at.table]
        for i in range(count):
            store_int(at.store, data + i * stride, member_value(table, codes[i]))
        return False
    store_ints(r, at.store, data, codes, <uint64_t>at.low)
    return False
