"""The server's state machine in C: no Python object, no clock, no entropy, no socket.

For drivers. A driver (the game loop's poll, an asyncio callback, an I/O thread) runs the three
``core_drive_`` functions, without the GIL, on ``&endpoint.k`` of a ServerEndpoint that it keeps
alive. Ownership: at any time one thread owns the core, and it alone calls anything here or any
method of that endpoint; an unlocked call from another thread would reuse a nonce. To share, either

- hold one lock around every call, from either side (``netcode.shell.host`` does), or
- let an I/O thread own the core for good, and talk to it through rings: ``exchange.pxd``. What it
  carries out names connections by handle (``handle_of``); ``core_push`` and the like refuse one
  whose connection has ended. Slots have new owners only after the game has read that the old left.

Memory: ``out`` must not be touched by another thread between the call that fills it and the time
it has been sent and cleared. Events and the inbox are bounded; a driver that does not read them
stalls new admissions and makes peers resend, nothing else.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from netcode.security.address cimport net_address
from netcode.session.admission cimport admission
from netcode.session.batch cimport datagrams
from netcode.session.connection cimport connection, session
from netcode.session.pool cimport connection_pool
from netcode.session.reasons cimport session_event
from netcode.session.timers cimport timer_heap
from netcode.session.token_history cimport token_history


cdef enum:
    CORE_GONE = -16              # no such connection any more; below every status of channel_push


cdef struct server_core:
    session session
    connection_pool pool
    token_history history
    admission admission
    timer_heap timers            # one for each slot
    uint32_t *dirty              # ring of slots with something to flush, each at most once
    uint32_t dirty_first
    uint32_t dirty_count
    uint32_t flushed             # ever taken out of it; wraps
    uint32_t *moved              # slots that heard something, each at most once: their deadlines
    uint32_t moved_count         # may have come nearer, and the timers do not know yet
    session_event *events
    uint32_t event_count         # at most EVENTS_PER_SLOT for each: slots wait for them to be read
    bint loopback_only
    bint started
    double token_lifetime        # of the restart rule, seconds; below 0: off


# Allocate; 0, or -1 out of memory. The caller then fills in session, admission and options.
cdef int core_init(server_core *k, uint32_t max_clients, uint32_t handshakes,
                   uint32_t history, const uint8_t *hash_key) noexcept nogil

# Give everything back.
cdef void core_free(server_core *k) noexcept nogil

# Advance both clocks, and drop handshakes and history entries whose time has come.
cdef void core_time(server_core *k, double now) noexcept nogil

# Process one datagram, whatever its bytes are.
cdef void core_receive(server_core *k, const net_address *source, const uint8_t *data,
                       uint32_t size) noexcept nogil

# Process every datagram of a batch.
cdef void core_receive_batch(server_core *k, const datagrams *batch) noexcept nogil

# End the connections that timed out.
cdef void core_update(server_core *k) noexcept nogil

# Put what is due into the out batch. ``limit``: stop between connections once the batch holds this
# many datagrams, and go on there in the next call; 0: no limit.
cdef void core_send(server_core *k, uint32_t limit) noexcept nogil

# Something was queued on a live connection: flush it in the next core_send.
cdef void core_touch(server_core *k, connection *c) noexcept nogil

# Something was sent or received on a live connection: set its next deadline.
cdef void core_schedule(server_core *k, connection *c) noexcept nogil

# End a live connection, with the redundant disconnect packets if ``tell``.
cdef void core_disconnect(server_core *k, uint32_t index, int reason, bint tell) noexcept nogil

# When core_update or core_send next has something to do; infinity when idle.
cdef double core_deadline(server_core *k) noexcept nogil


# Take in a batch at ``now``; answers go to ``out``.
cdef void core_drive_receive(server_core *k, const datagrams *batch, datagrams *out,
                             double now) noexcept nogil

# Run the timers at ``now``. After receiving, so that what waited in the socket counts.
cdef void core_drive_update(server_core *k, datagrams *out, double now) noexcept nogil

# Put what is due at ``now`` into ``out``, until it holds ``limit`` datagrams (0: no limit).
# Returns how many connections still wait for their turn.
cdef uint32_t core_drive_send(server_core *k, datagrams *out, double now,
                              uint32_t limit) noexcept nogil

# The live connection of a handle, or NULL.
cdef connection *core_find(server_core *k, uint32_t handle) noexcept nogil

# Queue a message for a handle, to leave with the next core_send: CORE_GONE, or as channel_push.
cdef int core_push(server_core *k, uint32_t handle, int channel, const uint8_t *data,
                   uint32_t size) noexcept nogil

# Queue an opaque frame for a handle: CORE_GONE, or as channel_push_frame.
cdef int core_push_frame(server_core *k, uint32_t handle, int kind, const uint8_t *data,
                         uint32_t size) noexcept nogil

# The events have been copied: forget them.
cdef void core_events_taken(server_core *k) noexcept nogil

# The events have been read: forget them, and give the slots of departed clients free.
cdef void core_events_read(server_core *k) noexcept nogil
