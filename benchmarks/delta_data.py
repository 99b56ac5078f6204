"""The recordings of the delta benchmark as lanes, and their shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from netcode.delta.shape import Shape

__all__ = ["LAG", "SHAPES", "load"]

LAG = {"cubes": 6, "mmo": 3}
SIDE, FLOOR = 16383, 10_000
YAW = 1024


def cubes_shape() -> Shape:
    return Shape(
        [
            ("vector", (4, 5, 6), (2 * SIDE, 2 * SIDE, SIDE)),
            ("quaternion", (0, 1, 2, 3), (3, 511, 511, 511)),
            ("flags", (7,), (1,)),
        ],
        position=0,
        rotation=1,
    )


def mmo_shape() -> Shape:
    return Shape(
        [
            ("angle", (3,), (YAW - 1,)),
            ("vector", (0, 1, 2), (262_143, 262_143, 65_535)),
            ("int", (5,), (4095,)),
            ("enum", (4,), (63,)),
            ("flags", (6,), (255,)),
            ("id", (7,), (2047,)),
        ],
        heading=0,
        course=1,
    )


SHAPES = {"cubes": cubes_shape, "mmo": mmo_shape}


def load(kind: str, path: Path) -> npt.NDArray[np.int32]:
    """(snapshots, lanes, entities), contiguous codes."""
    with np.load(path) as file:
        if kind == "cubes":
            data = np.cumsum(file["d"], axis=1, dtype=np.int16).transpose(1, 0, 2).astype(np.int32)
            data[:, 4:6] += SIDE
            return np.ascontiguousarray(data)
        place = [np.rint(file[key].astype(np.float64) * 100).astype(np.int64) for key in "xyz"]
        place[2] += FLOOR
        yaw = np.rint(file["yaw"].astype(np.float64) / (2 * np.pi) * YAW).astype(np.int64) % YAW
        ids = file["ids"].astype(np.int64)
        index = np.zeros(ids.max() + 1, dtype=np.int64)
        index[ids] = np.arange(1, len(ids) + 1)
        lanes = [
            *place,
            yaw,
            *(file[key] for key in ("anim", "hp", "flags")),
            index[file["target"]],
        ]
        return np.ascontiguousarray(np.stack(lanes, axis=1).astype(np.int32))
