"""UDP in C without the GIL: batches between ``struct datagrams`` and one socket of the system.

Two back ends: "mmsg" moves up to 64 datagrams a system call, "single" one. Receiving and sending
share nothing but the descriptor, so one thread may receive while another sends; ``udp_wait`` may
run beside both. Nobody may use the socket once its descriptor is closed.
"""

from libc.stdint cimport intptr_t, uint8_t, uint32_t, uint64_t

from netcode.io.native cimport iovec, mmsghdr, native_name
from netcode.session.batch cimport datagrams


cdef enum:
    UDP_BATCH = 64               # datagrams a system call; also the most that every kernel cuts
    UDP_RECEIVE_LIMIT = 1024     # datagrams a call, so that a flood cannot hold the loop for ever
    UDP_BACKLOG = 4096           # datagrams kept when the system takes no more
    UDP_BACKLOG_BYTES = 8 << 20
    UDP_SEGMENTS_BYTES = 65_000  # of one message to be cut: IPv6, its headers and a margin
    UDP_ERRORS = 16              # kinds of error counted apart
    UDP_WRITABLE = 2
    UDP_ALSO = 4


cdef struct udp_messages:
    mmsghdr headers[UDP_BATCH]
    iovec parts[UDP_BATCH]
    native_name names[UDP_BATCH]
    size_t controls[UDP_BATCH][4]      # one UDP_SEGMENT control message each
    uint32_t firsts[UDP_BATCH]         # sending: the first datagram of each message
    uint32_t runs[UDP_BATCH]           # sending: how many datagrams it holds


cdef struct udp_error:
    int code                     # errno, or WSAGetLastError on Windows
    uint64_t count


cdef struct udp_counters:
    uint64_t received
    uint64_t received_bytes
    uint64_t receive_errors
    uint64_t receive_truncated
    uint64_t receive_unplaced    # no room in the caller's growing batch
    uint64_t receive_calls
    uint64_t sent
    uint64_t sent_bytes
    uint64_t send_calls
    uint64_t send_delayed
    uint64_t send_errors
    uint64_t send_unreachable    # of send_errors: an address this socket cannot take
    uint64_t send_overflow
    uint64_t segmented           # datagrams that left in runs to one peer
    uint64_t segments_refused
    udp_error errors[UDP_ERRORS]


cdef struct udp_socket:
    intptr_t fd                  # -1: none
    int families                 # 4, 6, or 10 for both in one
    bint segments                # same-peer runs as one message (UDP_SEGMENT)
    bint blocked                 # the system was full at the last send,
    bint watched                 # and udp_wait will notice when it no longer is
    udp_messages *incoming       # NULL: the "single" back end
    udp_messages *outgoing
    datagrams scratch            # UDP_BATCH slots, made when a growing batch first asks
    datagrams backlog            # growing
    uint32_t backlog_first       # the oldest datagram that still waits
    uint32_t backlog_bytes       # of those that wait
    udp_counters counters


# A socket over the non-blocking descriptor ``fd``; 0, or -1 out of memory. ``many`` asks for
# "mmsg": "single" where the system has not got it or a sandbox forbids it.
cdef int udp_init(udp_socket *s, intptr_t fd, int families, bint many, bint segments) noexcept nogil

# Give the memory back; the descriptor is the caller's.
cdef void udp_free(udp_socket *s) noexcept nogil

# Append what has arrived, at most ``most`` datagrams, to a batch of either mode; how many.
cdef uint32_t udp_receive(udp_socket *s, datagrams *d, uint32_t most) noexcept nogil

# Send what waits, then all of ``d``; what the system refuses now waits for the next call.
cdef void udp_send(udp_socket *s, const datagrams *d) noexcept nogil

# Sleep at most ``seconds`` until something can be received, what waits can be sent, or the
# descriptor ``also`` (-1: none) can be read. Bits 1, UDP_WRITABLE, UDP_ALSO; 0 when the time is
# over; -1 when a signal came.
cdef int udp_wait(udp_socket *s, double seconds, intptr_t also) noexcept nogil


cdef inline uint32_t udp_waiting(const udp_socket *s) noexcept nogil:
    """The datagrams that the system has not taken yet."""
    return s.backlog.count - s.backlog_first
