"""Python arguments to C values, for the classes of this floor.

``int``, ``bool`` and anything with ``__index__`` (NumPy integers) are integers; a float is a
TypeError even when it is whole. A value that does not fit is reported by a result of 0, not by an
exception, so that the caller can name it with its limit.
"""

from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_AsUnsignedLongLong, PyLong_Check
from cpython.number cimport PyNumber_Index
from libc.math cimport HUGE_VAL
from libc.stdint cimport int64_t, uint64_t

from netcode.bits.quantize cimport (
    QUANTIZE_BAD_RANGE,
    QUANTIZE_BAD_STEP,
    QUANTIZE_MAX_BITS,
    QUANTIZE_OK,
    quantizer,
    quantizer_init_bits,
    quantizer_init_step,
)
from netcode.bits.stream cimport bit_length


cdef struct int_range:
    uint64_t low       # the minimum, in two's complement
    uint64_t span      # maximum - minimum
    int bits           # the width of 0..span
    bint unsigned      # the maximum is above int64
    bint negative      # the minimum is below 0


cdef inline bint as_int64(object value, int64_t *out) except -1:
    """1 and the value, or 0 when it does not fit."""
    cdef int overflow = 0
    if not PyLong_Check(value):
        value = PyNumber_Index(value)
    out[0] = PyLong_AsLongLongAndOverflow(value, &overflow)
    return overflow == 0


cdef inline bint as_uint64(object value, uint64_t *out) except -1:
    """1 and the value, or 0 when it does not fit."""
    cdef int64_t small
    cdef int overflow = 0
    if not PyLong_Check(value):
        value = PyNumber_Index(value)
    small = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow == 0:
        out[0] = <uint64_t>small
        return small >= 0
    if overflow < 0:
        return 0
    try:
        out[0] = PyLong_AsUnsignedLongLong(value)
    except OverflowError:
        return 0
    return 1


cdef inline double as_double(object value) except? -1.0:
    """Any real number; infinity for an integer that no double can hold."""
    cdef int64_t small
    cdef int overflow = 0
    if PyFloat_CheckExact(value):
        return PyFloat_AS_DOUBLE(value)
    if PyLong_Check(value):
        small = PyLong_AsLongLongAndOverflow(value, &overflow)
        if overflow == 0:
            return <double>small
    try:
        return value
    except OverflowError:
        return HUGE_VAL if value > 0 else -HUGE_VAL


cdef inline int as_width(object bits, int limit) except -1:
    """A width of 1 to ``limit``; ValueError otherwise."""
    cdef int64_t width = 0
    if not as_int64(bits, &width) or width < 1 or width > limit:
        raise ValueError(f"bits must be 1 to {limit}, not {bits}")
    return <int>width


cdef inline int64_t as_size(object size, str name) except -1:
    """A size of 0 or more (anything above int64 counts as its maximum); ValueError below 0."""
    cdef int64_t value = 0
    if not as_int64(size, &value):
        value = 0x7FFFFFFFFFFFFFFF if size > 0 else -1
    if value < 0:
        raise ValueError(f"{name} must not be negative, not {size}")
    return value


cdef inline int as_range(object minimum, object maximum, int_range *r) except -1:
    """The width of a range inside -2**63..2**64-1 of at most 2**64 values; or ValueError."""
    cdef int64_t low = 0
    cdef int64_t high = 0
    cdef uint64_t top = 0
    cdef bint fits = as_int64(minimum, &low)
    r.low = <uint64_t>low
    r.negative = fits and low < 0
    r.unsigned = not as_int64(maximum, &high)
    if not r.unsigned:
        fits = fits and low <= high
        top = <uint64_t>high
    elif not as_uint64(maximum, &top):
        fits = False
    elif r.negative:
        fits = top <= ~<uint64_t>0 - (-r.low)
    else:
        fits = as_uint64(minimum, &r.low) and r.low <= top
    if not fits:
        raise ValueError(
            f"{minimum}..{maximum} is not a range of at most 2**64 integers, "
            f"the minimum first, inside -2**63..2**64-1"
        )
    r.span = top - r.low
    r.bits = bit_length(r.span)
    return r.bits


cdef inline bint range_code(const int_range *r, object value, uint64_t *code) except -1:
    """1 and value - minimum, or 0 when the value is outside the range."""
    cdef int64_t small = 0
    cdef uint64_t large = 0
    if as_int64(value, &small):
        code[0] = <uint64_t>small - r.low
        # A difference that wraps around is larger than every span but a span with negative low
        # and unsigned high, which holds every int64 from its minimum on.
        if r.negative and r.unsigned:
            return small >= <int64_t>r.low
        if r.unsigned and small < 0:
            return 0
        return code[0] <= r.span
    if not r.unsigned or not as_uint64(value, &large):
        return 0
    code[0] = large - r.low
    return large <= r.low + r.span and (r.negative or large >= r.low)


cdef inline object range_value(const int_range *r, uint64_t code):
    """The integer of a code that is at most the span."""
    cdef uint64_t value = r.low + code
    if r.unsigned and not (r.negative and code < -r.low):
        return value
    return <int64_t>value


cdef inline int as_quantizer(
    object minimum, object maximum, object bits, object step, quantizer *q
) except -1:
    """The width of the codes; one of bits and step is None, or TypeError or ValueError."""
    cdef double low = as_double(minimum)
    cdef double high = as_double(maximum)
    cdef int status
    if (bits is None) == (step is None):
        raise TypeError("give either bits or step")
    if step is None:
        status = quantizer_init_bits(q, low, high, as_width(bits, QUANTIZE_MAX_BITS))
    else:
        status = quantizer_init_step(q, low, high, as_double(step))
    if status == QUANTIZE_OK:
        return bit_length(q.max_code)
    if status == QUANTIZE_BAD_RANGE:
        raise ValueError(f"the minimum {minimum} must be below the maximum {maximum}, both finite")
    if status == QUANTIZE_BAD_STEP:
        raise ValueError(f"step must be positive and at most the range, not {step}")
    raise ValueError(
        f"{minimum}..{maximum} cannot be divided so finely: at most {QUANTIZE_MAX_BITS} bits, and "
        f"steps well above the rounding of the bounds"
    )
