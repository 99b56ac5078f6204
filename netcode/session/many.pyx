"""A server's calls on many clients at once."""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from netcode.channel.connection cimport (
    CHANNEL_FULL, CHANNEL_TOO_LARGE, CHANNEL_UNKNOWN, channel_push,
)
from netcode.channel.endpoint cimport push_error
from netcode.session.connection cimport SLOT_LIVE, connection
from netcode.session.prefetch cimport (
    channel_prefetch, channel_prefetch_push, channel_prefetch_room, connection_prefetch,
)
from netcode.session.server_core cimport core_touch, server_core

import numpy as np

from netcode.errors import ConfigError

__all__ = ["EVENT_DTYPE"]

EVENT_DTYPE = np.dtype({
    "names": ["index", "generation", "client_id", "connected", "reason", "moved"],
    "formats": ["u4", "u4", "u8", "?", "u1", "?"],
    "offsets": [8, 12, 0, 16, 17, 18],
    "itemsize": sizeof(event_row),
})

cdef enum:
    PUSH_QUEUED = 0
    PUSH_FULL = 1
    PUSH_GONE = 2


cdef object integers(str name, object values):
    """A one-dimensional, contiguous int64 array."""
    array = np.asarray(values)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ConfigError(f"{name}: must be integers in one dimension, not {array.dtype} in "
                          f"{array.ndim}")
    return np.ascontiguousarray(array, dtype=np.int64)


cdef const int64_t[::1] checked_indices(object indices, uint32_t capacity):
    cdef const int64_t[::1] rows = integers("indices", indices)
    cdef Py_ssize_t i
    for i in range(rows.shape[0]):
        if rows[i] < 0 or rows[i] >= capacity:
            raise ConfigError(f"indices[{i}]: {rows[i]}, must be 0 to {capacity - 1}")
    return rows


cdef const int64_t[::1] checked_cuts(object offsets, Py_ssize_t count, Py_ssize_t total):
    cdef const int64_t[::1] cuts = integers("offsets", offsets)
    cdef Py_ssize_t i
    if cuts.shape[0] != count + 1:
        raise ConfigError(
            f"offsets: {cuts.shape[0]} of them, must be {count + 1} for {count} indices")
    for i in range(count):
        if not 0 <= cuts[i] <= cuts[i + 1] <= total:
            raise ConfigError(
                f"offsets[{i}:{i + 2}]: {cuts[i]}, {cuts[i + 1]}, must ascend from 0 to {total}")
    return cuts


cdef int push_all(server_core *k, int channel, const int64_t[::1] indices, const uint8_t *data,
                  uint32_t size, const int64_t[::1] offsets, bint shared,
                  uint8_t[::1] status) noexcept nogil:
    """0, or below it when out of memory: then the rest is not queued."""
    cdef connection *c
    cdef Py_ssize_t i
    cdef Py_ssize_t count = indices.shape[0]
    cdef int result
    for i in range(count):
        if i + 8 < count:
            connection_prefetch(&k.pool.slots[indices[i + 8]])
            channel_prefetch(k.pool.slots[indices[i + 6]].channel)
            channel_prefetch_push(k.pool.slots[indices[i + 4]].channel, <uint32_t>channel)
            channel_prefetch_room(k.pool.slots[indices[i + 2]].channel, <uint32_t>channel)
        c = &k.pool.slots[indices[i]]
        if c.state != SLOT_LIVE:
            status[i] = PUSH_GONE
            continue
        if shared:
            result = channel_push(c.channel, channel, data, size, k.session.now)
        else:
            result = channel_push(
                c.channel, channel, data + offsets[i], <uint32_t>(offsets[i + 1] - offsets[i]),
                k.session.now)
        if result == 0:
            core_touch(k, c)
        elif result == CHANNEL_FULL:
            status[i] = PUSH_FULL
        else:
            return result
    return 0


cdef object push_each(server_core *k, object config, int channel, object indices,
                      const uint8_t[::1] data, object offsets):
    cdef const int64_t[::1] rows
    cdef const int64_t[::1] cuts
    cdef Py_ssize_t count
    cdef Py_ssize_t total = data.shape[0]
    cdef int64_t largest = total
    cdef bint shared = offsets is None
    cdef uint8_t nothing = 0
    cdef const uint8_t *at = &data[0] if total else &nothing
    cdef uint8_t[::1] status
    cdef Py_ssize_t i
    cdef int result
    if k.session.channels == NULL:
        raise ConfigError("channels: None, so there are payloads only; use send_payload")
    if channel < 0 or <uint32_t>channel >= k.session.channels.channels:
        raise push_error(config, channel, total, CHANNEL_UNKNOWN)
    rows = checked_indices(indices, k.pool.capacity)
    cuts = rows
    count = rows.shape[0]
    if not shared:
        cuts = checked_cuts(offsets, count, total)
        largest = 0
        for i in range(count):
            if cuts[i + 1] - cuts[i] > largest:
                largest = cuts[i + 1] - cuts[i]
    if largest > k.session.channels.channel[channel].max_message:
        raise push_error(config, channel, largest, CHANNEL_TOO_LARGE)
    outcome = np.zeros(count, np.uint8)
    status = outcome
    with nogil:
        result = push_all(k, channel, rows, at, <uint32_t>total if shared else 0, cuts, shared,
                          status)
    if result < 0:
        raise MemoryError
    return outcome
