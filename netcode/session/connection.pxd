"""One connection, of a server's pool or of a client, and what both ends do with it alike."""

from libc.math cimport INFINITY, nextafter
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from netcode.channel.connection cimport channel_state
from netcode.channel.inbox cimport inbox
from netcode.channel.settings cimport channel_config
from netcode.security.address cimport net_address
from netcode.security.packet cimport PACKET_MAX_BODY, PACKET_REASON_COUNT
from netcode.security.protocol cimport KEY_BYTES, wire_protocol
from netcode.security.replay cimport replay_window
from netcode.session.batch cimport datagrams
from netcode.session.counters cimport SESSION_COUNTERS


cdef enum:
    DISCONNECT_PACKETS = 10      # redundant copies of a disconnect
    CHANNEL_REASONS = 64         # room for the malformed-packet reasons of netcode.channel
    SLOT_FREE = 0
    SLOT_LIVE = 1
    SLOT_RETIRED = 2             # over, but its events and messages may not have been read yet
    LIMIT_SECONDS = 1            # a connection's messages and bytes may come this much at once
    DROP_SECONDS = 10            # the same for its drops
    RESUME_TOKENS = 2            # of a connection that are good at a time


cdef struct resume_grant:        # a resume token that was made for a connection and not used yet
    uint64_t secret              # of the token; 0: none
    double heard                 # when the address below last asked with it
    net_address address


cdef struct connection:
    # Every packet touches these.
    uint64_t send_sequence       # with send_key, the nonce: never used twice
    double last_send
    double last_receive          # last authentic keep-alive or payload
    double timeout               # seconds; infinity: none
    channel_state *channel       # NULL for raw payloads
    net_address address
    uint8_t state                # SLOT_
    uint8_t confirmed            # the peer knows its index: no keep-alive before payloads
    uint8_t dirty                # in its endpoint's list of connections to flush
    uint8_t moved                # in its endpoint's list of connections to schedule
    uint32_t index
    uint32_t generation          # counts the owners of this slot
    uint32_t strikes             # malformed payloads
    double messages_paid         # when what it sent so far is within its limits,
    double bytes_paid            # counted in messages, bytes
    double drops_paid            # and dropped datagrams
    uint32_t inbox_round         # of the inbox, to which the next two belong
    uint32_t inbox_bytes         # what this connection holds in the inbox
    uint32_t inbox_entries
    uint32_t position            # in the pool's list of live or of retired connections
    replay_window replay
    uint8_t send_key[KEY_BYTES]
    uint8_t receive_key[KEY_BYTES]
    # Now and then.
    uint64_t client_id
    uint8_t *user_data           # USER_DATA_BYTES, of the pool
    uint64_t packets_sent
    uint64_t packets_received
    uint64_t bytes_sent          # of whole datagrams
    uint64_t bytes_received
    uint32_t resumed             # how often it went on from another address
    uint8_t told_moved           # an event of that waits to be read
    resume_grant grants[RESUME_TOKENS]  # of a server; the older one first


cdef struct session:
    wire_protocol protocol
    datagrams *out               # what the next send() returns
    inbox received
    const channel_config *channels  # NULL: raw payloads
    double now
    uint32_t max_clients         # told in keep-alive packets; 0 at a client
    uint32_t malformed_limit     # strikes that end a connection
    uint32_t flush_packets       # payload packets of one connection in one send
    double message_cost          # seconds that one message takes of a connection's limit; 0: none
    double byte_cost             # the same for a byte
    double drop_cost             # the same for a dropped datagram, before the connection is ended
    bint client_end
    uint64_t counts[SESSION_COUNTERS]
    uint64_t packet_reasons[PACKET_REASON_COUNT]
    uint64_t channel_reasons[CHANNEL_REASONS]
    uint8_t body[PACKET_MAX_BODY]  # the packet just opened, or being built


cdef inline double send_due(const session *s, double last) noexcept nogil:
    """When a 10 Hz sender that sent at ``last`` sends again.

    The reference server sends at that time, its client strictly after it: so do we.
    """
    return nextafter(last + 0.1, INFINITY) if s.client_end else last + 0.1


cdef inline uint32_t handle_of(const connection *c) noexcept nogil:
    """Index and generation in one word, for what may outlive the connection."""
    return c.index | (c.generation & 0xFFFF) << 16


# Count a negative result of netcode.security.packet.
cdef void refuse_packet(session *s, int reason) noexcept nogil

# Begin: sequences, replay window, timers, channel state; 0, or -1 out of memory.
cdef int connection_start(session *s, connection *c) noexcept nogil

# Go on under new keys, whose next packet to send has ``send_sequence``: replay window anew, and
# what was in flight is sent again. The address is the caller's matter.
cdef void connection_rekey(session *s, connection *c, const uint8_t *send_key,
                           const uint8_t *receive_key, uint64_t send_sequence) noexcept nogil

# Free the channel state and wipe the keys.
cdef void connection_end(connection *c) noexcept nogil

# Seal one packet into the out batch; 0, or -1 when the batch is full (counted).
cdef int connection_send(session *s, connection *c, int type, const uint8_t *body,
                         uint32_t size) noexcept nogil

# Seal a keep-alive; as connection_send.
cdef int connection_send_keep_alive(session *s, connection *c) noexcept nogil

# Seal a payload, behind a keep-alive while the peer is unconfirmed; as connection_send.
cdef int connection_send_payload(session *s, connection *c, const uint8_t *body,
                                 uint32_t size) noexcept nogil

# Seal the redundant disconnect packets.
cdef void connection_send_disconnects(session *s, connection *c) noexcept nogil

# Send what the channels have for now, and a keep-alive when one is due.
cdef void connection_flush(session *s, connection *c) noexcept nogil

# Whether an authentic datagram of ``size`` bytes is within the connection's limits. If not it is
# counted and to be dropped, and ``flooded`` tells whether that was one too many.
cdef bint connection_admit(session *s, connection *c, uint32_t size, bint *flooded) noexcept nogil

# Deliver a payload into the inbox; True when the peer sent one malformed packet too many.
cdef bint connection_receive(session *s, connection *c, const uint8_t *body,
                             uint32_t size) noexcept nogil

# When this connection next needs a send or times out.
cdef double connection_deadline(const session *s, const connection *c) noexcept nogil
