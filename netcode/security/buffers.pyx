"""Arguments from Python as checked C values."""

from netcode.errors import ConfigError, DecodeError

__all__: list = []


cdef str shown(object value):
    cdef str text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


cdef const uint8_t[::1] view_of(object data, str name):
    try:
        return memoryview(data).cast("B")
    except TypeError:
        kind = type(data).__name__
        raise ConfigError(f"{name} must be bytes or a contiguous buffer, not {kind}") from None


cdef const uint8_t[::1] view_exactly(object data, Py_ssize_t size, str name):
    cdef const uint8_t[::1] view = view_of(data, name)
    if view.shape[0] != size:
        raise ConfigError(f"{name} must be {size} bytes, not {view.shape[0]}")
    return view


cdef const uint8_t[::1] sealed_exactly(object data, Py_ssize_t size, str name):
    cdef const uint8_t[::1] view = view_of(data, name)
    if view.shape[0] != size:
        raise DecodeError(f"{name} must be {size} bytes, not {view.shape[0]}")
    return view


cdef object checked_int(object value, object low, object high, str name):
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigError(f"{name} {shown(value)} is not an integer from {low} to {high}")
    return value
