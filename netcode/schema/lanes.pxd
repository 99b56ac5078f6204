"""The lane path: NumPy columns to int32 lanes and back, without the GIL."""

from libc.stdint cimport int32_t, uint8_t

from netcode.schema.rows cimport table_view


cdef int quantize_lanes(
    table_view *t, int32_t *lanes, const uint8_t *rows, uint8_t *masks
) noexcept nogil
cdef void dequantize_lanes(
    table_view *t, const int32_t *lanes, const uint8_t *rows, uint8_t *masks
) noexcept nogil
