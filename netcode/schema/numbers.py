"""Checks of the numbers and NumPy types in markers; every refusal is a readable SchemaError."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from netcode.errors import SchemaError
from netcode.schema.kinds import QuantizedKind, number
from netcode.schema.limits import MAX_QUANTIZED_BITS

__all__ = ["components", "float_dtype", "int_dtype", "integer", "quantized", "size"]


def integer(value: object, what: str, where: str) -> int:
    """``value`` as an int; bool and float are refused."""
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise SchemaError(f"{where}: {what} must be an int, not {value!r}")
    return operator.index(value)


def size(value: object, what: str, limit: int, where: str, least: int = 1) -> int:
    """``value`` as an int from ``least`` to ``limit``."""
    result = integer(value, what, where)
    if not least <= result <= limit:
        raise SchemaError(f"{where}: {what} must be {least} to {limit:,}, not {result:,}")
    return result


def real(value: object, what: str, where: str) -> float:
    """``value`` as a finite float."""
    if isinstance(value, (bool, np.bool_, str)) or not hasattr(value, "__float__"):
        raise SchemaError(f"{where}: {what} must be a number, not {value!r}")
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise SchemaError(f"{where}: {what} must be a number, not {value!r}") from error
    if not math.isfinite(result):
        raise SchemaError(f"{where}: {what} must be finite, not {result}")
    return result


def scalar_dtype(dtype: object, where: str) -> np.dtype[Any]:
    try:
        result = np.dtype(dtype)  # type: ignore[call-overload]
    except TypeError as error:
        raise SchemaError(f"{where}: dtype={dtype!r} is not a NumPy type") from error
    if not result.isnative:
        raise SchemaError(f"{where}: dtype={result} must be in the machine's byte order")
    return result  # type: ignore[no-any-return]


def float_dtype(dtype: object, where: str, default: type = np.float64) -> np.dtype[Any]:
    """The NumPy type of a float column."""
    if dtype is None:
        return np.dtype(default)
    result = scalar_dtype(dtype, where)
    if result not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise SchemaError(f"{where}: dtype={result} must be float32 or float64")
    return result


def int_dtype(lo: int, hi: int, dtype: object, where: str) -> np.dtype[Any]:
    """The smallest integer type that holds ``lo`` and ``hi``, or ``dtype`` if it does."""
    if dtype is None:
        names = "u1 u2 u4 u8" if lo >= 0 else "i1 i2 i4 i8"
        for name in names.split():
            info = np.iinfo(name)
            if info.min <= lo and hi <= info.max:
                return np.dtype(name)
        raise SchemaError(f"{where}: no integer type holds both {lo} and {hi}")
    result = scalar_dtype(dtype, where)
    if result.kind not in "iu":
        raise SchemaError(f"{where}: dtype={result} must be an integer type")
    info = np.iinfo(result)
    if lo < info.min or hi > info.max:
        raise SchemaError(f"{where}: dtype={result} does not hold {lo} to {hi}")
    return result


def quantized(
    lo: object,
    hi: object,
    step: object,
    bits: object,
    clamp: object,
    dtype: object,
    where: str,
) -> QuantizedKind:
    """The grid of a quantised float; the same sums as ``quantizer_init_step`` of the bits floor."""
    low, high = real(lo, "lo", where), real(hi, "hi", where)
    if not low < high:
        raise SchemaError(f"{where}: lo must be below hi, not lo={number(low)}, hi={number(high)}")
    if not math.isfinite(high - low):
        raise SchemaError(f"{where}: hi - lo must be finite")
    if (step is None) == (bits is None):
        got = "neither" if step is None else "both"
        raise SchemaError(f"{where}: give either step= or bits=, not {got}")
    if not isinstance(clamp, bool):
        raise SchemaError(f"{where}: clamp must be a bool, not {clamp!r}")
    if bits is not None:
        width = size(bits, "bits", MAX_QUANTIZED_BITS, where)
        steps = (1 << width) - 1
        if low == -high and width > 1:
            steps -= 1  # an even count of steps has a code for zero
        spacing = (high - low) / steps
    else:
        spacing = real(step, "step", where)
        if not 0 < spacing <= high - low:
            raise SchemaError(f"{where}: step must be above 0 and at most hi - lo, not {step}")
    store = float_dtype(dtype, where)
    codes = (high - low) * (1.0 / spacing) + 0.5
    if not codes < 1 << MAX_QUANTIZED_BITS:
        raise SchemaError(
            f"{where}: step {number(spacing)} needs more than {MAX_QUANTIZED_BITS} bits"
        )
    # A value must find its code again after the roundings of its type.
    largest = max(abs(low), abs(high))
    finest = largest * (2.0**-50 if store == np.float64 else 2.0**-22)
    if not spacing > finest:
        raise SchemaError(
            f"{where}: step {number(spacing)} is too fine for {store} near {number(largest)}"
        )
    # What is left over for a last, shorter step may be half a step but for such a rounding.
    kept = float(store.type(high))
    if int((kept - low) * (1.0 / spacing) + 0.5) < int(codes):
        raise SchemaError(
            f"{where}: hi {number(high)} lies half a step of {number(spacing)} above the last "
            f"whole one, and {store} does not hold it exactly; use another hi or step"
        )
    return QuantizedKind(low, high, spacing, int(codes), clamp, store)


def components(value: object, count: int, what: str, where: str) -> list[Any]:
    """One number for each component, from one number for all or a sequence."""
    if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str):
        if len(value) != count:
            raise SchemaError(f"{where}: {what} needs one number, or {count}; it has {len(value)}")
        return list(value)
    return [value] * count
