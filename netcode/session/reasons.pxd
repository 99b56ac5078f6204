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


cdef struct session_event:
    uint32_t index
    uint8_t connected            # 1: the slot was taken; 0: it was left, for ``reason``
    uint8_t reason
