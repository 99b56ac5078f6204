"""How large a packet the path lets through."""

from libc.stdint cimport uint32_t
from libc.string cimport memset

from netcode.channel.recovery cimport sent_packet

__all__: list[str] = []

cdef double FIRST_WAIT = 10.0        # seconds from a black hole to the first larger packet
cdef double MOST_WAIT = 600.0
cdef double NEXT_STEP = 1.0          # after one that passed, though not whole


cdef void path_init(path_limit *p) noexcept nogil:
    memset(p, 0, sizeof(path_limit))
    p.newest_large = -1


cdef uint32_t path_capacity(path_limit *p, uint32_t capacity, double now) noexcept nogil:
    if p.limit == 0:
        return capacity
    if p.limit >= capacity:
        # The caller asks for less than the path carries.
        return capacity
    if p.trying or now < p.next_try:
        return p.limit
    return (p.limit + capacity) // 2 if p.half else capacity


cdef void path_sent(path_limit *p, uint32_t size, double now) noexcept nogil:
    if p.limit and size > p.limit and not p.trying:
        p.trying = True
        p.try_time = now
        p.next_try = now + p.wait


cdef void path_acked(path_limit *p, const sent_packet *packet, double now) noexcept nogil:
    if packet.bytes <= PATH_FLOOR:
        if p.lost and packet.time > p.first_lost:
            p.passed += 1
        return
    if packet.time > p.newest_large:
        p.newest_large = packet.time
    if packet.time >= p.first_lost:
        p.lost = 0
        p.passed = 0
    if p.limit and packet.bytes > p.limit:
        p.limit = packet.bytes if p.half else 0
        if p.trying and packet.time >= p.try_time:
            p.trying = False
        p.half = False
        p.wait = FIRST_WAIT
        p.next_try = now + NEXT_STEP


cdef void path_lost(path_limit *p, const sent_packet *packet, double now) noexcept nogil:
    if packet.bytes <= PATH_FLOOR:
        return
    if p.trying and packet.bytes > p.limit and packet.time >= p.try_time:
        p.trying = False
        p.half = not p.half
        p.wait = min(2 * p.wait, MOST_WAIT)
        p.next_try = now + p.wait
        return
    if packet.time <= p.newest_large or p.limit == PATH_FLOOR:
        return
    if p.lost == 0:
        p.first_lost = packet.time
        p.passed = 0
    p.lost += 1
    if p.lost >= PATH_LOST and p.passed >= PATH_PASSED:
        p.limit = PATH_FLOOR
        p.shrunk += 1
        p.lost = 0
        p.passed = 0
        p.trying = False
        p.half = False
        p.wait = FIRST_WAIT
        p.next_try = now + p.wait
