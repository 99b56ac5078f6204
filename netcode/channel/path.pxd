"""How large a packet the path lets through: found out when it lets none through that are large.

A path that shrinks is a black hole: it drops what is too large and says nothing. Packets above
PATH_FLOOR that are lost in a row, while smaller ones that left later arrive, are the sign (as in
RFC 4821 and RFC 8899). Then packets are cut to PATH_FLOOR, which every path of the internet
carries, and now and then one is larger again, to see whether it passes.
"""

from libc.stdint cimport uint32_t

from netcode.channel.recovery cimport sent_packet


cdef enum:
    PATH_FLOOR = 480             # bytes of a packet: 508 of UDP, of which netcode takes 25 at most
    PATH_LOST = 8                # large packets lost in a row, and
    PATH_PASSED = 2              # small ones that arrived meanwhile: a black hole


cdef struct path_limit:
    uint32_t limit               # bytes that a packet may have; 0: whatever it is asked to
    uint32_t lost                # large packets in a row
    uint32_t passed              # small ones since the first of them
    uint32_t shrunk              # black holes found so far
    double first_lost            # when the first of them left
    double newest_large          # when the newest large packet that was acked left
    double next_try              # when one may be larger than the limit
    double wait                  # seconds until the try after that
    double try_time              # when the last one left
    bint trying                  # nobody knows yet what became of it
    bint half                    # the next one is half-way, not whole


# Nothing known: no limit.
cdef void path_init(path_limit *p) noexcept nogil

# Bytes that a packet leaving now may have of the ``capacity`` it is asked to have.
cdef uint32_t path_capacity(path_limit *p, uint32_t capacity, double now) noexcept nogil

# A packet that asks for an ack left.
cdef void path_sent(path_limit *p, uint32_t size, double now) noexcept nogil

# A packet that asked for an ack was acked, or is declared lost at ``now``.
cdef void path_acked(path_limit *p, const sent_packet *packet, double now) noexcept nogil
cdef void path_lost(path_limit *p, const sent_packet *packet, double now) noexcept nogil

cdef inline bint path_doubted(const path_limit *p) noexcept nogil:
    """Whether large packets get lost so much that a probe had better be small."""
    return p.limit == 0 and p.lost >= PATH_LOST
