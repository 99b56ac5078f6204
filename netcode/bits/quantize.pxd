"""Numbers to unsigned codes and back, in double arithmetic that is the same on every machine.

Every operation is rounded on its own (the build forbids fused multiply-add); divisions and square
roots are correctly rounded by IEEE 754. Rounding to a code is floor(x + 1/2). NaN and infinities
have no code: they are refused with a status, never clamped.
"""

from libc.math cimport INFINITY, fabs, fmod, sqrt
from libc.stdint cimport int64_t, uint32_t, uint64_t


cdef enum:
    QUANTIZE_OK = 0
    QUANTIZE_NOT_FINITE = 1   # NaN or an infinity
    QUANTIZE_LOW = 2          # below the range
    QUANTIZE_HIGH = 3         # above the range
    QUANTIZE_ZERO = 4         # a quaternion of length 0 has no direction
    QUANTIZE_BAD_RANGE = 5    # a bound is not finite, or low is not below high
    QUANTIZE_BAD_STEP = 6     # the step is not positive, or larger than the range
    QUANTIZE_TOO_FINE = 7     # over QUANTIZE_MAX_BITS, or steps a double cannot tell apart

    QUANTIZE_MAX_BITS = 48
    ANGLE_MAX_BITS = 32
    QUAT_MIN_BITS = 2
    QUAT_MAX_BITS = 20


cdef struct quantizer:
    double low             # value of code 0
    double top             # value of max_code; no value comes out above it
    double accept_low      # the range with one float32 rounding of the bounds allowed for, so that
    double accept_high     # a bound that went through a float32 is still in range
    double step            # one code, in units of the value
    double inverse         # codes per unit
    uint64_t max_code


cdef inline int quantizer_init_step(
    quantizer *q, double low, double high, double step
) noexcept nogil:
    """Codes low, low + step, ...; when the steps do not fit, the last is cut short at ``high``."""
    cdef double size = fabs(low) if fabs(low) > fabs(high) else fabs(high)
    cdef double count, slack
    if not (-INFINITY < low and low < high and high < INFINITY) or high - low == INFINITY:
        return QUANTIZE_BAD_RANGE
    if not (step > 0 and step <= high - low):
        return QUANTIZE_BAD_STEP
    q.step = step
    q.inverse = 1.0 / step
    count = (high - low) * q.inverse  # as ``quantize`` does, so that ``high`` has the top code
    if not count + 0.5 < <double>(<uint64_t>1 << QUANTIZE_MAX_BITS):
        return QUANTIZE_TOO_FINE
    # Codes must survive value -> code -> value -> code: a step of several roundings of the bounds.
    if not step > size * 8.9e-16:
        return QUANTIZE_TOO_FINE
    q.low = low
    q.max_code = <uint64_t><int64_t>(count + 0.5)
    # Within rounding of a whole number of steps, or cut short: exactly ``high``.
    if <double>q.max_code > count - 1e-9 * count:
        q.top = high
    else:
        q.top = low + <double>q.max_code * step
    slack = step / 2
    q.accept_low = low - (fabs(low) * 6e-8 if fabs(low) * 6e-8 < slack else slack)
    q.accept_high = high + (fabs(high) * 6e-8 if fabs(high) * 6e-8 < slack else slack)
    return QUANTIZE_OK


cdef inline int quantizer_init_bits(
    quantizer *q, double low, double high, int bits
) noexcept nogil:
    """``bits`` (1 to QUANTIZE_MAX_BITS) spread evenly over low..high, so that both are exact.

    That is 2**bits - 1 steps, or 2**bits - 2 when low is -high, so that zero is exact too.
    """
    cdef uint64_t steps
    if not (-INFINITY < low and low < high and high < INFINITY) or high - low == INFINITY:
        return QUANTIZE_BAD_RANGE
    if bits < 1 or bits > QUANTIZE_MAX_BITS:
        return QUANTIZE_TOO_FINE
    steps = (<uint64_t>1 << bits) - 1
    if low == -high and bits > 1:
        steps -= 1
    if not (high - low) / <double>steps > 0:
        return QUANTIZE_TOO_FINE
    return quantizer_init_step(q, low, high, (high - low) / <double>steps)


cdef inline bint in_range(const quantizer *q, double value) noexcept nogil:
    """Nearly all that ``quantize`` accepts: not what is just below ``low``; not NaN."""
    return value >= q.low and value <= q.accept_high


cdef inline uint64_t quantize_in_range(const quantizer *q, double value) noexcept nogil:
    """The nearest code of a value that is ``in_range``."""
    cdef uint64_t code
    value = (value - q.low) * q.inverse
    value = value + 0.5
    code = <uint64_t><int64_t>value
    return code if code < q.max_code else q.max_code


cdef inline int quantize(const quantizer *q, double value, uint64_t *code) noexcept nogil:
    """The nearest code of ``value``, or a status; the error is at most step / 2."""
    if in_range(q, value):
        code[0] = quantize_in_range(q, value)
        return QUANTIZE_OK
    if value >= q.accept_low and value < q.low:
        code[0] = 0
        return QUANTIZE_OK
    if value != value or fabs(value) == INFINITY:
        return QUANTIZE_NOT_FINITE
    return QUANTIZE_LOW if value < q.low else QUANTIZE_HIGH


cdef inline int quantize_clamped(const quantizer *q, double value, uint64_t *code) noexcept nogil:
    """As ``quantize``; a finite value out of range gets the end's code and LOW or HIGH."""
    cdef int status = quantize(q, value, code)
    if status == QUANTIZE_LOW:
        code[0] = 0
    elif status == QUANTIZE_HIGH:
        code[0] = q.max_code
    return status


cdef inline double dequantize(const quantizer *q, uint64_t code) noexcept nogil:
    """The value of ``code``, in range whatever the code; range-check codes from a peer before."""
    cdef double value
    if code >= q.max_code:
        return q.top
    value = <double>code * q.step
    value = q.low + value
    if fabs(value) < fabs(q.low) * 4.5e-16:  # zero, but for the rounding of step
        return 0.0
    return value if value < q.top else q.top


cdef inline int quantize_angle(double radians, int bits, uint32_t *code) noexcept nogil:
    """Any finite angle to a full turn of 2**bits codes (1 to ANGLE_MAX_BITS), modulo the turn."""
    cdef double turn = <double>(<uint64_t>1 << bits)
    cdef double x
    cdef int64_t whole
    if radians != radians or fabs(radians) == INFINITY:
        return QUANTIZE_NOT_FINITE
    if fabs(radians) > 6.283185307179586:
        radians = fmod(radians, 6.283185307179586)  # exact
    x = radians * (turn / 6.283185307179586)
    x = x + 0.5
    whole = <int64_t>x
    if <double>whole > x:  # towards zero, so one too many below it
        whole -= 1
    code[0] = <uint32_t>(<uint64_t>whole & ((<uint64_t>1 << bits) - 1))
    return QUANTIZE_OK


cdef inline double dequantize_angle(uint32_t code, int bits) noexcept nogil:
    """Radians in -pi <= angle < pi; bits of ``code`` above the width are ignored."""
    cdef int64_t turn = <int64_t>1 << bits
    cdef int64_t signed_code = <int64_t>(code & <uint64_t>(turn - 1))
    if signed_code >= turn >> 1:
        signed_code -= turn
    return <double>signed_code * (6.283185307179586 / <double>turn)


cdef inline uint32_t quat_max_code(int bits) noexcept nogil:
    """The largest component code, 2**bits - 2: an odd count of codes, so that zero has its own."""
    return (<uint32_t>1 << bits) - 2


cdef inline int quat_pack(
    const double *q, int bits, uint32_t *largest, uint32_t *codes
) noexcept nogil:
    """Smallest three: the index of the largest component, and codes of the others in their order.

    ``q`` has 4 finite components of any length but 0 (it is normalised; q and -q are the same
    rotation). The others lie in -sqrt(1/2)..sqrt(1/2) and get ``bits`` (2 to 20) each. Length 0
    gives QUANTIZE_ZERO and the codes of (0, 0, 0, 1).
    """
    cdef double middle = <double>(quat_max_code(bits) >> 1)
    cdef double biggest = 0.0
    cdef double size, x
    cdef double v[4]
    cdef int i
    cdef int n = 0
    largest[0] = 3
    codes[0] = codes[1] = codes[2] = <uint32_t>middle
    for i in range(4):
        size = fabs(q[i])
        if not size < INFINITY:
            return QUANTIZE_NOT_FINITE
        if size > biggest:
            biggest = size
            largest[0] = <uint32_t>i
    if biggest == 0.0:
        return QUANTIZE_ZERO
    # Dividing by the largest first keeps squares from overflowing or vanishing; its sign makes
    # the left-out component positive.
    size = 0.0
    biggest = q[largest[0]]
    for i in range(4):
        v[i] = q[i] / biggest
        x = v[i] * v[i]
        size = size + x
    size = sqrt(size)
    for i in range(4):
        if i == <int>largest[0]:
            continue
        x = v[i] / size
        x = x * (middle / sqrt(0.5))
        x = x + middle
        x = x + 0.5
        codes[n] = <uint32_t>x if x > 0 else 0
        if codes[n] > quat_max_code(bits):
            codes[n] = quat_max_code(bits)
        n += 1
    return QUANTIZE_OK


cdef inline void quat_unpack(
    uint32_t largest, const uint32_t *codes, int bits, double *q
) noexcept nogil:
    """A quaternion of length 1 from any codes; range-check codes from a peer before.

    Codes that no quaternion has (more than length 1 in three components) are scaled to length 1.
    """
    cdef double middle = <double>(quat_max_code(bits) >> 1)
    cdef double total = 0.0
    cdef double x
    cdef int i
    cdef int n = 0
    for i in range(4):
        if i == <int>(largest & 3):
            continue
        x = <double>codes[n] - middle
        x = x * (sqrt(0.5) / middle)
        q[i] = x
        x = x * x
        total = total + x
        n += 1
    if total <= 1.0:
        q[largest & 3] = sqrt(1.0 - total)
        return
    q[largest & 3] = 0.0
    total = sqrt(total)
    for i in range(4):
        q[i] = q[i] / total
