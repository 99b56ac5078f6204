"""The bytes of connect tokens and challenge tokens, and their encryption."""

from collections import namedtuple

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from netcode.errors import ConfigError, DecodeError
from netcode.security.address import Address
from netcode.security.address cimport (
    address_from_object, address_get, address_put, address_to_tuple, address_unmap, net_address,
    order_from_object,
)
from netcode.security.aead cimport aead_open, aead_seal, wipe, xaead_open, xaead_seal
from netcode.security.buffers cimport checked_int, sealed_exactly, view_exactly
from netcode.security.protocol cimport (
    NONCE_BYTES, VERSION_BYTES, get_u32, get_u64, protocol_init, put_nonce, put_u32, put_u64,
)

__all__ = [
    "PrivateToken",
    "open_challenge",
    "read_public_token",
    "seal_challenge",
    "write_public_token",
]

cdef object U64_MAX = 2**64 - 1
cdef object I32_MIN = -(2**31)
cdef object I32_MAX = 2**31 - 1

cdef enum:
    CHALLENGE_PLAIN_BYTES = CHALLENGE_TOKEN_BYTES - TAG_BYTES
    PRIVATE_AD_BYTES = VERSION_BYTES + 8 + 8
    PUBLIC_HEAD_BYTES = VERSION_BYTES + 8 + 8 + 8 + TOKEN_NONCE_BYTES + PRIVATE_TOKEN_BYTES


# Both parts end alike: timeout, servers, the two keys. The largest of these fit their buffers:
# 8 + 4 + 4 + 32 * 19 + 64 + 256 = 944 of 1,008, and 1,085 + 8 + 608 + 64 = 1,765 of 2,048.

cdef int put_servers(uint8_t *out, int32_t timeout, uint32_t count, const net_address *servers,
                     int order) noexcept nogil:
    """Write timeout, count and addresses; return the bytes, or -1."""
    cdef uint32_t i
    cdef int n = 8, size
    if count < 1 or count > MAX_TOKEN_SERVERS:
        return -1
    put_u32(out, <uint32_t>timeout)
    put_u32(out + 4, count)
    for i in range(count):
        size = address_put(&servers[i], order, out + n)
        if size == 0:
            return -1
        n += size
    return n


cdef int get_servers(const uint8_t *data, size_t size, int32_t *timeout, uint32_t *count,
                     net_address *servers, int order) noexcept nogil:
    """Read what put_servers writes, from ``size`` bytes; return the bytes, or -1."""
    cdef uint32_t i, declared
    cdef size_t n = 8
    cdef int used
    if size < n:
        return -1
    timeout[0] = <int32_t>get_u32(data)
    declared = get_u32(data + 4)
    count[0] = 0
    if declared < 1 or declared > MAX_TOKEN_SERVERS:
        return -1
    for i in range(declared):
        used = address_get(&servers[i], order, data + n, size - n)
        if used == 0:
            return -1
        n += used
    count[0] = declared
    return <int>n


cdef int private_token_put(const private_token *token, int order, uint8_t *out) noexcept nogil:
    cdef int n
    memset(out, 0, PRIVATE_TOKEN_BYTES)
    put_u64(out, token.client_id)
    n = put_servers(out + 8, token.timeout, token.server_count, token.servers, order)
    if n < 0:
        return -1
    out += 8 + n
    memcpy(out, token.client_to_server_key, KEY_BYTES)
    memcpy(out + KEY_BYTES, token.server_to_client_key, KEY_BYTES)
    memcpy(out + 2 * KEY_BYTES, token.user_data, USER_DATA_BYTES)
    return 0


cdef int private_token_get(private_token *token, int order, const uint8_t *data) noexcept nogil:
    cdef int n
    token.client_id = get_u64(data)
    n = get_servers(data + 8, PRIVATE_TOKEN_TAG - 8, &token.timeout, &token.server_count,
                    token.servers, order)
    if n < 0 or 8 + n + 2 * KEY_BYTES + USER_DATA_BYTES > PRIVATE_TOKEN_TAG:
        return -1
    data += 8 + n
    memcpy(token.client_to_server_key, data, KEY_BYTES)
    memcpy(token.server_to_client_key, data + KEY_BYTES, KEY_BYTES)
    memcpy(token.user_data, data + 2 * KEY_BYTES, USER_DATA_BYTES)
    return 0


cdef void private_ad(const wire_protocol *protocol, uint64_t expire_timestamp,
                     uint8_t *ad) noexcept nogil:
    memcpy(ad, protocol.prefix, VERSION_BYTES + 8)
    put_u64(ad + VERSION_BYTES + 8, expire_timestamp)


cdef int private_token_seal(const wire_protocol *protocol, uint64_t expire_timestamp,
                            const uint8_t *nonce, const uint8_t *key, const uint8_t *plain,
                            uint8_t *out) noexcept nogil:
    cdef uint8_t ad[PRIVATE_AD_BYTES]
    private_ad(protocol, expire_timestamp, ad)
    return xaead_seal(out, plain, PRIVATE_TOKEN_TAG, ad, PRIVATE_AD_BYTES, nonce, key)


cdef int private_token_open(const wire_protocol *protocol, uint64_t expire_timestamp,
                            const uint8_t *nonce, const uint8_t *key, const uint8_t *sealed,
                            uint8_t *out) noexcept nogil:
    cdef uint8_t ad[PRIVATE_AD_BYTES]
    private_ad(protocol, expire_timestamp, ad)
    memset(out + PRIVATE_TOKEN_TAG, 0, TAG_BYTES)
    return xaead_open(out, sealed, PRIVATE_TOKEN_BYTES, ad, PRIVATE_AD_BYTES, nonce, key)


cdef int public_token_put(const public_token *token, int order, uint8_t *out) noexcept nogil:
    cdef wire_protocol protocol
    cdef uint8_t *at = out + VERSION_BYTES + 8
    cdef int n
    memset(out, 0, PUBLIC_TOKEN_BYTES)
    protocol_init(&protocol, token.protocol_id)
    memcpy(out, protocol.prefix, VERSION_BYTES + 8)
    put_u64(at, token.create_timestamp)
    put_u64(at + 8, token.expire_timestamp)
    memcpy(at + 16, token.nonce, TOKEN_NONCE_BYTES)
    memcpy(at + 16 + TOKEN_NONCE_BYTES, token.sealed, PRIVATE_TOKEN_BYTES)
    at = out + PUBLIC_HEAD_BYTES
    n = put_servers(at, token.timeout, token.server_count, token.servers, order)
    if n < 0:
        return -1
    memcpy(at + n, token.client_to_server_key, KEY_BYTES)
    memcpy(at + n + KEY_BYTES, token.server_to_client_key, KEY_BYTES)
    return 0


cdef int public_token_get(public_token *token, int order, const uint8_t *data) noexcept nogil:
    cdef wire_protocol protocol
    cdef const uint8_t *at = data + VERSION_BYTES + 8
    cdef size_t room = PUBLIC_TOKEN_BYTES - PUBLIC_HEAD_BYTES
    cdef int n
    token.protocol_id = get_u64(data + VERSION_BYTES)
    protocol_init(&protocol, token.protocol_id)
    if memcmp(data, protocol.prefix, VERSION_BYTES) != 0:
        return -1
    token.create_timestamp = get_u64(at)
    token.expire_timestamp = get_u64(at + 8)
    if token.create_timestamp > token.expire_timestamp:
        return -1
    memcpy(token.nonce, at + 16, TOKEN_NONCE_BYTES)
    memcpy(token.sealed, at + 16 + TOKEN_NONCE_BYTES, PRIVATE_TOKEN_BYTES)
    at = data + PUBLIC_HEAD_BYTES
    n = get_servers(at, room, &token.timeout, &token.server_count, token.servers, order)
    if n < 0 or n + 2 * KEY_BYTES > <int>room:
        return -1
    memcpy(token.client_to_server_key, at + n, KEY_BYTES)
    memcpy(token.server_to_client_key, at + n + KEY_BYTES, KEY_BYTES)
    return 0


cdef int challenge_token_seal(const challenge_token *token, uint64_t sequence, const uint8_t *key,
                              uint8_t *out) noexcept nogil:
    cdef uint8_t nonce[NONCE_BYTES]
    memset(out, 0, CHALLENGE_TOKEN_BYTES)
    put_u64(out, token.client_id)
    memcpy(out + 8, token.user_data, USER_DATA_BYTES)
    put_nonce(nonce, sequence)
    return aead_seal(out, out, CHALLENGE_PLAIN_BYTES, NULL, 0, nonce, key)


cdef int challenge_token_open(challenge_token *token, uint64_t sequence, const uint8_t *key,
                              const uint8_t *sealed) noexcept nogil:
    cdef uint8_t plain[CHALLENGE_PLAIN_BYTES]
    cdef uint8_t nonce[NONCE_BYTES]
    put_nonce(nonce, sequence)
    if aead_open(plain, sealed, CHALLENGE_TOKEN_BYTES, NULL, 0, nonce, key) < 0:
        return -1
    token.client_id = get_u64(plain)
    memcpy(token.user_data, plain + 8, USER_DATA_BYTES)
    return 0


# Python objects

cdef int servers_from_object(net_address *out, uint32_t *count, servers) except -1:
    cdef tuple items = tuple(servers)
    cdef Py_ssize_t i
    if not 1 <= len(items) <= MAX_TOKEN_SERVERS:
        raise ConfigError(f"a token names 1 to {MAX_TOKEN_SERVERS} servers, not {len(items)}")
    for i in range(len(items)):
        address_from_object(&out[i], items[i])
    count[0] = <uint32_t>len(items)
    return 0


cdef tuple servers_to_object(const net_address *servers, uint32_t count):
    cdef uint32_t i
    return tuple([Address(*address_to_tuple(&servers[i])) for i in range(count)])


cdef int copy_exactly(uint8_t *out, object data, Py_ssize_t size, str name) except -1:
    cdef const uint8_t[::1] view = view_exactly(data, size, name)
    memcpy(out, &view[0], <size_t>size)
    return 0


cdef int private_from_object(private_token *out, object token) except -1:
    out.client_id = checked_int(token.client_id, 0, U64_MAX, "client_id")
    out.timeout = checked_int(token.timeout, I32_MIN, I32_MAX, "timeout")
    servers_from_object(out.servers, &out.server_count, token.servers)
    copy_exactly(out.client_to_server_key, token.client_to_server_key, KEY_BYTES,
                 "client_to_server_key")
    copy_exactly(out.server_to_client_key, token.server_to_client_key, KEY_BYTES,
                 "server_to_client_key")
    copy_exactly(out.user_data, token.user_data, USER_DATA_BYTES, "user_data")
    return 0


cdef object private_to_object(const private_token *token):
    return PrivateToken(
        token.client_id,
        token.timeout,
        servers_to_object(token.servers, token.server_count),
        token.client_to_server_key[:KEY_BYTES],
        token.server_to_client_key[:KEY_BYTES],
        token.user_data[:USER_DATA_BYTES],
    )


PrivateTokenFields = namedtuple(
    "PrivateTokenFields",
    "client_id timeout servers client_to_server_key server_to_client_key user_data",
)


class PrivateToken(PrivateTokenFields):
    """The part of a connect token that only game servers read.

    ``client_id`` is 0 to 2**64 - 1; ``timeout`` whole seconds, negative for none; ``servers`` 1 to
    32 addresses as the servers know themselves; the keys have 32 bytes, ``user_data`` 256.
    Values are checked when they are written (ConfigError). ``repr`` hides keys and user data.
    """

    __slots__ = ()

    @classmethod
    def from_bytes(cls, data, order="standard"):
        """Read the 1,024 bytes in clear. DecodeError for a bad server list, whatever else."""
        cdef private_token token
        cdef const uint8_t[::1] view = sealed_exactly(data, PRIVATE_TOKEN_BYTES, "data")
        cdef int kind = order_from_object(order)
        if private_token_get(&token, kind, &view[0]) < 0:
            raise DecodeError("the private token does not list 1 to 32 IPv4 or IPv6 servers")
        try:
            return private_to_object(&token)
        finally:
            wipe(&token, sizeof(token))

    def to_bytes(self, order="standard"):
        """Return the 1,024 bytes in clear, zeros at the end."""
        cdef private_token token
        cdef uint8_t out[PRIVATE_TOKEN_BYTES]
        cdef int kind = order_from_object(order)
        private_from_object(&token, self)
        private_token_put(&token, kind, out)
        try:
            return out[:PRIVATE_TOKEN_BYTES]
        finally:
            wipe(&token, sizeof(token))
            wipe(out, PRIVATE_TOKEN_BYTES)

    @classmethod
    def open(cls, sealed, *, protocol_id, expire_timestamp, nonce, private_key, order="standard"):
        """Open 1,024 sealed bytes. DecodeError when they are not authentic or not a token."""
        cdef wire_protocol protocol
        cdef uint8_t plain[PRIVATE_TOKEN_BYTES]
        cdef const uint8_t[::1] s = sealed_exactly(sealed, PRIVATE_TOKEN_BYTES, "sealed")
        cdef const uint8_t[::1] n = view_exactly(nonce, TOKEN_NONCE_BYTES, "nonce")
        cdef const uint8_t[::1] k = view_exactly(private_key, KEY_BYTES, "private_key")
        cdef uint64_t expire = checked_int(expire_timestamp, 0, U64_MAX, "expire_timestamp")
        protocol_init(&protocol, checked_int(protocol_id, 0, U64_MAX, "protocol_id"))
        if private_token_open(&protocol, expire, &n[0], &k[0], &s[0], plain) < 0:
            raise DecodeError(
                "the private token is not authentic: another private key, protocol_id, expiry or "
                "nonce, or altered bytes"
            )
        try:
            return cls.from_bytes(plain[:PRIVATE_TOKEN_BYTES], order)
        finally:
            wipe(plain, PRIVATE_TOKEN_BYTES)

    def seal(self, *, protocol_id, expire_timestamp, nonce, private_key, order="standard"):
        """Return the 1,024 sealed bytes. Never use a ``nonce`` (24 random bytes) twice."""
        cdef wire_protocol protocol
        cdef uint8_t out[PRIVATE_TOKEN_BYTES]
        cdef const uint8_t[::1] n = view_exactly(nonce, TOKEN_NONCE_BYTES, "nonce")
        cdef const uint8_t[::1] k = view_exactly(private_key, KEY_BYTES, "private_key")
        cdef uint64_t expire = checked_int(expire_timestamp, 0, U64_MAX, "expire_timestamp")
        cdef private_token token
        cdef int kind = order_from_object(order)
        protocol_init(&protocol, checked_int(protocol_id, 0, U64_MAX, "protocol_id"))
        private_from_object(&token, self)
        private_token_put(&token, kind, out)
        wipe(&token, sizeof(token))
        private_token_seal(&protocol, expire, &n[0], &k[0], out, out)
        return out[:PRIVATE_TOKEN_BYTES]

    def names(self, server):
        """Whether it is for ``server`` (Address, text or tuple); IPv4-mapped equals IPv4."""
        cdef private_token token
        cdef net_address address
        address_from_object(&address, server)
        address_unmap(&address)
        servers_from_object(token.servers, &token.server_count, self.servers)
        return bool(private_token_names(&token, &address))

    def __repr__(self):
        servers = ", ".join(str(server) for server in self.servers)
        return (
            f"PrivateToken(client_id={self.client_id}, timeout={self.timeout}, "
            f"servers=[{servers}], keys hidden)"
        )


def write_public_token(token, order="standard"):
    """Return the 2,048 bytes of a ``ConnectToken``, or of anything with its attributes."""
    cdef public_token t
    cdef uint8_t out[PUBLIC_TOKEN_BYTES]
    cdef int kind = order_from_object(order)
    t.protocol_id = checked_int(token.protocol_id, 0, U64_MAX, "protocol_id")
    t.create_timestamp = checked_int(token.create_timestamp, 0, U64_MAX, "create_timestamp")
    t.expire_timestamp = checked_int(token.expire_timestamp, 0, U64_MAX, "expire_timestamp")
    t.timeout = checked_int(token.timeout, I32_MIN, I32_MAX, "timeout")
    copy_exactly(t.nonce, token.nonce, TOKEN_NONCE_BYTES, "nonce")
    copy_exactly(t.sealed, token.sealed, PRIVATE_TOKEN_BYTES, "sealed")
    servers_from_object(t.servers, &t.server_count, token.servers)
    copy_exactly(t.client_to_server_key, token.client_to_server_key, KEY_BYTES,
                 "client_to_server_key")
    copy_exactly(t.server_to_client_key, token.server_to_client_key, KEY_BYTES,
                 "server_to_client_key")
    public_token_put(&t, kind, out)
    return out[:PUBLIC_TOKEN_BYTES]


def read_public_token(data, order="standard"):
    """Read 2,048 bytes into the keyword arguments of ``ConnectToken``; DecodeError."""
    cdef public_token t
    cdef const uint8_t[::1] view = sealed_exactly(data, PUBLIC_TOKEN_BYTES, "data")
    cdef int kind = order_from_object(order)
    if public_token_get(&t, kind, &view[0]) < 0:
        raise DecodeError("not the public part of a connect token")
    return {
        "protocol_id": t.protocol_id,
        "create_timestamp": t.create_timestamp,
        "expire_timestamp": t.expire_timestamp,
        "nonce": t.nonce[:TOKEN_NONCE_BYTES],
        "sealed": t.sealed[:PRIVATE_TOKEN_BYTES],
        "timeout": t.timeout,
        "servers": servers_to_object(t.servers, t.server_count),
        "client_to_server_key": t.client_to_server_key[:KEY_BYTES],
        "server_to_client_key": t.server_to_client_key[:KEY_BYTES],
    }


def seal_challenge(client_id, user_data, *, sequence, key):
    """Return the 300 bytes of a challenge token; ``user_data`` has 256 bytes."""
    cdef challenge_token token
    cdef uint8_t out[CHALLENGE_TOKEN_BYTES]
    cdef const uint8_t[::1] k = view_exactly(key, KEY_BYTES, "key")
    cdef uint64_t number = checked_int(sequence, 0, U64_MAX, "sequence")
    token.client_id = checked_int(client_id, 0, U64_MAX, "client_id")
    copy_exactly(token.user_data, user_data, USER_DATA_BYTES, "user_data")
    challenge_token_seal(&token, number, &k[0], out)
    return out[:CHALLENGE_TOKEN_BYTES]


def open_challenge(sealed, *, sequence, key):
    """Return ``(client_id, user_data)`` of a challenge token; DecodeError when it is not ours."""
    cdef challenge_token token
    cdef const uint8_t[::1] s = sealed_exactly(sealed, CHALLENGE_TOKEN_BYTES, "sealed")
    cdef const uint8_t[::1] k = view_exactly(key, KEY_BYTES, "key")
    cdef uint64_t number = checked_int(sequence, 0, U64_MAX, "sequence")
    if challenge_token_open(&token, number, &k[0], &s[0]) < 0:
        raise DecodeError("the challenge token is not authentic")
    return token.client_id, token.user_data[:USER_DATA_BYTES]
