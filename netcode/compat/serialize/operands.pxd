"""Python operands to C values, the same in all three streams.

Operands are what both ends must agree on: ranges, widths, counts. What makes no sense, or what
the C++ type could not hold, is a ValueError; a float where an integer belongs is a TypeError.
"""

from cpython.number cimport PyNumber_Index
from libc.stdint cimport int64_t, uint32_t, uint64_t

from netcode.bits.arguments cimport as_double, as_int64, as_uint64, int_range
from netcode.bits.stream cimport bit_length
from netcode.compat.serialize.numbers cimport compressed, compressed_init


cdef inline int as_bounds(object minimum, object maximum, int bits, int_range *r) except -1:
    """The width of a range inside the signed integers of 32 or 64 ``bits``."""
    cdef int64_t low = 0
    cdef int64_t high = 0
    cdef int spare = 64 - bits
    if (
        not as_int64(minimum, &low)
        or not as_int64(maximum, &high)
        or low > high
        or low < -(<int64_t>0x7FFFFFFFFFFFFFFF >> spare) - 1
        or high > (<int64_t>0x7FFFFFFFFFFFFFFF >> spare)
    ):
        raise ValueError(
            f"{minimum}..{maximum} is not a range, the minimum first, inside int{bits}"
        )
    r.low = <uint64_t>low
    r.span = <uint64_t>high - r.low
    r.bits = bit_length(r.span)
    r.unsigned = False
    r.negative = low < 0
    return r.bits


cdef inline int as_count(object count, str name, int minimum) except -1:
    """A count from ``minimum`` to 2**31 - 1."""
    cdef int64_t value = 0
    if not as_int64(count, &value) or value < minimum or value > 0x7FFFFFFF:
        raise ValueError(f"{name} must be {minimum} to {0x7FFFFFFF}, not {count}")
    return <int>value


cdef inline int as_previous(object previous, uint32_t *out) except -1:
    """The value in front of an int_relative: 0 to 2**32 - 1."""
    cdef uint64_t value = 0
    if not as_uint64(previous, &value) or value > 0xFFFFFFFF:
        raise ValueError(f"previous must be 0 to {0xFFFFFFFF}, not {previous}")
    out[0] = <uint32_t>value
    return 0


cdef inline int as_compressed(
    object minimum, object maximum, object resolution, compressed *c
) except -1:
    """The constants of a compressed float, from operands rounded to float32."""
    cdef float low = <float>as_double(minimum)
    cdef float high = <float>as_double(maximum)
    cdef float step = <float>as_double(resolution)
    if not compressed_init(c, low, high, step):
        raise ValueError(
            f"{minimum}..{maximum} in steps of {resolution} is not a compressed float: the "
            f"minimum comes first, the step is positive, and float32 must hold the number of steps"
        )
    return c.bits


cdef inline bint as_fixed(
    object integer_bits, object fraction_bits, object minimum, object maximum, int_range *raw
) except -1:
    """1 and the raw range, for up to 64 bits of storage; or 0, for 128 (see ``wide_fixed``)."""
    cdef int64_t whole = 0
    cdef int64_t fraction = 0
    cdef int64_t low = 0
    cdef int64_t high = 0
    cdef bint fits
    if (
        not as_int64(integer_bits, &whole)
        or not as_int64(fraction_bits, &fraction)
        or not 1 <= whole <= 128
        or not 0 <= fraction <= 127
        or whole + fraction not in (8, 16, 32, 64, 128)
    ):
        raise ValueError(
            f"Q{integer_bits}.{fraction_bits} is not a fixed point format: at least 1 integer bit, "
            f"and 8, 16, 32, 64 or 128 bits together"
        )
    fits = as_int64(minimum, &low) and as_int64(maximum, &high) and low <= high
    if fits and whole < 64:
        # What is left above the bits of the bound: its sign alone, or nothing when unsigned.
        fits = high >> whole == 0 if low >= 0 else (
            low >> (whole - 1) == -1 and high >> (whole - 1) <= 0
        )
    if not fits:
        raise ValueError(
            f"{minimum}..{maximum} is not a range, the minimum first, "
            f"of whole units of Q{integer_bits}.{fraction_bits} and int64"
        )
    if whole + fraction > 64:
        return 0
    raw.low = <uint64_t>low << fraction
    raw.span = (<uint64_t>high - <uint64_t>low) << fraction
    raw.bits = bit_length(raw.span)
    raw.negative = low < 0
    raw.unsigned = low >= 0 and (raw.low + raw.span) >> 63 != 0
    return 1


cdef inline tuple wide_fixed(object fraction_bits, object minimum, object maximum):
    """Raw minimum and span of bounds that ``as_fixed`` has checked."""
    low = PyNumber_Index(minimum) << fraction_bits
    return low, (PyNumber_Index(maximum) << fraction_bits) - low


cdef inline tuple wide_bounds(object minimum, object maximum):
    """Minimum and span of a range inside the 128-bit signed integers."""
    low = PyNumber_Index(minimum)
    high = PyNumber_Index(maximum)
    if not -(1 << 127) <= low <= high < 1 << 127:
        raise ValueError(f"{minimum}..{maximum} is not a range, the minimum first, inside int128")
    return low, high - low
