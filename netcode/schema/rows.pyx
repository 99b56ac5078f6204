"""The row path: NumPy rows to bits and back, without the GIL."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from netcode.schema.ops cimport (
    FAULT_CODE,
    FAULT_COUNT,
    FAULT_END,
    FAULT_LENGTH,
    FAULT_NONE,
    FAULT_RANGE,
    FAULT_VARINT,
    NUMBER_UINT,
    OP_ARRAY,
    OP_BLOB,
    OP_BOOLS,
    OP_ENUM,
    OP_FLAGS,
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
    fail,
    fail_bit,
    op,
    run_item,
)
from netcode.schema.packer cimport (
    pack,
    pack_bytes,
    pack_wide,
    packer,
    unpack,
    unpack_bytes,
    unpack_left,
    unpack_varint,
    unpacker,
    varint_groups,
)
from netcode.schema.rotation cimport quat_check, quat_code, quat_value
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
from netcode.schema.values cimport (
    float_check,
    float_code,
    float_value,
    quantized_code,
    quantized_value,
)


cdef inline uint8_t *place(
    const table_view *t, int32_t field, int32_t offset, uint8_t *item
) noexcept nogil:
    """The address of a value in row ``t.row``, or in an array's item."""
    if field < 0:
        return item + offset
    return t.bases[field] + t.row * t.strides[field] + offset


cdef int refuse_int(table_view *t, const op *at, const uint8_t *p) noexcept nogil:
    note_int(&t.error, at, p)
    return fail(&t.error, FAULT_RANGE, at, 0)


cdef int refuse_float(table_view *t, int status, const op *at, double x) noexcept nogil:
    note_float(&t.error, x)
    return fail(&t.error, status, at, 0)


cdef int encode_item(
    table_view *t, packer *target, const op *at, const op *end, uint8_t *item
) noexcept nogil:
    """Append the values of row ``t.row``, or of one array item."""
    cdef packer out = target[0]
    cdef const run_item *run
    cdef uint8_t *data
    cdef uint64_t code = 0
    cdef double x
    cdef double q[4]
    cdef uint32_t bits
    cdef int32_t i, width
    cdef int status
    while at < end:
        data = place(t, at.field, at.offset, item)
        bits = at.bits
        if at.kind == OP_UINT or at.kind == OP_VARUINT:
            if load_code(at, data, &code):
                return refuse_int(t, at, data)
            if at.kind == OP_VARUINT:
                while code >> 49:
                    pack(&out, code & 0x7F | 0x80, 8)
                    code >>= 7
                bits = varint_groups(code, &code)
        elif at.kind == OP_BOOLS:
            code = 0
            run = &t.code.runs[at.extra]
            for i in range(at.count):
                data = place(t, run[i].field, run[i].offset, item)
                code |= <uint64_t>(data[0] != 0) << i
        elif at.kind == OP_QUANTIZED:
            x = load_float(at.store, data)
            status = quantized_code(at, x, &code, &t.clamped)
            if status:
                return refuse_float(t, status, at, x)
        elif at.kind == OP_OPTIONAL:
            code = data[0] != 0
            if not code:
                at += at.body
        elif at.kind == OP_VECTOR or at.kind == OP_NESTED:
            at += 1  # the body says it all
            continue
        elif at.kind == OP_QUAT:
            width = 4 if at.store == STORE_F32 else 8
            for i in range(4):
                q[i] = load_float(at.store, data + i * width)
            status = quat_code(q[0], q[1], q[2], q[3], at.bits, &code)
            if status:
                return fail(&t.error, status, at, 0)
            bits = at.width
        elif at.kind == OP_ENUM:
            if load_member(at, &t.code.tables[at.table], data, &code):
                return refuse_int(t, at, data)
        elif at.kind == OP_FLAGS:
            code = <uint64_t>load_int(at.store, data)
            if code & ~at.maximum:
                return refuse_int(t, at, data)
        elif at.kind >= OP_TEXT:
            target[0] = out
            if encode_inside(t, target, at, data, item):
                return -1
            out = target[0]
            at += 1 + at.body
            continue
        else:
            x = load_float(at.store, data)
            status = float_code(at, x, &code, &t.clamped)
            if status:
                return refuse_float(t, status, at, x)
        pack_wide(&out, code, bits)
        at += 1
    target[0] = out
    return 0


cdef int encode_inside(
    table_view *t, packer *target, const op *at, uint8_t *data, uint8_t *item
) noexcept nogil:
    """Text, blob or array."""
    cdef uint8_t *inner = place(t, at.field, at.inner, item)
    cdef int32_t depth = t.error.depth
    cdef uint16_t stored = 0
    cdef int32_t i, size
    cdef int status
    if at.kind == OP_TEXT:
        size = text_size(data, at.capacity)
        status = text_check(data, size)
        if status:
            return fail(&t.error, status, at, 0)
    else:
        memcpy(&stored, data, 2)
        size = stored
        if size > at.capacity:
            t.error.uint_value = stored
            t.error.number = NUMBER_UINT
            return fail(&t.error, FAULT_LENGTH, at, 0)
    pack(target, <uint64_t>size, at.bits)
    if at.kind != OP_ARRAY:
        pack_bytes(target, inner, <size_t>size)
        return 0
    t.error.depth = depth + 1
    for i in range(size):
        t.error.index[depth] = i
        if encode_item(
            t, target, at + 1, at + 1 + at.body, inner + <int64_t>i * at.stride
        ):
            return -1
    t.error.depth = depth
    return 0


cdef int encode_rows(table_view *t, int64_t first, int64_t count, packer *out) noexcept nogil:
    """Append ``count`` rows from ``first`` on; -1 with ``t.error`` and ``t.row``."""
    cdef const op *start = t.code.ops
    cdef const op *end = start + t.code.size
    t.row = first
    while t.row < first + count:
        if encode_item(t, out, start, end, NULL):
            return -1
        t.row += 1
    return 0


cdef int decode_item(
    table_view *t, unpacker *r, const op *at, const op *end, uint8_t *item
) noexcept nogil:
    """Read the values of row ``t.row``, or of one array item; absent ones become zero bytes."""
    cdef const run_item *run
    cdef uint8_t *data
    cdef uint64_t start
    cdef uint64_t code
    cdef double q[4]
    cdef int32_t i, width
    cdef int status
    while at < end:
        start = r.position
        if at.width > unpack_left(r):
            return fail_bit(&t.error, FAULT_END, at, 0, start)
        code = unpack(r, at.width)
        if at.bits > 57 and at.kind != OP_VARUINT:
            if <uint64_t>(at.bits - 32) > unpack_left(r):
                return fail_bit(&t.error, FAULT_END, at, 0, start)
            code |= unpack(r, at.bits - 32) << 32
        data = place(t, at.field, at.offset, item)
        status = FAULT_NONE
        if at.kind == OP_UINT:
            if code > at.maximum:
                return fail_bit(&t.error, FAULT_CODE, at, 0, start)
            store_int(at.store, data, <int64_t>(code + <uint64_t>at.low))
        elif at.kind == OP_BOOLS:
            run = &t.code.runs[at.extra]
            for i in range(at.count):
                data = place(t, run[i].field, run[i].offset, item)
                data[0] = <uint8_t>(code >> i & 1)
        elif at.kind == OP_QUANTIZED:
            if code > at.maximum:
                return fail_bit(&t.error, FAULT_CODE, at, 0, start)
            store_float(at.store, data, quantized_value(at, code))
        elif at.kind == OP_OPTIONAL:
            data[0] = <uint8_t>code
            if not code:
                memset(place(t, at.field, at.inner, item), 0, <size_t>at.stride)
                at += at.body
        elif at.kind == OP_VARUINT:
            if not unpack_varint(r, code, &code):
                status = FAULT_END if r.position > r.size else FAULT_VARINT
                return fail_bit(&t.error, status, at, 0, start)
            if code > at.maximum:
                return fail_bit(&t.error, FAULT_CODE, at, 0, start)
            store_int(at.store, data, <int64_t>code)
        elif at.kind == OP_VECTOR or at.kind == OP_NESTED:
            pass  # the body says it all
        elif at.kind == OP_QUAT:
            status = quat_check(code, at.bits)
            if status:
                return fail_bit(&t.error, status, at, 0, start)
            quat_value(code, at.bits, at.flags & OP_SCALAR32, q)
            width = 4 if at.store == STORE_F32 else 8
            for i in range(4):
                store_float(at.store, data + i * width, q[i])
        elif at.kind == OP_ENUM:
            if code > at.maximum:
                return fail_bit(&t.error, FAULT_CODE, at, 0, start)
            store_int(at.store, data, member_value(&t.code.tables[at.table], code))
        elif at.kind == OP_FLAGS:
            if code & ~at.maximum:
                return fail_bit(&t.error, FAULT_CODE, at, 0, start)
            store_int(at.store, data, <int64_t>code)
        elif at.kind >= OP_TEXT:
            if decode_inside(t, r, at, data, code, item, start):
                return -1
            at += at.body
        else:
            status = float_check(at, code)
            if status:
                return fail_bit(&t.error, status, at, 0, start)
            store_float(at.store, data, float_value(at, code))
        at += 1
    return 0


cdef int decode_inside(
    table_view *t, unpacker *r, const op *at, uint8_t *data, uint64_t size, uint8_t *item,
    uint64_t start
) noexcept nogil:
    """Text, blob or array of ``size``."""
    cdef uint16_t stored = <uint16_t>size
    cdef uint8_t *inner = place(t, at.field, at.inner, item)
    cdef int32_t depth = t.error.depth
    cdef uint64_t i
    cdef int status
    if size > <uint64_t>at.capacity:
        return fail_bit(&t.error, FAULT_CODE, at, 0, start)
    if at.kind == OP_ARRAY:
        if size * at.least > unpack_left(r):
            return fail_bit(&t.error, FAULT_COUNT, at, 0, start)
        memcpy(data, &stored, 2)
        t.error.depth = depth + 1
        for i in range(size):
            t.error.index[depth] = <int32_t>i
            if decode_item(t, r, at + 1, at + 1 + at.body, inner + i * <uint64_t>at.stride):
                return -1
        t.error.depth = depth
        memset(
            inner + size * <uint64_t>at.stride,
            0,
            <size_t>((<uint64_t>at.capacity - size) * <uint64_t>at.stride),
        )
        return 0
    if size * 8 > unpack_left(r):
        return fail_bit(&t.error, FAULT_END, at, 0, start)
    if at.kind == OP_BLOB:
        memcpy(data, &stored, 2)
    unpack_bytes(r, inner, <size_t>size)
    memset(inner + size, 0, <size_t>(<uint64_t>at.capacity - size))
    if at.kind == OP_TEXT:
        status = text_check(inner, <int32_t>size)
        if status:
            return fail_bit(&t.error, status, at, 0, start)
    return 0


cdef int decode_rows(table_view *t, int64_t first, int64_t count, unpacker *source) noexcept nogil:
    """Read ``count`` rows from ``first`` on; -1 with ``t.error`` and ``t.row``."""
    cdef const op *start = t.code.ops
    cdef const op *end = start + t.code.size
    t.row = first
    while t.row < first + count:
        if decode_item(t, source, start, end, NULL):
            return -1
        t.row += 1
    return 0
