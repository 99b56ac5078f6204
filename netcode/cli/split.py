"""Tells the bits of sections apart: fields, spawns, slot sets, headers, rounding."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Final

import numpy as np
import numpy.typing as npt

from netcode.delta import Layout
from netcode.delta.model import Model
from netcode.delta.predicted import slot_set_bits
from netcode.delta.section import (
    HISTORY_TICKS,
    PREDICTED,
    RICE_LIMIT,
    SECTION_HEADER_BYTES,
    SECTION_MAX_PREDICTED,
    SECTION_RICE_BITS,
    WITH_OLDER,
)
from netcode.replication import Track
from netcode.schema.program import Lane

__all__ = ["BESIDE", "Replayed", "Split", "base_of"]

FLAGS: Final = "which entities changed"
SLOTS: Final = "who is there"
SPAWNS: Final = "entities that spawned"
DESPAWNS: Final = "entities that despawned"
FULL: Final = "entities without baseline"
HEADERS: Final = "section headers"
ENDS: Final = "ends of sections"

BESIDE: Final = (FLAGS, SLOTS, SPAWNS, DESPAWNS, FULL, HEADERS, ENDS)
"""Rows of an account that are of no field; no field's name has a space alone in it."""

NEAREST: Final = HISTORY_TICKS - 1
RICE: Final = np.arange(RICE_LIMIT)[:, None]


def base_of(data: bytes) -> tuple[int, int]:
    """T - A and A - B of a section, 0 where it names none."""
    return data[4] & NEAREST, data[5] if data[4] & WITH_OLDER else 0


class Replayed:
    """A recorded table as a sender takes tables, one snapshot after the other."""

    def __init__(self, track: Track, lanes: list[Lane], codes: npt.NDArray[np.int32]) -> None:
        self.track, self.codes = track, codes
        self.capacity = track.table.capacity
        self.schema = SimpleNamespace(lanes=lanes, lane_max=[lane.max for lane in lanes])
        self.show(0)

    def show(self, at: int) -> None:
        """Be as the snapshot of this index was."""
        self.at = at
        self.alive = self.track.alive[at]
        self.generation = self.track.generation[at]
        self.owners = self.track.owner[at]

    def quantize(self, out: npt.NDArray[np.int32]) -> None:
        """Fill in the codes."""
        out[:] = self.codes[self.at]


def label(names: Sequence[str]) -> str:
    """One name for lanes coded together: ``pos`` for pos.x, pos.y; else all of them."""
    fronts = {name.rpartition(".")[0] for name in names}
    front = fronts.pop() if len(fronts) == 1 else ""
    return front if front and len(names) > 1 else ", ".join(names)


class Split:
    """Tells the bits of sections apart, and adds them up.

    Predicted values are counted by the coder itself; the rest has known widths.
    """

    def __init__(self, table: Replayed, layout: Layout, model: Model | None) -> None:
        lanes = table.schema.lanes
        self.table, self.layout = table, layout
        self.coder = model.coder(table.capacity, SECTION_MAX_PREDICTED) if model else None
        fields = np.array([lane.field for lane in lanes], np.int64)
        self.first = np.flatnonzero(np.diff(fields, prepend=fields[:1] - 1))
        self.bits = np.array([*(lane.bits for lane in lanes)], np.int64)
        self.slot_bits = (table.capacity - 1).bit_length()
        if model is not None:
            groups = [list(lane_numbers) for _, lane_numbers, _ in model.shape.spec]
        else:
            groups = [np.flatnonzero(fields == field).tolist() for field in fields[self.first]]
        said = [label([lanes[i].name for i in group]) for group in groups]
        self.names = [*dict.fromkeys(said), *BESIDE]
        self.of_group = np.array([self.names.index(name) for name in said], np.int64)
        # a plain row is of fields: its bits are those of the group of the field's first lane
        at = {lane: self.of_group[number] for number, group in enumerate(groups) for lane in group}
        ends = [*self.first[1:].tolist(), len(lanes)]
        self.of_field = np.array([
            next((at[i] for i in range(start, end) if i in at), self.names.index(FLAGS))
            for start, end in zip(self.first.tolist(), ends, strict=True)
        ], np.int64)  # fmt: skip
        self.plain = np.zeros(table.capacity)
        self.row = np.zeros(len(self.names))
        self.shared = 0.0

    def open(self) -> None:
        """Begin a snapshot."""
        self.row = np.zeros(len(self.names))

    @property
    def entities(self) -> npt.NDArray[np.float64]:
        """Bits of each slot so far."""
        return self.plain if self.coder is None else self.plain + self.coder.entity_bits

    def put(self, name: str, bits: float) -> None:
        """Add to a row of the account."""
        self.row[self.names.index(name)] += bits

    def add(self, data: bytes, slots: npt.NDArray[np.int64], fresh: npt.NDArray[np.bool_],
            a: int, b: int | None) -> None:  # fmt: skip
        """One section of these slots.

        Args:
            data: all of it.
            slots: rising.
            fresh: of these, which began their life after what the client acknowledged.
            a, b: indices of the snapshots it names; B may be None; without A they are full state.
        """
        flags = data[4]
        header = 8 * (SECTION_HEADER_BYTES + bool(flags & WITH_OLDER))
        together, each = self.slots_of(slots, bool(flags & PREDICTED))
        self.plain[slots] += each
        before = self.row.sum()
        self.put(HEADERS, header)
        self.put(SLOTS, together + float(each.sum()))
        if flags & PREDICTED:
            self.predicted(slots, flags & NEAREST, a, data[5] if b is not None else 1, b)
        elif flags & NEAREST:
            self.changes(slots, a)
        else:
            self.full(slots, fresh)
        rounding = 8 * len(data) - (self.row.sum() - before)
        self.put(ENDS, rounding)
        self.shared += header + together + rounding

    def slots_of(
        self, slots: npt.NDArray[np.int64], predicted: bool
    ) -> tuple[int, npt.NDArray[np.float64]]:
        """Bits of a slot set: what all share, and what each slot takes."""
        if predicted:
            bits = slot_set_bits(self.layout, slots.astype(np.uint16)) - self.slot_bits
            return self.slot_bits, np.full(slots.size, bits / slots.size)
        rice = ((np.diff(slots) - 1) >> RICE) + 1 + RICE
        each = np.array([self.slot_bits, *rice[rice.sum(1).argmin()]], np.float64)
        return SECTION_RICE_BITS + self.slot_bits, each

    def predicted(
        self, slots: npt.NDArray[np.int64], num: int, a: int, den: int, b: int | None
    ) -> None:
        """Count what the coder makes of it."""
        coder, codes = self.coder, self.table.codes
        assert coder is not None
        bits, groups = coder.bits, np.array(coder.group_bits)
        older = None if b is None else codes[b]
        coder.count(codes[self.table.at], codes[a], older, num, den, slots.astype(np.uint16))
        groups = np.array(coder.group_bits) - groups
        np.add.at(self.row, self.of_group, groups)
        self.put(FLAGS, coder.bits - bits - float(groups.sum()))

    def fields_of(
        self, slots: npt.NDArray[np.int64], before: npt.NDArray[np.int32] | int
    ) -> npt.NDArray[np.int64]:
        """int64 (fields, slots): bits of plain rows against codes."""
        if not self.first.size:
            return np.zeros((0, slots.size), np.int64)
        differs = self.table.codes[self.table.at][:, slots] != before
        changed = np.logical_or.reduceat(differs, self.first, axis=0)
        widths = np.add.reduceat(self.bits, self.first)
        made: npt.NDArray[np.int64] = 1 + changed * widths[:, None]
        return made

    def changes(self, slots: npt.NDArray[np.int64], a: int) -> None:
        """Plain rows against A."""
        bits = self.fields_of(slots, self.table.codes[a][:, slots])
        np.add.at(self.row, self.of_field, bits.sum(1))
        self.plain[slots] += bits.sum(0)

    def full(self, slots: npt.NDArray[np.int64], fresh: npt.NDArray[np.bool_]) -> None:
        """Rows of full state, a bit each for the dead."""
        alive = self.table.alive[slots]
        owned = self.table.owners[slots] != -1
        bits = np.where(alive, 18 + 16 * owned + self.fields_of(slots, 0).sum(0), 1)
        self.put(DESPAWNS, int(bits[~alive].sum()))
        self.put(SPAWNS, int(bits[alive & fresh].sum()))
        self.put(FULL, int(bits[alive & ~fresh].sum()))
        self.plain[slots] += bits
