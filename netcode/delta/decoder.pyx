"""Sections to held states: everything is checked and decoded aside, then committed at once."""

cimport cython
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from netcode.bits.stream cimport bit_reader, br_get, br_init
from netcode.delta.held cimport (
    CELL_CODES,
    CELL_LIFE,
    CELL_OWNER,
    Held,
    held_at,
    held_put,
    held_reserve,
    held_table,
)
from netcode.delta.layout cimport lane_layout
from netcode.delta.predicted cimport Columns, decoded_rows, predicted_decode
from netcode.delta.section cimport (
    NO_OWNER,
    SECTION_CODE,
    SECTION_HEADER_BYTES,
    SECTION_MAX_PREDICTED,
    SECTION_MISSING,
    SECTION_MODEL,
    SECTION_NO_MEMORY,
    SECTION_NOT_CANONICAL,
    SECTION_OK,
    SECTION_RICE_BITS,
    SECTION_SLOTS,
    SECTION_TRAILING,
    SECTION_TRUNCATED,
    rice_get,
    section_get_header,
    section_header,
    tick_near,
)
from netcode.delta.section import REASONS

__all__ = ["Decoder"]


cdef int take_slots(bit_reader *r, const lane_layout *layout, decoded_rows *rows) noexcept nogil:
    """Read the slot set; 0 or a reason."""
    cdef uint32_t k = <uint32_t>br_get(r, SECTION_RICE_BITS)
    cdef uint32_t count = <uint32_t>br_get(r, <int>layout.slot_bits) + 1
    cdef uint32_t slot = <uint32_t>br_get(r, <int>layout.slot_bits)
    cdef uint32_t gap, i
    if r.error:
        return SECTION_TRUNCATED
    if count > layout.max_rows or slot >= layout.capacity:
        return SECTION_SLOTS
    rows.slots[0] = <uint16_t>slot
    for i in range(1, count):
        gap = rice_get(r, k, layout.capacity)
        if r.error:
            return SECTION_TRUNCATED
        if gap >= layout.capacity - slot - 1:
            return SECTION_SLOTS
        slot += gap + 1
        rows.slots[i] = <uint16_t>slot
    rows.count = count
    return SECTION_OK


cdef int take_row(
    bit_reader *r, const lane_layout *layout, const int32_t *before, int32_t *cell
) noexcept nogil:
    """Read one row against the codes of ``before``, or as full state when that is NULL."""
    cdef uint32_t field, lane
    cdef uint32_t code, old
    cdef uint32_t difference
    cdef int32_t *codes = cell + CELL_CODES
    if before != NULL:
        cell[CELL_LIFE] = before[CELL_LIFE]
        cell[CELL_OWNER] = before[CELL_OWNER]
    else:
        memset(cell, 0, (CELL_CODES + layout.n_lanes) * sizeof(int32_t))
        cell[CELL_OWNER] = NO_OWNER
        if not br_get(r, 1):
            return SECTION_TRUNCATED if r.error else SECTION_OK
        cell[CELL_LIFE] = <int32_t>br_get(r, 16)
        if br_get(r, 1):
            cell[CELL_OWNER] = <int32_t>br_get(r, 16)
        if r.error:
            return SECTION_TRUNCATED
        if cell[CELL_LIFE] == 0:
            return SECTION_NOT_CANONICAL
    for field in range(layout.n_fields):
        if not br_get(r, 1):
            if before != NULL:
                for lane in range(layout.first[field], layout.first[field + 1]):
                    codes[lane] = before[CELL_CODES + lane]
            continue
        difference = 0
        for lane in range(layout.first[field], layout.first[field + 1]):
            code = <uint32_t>br_get(r, layout.bits[lane])
            if code > layout.top[lane]:
                return SECTION_CODE
            old = <uint32_t>before[CELL_CODES + lane] if before != NULL else 0
            difference |= code ^ old
            codes[lane] = <int32_t>code
        if not difference:
            return SECTION_TRUNCATED if r.error else SECTION_NOT_CANONICAL
    return SECTION_TRUNCATED if r.error else SECTION_OK


cdef int section_decode(
    held_table *held, uint32_t baseline, int32_t tick, const uint8_t *data, size_t size,
    decoded_rows *rows
) noexcept nogil:
    """Decode a plain section, header included, into ``rows``; 0 or a reason. Nothing held
    changes."""
    cdef const lane_layout *layout = held.layout
    cdef bit_reader r
    cdef const int32_t *before = NULL
    cdef uint32_t i
    cdef int status
    br_init(&r, data + SECTION_HEADER_BYTES, size - SECTION_HEADER_BYTES)
    status = take_slots(&r, layout, rows)
    if status != SECTION_OK:
        return status
    for i in range(rows.count):
        if baseline:
            if not held_at(held, rows.slots[i], tick - <int32_t>baseline, &before):
                return SECTION_MISSING
            if before == NULL or before[CELL_LIFE] == 0:
                return SECTION_MISSING
        status = take_row(&r, layout, before, rows.cells + <size_t>i * held.stride)
        if status != SECTION_OK:
            return status
    if r.size - r.position >= 8 or br_get(&r, <int>(r.size - r.position)):
        return SECTION_TRAILING
    for i in range(rows.count):
        if held_reserve(held, rows.slots[i]):
            return SECTION_NO_MEMORY
    return SECTION_OK


@cython.final
@cython.auto_pickle(False)
cdef class Decoder:
    """Decodes the sections of one table into what its client holds. Scratch is allocated once.

    Args:
        held: what the client holds.
        model: of the table, for predicted sections; None: these are refused.
    """

    def __cinit__(self, Held held not None, model=None):
        cdef size_t most = held.layout.c.max_rows
        self.held = held
        self.columns = None
        if model is not None:
            room = min(held.layout.capacity, SECTION_MAX_PREDICTED)
            self.columns = Columns(model.coder(room), held.layout.n_lanes)
            most = max(most, <size_t>room)
        self.rows.slots = <uint16_t *>malloc(most * sizeof(uint16_t))
        self.rows.cells = <int32_t *>malloc(most * held.table.stride * sizeof(int32_t))
        if self.rows.slots == NULL or self.rows.cells == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.rows.slots)
        free(self.rows.cells)

    cdef int decode(
        self, const section_header *header, int32_t tick, const uint8_t *data, size_t size
    ) noexcept nogil:
        """Decode into scratch; 0 or a reason."""
        if not header.predicted:
            return section_decode(&self.held.table, header.baseline, tick, data, size, &self.rows)
        if self.columns is None:
            return SECTION_MODEL
        return predicted_decode(
            &self.columns.c, &self.held.table, header, tick, data, size, &self.rows
        )

    cdef void commit(self, int32_t tick) noexcept nogil:
        """Make what ``decode`` accepted part of what is held."""
        cdef uint32_t i
        self.held.version += 1
        for i in range(self.rows.count):
            held_put(
                &self.held.table, self.rows.slots[i], tick,
                self.rows.cells + <size_t>i * self.held.table.stride,
            )

    def receive(self, const uint8_t[::1] data not None, newest):
        """Decode and commit one section.

        Args:
            data: the section.
            newest: a tick within 32,767 of the section's, from which its high bits are taken.

        Returns:
            (tick, slots) when committed, else the reason as a string; then nothing has changed.
        """
        cdef section_header header
        cdef size_t size = data.shape[0]
        cdef int status
        cdef int32_t tick
        if size == 0:
            return REASONS[SECTION_TRUNCATED]
        status = section_get_header(&data[0], size, &header)
        if status != SECTION_OK:
            return REASONS[status]
        tick = tick_near(header.tick, newest)
        if tick < header.baseline + header.older:
            return REASONS[SECTION_MISSING]
        status = self.decode(&header, tick, &data[0], size)
        if status != SECTION_OK:
            return REASONS[status]
        self.commit(tick)
        return tick, [self.rows.slots[i] for i in range(self.rows.count)]
