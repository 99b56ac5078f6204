"""ReadStream: the operations of serialize 1.0 from a BitReader. Every bit may be hostile."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy

cimport cython

from netcode.bits.arguments cimport as_width, int_range, range_value
from netcode.bits.reader cimport BitReader
from netcode.bits.stream cimport (
    BITS_END,
    bit_length,
    br_align,
    br_get,
    br_get64,
    br_get_bytes,
    br_left,
)
from netcode.compat.serialize.numbers cimport (
    RELATIVE_LAST,
    compressed,
    compressed_value,
    relative_bits,
    relative_low,
    single_value,
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

from netcode.errors import DecodeError

__all__ = ["ReadStream"]

cdef extern from "Python.h":
    object PyUnicode_FromKindAndData(int kind, const void *buffer, Py_ssize_t size)


cdef object UTF16_NUL = "a unit is NUL"
cdef object UTF16_WIDE = "a unit is above 0xFFFF"
cdef object UTF16_LONE = "a surrogate is alone"


@cython.final
@cython.auto_pickle(False)
cdef class ReadStream:
    """Reads serialize 1.0. The value given to an operation is ignored; the one read is returned.

    ``data`` is any contiguous buffer, of which only the first ``bits`` are read, if given; or a
    BitReader, which is read from where it stands. ``reader`` is the BitReader read from.

    What a reader must refuse is a DecodeError, which holds the bit offset of the operation; the
    stream then stands where the operation began. Nothing is read past the end, and nothing of the
    bits behind the last operation is looked at.
    """

    cdef readonly BitReader reader

    is_writing = False
    is_reading = True
    is_measuring = False

    def __cinit__(self, data, *, bits=None):
        if not isinstance(data, BitReader):
            self.reader = BitReader(data, bits=bits)
        elif bits is not None:
            raise TypeError("a BitReader has its own limit: give bits to it")
        else:
            self.reader = data

    def bits(self, value, bits):
        """An integer of ``bits`` (1 to 64): serialize_bits."""
        cdef int width = as_width(bits, 64)
        cdef uint64_t code = br_get64(&self.reader.r, width)
        if self.reader.r.error:
            self.reader.failed(self.reader.r.position, "bits")
        return code

    def bool(self, value):
        """1 bit: serialize_bool."""
        cdef uint64_t code = br_get(&self.reader.r, 1)
        if self.reader.r.error:
            self.reader.failed(self.reader.r.position, "bool")
        return code != 0

    def int(self, value, minimum, maximum):
        """An integer in a range inside int32; DecodeError outside it: serialize_int."""
        cdef int_range r
        as_bounds(minimum, maximum, 32, &r)
        return self.ranged("int", &r)

    def int64(self, value, minimum, maximum):
        """An integer in a range inside int64; DecodeError outside it: serialize_int64."""
        cdef int_range r
        as_bounds(minimum, maximum, 64, &r)
        return self.ranged("int64", &r)

    def uint128(self, value):
        """An integer 0 <= value < 2**128: serialize_uint128."""
        return self.wide("uint128", 0, (1 << 128) - 1)

    def int128(self, value, minimum, maximum):
        """An integer in a range inside the 128-bit ones; DecodeError outside: serialize_int128."""
        low, span = wide_bounds(minimum, maximum)
        return self.wide("int128", low, span)

    def fixed(self, raw, integer_bits, fraction_bits, minimum, maximum):
        """A fixed point number, as the integer number * 2**fraction_bits: serialize_fixed."""
        cdef int_range r
        if as_fixed(integer_bits, fraction_bits, minimum, maximum, &r):
            return self.ranged("fixed", &r)
        low, span = wide_fixed(fraction_bits, minimum, maximum)
        return self.wide("fixed", low, span)

    def int_relative(self, value, previous):
        """An integer above ``previous``: serialize_int_relative.

        Written as a difference, it wraps around above 2**32 - 1, as in the C++ library. Written
        in full, it is a DecodeError unless it is above ``previous``.
        """
        cdef uint64_t start = self.reader.r.position
        cdef uint32_t before = 0
        cdef uint32_t code
        cdef int tier = 0
        as_previous(previous, &before)
        while tier < RELATIVE_LAST and not br_get(&self.reader.r, 1):
            tier += 1
        code = <uint32_t>br_get(&self.reader.r, relative_bits[tier])
        if self.reader.r.error:
            self.reader.failed(start, "int_relative")
        if tier == RELATIVE_LAST:
            if code <= before:
                raise self.reader.outside(
                    start, "int_relative", code, f"the integers above {before}"
                )
            return code
        if code > relative_low[tier + 1] - 1 - relative_low[tier]:
            raise self.reader.outside(
                start,
                "int_relative",
                code + relative_low[tier],
                f"differences {relative_low[tier]}..{relative_low[tier + 1] - 1}",
            )
        return <uint32_t>(before + relative_low[tier] + code)

    def float(self, value):
        """A float32; the float has its bits, NaN payload included: serialize_float."""
        cdef uint32_t code = <uint32_t>br_get(&self.reader.r, 32)
        if self.reader.r.error:
            self.reader.failed(self.reader.r.position, "float")
        return single_value(code)

    def double(self, value):
        """A float64, bit for bit: serialize_double."""
        cdef uint64_t code = br_get64(&self.reader.r, 64)
        cdef double number
        if self.reader.r.error:
            self.reader.failed(self.reader.r.position, "double")
        memcpy(&number, &code, 8)
        return number

    def compressed_float(self, value, minimum, maximum, resolution):
        """The float32 of a step of a range: serialize_compressed_float."""
        cdef compressed c
        cdef int width = as_compressed(minimum, maximum, resolution, &c)
        cdef uint64_t start = self.reader.r.position
        cdef uint32_t code = <uint32_t>br_get(&self.reader.r, width)
        if self.reader.r.error:
            self.reader.failed(start, "compressed_float")
        if code > c.steps:
            raise self.reader.outside(start, "compressed_float", code, f"steps 0..{c.steps}")
        return <double>compressed_value(&c, code)

    def bytes(self, value, count):
        """``count`` bytes, after zero bits to a byte boundary: serialize_bytes."""
        cdef uint64_t size = <uint64_t>as_count(count, "count", 0)
        cdef uint64_t start = self.reader.r.position
        self.aligned(size, start, "bytes")
        out = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>size)
        br_get_bytes(&self.reader.r, <uint8_t *>PyBytes_AS_STRING(out), <size_t>size)
        return out

    def string(self, value, buffer_size):
        """A str of less than ``buffer_size`` bytes of UTF-8 without NUL: serialize_string."""
        cdef uint64_t start = self.reader.r.position
        cdef uint64_t size = self.length(as_count(buffer_size, "buffer_size", 1), "string")
        cdef const uint8_t *data
        self.aligned(size, start, "string")
        data = self.reader.r.data + (self.reader.r.position >> 3)
        if size and memchr(data, 0, <size_t>size) != NULL:
            raise self.malformed(start, "string", "a byte of the text is NUL")
        try:
            text = PyUnicode_DecodeUTF8(<const char *>data, <Py_ssize_t>size, "strict")
        except UnicodeDecodeError as error:
            raise self.malformed(
                start, "string", f"malformed UTF-8 in byte {error.start} of the text"
            ) from None
        self.reader.r.position += size * 8
        return text

    def wstring(self, value, buffer_size):
        """A str of less than ``buffer_size`` units of UTF-16 without NUL: serialize_wstring."""
        cdef uint64_t start = self.reader.r.position
        cdef uint64_t units = self.length(as_count(buffer_size, "buffer_size", 1), "wstring")
        cdef Py_UCS4 *points
        cdef Py_ssize_t size = 0
        # Before memory is taken for it: the length is the peer's.
        if units > br_left(&self.reader.r) >> 5:
            self.reader.r.error = BITS_END
            self.reader.failed(start, "wstring")
        points = <Py_UCS4 *>PyMem_Malloc(<size_t>units * sizeof(Py_UCS4) + 1)
        if points == NULL:
            raise MemoryError
        try:
            wrong = self.utf16(units, points, &size)
            if wrong is not None:
                raise self.malformed(start, "wstring", wrong)
            return PyUnicode_FromKindAndData(4, points, size)
        finally:
            PyMem_Free(points)

    def align(self):
        """Go to a byte boundary; DecodeError unless the bits on the way are 0: serialize_align."""
        cdef uint64_t start = self.reader.r.position
        br_align(&self.reader.r)
        if self.reader.r.error:
            self.reader.failed(start, "align")

    def object(self, value):
        """An object, by its own ``value.serialize(stream)``: serialize_object."""
        value.serialize(self)
        return value

    cdef object ranged(self, str method, const int_range *r):
        cdef uint64_t start = self.reader.r.position
        cdef uint64_t code = br_get64(&self.reader.r, r.bits)
        if self.reader.r.error:
            self.reader.failed(start, method)
        if code > r.span:
            low = range_value(r, 0)
            raise self.reader.outside(start, method, low + code, f"{low}..{low + r.span}")
        return range_value(r, code)

    cdef object wide(self, str method, object low, object span):
        """A range of any width up to 128 bits, in Python's integers."""
        cdef int width = span.bit_length()
        cdef uint64_t start = self.reader.r.position
        cdef object code = br_get64(&self.reader.r, width if width < 64 else 64)
        if width > 64:
            code |= (<object>br_get64(&self.reader.r, width - 64)) << 64
        if self.reader.r.error:
            self.reader.failed(start, method)
        if code > span:
            raise self.reader.outside(start, method, low + code, f"{low}..{low + span}")
        return low + code

    cdef uint64_t length(self, int buffer_size, str method) except? 0xFFFFFFFF:
        """The length in front of a text, below ``buffer_size``."""
        cdef uint64_t start = self.reader.r.position
        cdef uint64_t size = br_get(&self.reader.r, bit_length(<uint64_t>buffer_size - 1))
        if self.reader.r.error:
            self.reader.failed(start, method)
        if size >= <uint64_t>buffer_size:
            raise self.reader.outside(start, method, size, f"lengths 0..{buffer_size - 1}")
        return size

    cdef int aligned(self, uint64_t size, uint64_t start, str method) except -1:
        """Go to a byte boundary with ``size`` bytes behind it; or back to ``start`` and raise."""
        br_align(&self.reader.r)
        if not self.reader.r.error and size > br_left(&self.reader.r) >> 3:
            self.reader.r.error = BITS_END
        if self.reader.r.error:
            self.reader.failed(start, method)
        return 0

    cdef object utf16(self, uint64_t units, Py_UCS4 *points, Py_ssize_t *size):
        """Join surrogate pairs into ``points``; None, or what is wrong."""
        cdef uint32_t unit
        cdef uint32_t high = 0
        cdef uint64_t _
        for _ in range(units):
            unit = <uint32_t>br_get(&self.reader.r, 32)
            if unit > 0xFFFF:
                return UTF16_WIDE
            if unit == 0:
                return UTF16_NUL
            if (0xDC00 <= unit <= 0xDFFF) != (high != 0):
                return UTF16_LONE
            if 0xD800 <= unit <= 0xDBFF:
                high = unit
                continue
            if high:
                unit = 0x10000 + ((high - 0xD800) << 10) + (unit - 0xDC00)
                high = 0
            points[size[0]] = unit
            size[0] += 1
        return UTF16_LONE if high else None

    cdef object malformed(self, uint64_t start, str method, str why):
        """The DecodeError of a text; goes back to its start."""
        self.reader.r.position = start
        return DecodeError(f"{method} at bit {start}: {why}", bit=start)

    @property
    def bits_processed(self):
        """Bits read so far."""
        return self.reader.r.position

    @property
    def bytes_processed(self):
        """Bytes read so far, the last one counted whole."""
        return (self.reader.r.position + 7) >> 3

    def __repr__(self):
        return f"<ReadStream: bit {self.reader.r.position} of {self.reader.r.size}>"

    def __reduce__(self):
        raise TypeError("a ReadStream cannot be pickled or copied")
