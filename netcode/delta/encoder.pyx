"""Snapshots to sections: as many slots as fit, a pure function of two snapshots and a slot set."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

import numpy as np

from netcode.bits.stream cimport (
    bit_reader,
    bit_writer,
    br_get,
    br_init,
    bw_bytes,
    bw_init,
    bw_put,
    bw_seek,
)
from netcode.delta.changes cimport section_coder
from netcode.delta.coder cimport SectionCoder
from netcode.delta.history cimport Ring, ring_find, snapshot
from netcode.delta.layout cimport lane_layout
from netcode.delta.predicted cimport predicted_encode
from netcode.delta.section cimport (
    HISTORY_TICKS,
    NO_OWNER,
    SECTION_BODY_BITS,
    RICE_LIMIT,
    SECTION_HEADER_BYTES,
    SECTION_MAX_BYTES,
    SECTION_MAX_PREDICTED,
    SECTION_RICE_BITS,
    rice_put,
    section_header,
    section_put_header,
)

__all__ = ["encode_sections"]


cdef void put_row(
    bit_writer *w,
    const lane_layout *layout,
    const snapshot *now,
    const snapshot *base,
    uint32_t slot,
) noexcept nogil:
    """Append one row against ``base``, or against nothing when that is NULL."""
    cdef size_t capacity = layout.capacity
    cdef const int32_t *codes = now.lanes + slot
    cdef const int32_t *before = NULL
    cdef uint32_t field, lane
    cdef uint32_t difference
    cdef size_t at
    if base != NULL:
        before = base.lanes + slot
    else:
        if not now.alive[slot]:
            bw_put(w, 0, 1)
            return
        bw_put(w, 1 | <uint64_t>now.generation[slot] << 1, 17)
        if now.owner[slot] == NO_OWNER:
            bw_put(w, 0, 1)
        else:
            bw_put(w, 1 | <uint64_t>(now.owner[slot] & 0xFFFF) << 1, 17)
    for field in range(layout.n_fields):
        difference = 0
        for lane in range(layout.first[field], layout.first[field + 1]):
            at = layout.source[lane] * capacity
            difference |= <uint32_t>codes[at] ^ (
                <uint32_t>before[at] if before != NULL else 0
            )
        if not difference:
            bw_put(w, 0, 1)
            continue
        bw_put(w, 1, 1)
        for lane in range(layout.first[field], layout.first[field + 1]):
            bw_put(w, <uint32_t>codes[layout.source[lane] * capacity], layout.bits[lane])


cdef uint32_t section_encode(
    const lane_layout *layout,
    uint8_t table,
    const snapshot *now,
    const snapshot *base,
    const uint16_t *slots,
    uint32_t count,
    uint8_t *out,
    uint32_t *taken,
) noexcept nogil:
    """Encode the first slots that fit a plain section; return its bytes and how many were
    ``taken``.

    ``slots`` rise and there is at least one; ``out`` has ENCODE_BUFFER_BYTES. With ``base`` every
    slot lives the same life, under the same owner, in both snapshots; without, any slot may be
    given. The index in the header is 0: whoever sends it sets it.
    """
    cdef uint8_t scratch[SECTION_MAX_BYTES + 16]
    cdef bit_writer rows
    cdef bit_writer w
    cdef uint64_t mark
    cdef bit_reader copy
    cdef section_header header
    cdef uint64_t cost[RICE_LIMIT]
    cdef uint64_t best
    cdef uint32_t n = 0
    cdef uint32_t i, k, gap
    cdef uint32_t best_k = 0
    cdef uint32_t used_k = 0
    bw_init(&rows, scratch, SECTION_MAX_BYTES)
    for k in range(RICE_LIMIT):
        cost[k] = 0
    while n < count and n < layout.max_rows:
        best = 0
        best_k = 0
        if n:
            gap = slots[n] - slots[n - 1] - 1
            for k in range(RICE_LIMIT):
                cost[k] += (gap >> k) + 1 + k
            best = cost[0]
            for k in range(1, RICE_LIMIT):
                if cost[k] < best:
                    best = cost[k]
                    best_k = k
        mark = rows.position
        put_row(&rows, layout, now, base, slots[n])
        if rows.error or (
            SECTION_RICE_BITS + 2 * layout.slot_bits + best + rows.position > SECTION_BODY_BITS
        ):
            bw_seek(&rows, mark)
            break
        used_k = best_k
        n += 1
    taken[0] = n
    header.table = table
    header.tick = <uint16_t>now.tick
    header.index = 0
    header.baseline = 0 if base == NULL else <uint8_t>(now.tick - base.tick)
    header.older = 0
    header.predicted = False
    section_put_header(out, &header)
    bw_init(&w, out + SECTION_HEADER_BYTES, SECTION_MAX_BYTES - SECTION_HEADER_BYTES)
    bw_put(&w, used_k, SECTION_RICE_BITS)
    bw_put(&w, n - 1, <int>layout.slot_bits)
    bw_put(&w, slots[0], <int>layout.slot_bits)
    for i in range(1, n):
        rice_put(&w, slots[i] - slots[i - 1] - 1, used_k)
    br_init(&copy, scratch, SECTION_MAX_BYTES)
    while copy.position + 32 <= rows.position:
        bw_put(&w, br_get(&copy, 32), 32)
    i = <uint32_t>(rows.position - copy.position)
    bw_put(&w, br_get(&copy, <int>i), <int>i)
    return SECTION_HEADER_BYTES + <uint32_t>bw_bytes(&w)


cdef const snapshot *baseline_of(
    Ring history, const snapshot *now, int32_t tick, object slots
) except NULL:
    """The snapshot of a baseline; ValueError when it is none for all of these slots."""
    cdef const snapshot *base = ring_find(&history.ring, tick)
    if base == NULL or not 0 < now.tick - base.tick < HISTORY_TICKS:
        raise ValueError(f"tick {tick} is no baseline of tick {now.tick}")
    for slot in slots:
        if not base.alive[<uint32_t>slot] or not now.alive[<uint32_t>slot] or (
            now.life[<uint32_t>slot] > base.tick
        ):
            raise ValueError(f"slot {slot} did not live from tick {tick} to tick {now.tick}")
    return base


def encode_sections(
    Ring history not None, slots, *, tick=None, baseline=None, older=None, table=0,
    SectionCoder coder=None,
):
    """Encode a slot set into as many sections as it takes.

    Args:
        history: the ring that holds both snapshots: a History, or a Projection of one.
        slots: rising slots.
        tick: snapshot to encode; default the newest.
        baseline: tick of the baseline, up to 63 earlier; None: full state. Each slot must live the
            same life under the same owner at both ticks.
        older: tick of the second baseline B, before the first and up to 63 ticks before ``tick``,
            under the same condition; None: there is none. Needs a coder.
        table: the id to write into the headers, 0 to 255.
        coder: of the table's model, for predicted sections; None, and full state: plain ones.

    Returns:
        list of (section bytes with index 0, slots in it as an int array).

    Raises:
        ValueError: an argument outside these rules.
    """
    cdef int32_t at = history.ring.newest if tick is None else tick
    cdef const snapshot *now = ring_find(&history.ring, at)
    cdef const snapshot *base = NULL
    cdef const snapshot *second = NULL
    cdef section_coder *s = NULL
    cdef uint16_t[::1] wanted
    cdef uint32_t start = 0
    cdef uint32_t taken = 0
    cdef uint32_t likely = 0
    cdef uint32_t size
    cdef uint32_t count
    cdef uint8_t table_id = table
    cdef uint8_t out[SECTION_MAX_BYTES + 16]
    if coder is not None:
        if coder.capacity != history.layout.c.capacity:
            raise ValueError(f"a coder for {coder.capacity} slots, not {history.layout.capacity}")
        if coder.room < min(coder.capacity, <uint32_t>SECTION_MAX_PREDICTED):
            raise ValueError(
                f"a coder with room for {coder.room} of {coder.capacity} slots; a section can have "
                f"{min(coder.capacity, <uint32_t>SECTION_MAX_PREDICTED)}"
            )
        s = &coder.s
    if now == NULL:
        raise ValueError(f"tick {at} is not in the history")
    given = np.asarray(slots, np.int64).reshape(-1)
    if given.size and (
        given.min() < 0 or given.max() >= history.layout.c.capacity or np.any(np.diff(given) <= 0)
    ):
        raise ValueError("slots must rise and be below the capacity")
    if baseline is not None:
        base = baseline_of(history, now, baseline, given)
    if older is not None:
        if base == NULL or coder is None or older >= baseline:
            raise ValueError(f"tick {older} cannot be named without a coder and a newer baseline")
        second = baseline_of(history, now, older, given)
    wanted = given.astype(np.uint16)
    count = given.size
    sections = []
    while start < count:
        with nogil:
            size = 0
            if base != NULL and s != NULL:
                size = predicted_encode(
                    s, &history.layout.c, table_id, now, base, second, &wanted[start],
                    count - start, out, &taken, &likely
                )
            if size == 0:
                size = section_encode(
                    &history.layout.c, table_id, now, base, &wanted[start], count - start, out,
                    &taken
                )
        sections.append((out[:size], given[start : start + taken]))
        start += taken
    return sections
