"""Codes of one op to the values in a block of rows: gather.pyx the other way round.

A code that no value has is only noticed; the row path then reads the block again and names it.
"""

from libc.math cimport fabs, sqrt
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from netcode.bits.quantize cimport dequantize_angle
from netcode.schema.gather cimport above
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
    STORE_I8,
    STORE_I16,
    STORE_I32,
    STORE_U8,
    STORE_U16,
    STORE_U32,
    op,
    run_item,
)
from netcode.schema.plan cimport BLOCK_ROWS
from netcode.schema.rotation cimport SETTLED, quat_settle, quat_check, quat_value
from netcode.schema.store cimport member_value, store_float, store_int
from netcode.schema.values cimport float_check, float_value

cdef enum:
    NARROW_QUAT = 14    # bits of a component whose square, and sums of such, fit in 32 bits


cdef void store_floats(
    int store, uint8_t *data, const int64_t *offsets, int count, const double *x
) noexcept nogil:
    cdef float single
    cdef int i
    if store == STORE_F32:
        for i in range(count):
            single = <float>x[i]
            memcpy(data + offsets[i], &single, 4)
    else:
        for i in range(count):
            memcpy(data + offsets[i], &x[i], 8)


cdef void store_ints(
    int store, uint8_t *data, const int64_t *offsets, int count, const uint64_t *codes, uint64_t low
) noexcept nogil:
    """The low bytes of each code plus ``low``."""
    cdef uint16_t u16
    cdef uint32_t u32
    cdef uint64_t u64
    cdef int i
    if store == STORE_U8 or store == STORE_I8:
        for i in range(count):
            data[offsets[i]] = <uint8_t>(codes[i] + low)
    elif store == STORE_U16 or store == STORE_I16:
        for i in range(count):
            u16 = <uint16_t>(codes[i] + low)
            memcpy(data + offsets[i], &u16, 2)
    elif store == STORE_U32 or store == STORE_I32:
        for i in range(count):
            u32 = <uint32_t>(codes[i] + low)
            memcpy(data + offsets[i], &u32, 4)
    else:
        for i in range(count):
            u64 = codes[i] + low
            memcpy(data + offsets[i], &u64, 8)


cdef void quantized_values(
    const op *at, int count, const uint64_t *codes, double *x
) noexcept nogil:
    """As ``dequantize``; the codes are in range."""
    cdef double low = at.grid.low
    cdef double step = at.grid.step
    cdef double top = at.grid.top
    cdef double last = <double>at.maximum
    cdef double nothing = fabs(low) * 4.5e-16
    cdef double code, value
    cdef int i
    if at.maximum < <uint64_t>1 << 31:
        for i in range(count):
            x[i] = <double><int32_t>codes[i]
    else:
        for i in range(count):
            x[i] = <double>codes[i]
    for i in range(count):
        code = x[i]
        value = code * step
        value = low + value
        value = value if fabs(value) >= nothing else 0.0
        value = value if value < top else top
        x[i] = value if code < last else top


cdef int quat_values(
    const op *at, uint8_t *data, const int64_t *offsets, int count, const uint64_t *codes
) noexcept nogil:
    """As ``quat_check`` and ``quat_value``, where the components are narrow."""
    cdef int32_t mask = (<int32_t>1 << at.bits) - 1
    cdef int32_t middle = mask >> 1
    cdef int32_t whole[3][BLOCK_ROWS]
    cdef double x[4][BLOCK_ROWS]
    cdef uint8_t near[BLOCK_ROWS]
    cdef double scale = sqrt(0.5) / <double>middle
    cdef double p, q, r, rest
    cdef double wide[4]
    cdef int32_t a, b, c, size_a, size_b, size_c, left
    cdef int32_t bad = 0
    cdef int32_t settle = 0
    cdef int64_t width = 4 if at.store == STORE_F32 else 8
    cdef int largest
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
        r = <double>c * scale
        rest = (p * p + q * q) + r * r
        rest = rest if rest < 1.0 else 1.0
        x[0][i] = p
        x[1][i] = q
        x[2][i] = r
        x[3][i] = sqrt(1.0 - rest)
    if bad:
        return 1
    if settle:
        for i in range(count):
            code = codes[i]
            if near[i] and quat_settle(&code, at.bits) != SETTLED:
                return 1
    for i in range(count):
        largest = <int>(codes[i] & 3)
        if near[i]:  # rounding may put what is left out below zero
            quat_value(codes[i], at.bits, at.flags & OP_SCALAR32, wide)
            for k in range(4):
                store_float(at.store, data + offsets[i] + k * width, wide[k])
            continue
        store_float(at.store, data + offsets[i] + (1 >> largest & 1) * width, x[0][i])
        store_float(at.store, data + offsets[i] + (1 + (3 >> largest & 1)) * width, x[1][i])
        store_float(at.store, data + offsets[i] + (2 + (7 >> largest & 1)) * width, x[2][i])
        store_float(at.store, data + offsets[i] + largest * width, x[3][i])
    return 0


cdef void store_bools(
    table_view *t, const op *at, int64_t first, const int64_t *offsets, int count,
    const uint64_t *codes
) noexcept nogil:
    """A run of bools; neighbours in memory are stored eight at a time."""
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
        data += first
        for i in range(count):
            # Bit k to the lowest of byte k, seven at a time, as eight would run into each other.
            word = codes[i] >> done
            word = ((word & 0x7F) * 0x02040810204081ULL & 0x0101010101010101ULL) | (
                (word & 0x80) << 49
            )
            if size == 8:
                memcpy(data + offsets[i], &word, 8)
            elif size == 1:
                data[offsets[i]] = <uint8_t>word
            else:
                store_bytes(data + offsets[i], word, size)
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


cdef int scatter(
    table_view *t, const op *at, int64_t first, const int64_t *offsets, int count,
    const uint64_t *codes
) noexcept nogil:
    """Store the values of ``count`` (at most BLOCK_ROWS) codes; not 0 when the row path has to
    look, and then what was stored is nothing.

    Args:
        first: bytes from row 0 to the first row of the block.
        offsets: bytes from there to each row.
    """
    cdef double x[BLOCK_ROWS]
    cdef uint8_t *data = t.bases[at.field] + at.offset + first
    cdef double q[4]
    cdef int64_t width
    cdef int i, k
    if at.kind == OP_QUANTIZED:
        if above(at.maximum, count, codes):
            return 1
        quantized_values(at, count, codes, x)
        store_floats(at.store, data, offsets, count, x)
        return 0
    if at.kind == OP_BOOLS:
        store_bools(t, at, first, offsets, count, codes)
        return 0
    if at.kind == OP_QUAT:
        if at.bits <= NARROW_QUAT:
            return quat_values(at, data, offsets, count, codes)
        width = 4 if at.store == STORE_F32 else 8
        for i in range(count):
            if quat_check(codes[i], at.bits):
                return 1
            quat_value(codes[i], at.bits, at.flags & OP_SCALAR32, q)
            for k in range(4):
                store_float(at.store, data + offsets[i] + k * width, q[k])
        return 0
    if at.kind == OP_FLAGS:
        for i in range(count):
            if codes[i] & ~at.maximum:
                return 1
        store_ints(at.store, data, offsets, count, codes, 0)
        return 0
    if at.kind == OP_ANGLE:
        for i in range(count):
            x[i] = dequantize_angle(<uint32_t>codes[i], at.bits)
        store_floats(at.store, data, offsets, count, x)
        return 0
    if at.kind == OP_FLOAT32 or at.kind == OP_FLOAT64:
        for i in range(count):
            if float_check(at, codes[i]) != FAULT_NONE:
                return 1
            x[i] = float_value(at, codes[i])
        store_floats(at.store, data, offsets, count, x)
        return 0
    if above(at.maximum, count, codes):
        return 1
    if at.kind == OP_ENUM:
        for i in range(count):
            store_int(at.store, data + offsets[i], member_value(&t.code.tables[at.table], codes[i]))
        return 0
    store_ints(at.store, data, offsets, count, codes, <uint64_t>at.low)
    return 0
