"""The shape of one table's state on the wire: lanes grouped into fields, for a fixed capacity."""

cimport cython
from libc.stdint cimport uint8_t, uint32_t

import numpy as np

from netcode.delta.section cimport (
    SECTION_BODY_BITS,
    SECTION_MAX_CAPACITY,
    SECTION_RICE_BITS,
    SECTION_SPAWN_BITS,
)
from netcode.errors import ConfigError

__all__ = ["Layout"]


@cython.final
@cython.auto_pickle(False)
cdef class Layout:
    """Lane widths, limits and grouping of one table.

    Args:
        bits: width of each lane, 0 to 32.
        fields: for each lane the field it belongs to, not decreasing; a field's lanes are adjacent.
        lane_max: the largest code of each lane; default: all ones.
        capacity: slots of the table, 1 to 65,536.
        source: for each lane its place among those of the snapshots that are encoded, rising;
            default: its own. An older version of a schema has some of the lanes of the newest.

    Raises:
        ConfigError: a limit above, or one row that would not fit a section.
    """

    def __cinit__(self, bits, fields, capacity, lane_max=None, source=None):
        wide = np.asarray(bits, dtype=np.int64).reshape(-1)
        group = np.asarray(fields, dtype=np.int64).reshape(-1)
        if not 1 <= capacity <= SECTION_MAX_CAPACITY:
            raise ConfigError(
                f"capacity is {capacity}; a table has 1 to {SECTION_MAX_CAPACITY} slots"
            )
        if wide.shape != group.shape:
            raise ConfigError(f"{wide.size} lane widths but {group.size} lane fields")
        if wide.size and (wide.min() < 0 or wide.max() > 32):
            raise ConfigError("a lane is 0 to 32 bits wide")
        if wide.size and np.any(np.diff(group) < 0):
            raise ConfigError("the lanes of a field must be adjacent and in field order")
        ones = (np.uint64(1) << wide.astype(np.uint64)) - np.uint64(1)
        top = ones if lane_max is None else np.asarray(lane_max, dtype=np.uint64).reshape(-1)
        if top.shape != wide.shape or np.any(top > ones):
            raise ConfigError("lane_max needs one code for each lane, within the lane's width")
        place = np.arange(wide.size) if source is None else np.asarray(source).reshape(-1)
        if place.shape != wide.shape or np.any(np.diff(place, prepend=-1) <= 0):
            raise ConfigError("source needs a place for each lane, and they rise")
        starts = np.flatnonzero(np.diff(group, prepend=group[:1] - 1))
        cdef uint32_t slot_bits = (int(capacity) - 1).bit_length()
        cdef uint32_t n_fields = starts.size
        self.row_bits = n_fields + int(wide.sum())
        largest = SECTION_RICE_BITS + 2 * slot_bits + SECTION_SPAWN_BITS + self.row_bits
        if largest > SECTION_BODY_BITS:
            raise ConfigError(
                f"one row takes up to {self.row_bits} bits; a table replicates rows of at most "
                f"{SECTION_BODY_BITS + self.row_bits - largest} bits (send large data as messages)"
            )
        # One spare element each, so that a pointer to the first exists even for no lanes.
        cdef uint8_t[::1] bits_view = np.append(wide, 0).astype(np.uint8)
        cdef uint32_t[::1] top_view = np.append(top, np.uint64(0)).astype(np.uint32)
        cdef uint32_t[::1] first_view = np.append(starts, wide.size).astype(np.uint32)
        cdef uint32_t[::1] source_view = np.append(place, 0).astype(np.uint32)
        self.arrays = (bits_view, top_view, first_view, source_view)
        self.c.capacity = capacity
        self.c.n_lanes = wide.size
        self.c.n_fields = n_fields
        self.c.slot_bits = slot_bits
        # The smallest entity is one bit of slot set and a clear flag for each field.
        self.c.max_rows = min(<uint32_t>capacity, <uint32_t>(SECTION_BODY_BITS // (1 + n_fields)))
        self.c.bits = &bits_view[0]
        self.c.top = &top_view[0]
        self.c.first = &first_view[0]
        self.c.source = &source_view[0]

    @classmethod
    def of(cls, schema, capacity, source=None):
        """The layout of a schema's table (anything with ``lanes`` and ``lane_max``)."""
        return cls(
            [lane.bits for lane in schema.lanes],
            [lane.field for lane in schema.lanes],
            capacity,
            schema.lane_max,
            source,
        )

    @property
    def capacity(self):
        """Slots of the table."""
        return self.c.capacity

    @property
    def n_lanes(self):
        """Lanes of one row."""
        return self.c.n_lanes

    @property
    def n_fields(self):
        """Fields with at least one lane."""
        return self.c.n_fields

    @property
    def bits(self):
        """Width of each lane, a tuple."""
        return tuple(self.c.bits[i] for i in range(self.c.n_lanes))

    @property
    def source(self):
        """Where a snapshot holds each lane, a tuple."""
        return tuple(self.c.source[i] for i in range(self.c.n_lanes))
