"""The names of what an endpoint counts."""

from netcode.session.counters cimport SESSION_COUNTERS as N_COUNTERS

__all__ = ["SESSION_COUNTER_NAMES"]

# In the order of the enum in counters.pxd.
SESSION_COUNTER_NAMES = (
    "datagrams_received",
    "bytes_received",
    "datagrams_sent",
    "bytes_sent",
    "payloads_received",
    "payloads_sent",
    "challenges_sent",
    "denials_sent",
    "connected",
    "disconnected",
    "resumed",
    "not_loopback",
    "unknown_sender",
    "unexpected_type",
    "request_rate",
    "request_before_start",
    "request_other_server",
    "request_address_connected",
    "request_client_connected",
    "request_token_consumed",
    "request_token_elsewhere",
    "request_history_full",
    "request_server_full",
    "request_handshakes_full",
    "request_resume_stale",
    "request_resume_elsewhere",
    "response_rate",
    "response_foreign",
    "response_address_connected",
    "response_client_connected",
    "response_server_full",
    "response_slot_busy",
    "response_token_consumed",
    "response_resume_stale",
    "payload_malformed",
    "payload_duplicate",
    "payload_inbox_full",
    "payload_inbox_share",
    "rate_limited",
    "flooded",
    "out_full",
    "out_of_memory",
    "frames_dropped",
    "deliveries_stale",
)

if len(SESSION_COUNTER_NAMES) != N_COUNTERS:
    raise AssertionError("counter names and enum differ")
