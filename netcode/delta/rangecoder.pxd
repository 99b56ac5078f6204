"""Range coder, 32 bits with carry, over 16-bit probabilities, frozen or adaptive.

One function, ``code``, serves encoder, decoder and trainer, so the two ends cannot drift apart.
``code_token`` codes one of many in one step, where a row of a frozen model's tokens is at hand.
The code string ends at its last byte that is not zero; the reader supplies zeros beyond it.
"""

from libc.stdint cimport int16_t, int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from netcode.delta.adaptive cimport (
    adaptive_at,
    adaptive_cell,
    adaptive_learn,
    adaptive_open,
    adaptive_tables,
)


cdef enum:
    CODER_ENCODE = 0
    CODER_DECODE = 1
    CODER_COUNT = 2        # training: counts decisions, writes nothing
    CODER_LONG = 3         # the way of a decision that is counted or adapts

cdef enum:
    RANGE_TOP = 0x1000000  # a byte moves when the range falls below
    TOKENS = 55            # the last one takes what rounding leaves over
    TOKEN_ROW = 56         # whole vectors of 8


cdef struct range_coder:
    int mode
    int way                # the mode, or CODER_LONG
    uint32_t range
    uint32_t low           # decoder too: for the check of the end
    uint32_t code          # decoder: distance of the code string above low
    uint8_t *out
    const uint8_t *data
    uint32_t size          # written or read
    uint32_t limit
    bint full              # the output did not fit; decoder: the string is none
    const uint16_t *p      # probability of a 0, in 1/65536
    const int16_t *tokens  # rows of lower bounds, less 32768, rising
    uint32_t *counts       # [2 * contexts]
    const uint32_t *costs  # [65537] counting: 1/65536 bits of a choice, by its share of 65536
    uint64_t cost          # what was counted would take so many
    adaptive_tables adaptive


cdef inline void coder_open(range_coder *c) noexcept nogil:
    """Begin a section, after the mode is set."""
    c.way = CODER_LONG if c.mode == CODER_COUNT or c.adaptive.cells != NULL else c.mode
    adaptive_open(&c.adaptive)


cdef inline void coder_count(range_coder *c) noexcept nogil:
    """Begin a section that is only counted."""
    c.mode = CODER_COUNT
    coder_open(c)
    c.full = False


cdef inline void coder_write(range_coder *c, uint8_t *out, uint32_t limit) noexcept nogil:
    c.mode = CODER_ENCODE
    coder_open(c)
    c.range = 0xFFFFFFFF
    c.low = 0
    c.out = out
    c.size = 0
    c.limit = limit
    c.full = False


cdef inline uint32_t next_byte(range_coder *c) noexcept nogil:
    cdef uint32_t value = 0
    if c.size < c.limit:
        value = c.data[c.size]
    c.size += 1
    return value


cdef inline void coder_read(range_coder *c, const uint8_t *data, uint32_t size) noexcept nogil:
    c.mode = CODER_DECODE
    coder_open(c)
    c.range = 0xFFFFFFFF
    c.low = 0
    c.code = 0
    c.data = data
    c.size = 0
    c.limit = size
    c.full = False
    for _ in range(4):
        c.code = c.code << 8 | next_byte(c)
    c.full = c.code >= c.range    # no encoder's; all later codes are below the range


cdef inline void carry(range_coder *c) noexcept nogil:
    cdef uint32_t at = c.size
    if c.full:
        return
    while at:
        at -= 1
        c.out[at] += 1
        if c.out[at]:
            return


cdef inline void shift(range_coder *c) noexcept nogil:
    """Move one byte."""
    if c.mode == CODER_ENCODE:
        if c.size < c.limit:
            c.out[c.size] = <uint8_t>(c.low >> 24)
            c.size += 1
        else:
            c.full = True
    else:
        c.code = c.code << 8 | next_byte(c)
    c.low <<= 8
    c.range <<= 8


cdef inline void take(range_coder *c, uint32_t start, uint32_t width) noexcept nogil:
    """Narrow to the part that was chosen; start + width is at most the range."""
    cdef uint32_t low = c.low + start
    if c.mode == CODER_ENCODE:
        if low < start:
            carry(c)
    else:
        c.code -= start
    c.low = low
    c.range = width
    while c.range < RANGE_TOP:
        shift(c)


cdef inline uint32_t bound_of(const range_coder *c, uint32_t p) noexcept nogil:
    """Where the part of a 1 begins when a 0 has probability ``p``."""
    return <uint32_t>((<uint64_t>c.range * p) >> 16)


cdef inline int split(range_coder *c, uint32_t bound, int bit) noexcept nogil:
    """Take the part of a 0, below the bound, or that of a 1. Returns the decision."""
    if bit:
        take(c, bound, c.range - bound)
    else:
        take(c, 0, bound)
    return bit


cdef inline int code_long(range_coder *c, uint32_t context, int bit) noexcept nogil:
    """The long way: count, adapt, or both."""
    cdef uint32_t p = c.p[context]
    cdef uint32_t bound
    cdef adaptive_cell *cell = NULL
    if c.adaptive.cells != NULL:
        cell = adaptive_at(&c.adaptive, context, <uint16_t>p)
        p = cell.p
    if c.mode == CODER_COUNT:
        c.counts[2 * context + bit] += 1
        c.cost += c.costs[65536 - p if bit else p]
    else:
        bound = bound_of(c, p)
        bit = split(c, bound, c.code >= bound if c.mode == CODER_DECODE else bit)
    if cell != NULL:
        adaptive_learn(cell, bit)
    return bit


cdef inline int code(range_coder *c, uint32_t context, int bit) noexcept nogil:
    """Code one decision; in the decoder ``bit`` is ignored. Returns the decision."""
    cdef uint32_t bound = bound_of(c, c.p[context])
    # one test for the encoder, whether there are other ways or not
    if c.way != CODER_ENCODE:
        if c.way == CODER_LONG:
            return code_long(c, context, bit)
        bit = c.code >= bound
    return split(c, bound, bit)


cdef inline int code_token(range_coder *c, const int16_t *row, int token) noexcept nogil:
    """Code one of TOKENS, 0 and up, the short way; the decoder ignores ``token``. Returns it."""
    cdef uint32_t unit = c.range >> 16
    cdef uint32_t value, start
    cdef int16_t at
    cdef int16_t n = 0
    cdef int i
    if c.mode == CODER_DECODE:
        value = c.code // unit
        at = <int16_t>(<int32_t>(value if value < 65535 else 65535) - 32768)
        for i in range(TOKEN_ROW):
            n += row[i] <= at
        token = n - 1 if n < TOKENS else TOKENS - 1
    start = unit * <uint32_t>(row[token] + 32768)
    if token == TOKENS - 1:
        take(c, start, c.range - start)
    else:
        take(c, start, unit * <uint32_t>(row[token + 1] - row[token]))
    return token


cdef inline uint64_t token_cost(
    const range_coder *c, const int16_t *row, int token
) noexcept nogil:
    """When counting: 1/65536 bits that ``code_token`` takes."""
    cdef int32_t end = row[token + 1] if token < TOKENS - 1 else 32768
    return c.costs[end - row[token]]


cdef inline uint32_t code_raw(range_coder *c, uint32_t value, int bits) noexcept nogil:
    """``bits`` even decisions, high first; at most 32."""
    cdef uint32_t result = 0
    cdef uint32_t unit, part
    cdef int step
    while bits:
        step = bits if bits < 12 else 12
        bits -= step
        unit = c.range >> step
        part = value >> bits & ((<uint32_t>1 << step) - 1)
        if c.mode != CODER_ENCODE:
            if c.mode == CODER_COUNT:
                c.cost += <uint64_t>(bits + step) << 16
                return value
            part = c.code // unit
            if part >> step:
                part = (<uint32_t>1 << step) - 1
                c.full = True    # what rounding left over is no encoder's
        take(c, unit * part, unit)
        result = result << step | part
    return result


cdef inline uint64_t last_value(const range_coder *c) noexcept nogil:
    """The value in [low, low + range) with the most trailing zeros; 33 bits."""
    cdef uint64_t top = <uint64_t>c.low + c.range - 1
    cdef uint64_t step = 2
    while step < <uint64_t>1 << 34 and (top & (0 - step)) >= c.low:
        step <<= 1
    return top & (0 - (step >> 1))


cdef inline uint32_t coder_finish(range_coder *c) noexcept nogil:
    """Flush; bytes written."""
    cdef uint64_t value = last_value(c)
    if value >> 32:
        carry(c)
    c.low = <uint32_t>value
    while c.low:
        shift(c)
    while not c.full and c.size and c.out[c.size - 1] == 0:
        c.size -= 1
    return c.size


cdef inline bint coder_ended(const range_coder *c) noexcept nogil:
    """Whether the string read is the one ``coder_finish`` writes."""
    if c.full or c.code != <uint32_t>(last_value(c) - c.low):
        return False
    if c.limit and c.data[c.limit - 1] == 0:
        return False
    return c.limit <= c.size
