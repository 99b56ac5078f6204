"""BitWriter: values in, bits out."""

from cpython.buffer cimport (
    PyBUF_FORMAT,
    PyBUF_ND,
    PyBUF_SIMPLE,
    PyBUF_STRIDES,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_CheckBuffer,
    PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.unicode cimport PyUnicode_Check
from libc.math cimport isinf, isnan
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cimport cython

from netcode.bits.arguments cimport (
    as_int64,
    as_quantizer,
    as_range,
    as_size,
    as_uint64,
    as_width,
    int_range,
    range_code,
)
from netcode.bits.many cimport from_buffer, is_one_width, numbers, widths_of
from netcode.bits.quantize cimport (
    ANGLE_MAX_BITS,
    QUANTIZE_NOT_FINITE,
    QUANTIZE_OK,
    QUAT_MAX_BITS,
    QUAT_MIN_BITS,
    quantize,
    quantize_angle,
    quantizer,
    quat_pack,
)
from netcode.bits.stream cimport (
    bit_length,
    bit_mask,
    bw_align,
    bw_bytes,
    bw_init,
    bw_put,
    bw_put64,
    bw_put_bytes,
    bw_put_varint,
    bw_seek,
)
from netcode.bits.varint cimport varint_size, zigzag

from netcode.errors import EncodeError

__all__ = ["BitWriter"]

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object, Py_ssize_t *) except NULL

cdef char *UNSIGNED_BYTE = b"B"

cdef enum:
    SLACK_BYTES = 8
    FIRST_BYTES = 56    # with the slack, one 64-byte block


cdef inline int room(BitWriter self, uint64_t bits, object value) except -1:
    """``reserve`` with the common case inline."""
    if bits > self.w.capacity - self.w.position:
        return self.reserve(bits, value)
    return 0


cdef object outside(str method, object value, str limit):
    """The EncodeError of a value out of its limits."""
    return EncodeError(f"{method}: {value!r} is outside {limit}", value=value, limit=limit)


cdef inline double as_real(str method, object value) except? -1.0:
    """Any real number; EncodeError for an integer that no double can hold."""
    if PyFloat_CheckExact(value):
        return PyFloat_AS_DOUBLE(value)
    try:
        return value
    except OverflowError:
        raise outside(method, value, "the range of a 64-bit float") from None


@cython.final
@cython.auto_pickle(False)
cdef class BitWriter:
    """Packs values bit by bit, least significant bit first, into little-endian bytes.

    ``BitWriter()`` grows as needed. ``BitWriter(capacity)`` never holds more than that many bytes,
    and a write that does not fit raises EncodeError.

    A write happens whole or, when it raises, not at all. A value that does not fit its field is an
    EncodeError, which names the value and the limit; a width or a range that makes no sense is a
    ValueError; a value of the wrong type a TypeError.

    The bytes written so far are there through the buffer protocol, without a copy, as in
    ``bytes(writer)``, ``socket.send(writer)`` or ``bitarray(buffer=writer, endian="little")``. As
    with a bytearray, nothing can be added or removed while such a view is alive (BufferError).

    A writer belongs to one thread at a time. It cannot be pickled or copied: keep its bytes.
    """

    def __cinit__(self, capacity=None):
        cdef int64_t size = FIRST_BYTES
        self.fixed = capacity is not None
        if self.fixed:
            size = as_size(capacity, "capacity")
        if size > 0x7FFFFFFFFFFFFFFF // 8 - SLACK_BYTES:
            raise MemoryError(f"a capacity of {capacity} bytes")
        self.w.data = <uint8_t *>PyMem_Malloc(<size_t>size + SLACK_BYTES)
        if self.w.data == NULL:
            raise MemoryError(f"a capacity of {size} bytes")
        self.allocated = <uint64_t>size
        bw_init(&self.w, self.w.data, <size_t>size)

    def __dealloc__(self):
        PyMem_Free(self.w.data)

    cdef int reserve(self, uint64_t bits, object value) except -1:
        cdef uint64_t size
        cdef void *grown
        if bits <= self.w.capacity - self.w.position:
            return 0
        if self.exports:
            raise BufferError("a buffer of this writer is in use: it cannot be written to")
        if self.fixed:
            left = self.w.capacity - self.w.position
            raise EncodeError(
                f"{bits} bits do not fit: {left} of the {self.allocated} bytes' "
                f"{self.w.capacity} bits are left",
                value=value,
                limit=f"{left} bits",
            )
        size = ((self.w.position + bits) >> 3) + 1
        if size < self.allocated * 2:
            size = self.allocated * 2
        if size > 0x7FFFFFFFFFFFFFFF // 8 - SLACK_BYTES:
            raise MemoryError
        grown = PyMem_Realloc(self.w.data, <size_t>size + SLACK_BYTES)
        if grown == NULL:
            raise MemoryError
        self.w.data = <uint8_t *>grown
        self.allocated = size
        self.w.capacity = size * 8
        return 0

    def write_bits(self, value, bits):
        """Write the integer 0 <= value < 2**bits in ``bits`` (1 to 64)."""
        cdef int width = as_width(bits, 64)
        cdef uint64_t code = 0
        if not as_uint64(value, &code) or code > bit_mask(width):
            raise outside("write_bits", value, f"0..{bit_mask(width)}")
        room(self, <uint64_t>width, value)
        bw_put64(&self.w, code, width)

    def write_bool(self, value):
        """Write the truth of ``value`` in 1 bit."""
        cdef bint bit = value
        room(self, 1, value)
        bw_put(&self.w, <uint64_t>bit, 1)

    def write_int(self, value, minimum, maximum):
        """Write minimum <= value <= maximum in as many bits as the range needs (0 when it is one).

        The range may be any inside -2**63..2**64-1 of at most 2**64 values.
        """
        cdef int_range r
        cdef uint64_t code = 0
        cdef int width = as_range(minimum, maximum, &r)
        if not range_code(&r, value, &code):
            raise outside("write_int", value, f"{minimum}..{maximum}")
        room(self, <uint64_t>width, value)
        bw_put64(&self.w, code, width)

    def write_varint(self, value):
        """Write 0 <= value < 2**64 in 1 to 10 groups of 8 bits, fewer for smaller values."""
        cdef uint64_t number = 0
        if not as_uint64(value, &number):
            raise outside("write_varint", value, f"0..{bit_mask(64)}")
        room(self, 8 * <uint64_t>varint_size(number), value)
        bw_put_varint(&self.w, number)

    def write_zigzag(self, value):
        """Write -2**63 <= value < 2**63 as a varint, with 0, -1, 1, -2 as 0, 1, 2, 3."""
        cdef int64_t number = 0
        if not as_int64(value, &number):
            raise outside("write_zigzag", value, f"{-2**63}..{2**63 - 1}")
        room(self, 8 * <uint64_t>varint_size(zigzag(number)), value)
        bw_put_varint(&self.w, zigzag(number))

    def write_float32(self, value):
        """Write an IEEE 754 single; a finite value above its range is an EncodeError.

        A value that is a single comes back bit for bit, NaN payloads included.
        """
        cdef double wide = as_real("write_float32", value)
        cdef float narrow
        cdef uint64_t pattern
        cdef uint32_t code
        if isnan(wide):
            # By hand: a conversion would make a signalling NaN a quiet one.
            memcpy(&pattern, &wide, 8)
            code = <uint32_t>(pattern >> 63 << 31 | 0x7F800000 | pattern >> 29 & 0x7FFFFF)
            if code & 0x7FFFFF == 0:
                code |= 0x400000
        else:
            narrow = <float>wide
            if isinf(narrow) and not isinf(wide):
                raise outside("write_float32", value, "the range of a 32-bit float")
            memcpy(&code, &narrow, 4)
        room(self, 32, value)
        bw_put(&self.w, code, 32)

    def write_float64(self, value):
        """Write an IEEE 754 double, bit for bit."""
        cdef double number = as_real("write_float64", value)
        cdef uint64_t code
        memcpy(&code, &number, 8)
        room(self, 64, value)
        bw_put64(&self.w, code, 64)

    def write_quantized(self, value, minimum, maximum, bits=None, *, step=None):
        """Write a number as the nearest of the codes spread over minimum..maximum.

        Give ``bits`` (1 to 48) for as many codes as they hold (one less when the minimum is
        -maximum), so that both ends (and then zero) are exact; or ``step`` for codes at minimum,
        minimum + step and so on. The number read back is off by at most half a step. NaN,
        infinities and values outside the range are EncodeErrors (by more than the rounding of the
        bounds to float32, which is let through).
        """
        cdef quantizer q
        cdef uint64_t code = 0
        cdef int width = as_quantizer(minimum, maximum, bits, step, &q)
        cdef double number = as_real("write_quantized", value)
        if quantize(&q, number, &code) != QUANTIZE_OK:
            raise outside("write_quantized", value, f"{minimum}..{maximum}")
        room(self, <uint64_t>width, value)
        bw_put(&self.w, code, width)

    def write_angle(self, radians, bits):
        """Write an angle modulo a full turn, as the nearest of 2**bits (1 to 32) directions."""
        cdef int width = as_width(bits, ANGLE_MAX_BITS)
        cdef uint32_t code = 0
        if quantize_angle(as_real("write_angle", radians), width, &code) != QUANTIZE_OK:
            raise outside("write_angle", radians, "the finite numbers")
        room(self, <uint64_t>width, radians)
        bw_put(&self.w, code, width)

    def write_quaternion(self, quaternion, bits):
        """Write a rotation (x, y, z, w) in 2 + 3 * bits: its three smallest components.

        ``bits`` is 2 to 20 for each. The length does not matter, but must not be 0; q and -q are
        the same rotation, and (0, 0, 0, 1) comes back exactly.
        """
        cdef int width = as_width(bits, QUAT_MAX_BITS)
        cdef double[4] q
        cdef uint32_t[3] codes
        cdef uint32_t largest = 0
        cdef int i, status
        if width < QUAT_MIN_BITS:
            raise ValueError(f"bits must be {QUAT_MIN_BITS} to {QUAT_MAX_BITS}, not {bits}")
        components = tuple(quaternion)
        if len(components) != 4:
            raise ValueError(f"a quaternion has 4 components, not {len(components)}")
        for i in range(4):
            q[i] = as_real("write_quaternion", components[i])
        status = quat_pack(q, width, &largest, codes)
        if status == QUANTIZE_NOT_FINITE:
            raise outside("write_quaternion", quaternion, "the finite numbers")
        if status != QUANTIZE_OK:
            raise outside("write_quaternion", quaternion, "the quaternions of a length above 0")
        room(self, 2 + 3 * <uint64_t>width, quaternion)
        bw_put(&self.w, largest | <uint64_t>codes[0] << 2, 2 + width)
        bw_put(&self.w, codes[1] | <uint64_t>codes[2] << width, 2 * width)

    def write_bytes(self, data, *, align=False):
        """Write the bytes of any contiguous buffer, without their count.

        With ``align`` they start on a byte boundary, after zero bits; so does what follows.
        """
        cdef Py_buffer view
        cdef bint aligned = align
        cdef uint64_t pad
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            pad = -self.w.position & 7 if aligned else 0
            room(self, pad + <uint64_t>view.len * 8, data)
            bw_put(&self.w, 0, <int>pad)
            bw_put_bytes(&self.w, <const uint8_t *>view.buf, <size_t>view.len)
        finally:
            PyBuffer_Release(&view)

    def write_string(self, text, max_bytes):
        """Write a str of at most ``max_bytes`` of UTF-8.

        The wire holds its size as an integer 0..max_bytes, zero bits up to a byte boundary, and
        the bytes. Lone surrogates have no UTF-8 and are EncodeErrors.
        """
        cdef int64_t limit = as_size(max_bytes, "max_bytes")
        cdef Py_ssize_t size = 0
        cdef const char *utf8
        cdef int width = bit_length(<uint64_t>limit)
        cdef uint64_t pad
        if not PyUnicode_Check(text):
            raise TypeError(f"write_string takes a str, not {type(text).__name__}")
        try:
            utf8 = PyUnicode_AsUTF8AndSize(text, &size)
        except UnicodeEncodeError:
            raise EncodeError(
                "write_string: the text has a lone surrogate", value=text, limit="valid Unicode"
            ) from None
        if size > limit:
            raise EncodeError(
                f"write_string: {size} bytes of UTF-8 are more than max_bytes={limit}",
                value=text,
                limit=f"{limit} bytes",
            )
        pad = -(self.w.position + <uint64_t>width) & 7
        room(self, <uint64_t>width + pad + <uint64_t>size * 8, text)
        bw_put64(&self.w, <uint64_t>size, width)
        bw_align(&self.w)
        bw_put_bytes(&self.w, <const uint8_t *>utf8, <size_t>size)

    def write_many(self, values, widths):
        """Write many integers in one call, each as ``write_bits`` does; all of them or none.

        ``values`` is an iterable of integers, ``widths`` one width for all or an iterable of as
        many. Contiguous arrays of unsigned integers (NumPy, array, bytes) are read without making
        Python integers.
        """
        cdef Py_ssize_t count = 0
        cdef Py_ssize_t size_count = 0
        cdef Py_ssize_t i
        cdef uint64_t total = 0
        cdef uint64_t *codes = NULL
        cdef uint64_t *sizes = NULL
        cdef int width = 0
        if PyObject_CheckBuffer(values):
            codes = from_buffer(values, &count)
        if codes == NULL:
            codes = from_integers(tuple(values), &count)
        try:
            if is_one_width(widths):
                width = as_width(widths, 64)
            else:
                sizes = widths_of(widths, &size_count)
                if size_count != count:
                    raise ValueError(f"{count} values, but {size_count} widths")
            for i in range(count):
                if sizes != NULL:
                    width = <int>sizes[i]
                if codes[i] > bit_mask(width):
                    raise at_item(i, codes[i], width)
                total += <uint64_t>width
            room(self, total, values)
            for i in range(count):
                bw_put64(&self.w, codes[i], <int>sizes[i] if sizes != NULL else width)
        finally:
            PyMem_Free(codes)
            PyMem_Free(sizes)

    def align(self):
        """Write zero bits up to the next byte boundary."""
        room(self, -self.w.position & 7, None)
        bw_align(&self.w)

    def overwrite_bits(self, bit_position, value, bits):
        """Replace bits written before, as for a count that is known only later.

        The bits from ``bit_position`` on must all have been written already; ValueError otherwise.
        It may be called while a buffer is in use, which then shows the new bits.
        """
        cdef int width = as_width(bits, 64)
        cdef uint64_t at = <uint64_t>as_size(bit_position, "bit_position")
        cdef uint64_t code = 0
        cdef uint64_t mask
        cdef int n, shift
        if not as_uint64(value, &code) or code > bit_mask(width):
            raise outside("overwrite_bits", value, f"0..{bit_mask(width)}")
        if at > self.w.position or <uint64_t>width > self.w.position - at:
            raise ValueError(
                f"bits {at}..{at + <uint64_t>width - 1} are not all among the {self.w.position} "
                f"bits written"
            )
        while width:
            shift = <int>(at & 7)
            n = 8 - shift if width > 8 - shift else width
            mask = bit_mask(n)
            self.w.data[at >> 3] = <uint8_t>(
                (self.w.data[at >> 3] & ~(mask << shift)) | (code & mask) << shift
            )
            at += <uint64_t>n
            code >>= n
            width -= n
        bw_seek(&self.w, self.w.position)

    def truncate(self, bit_position):
        """Drop everything from ``bit_position`` on; it is at most the current one."""
        cdef uint64_t at = <uint64_t>as_size(bit_position, "bit_position")
        if at > self.w.position:
            raise ValueError(f"bit_position must be at most {self.w.position}, not {at}")
        if self.exports:
            raise BufferError("a buffer of this writer is in use: it cannot be truncated")
        bw_seek(&self.w, at)

    def clear(self):
        """Drop everything; the memory is kept."""
        if self.exports:
            raise BufferError("a buffer of this writer is in use: it cannot be cleared")
        bw_seek(&self.w, 0)

    def to_bytes(self):
        """A copy of what was written; unused bits of the last byte are zero."""
        return PyBytes_FromStringAndSize(<char *>self.w.data, <Py_ssize_t>bw_bytes(&self.w))

    @property
    def bit_position(self):
        """Bits written so far."""
        return self.w.position

    @property
    def bits_remaining(self):
        """Bits that still fit, or None for a writer that grows."""
        return self.allocated * 8 - self.w.position if self.fixed else None

    @property
    def capacity(self):
        """The most bytes it will hold, or None for a writer that grows."""
        return self.allocated if self.fixed else None

    def __len__(self):
        """Bytes touched so far."""
        return <Py_ssize_t>bw_bytes(&self.w)

    def __sizeof__(self):
        return BitWriter.__basicsize__ + self.allocated + SLACK_BYTES

    def __repr__(self):
        if self.fixed:
            return f"<BitWriter: {self.w.position} of {self.allocated * 8} bits>"
        return f"<BitWriter: {self.w.position} bits>"

    def __reduce__(self):
        raise TypeError("a BitWriter cannot be pickled or copied: keep its to_bytes()")

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        if flags & PyBUF_WRITABLE == PyBUF_WRITABLE:
            raise BufferError("a BitWriter's buffer is read-only")
        buffer.obj = self
        buffer.buf = self.w.data
        buffer.len = <Py_ssize_t>bw_bytes(&self.w)
        buffer.itemsize = 1
        buffer.readonly = 1
        buffer.ndim = 1
        buffer.format = UNSIGNED_BYTE if flags & PyBUF_FORMAT else NULL
        buffer.shape = &buffer.len if flags & PyBUF_ND == PyBUF_ND else NULL
        buffer.strides = &buffer.itemsize if flags & PyBUF_STRIDES == PyBUF_STRIDES else NULL
        buffer.suboffsets = NULL
        buffer.internal = NULL
        self.exports += 1
        # Nothing fits any more, so writing needs no test of its own.
        self.w.capacity = self.w.position

    def __releasebuffer__(self, Py_buffer *buffer):
        self.exports -= 1
        if self.exports == 0:
            self.w.capacity = self.allocated * 8


cdef object at_item(Py_ssize_t i, object value, int width):
    """The EncodeError of one of ``write_many``'s values."""
    return EncodeError(
        f"write_many: item {i}: {value!r} is outside 0..{bit_mask(width)}",
        value=value,
        limit=f"0..{bit_mask(width)}",
    )


cdef uint64_t *from_integers(tuple values, Py_ssize_t *count) except NULL:
    """The codes of Python integers. A tuple, because ``__index__`` could change a list."""
    cdef uint64_t *out = numbers(len(values))
    cdef Py_ssize_t i = 0
    count[0] = len(values)
    try:
        for value in values:
            if not as_uint64(value, &out[i]):
                raise at_item(i, value, 64)
            i += 1
    except BaseException:
        PyMem_Free(out)
        raise
    return out
