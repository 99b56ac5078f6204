"""IP addresses and ports: text, token bytes, and the ``Address`` tuple."""

from collections import namedtuple

from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeASCII
from libc.stdint cimport uint8_t, uint16_t
from libc.string cimport memcpy, memset

from netcode.errors import ConfigError, DecodeError
from netcode.security.buffers cimport checked_int, shown, view_of
from netcode.security.protocol cimport (
    ADDRESS_ORDER_NETWORK, ADDRESS_ORDER_STANDARD, get_u16, put_u16,
)

__all__ = ["Address", "parse_address"]

cdef enum:
    WIRE_V4 = 1
    WIRE_V6 = 2
    V4_BYTES = 7


# Text to address

cdef int parse_v4(const char *text, size_t size, uint8_t *ip) noexcept nogil:
    """Four decimal bytes without leading zeros; 0 or -1."""
    cdef size_t i = 0, begin
    cdef int part, value
    for part in range(4):
        begin = i
        value = 0
        while i < size and b"0" <= text[i] <= b"9":
            if i - begin == 3 or (i > begin and value == 0):
                return -1
            value = value * 10 + (text[i] - 48)
            i += 1
        if i == begin or value > 255:
            return -1
        ip[part] = <uint8_t>value
        if part < 3:
            if i == size or text[i] != b".":
                return -1
            i += 1
    return 0 if i == size else -1


cdef inline int hex_digit(char c) noexcept nogil:
    if b"0" <= c <= b"9":
        return c - 48
    c |= 32
    return c - 87 if b"a" <= c <= b"f" else -1


cdef int parse_v6(const char *text, size_t size, uint8_t *ip) noexcept nogil:
    """Eight groups, one run of zeros as "::", a dotted quad at the end; no zone. 0 or -1."""
    cdef uint8_t head[18]  # one group more than there is room for: counted before it is refused
    cdef size_t i = 0, begin
    cdef int count = 0, gap = -1, value, digit
    if size >= 2 and text[0] == b":":
        if text[1] != b":":
            return -1
        gap = 0
        i = 2
    elif size < 2:
        return -1
    while i < size:
        if count == 16:
            return -1
        begin = i
        value = 0
        while i < size:
            digit = hex_digit(text[i])
            if digit < 0:
                break
            if i - begin == 4:
                return -1
            value = value << 4 | digit
            i += 1
        if i == begin:
            return -1
        if i < size and text[i] == b".":
            if count > 12 or parse_v4(text + begin, size - begin, head + count) < 0:
                return -1
            count += 4
            break
        head[count] = <uint8_t>(value >> 8)
        head[count + 1] = <uint8_t>value
        count += 2
        if i == size:
            break
        if text[i] != b":" or i + 1 == size:
            return -1
        i += 1
        if text[i] == b":":
            if gap >= 0:
                return -1
            gap = count
            i += 1
    memset(ip, 0, 16)
    if gap < 0:
        if count != 16:
            return -1
        gap = 16
    elif count > 14:  # "::" stands for one group or more
        return -1
    memcpy(ip, head, gap if gap < count else count)
    if gap < count:
        memcpy(ip + 16 - (count - gap), head + gap, count - gap)
    return 0


cdef int parse_port(const char *text, size_t size) noexcept nogil:
    """1 to 5 digits up to 65,535, or -1."""
    cdef int value = 0
    cdef size_t i
    if size == 0 or size > 5:
        return -1
    for i in range(size):
        if not b"0" <= text[i] <= b"9":
            return -1
        value = value * 10 + (text[i] - 48)
    return value if value <= 65535 else -1


cdef int address_parse_host(net_address *out, const char *text, size_t size) noexcept nogil:
    address_clear(out)
    if parse_v4(text, size, out.ip) == 0:
        out.family = 4
    elif parse_v6(text, size, out.ip) == 0:
        out.family = 6
    else:
        address_clear(out)
        return -1
    return 0


cdef int address_parse(net_address *out, const char *text, size_t size) noexcept nogil:
    cdef int port = -1
    cdef size_t i
    # What the C library accepts, its missing "]" included; not a port inside and behind brackets.
    if size > 0 and text[0] == b"[":
        i = size
        while i > 3 and size - i < 6:
            i -= 1
            if text[i] == b":" and text[i - 1] == b"]":
                port = parse_port(text + i + 1, size - i - 1)
                if port < 0:
                    address_clear(out)
                    return -1
                size = i - 1
                break
        if port < 0 and text[size - 1] == b"]":
            size -= 1
        text += 1
        size -= 1
    if address_parse_host(out, text, size) == 0:
        out.port = <uint16_t>port if port >= 0 else 0
        return 0
    if port >= 0:
        return -1
    i = size
    while i > 0 and size - i < 6:
        i -= 1
        if text[i] == b":":
            port = parse_port(text + i + 1, size - i - 1)
            break
    if port < 0 or address_parse_host(out, text, i) < 0 or out.family != 4:
        address_clear(out)
        return -1
    out.port = <uint16_t>port
    return 0


# Address to text

cdef int put_decimal(char *out, int value) noexcept nogil:
    cdef int divisor = 1, n = 0
    while value // divisor >= 10:
        divisor *= 10
    while divisor:
        out[n] = <char>(48 + value // divisor % 10)
        divisor //= 10
        n += 1
    return n


cdef int put_quad(char *out, const uint8_t *ip) noexcept nogil:
    cdef int n = 0, i
    for i in range(4):
        if i:
            out[n] = b"."
            n += 1
        n += put_decimal(out + n, ip[i])
    return n


cdef int put_v6(char *out, const uint8_t *ip) noexcept nogil:
    """RFC 5952, and a dotted quad for the mapped and compatible forms, as inet_ntop of glibc."""
    cdef int groups[8]
    cdef int best = -1, best_size = 1, begin, i = 0, n = 0, shift
    cdef const char *digits = "0123456789abcdef"
    for i in range(8):
        groups[i] = ip[2 * i] << 8 | ip[2 * i + 1]
    i = 0
    while i < 8:
        begin = i
        while i < 8 and groups[i] == 0:
            i += 1
        if i - begin > best_size:
            best, best_size = begin, i - begin
        i += 1
    i = 0
    while i < 8:
        if i == best:
            out[n] = out[n + 1] = b":"
            n += 2
            i += best_size
            continue
        if i and out[n - 1] != b":":
            out[n] = b":"
            n += 1
        if i == 6 and best == 0 and (best_size == 6 or (best_size == 5 and groups[5] == 0xFFFF)):
            return n + put_quad(out + n, ip + 12)
        shift = 12
        while shift and groups[i] >> shift == 0:
            shift -= 4
        while shift >= 0:
            out[n] = digits[groups[i] >> shift & 15]
            n += 1
            shift -= 4
        i += 1
    return n


cdef int address_host_text(const net_address *a, char *out) noexcept nogil:
    if a.family == 4:
        return put_quad(out, a.ip)
    return put_v6(out, a.ip) if a.family == 6 else 0


cdef int address_text(const net_address *a, char *out) noexcept nogil:
    cdef int n = 0
    if a.family == 6 and a.port:
        out[0] = b"["
        n = 1
    n += address_host_text(a, out + n)
    if a.family == 0 or a.port == 0:
        return n
    if a.family == 6:
        out[n] = b"]"
        n += 1
    out[n] = b":"
    return n + 1 + put_decimal(out + n + 1, a.port)


# Token bytes

cdef int address_put(const net_address *a, int order, uint8_t *out) noexcept nogil:
    cdef int i
    if a.family == 4:
        out[0] = WIRE_V4
        memcpy(out + 1, a.ip, 4)
        put_u16(out + 5, a.port)
        return V4_BYTES
    if a.family != 6:
        return 0
    out[0] = WIRE_V6
    memcpy(out + 1, a.ip, 16)
    if order == ADDRESS_ORDER_STANDARD:
        for i in range(8):
            out[1 + 2 * i], out[2 + 2 * i] = a.ip[2 * i + 1], a.ip[2 * i]
    put_u16(out + 17, a.port)
    return ADDRESS_WIRE_BYTES


cdef int address_get(net_address *out, int order, const uint8_t *data, size_t size) noexcept nogil:
    cdef int i
    address_clear(out)
    if size >= V4_BYTES and data[0] == WIRE_V4:
        out.family = 4
        memcpy(out.ip, data + 1, 4)
        out.port = get_u16(data + 5)
        return V4_BYTES
    if size < ADDRESS_WIRE_BYTES or data[0] != WIRE_V6:
        return 0
    out.family = 6
    memcpy(out.ip, data + 1, 16)
    if order == ADDRESS_ORDER_STANDARD:
        for i in range(8):
            out.ip[2 * i], out.ip[2 * i + 1] = data[2 + 2 * i], data[1 + 2 * i]
    out.port = get_u16(data + 17)
    return ADDRESS_WIRE_BYTES


# Python objects

cdef object address_to_tuple(const net_address *a):
    cdef char text[ADDRESS_TEXT_BYTES]
    cdef int size = address_host_text(a, text)
    return PyUnicode_DecodeASCII(text, size, NULL), a.port


cdef int host_from_object(net_address *out, object host) except -1:
    cdef Py_ssize_t size
    cdef const char *text
    if not isinstance(host, str):
        raise ConfigError(f"host must be a str, not {type(host).__name__}")
    text = PyUnicode_AsUTF8AndSize(host, &size) if host.isascii() else NULL
    if text == NULL or address_parse_host(out, text, <size_t>size) < 0:
        raise ConfigError(
            f"host {shown(host)} is not an IPv4 or IPv6 address; resolve names first, "
            "and leave out any %zone"
        )
    return 0


cdef int port_from_object(net_address *out, object port) except -1:
    out.port = <uint16_t>checked_int(port, 0, 65535, "port")
    return 0


cdef int address_from_object(net_address *out, object address) except -1:
    if isinstance(address, str):
        return text_from_object(out, address)
    if not isinstance(address, tuple) or len(address) < 2:
        raise ConfigError(f"address {shown(address)} is not a (host, port) tuple")
    host_from_object(out, (<tuple>address)[0])
    port_from_object(out, (<tuple>address)[1])
    return 0


cdef int text_from_object(net_address *out, object value) except -1:
    cdef Py_ssize_t size
    cdef const char *text
    if not isinstance(value, str):
        raise ConfigError(f"an address is a str, not {type(value).__name__}")
    text = PyUnicode_AsUTF8AndSize(value, &size) if value.isascii() else NULL
    if text == NULL or address_parse(out, text, <size_t>size) < 0:
        raise ConfigError(
            f"{shown(value)} is not an address like 203.0.113.5:40000 or [2001:db8::5]:40000"
        )
    return 0


cdef int order_from_object(object order) except -1:
    if order == "standard":
        return ADDRESS_ORDER_STANDARD
    if order == "network":
        return ADDRESS_ORDER_NETWORK
    raise ConfigError(f"order {shown(order)} is neither 'standard' nor 'network'")


AddressFields = namedtuple("AddressFields", "host port")


class Address(AddressFields):
    """An IP address and a port: a ``(host, port)`` tuple whose host has one spelling only.

    ``host`` is an IPv4 or IPv6 literal, stored in its shortest form; ``port`` is 0 to 65,535.
    It equals the plain tuple, and sockets take it. ``str(address)`` gives the form that
    ``parse_address`` reads. ConfigError for anything else.
    """

    __slots__ = ()

    def __new__(cls, host, port=0):
        cdef net_address a
        host_from_object(&a, host)
        port_from_object(&a, port)
        return super(Address, cls).__new__(cls, *address_to_tuple(&a))

    @classmethod
    def _make(cls, iterable):
        return cls(*iterable)

    @classmethod
    def from_bytes(cls, data, order="standard"):
        """Read the form inside connect tokens: 7 bytes (IPv4) or 19 (IPv6).

        ``order`` is "standard" (IPv6 in little-endian groups) or "network" (as some
        implementations write it). DecodeError when cut short, too long or of another type.
        """
        cdef net_address a
        cdef const uint8_t[::1] view = view_of(data, "data")
        cdef int kind = order_from_object(order)
        cdef Py_ssize_t size = view.shape[0]
        if size == 0 or address_get(&a, kind, &view[0], <size_t>size) != size:
            raise DecodeError(f"{size} bytes are not one address of a connect token")
        return cls(*address_to_tuple(&a))

    def to_bytes(self, order="standard"):
        """Return the form inside connect tokens; see ``from_bytes``."""
        cdef net_address a
        cdef uint8_t out[ADDRESS_WIRE_BYTES]
        cdef int kind = order_from_object(order)
        address_from_object(&a, self)
        return out[:address_put(&a, kind, out)]

    @property
    def family(self):
        """4 or 6."""
        return 6 if ":" in self.host else 4

    @property
    def is_loopback(self):
        """Whether it is in 127.0.0.0/8 or is ::1."""
        cdef net_address a
        address_from_object(&a, self)
        return bool(address_is_loopback(&a))

    def unmapped(self):
        """Return the IPv4 address inside ::ffff:a.b.c.d, or this address when it is another."""
        cdef net_address a
        address_from_object(&a, self)
        address_unmap(&a)
        return type(self)(*address_to_tuple(&a))

    def __str__(self):
        cdef net_address a
        cdef char text[ADDRESS_TEXT_BYTES]
        address_from_object(&a, self)
        return PyUnicode_DecodeASCII(text, address_text(&a, text), NULL)


def parse_address(text) -> Address:
    """Read "1.2.3.4:5", "[::1]:5", or either without a port, which is then 0.

    No names are resolved. ConfigError for anything else.
    """
    cdef net_address a
    text_from_object(&a, text)
    return Address(*address_to_tuple(&a))
