"""Codes sections of one table: entities of a slot list in T against A and B."""

cimport cython
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

import functools

import numpy as np

from netcode.delta.adaptive cimport ADAPTIVE_LONGEST, adaptive_cell
from netcode.delta.changes cimport section_coder, section_run
from netcode.delta.contexts cimport NODES
from netcode.delta.heading cimport fill_circle
from netcode.delta.motion cimport body
from netcode.delta.rangecoder cimport TOKEN_ROW, coder_count, coder_read, coder_write
from netcode.delta.shape cimport SHAPE_GROUPS, Shape
from netcode.delta.tokens import residual_tokens
from netcode.errors import ConfigError, DecodeError

__all__ = ["SectionCoder"]


@functools.cache
def cost_table():
    """1/65536 bits of a choice by its share of 65536; for accounts, not for coding."""
    p = np.maximum(np.arange(65537), 0.5) / 65536
    return np.rint(-np.log2(p) * 65536).astype(np.uint32)


@cython.final
@cython.auto_pickle(False)
cdef class SectionCoder:
    """Codes sections of one table with one model. Work memory is allocated once.

    Args:
        shape: the table's lane groups.
        capacity: its slots.
        probabilities: uint16, one for each of ``shape.contexts``: of a 0, in 1/65536.
        tokens: what ``residual_tokens`` makes of them, when it is at hand already.
        room: most entities of one section; default: all slots. Memory grows with it.
        adaptive: 0: the probabilities are frozen. 1 to 255: each section adapts them, and each
            counts as so many decisions beside those of the section. 8 bytes for each context.
    """

    def __cinit__(
        self, Shape shape not None, uint32_t capacity, probabilities=None, tokens=None, room=None,
        adaptive=0,
    ):
        cdef const uint16_t[::1] p
        cdef const int16_t[:, :, ::1] rows
        cdef uint32_t[::1] counts
        cdef const uint32_t[::1] costs
        cdef uint64_t[::1] charged
        cdef section_coder *s = &self.s
        self.shape = shape
        self.capacity = capacity
        self.room = capacity if room is None else min(capacity, room)
        if probabilities is None:
            probabilities = np.full(shape.contexts, 32768, dtype=np.uint16)
        p = self.probabilities = np.ascontiguousarray(probabilities, dtype=np.uint16)
        if p.shape[0] != shape.c.contexts:
            raise ConfigError(f"{p.shape[0]} probabilities for {shape.c.contexts} contexts")
        if np.min(self.probabilities) < 16 or np.max(self.probabilities) > 65520:
            raise ConfigError("probabilities are 16 to 65520")
        if tokens is None:
            tokens = residual_tokens(self.probabilities)
        if not 0 <= adaptive < ADAPTIVE_LONGEST:
            raise ConfigError(f"adaptive is {adaptive}; 0 to {ADAPTIVE_LONGEST - 1}")
        rows = self.tokens = tokens
        if rows.shape[0] != p.shape[0] // NODES or rows.shape[1] != 4 or rows.shape[2] != TOKEN_ROW:
            raise ConfigError(f"tokens of another shape than {p.shape[0]} contexts have")
        self.counts = np.zeros(2 * shape.contexts, dtype=np.uint32)
        counts = self.counts
        s.shape = &shape.c
        s.heading.known = False
        s.heading.sign = 1
        s.heading.n_speeds = 0
        fill_circle(s.heading.circle)
        s.groups = shape.groups
        s.capacity = capacity
        s.c.p = &p[0]
        s.c.tokens = &rows[0, 0, 0]
        s.c.counts = &counts[0]
        self.costs = cost_table()
        costs = self.costs
        s.c.costs = &costs[0]
        self.entity_costs = np.zeros(capacity, dtype=np.uint64)
        charged = self.entity_costs
        s.entity_costs = &charged[0]
        self.forget()
        s.moved = <uint64_t *>malloc(self.room * sizeof(uint64_t))
        s.differs = <uint64_t *>malloc(self.room * sizeof(uint64_t))
        s.m.bodies = <body *>malloc(self.room * sizeof(body))
        if s.moved == NULL or s.differs == NULL or s.m.bodies == NULL:
            raise MemoryError
        s.c.adaptive.contexts = shape.c.contexts
        s.c.adaptive.worth = adaptive
        if adaptive:
            s.c.adaptive.cells = <adaptive_cell *>calloc(shape.c.contexts, sizeof(adaptive_cell))
            if s.c.adaptive.cells == NULL:
                raise MemoryError

    def __dealloc__(self):
        free(self.s.moved)
        free(self.s.differs)
        free(self.s.m.bodies)
        free(self.s.c.adaptive.cells)

    cdef int prepare(
        self, int32_t[:, ::1] t, const int32_t[:, ::1] a, const int32_t[:, ::1] b,
        int num, int den, const uint16_t[::1] slots,
    ) except -1:
        cdef section_coder *s = &self.s
        cdef Py_ssize_t width = self.capacity
        cdef Py_ssize_t lanes = s.shape.n_lanes
        if t.shape[0] < lanes or a.shape[0] < lanes or t.shape[1] != width or a.shape[1] != width:
            raise ConfigError(f"lanes must have the shape ({lanes}, {width})")
        if b is not None and (b.shape[0] < lanes or b.shape[1] != width):
            raise ConfigError(f"lanes must have the shape ({lanes}, {width})")
        cdef Py_ssize_t i
        if not 1 <= slots.shape[0] <= self.room or slots[slots.shape[0] - 1] >= width:
            raise ConfigError(f"1 to {self.room} slots below {width}")
        for i in range(1, slots.shape[0]):
            if slots[i] <= slots[i - 1]:
                raise ConfigError("slots must rise")
        if not 1 <= num <= 255 or not 1 <= den <= 255:
            raise ConfigError("tick distances are 1 to 255")
        s.t = &t[0, 0]
        s.a = &a[0, 0]
        s.b = &b[0, 0] if b is not None else s.a
        s.m.history = b is not None
        s.slots = &slots[0]
        s.n = slots.shape[0]
        s.m.num = num
        s.m.den = den
        return 0

    def forget(self):
        """Count from nothing again."""
        cdef int k
        self.counts[:] = 0
        self.entity_costs[:] = 0
        self.s.c.cost = 0
        for k in range(SHAPE_GROUPS):
            self.s.group_costs[k] = 0

    @property
    def bits(self):
        """Bits that the counted sections take, all of them."""
        return self.s.c.cost / 65536.0

    @property
    def group_bits(self):
        """Bits counted for each group, its flag included, a tuple of floats."""
        return tuple(self.s.group_costs[k] / 65536.0 for k in range(self.s.shape.n_groups))

    @property
    def entity_bits(self):
        """Bits counted for each slot, float64 (capacity,)."""
        return self.entity_costs / 65536.0

    def set_heading(self, int sign, int offset, speeds):
        """How an angle leads a vector: see heading.pxd."""
        self.s.heading.known = True
        self.s.heading.sign = sign
        self.s.heading.offset = offset
        self.s.heading.n_speeds = len(speeds)
        for i, speed in enumerate(speeds):
            self.s.heading.speeds[i] = speed

    def encode(self, t, a, b, int num, int den, slots, int limit=1100):
        """The bytes of a section, or None when they are more than ``limit``.

        Args:
            t, a, b: int32 ``(lanes, capacity)``; b may be None.
            num, den: ticks from A to T and from B to A, 1 to 255.
            slots: rising uint16.
        """
        cdef int64_t size
        cdef bytearray out = bytearray(limit)
        cdef uint8_t[::1] view = out
        self.prepare(t, a, b, num, den, slots)
        with nogil:
            coder_write(&self.s.c, &view[0], <uint32_t>limit)
            size = section_run(&self.s)
        return None if size < 0 else bytes(out[:size])

    def decode(self, const uint8_t[::1] data, t, a, b, int num, int den, slots):
        """Fill the slots of ``t`` from a section's bytes.

        Raises:
            DecodeError: not what ``encode`` writes; ``t`` is then in range but meaningless.
        """
        cdef int64_t status
        cdef uint8_t none = 0
        cdef uint32_t i
        cdef int k
        cdef size_t at
        self.prepare(t, a, b, num, den, slots)
        cdef section_coder *s = &self.s
        # lanes of one code belong to no group, but are part of the state
        cdef int lanes = <int>(t.shape[0] if t.shape[0] < a.shape[0] else a.shape[0])
        cdef bint whole = s.slots[s.n - 1] - s.slots[0] == <int>s.n - 1
        with nogil:
            for k in range(lanes):
                at = <size_t>k * s.capacity
                if whole:
                    at += s.slots[0]
                    memcpy(s.t + at, s.a + at, s.n * sizeof(int32_t))
                    continue
                for i in range(s.n):
                    s.t[at + s.slots[i]] = s.a[at + s.slots[i]]
            coder_read(&s.c, &data[0] if data.shape[0] else &none, <uint32_t>data.shape[0])
            status = section_run(s)
        if status < 0:
            raise DecodeError("malformed section")

    def count(self, t, a, b, int num, int den, slots):
        """Add the decisions of a section to ``counts``, [context, decision], and what they take.

        Only this counts: ``encode`` and ``decode`` bear no cost of it.
        """
        self.prepare(t, a, b, num, den, slots)
        with nogil:
            coder_count(&self.s.c)
            section_run(&self.s)
