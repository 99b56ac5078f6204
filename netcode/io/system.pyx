"""UDP in C without the GIL; the contracts are in system.pxd."""

from libc.stdint cimport intptr_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memmove, memset

from netcode.io.native cimport (
    MSG_TRUNC, NATIVE_HAS_MMSG, msghdr, native_error, native_is_closed, native_is_full,
    native_is_interrupted, native_is_watched, native_many_works, native_name, native_name_get,
    native_name_put, native_receive_many, native_receive_one, native_refuses_segments,
    native_segment, native_send_many, native_send_one, native_wait,
)
from netcode.security.address cimport address_equal, address_unmap
from netcode.session.batch cimport (
    datagram, datagrams, datagrams_clear, datagrams_commit, datagrams_free, datagrams_init,
    datagrams_init_slots, datagrams_reserve, datagrams_slot,
)

from netcode.constants import DATAGRAM_SLOT_BYTES

__all__ = ["HAS_MMSG"]

HAS_MMSG = bool(NATIVE_HAS_MMSG)

cdef uint32_t slot_bytes = DATAGRAM_SLOT_BYTES


cdef int udp_init(udp_socket *s, intptr_t fd, int families, bint many,
                  bint segments) noexcept nogil:
    cdef int i
    memset(s, 0, sizeof(udp_socket))
    datagrams_init(&s.scratch, 0)
    datagrams_init(&s.backlog, 2 * UDP_BACKLOG_BYTES)
    s.fd = fd
    s.families = families
    if not many or not native_many_works(fd):
        return 0
    s.segments = segments
    s.incoming = <udp_messages *>calloc(1, sizeof(udp_messages))
    s.outgoing = <udp_messages *>calloc(1, sizeof(udp_messages))
    if s.incoming == NULL or s.outgoing == NULL:
        udp_free(s)
        return -1
    for i in range(UDP_BATCH):
        s.incoming.headers[i].msg_hdr.msg_name = &s.incoming.names[i]
        s.incoming.headers[i].msg_hdr.msg_iov = &s.incoming.parts[i]
        s.incoming.headers[i].msg_hdr.msg_iovlen = 1
        s.outgoing.headers[i].msg_hdr.msg_name = &s.outgoing.names[i]
    return 0


cdef void udp_free(udp_socket *s) noexcept nogil:
    free(s.incoming)
    free(s.outgoing)
    s.incoming = s.outgoing = NULL
    datagrams_free(&s.scratch)
    datagrams_free(&s.backlog)
    s.backlog_first = s.backlog_bytes = 0
    s.fd = -1


cdef int udp_wait(udp_socket *s, double seconds, intptr_t also) noexcept nogil:
    return native_wait(s.fd, also, s.watched, seconds)


# Receiving

cdef void accept(udp_socket *s, datagrams *d, uint32_t slot, uint32_t size, bint truncated,
                 const native_name *name) noexcept nogil:
    """Make what is in ``slot`` the next datagram of ``d``, or count why not."""
    cdef datagram *entry = &d.entries[d.count]
    if truncated:
        s.counters.receive_truncated += 1
        return
    entry.address.family = <uint8_t>native_name_get(name, &entry.address.port, entry.address.ip)
    if entry.address.family == 0:
        s.counters.receive_errors += 1
        return
    address_unmap(&entry.address)
    if slot != d.count:    # those before it were dropped
        memcpy(datagrams_slot(d, d.count), datagrams_slot(d, slot), size)
    entry.offset = d.count * d.stride
    entry.size = size
    d.count += 1
    d.used += size
    s.counters.received += 1
    s.counters.received_bytes += size


cdef int receive_failed(udp_socket *s) noexcept nogil:
    """Whether receiving should stop: nothing there, or no socket. Others are counted."""
    cdef int error = native_error()
    if native_is_full(error):
        return 1
    if not native_is_interrupted(error):
        # An ICMP error of an earlier send: it says nothing about the other peers.
        s.counters.receive_errors += 1
    return native_is_closed(error)


cdef int receive_many(udp_socket *s, datagrams *d, int most) noexcept nogil:
    """One call of the system into the free slots of ``d``; slots filled, or -1 to stop."""
    cdef udp_messages *m = s.incoming
    cdef uint32_t first = d.count
    cdef int i, got
    for i in range(most):
        m.parts[i].iov_base = datagrams_slot(d, first + i)
        m.parts[i].iov_len = d.stride
        m.headers[i].msg_hdr.msg_namelen = sizeof(native_name)
    s.counters.receive_calls += 1
    got = native_receive_many(s.fd, m.headers, most)
    if got < 0:
        return -receive_failed(s)
    for i in range(got):
        accept(s, d, first + i, m.headers[i].msg_len,
               (m.headers[i].msg_hdr.msg_flags & MSG_TRUNC) != 0, &m.names[i])
    return got if got == most else -1


cdef int receive_single(udp_socket *s, datagrams *d) noexcept nogil:
    """The same for one datagram."""
    cdef native_name name
    cdef int truncated, got
    s.counters.receive_calls += 1
    got = native_receive_one(s.fd, datagrams_slot(d, d.count), <int>d.stride, &name, &truncated)
    if got < 0:
        return -receive_failed(s)
    accept(s, d, d.count, <uint32_t>got, truncated, &name)
    return 1


cdef uint32_t receive_slots(udp_socket *s, datagrams *d, uint32_t *left) noexcept nogil:
    """Into the free slots of ``d``, at most ``left``, which becomes 0 at the end; how many."""
    cdef uint32_t before = d.count, ask
    cdef int got
    while left[0] and d.count < d.entry_capacity:
        ask = min(left[0], d.entry_capacity - d.count, <uint32_t>UDP_BATCH)
        if s.incoming != NULL:
            got = receive_many(s, d, <int>ask)
        else:
            got = receive_single(s, d)
        # A call that failed for one peer counts as well, so that errors cannot hold the loop.
        left[0] = 0 if got < 0 else left[0] - <uint32_t>max(got, 1)
    return d.count - before


cdef uint32_t udp_receive(udp_socket *s, datagrams *d, uint32_t most) noexcept nogil:
    cdef uint32_t total = 0, i
    cdef datagram *entry
    cdef uint8_t *place
    if s.fd < 0:
        return 0
    if d.stride:
        return receive_slots(s, d, &most)
    if s.scratch.stride == 0 and datagrams_init_slots(&s.scratch, UDP_BATCH, slot_bytes) < 0:
        return 0
    while most:
        datagrams_clear(&s.scratch)
        receive_slots(s, &s.scratch, &most)
        for i in range(s.scratch.count):
            entry = &s.scratch.entries[i]
            place = datagrams_reserve(d, entry.size)
            if place == NULL:
                s.counters.receive_unplaced += 1
                continue
            memcpy(place, s.scratch.data + entry.offset, entry.size)
            datagrams_commit(d, entry.size, &entry.address)
            total += 1
    return total


# Sending

cdef void count_errors(udp_socket *s, int error, uint32_t datagrams_lost) noexcept nogil:
    cdef udp_error *known
    cdef int i
    s.counters.send_errors += datagrams_lost
    for i in range(UDP_ERRORS):
        known = &s.counters.errors[i]
        if known.count == 0:
            known.code = error
        if known.code == error:
            known.count += datagrams_lost
            return


cdef uint32_t gather(udp_socket *s, const datagrams *d, uint32_t at, uint32_t *end) noexcept nogil:
    """Headers for datagrams ``at`` to ``end``; how many messages. 0: ``at`` cannot be sent."""
    cdef udp_messages *m = s.outgoing
    cdef msghdr *header
    cdef const datagram *first
    cdef const datagram *entry
    cdef uint32_t count = 0, parts = 0, run, bytes_of_run
    cdef int length
    while at < d.count and parts < UDP_BATCH:
        first = &d.entries[at]
        length = native_name_put(&m.names[count], s.families, first.address.family,
                                 first.address.port, first.address.ip)
        if length == 0:
            break
        header = &m.headers[count].msg_hdr
        header.msg_namelen = length
        header.msg_iov = &m.parts[parts]
        m.parts[parts].iov_base = d.data + first.offset
        m.parts[parts].iov_len = first.size
        run = 1
        # Ours fit a slot; a longer one may exceed what the path takes, which is no refusal.
        if s.segments and 0 < first.size <= slot_bytes:
            bytes_of_run = first.size
            while at + run < d.count and parts + run < UDP_BATCH:
                entry = &d.entries[at + run]
                if (entry.size == 0 or entry.size > first.size
                        or bytes_of_run + entry.size > UDP_SEGMENTS_BYTES
                        or not address_equal(&entry.address, &first.address)):
                    break
                m.parts[parts + run].iov_base = d.data + entry.offset
                m.parts[parts + run].iov_len = entry.size
                bytes_of_run += entry.size
                run += 1
                if entry.size < first.size:    # only the last may be shorter
                    break
        header.msg_iovlen = run
        header.msg_control = NULL
        header.msg_controllen = 0
        if run > 1:
            native_segment(header, &m.controls[count][0], <uint16_t>first.size)
        m.firsts[count] = at
        m.runs[count] = run
        count += 1
        parts += run
        at += run
    end[0] = at
    return count


cdef uint32_t push_many(udp_socket *s, const datagrams *d, uint32_t at) noexcept nogil:
    """Send from datagram ``at`` on; the first one that the system did not take."""
    cdef udp_messages *m = s.outgoing
    cdef uint32_t count, end, i, part
    cdef int done, error
    while at < d.count:
        count = gather(s, d, at, &end)
        if count == 0:
            s.counters.send_errors += 1
            s.counters.send_unreachable += 1
            at += 1
            continue
        s.counters.send_calls += 1
        done = native_send_many(s.fd, m.headers, <int>count)
        if done > 0:
            for i in range(<uint32_t>done):
                s.counters.sent += m.runs[i]
                if m.runs[i] > 1:
                    s.counters.segmented += m.runs[i]
                for part in range(m.firsts[i], m.firsts[i] + m.runs[i]):
                    s.counters.sent_bytes += d.entries[part].size
            # A short count hides why: the next call meets the same message first and tells.
            at = end if <uint32_t>done == count else m.firsts[done]
            continue
        error = native_error()
        if native_is_interrupted(error):
            continue
        if native_is_full(error):
            s.blocked = True
            s.watched = native_is_watched(error)
            return at
        if m.runs[0] > 1 and native_refuses_segments(error):
            s.segments = False
            s.counters.segments_refused += 1
            continue
        count_errors(s, error, m.runs[0])
        at += m.runs[0]
    return at


cdef uint32_t push_single(udp_socket *s, const datagrams *d, uint32_t at) noexcept nogil:
    """The same with one call a datagram."""
    cdef native_name name
    cdef const datagram *entry
    cdef int length, error
    while at < d.count:
        entry = &d.entries[at]
        length = native_name_put(&name, s.families, entry.address.family, entry.address.port,
                                 entry.address.ip)
        if length == 0:
            s.counters.send_errors += 1
            s.counters.send_unreachable += 1
            at += 1
            continue
        s.counters.send_calls += 1
        if native_send_one(s.fd, d.data + entry.offset, <int>entry.size, &name, length) == 0:
            s.counters.sent += 1
            s.counters.sent_bytes += entry.size
            at += 1
            continue
        error = native_error()
        if native_is_interrupted(error):
            continue
        if native_is_full(error):
            s.blocked = True
            s.watched = native_is_watched(error)
            return at
        count_errors(s, error, 1)
        at += 1
    return at


cdef inline uint32_t push(udp_socket *s, const datagrams *d, uint32_t at) noexcept nogil:
    return push_many(s, d, at) if s.outgoing != NULL else push_single(s, d, at)


# What the system did not take

cdef void backlog_move(udp_socket *s, uint32_t first) noexcept nogil:
    """Those before ``first`` no longer wait."""
    cdef datagrams *b = &s.backlog
    while s.backlog_first < first:
        s.backlog_bytes -= b.entries[s.backlog_first].size
        s.backlog_first += 1
    if s.backlog_first == b.count:
        datagrams_clear(b)
        s.backlog_first = 0


cdef void backlog_close_gap(udp_socket *s) noexcept nogil:
    """Move those that wait to the front of their buffer."""
    cdef datagrams *b = &s.backlog
    cdef uint32_t gone = s.backlog_first, base, i
    if gone == 0:
        return
    base = b.entries[gone].offset
    memmove(b.data, b.data + base, b.used - base)
    memmove(b.entries, b.entries + gone, (b.count - gone) * sizeof(datagram))
    b.count -= gone
    b.used -= base
    s.backlog_first = 0
    for i in range(b.count):
        b.entries[i].offset -= base


cdef void keep(udp_socket *s, const datagrams *d, uint32_t at) noexcept nogil:
    """Let the datagrams from ``at`` on wait; the oldest make room and are lost."""
    cdef datagrams *b = &s.backlog
    cdef const datagram *entry
    cdef uint8_t *place
    cdef uint32_t drop
    s.counters.send_delayed += d.count - at
    while at < d.count:
        entry = &d.entries[at]
        at += 1
        drop = s.backlog_first
        while drop < b.count and (
                b.count - drop >= UDP_BACKLOG
                or s.backlog_bytes + entry.size > UDP_BACKLOG_BYTES):
            s.backlog_bytes -= b.entries[drop].size
            drop += 1
        if drop > s.backlog_first:
            s.counters.send_overflow += drop - s.backlog_first
            s.backlog_first = drop
            backlog_move(s, drop)
        if (s.backlog_first >= UDP_BACKLOG
                or <size_t>b.used + entry.size > 2 * UDP_BACKLOG_BYTES):
            backlog_close_gap(s)
        place = datagrams_reserve(b, entry.size)
        if place == NULL:
            s.counters.send_overflow += 1
            continue
        memcpy(place, d.data + entry.offset, entry.size)
        datagrams_commit(b, entry.size, &entry.address)
        s.backlog_bytes += entry.size


cdef void udp_send(udp_socket *s, const datagrams *d) noexcept nogil:
    cdef uint32_t at = 0
    if s.fd < 0:
        return
    s.blocked = s.watched = False
    if udp_waiting(s):
        backlog_move(s, push(s, &s.backlog, s.backlog_first))
    if not s.blocked:
        at = push(s, d, 0)
    if at < d.count:
        keep(s, d, at)
