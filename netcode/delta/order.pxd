"""Coding order of bodies: each next is the nearest to those before (Prim), in chunks."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from netcode.delta.integer cimport top_bit


cdef enum:
    CHUNK = 256            # bodies that are ordered among themselves; bounds the work
    NEIGHBOURS = 8


cdef struct nearest:
    int n
    int32_t body[NEIGHBOURS]   # nearest first
    int32_t gap[NEIGHBOURS]    # distances in codes, about, shifted as the chunk's places are


cdef struct chunk:
    int n
    int32_t x[CHUNK]       # places
    int32_t y[CHUNK]
    int32_t z[CHUNK]
    int32_t gap[CHUNK]     # to the body just taken
    int32_t best[CHUNK]    # least so far
    int32_t worst[CHUNK]   # that is among the nearest
    int32_t item[CHUNK]    # the body as it was given
    nearest near[CHUNK]


cdef inline int32_t gap_of(int32_t x, int32_t y, int32_t z) noexcept nogil:
    """Length of a difference, within 8 %: the longest component and 3/8 of the others."""
    cdef int32_t most
    x = -x if x < 0 else x
    y = -y if y < 0 else y
    z = -z if z < 0 else z
    most = x if x > y else y
    most = most if most > z else z
    return (5 * most + 3 * (x + y + z)) >> 3


cdef inline void offer(nearest *near, int32_t j, int32_t gap) noexcept nogil:
    """Take the body ``j`` when it is among the nearest."""
    cdef int k = near.n
    if k == NEIGHBOURS:
        if gap >= near.gap[NEIGHBOURS - 1]:
            return
        k -= 1
    else:
        near.n += 1
    while k and near.gap[k - 1] > gap:
        near.gap[k] = near.gap[k - 1]
        near.body[k] = near.body[k - 1]
        k -= 1
    near.gap[k] = gap
    near.body[k] = j


cdef inline void swap(int32_t *values, int i, int j) noexcept nogil:
    cdef int32_t value = values[i]
    values[i] = values[j]
    values[j] = value


cdef inline void order_chunk(chunk *c, int first) noexcept nogil:
    """Order the places; the first stays. ``first`` is the number of the chunk's first body."""
    cdef int i, j, next
    cdef int32_t x, y, z
    cdef nearest spare
    for i in range(c.n):
        c.near[i].n = 0
        c.best[i] = c.worst[i] = 0x7FFFFFFF
    for i in range(c.n - 1):
        x = c.x[i]
        y = c.y[i]
        z = c.z[i]
        for j in range(i + 1, c.n):
            c.gap[j] = gap_of(c.x[j] - x, c.y[j] - y, c.z[j] - z)
        next = i + 1
        for j in range(i + 1, c.n):
            if c.gap[j] < c.worst[j]:
                offer(&c.near[j], first + i, c.gap[j])
                c.best[j] = c.near[j].gap[0]
                if c.near[j].n == NEIGHBOURS:
                    c.worst[j] = c.near[j].gap[NEIGHBOURS - 1]
            if c.best[j] < c.best[next]:
                next = j
        j = i + 1
        if next != j:
            swap(c.x, j, next)
            swap(c.y, j, next)
            swap(c.z, j, next)
            swap(c.best, j, next)
            swap(c.worst, j, next)
            swap(c.item, j, next)
            spare = c.near[j]
            c.near[j] = c.near[next]
            c.near[next] = spare


cdef inline void add_first(chunk *c, int i, int first) noexcept nogil:
    """The body that all others of the chunk follow replaces the last of the nearest."""
    cdef nearest *near = &c.near[i]
    cdef int k
    for k in range(near.n):
        if near.body[k] == first:
            return
    near.body[NEIGHBOURS - 1] = first
    near.gap[NEIGHBOURS - 1] = gap_of(c.x[i] - c.x[0], c.y[i] - c.y[0], c.z[i] - c.z[0])


cdef enum:
    GRID = 4096            # cells, by hash
    GRID_STEPS = 96        # bodies looked at for one question


cdef struct grid:
    int shift              # cells are 2**shift codes wide
    int32_t head[GRID]
    uint8_t marked[GRID]   # a changed body is in this cell or beside it


cdef inline uint32_t grid_cell(int32_t x, int32_t y) noexcept nogil:
    return ((<uint32_t>x * 0x9E3779B1u) ^ (<uint32_t>y * 0x85EBCA77u)) >> 20


cdef inline void grid_open(grid *g, int64_t reach) noexcept nogil:
    """Empty, with cells at least ``reach`` wide."""
    cdef int i
    g.shift = top_bit(<uint64_t>reach) + 1
    for i in range(GRID):
        g.head[i] = -1
        g.marked[i] = 0
