"""Predicted sections: the slot set and the changes against A and B in one run of the coder.

The encoder reads the shared snapshots in place. The decoder gathers the entities of a section
side by side; the coder does not look at slot numbers, so both compute the same.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from netcode.delta.changes cimport section_coder, section_run
from netcode.delta.held cimport (
    CELL_CODES,
    CELL_LIFE,
    CELL_OWNER,
    held_at,
    held_reserve,
)
from netcode.delta.layout cimport Layout
from netcode.delta.rangecoder cimport coder_count, coder_read, coder_write, range_coder
from netcode.delta.section cimport (
    SECTION_CODE,
    SECTION_MAX_BYTES,
    SECTION_MAX_PREDICTED,
    SECTION_MISSING,
    SECTION_NO_MEMORY,
    SECTION_OK,
    SECTION_SLOTS,
    section_put_header,
)
from netcode.delta.slotset cimport code_slots

__all__ = ["Columns", "slot_set_bits"]

cdef enum:
    FILL = 15              # sixteenths of what seems to fit that are tried


cdef inline uint32_t fitting(uint32_t n, uint32_t size) noexcept nogil:
    """How many may fit a section, when n took so many bytes."""
    cdef uint64_t some = <uint64_t>n * SECTION_MAX_BYTES // size * FILL // 16 + 1
    return <uint32_t>min(some, <uint64_t>SECTION_MAX_PREDICTED)


cdef uint32_t predicted_encode(
    section_coder *s,
    const lane_layout *layout,
    uint8_t table,
    const snapshot *now,
    const snapshot *base,
    const snapshot *older,
    const uint16_t *slots,
    uint32_t count,
    uint8_t *out,
    uint32_t *taken,
    uint32_t *likely,
) noexcept nogil:
    """Encode the first slots that fit one section; return its bytes and how many were ``taken``,
    0 when not even one fits.

    ``likely`` says how many may fit, 0 for the first section of some slots, and then how many of
    those may that come next. ``slots`` rise, and each lives the same life, under the same owner,
    in all snapshots; ``older`` may be NULL. ``out`` has SECTION_MAX_BYTES. The index in the header
    is 0: whoever sends it sets it.
    """
    cdef section_header header
    cdef uint32_t n = likely[0] if likely[0] else SECTION_MAX_PREDICTED
    cdef uint32_t most = min(count, <uint32_t>SECTION_MAX_PREDICTED)
    cdef uint32_t fits = 0     # so many are known to, in a section that could take more
    cdef int64_t size = 0
    n = min(n, most)
    header.table = table
    header.tick = <uint16_t>now.tick
    header.index = 0
    header.baseline = <uint8_t>(now.tick - base.tick)
    header.older = 0 if older == NULL else <uint8_t>(base.tick - older.tick)
    header.predicted = True
    section_put_header(out, &header)
    s.t = now.lanes
    s.a = base.lanes
    s.b = base.lanes if older == NULL else older.lanes
    s.m.history = older != NULL
    s.m.num = header.baseline
    s.m.den = 1 if older == NULL else header.older
    s.slots = slots
    while n:
        s.n = n
        coder_write(&s.c, out + header.size, <uint32_t>(SECTION_MAX_BYTES - header.size))
        code_slots(&s.c, layout, <uint16_t *>slots, n, n)
        size = section_run(s)
        if size >= 0:
            size += header.size
            likely[0] = fitting(n, <uint32_t>size)
            if fits or size * 4 > SECTION_MAX_BYTES * 3 or min(likely[0], most) <= n + n // 4:
                break
            # what was left over is less dense than it seemed: once more, with more
            fits = n
            n = min(likely[0], most)
        elif fits:
            n = fits
        else:
            # a large slot set alone may fill it, so that nothing was reached
            most = n - 1
            n = min(max(s.reached * FILL // 16, n // 4), most)
    taken[0] = n
    return <uint32_t>size if n else 0


cdef int gather(
    section_columns *columns, const held_table *held, const section_header *header, int32_t tick,
    const decoded_rows *rows
) noexcept nogil:
    """Put the section's entities side by side, as held at A and B; 0 or SECTION_MISSING."""
    cdef size_t room = columns.s.capacity
    cdef int32_t first = tick - <int32_t>header.baseline
    cdef int32_t second = first - <int32_t>header.older
    cdef const int32_t *a = NULL
    cdef const int32_t *b = NULL
    cdef uint32_t i, lane
    for i in range(rows.count):
        if not held_at(held, rows.slots[i], first, &a) or a == NULL or a[CELL_LIFE] == 0:
            return SECTION_MISSING
        for lane in range(held.layout.n_lanes):
            columns.a[lane * room + i] = columns.t[lane * room + i] = a[CELL_CODES + lane]
        if header.older:
            if not held_at(held, rows.slots[i], second, &b) or b == NULL:
                return SECTION_MISSING
            if b[CELL_LIFE] != a[CELL_LIFE]:
                return SECTION_MISSING
            for lane in range(held.layout.n_lanes):
                columns.b[lane * room + i] = b[CELL_CODES + lane]
        rows.cells[i * held.stride + CELL_LIFE] = a[CELL_LIFE]
        rows.cells[i * held.stride + CELL_OWNER] = a[CELL_OWNER]
    return SECTION_OK


cdef int predicted_decode(
    section_columns *columns, held_table *held, const section_header *header, int32_t tick,
    const uint8_t *data, size_t size, decoded_rows *rows
) noexcept nogil:
    """Decode a section, header included, into ``rows``; 0 or a reason. Nothing held changes."""
    cdef section_coder *s = columns.s
    cdef size_t room = columns.s.capacity
    cdef uint32_t i, lane
    cdef int status
    coder_read(&s.c, data + header.size, <uint32_t>(size - header.size))
    rows.slots[0] = 0
    rows.count = code_slots(&s.c, held.layout, rows.slots, 1, <uint32_t>room)
    if rows.count == 0:
        return SECTION_SLOTS
    status = gather(columns, held, header, tick, rows)
    if status != SECTION_OK:
        return status
    s.t = columns.t
    s.a = columns.a
    s.b = columns.b if header.older else columns.a
    s.m.history = header.older != 0
    s.m.num = header.baseline
    s.m.den = header.older if header.older else 1
    s.slots = columns.order
    s.n = rows.count
    if section_run(s) < 0:
        return SECTION_CODE
    for i in range(rows.count):
        for lane in range(held.layout.n_lanes):
            rows.cells[i * held.stride + CELL_CODES + lane] = columns.t[lane * room + i]
        if held_reserve(held, rows.slots[i]):
            return SECTION_NO_MEMORY
    return SECTION_OK


def slot_set_bits(Layout layout not None, uint16_t[::1] slots not None):
    """Bits that slots take in a predicted section of a table.

    Raises:
        ValueError: there are none, they do not rise, or not all are slots of the table.
    """
    cdef range_coder c
    cdef Py_ssize_t i
    cdef Py_ssize_t n = slots.shape[0]
    if n == 0 or slots[n - 1] >= layout.c.capacity:
        raise ValueError(f"{n} slots; at least one, and all below {layout.capacity}")
    for i in range(1, n):
        if slots[i] <= slots[i - 1]:
            raise ValueError(f"slot {slots[i]} comes after slot {slots[i - 1]}; slots must rise")
    memset(&c, 0, sizeof(c))
    coder_count(&c)
    code_slots(&c, &layout.c, &slots[0], <uint32_t>n, <uint32_t>n)
    return c.cost >> 16


@cython.final
@cython.auto_pickle(False)
cdef class Columns:
    """Work memory of a decoder.

    Args:
        coder: its capacity is as many entities as a section may have.
        n_lanes: of the table.
    """

    def __cinit__(self, SectionCoder coder not None, n_lanes):
        cdef size_t n = (<size_t>n_lanes + 1) * coder.capacity * sizeof(int32_t)
        cdef uint32_t i
        self.coder = coder
        self.c.s = &coder.s
        self.c.a = <int32_t *>malloc(n)
        self.c.b = <int32_t *>malloc(n)
        self.c.t = <int32_t *>malloc(n)
        self.c.order = <uint16_t *>malloc(coder.capacity * sizeof(uint16_t))
        if not (self.c.a and self.c.b and self.c.t and self.c.order):
            raise MemoryError
        for i in range(coder.capacity):
            self.c.order[i] = <uint16_t>i

    def __dealloc__(self):
        free(self.c.a)
        free(self.c.b)
        free(self.c.t)
        free(self.c.order)
