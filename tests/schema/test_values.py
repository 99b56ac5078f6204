"""Quantising: errors bounded, ends exact, zero kept, codes stable; rotations of every code."""

from __future__ import annotations

import itertools
import math
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcode.errors import DecodeError
from netcode.schema import Angle, Float32, Float64, Quantized, Quat, Schema, SchemaType


def one(marker: Any, hint: Any = float) -> Any:
    return SchemaType("One", (Schema,), {"__annotations__": {"x": Annotated[hint, marker]}})


def through(cls: Any, value: Any) -> Any:
    return cls.decode(cls(value).encode()).x


@pytest.mark.parametrize("dtype", [None, np.float32])
@pytest.mark.parametrize(
    ("lo", "hi", "how"),
    [
        (0, 960, {"step": 1 / 16}),
        (-1, 1, {"bits": 8}),
        (-1000, 1000, {"step": 0.1}),
        (0, 1, {"step": 0.3}),
        (0.1, 0.7, {"step": 0.1}),
        (-0.3, 0.3, {"bits": 10}),
        (-5, 17, {"bits": 5}),
    ],
)
def test_grid(lo: float, hi: float, how: dict[str, Any], dtype: Any) -> None:
    cls = one(Quantized(lo, hi, dtype=dtype, **how))
    step = cls.fields[0].kind.step
    slack = 1e-6 * max(abs(lo), abs(hi)) if dtype else 1e-12
    codes = set()
    for value in np.linspace(lo, hi, 997).tolist():
        data = cls(value).encode()
        back = cls.decode(data).x
        assert abs(back - value) <= step / 2 + slack
        assert cls(back).encode() == data
        codes.add(data)
    assert through(cls, lo) == pytest.approx(lo, abs=slack)
    if not dtype:
        whole = how != {"step": 0.3}  # of which 3 1/3 fit
        assert through(cls, hi) == (hi if whole else pytest.approx(0.9))
        assert max(cls.decode(code).x for code in codes) <= hi
    if lo == -hi and "bits" in how:
        assert through(cls, 0.0) == 0.0


def test_rounding_is_half_up() -> None:
    cls = one(Quantized(0, 100, step=1))
    values = {0.49: 0, 0.5: 1, 1.5: 2, 2.5: 3, 99.5: 100}
    assert {value: through(cls, value) for value in values} == values


@given(st.floats(-1e6, 1e6), st.integers(1, 32))
def test_angle(angle: float, bits: int) -> None:
    cls = one(Angle(bits))
    data = cls(angle).encode()
    back = cls.decode(data).x
    assert -math.pi <= back < math.pi
    assert abs(math.remainder(back - angle, 2 * math.pi)) <= math.pi / 2**bits + 1e-9
    assert cls(back).encode() == data


def test_raw_floats() -> None:
    for value in (0.0, -0.0, 1.5, -3.4e38, 1e-45, 5e-324):
        assert math.copysign(1, through(one(Float64()), value)) == math.copysign(1, value)
        assert through(one(Float64()), value) == value
        assert through(one(Float32()), value) == float(np.float32(value))
    loose = one(Float32(finite=False))
    assert math.isnan(through(loose, math.nan))
    assert through(loose, -math.inf) == -math.inf
    assert (
        one(Float64(finite=False))(math.nan).encode()
        == one(Float64(finite=False))(-math.nan).encode()
    )


ROTATION = tuple[float, float, float, float]


@pytest.mark.parametrize("dtype", [None, np.float32])
@pytest.mark.parametrize("bits", [3, 4, 5])
def test_every_rotation_code(bits: int, dtype: Any) -> None:
    """Every code is either refused or comes back as itself, and most are not refused."""
    cls = one(Quat(bits, dtype), ROTATION)
    size = cls.max_bytes
    accepted = 0
    for code in range(1 << (2 + 3 * bits)):
        data = code.to_bytes(size, "little")
        try:
            q = cls.decode(data).x
        except DecodeError:
            continue
        accepted += 1
        assert math.hypot(*q) == pytest.approx(1, abs=1e-6)
        assert cls(q).encode() == data
        assert cls(tuple(-c for c in q)).encode() == data
    assert accepted > 0.5 * (1 << (2 + 3 * bits)) * (math.pi / 6)


@pytest.mark.parametrize("bits", [3, 9, 18])
def test_rotation_error(bits: int) -> None:
    cls = one(Quat(bits), ROTATION)
    random = np.random.default_rng(3)
    bound = 2.5 * math.sqrt(0.5) / (2 ** (bits - 1) - 1)
    for q in random.normal(size=(300, 4)):
        unit = q / np.linalg.norm(q)
        back = np.array(through(cls, tuple(q.tolist())))
        assert min(np.abs(back - unit).max(), np.abs(back + unit).max()) <= bound
        assert cls(tuple(back)).encode() == cls(tuple(q)).encode()


def test_rotation_ends() -> None:
    cls = one(Quat(9), ROTATION)
    for i, sign in itertools.product(range(4), (1.0, -1.0)):
        axis = [0.0] * 4
        axis[i] = sign
        assert through(cls, tuple(axis)) == tuple(abs(c) for c in axis)
    half = through(cls, (0.5, -0.5, 0.5, -0.5))
    assert half == pytest.approx((0.5, -0.5, 0.5, -0.5), abs=4e-3)
    for scale in (1e-300, 1e-160, 1e160, 1e300):
        scaled = tuple(c * scale for c in (0.1, 0.2, -0.3, 0.9))
        assert cls(scaled).encode() == cls((0.1, 0.2, -0.3, 0.9)).encode()
