"""Floats and the int_relative ladder as the standard's bits.

The arithmetic of compressed floats is float32 with every step rounded: each step is stored in a
``float`` of its own, and the build contracts nothing (``-ffp-contract=off``).
"""

from libc.math cimport ceilf, isfinite
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

from netcode.bits.stream cimport bit_length


cdef extern from *:
    """
    #include <stdint.h>
    /* The tiers of int_relative: the smallest difference, and the bits of the payload behind the
       flags. The first 6 hold a difference, the last the value itself. */
    static const uint32_t relative_low[7] = {1, 2, 7, 24, 281, 4378, 69915};
    static const int relative_bits[7] = {0, 3, 5, 9, 13, 17, 32};
    """
    const uint32_t *relative_low
    const int *relative_bits


cdef enum:
    RELATIVE_LAST = 6


cdef struct compressed:
    float low
    float delta
    uint32_t steps     # the largest code
    int bits


cdef inline bint compressed_init(
    compressed *c, float low, float high, float resolution
) noexcept nogil:
    """0 when the operands have no meaning on the wire."""
    cdef float steps
    c.low = low
    c.delta = high - low
    if not (low < high and resolution > 0 and isfinite(c.delta)):
        return 0
    steps = c.delta / resolution
    if not isfinite(steps):
        return 0
    steps = ceilf(steps)
    if steps < 1:
        steps = 1
    if steps > <float>4294967040.0:  # the largest float below 2**32
        steps = <float>4294967040.0
    c.steps = <uint32_t>steps
    c.bits = bit_length(c.steps)
    return 1


cdef inline uint32_t compressed_code(const compressed *c, float value) noexcept nogil:
    """The code of a finite value, clamped into the range."""
    cdef float normal = value - c.low
    cdef float scaled
    cdef uint32_t code
    normal = normal / c.delta
    if not normal >= 0:
        normal = 0
    elif not normal <= 1:
        normal = 1
    scaled = normal * <float>c.steps
    scaled = scaled + <float>0.5
    code = <uint32_t>scaled
    # From 2**23 steps on, adding one half can round up past the last step.
    return code if code <= c.steps else c.steps


cdef inline float compressed_value(const compressed *c, uint32_t code) noexcept nogil:
    """The float of a code that is at most ``steps``."""
    cdef float value = <float>code
    value = value / <float>c.steps
    value = value * c.delta
    value = value + c.low
    return value


cdef inline bint single_bits(double value, uint32_t *code) noexcept nogil:
    """The bits of a float32; 0 when a finite value is above its range."""
    cdef float narrow
    cdef uint64_t pattern
    if value != value:
        # By hand: a conversion would make a signalling NaN a quiet one.
        memcpy(&pattern, &value, 8)
        code[0] = <uint32_t>(pattern >> 63 << 31 | 0x7F800000 | (pattern >> 29 & 0x7FFFFF))
        if code[0] & 0x7FFFFF == 0:
            code[0] |= 0x400000
        return 1
    narrow = <float>value
    memcpy(code, &narrow, 4)
    return isfinite(narrow) or not isfinite(value)


cdef inline double single_value(uint32_t code) noexcept nogil:
    """The double of a float32's bits, NaN payload included."""
    cdef float narrow
    cdef double wide
    cdef uint64_t pattern
    if code & 0x7FFFFFFF > 0x7F800000:
        pattern = <uint64_t>(code >> 31) << 63 | <uint64_t>0x7FF << 52
        pattern |= <uint64_t>(code & 0x7FFFFF) << 29
        memcpy(&wide, &pattern, 8)
        return wide
    memcpy(&narrow, &code, 4)
    return narrow


cdef inline int relative_tier(uint32_t difference) noexcept nogil:
    """The first tier that holds a difference of 1 or more."""
    cdef int tier = 0
    while tier < RELATIVE_LAST and difference >= relative_low[tier + 1]:
        tier += 1
    return tier


cdef inline int relative_flags(int tier) noexcept nogil:
    """The flags in front of a tier's payload: zeros, and a one but in the last."""
    return tier + 1 if tier < RELATIVE_LAST else RELATIVE_LAST
