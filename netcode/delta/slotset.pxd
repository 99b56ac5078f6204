"""The slot set of a predicted section: rising slots, by their gaps or as runs, in even decisions.

    count - 1 (slot_bits), first slot (slot_bits), and behind it, of several slots:
        as runs? (1)
        not: parameter k (4), then for each slot the gap before it, from 0, in Rice's code
        runs: parameters k of gaps (4) and of lengths (4), then for each run its length less 1,
            and, unless it is the last, the gap behind it less 1

A value in Rice's code: ``value >> k`` zeros, a one, the ``k`` low bits. Which way and which
parameters is settled by the slots (``slot_code``), so that a set has one spelling.
"""

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from netcode.delta.layout cimport lane_layout
from netcode.delta.rangecoder cimport CODER_DECODE, code_raw, range_coder
from netcode.delta.section cimport RICE_LIMIT, SECTION_RICE_BITS


cdef struct slot_coding:
    bint as_runs
    uint32_t k             # of gaps
    uint32_t k_length      # of the lengths of runs


cdef inline uint64_t rice_bits(uint64_t sum, uint64_t n, uint32_t k) noexcept nogil:
    """What n values take, at most."""
    return n * (k + 1) + (sum >> k)


cdef inline uint32_t rice_best(uint64_t sum, uint64_t n) noexcept nogil:
    """The parameter for n values of this sum."""
    cdef uint32_t k = 0
    while k < RICE_LIMIT - 1 and rice_bits(sum, n, k + 1) < rice_bits(sum, n, k):
        k += 1
    return k


cdef inline uint32_t code_rice(
    range_coder *c, uint32_t value, uint32_t k, uint32_t limit
) noexcept nogil:
    """Code a value below ``limit``; in the decoder ``limit`` or more for one that is not."""
    cdef uint32_t high = value >> k
    cdef uint32_t most = limit >> k
    cdef uint32_t n = 0
    cdef uint32_t _
    if c.mode == CODER_DECODE:
        while code_raw(c, 0, 1) == 0:
            n += 1
            if n > most or (c.code == 0 and c.size >= c.limit):
                return limit    # too many zeros, or zeros for ever
        return n << k | code_raw(c, 0, <int>k)
    for _ in range(high):
        code_raw(c, 0, 1)  # one by one: the coder rounds differently when it takes several
    code_raw(c, 1, 1)
    code_raw(c, value & ((<uint32_t>1 << k) - 1), <int>k)
    return value


cdef inline uint32_t run_length(const uint16_t *slots, uint32_t n) noexcept nogil:
    """How many of the n slots follow one another from the first."""
    cdef uint32_t i = 1
    while i < n and slots[i] == slots[0] + i:
        i += 1
    return i


cdef inline uint32_t code_gaps(
    range_coder *c, uint32_t capacity, uint16_t *slots, uint32_t n, uint32_t k
) noexcept nogil:
    """The slots behind the first, by their gaps; n, or 0 (decoder)."""
    cdef uint32_t slot = slots[0]
    cdef uint32_t i, gap
    for i in range(1, n):
        gap = code_rice(c, <uint32_t>slots[i] - slot - 1, k, capacity)
        if gap >= capacity - slot - 1:
            return 0
        slot += gap + 1
        if c.mode == CODER_DECODE:
            slots[i] = <uint16_t>slot
    return n


cdef inline uint32_t code_runs(
    range_coder *c, uint32_t capacity, uint16_t *slots, uint32_t n, uint32_t k, uint32_t k_length
) noexcept nogil:
    """The slots behind the first, as runs; n, or 0 (decoder)."""
    cdef uint32_t slot = slots[0]
    cdef uint32_t at = 0
    cdef uint32_t length = 0
    cdef uint32_t gap = 0
    cdef uint32_t i
    cdef bint known = c.mode != CODER_DECODE
    while True:
        if known:
            length = run_length(slots + at, n - at)
        length = code_rice(c, length - 1, k_length, n - at) + 1
        if length > n - at or length > capacity - slot:
            return 0
        for i in range(0 if known else length):
            slots[at + i] = <uint16_t>(slot + i)
        at += length
        slot += length
        if at == n:
            return n
        if known:
            gap = slots[at] - slot
        gap = code_rice(c, gap - 1, k, capacity) + 1
        if gap >= capacity - slot:
            return 0
        slot += gap


cdef inline slot_coding slot_code(const uint16_t *slots, uint32_t n) noexcept nogil:
    """How two slots or more are written."""
    cdef slot_coding way
    cdef uint64_t free = slots[n - 1] - slots[0] - (n - 1)
    cdef uint64_t runs = 1
    cdef uint64_t as_gaps, as_runs
    cdef uint32_t i
    for i in range(1, n):
        runs += slots[i] - slots[i - 1] != 1
    way.k = rice_best(free, n - 1)
    way.k_length = rice_best(n - runs, runs)
    as_gaps = rice_bits(free, n - 1, way.k)
    free -= runs - 1
    i = rice_best(free, runs - 1)
    as_runs = rice_bits(free, runs - 1, i) + rice_bits(n - runs, runs, way.k_length)
    way.as_runs = SECTION_RICE_BITS + as_runs < as_gaps
    if way.as_runs:
        way.k = i
    else:
        way.k_length = 0
    return way


cdef inline uint32_t code_slots(
    range_coder *c, const lane_layout *layout, uint16_t *slots, uint32_t n, uint32_t room
) noexcept nogil:
    """Code the slot set; its length, 0 for one that no encoder writes (decoder)."""
    cdef uint32_t width = layout.slot_bits
    cdef uint32_t slot
    cdef slot_coding way
    cdef slot_coding own
    way.as_runs = False
    way.k = way.k_length = 0
    n = code_raw(c, n - 1, <int>width) + 1
    slot = code_raw(c, slots[0], <int>width)
    if n > room or slot >= layout.capacity:
        return 0
    if n > 1 and c.mode != CODER_DECODE:
        way = slot_code(slots, n)
    if c.mode == CODER_DECODE:
        slots[0] = <uint16_t>slot
    if n == 1:
        return 1
    way.as_runs = code_raw(c, way.as_runs, 1) != 0
    way.k = code_raw(c, way.k, SECTION_RICE_BITS)
    if way.as_runs:
        way.k_length = code_raw(c, way.k_length, SECTION_RICE_BITS)
        n = code_runs(c, layout.capacity, slots, n, way.k, way.k_length)
    else:
        n = code_gaps(c, layout.capacity, slots, n, way.k)
    if n and c.mode == CODER_DECODE:
        own = slot_code(slots, n)
        if own.as_runs != way.as_runs or own.k != way.k or own.k_length != way.k_length:
            return 0
    return n
