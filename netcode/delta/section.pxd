"""The section: the unit of coding and of sharing. Constants, reasons, header and slot set.

Layout, multi-byte numbers little-endian, bit fields least significant bit first:

    u8   table
    u16  tick, low bits
    u8   index of the section within its tick
    u8   baselines: bits 0 to 5: 0 = full state, else tick - A (1 to 63);
         bit 6: the rows are predicted, not plain; bit 7: B is named too (predicted only)
    u8   with B only: A - B, at least 1; tick - B is at most 63
    plain body, a bit stream, zero-padded to a byte:
        Rice parameter k (4), count - 1 (slot_bits), first slot (slot_bits),
        then for each further slot its gap (slot - previous - 1): gap >> k zeros, a one, k low bits
        then for each slot in order, its row:
            full state only: alive (1); when dead nothing follows;
                generation (16), owned (1), when owned the owner's client index (16)
            for each field: changed (1); when changed the code of each of its lanes, raw

A plain row of a full state is coded against all-zero codes, any other against A's codes.

A predicted body is one run of the range coder: the slot set as even decisions (numbers high bit
first), see slotset.pxd, then the changes, see changes.pyx. No body ends in a zero byte; it may be
empty.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from netcode.bits.stream cimport bit_reader, bit_writer, br_get, bw_put


cpdef enum:
    SECTION_MAX_BYTES = 1100       # header included; leaves room for packet and frame headers
    SECTION_HEADER_BYTES = 5
    SECTION_MAX_PREDICTED = 1024   # entities in one predicted section
    SECTION_BODY_BITS = 8760       # (1100 - 5) * 8
    SECTION_RICE_BITS = 4
    SECTION_SPAWN_BITS = 34        # alive, generation, owned, owner
    SECTION_MAX_CAPACITY = 65536
    HISTORY_TICKS = 64             # baselines reach 63 ticks back; one bit each in a 64-bit mask
    NO_OWNER = -1
    NO_TICK = -1

cpdef enum:                        # why a section was not applied
    SECTION_OK = 0
    SECTION_TRUNCATED = -1         # ends inside the header or the body
    SECTION_TOO_LONG = -2          # over SECTION_MAX_BYTES
    SECTION_TABLE = -3             # no such table
    SECTION_BASELINE = -4          # baseline offset over 63
    SECTION_SLOTS = -5             # count or slot over the capacity
    SECTION_CODE = -6              # a code over its lane's limit
    SECTION_NOT_CANONICAL = -7     # a field marked changed that is not, or generation 0
    SECTION_TRAILING = -8          # bytes or set bits behind the end
    SECTION_MISSING = -9           # well-formed so far, but the baseline is not held
    SECTION_NO_MEMORY = -10
    SECTION_MODEL = -11            # predicted, but the table's rows can only be plain

cpdef enum:
    RICE_LIMIT = 16                # parameters 0 to 15
    PREDICTED = 64                 # bits of the baselines
    WITH_OLDER = 128


cdef struct section_header:
    uint8_t table
    uint16_t tick
    uint8_t index
    uint8_t baseline       # tick - A, 0 = full state
    uint8_t older          # A - B, 0 = no B
    bint predicted
    uint8_t size           # bytes of the header


cdef inline void section_put_header(uint8_t *out, section_header *h) noexcept nogil:
    """Write the 5 or 6 header bytes, and set ``size``."""
    out[0] = h.table
    out[1] = <uint8_t>h.tick
    out[2] = <uint8_t>(h.tick >> 8)
    out[3] = h.index
    out[4] = <uint8_t>(
        h.baseline | (PREDICTED if h.predicted else 0) | (WITH_OLDER if h.older else 0)
    )
    h.size = SECTION_HEADER_BYTES
    if h.older:
        out[SECTION_HEADER_BYTES] = h.older
        h.size += 1


cdef inline int section_get_header(
    const uint8_t *data, size_t size, section_header *h
) noexcept nogil:
    """Read the header of a section of ``size`` bytes; 0 or a reason."""
    if size < SECTION_HEADER_BYTES:
        return SECTION_TRUNCATED
    if size > SECTION_MAX_BYTES:
        return SECTION_TOO_LONG
    h.table = data[0]
    h.tick = <uint16_t>(data[1] | (<uint16_t>data[2] << 8))
    h.index = data[3]
    h.baseline = data[4] & (HISTORY_TICKS - 1)
    h.predicted = (data[4] & PREDICTED) != 0
    h.older = 0
    h.size = SECTION_HEADER_BYTES
    if size == SECTION_HEADER_BYTES and (not h.predicted or data[4] & WITH_OLDER):
        return SECTION_TRUNCATED
    if h.predicted and h.baseline == 0:
        return SECTION_BASELINE
    if data[4] & WITH_OLDER:
        h.older = data[SECTION_HEADER_BYTES]
        h.size += 1
        if not h.predicted or h.older == 0 or h.baseline + h.older >= HISTORY_TICKS:
            return SECTION_BASELINE
    return SECTION_OK


cdef inline void rice_put(bit_writer *w, uint32_t value, uint32_t k) noexcept nogil:
    """``value >> k`` zeros, a one, the ``k`` low bits."""
    cdef uint32_t zeros = value >> k
    while zeros >= 32:
        bw_put(w, 0, 32)
        zeros -= 32
    bw_put(w, <uint64_t>1 << zeros, <int>zeros + 1)
    bw_put(w, value & ((<uint32_t>1 << k) - 1), <int>k)


cdef inline uint32_t rice_get(bit_reader *r, uint32_t k, uint32_t limit) noexcept nogil:
    """The inverse; ``limit`` or more when the value is not below ``limit`` (work stays bounded)."""
    cdef uint32_t high = 0
    cdef uint32_t most = limit >> k
    while br_get(r, 1) == 0:
        high += 1
        if r.error or high > most:
            return limit
    return (high << k) | <uint32_t>br_get(r, <int>k)


cdef inline int32_t tick_near(uint16_t low, int32_t newest) noexcept nogil:
    """The tick with these low bits that is nearest to ``newest``; negative when before tick 0."""
    cdef int32_t ahead = <int32_t>((<uint32_t>low - <uint32_t>newest) & 0xFFFF)
    if ahead >= 0x8000:
        ahead -= 0x10000
    if <int64_t>newest + ahead > 0x7FFFFFFF:
        return NO_TICK
    return newest + ahead
