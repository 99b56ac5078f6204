# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""The inner loop of sections.py: makes mutants of a section, decodes them and looks at the result.

Every mutant lies in memory of exactly its size, so that a sanitizer sees one byte read too many.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memmove

from netcode.delta.changes cimport section_run
from netcode.delta.coder cimport SectionCoder
from netcode.delta.decoder cimport Decoder
from netcode.delta.held cimport CELL_CODES, CELL_LIFE
from netcode.delta.rangecoder cimport coder_read, coder_write
from netcode.delta.section cimport (
    SECTION_OK, SECTION_TRUNCATED, section_get_header, section_header, tick_near,
)

cdef enum:
    CODE_BYTES = 8         # more than a value and its flags can take
    MORE = 64              # bytes that a mutant can be longer than the longest section
    EDITS = 6              # ways to spoil bytes

cdef enum:                 # where counts stand
    COUNT_REFUSED = 0
    COUNT_DECODED = 1

cdef enum:
    NOT_IN_RANGE = 1
    NOT_THE_ONLY_SPELLING = 2


cdef inline uint64_t draw(uint64_t *state) noexcept nogil:
    """splitmix64"""
    cdef uint64_t z
    state[0] += 0x9E3779B97F4A7C15u
    z = state[0]
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9u
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EBu
    return z ^ (z >> 31)


cdef inline uint32_t below(uint64_t *state, uint32_t n) noexcept nogil:
    return <uint32_t>((draw(state) >> 32) * n >> 32)


cdef uint32_t mutate(
    uint64_t *state, uint8_t *out, const uint8_t *data, uint32_t size, uint32_t kept,
    const uint8_t *other, uint32_t other_size
) noexcept nogil:
    """Fill ``out`` (the longer of both and MORE) with a mutant; its size. ``kept`` bytes of the
    start mostly stay."""
    cdef uint32_t first = kept if below(state, 8) else 0
    cdef uint32_t room = size - first if size > first else 0
    cdef uint32_t at, n, i
    cdef uint32_t edits = 1 + (below(state, 4) if below(state, 4) == 0 else 0)
    cdef uint32_t _
    memcpy(out, data, size)
    for _ in range(edits):
        at = first + below(state, room + 1)
        at = at if at < size else size
        n = below(state, EDITS)
        if n == 0 or n == 1:
            if at < size:
                out[at] ^= <uint8_t>(1 << below(state, 8))
        elif n == 2:
            if at < size:
                i = below(state, 3)
                out[at] = <uint8_t>(0 if i == 0 else 255 if i == 1 else draw(state))
        elif n == 3:
            if below(state, 4):
                # one byte more or less in the middle
                if at < size and below(state, 2):
                    memmove(out + at, out + at + 1, size - at - 1)
                    size -= 1
                elif at < size:
                    memmove(out + at + 1, out + at, size - at)
                    out[at] = <uint8_t>draw(state)
                    size += 1
            else:
                size = at
        elif n == 4:
            # noise from here on
            if below(state, 4) == 0:
                size += below(state, 8)
            for i in range(at, size):
                out[i] = <uint8_t>draw(state)
        elif at < other_size:
            # the end of another section
            memcpy(out + at, other + at, other_size - at)
            size = other_size
        room = size - first if size > first else 0
    return size


cdef bint in_range(
    SectionCoder coder, const uint32_t *tops, uint32_t lanes
) noexcept nogil:
    """Whether every code of the section's slots is at most its lane's largest."""
    cdef uint32_t i, lane
    for lane in range(lanes):
        for i in range(coder.s.n):
            if <uint32_t>coder.s.t[<size_t>lane * coder.s.capacity + coder.s.slots[i]] > tops[lane]:
                return False
    return True


def run_coder(
    SectionCoder coder, t, a, b, wrong, int num, int den, slots, const uint32_t[::1] tops,
    const uint8_t[::1] data, const uint8_t[::1] other, uint64_t state, uint32_t cases,
    int64_t[::1] counts,
):
    """Decode ``cases`` mutants of ``data`` with a coder; now and then against ``wrong``, not ``a``.

    Args:
        t: int32 ``(lanes, capacity)``, scratch; ``a``, ``b`` (or None), ``wrong`` beside it.
        tops: largest code of each lane.
        other: another section, spliced in.
        counts: int64 ``(2,)``, added to: refused, decoded.

    Returns:
        what was wrong, 0 for nothing, and the mutant's number.
    """
    cdef int32_t[:, ::1] t_view = t
    cdef const int32_t[:, ::1] a_view = a
    cdef const int32_t[:, ::1] wrong_view = wrong
    cdef size_t area = <size_t>t_view.shape[0] * t_view.shape[1] * sizeof(int32_t)
    cdef uint32_t most = <uint32_t>max(data.shape[0], other.shape[0]) + MORE
    cdef uint8_t *mutant = <uint8_t *>malloc(most)
    # what a short string says can take any number of zeros, until those at its end are dropped
    cdef uint32_t room = most + CODE_BYTES * <uint32_t>slots.size * <uint32_t>tops.shape[0]
    cdef uint8_t *again = <uint8_t *>malloc(room)
    cdef uint8_t *exact
    cdef uint32_t size, case
    cdef int64_t length
    cdef int found = 0
    coder.prepare(t, a, b, num, den, slots)
    case = 0
    with nogil:
        while case < cases:
            size = mutate(
                &state, mutant, &data[0], <uint32_t>data.shape[0], 0, &other[0],
                <uint32_t>other.shape[0],
            )
            exact = <uint8_t *>malloc(size + (size == 0))
            memcpy(exact, mutant, size)
            coder.s.a = &wrong_view[0, 0] if below(&state, 16) == 0 else &a_view[0, 0]
            if not coder.s.m.history:
                coder.s.b = coder.s.a
            memcpy(coder.s.t, coder.s.a, area)
            coder_read(&coder.s.c, exact, size)
            length = section_run(&coder.s)
            counts[COUNT_DECODED if length >= 0 else COUNT_REFUSED] += 1
            if not in_range(coder, &tops[0], <uint32_t>tops.shape[0]):
                found = NOT_IN_RANGE
            elif length >= 0:
                coder_write(&coder.s.c, again, room)
                length = section_run(&coder.s)
                if length != size or memcmp(again, exact, size):
                    found = NOT_THE_ONLY_SPELLING
            free(exact)
            if found:
                break
            case += 1
    free(mutant)
    free(again)
    return found, case


cdef bint rows_in_range(Decoder decoder) noexcept nogil:
    """Whether the slots of the decoded rows rise and exist, and their codes are in range."""
    cdef uint32_t i, lane
    cdef const int32_t *cell
    for i in range(decoder.rows.count):
        if decoder.rows.slots[i] >= decoder.held.table.capacity:
            return False
        if i and decoder.rows.slots[i] <= decoder.rows.slots[i - 1]:
            return False
        cell = decoder.rows.cells + <size_t>i * decoder.held.table.stride
        if cell[CELL_LIFE] == 0:
            continue
        for lane in range(decoder.held.layout.c.n_lanes):
            if <uint32_t>cell[CELL_CODES + lane] > decoder.held.layout.c.top[lane]:
                return False
    return True


def run_decoder(
    Decoder decoder, int newest, const uint8_t[::1] data, const uint8_t[::1] other,
    uint64_t state, uint32_t cases, int64_t[::1] counts,
):
    """As ``run_coder``, with whole sections, header and slot set included, as a client takes them.

    One in 64 of those that decode is committed, so that later ones name baselines of any kind.
    """
    cdef uint32_t most = <uint32_t>max(data.shape[0], other.shape[0]) + MORE
    cdef uint8_t *mutant = <uint8_t *>malloc(most)
    cdef uint8_t *exact
    cdef section_header header
    cdef uint32_t size, case
    cdef int32_t tick
    cdef int status
    cdef int found = 0
    case = 0
    with nogil:
        while case < cases:
            size = mutate(
                &state, mutant, &data[0], <uint32_t>data.shape[0], 6, &other[0],
                <uint32_t>other.shape[0],
            )
            exact = <uint8_t *>malloc(size + (size == 0))
            memcpy(exact, mutant, size)
            status = section_get_header(exact, size, &header)
            if status == SECTION_OK:
                tick = tick_near(header.tick, newest)
                if tick < header.baseline + header.older:
                    status = SECTION_TRUNCATED
                else:
                    status = decoder.decode(&header, tick, exact, size)
            counts[COUNT_DECODED if status == SECTION_OK else COUNT_REFUSED] += 1
            if status == SECTION_OK:
                if not rows_in_range(decoder):
                    found = NOT_IN_RANGE
                elif below(&state, 64) == 0:
                    decoder.commit(tick)
            free(exact)
            if found:
                break
            case += 1
    free(mutant)
    return found, case
