"""A stand-in for a schema: bare codes of given widths, so that any lanes can be tried."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Lane(NamedTuple):
    name: str
    bits: int
    field: int
    kind: str
    max: int


KINDS = ("bits", "quantized", "enum", "bool", "angle")


def lane_schema(
    fields: list[list[int]], tops: list[int] | None = None, kinds: tuple[str, ...] = KINDS
) -> Any:
    """``fields`` holds the lane widths of each field; ``tops`` the largest code of each lane;
    fields are of these kinds in turn.

    A field's column is uint32 (capacity, lanes of the field).
    """
    flat = [(bits, index) for index, group in enumerate(fields) for bits in group]
    top = np.array([2**bits - 1 for bits, _ in flat] if tops is None else tops, np.uint32)

    class Codes:
        lanes = tuple(
            Lane(f"lane{i}", bits, field, kinds[field % len(kinds)], int(top[i]))
            for i, (bits, field) in enumerate(flat)
        )
        lane_max = top

        def __init__(self, **values: Any) -> None:
            self.__dict__.update(values)

        @classmethod
        def columns(cls, capacity: int) -> dict[str, Any]:
            return {
                f"f{i}": np.zeros((capacity, len(group)), np.uint32)
                for i, group in enumerate(fields)
            }

        @classmethod
        def quantize(cls, columns: dict[str, Any], lanes: Any, rows: Any) -> None:
            at = 0
            for i, group in enumerate(fields):
                for k in range(len(group)):
                    lanes[at][np.asarray(rows, bool)] = columns[f"f{i}"][
                        np.asarray(rows, bool), k
                    ].view(np.int32)
                    at += 1

        @classmethod
        def dequantize(cls, lanes: Any, columns: dict[str, Any], rows: Any) -> None:
            at = 0
            keep = np.asarray(rows, bool)
            for i, group in enumerate(fields):
                for k in range(len(group)):
                    columns[f"f{i}"][keep, k] = lanes[at][keep].view(np.uint32)
                    at += 1

        @classmethod
        def row(cls, columns: dict[str, Any], slot: int) -> Any:
            return cls(**{name: tuple(column[slot].tolist()) for name, column in columns.items()})

        @classmethod
        def set_row(cls, columns: dict[str, Any], slot: int, obj: Any) -> None:
            for name, column in columns.items():
                column[slot] = getattr(obj, name)

    return Codes
