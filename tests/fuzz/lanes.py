"""Lanes full of anything: what comes out is in range, and settles at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from fuzz.messages import expect

from netcode.errors import SchemaError
from netcode.schema import Schema

CAPACITY = 8
MOST_LANES = 1_000


class LaneSubject:
    """A schema's lanes, and columns that hold what the last case left."""

    def __init__(self, cls: type[Schema], generator: np.random.Generator) -> None:
        self.cls, self.generator = cls, generator
        self.columns = cls.columns(CAPACITY)
        self.memory = [
            np.frombuffer(column, np.uint8).reshape(CAPACITY, -1)
            for column in self.columns.values()
            if column.nbytes
        ]
        self.top = cls.lane_max.astype(np.uint64)[:, None]

    @staticmethod
    def fits(cls: type[Schema]) -> bool:
        """Whether it may stand in a table, and has not so many lanes that nothing else is tried."""
        try:
            return 0 < len(cls.lanes) <= MOST_LANES
        except SchemaError:
            return False

    def noise(self) -> Any:
        """Codes of every lane: any, at the limit, beyond, and small ones that counts take."""
        g = self.generator
        shape = (len(self.top), CAPACITY)
        anything = g.integers(0, 1 << 32, shape, np.uint64)
        within = anything % (self.top + np.uint64(1))
        ascii_word = anything & np.uint64(0x7F7F7F7F)
        edges = self.top + g.integers(0, 2, shape, np.uint64)
        small = g.integers(0, 3, shape, np.uint64)
        codes = np.choose(
            g.integers(0, 6, shape), [anything, within, within, ascii_word, edges, small]
        )
        return (codes & np.uint64(0xFFFFFFFF)).astype(np.uint32).view(np.int32)

    def check(self) -> str:
        """Dequantize one block of ``CAPACITY`` rows of lanes."""
        cls, columns = self.cls, self.columns
        rows = self.generator.integers(0, 2, CAPACITY, np.uint8)
        before = [memory.copy() for memory in self.memory]
        cls.dequantize(self.noise(), columns, rows)
        for memory, then in zip(self.memory, before, strict=True):
            same = bool((memory == then)[rows == 0].all())
            expect(same, "a row that is masked out has changed", rows)
        settled = np.zeros((len(self.top), CAPACITY), np.int32)
        cls.quantize(columns, settled, rows)
        expect(bool((settled.view(np.uint32) <= self.top).all()), "quantize goes above lane_max")
        again, other = cls.columns(CAPACITY), np.zeros_like(settled)
        cls.dequantize(settled, again, rows)
        cls.quantize(again, other, rows)
        expect(bool((settled == other).all()), "lanes do not settle", settled.tolist())
        for slot in np.flatnonzero(rows):
            data = cls.row(columns, int(slot)).encode()
            expect(cls.decode(data).encode() == data, "a row that decode does not accept", data)
            expect(cls.row(again, int(slot)).encode() == data, "lanes and rows differ", data)
        return "in range"
