"""What the thread that owns a server core and the game's thread hand each other; no lock, no wait.

Two rings lead from the game to the owner: ``commands`` (records, shown together) and ``spent``
(memory to be used again); one leads back: ``deliveries``, each with what arrived in one turn of
the owner, messages and frames in one buffer and what connections did in another, in order. Beside
them two places that the owner writes when a command asks: how full a queue is, and numbers.

Back-pressure. Toward the owner: the command ring is bounded, and who pushes waits for room; a
message is only put in when the queue that it is for has room (``outbox.pxd``), so nothing the owner
takes from the ring is refused. Toward the game: deliveries that the game has not taken hold at
most ``limit_bytes`` together with the inbox. Then the core refuses packets that would deliver
more: they are not acked, reliable messages come again, the others are lost, both counted
(``payload_inbox_full``, ``payload_inbox_share``).

The owner's part is here. Who calls it owns the core, see ``server_core.pxd``.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from netcode.channel.connection cimport channel_stats
from netcode.channel.inbox cimport inbox
from netcode.security.address cimport net_address
from netcode.security.packet cimport PACKET_REASON_COUNT
from netcode.security.protocol cimport USER_DATA_BYTES
from netcode.session.batch cimport datagrams
from netcode.session.connection cimport CHANNEL_REASONS
from netcode.session.counters cimport SESSION_COUNTERS
from netcode.session.records cimport netcode_bell, netcode_records
from netcode.session.ring cimport netcode_ring
from netcode.session.server_core cimport server_core


cdef enum:
    COMMAND_PUSH = 0             # a message to a handle
    COMMAND_PUSH_FAR             # the same; a pointer to malloc'ed bytes follows, freed when done
    COMMAND_PUSH_MANY            # ``count`` handles behind the bytes
    COMMAND_PUSH_MANY_FAR
    COMMAND_FRAME                # an opaque frame of kind ``channel``
    COMMAND_PAYLOAD              # without channels
    COMMAND_FLUSH                # send all that was queued so far before going on
    COMMAND_DISCONNECT
    COMMAND_DISCONNECT_ALL
    COMMAND_ALLOW                # the secret of a resume token, for a handle
    COMMAND_RECLAIM              # ``count`` handles whose owners the game knows to have left
    COMMAND_CREDIT               # how full is the queue ``channel`` of a handle?
    COMMAND_EPOCH                # a double
    COMMAND_REPORT               # the numbers of the session, and of a handle; -1: of none
    COMMAND_STOP

cdef enum:
    TURN_MORE = 1                # the next turn has something to do at once
    TURN_HOLDING = 2             # the game is behind; look again soon whether it took something
    TURN_WAKE = 4                # the game asked to be woken
    TURN_REPORT = 8              # a report was asked for: add to it, then exchange_reported
    TURN_STOP = 16               # the game wants no more turns
    NO_HANDLE = 0xFFFFFFFF
    TURN_NOTHING = 0xFFFFFFFF    # as ``limit``: send nothing


cdef struct command:             # what a record begins with; its data follows
    uint8_t kind
    uint8_t channel
    uint16_t unused
    uint32_t handle
    uint32_t count
    uint32_t size                # bytes of data, of far data its own size


cdef struct session_news:        # a connection came, moved or went
    uint64_t client_id
    net_address address
    uint32_t index
    uint32_t generation
    uint8_t kind                 # EVENT_
    uint8_t reason
    uint8_t user_data[USER_DATA_BYTES]


cdef struct delivery:
    inbox box
    session_news *news
    uint32_t news_count


cdef struct credit:              # how full a queue was; the owner writes it, when asked
    uint32_t answered            # which question this answers, written last
    uint32_t messages
    uint64_t bytes


cdef struct session_report:
    uint32_t answered            # which question this answers, written last
    bint found                   # whether the handle's connection is there
    uint64_t counts[SESSION_COUNTERS]
    uint64_t packet_reasons[PACKET_REASON_COUNT]
    uint64_t channel_reasons[CHANNEL_REASONS]
    uint64_t gone                # pushes for connections that had ended meanwhile
    uint64_t packets_sent        # of the handle's connection
    uint64_t packets_received
    uint64_t bytes_sent
    uint64_t bytes_received
    uint32_t resumed
    channel_stats stats


cdef struct exchange:
    netcode_records *commands
    netcode_ring *deliveries
    netcode_ring *spent          # inboxes without content
    credit *credits              # ``queues`` for each slot; the last is that of frames
    uint32_t queues              # 0: raw payloads
    uint32_t limit_bytes
    uint32_t limit_entries
    netcode_bell to_owner        # commands were shown
    netcode_bell to_game         # something was delivered
    # The owner's.
    session_report report
    uint32_t asked               # question of the report that is being made
    uint32_t handed_bytes        # ever delivered; wrap
    uint32_t handed_entries
    bint drained                 # the game took all, and the inbox began a new round
    bint barrier                 # flush before the next command,
    uint32_t barrier_end         # up to this number of the core's ``flushed``
    uint32_t unsent              # turns in a row that only carried out commands
    bint stopping
    bint wake
    uint64_t gone
    # The game's, on a line of their own.
    uint8_t pad_game[128]
    uint32_t taken_bytes         # ever taken from deliveries; wrap
    uint32_t taken_entries
    uint8_t pad_end[128]


# Everything allocated; 0, or -1 out of memory.
cdef int exchange_init(exchange *x, uint32_t max_clients, uint32_t queues, uint32_t command_bytes,
                       uint32_t limit_bytes, uint32_t limit_entries) noexcept nogil

# Only when neither thread uses it any more.
cdef void exchange_free(exchange *x) noexcept nogil

# One turn of the owner at ``now``: take in ``incoming``, carry out commands, run the timers if
# ``timers``, put what is due into ``out``, up to ``limit`` datagrams beside the answers to what
# came in (0: no limit), and deliver. TURN_ bits. With TURN_NOTHING only answers are put out, a
# flush waits for nothing, and TURN_MORE is always set. ``timers`` is for when the socket is
# drained, or a peer may seem silent whose datagrams wait there.
cdef int exchange_turn(exchange *x, server_core *k, const datagrams *incoming, datagrams *out,
                       double now, uint32_t limit, bint timers) noexcept nogil

# When the next turn has something to do: the core's deadline, or at once when commands wait that
# the last turn had no time for. Of who takes the turns by a clock and not by TURN_MORE.
cdef double exchange_deadline(exchange *x, server_core *k) noexcept nogil

# Make the report of COMMAND_REPORT without a command, for who owns the core now.
cdef void exchange_report(exchange *x, server_core *k, uint32_t handle) noexcept nogil

# The report is complete: let the game read it.
cdef void exchange_reported(exchange *x) noexcept nogil
