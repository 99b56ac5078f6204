"""MeasureStream: how many bits the operations of serialize 1.0 need at most."""

from cpython.unicode cimport PyUnicode_Check
from libc.stdint cimport uint32_t, uint64_t

cimport cython

from netcode.bits.arguments cimport as_uint64, as_width, int_range
from netcode.bits.stream cimport bit_length
from netcode.compat.serialize.numbers cimport (
    compressed,
    relative_bits,
    relative_flags,
    relative_tier,
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

__all__ = ["MeasureStream"]

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object, Py_ssize_t *) except NULL

cdef enum:
    ALIGN_BITS = 7    # the most that an alignment can take


@cython.final
@cython.auto_pickle(False)
cdef class MeasureStream:
    """Counts bits that are enough for a message wherever in a stream it begins.

    An alignment (``align``, ``bytes``, ``string``) counts as 7 bits, the rest as what it takes: so
    the count is a bound and not a size. Values are neither checked nor changed; where the size
    depends on the value, it has to be the one that will be written.
    """

    cdef uint64_t count

    is_writing = True
    is_reading = False
    is_measuring = True

    def bits(self, value, bits):
        """``bits`` bits."""
        self.count += <uint64_t>as_width(bits, 64)
        return value

    def bool(self, value):
        """1 bit."""
        cdef bint bit = value
        self.count += 1
        return bit

    def int(self, value, minimum, maximum):
        """The bits of the range."""
        cdef int_range r
        self.count += <uint64_t>as_bounds(minimum, maximum, 32, &r)
        return value

    def int64(self, value, minimum, maximum):
        """The bits of the range."""
        cdef int_range r
        self.count += <uint64_t>as_bounds(minimum, maximum, 64, &r)
        return value

    def uint128(self, value):
        """128 bits."""
        self.count += 128
        return value

    def int128(self, value, minimum, maximum):
        """The bits of the range."""
        self.count += <uint64_t>wide_bounds(minimum, maximum)[1].bit_length()
        return value

    def fixed(self, raw, integer_bits, fraction_bits, minimum, maximum):
        """The bits of the raw range."""
        cdef int_range r
        if as_fixed(integer_bits, fraction_bits, minimum, maximum, &r):
            self.count += <uint64_t>r.bits
        else:
            self.count += <uint64_t>wide_fixed(fraction_bits, minimum, maximum)[1].bit_length()
        return raw

    def int_relative(self, value, previous):
        """1 to 38 bits, by the difference."""
        cdef uint32_t before = 0
        cdef uint64_t after = 0
        cdef int tier
        as_previous(previous, &before)
        as_uint64(value, &after)
        tier = relative_tier(<uint32_t>(after - before))
        self.count += <uint64_t>(relative_flags(tier) + relative_bits[tier])
        return value

    def float(self, value):
        """32 bits."""
        self.count += 32
        return value

    def double(self, value):
        """64 bits."""
        self.count += 64
        return value

    def compressed_float(self, value, minimum, maximum, resolution):
        """The bits of the number of steps."""
        cdef compressed c
        self.count += <uint64_t>as_compressed(minimum, maximum, resolution, &c)
        return value

    def bytes(self, value, count):
        """7 bits and ``count`` bytes."""
        self.count += ALIGN_BITS + 8 * <uint64_t>as_count(count, "count", 0)
        return value

    def string(self, value, buffer_size):
        """The bits of the length, 7, and the bytes of UTF-8."""
        cdef int limit = as_count(buffer_size, "buffer_size", 1)
        cdef Py_ssize_t size = 0
        if not PyUnicode_Check(value):
            raise TypeError(f"string takes a str, not {type(value).__name__}")
        try:
            PyUnicode_AsUTF8AndSize(value, &size)
        except UnicodeEncodeError:
            size = len(value.encode("utf-8", "surrogatepass"))
        self.count += <uint64_t>bit_length(<uint64_t>limit - 1) + ALIGN_BITS + 8 * <uint64_t>size
        return value

    def wstring(self, value, buffer_size):
        """The bits of the length, and 32 for each unit of UTF-16."""
        cdef int limit = as_count(buffer_size, "buffer_size", 1)
        cdef Py_UCS4 point
        cdef uint64_t units = 0
        if not PyUnicode_Check(value):
            raise TypeError(f"wstring takes a str, not {type(value).__name__}")
        for point in <str>value:
            units += 2 if point > 0xFFFF else 1
        self.count += <uint64_t>bit_length(<uint64_t>limit - 1) + 32 * units
        return value

    def align(self):
        """7 bits."""
        self.count += ALIGN_BITS

    def object(self, value):
        """An object, by its own ``value.serialize(stream)``."""
        value.serialize(self)
        return value

    @property
    def bits_processed(self):
        """Bits that are enough for everything so far."""
        return self.count

    @property
    def bytes_processed(self):
        """Bytes that are enough for everything so far."""
        return (self.count + 7) >> 3

    def __repr__(self):
        return f"<MeasureStream: {self.count} bits>"

    def __reduce__(self):
        raise TypeError("a MeasureStream cannot be pickled or copied")
