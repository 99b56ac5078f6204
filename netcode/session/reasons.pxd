"""The C side of events: the members of DisconnectReason by number, and one event."""

from libc.stdint cimport uint8_t, uint32_t


cdef enum disconnect_reason:
    REASON_TIMEOUT = 0
    REASON_CLOSED_BY_PEER = 1
    REASON_CLOSED = 2
    REASON_PROTOCOL_VIOLATION = 3
    REASON_DENIED = 4
    REASON_REQUEST_TIMEOUT = 5
    REASON_RESPONSE_TIMEOUT = 6
    REASON_TOKEN_EXPIRED = 7
    REASON_TOKEN_INVALID = 8
    REASON_FLOOD = 9


cdef enum:
    EVENT_LEFT = 0               # the slot was left, for ``reason``
    EVENT_CAME = 1               # it was taken
    EVENT_MOVED = 2              # its owner goes on from another address


cdef struct session_event:
    uint32_t index
    uint8_t kind                 # EVENT_
    uint8_t reason
