"""netcode 1.02 in plain Python, written from the standard's text.

The cipher is the ``cryptography`` package's, a second implementation beside libsodium; XChaCha20
adds the HChaCha20 of draft-irtf-cfrg-xchacha-03.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

VERSION = b"NETCODE 1.02\0"
U32 = 0xFFFFFFFF
BODY_SIZES = {1: (0, 0), 2: (308, 308), 3: (308, 308), 4: (8, 8), 5: (1, 1200), 6: (0, 0)}


# Ciphers


def quarter_round(s: list[int], a: int, b: int, c: int, d: int) -> None:
    for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = (s[x] + s[y]) & U32
        mixed = s[z] ^ s[x]
        s[z] = ((mixed << bits) | (mixed >> (32 - bits))) & U32


def hchacha20(key: bytes, nonce16: bytes) -> bytes:
    state = list(struct.unpack("<12I4I", b"expand 32-byte k" + key + nonce16))
    for _ in range(10):
        for i in range(4):
            quarter_round(state, i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter_round(state, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return struct.pack("<8I", *state[:4], *state[12:])


def seal(message: bytes, nonce: bytes, key: bytes, ad: bytes = b"") -> bytes:
    return ChaCha20Poly1305(key).encrypt(nonce, message, ad)


def unseal(sealed: bytes, nonce: bytes, key: bytes, ad: bytes = b"") -> bytes | None:
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, sealed, ad)
    except InvalidTag:
        return None


def xseal(message: bytes, nonce: bytes, key: bytes, ad: bytes = b"") -> bytes:
    return seal(message, bytes(4) + nonce[16:], hchacha20(key, nonce[:16]), ad)


def xunseal(sealed: bytes, nonce: bytes, key: bytes, ad: bytes = b"") -> bytes | None:
    return unseal(sealed, bytes(4) + nonce[16:], hchacha20(key, nonce[:16]), ad)


def sequence_nonce(sequence: int) -> bytes:
    return bytes(4) + sequence.to_bytes(8, "little")


# Addresses


def parse_address(text: str) -> tuple[str, int] | None:
    """(packed ip as text, port) in canonical form, or None."""
    port = 0
    inner = text
    if text.startswith("["):
        if match := re.fullmatch(r"\[(.*)\]:([0-9]{1,5})", text, re.DOTALL):
            inner, port = match[1], int(match[2])
            host = canonical_host(inner)
            return (host, port) if host and port <= 65535 else None
        inner = text[1:].removesuffix("]")
    if host := canonical_host(inner):
        return host, 0
    if match := re.fullmatch(r"([0-9.]+):([0-9]{1,5})", inner):
        host, port = canonical_host(match[1]), int(match[2])
        return (host, port) if host and port <= 65535 else None
    return None


def canonical_host(text: str) -> str | None:
    try:
        return host_text(ipaddress.ip_address(text)) if "%" not in text else None
    except ValueError:
        return None


def host_text(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """The shortest form; a dotted quad in ::ffff:a.b.c.d and ::a.b.c.d, as glibc writes them."""
    quad = ipaddress.IPv4Address(int(ip) & U32)
    if ip.version == 6 and int(ip) >> 32 == 0xFFFF:
        return f"::ffff:{quad}"
    if ip.version == 6 and 0xFFFF < int(ip) <= U32:
        return f"::{quad}"
    return str(ip)


def format_address(host: str, port: int) -> str:
    if port == 0:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def address_bytes(host: str, port: int, order: str = "standard") -> bytes:
    packed = ipaddress.ip_address(host).packed
    if len(packed) == 4:
        return b"\1" + packed + struct.pack("<H", port)
    if order == "standard":
        packed = struct.pack("<8H", *struct.unpack(">8H", packed))
    return b"\2" + packed + struct.pack("<H", port)


def read_address(data: bytes, order: str = "standard") -> tuple[tuple[str, int], int] | None:
    """((host, port), bytes used), or None."""
    if data[:1] == b"\1" and len(data) >= 7:
        host = str(ipaddress.IPv4Address(data[1:5]))
        return (host, int.from_bytes(data[5:7], "little")), 7
    if data[:1] == b"\2" and len(data) >= 19:
        packed = data[1:17]
        if order == "standard":
            packed = struct.pack(">8H", *struct.unpack("<8H", packed))
        host = host_text(ipaddress.IPv6Address(packed))
        return (host, int.from_bytes(data[17:19], "little")), 19
    return None


# Tokens


def server_list(timeout: int, servers: list[tuple[str, int]], order: str) -> bytes:
    listed = b"".join(address_bytes(*server, order) for server in servers)
    return struct.pack("<iI", timeout, len(servers)) + listed


def private_plain(
    client_id: int,
    timeout: int,
    servers: list[tuple[str, int]],
    keys: bytes,
    user_data: bytes,
    order: str = "standard",
) -> bytes:
    body = struct.pack("<Q", client_id) + server_list(timeout, servers, order) + keys + user_data
    return body.ljust(1024, b"\0")


def private_ad(protocol_id: int, expire: int) -> bytes:
    return VERSION + struct.pack("<QQ", protocol_id, expire)


def seal_private(plain: bytes, protocol_id: int, expire: int, nonce: bytes, key: bytes) -> bytes:
    return xseal(plain[:1008], nonce, key, private_ad(protocol_id, expire))


def open_private(
    sealed: bytes, protocol_id: int, expire: int, nonce: bytes, key: bytes
) -> bytes | None:
    return xunseal(sealed, nonce, key, private_ad(protocol_id, expire))


def read_servers(data: bytes, order: str) -> tuple[int, list[tuple[str, int]], bytes] | None:
    """(timeout, servers, what follows), or None."""
    timeout, count = struct.unpack_from("<iI", data)
    if not 1 <= count <= 32:
        return None
    servers = []
    data = data[8:]
    for _ in range(count):
        found = read_address(data, order)
        if found is None:
            return None
        servers.append(found[0])
        data = data[found[1] :]
    return timeout, servers, data


def public_bytes(
    protocol_id: int,
    create: int,
    expire: int,
    nonce: bytes,
    sealed: bytes,
    timeout: int,
    servers: list[tuple[str, int]],
    keys: bytes,
    order: str = "standard",
) -> bytes:
    head = VERSION + struct.pack("<QQQ", protocol_id, create, expire) + nonce + sealed
    return (head + server_list(timeout, servers, order) + keys).ljust(2048, b"\0")


def public_acceptable(data: bytes, order: str = "standard") -> bool:
    create, expire = struct.unpack_from("<QQ", data, 21)
    return (
        len(data) == 2048
        and data[:13] == VERSION
        and create <= expire
        and read_servers(data[1085:], order) is not None
    )


def challenge_plain(client_id: int, user_data: bytes) -> bytes:
    return (struct.pack("<Q", client_id) + user_data).ljust(300, b"\0")


def seal_challenge(client_id: int, user_data: bytes, sequence: int, key: bytes) -> bytes:
    return seal(challenge_plain(client_id, user_data)[:284], sequence_nonce(sequence), key)


# Packets


def packet_ad(protocol_id: int, prefix: int) -> bytes:
    return VERSION + struct.pack("<QB", protocol_id, prefix)


def seal_packet(
    type_id: int,
    sequence: int,
    body: bytes,
    protocol_id: int,
    key: bytes,
    sequence_bytes: int | None = None,
) -> bytes:
    """Any body for any type, and any number of sequence bytes, as a hostile peer might."""
    size = sequence_bytes or max(1, (sequence.bit_length() + 7) // 8)
    prefix = (size << 4 | type_id) & 0xFF
    sealed = seal(body, sequence_nonce(sequence), key, packet_ad(protocol_id, prefix))
    return bytes([prefix]) + sequence.to_bytes(size, "little") + sealed


def request_packet(protocol_id: int, expire: int, nonce: bytes, sealed: bytes) -> bytes:
    return b"\0" + VERSION + struct.pack("<QQ", protocol_id, expire) + nonce + sealed


def read_packet(
    data: bytes,
    protocol_id: int,
    key: bytes | None,
    allowed: int,
    window: ReplayArray | None = None,
    max_payload: int = 1200,
) -> tuple[str, int, int, bytes]:
    """(reason, type, sequence, body) of an encrypted packet, by the standard's list of steps."""
    if len(data) < 18:
        return "too_small", 7, 0, b""
    if len(data) > 1325:
        return "too_large", 7, 0, b""
    type_id, size = data[0] & 15, data[0] >> 4
    if type_id >= 7:
        return "type_unknown", type_id, 0, b""
    if not allowed >> type_id & 1:
        return "type_not_allowed", type_id, 0, b""
    if type_id == 0:
        return ("request_prefix" if data[0] else "type_not_allowed"), 0, 0, b""
    if not 1 <= size <= 8:
        return "sequence_size", type_id, 0, b""
    if len(data) < 1 + size + 16:
        return "truncated", type_id, 0, b""
    sequence = int.from_bytes(data[1 : 1 + size], "little")
    if len(data) - 1 - size - 16 > 1300:
        return "too_large", type_id, sequence, b""
    if key is None:
        return "no_key", type_id, sequence, b""
    replayed = window is not None and type_id >= 4
    if window is not None and replayed and not window.check(sequence):
        return "replayed", type_id, sequence, b""
    ad = packet_ad(protocol_id, data[0])
    body = unseal(data[1 + size :], sequence_nonce(sequence), key, ad)
    if body is None:
        return "forged", type_id, sequence, b""
    if window is not None and replayed:
        window.advance(sequence)
    low, high = BODY_SIZES[type_id]
    if not low <= len(body) <= (max_payload if type_id == 5 else high):
        return "body_size", type_id, sequence, b""
    return "ok", type_id, sequence, body


def read_request(data: bytes, protocol_id: int, unix_now: int, keys: list[bytes]) -> str:
    """The reason, by the standard's list of steps; "ok" when a private token comes out."""
    if len(data) != 1078:
        return "request_size"
    if data[0]:
        return "request_prefix"
    if data[1:14] != VERSION:
        return "request_version"
    found_protocol, expire = struct.unpack_from("<QQ", data, 14)
    if found_protocol != protocol_id:
        return "request_protocol"
    if expire <= unix_now:
        return "request_expired"
    for key in keys:
        plain = open_private(data[54:], protocol_id, expire, data[30:54], key)
        if plain is not None:
            return "ok" if read_servers(plain[8:], "standard") else "request_invalid"
    return "request_forged"


# Replay


@dataclass
class ReplayArray:
    """256 slots, each the sequence last received there; None stands for never."""

    most_recent: int = 0

    def __post_init__(self) -> None:
        self.slots: list[int | None] = [None] * 256

    def check(self, sequence: int) -> bool:
        if self.most_recent >= 256 and sequence <= self.most_recent - 256:
            return False
        slot = self.slots[sequence % 256]
        return slot is None or slot < sequence

    def advance(self, sequence: int) -> None:
        self.most_recent = max(self.most_recent, sequence)
        self.slots[sequence % 256] = sequence
