"""Coding order of bodies: each next is the nearest to those before (Prim), in chunks."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from netcode.delta.gaps cimport gap_keys, gap_least
from netcode.delta.integer cimport top_bit


cdef enum:
    CHUNK = 256            # bodies that are ordered among themselves; bounds the work
    NEIGHBOURS = 6
    STRIDE = 16            # keys that are looked at together
    PLACE_BITS = 22        # of a place, so that a gap and an item fit 31 bits


cdef struct nearest:
    int n
    int32_t key[NEIGHBOURS]    # gap << 8 | number in the chunk, rising


cdef struct chunk:
    int n
    int32_t x[CHUNK]       # places
    int32_t y[CHUNK]
    int32_t z[CHUNK]
    int32_t best[CHUNK]    # least gap so far to those that are ordered
    int32_t key[CHUNK]     # scratch
    int32_t item[CHUNK]    # the body as it was given


cdef inline int32_t lesser(int32_t a, int32_t b) noexcept nogil:
    return a if a < b else b


cdef inline int32_t greater(int32_t a, int32_t b) noexcept nogil:
    return a if a > b else b


cdef inline void offer_none(nearest *near) noexcept nogil:
    """Begin: nothing was offered."""
    cdef int k
    near.n = 0
    for k in range(NEIGHBOURS):
        near.key[k] = 0x7FFFFFFF


cdef inline void offer(nearest *near, int32_t key) noexcept nogil:
    """Take a key when it is among the least. Without branches: none of them could be foretold."""
    cdef int k
    for k in range(NEIGHBOURS - 1, 0, -1):
        near.key[k] = greater(near.key[k - 1], lesser(near.key[k], key))
    near.key[0] = lesser(near.key[0], key)
    near.n += near.n < NEIGHBOURS


cdef inline void swap(int32_t *values, int i, int j) noexcept nogil:
    cdef int32_t value = values[i]
    values[i] = values[j]
    values[j] = value


cdef inline void order_chunk(chunk *c) noexcept nogil:
    """Order the places; the first stays."""
    cdef int i, j
    for i in range(c.n):
        c.best[i] = 0x7FFFFF
    for i in range(c.n - 1):
        j = gap_least(c.x, c.y, c.z, i + 1, c.n, c.x[i], c.y[i], c.z[i], c.best) & 255
        if j != i + 1:
            swap(c.x, j, i + 1)
            swap(c.y, j, i + 1)
            swap(c.z, j, i + 1)
            swap(c.best, j, i + 1)
            swap(c.item, j, i + 1)


cdef inline void nearest_before(chunk *c, int k, nearest *near) noexcept nogil:
    """The nearest of those before the k-th in order; the last is always the chunk's first."""
    cdef int i, j
    cdef int32_t least, found
    gap_keys(c.x, c.y, c.z, k, c.x[k], c.y[k], c.z[k], c.key)
    offer_none(near)
    # backwards: the latest are likely the nearest
    i = k
    while i and (near.n < NEIGHBOURS or i & (STRIDE - 1)):
        i -= 1
        offer(near, c.key[i])
    while i:
        i -= STRIDE
        least = near.key[NEIGHBOURS - 1]
        found = 0
        for j in range(STRIDE):
            found |= c.key[i + j] < least
        if found:
            for j in range(STRIDE):
                if c.key[i + j] < near.key[NEIGHBOURS - 1]:
                    offer(near, c.key[i + j])
    if k > NEIGHBOURS:
        for i in range(NEIGHBOURS):
            if near.key[i] == c.key[0]:
                return
        near.key[NEIGHBOURS - 1] = c.key[0]


cdef enum:
    GRID_LEVELS = 5        # each with cells twice as wide
    GRID_CELLS = 2048      # by hash
    GRID_FAR = 10          # two rings a level


cdef struct grid:
    int shift              # cells of the finest level are 2**shift codes wide
    uint8_t marked[GRID_LEVELS][GRID_CELLS]    # 3: a changed body is in the cell; 1: beside it


cdef inline uint32_t grid_cell(int32_t x, int32_t y) noexcept nogil:
    return ((<uint32_t>x * 0x9E3779B1u) ^ (<uint32_t>y * 0x85EBCA77u)) >> 21


cdef inline void grid_open(grid *g, int64_t reach) noexcept nogil:
    """Empty, with cells about as wide as ``reach``."""
    g.shift = top_bit(<uint64_t>reach)
    memset(g.marked, 0, sizeof(g.marked))


cdef inline void grid_put(grid *g, int32_t x, int32_t y) noexcept nogil:
    """Make a changed body known to the still entities around it."""
    cdef int level, shift
    cdef int32_t j, k
    for level in range(GRID_LEVELS):
        shift = g.shift + level
        for j in range((x >> shift) - 1, (x >> shift) + 2):
            for k in range((y >> shift) - 1, (y >> shift) + 2):
                g.marked[level][grid_cell(j, k)] |= 1
        g.marked[level][grid_cell(x >> shift, y >> shift)] = 3


cdef inline uint32_t grid_ring(const grid *g, int32_t x, int32_t y) noexcept nogil:
    """How far the nearest changed body is, about: 0 to GRID_FAR."""
    cdef int level = GRID_LEVELS
    cdef uint32_t ring = GRID_FAR
    cdef int shift
    cdef uint8_t mark
    while level:
        level -= 1
        shift = g.shift + level
        mark = g.marked[level][grid_cell(x >> shift, y >> shift)]
        if not mark:
            break
        ring = 2 * level + (mark == 1)
    return ring
