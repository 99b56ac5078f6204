"""The recordings of the delta benchmark as lanes, and their shapes."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from netcode.delta.shape import Shape

__all__ = ["LAG", "SHAPES", "RecordingError", "load"]

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


COLUMNS = {"cubes": ("d",), "mmo": ("x", "y", "z", "yaw", "anim", "hp", "flags", "target")}
"""Arrays of a file: ``d`` is (8, frames, cubes), the others are (ticks, avatars)."""


class RecordingError(ValueError):
    """The file is not a recording of that scene; the message says what is wrong with it."""


def load(kind: str, path: Path) -> npt.NDArray[np.int32]:
    """(snapshots, lanes, entities), contiguous codes. Raises RecordingError."""
    try:
        with np.load(path) as file:
            lanes = (cubes if kind == "cubes" else avatars)(columns(kind, file))
    except OSError as error:
        raise RecordingError(error.strerror or str(error)) from None
    except (zipfile.BadZipFile, ValueError, TypeError, AttributeError) as error:
        if isinstance(error, RecordingError):
            raise
        raise RecordingError("not an .npz file of plain arrays") from None
    for name, group, tops in SHAPES[kind]().spec:
        for lane, top in zip(group, tops, strict=True):
            least, most = int(lanes[:, lane].min()), int(lanes[:, lane].max())
            if not 0 <= least <= most <= top:
                raise RecordingError(
                    f"lane {lane} ({name}) has codes {least} to {most}; they must be 0 to {top}"
                )
    return np.ascontiguousarray(lanes.astype(np.int32))


def columns(kind: str, file: Any) -> Mapping[str, npt.NDArray[Any]]:
    """The arrays that the scene needs, of shapes that fit."""
    names = COLUMNS[kind] + (("ids",) if kind == "mmo" else ())
    missing = [name for name in names if name not in file]
    if missing:
        raise RecordingError(
            f"not a recording of {kind}: no array {missing[0]!r}; it holds {', '.join(file)}"
        )
    found = {name: file[name] for name in names}
    shape = found[names[0]].shape
    wanted = (8, *shape[1:3]) if kind == "cubes" else (*shape[:1], len(found["ids"]))
    for name in COLUMNS[kind]:
        if found[name].shape != wanted or len(wanted) != (3 if kind == "cubes" else 2):
            raise RecordingError(f"{name!r} has the shape {found[name].shape}")
        if found[name].dtype.kind not in "iuf" or not found[name].size:
            raise RecordingError(f"{name!r} is no array of numbers, or empty")
    return found


def cubes(file: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.int32]:
    lanes = np.cumsum(file["d"], axis=1, dtype=np.int16).transpose(1, 0, 2).astype(np.int32)
    lanes[:, 4:6] += SIDE
    return lanes


def avatars(file: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.int64]:
    place = [whole(key, file[key].astype(np.float64) * 100) for key in "xyz"]
    place[2] += FLOOR
    yaw = whole("yaw", file["yaw"].astype(np.float64) / (2 * np.pi) * YAW) % YAW
    # an avatar's number is its place among the ids, from 1; 0 is a target that is none of them
    order = np.argsort(file["ids"], kind="stable")
    ids = file["ids"][order]
    at = np.minimum(np.searchsorted(ids, file["target"]), len(ids) - 1)
    target = np.where(ids[at] == file["target"], order[at] + 1, 0)
    return np.stack(
        [*place, yaw, *(file[key].astype(np.int64) for key in ("anim", "hp", "flags")), target],
        axis=1,
    )


def whole(name: str, values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    if not np.isfinite(values).all():
        raise RecordingError(f"{name!r} has values that are not finite")
    return np.rint(np.clip(values, -(2.0**40), 2.0**40)).astype(np.int64)
