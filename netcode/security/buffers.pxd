"""Arguments from Python as checked C values."""

from libc.stdint cimport uint8_t


# Any contiguous buffer as bytes; ConfigError names ``name`` when it is none.
cdef const uint8_t[::1] view_of(object data, str name)

# ``view_of``, of exactly ``size`` bytes.
cdef const uint8_t[::1] view_exactly(object data, Py_ssize_t size, str name)

# ``view_exactly`` for what comes from a peer: DecodeError for another size.
cdef const uint8_t[::1] sealed_exactly(object data, Py_ssize_t size, str name)

# An int (not a bool) in [low, high]; ConfigError names the value and the limits.
cdef object checked_int(object value, object low, object high, str name)

# repr of at most 80 characters.
cdef str shown(object value)
