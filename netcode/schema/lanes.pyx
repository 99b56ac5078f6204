"""The lane path: NumPy columns to int32 lanes and back, without the GIL.

Ops run over all rows, one after the other. A mask says which rows an op is for: those the caller
chose, without those where an enclosing optional is absent or an array is shorter. ``t.rows`` is
the capacity of the table, which is also the length of one lane.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from netcode.schema.ops cimport (
    FAULT_LENGTH,
    FAULT_RANGE,
    NUMBER_UINT,
    OP_ANGLE,
    OP_ARRAY,
    OP_BLOB,
    OP_BOOLS,
    OP_ENUM,
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
    OP_VECTOR,
    STORE_F32,
    fail,
    op,
    run_item,
)
from netcode.schema.rotation cimport quat_code, quat_value
from netcode.schema.rows cimport table_view
from netcode.schema.store cimport (
    load_code,
    load_float,
    load_int,
    load_member,
    member_value,
    note_float,
    note_int,
    store_float,
    store_int,
    text_check,
    text_size,
)
from netcode.schema.values cimport float_check, float_code, float_value


cdef struct spot:
    int32_t field     # top-level field, for ops inside arrays
    int64_t shift     # bytes from its storage to the item
    int64_t lane      # first lane of the item
    int32_t level     # masks in use


cdef inline uint8_t *column(
    const table_view *t, const spot *s, int32_t field, int32_t offset, int64_t *stride
) noexcept nogil:
    """Row 0 of a value, and the bytes from row to row."""
    if field < 0:
        stride[0] = t.strides[s.field]
        return t.bases[s.field] + s.shift + offset
    stride[0] = t.strides[field]
    return t.bases[field] + offset


cdef inline spot item_spot(const spot *s, const op *at, int64_t index) noexcept nogil:
    """The spot of one item of the array ``at``."""
    cdef spot inner
    inner.field = s.field if at.field < 0 else at.field
    inner.shift = (s.shift if at.field < 0 else 0) + at.inner + index * at.stride
    inner.lane = s.lane + at.lane + 1 + index * at.lanes
    inner.level = s.level + 1
    return inner


cdef void clear_lanes(
    const table_view *t, int32_t *lanes, int64_t first, int64_t count, const uint8_t *mask
) noexcept nogil:
    """Zero ``count`` lanes of the rows in ``mask``."""
    cdef int64_t i, row
    cdef int32_t *lane
    for i in range(count):
        lane = lanes + (first + i) * t.rows
        for row in range(t.rows):
            if mask[row]:
                lane[row] = 0


cdef int quantize_scalar(
    table_view *t, const op *at, const uint8_t *data, int64_t stride,
    int32_t *low, const uint8_t *mask
) noexcept nogil:
    """One number in each row, to one lane, or to two when it is wider than 32 bits."""
    cdef uint64_t code = 0
    cdef int64_t row
    cdef double x
    cdef int status
    cdef bint wide = at.bits > 32
    for row in range(t.rows):
        if mask[row]:
            if at.kind == OP_QUANTIZED or at.kind == OP_ANGLE or at.kind == OP_FLOAT32 or (
                at.kind == OP_FLOAT64
            ):
                x = load_float(at.store, data)
                status = float_code(at, x, &code, &t.clamped)
                if status:
                    t.row = row
                    note_float(&t.error, x)
                    return fail(&t.error, status, at, 0)
            else:
                if at.kind == OP_ENUM:
                    status = load_member(at, &t.code.tables[at.table], data, &code)
                elif at.kind == OP_FLAGS:
                    code = <uint64_t>load_int(at.store, data)
                    status = FAULT_RANGE if code & ~at.maximum else 0
                else:
                    status = load_code(at, data, &code)
                if status:
                    t.row = row
                    note_int(&t.error, at, data)
                    return fail(&t.error, status, at, 0)
            low[row] = <int32_t><uint32_t>code
            if wide:
                low[t.rows + row] = <int32_t>(code >> 32)
        data += stride
    return 0


cdef int quantize_quat(
    table_view *t, const op *at, const uint8_t *data, int64_t stride,
    int32_t *lane, const uint8_t *mask
) noexcept nogil:
    cdef int64_t row
    cdef int64_t n = t.rows
    cdef uint64_t mask_of = (<uint64_t>1 << at.bits) - 1
    cdef uint64_t code = 0
    cdef double q[4]
    cdef int i, status
    cdef int width = 4 if at.store == STORE_F32 else 8
    for row in range(n):
        if mask[row]:
            for i in range(4):
                q[i] = load_float(at.store, data + i * width)
            status = quat_code(q[0], q[1], q[2], q[3], at.bits, &code)
            if status:
                t.row = row
                return fail(&t.error, status, at, 0)
            lane[row] = <int32_t>(code & 3)
            lane[n + row] = <int32_t>(code >> 2 & mask_of)
            lane[2 * n + row] = <int32_t>(code >> (2 + at.bits) & mask_of)
            lane[3 * n + row] = <int32_t>(code >> (2 + 2 * at.bits))
        data += stride
    return 0


cdef int quantize_bytes(
    table_view *t, const spot *s, const op *at, const uint8_t *data, int64_t stride,
    int32_t *lane, const uint8_t *mask
) noexcept nogil:
    """Text and blob: the size, then words of 4 bytes."""
    cdef int64_t row, unused
    cdef int64_t n = t.rows
    cdef int32_t size, i, part
    cdef uint16_t stored = 0
    cdef uint32_t word
    cdef int status
    cdef const uint8_t *chars
    for row in range(n):
        if mask[row]:
            chars = data
            if at.kind == OP_TEXT:
                size = text_size(data, at.capacity)
                status = text_check(data, size)
                if status:
                    t.row = row
                    return fail(&t.error, status, at, 0)
            else:
                memcpy(&stored, data, 2)
                size = stored
                chars = column(t, s, at.field, at.inner, &unused) + row * stride
                if size > at.capacity:
                    t.row = row
                    t.error.uint_value = stored
                    t.error.number = NUMBER_UINT
                    return fail(&t.error, FAULT_LENGTH, at, 0)
            lane[row] = size
            for i in range(at.lanes - 1):
                part = size - 4 * i
                word = 0
                if part > 0:
                    memcpy(&word, chars + 4 * i, <size_t>(part if part < 4 else 4))
                lane[(1 + i) * n + row] = <int32_t>word
        data += stride
    return 0


cdef int quantize_array(
    table_view *t, const spot *s, const op *at, const uint8_t *data, int64_t stride,
    int32_t *lanes, const uint8_t *mask, uint8_t *masks
) noexcept nogil:
    """Counts, then item by item over the rows that have it."""
    cdef int64_t row, i
    cdef int64_t most = 0
    cdef int64_t n = t.rows
    cdef int64_t first = s.lane + at.lane
    cdef uint16_t count = 0
    cdef uint8_t *inner = masks + s.level * n
    cdef int32_t depth = t.error.depth
    cdef spot item
    for row in range(n):
        if mask[row]:
            memcpy(&count, data + row * stride, 2)
            if count > at.capacity:
                t.row = row
                t.error.uint_value = count
                t.error.number = NUMBER_UINT
                return fail(&t.error, FAULT_LENGTH, at, 0)
            lanes[first * n + row] = count
            if count > most:
                most = count
    clear_lanes(t, lanes, first + 1, <int64_t>at.capacity * at.lanes, mask)
    t.error.depth = depth + 1
    for i in range(most):
        for row in range(n):
            count = 0
            if mask[row]:
                memcpy(&count, data + row * stride, 2)
            inner[row] = i < count
        t.error.index[depth] = <int32_t>i
        item = item_spot(s, at, i)
        if quantize_ops(t, &item, at + 1, at + 1 + at.body, lanes, inner, masks):
            return -1
    t.error.depth = depth
    return 0


cdef int quantize_ops(
    table_view *t, const spot *s, const op *at, const op *end,
    int32_t *lanes, const uint8_t *mask, uint8_t *masks
) noexcept nogil:
    cdef int64_t n = t.rows
    cdef int64_t stride = 0
    cdef int64_t row
    cdef uint8_t *data
    cdef uint8_t *inner
    cdef int32_t *lane
    cdef const run_item *run
    cdef int32_t i
    cdef spot below
    cdef int status = 0
    while at < end:
        data = column(t, s, at.field, at.offset, &stride)
        lane = lanes + (s.lane + at.lane) * n
        if at.kind == OP_BOOLS:
            for i in range(at.count):
                run = &t.code.runs[at.extra + i]
                data = column(t, s, run.field, run.offset, &stride)
                for row in range(n):
                    if mask[row]:
                        lane[row] = data[row * stride] != 0
                lane += n
        elif at.kind == OP_VECTOR or at.kind == OP_NESTED:
            pass
        elif at.kind == OP_QUAT:
            status = quantize_quat(t, at, data, stride, lane, mask)
        elif at.kind == OP_TEXT or at.kind == OP_BLOB:
            status = quantize_bytes(t, s, at, data, stride, lane, mask)
        elif at.kind == OP_ARRAY:
            status = quantize_array(t, s, at, data, stride, lanes, mask, masks)
            at += at.body
        elif at.kind == OP_OPTIONAL:
            inner = masks + s.level * n
            for row in range(n):
                inner[row] = mask[row] != 0 and data[row * stride] != 0
                if mask[row]:
                    lane[row] = inner[row]
            clear_lanes(t, lanes, s.lane + at.lane + 1, at.lanes - 1, mask)
            below = s[0]
            below.level += 1
            status = quantize_ops(t, &below, at + 1, at + 1 + at.body, lanes, inner, masks)
            at += at.body
        else:
            status = quantize_scalar(t, at, data, stride, lane, mask)
        if status:
            return -1
        at += 1
    return 0


cdef int quantize_lanes(
    table_view *t, int32_t *lanes, const uint8_t *rows, uint8_t *masks
) noexcept nogil:
    """Fill the lanes of the rows in ``rows``; -1 with ``t.error`` and ``t.row``.

    ``masks`` is scratch, ``t.code.masks`` times ``t.rows`` bytes.
    """
    cdef spot top
    memset(&top, 0, sizeof(spot))
    return quantize_ops(t, &top, t.code.ops, t.code.ops + t.code.size, lanes, rows, masks)


cdef void dequantize_scalar(
    const table_view *t, const op *at, uint8_t *data, int64_t stride,
    const int32_t *low, const uint8_t *mask
) noexcept nogil:
    """One number in each row; codes above the maximum count as the maximum."""
    cdef uint64_t code
    cdef int64_t row
    cdef double x
    for row in range(t.rows):
        if mask[row]:
            code = <uint32_t>low[row]
            if at.bits > 32:
                code |= <uint64_t><uint32_t>low[t.rows + row] << 32
            if at.kind == OP_FLAGS:
                code &= at.maximum
            elif code > at.maximum:
                code = at.maximum
            if at.kind == OP_QUANTIZED or at.kind == OP_ANGLE or at.kind == OP_FLOAT32 or (
                at.kind == OP_FLOAT64
            ):
                x = 0.0 if float_check(at, code) else float_value(at, code)
                store_float(at.store, data, x)
            elif at.kind == OP_ENUM:
                store_int(at.store, data, member_value(&t.code.tables[at.table], code))
            elif at.kind == OP_UINT:
                store_int(at.store, data, <int64_t>(code + <uint64_t>at.low))
            else:
                store_int(at.store, data, <int64_t>code)
        data += stride


cdef void dequantize_quat(
    const table_view *t, const op *at, uint8_t *data, int64_t stride,
    const int32_t *lane, const uint8_t *mask
) noexcept nogil:
    cdef int64_t row
    cdef int64_t n = t.rows
    cdef uint32_t top = <uint32_t>at.maximum
    cdef uint32_t part
    cdef uint64_t code
    cdef double q[4]
    cdef int i
    cdef int width = 4 if at.store == STORE_F32 else 8
    for row in range(n):
        if mask[row]:
            code = <uint32_t>lane[row] & 3
            for i in range(3):
                part = <uint32_t>lane[(1 + i) * n + row]
                code |= <uint64_t>(part if part < top else top) << (2 + i * at.bits)
            quat_value(code, at.bits, at.flags & OP_SCALAR32, q)
            for i in range(4):
                store_float(at.store, data + i * width, q[i])
        data += stride


cdef void dequantize_bytes(
    const table_view *t, const spot *s, const op *at, uint8_t *data, int64_t stride,
    const int32_t *lane, const uint8_t *mask
) noexcept nogil:
    """Text and blob; text that is not valid becomes empty."""
    cdef int64_t row, unused
    cdef int64_t n = t.rows
    cdef uint32_t size, word
    cdef uint16_t stored
    cdef int32_t i, part
    cdef uint8_t *chars
    for row in range(n):
        if mask[row]:
            size = <uint32_t>lane[row]
            if size > <uint32_t>at.capacity:
                size = <uint32_t>at.capacity
            chars = data
            if at.kind == OP_BLOB:
                stored = <uint16_t>size
                memcpy(data, &stored, 2)
                chars = column(t, s, at.field, at.inner, &unused) + row * stride
            memset(chars, 0, <size_t>at.capacity)
            for i in range(at.lanes - 1):
                part = <int32_t>size - 4 * i
                if part <= 0:
                    break
                word = <uint32_t>lane[(1 + i) * n + row]
                memcpy(chars + 4 * i, &word, <size_t>(part if part < 4 else 4))
            if at.kind == OP_TEXT and text_check(chars, <int32_t>size):
                memset(chars, 0, <size_t>at.capacity)
        data += stride


cdef void dequantize_array(
    const table_view *t, const spot *s, const op *at, uint8_t *data, int64_t stride,
    const int32_t *lane, const int32_t *lanes, const uint8_t *mask, uint8_t *masks
) noexcept nogil:
    cdef int64_t row, i, unused
    cdef int64_t most = 0
    cdef int64_t n = t.rows
    cdef uint32_t size
    cdef uint16_t count
    cdef uint8_t *inner = masks + s.level * n
    cdef uint8_t *items = column(t, s, at.field, at.inner, &unused)
    cdef spot item
    for row in range(n):
        if mask[row]:
            size = <uint32_t>lane[row]
            count = <uint16_t>(size if size <= <uint32_t>at.capacity else <uint32_t>at.capacity)
            memcpy(data + row * stride, &count, 2)
            memset(items + row * stride, 0, <size_t>(<int64_t>at.capacity * at.stride))
            if count > most:
                most = count
    for i in range(most):
        for row in range(n):
            count = 0
            if mask[row]:
                memcpy(&count, data + row * stride, 2)
            inner[row] = i < count
        item = item_spot(s, at, i)
        dequantize_ops(t, &item, at + 1, at + 1 + at.body, lanes, inner, masks)


cdef void dequantize_ops(
    const table_view *t, const spot *s, const op *at, const op *end,
    const int32_t *lanes, const uint8_t *mask, uint8_t *masks
) noexcept nogil:
    cdef int64_t n = t.rows
    cdef int64_t stride = 0
    cdef int64_t row, unused
    cdef uint8_t *data
    cdef uint8_t *value
    cdef uint8_t *inner
    cdef const int32_t *lane
    cdef const run_item *run
    cdef int32_t i
    cdef spot below
    while at < end:
        data = column(t, s, at.field, at.offset, &stride)
        lane = lanes + (s.lane + at.lane) * n
        if at.kind == OP_BOOLS:
            for i in range(at.count):
                run = &t.code.runs[at.extra + i]
                data = column(t, s, run.field, run.offset, &stride)
                for row in range(n):
                    if mask[row]:
                        data[row * stride] = lane[row] != 0
                lane += n
        elif at.kind == OP_VECTOR or at.kind == OP_NESTED:
            pass
        elif at.kind == OP_QUAT:
            dequantize_quat(t, at, data, stride, lane, mask)
        elif at.kind == OP_TEXT or at.kind == OP_BLOB:
            dequantize_bytes(t, s, at, data, stride, lane, mask)
        elif at.kind == OP_ARRAY:
            dequantize_array(t, s, at, data, stride, lane, lanes, mask, masks)
            at += at.body
        elif at.kind == OP_OPTIONAL:
            inner = masks + s.level * n
            value = column(t, s, at.field, at.inner, &unused)
            for row in range(n):
                inner[row] = mask[row] != 0 and lane[row] != 0
                if mask[row]:
                    data[row * stride] = inner[row]
                    if not inner[row]:
                        memset(value + row * stride, 0, <size_t>at.stride)
            below = s[0]
            below.level += 1
            dequantize_ops(t, &below, at + 1, at + 1 + at.body, lanes, inner, masks)
            at += at.body
        else:
            dequantize_scalar(t, at, data, stride, lane, mask)
        at += 1


cdef void dequantize_lanes(
    table_view *t, const int32_t *lanes, const uint8_t *rows, uint8_t *masks
) noexcept nogil:
    """Fill the columns of the rows in ``rows`` from any codes; see ``quantize_lanes``."""
    cdef spot top
    memset(&top, 0, sizeof(spot))
    dequantize_ops(t, &top, t.code.ops, t.code.ops + t.code.size, lanes, rows, masks)
