"""WriteStream: the operations of serialize 1.0 onto a BitWriter."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.long cimport PyLong_AsUnsignedLongLongMask, PyLong_Check
from cpython.number cimport PyNumber_Index
from cpython.unicode cimport PyUnicode_Check
from libc.math cimport isfinite, isinf
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, strlen

cimport cython

from netcode.bits.arguments cimport (
    as_double,
    as_uint64,
    as_width,
    int_range,
    range_code,
    range_value,
)
from netcode.bits.stream cimport bit_length, bit_mask, bw_put, bw_put64, bw_put_bytes
from netcode.bits.writer cimport BitWriter
from netcode.compat.serialize.numbers cimport (
    RELATIVE_LAST,
    compressed,
    compressed_code,
    relative_bits,
    relative_flags,
    relative_low,
    relative_tier,
    single_bits,
)
from netcode.compat.serialize.operands cimport (
    as_bounds,
    as_compressed,
    as_count,
    as_fixed,
    as_previous,
    wide_bounds,
    wide_fixed,
)

from netcode.errors import EncodeError

__all__ = ["WriteStream"]

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object, Py_ssize_t *) except NULL


cdef object outside(str method, object value, str limit):
    """The EncodeError of a value out of its limits."""
    return EncodeError(f"{method}: {value!r} is outside {limit}", value=value, limit=limit)


cdef object too_long(str method, object value, uint64_t size, str unit, int limit):
    """The EncodeError of a text that its buffer does not hold."""
    return EncodeError(
        f"{method}: {size} {unit} and a NUL do not fit buffer_size={limit}",
        value=value,
        limit=f"{limit - 1} {unit}",
    )


cdef object no_text(str method, object value):
    """The EncodeError of a str that C cannot hold."""
    return EncodeError(
        f"{method}: {value!r} has a NUL or a lone surrogate",
        value=value,
        limit="valid Unicode without NUL",
    )


cdef inline double as_real(str method, object value) except? -1.0:
    """Any real number; EncodeError for an integer that no double can hold."""
    cdef double number = as_double(value)
    if isinf(number) and PyLong_Check(value):
        raise outside(method, value, "the range of a 64-bit float")
    return number


@cython.final
@cython.auto_pickle(False)
cdef class WriteStream:
    """Writes serialize 1.0, and returns what it was given.

    ``WriteStream()`` grows as needed; ``WriteStream(capacity)`` never holds more than that many
    bytes; ``WriteStream(writer)`` goes on where a BitWriter stands. ``writer`` is the BitWriter
    written to: its buffer is the message without a copy.

    A value that does not fit is an EncodeError, and so is one for which no room is left: nothing
    of it is written then. The standard makes one exception: a compressed float is clamped.
    """

    cdef readonly BitWriter writer

    is_writing = True
    is_reading = False
    is_measuring = False

    def __cinit__(self, target=None):
        self.writer = target if isinstance(target, BitWriter) else BitWriter(target)

    def bits(self, value, bits):
        """An integer 0 <= value < 2**bits in ``bits`` (1 to 64): serialize_bits."""
        cdef int width = as_width(bits, 64)
        cdef uint64_t code = 0
        if not as_uint64(value, &code) or code > bit_mask(width):
            raise outside("bits", value, f"0..{bit_mask(width)}")
        self.writer.reserve(<uint64_t>width, value)
        bw_put64(&self.writer.w, code, width)
        return value

    def bool(self, value):
        """The truth of ``value`` in 1 bit: serialize_bool."""
        cdef bint bit = value
        self.writer.reserve(1, value)
        bw_put(&self.writer.w, <uint64_t>bit, 1)
        return bit

    def int(self, value, minimum, maximum):
        """An integer in a range inside int32, in the bits of the range: serialize_int."""
        cdef int_range r
        as_bounds(minimum, maximum, 32, &r)
        return self.ranged("int", value, &r)

    def int64(self, value, minimum, maximum):
        """An integer in a range inside int64, in the bits of the range: serialize_int64."""
        cdef int_range r
        as_bounds(minimum, maximum, 64, &r)
        return self.ranged("int64", value, &r)

    def uint128(self, value):
        """An integer 0 <= value < 2**128, in 128 bits: serialize_uint128."""
        return self.wide("uint128", value, 0, (1 << 128) - 1)

    def int128(self, value, minimum, maximum):
        """An integer in a range inside the 128-bit ones, in its bits: serialize_int128."""
        low, span = wide_bounds(minimum, maximum)
        return self.wide("int128", value, low, span)

    def fixed(self, raw, integer_bits, fraction_bits, minimum, maximum):
        """A fixed point number, as the integer number * 2**fraction_bits: serialize_fixed.

        The format has 8, 16, 32, 64 or 128 bits together, the sign counted; the bounds are whole
        units.
        """
        cdef int_range r
        if as_fixed(integer_bits, fraction_bits, minimum, maximum, &r):
            return self.ranged("fixed", raw, &r)
        low, span = wide_fixed(fraction_bits, minimum, maximum)
        return self.wide("fixed", raw, low, span)

    def int_relative(self, value, previous):
        """An integer previous < value < 2**32, in fewer bits the nearer: serialize_int_relative."""
        cdef uint32_t before = 0
        cdef uint64_t after = 0
        cdef uint64_t payload
        cdef int tier, flags, width
        as_previous(previous, &before)
        if not as_uint64(value, &after) or after <= before or after > 0xFFFFFFFF:
            raise outside("int_relative", value, f"{<uint64_t>before + 1}..{0xFFFFFFFF}")
        tier = relative_tier(<uint32_t>(after - before))
        flags = relative_flags(tier)
        payload = after
        if tier < RELATIVE_LAST:
            payload = (after - before - relative_low[tier]) << 1 | 1
            flags -= 1
        width = flags + relative_bits[tier] + (tier < RELATIVE_LAST)
        self.writer.reserve(<uint64_t>width, value)
        bw_put(&self.writer.w, payload << flags, width)
        return value

    def float(self, value):
        """A float32, bit for bit when it is one; NaN payloads included: serialize_float."""
        cdef uint32_t code = 0
        if not single_bits(as_real("float", value), &code):
            raise outside("float", value, "the range of a 32-bit float")
        self.writer.reserve(32, value)
        bw_put(&self.writer.w, code, 32)
        return value

    def double(self, value):
        """A float64, bit for bit: serialize_double."""
        cdef double number = as_real("double", value)
        cdef uint64_t code
        memcpy(&code, &number, 8)
        self.writer.reserve(64, value)
        bw_put64(&self.writer.w, code, 64)
        return value

    def compressed_float(self, value, minimum, maximum, resolution):
        """A float32 as the nearest of the steps of a range: serialize_compressed_float.

        All operands are rounded to float32 first. As the standard demands, a finite value outside
        the range is written as the bound; NaN and infinities are EncodeErrors.
        """
        cdef compressed c
        cdef int width = as_compressed(minimum, maximum, resolution, &c)
        cdef float number = <float>as_real("compressed_float", value)
        if not isfinite(number):
            raise outside("compressed_float", value, "the finite 32-bit floats")
        self.writer.reserve(<uint64_t>width, value)
        bw_put(&self.writer.w, compressed_code(&c, number), width)
        return value

    def bytes(self, value, count):
        """Exactly ``count`` bytes of any buffer, after zero bits to a byte: serialize_bytes.

        The alignment is written for no bytes too. The count is not written.
        """
        cdef Py_buffer view
        cdef int size = as_count(count, "count", 0)
        PyObject_GetBuffer(value, &view, PyBUF_SIMPLE)
        try:
            if view.len != size:
                raise EncodeError(
                    f"bytes: {view.len} bytes are not count={size}",
                    value=value,
                    limit=f"{size} bytes",
                )
            self.aligned(<const uint8_t *>view.buf, <uint64_t>size, 0, 0, value)
        finally:
            PyBuffer_Release(&view)
        return value

    def string(self, value, buffer_size):
        """A str as UTF-8 in a C buffer of ``buffer_size`` bytes with its NUL: serialize_string."""
        cdef int limit = as_count(buffer_size, "buffer_size", 1)
        cdef Py_ssize_t size = 0
        cdef const char *utf8
        if not PyUnicode_Check(value):
            raise TypeError(f"string takes a str, not {type(value).__name__}")
        try:
            utf8 = PyUnicode_AsUTF8AndSize(value, &size)
        except UnicodeEncodeError:
            raise no_text("string", value) from None
        if size >= limit:
            raise too_long("string", value, <uint64_t>size, "bytes of UTF-8", limit)
        if strlen(utf8) != <size_t>size:
            raise no_text("string", value)
        self.aligned(
            <const uint8_t *>utf8,
            <uint64_t>size,
            <uint64_t>size,
            bit_length(<uint64_t>limit - 1),
            value,
        )
        return value

    def wstring(self, value, buffer_size):
        """A str as UTF-16 in a buffer of ``buffer_size`` units with its NUL: serialize_wstring.

        Each unit takes 32 bits, a character above U+FFFF two units; nothing is aligned.
        """
        cdef int limit = as_count(buffer_size, "buffer_size", 1)
        cdef int width = bit_length(<uint64_t>limit - 1)
        cdef str text
        cdef Py_UCS4 point
        cdef uint64_t units = 0
        cdef uint32_t above
        if not PyUnicode_Check(value):
            raise TypeError(f"wstring takes a str, not {type(value).__name__}")
        text = <str>value    # a subclass too, whatever its __str__ says
        for point in text:
            if point == 0 or 0xD800 <= point <= 0xDFFF:
                raise no_text("wstring", value)
            units += 2 if point > 0xFFFF else 1
        if units >= <uint64_t>limit:
            raise too_long("wstring", value, units, "units of UTF-16", limit)
        self.writer.reserve(<uint64_t>width + 32 * units, value)
        bw_put(&self.writer.w, units, width)
        for point in text:
            if point > 0xFFFF:
                above = <uint32_t>point - 0x10000
                bw_put(&self.writer.w, 0xD800 + (above >> 10), 32)
                bw_put(&self.writer.w, 0xDC00 + (above & 0x3FF), 32)
            else:
                bw_put(&self.writer.w, <uint32_t>point, 32)
        return value

    def align(self):
        """Zero bits up to a byte boundary: serialize_align."""
        self.writer.align()

    def object(self, value):
        """An object, by its own ``value.serialize(stream)``: serialize_object."""
        value.serialize(self)
        return value

    cdef object ranged(self, str method, object value, const int_range *r):
        cdef uint64_t code = 0
        if not range_code(r, value, &code):
            raise outside(method, value, f"{range_value(r, 0)}..{range_value(r, r.span)}")
        self.writer.reserve(<uint64_t>r.bits, value)
        bw_put64(&self.writer.w, code, r.bits)
        return value

    cdef object wide(self, str method, object value, object low, object span):
        """A range of any width up to 128 bits, in Python's integers."""
        cdef int width = span.bit_length()
        code = PyNumber_Index(value) - low
        if not 0 <= code <= span:
            raise outside(method, value, f"{low}..{low + span}")
        self.writer.reserve(<uint64_t>width, value)
        if width > 64:
            bw_put64(&self.writer.w, PyLong_AsUnsignedLongLongMask(code), 64)
            code >>= 64
            width -= 64
        bw_put64(&self.writer.w, PyLong_AsUnsignedLongLongMask(code), width)
        return value

    cdef int aligned(
        self, const uint8_t *data, uint64_t size, uint64_t prefix, int width, object value
    ) except -1:
        """``prefix`` in ``width`` bits, zeros up to a byte boundary, and the bytes; or nothing."""
        cdef int pad = <int>(-(self.writer.w.position + <uint64_t>width) & 7)
        self.writer.reserve(<uint64_t>(width + pad) + size * 8, value)
        bw_put(&self.writer.w, prefix, width + pad)
        bw_put_bytes(&self.writer.w, data, <size_t>size)
        return 0

    @property
    def bits_processed(self):
        """Bits written so far."""
        return self.writer.w.position

    @property
    def bytes_processed(self):
        """Bytes written so far, the last one counted whole."""
        return (self.writer.w.position + 7) >> 3

    def to_bytes(self):
        """A copy of the message; the bits above its last one are zero."""
        return self.writer.to_bytes()

    def __repr__(self):
        return f"<WriteStream: {self.writer.w.position} bits>"

    def __reduce__(self):
        raise TypeError("a WriteStream cannot be pickled or copied")
