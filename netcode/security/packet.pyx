"""Sealing and reading the seven packets of netcode 1.02."""

from collections import namedtuple
from enum import IntEnum

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from netcode.errors import ConfigError
from netcode.security.address cimport order_from_object
from netcode.security.aead cimport aead_open, aead_seal, wipe
from netcode.security.buffers cimport checked_int, view_exactly, view_of
from netcode.security.protocol cimport (
    KEY_BYTES, NONCE_BYTES, STANDARD_MAX_PAYLOAD, protocol_init, put_nonce,
)
from netcode.security.replay cimport ReplayWindow, replay_advance, replay_check, replay_window
from netcode.security.token cimport private_to_object, private_token_get, private_token_open

__all__ = [
    "CLIENT_PACKETS",
    "PACKET_REASONS",
    "SERVER_PACKETS",
    "OpenedPacket",
    "OpenedRequest",
    "PacketType",
    "open_packet",
    "open_request",
    "seal_packet",
    "seal_request",
]

# In the order of the C enum; a counter's key.
PACKET_REASONS = (
    "ok",
    "too_small",
    "too_large",
    "type_unknown",
    "type_not_allowed",
    "sequence_size",
    "truncated",
    "no_key",
    "replayed",
    "forged",
    "body_size",
    "request_prefix",
    "request_size",
    "request_version",
    "request_protocol",
    "request_expired",
    "request_forged",
    "request_invalid",
    "challenge_forged",
    "no_room",
)

CLIENT_PACKETS = PACKET_CLIENT_MASK
"""Types a client reads, as a mask of 1 << type."""

SERVER_PACKETS = PACKET_SERVER_MASK
"""Types a server reads, as a mask of 1 << type."""

cdef enum:
    PACKET_AD_BYTES = VERSION_BYTES + 8 + 1


cdef bint body_fits(const wire_protocol *protocol, int type, uint32_t size) noexcept nogil:
    """Whether a body of ``size`` bytes belongs to packets of this type."""
    if type == PACKET_PAYLOAD:
        return 1 <= size <= protocol.max_payload
    if type == PACKET_KEEP_ALIVE:
        return size == PACKET_KEEP_ALIVE_BODY
    if type == PACKET_CHALLENGE or type == PACKET_RESPONSE:
        return size == PACKET_CHALLENGE_BODY
    return size == 0


cdef int packet_parse(const uint8_t *data, size_t size, uint32_t allowed,
                      packet_header *header) noexcept nogil:
    cdef uint32_t i, sequence_size
    header.type = PACKET_TYPES
    header.sequence = 0
    header.header_size = 0
    header.body_size = 0
    if size < PACKET_MIN_BYTES:
        return -PACKET_TOO_SMALL
    if size > PACKET_MAX_BYTES:
        return -PACKET_TOO_LARGE
    header.type = data[0] & 15
    if header.type >= PACKET_TYPES:
        return -PACKET_TYPE_UNKNOWN
    if not (allowed >> header.type) & 1:
        return -PACKET_TYPE_NOT_ALLOWED
    if header.type == PACKET_REQUEST:
        if data[0] != 0:
            return -PACKET_REQUEST_PREFIX
        header.header_size = 1
        header.body_size = <uint32_t>size - 1
        return 0
    sequence_size = data[0] >> 4
    if sequence_size < 1 or sequence_size > 8:
        return -PACKET_SEQUENCE_SIZE
    if size < 1 + sequence_size + TAG_BYTES:
        return -PACKET_TRUNCATED
    for i in range(sequence_size):
        header.sequence |= <uint64_t>data[1 + i] << (8 * i)
    header.header_size = 1 + sequence_size
    header.body_size = <uint32_t>size - header.header_size - TAG_BYTES
    if header.body_size > PACKET_MAX_BODY:
        return -PACKET_TOO_LARGE
    return 0


cdef int packet_open_parsed(const wire_protocol *protocol, const packet_header *header,
                            const uint8_t *data, const uint8_t *key, replay_window *replay,
                            uint8_t *body) noexcept nogil:
    cdef uint8_t nonce[NONCE_BYTES]
    cdef uint8_t ad[PACKET_AD_BYTES]
    if header.type == PACKET_REQUEST:
        return -PACKET_TYPE_NOT_ALLOWED
    if key == NULL:
        return -PACKET_NO_KEY
    if header.type < PACKET_KEEP_ALIVE:
        replay = NULL
    if replay != NULL and not replay_check(replay, header.sequence):
        return -PACKET_REPLAYED
    put_nonce(nonce, header.sequence)
    memcpy(ad, protocol.prefix, VERSION_BYTES + 8)
    ad[PACKET_AD_BYTES - 1] = data[0]
    if aead_open(body, data + header.header_size, header.body_size + TAG_BYTES, ad,
                 PACKET_AD_BYTES, nonce, key) < 0:
        return -PACKET_FORGED
    if replay != NULL:
        replay_advance(replay, header.sequence)
    if not body_fits(protocol, header.type, header.body_size):
        return -PACKET_BODY_SIZE
    return <int>header.body_size


cdef int packet_open(const wire_protocol *protocol, const uint8_t *data, size_t size,
                     uint32_t allowed, const uint8_t *key, replay_window *replay, uint8_t *body,
                     packet_header *header) noexcept nogil:
    cdef int status = packet_parse(data, size, allowed, header)
    if status < 0:
        return status
    return packet_open_parsed(protocol, header, data, key, replay, body)


cdef int packet_open_request(const wire_protocol *protocol, const uint8_t *data, size_t size,
                             uint64_t unix_now, const uint8_t *keys, int key_count,
                             packet_request *request) noexcept nogil:
    cdef uint8_t plain[PRIVATE_TOKEN_BYTES]
    cdef const uint8_t *at
    cdef int i, status
    if size != PACKET_REQUEST_BYTES:
        return -PACKET_REQUEST_SIZE
    at = data + 1 + VERSION_BYTES
    if data[0] != 0:
        return -PACKET_REQUEST_PREFIX
    if memcmp(data + 1, protocol.prefix, VERSION_BYTES) != 0:
        return -PACKET_REQUEST_VERSION
    if get_u64(at) != protocol.id:
        return -PACKET_REQUEST_PROTOCOL
    request.expire_timestamp = get_u64(at + 8)
    if request.expire_timestamp <= unix_now:
        return -PACKET_REQUEST_EXPIRED
    request.nonce = at + 16
    request.sealed = at + 16 + TOKEN_NONCE_BYTES
    for i in range(key_count):
        if private_token_open(protocol, request.expire_timestamp, request.nonce,
                              keys + i * KEY_BYTES, request.sealed, plain) == 0:
            request.key_index = i
            status = private_token_get(&request.token, protocol.order, plain)
            wipe(plain, PRIVATE_TOKEN_BYTES)
            return 0 if status == 0 else -PACKET_REQUEST_INVALID
    return -PACKET_REQUEST_FORGED


cdef int packet_seal(const wire_protocol *protocol, int type, uint64_t sequence,
                     const uint8_t *key, const uint8_t *body, uint32_t body_size, uint8_t *out,
                     size_t capacity) noexcept nogil:
    cdef uint8_t nonce[NONCE_BYTES]
    cdef uint8_t ad[PACKET_AD_BYTES]
    cdef uint32_t head = packet_header_size(sequence)
    cdef uint64_t rest = sequence
    cdef uint32_t i
    if type <= PACKET_REQUEST or type >= PACKET_TYPES:
        return -PACKET_TYPE_UNKNOWN
    if not body_fits(protocol, type, body_size):
        return -PACKET_BODY_SIZE
    if capacity < head + body_size + TAG_BYTES:
        return -PACKET_NO_ROOM
    out[0] = <uint8_t>((head - 1) << 4 | <uint32_t>type)
    for i in range(1, head):
        out[i] = <uint8_t>rest
        rest >>= 8
    put_nonce(nonce, sequence)
    memcpy(ad, protocol.prefix, VERSION_BYTES + 8)
    ad[PACKET_AD_BYTES - 1] = out[0]
    aead_seal(out + head, body, body_size, ad, PACKET_AD_BYTES, nonce, key)
    return <int>(head + body_size + TAG_BYTES)


cdef int packet_put_request(const wire_protocol *protocol, uint64_t expire_timestamp,
                            const uint8_t *nonce, const uint8_t *sealed, uint8_t *out,
                            size_t capacity) noexcept nogil:
    cdef uint8_t *at
    if capacity < PACKET_REQUEST_BYTES:
        return -PACKET_NO_ROOM
    at = out + 1 + VERSION_BYTES + 8
    out[0] = 0
    memcpy(out + 1, protocol.prefix, VERSION_BYTES + 8)
    put_u64(at, expire_timestamp)
    memcpy(at + 8, nonce, TOKEN_NONCE_BYTES)
    memcpy(at + 8 + TOKEN_NONCE_BYTES, sealed, PRIVATE_TOKEN_BYTES)
    return PACKET_REQUEST_BYTES


# Python objects

cdef object U64_MAX = 2**64 - 1


class PacketType(IntEnum):
    """The types of netcode 1.02."""

    REQUEST = PACKET_REQUEST
    DENIED = PACKET_DENIED
    CHALLENGE = PACKET_CHALLENGE
    RESPONSE = PACKET_RESPONSE
    KEEP_ALIVE = PACKET_KEEP_ALIVE
    PAYLOAD = PACKET_PAYLOAD
    DISCONNECT = PACKET_DISCONNECT


OpenedPacketFields = namedtuple("OpenedPacketFields", "reason type sequence body")


class OpenedPacket(OpenedPacketFields):
    """What ``open_packet`` found: ``reason`` is "ok", or the member of PACKET_REASONS why not.

    ``type`` and ``sequence`` are 7 and 0 where they could not be read, and may be forged unless
    ``reason`` is "ok"; ``body`` is empty then.
    """

    __slots__ = ()


OpenedRequestFields = namedtuple(
    "OpenedRequestFields", "reason expire_timestamp nonce sealed key_index token"
)


class OpenedRequest(OpenedRequestFields):
    """What ``open_request`` found: ``reason`` is "ok", or the member of PACKET_REASONS why not.

    ``token`` is the PrivateToken and ``key_index`` the number of the key that opened it; they are
    None and -1 unless ``reason`` is "ok".
    """

    __slots__ = ()


cdef int protocol_from_object(wire_protocol *protocol, protocol_id, max_payload) except -1:
    protocol_init(protocol, checked_int(protocol_id, 0, U64_MAX, "protocol_id"))
    protocol.max_payload = checked_int(max_payload, 1, LARGEST_MAX_PAYLOAD, "max_payload")
    return 0


def seal_packet(type, sequence, body, *, protocol_id, key, max_payload=STANDARD_MAX_PAYLOAD):
    """Return the datagram of an encrypted packet, type 1 to 6.

    ``body`` has the size its type demands: 0 (denied, disconnect), 308 (challenge, response), 8
    (keep-alive) or 1 to ``max_payload``. Never use a ``sequence`` twice under one ``key``.
    ConfigError for a wrong value.
    """
    cdef wire_protocol protocol
    cdef uint8_t out[PACKET_MAX_BYTES]
    cdef int kind = checked_int(type, 1, 6, "type")
    cdef uint64_t number = checked_int(sequence, 0, U64_MAX, "sequence")
    cdef const uint8_t[::1] k = view_exactly(key, KEY_BYTES, "key")
    cdef const uint8_t[::1] b = view_of(body, "body")
    cdef int size
    protocol_from_object(&protocol, protocol_id, max_payload)
    if b.shape[0] > PACKET_MAX_BODY or not body_fits(&protocol, kind, <uint32_t>b.shape[0]):
        wanted = f"1 to {max_payload}"
        if kind != PACKET_PAYLOAD:
            wanted = str({PACKET_KEEP_ALIVE: PACKET_KEEP_ALIVE_BODY,
                          PACKET_CHALLENGE: PACKET_CHALLENGE_BODY,
                          PACKET_RESPONSE: PACKET_CHALLENGE_BODY}.get(kind, 0))
        name = PacketType(kind).name.lower()
        raise ConfigError(f"the body of a {name} packet must be {wanted} bytes, not {b.shape[0]}")
    size = packet_seal(&protocol, kind, number, &k[0], &b[0] if b.shape[0] else NULL,
                       <uint32_t>b.shape[0], out, PACKET_MAX_BYTES)
    return PyBytes_FromStringAndSize(<const char *>out, size)


def open_packet(data, *, protocol_id, key, allowed=PACKET_CLIENT_MASK | PACKET_SERVER_MASK,
                window=None, max_payload=STANDARD_MAX_PAYLOAD):
    """Read the datagram of an encrypted packet; return an OpenedPacket, whatever ``data`` is.

    ``key`` has 32 bytes, or is None where the sender is unknown; ``allowed`` is a mask of
    1 << type; ``window`` is the ReplayWindow of the sender, checked and advanced, or None.
    """
    cdef wire_protocol protocol
    cdef packet_header header
    cdef uint8_t body[PACKET_MAX_BODY]
    cdef const uint8_t[::1] d = view_of(data, "data")
    cdef const uint8_t[::1] k
    cdef const uint8_t *key_at = NULL
    cdef ReplayWindow w = window
    cdef replay_window *replay = NULL
    cdef uint32_t mask = checked_int(allowed, 0, 0xFF, "allowed")
    cdef int size
    protocol_from_object(&protocol, protocol_id, max_payload)
    if key is not None:
        k = view_exactly(key, KEY_BYTES, "key")
        key_at = &k[0]
    if w is not None:
        replay = &w.state
    size = packet_open(&protocol, &d[0] if d.shape[0] else NULL, <size_t>d.shape[0], mask, key_at,
                       replay, body, &header)
    return OpenedPacket(
        PACKET_REASONS[-size if size < 0 else 0], header.type, header.sequence,
        PyBytes_FromStringAndSize(<const char *>body, size if size > 0 else 0))


def seal_request(*, protocol_id, expire_timestamp, nonce, sealed):
    """Return the datagram of a connection request from the parts of a connect token."""
    cdef wire_protocol protocol
    cdef uint8_t out[PACKET_REQUEST_BYTES]
    cdef const uint8_t[::1] n = view_exactly(nonce, TOKEN_NONCE_BYTES, "nonce")
    cdef const uint8_t[::1] s = view_exactly(sealed, PRIVATE_TOKEN_BYTES, "sealed")
    cdef uint64_t expire = checked_int(expire_timestamp, 0, U64_MAX, "expire_timestamp")
    protocol_from_object(&protocol, protocol_id, STANDARD_MAX_PAYLOAD)
    packet_put_request(&protocol, expire, &n[0], &s[0], out, PACKET_REQUEST_BYTES)
    return PyBytes_FromStringAndSize(<const char *>out, PACKET_REQUEST_BYTES)


def open_request(data, *, protocol_id, unix_now, private_keys, order="standard"):
    """Read the datagram of a connection request; return an OpenedRequest, whatever ``data`` is.

    ``unix_now`` is in whole seconds; ``private_keys`` is one key or two of 32 bytes, tried in
    order, so that a key can be replaced while tokens of the old one are still about.
    """
    cdef wire_protocol protocol
    cdef packet_request request
    cdef uint8_t keys[2 * KEY_BYTES]
    cdef const uint8_t[::1] d = view_of(data, "data")
    cdef const uint8_t[::1] k
    cdef uint64_t now = checked_int(unix_now, 0, U64_MAX, "unix_now")
    cdef tuple given = tuple(private_keys)
    cdef int count = <int>len(given), i, status
    if not 1 <= count <= 2:
        raise ConfigError(f"private_keys must be 1 or 2 keys of {KEY_BYTES} bytes, not {count}")
    for i in range(count):
        k = view_exactly(given[i], KEY_BYTES, "a private key")
        memcpy(keys + i * KEY_BYTES, &k[0], KEY_BYTES)
    protocol_from_object(&protocol, protocol_id, STANDARD_MAX_PAYLOAD)
    protocol.order = order_from_object(order)
    status = packet_open_request(&protocol, &d[0] if d.shape[0] else NULL, <size_t>d.shape[0], now,
                                 keys, count, &request)
    wipe(keys, sizeof(keys))
    if status < 0:
        return OpenedRequest(PACKET_REASONS[-status], 0, b"", b"", -1, None)
    token = private_to_object(&request.token)
    wipe(&request.token, sizeof(request.token))
    return OpenedRequest("ok", request.expire_timestamp, request.nonce[:TOKEN_NONCE_BYTES],
                         request.sealed[:PRIVATE_TOKEN_BYTES], request.key_index, token)
