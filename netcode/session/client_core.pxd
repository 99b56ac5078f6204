"""The client's state machine in C: no Python object, no clock, no socket."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from netcode.security.address cimport net_address
from netcode.security.packet cimport PACKET_CHALLENGE_BODY
from netcode.security.protocol cimport KEY_BYTES, TOKEN_NONCE_BYTES
from netcode.security.replay cimport replay_window
from netcode.security.token cimport PRIVATE_TOKEN_BYTES, public_token
from netcode.session.batch cimport datagrams
from netcode.session.connection cimport RESUME_TOKENS, connection, session


cdef enum client_state:
    # As ClientState in events.py.
    STATE_TOKEN_EXPIRED = -6
    STATE_TOKEN_INVALID = -5
    STATE_TIMED_OUT = -4
    STATE_RESPONSE_TIMED_OUT = -3
    STATE_REQUEST_TIMED_OUT = -2
    STATE_DENIED = -1
    STATE_DISCONNECTED = 0
    STATE_REQUESTING = 1
    STATE_RESPONDING = 2
    STATE_CONNECTED = 3


cdef struct resume_pass:         # a resume token, as the server gave it
    uint8_t nonce[TOKEN_NONCE_BYTES]
    uint8_t sealed[PRIVATE_TOKEN_BYTES]
    uint8_t send_key[KEY_BYTES]
    uint8_t receive_key[KEY_BYTES]
    uint64_t send_sequence       # goes on from attempt to attempt: the keys stay the same
    replay_window replay
    uint8_t challenge[PACKET_CHALLENGE_BODY]


cdef struct client_roaming:
    resume_pass *passes[RESUME_TOKENS]  # the oldest first; NULL: none
    uint32_t count
    uint32_t chosen              # the one that the attempt asks with
    uint32_t attempt             # each from an address of its own; counts
    int state                    # STATE_REQUESTING or _RESPONDING from the new address; 0: at rest
    bint wanted                  # by roam(): what comes by the old address does not end it
    double since                 # when the state began
    double last_send
    double after                 # seconds of silence after which an attempt begins; infinity: never
    datagrams *out               # what leaves from the new address


cdef struct client_core:
    session session
    connection link
    public_token token
    int state
    int reason                   # of the last end, a disconnect_reason
    uint32_t server              # number in the token's list
    uint32_t client_index        # as the server told
    uint32_t max_clients
    double attempt_start
    double lifetime              # seconds an attempt may take: the token's expire - create
    bint started
    bint was_connected
    bint answer_at_once
    client_roaming roaming
    uint8_t challenge[PACKET_CHALLENGE_BODY]


# Start the attempt at the first server; 0, or -1 out of memory.
cdef int client_begin(client_core *k, double now) noexcept nogil

# Advance the clock; it never goes back.
cdef void client_time(client_core *k, double now) noexcept nogil

# Process one datagram, whatever its bytes are.
cdef void client_receive(client_core *k, const net_address *source, const uint8_t *data,
                         uint32_t size) noexcept nogil

# Process every datagram of a batch.
cdef void client_receive_batch(client_core *k, const datagrams *batch) noexcept nogil

# Expire the attempt, walk on to the next server, or time out.
cdef void client_update(client_core *k) noexcept nogil

# Put everything due into the out batch.
cdef void client_send(client_core *k) noexcept nogil

# End in ``state``, with the redundant disconnect packets if ``tell``.
cdef void client_end(client_core *k, int state, int reason, bint tell) noexcept nogil

# When client_update or client_send next has something to do; infinity when over.
cdef double client_deadline(client_core *k) noexcept nogil
