"""BitReader: bits in, values out. Every byte may come from somebody hostile."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_CheckExact
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.mem cimport PyMem_Free
from cpython.memoryview cimport PyMemoryView_Check
from cpython.ref cimport Py_INCREF
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.math cimport isnan
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cimport cython

from netcode.bits.arguments cimport (
    as_quantizer,
    as_range,
    as_size,
    as_width,
    int_range,
    range_value,
)
from netcode.bits.many cimport is_one_width, widths_of
from netcode.bits.quantize cimport (
    ANGLE_MAX_BITS,
    QUAT_MAX_BITS,
    QUAT_MIN_BITS,
    dequantize,
    dequantize_angle,
    quantizer,
    quat_max_code,
    quat_unpack,
)
from netcode.bits.stream cimport (
    BITS_END,
    BITS_OK,
    BITS_PADDING,
    bit_length,
    br_align,
    br_get,
    br_get64,
    br_get_bytes,
    br_get_varint,
    br_init,
    br_left,
)
from netcode.bits.varint cimport unzigzag

from netcode.errors import DecodeError

__all__ = ["BitReader"]


@cython.final
@cython.auto_pickle(False)
cdef class BitReader:
    """Reads what a BitWriter wrote, from any contiguous buffer, without copying it.

    ``data`` may be bytes, a bytearray, a memoryview, a NumPy array, a little-endian bitarray, a
    BitWriter and so on; it is pinned until the reader is gone or ``release``d. ``bits`` limits
    the reader to the first bits of ``data``, as in ``BitReader(a, bits=len(a))`` of a bitarray.

    A read that the data cannot satisfy raises DecodeError, which holds the bit offset of the item,
    and leaves the position where it was. Nothing is ever read past the end. Nonsensical arguments
    are ValueErrors or TypeErrors, as in BitWriter.

    A reader belongs to one thread at a time. It cannot be pickled or copied.
    """

    def __cinit__(self, data, *, bits=None):
        cdef int64_t limit
        # bitarray's big-endian arrays hold the first bit in the highest place of each byte.
        if not (
            PyBytes_CheckExact(data) or PyByteArray_CheckExact(data) or PyMemoryView_Check(data)
        ):
            endian = getattr(data, "endian", "little")
            if (endian() if callable(endian) else endian) == "big":
                raise ValueError("the bits of a big-endian bitarray lie in another order")
        PyObject_GetBuffer(data, &self.view, PyBUF_SIMPLE)
        self.held = True
        br_init(&self.r, <const uint8_t *>self.view.buf, <size_t>self.view.len)
        if bits is not None:
            limit = as_size(bits, "bits")
            if <uint64_t>limit > self.r.size:
                raise ValueError(f"bits={bits} is more than the {self.r.size} bits of the data")
            self.r.size = <uint64_t>limit

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.view)

    cdef int failed(self, uint64_t start, str method) except -1:
        cdef int error = self.r.error
        cdef uint64_t at = self.r.position
        self.r.error = BITS_OK
        if not self.held:
            self.r.position = 0
            raise ValueError("the reader was released")
        self.r.position = start
        if error == BITS_END:
            raise DecodeError(
                f"{method} at bit {start}: past the end, {br_left(&self.r)} bits are left",
                bit=start,
            )
        if error == BITS_PADDING:
            raise DecodeError(
                f"{method}: the padding before bit {at} is not zero", bit=start
            )
        raise DecodeError(
            f"{method} at bit {start}: not the shortest form of a 64-bit integer", bit=start
        )

    def read_bits(self, bits):
        """Read an unsigned integer of ``bits`` (1 to 64)."""
        cdef int width = as_width(bits, 64)
        cdef uint64_t value = br_get64(&self.r, width)
        if self.r.error:
            self.failed(self.r.position, "read_bits")
        return value

    def read_bool(self):
        """Read 1 bit."""
        cdef uint64_t value = br_get(&self.r, 1)
        if self.r.error:
            self.failed(self.r.position, "read_bool")
        return value != 0

    def read_int(self, minimum, maximum):
        """Read an integer that was written with the same range; DecodeError outside it."""
        cdef int_range r
        cdef int width = as_range(minimum, maximum, &r)
        cdef uint64_t start = self.r.position
        cdef uint64_t code = br_get64(&self.r, width)
        if self.r.error:
            self.failed(start, "read_int")
        if code > r.span:
            raise self.outside(start, "read_int", code + minimum, f"{minimum}..{maximum}")
        return range_value(&r, code)

    def read_varint(self):
        """Read 0..2**64-1; forms longer than needed are DecodeErrors."""
        cdef uint64_t start = self.r.position
        cdef uint64_t value = br_get_varint(&self.r)
        if self.r.error:
            self.failed(start, "read_varint")
        return value

    def read_zigzag(self):
        """Read -2**63..2**63-1 as ``write_zigzag`` wrote it."""
        cdef uint64_t start = self.r.position
        cdef uint64_t value = br_get_varint(&self.r)
        if self.r.error:
            self.failed(start, "read_zigzag")
        return unzigzag(value)

    def read_float32(self):
        """Read an IEEE 754 single; the float has its bits, NaN payload included."""
        cdef uint32_t code = <uint32_t>br_get(&self.r, 32)
        cdef uint64_t pattern
        cdef float narrow
        cdef double wide
        if self.r.error:
            self.failed(self.r.position, "read_float32")
        memcpy(&narrow, &code, 4)
        if isnan(narrow):
            # By hand: a conversion would make a signalling NaN a quiet one.
            pattern = <uint64_t>(code >> 31) << 63 | <uint64_t>0x7FF << 52
            pattern |= <uint64_t>(code & 0x7FFFFF) << 29
            memcpy(&wide, &pattern, 8)
            return wide
        return <double>narrow

    def read_float64(self):
        """Read an IEEE 754 double, bit for bit."""
        cdef uint64_t code = br_get64(&self.r, 64)
        cdef double value
        if self.r.error:
            self.failed(self.r.position, "read_float64")
        memcpy(&value, &code, 8)
        return value

    def read_quantized(self, minimum, maximum, bits=None, *, step=None):
        """Read a number that was written with the same arguments, off by at most half a step."""
        cdef quantizer q
        cdef int width = as_quantizer(minimum, maximum, bits, step, &q)
        cdef uint64_t start = self.r.position
        cdef uint64_t code = br_get(&self.r, width)
        if self.r.error:
            self.failed(start, "read_quantized")
        if code > q.max_code:
            raise self.outside(start, "read_quantized", code, f"codes 0..{q.max_code}")
        return dequantize(&q, code)

    def read_angle(self, bits):
        """Read radians, -pi <= angle < pi, as ``write_angle`` wrote them in ``bits``."""
        cdef int width = as_width(bits, ANGLE_MAX_BITS)
        cdef uint64_t code = br_get(&self.r, width)
        if self.r.error:
            self.failed(self.r.position, "read_angle")
        return dequantize_angle(<uint32_t>code, width)

    def read_quaternion(self, bits):
        """Read (x, y, z, w) of length 1 as ``write_quaternion`` wrote it in ``bits``."""
        cdef int width = as_width(bits, QUAT_MAX_BITS)
        cdef uint64_t start = self.r.position
        cdef uint32_t[3] codes
        cdef uint32_t largest
        cdef double[4] q
        cdef int i
        if width < QUAT_MIN_BITS:
            raise ValueError(f"bits must be {QUAT_MIN_BITS} to {QUAT_MAX_BITS}, not {bits}")
        largest = <uint32_t>br_get(&self.r, 2)
        for i in range(3):
            codes[i] = <uint32_t>br_get(&self.r, width)
        if self.r.error:
            self.failed(start, "read_quaternion")
        for i in range(3):
            if codes[i] > quat_max_code(width):
                raise self.outside(
                    start, "read_quaternion", codes[i], f"codes 0..{quat_max_code(width)}"
                )
        quat_unpack(largest, codes, width, q)
        return q[0], q[1], q[2], q[3]

    def read_bytes(self, count, *, align=False):
        """Read ``count`` bytes; with ``align`` after the zero bits up to a byte boundary."""
        cdef int64_t size = as_size(count, "count")
        cdef uint64_t start = self.r.position
        cdef bytes out
        if align:
            br_align(&self.r)
        # Before memory is taken for it: the count may be a peer's.
        if not self.r.error and <uint64_t>size > br_left(&self.r) >> 3:
            self.r.error = BITS_END
        if self.r.error:
            self.failed(start, "read_bytes")
        out = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>size)
        br_get_bytes(&self.r, <uint8_t *>PyBytes_AS_STRING(out), <size_t>size)
        return out

    def read_string(self, max_bytes):
        """Read a str as ``write_string`` wrote it; malformed UTF-8 is a DecodeError."""
        cdef int64_t limit = as_size(max_bytes, "max_bytes")
        cdef uint64_t start = self.r.position
        cdef uint64_t size = br_get64(&self.r, bit_length(<uint64_t>limit))
        cdef uint64_t at
        if not self.r.error and size > <uint64_t>limit:
            raise self.outside(start, "read_string", size, f"0..{limit} bytes")
        br_align(&self.r)
        if not self.r.error and size > br_left(&self.r) >> 3:
            self.r.error = BITS_END
        if self.r.error:
            self.failed(start, "read_string")
        at = self.r.position >> 3
        try:
            text = PyUnicode_DecodeUTF8(
                <char *>self.r.data + at, <Py_ssize_t>size, "strict"
            )
        except UnicodeDecodeError as error:
            self.r.position = start
            raise DecodeError(
                f"read_string at bit {start}: malformed UTF-8 in byte {error.start} of the text",
                bit=start,
            ) from None
        self.r.position += size * 8
        return text

    def read_many(self, widths, count=None):
        """Read many unsigned integers in one call; a list of all of them or none.

        ``widths`` is an iterable of widths, or one width for ``count`` integers.
        """
        cdef uint64_t *sizes = NULL
        cdef uint64_t total = 0
        cdef int64_t n = 0
        cdef int width = 0
        cdef Py_ssize_t found = 0
        cdef Py_ssize_t i
        cdef list out
        cdef object value
        # All arguments first: their conversion may run any code, even ours.
        if is_one_width(widths):
            width = as_width(widths, 64)
            if count is None:
                raise TypeError("read_many with one width needs a count")
            n = as_size(count, "count")
        elif count is not None:
            raise TypeError("read_many takes a count only with one width")
        else:
            sizes = widths_of(widths, &found)
            n = found
        try:
            for i in range(found):
                total += sizes[i]
            # Before memory is taken for the values: the count may be a peer's.
            if total > br_left(&self.r) or (
                sizes == NULL and <uint64_t>n > br_left(&self.r) // <uint64_t>width
            ):
                self.r.error = BITS_END
                self.failed(self.r.position, "read_many")
            out = PyList_New(<Py_ssize_t>n)
            for i in range(<Py_ssize_t>n):
                value = br_get64(&self.r, <int>sizes[i] if sizes != NULL else width)
                Py_INCREF(value)
                PyList_SET_ITEM(out, i, value)
            return out
        finally:
            PyMem_Free(sizes)

    def align(self):
        """Go to the next byte boundary; DecodeError unless the bits passed over are zero."""
        cdef uint64_t start = self.r.position
        br_align(&self.r)
        if self.r.error:
            self.failed(start, "align")

    def skip(self, bits):
        """Pass over ``bits`` (0 or more) without looking at them."""
        cdef int64_t size = as_size(bits, "bits")
        if <uint64_t>size > br_left(&self.r):
            self.r.error = BITS_END
            self.failed(self.r.position, "skip")
        self.r.position += <uint64_t>size

    def seek(self, bit_position):
        """Go to any bit of the data; its end is allowed, beyond is a DecodeError."""
        cdef int64_t at = as_size(bit_position, "bit_position")
        if <uint64_t>at > self.r.size:
            raise DecodeError(
                f"seek: bit {at} is past the end at bit {self.r.size}", bit=self.r.position
            )
        self.r.position = <uint64_t>at

    def expect_end(self):
        """Check that nothing follows but zero bits up to the byte boundary; else DecodeError."""
        cdef uint64_t left = br_left(&self.r)
        cdef uint64_t start = self.r.position
        if left >= 8:
            raise DecodeError(
                f"expect_end at bit {start}: {left} bits were not read", bit=start
            )
        if br_get(&self.r, <int>left):
            self.r.position = start
            raise DecodeError(
                f"expect_end at bit {start}: the last {left} bits are not zero", bit=start
            )
        self.r.position = start

    def release(self):
        """Let go of the data now, as a memoryview's ``release``; reading is then a ValueError."""
        if self.held:
            self.held = False
            br_init(&self.r, NULL, 0)
            PyBuffer_Release(&self.view)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.release()

    cdef object outside(self, uint64_t start, str method, object value, str limit):
        """The DecodeError of a value out of its limits; goes back to its start."""
        self.r.position = start
        return DecodeError(f"{method} at bit {start}: {value} is outside {limit}", bit=start)

    @property
    def bit_position(self):
        """Bits read so far."""
        return self.r.position

    @property
    def bits_remaining(self):
        """Bits not read yet, padding of the last byte included."""
        return br_left(&self.r)

    def __len__(self):
        """Bytes of the data, read or not."""
        return <Py_ssize_t>((self.r.size + 7) >> 3)

    def __repr__(self):
        if not self.held:
            return "<BitReader: released>"
        return f"<BitReader: bit {self.r.position} of {self.r.size}>"

    def __reduce__(self):
        raise TypeError("a BitReader cannot be pickled or copied")
