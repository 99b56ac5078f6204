__all__ = ["SESSION_COUNTER_NAMES"]

SESSION_COUNTER_NAMES: tuple[str, ...]
"""Names of the counters of an endpoint, beside the packet reasons of ``netcode.security``.

Traffic: ``datagrams_received/sent``, ``bytes_received/sent``, ``payloads_received/sent``,
``challenges_sent``, ``denials_sent``, ``connected``, ``disconnected`` (connections so far).

Any datagram refused: ``not_loopback`` (``loopback_only`` is set), ``unknown_sender`` (encrypted,
from an address without a connection or handshake; at a client, not from its server),
``unexpected_type`` (authentic, and of no use in this state).

Connection requests refused, in the order of the tests, after those of ``netcode.security``:
``request_rate`` (its address failed too often; tested first, before any decryption),
``request_before_start`` (the restart rule), ``request_other_server`` (no address of this server in
the token), ``request_address_connected``, ``request_client_connected``, ``request_token_consumed``
(it has made its one connection), ``request_token_elsewhere`` (another address is using it),
``request_history_full``, ``request_server_full`` (answered with a denial),
``request_handshakes_full``.

Connection responses refused: ``response_rate`` (as ``request_rate``), ``response_foreign`` (the
challenge was not made for this handshake), ``response_address_connected``,
``response_client_connected``, ``response_server_full`` (answered with a denial),
``response_slot_busy`` (the free slots wait for ``events()`` to be read; the client tries again),
``response_token_consumed``.

Payloads of authenticated peers refused: ``payload_malformed``, ``payload_duplicate``,
``payload_inbox_full`` (the application does not drain its messages), ``payload_inbox_share`` (the
same, and this client has its share of the inbox), ``rate_limited`` (datagrams above the client's
``receive_messages`` or ``receive_bytes``), ``flooded`` (connections ended for too many of those).

Own limits: ``out_full`` (``send`` is not called), ``out_of_memory``, ``frames_dropped`` (nobody
drains ``frames()``), ``deliveries_stale`` (of a departed client whose slot has a new owner).
"""
