"""Interpolation: other entities are drawn between two snapshots, slightly in the past.

Works on whole columns. A field's ``Mode`` says how: numbers and vectors move in a
straight line, angles the short way round, quaternions by normalised linear blending,
and everything else steps when its snapshot is reached.
"""

from __future__ import annotations

import enum
import math
import typing
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from netcode.schema import Angle, Quantized, Quat, Schema, Vec2, Vec3

__all__ = ["Mode", "Modes", "blend", "mix", "modes_of"]

Columns = Mapping[str, npt.NDArray[Any]]


class Mode(enum.Enum):
    """How a field moves between two snapshots."""

    STEP = "step"
    LINEAR = "linear"
    ANGLE = "angle"
    QUATERNION = "quaternion"


Modes = Mapping[str, "Mode | Modes"]
"""The mode of each field, or of each field of a nested schema."""


def modes_of(schema: type[Schema]) -> Modes:
    """What the type and the marker of each field of ``schema`` ask for."""
    hints = typing.get_type_hints(schema, include_extras=True)
    return {name: mode_of(hints[name]) for name in schema.dtype.names or ()}


def mode_of(hint: Any) -> Mode | Modes:
    markers: tuple[object, ...] = getattr(hint, "__metadata__", ())
    plain = typing.get_args(hint)[0] if markers else hint
    if isinstance(plain, type) and issubclass(plain, Schema):
        return modes_of(plain)
    if any(isinstance(each, Angle) for each in markers):
        return Mode.ANGLE
    if any(isinstance(each, Quat) for each in markers):
        return Mode.QUATERNION
    if plain is float or any(isinstance(each, Quantized | Vec2 | Vec3) for each in markers):
        return Mode.LINEAR
    return Mode.STEP


def blend(
    mode: Mode, a: npt.NDArray[Any], b: npt.NDArray[Any], t: npt.NDArray[np.float64]
) -> npt.NDArray[Any]:
    """``a`` where t is 0, ``b`` where it is 1. Rows are entities, ``t`` has one value a row.

    Angles are radians; a blended one is in -pi <= angle < pi. Mode.QUATERNION takes (n, 4)
    arrays. A STEP field is ``a`` until t = 1.
    """
    t = t.reshape(-1, *(1,) * (a.ndim - 1))
    mixed: npt.NDArray[Any]
    if mode is Mode.STEP:
        mixed = np.where(t >= 1.0, b, a)
    elif mode is Mode.LINEAR:
        mixed = a + (b - a) * t
    elif mode is Mode.ANGLE:
        way = np.remainder(b - a + math.pi, math.tau) - math.pi
        mixed = np.remainder(a + way * t + math.pi, math.tau) - math.pi
    else:
        facing = np.where(np.sum(a * b, axis=-1, keepdims=True) < 0, -1.0, 1.0)
        chord = a + (b * facing - a) * t
        length = np.linalg.norm(chord, axis=-1, keepdims=True)
        mixed = np.where(length > 1e-9, chord / np.maximum(length, 1e-9), a)
    return mixed


def mix(
    modes: Modes, a: Columns, b: Columns, t: npt.NDArray[np.float64]
) -> dict[str, npt.NDArray[Any]]:
    """``blend`` of every column; new arrays, or those of ``a`` where nothing moves."""
    mixed: dict[str, npt.NDArray[Any]] = {}
    for name, mode in modes.items():
        first, second = a[name], b[name]
        if mode is Mode.STEP:
            mixed[name] = first  # t stays below 1: the later snapshot is not reached yet
        elif isinstance(mode, Mode):
            mixed[name] = blend(mode, first, second, t).astype(first.dtype, copy=False)
        else:
            joined = first.copy()
            fields = first.dtype.names or ()
            inner = mix(mode, {n: first[n] for n in fields}, {n: second[n] for n in fields}, t)
            for key, column in inner.items():
                joined[key] = column
            mixed[name] = joined
    return mixed
