"""Snapshots to sections."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from netcode.delta.history cimport snapshot
from netcode.delta.layout cimport lane_layout
from netcode.delta.section cimport SECTION_MAX_BYTES


cdef enum:
    ENCODE_BUFFER_BYTES = SECTION_MAX_BYTES + 16  # slack for 8-byte stores


cdef uint32_t section_encode(
    const lane_layout *layout,
    uint8_t table,
    const snapshot *now,
    const snapshot *base,
    const uint16_t *slots,
    uint32_t count,
    uint8_t *out,
    uint32_t *taken,
) noexcept nogil
