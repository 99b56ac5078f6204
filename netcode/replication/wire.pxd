"""The frames of snapshots and their acknowledgements. Numbers are little-endian.

0x40 TICK     server to client, once a tick, before its sections
    u8      sections of this tick for this client
    u8      flags: bit 0 = partial, the client needed more than was sent; others zero
    varint  tick

0x41 SECTION  server to client: see delta/section.pxd

0x42 DECODED  client to server: sections that were committed
    u16     newest tick meant, low bits
    u16     bit i: every section of tick - i was committed (and there were some)
    u8      n, at most 16, then n times, ``back`` rising:
        u8  back: some sections of tick - back were committed
        u8  bytes of the mask, 1 to 32
        mask, bit i = section i, last byte not zero

0x43 MISSING  client to server: sections whose baseline is not held, one or more of
    u16     tick, low bits
    u8      index of the section
"""

from libc.stdint cimport uint8_t, uint16_t


cpdef enum:
    FRAME_TICK = 0x40
    FRAME_SECTION = 0x41
    FRAME_DECODED = 0x42
    FRAME_MISSING = 0x43

cdef enum:
    TICK_PARTIAL = 1
    DECODED_TICKS = 16       # ticks that one DECODED frame covers
    DECODED_MAX_BYTES = 549  # 5 + 16 * (2 + 32)

cdef enum:
    WIRE_OK = 0
    WIRE_MALFORMED = -1      # not a frame of this kind
    WIRE_STALE = -2          # about nothing that is still waited for: harmless


cdef inline uint16_t get_u16(const uint8_t *data) noexcept nogil:
    return <uint16_t>(data[0] | <uint16_t>data[1] << 8)


cdef inline void put_u16(uint8_t *out, uint16_t value) noexcept nogil:
    out[0] = <uint8_t>value
    out[1] = <uint8_t>(value >> 8)
