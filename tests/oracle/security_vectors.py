"""Makes tests/security/vectors.json: the project's own vectors, in the format of netcode.json.

    python tests/oracle/security_vectors.py

Nothing of the library takes part: the bytes are those of tests/oracle/security.py.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from oracle import security as oracle

OUTPUT = Path(__file__).parent.parent / "security" / "vectors.json"
PROTOCOL = 0x0102030405060708
CREATED = 1_800_000_000
TOP = 2**64 - 1

Case = dict[str, Any]

ADDRESSES = (
    "10.20.30.40", "10.20.30.40:1", "0.0.0.0:65535", "[::]:9", "::", "2001:db8:0:1::", "1::2:0:0:3",
    "[::ffff:192.0.2.1]:7000", "::192.0.2.1", "[2001:0DB8:0000:0000:0001:0000:0000:0001]:40000",
    "a:b:c:d:e:f:1.2.3.4", "[10.0.0.1]:80", "[10.0.0.1", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8",
    "0:0:1::", "10.20.30.40:00080", "fe80::1%eth0", "1.2.3", "1.2.3.4:65536", "1.2.3.4:+1",
    "1.2.3.4:000080", "1.2.3.004", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "1::2::3", ":1", "1:",
    "12345::", "[::1]:", "[::1]:99999", "[]", "[]:1", "]", "1.2.3.4:5:6", "::1.2.3", "::1.2.3.4:5",
    "::1.2.3.4.5", "1:2:3:4:5:6:7:1.2.3.4", "example.org:1", "1.2.3.4 ", "0x7f.1.1.1", ":::",
    "[::]]",
)  # fmt: skip


def filler(label: str, size: int) -> bytes:
    """Bytes that look random and never change."""
    return hashlib.shake_128(label.encode()).digest(size)


def token(name: str, timeout: int, expire: int, public: list[str], internal: list[str]) -> Case:
    nonce, key = filler(name + "nonce", 24), filler("private", 32)
    to_server, to_client = filler(name + "c2s", 32), filler(name + "s2c", 32)
    client_id = int.from_bytes(filler(name, 8), "little")
    user_data = filler(name + "user", 256)
    parsed = {text: oracle.parse_address(text) for text in public + internal}
    inner = [address for text in internal if (address := parsed[text])]
    outer = [address for text in public if (address := parsed[text])]
    plain = oracle.private_plain(client_id, timeout, inner, to_server + to_client, user_data)
    sealed = oracle.seal_private(plain, PROTOCOL, expire, nonce, key)
    whole = oracle.public_bytes(
        PROTOCOL, CREATED, expire, nonce, sealed, timeout, outer, to_server + to_client
    )
    return {
        "name": name,
        "protocol_id": PROTOCOL,
        "private_key": key.hex(),
        "client_id": client_id,
        "timeout_seconds": timeout,
        "create_timestamp": CREATED,
        "expire_timestamp": expire,
        "nonce": nonce.hex(),
        "public_addresses": public,
        "internal_addresses": internal,
        "client_to_server_key": to_server.hex(),
        "server_to_client_key": to_client.hex(),
        "user_data": user_data.hex(),
        "private_plaintext": plain.hex(),
        "private_encrypted": sealed.hex(),
        "connect_token": whole.hex(),
    }


def connect_tokens() -> list[Case]:
    many = [f"[2001:db8::{n:x}]:{40000 + n}" for n in range(32)]
    mixed = ["192.0.2.1:1", "[2001:db8:1:2:3:4:5:6]:65535"]
    return [
        token("one", 15, CREATED + 30, ["192.0.2.1:40000"], ["10.0.0.1:40000"]),
        token("mixed", 1, CREATED + 1, mixed, mixed[::-1]),
        token("most", -1, TOP, many, many),
    ]


def token_reads() -> list[Case]:
    def patch(name: str, offset: int, data: bytes, accept: bool) -> Case:
        case = {"base_token_index": 0, "patch_offset": offset, "patch": data.hex()}
        return {"name": name, **case, "accept": accept}

    return [
        patch("unchanged", 0, b"", True),
        patch("other_case", 0, b"n", False),
        patch("version_1.03", 11, b"3", False),
        patch("created_when_it_expires", 21, (CREATED + 30).to_bytes(8, "little"), True),
        patch("created_after_it_expires", 21, (CREATED + 31).to_bytes(8, "little"), False),
        patch("no_servers", 1089, bytes(4), False),
        patch("33_servers", 1089, b"\x21", False),
        patch("second_server_is_a_key", 1089, b"\2", filler("onec2s", 1) in (b"\1", b"\2")),
        patch("address_type_0", 1093, b"\0", False),
        patch("address_type_4", 1093, b"\4", False),
        patch("address_type_6", 1093, b"\6", False),
        patch("padding_is_not_looked_at", 2047, b"\1", True),
    ]


def packet_case(type_id: int, sequence: int, size: int) -> Case:
    key, body = filler("packet", 32), filler(f"{type_id} {sequence}", size)
    packet = oracle.seal_packet(type_id, sequence, body, PROTOCOL, key)
    names = ("request", "denied", "challenge", "response", "keep_alive", "payload", "disconnect")
    return {
        "type": names[type_id],
        "type_id": type_id,
        "sequence": sequence,
        "protocol_id": PROTOCOL,
        "key": key.hex(),
        "body_plaintext": body.hex(),
        "size": len(packet),
        "packet": packet.hex(),
    }


def packets() -> list[Case]:
    sizes = {1: 0, 2: 308, 3: 308, 4: 8, 5: 30, 6: 0}
    result = [packet_case(type_id, 1 << 63, sizes[type_id]) for type_id in sizes]
    for n in range(8):
        edge = (0, 1 << 8 * n, (1 << 8 * n + 8) - 1)
        result += [packet_case(5, sequence, 1 + n) for sequence in edge[n > 0 :]]
    return [*result, packet_case(5, TOP, 1200)]


def packet_reads() -> list[Case]:
    key = filler("packet", 32)
    result: list[Case] = []

    def add(name: str, packet: bytes, mask: int = 0x7F, **extra: object) -> None:
        reason, type_id, sequence, _ = oracle.read_packet(packet, PROTOCOL, key, mask)
        case: Case = {"name": name, "packet": packet.hex(), "protocol_id": PROTOCOL, "now": CREATED}
        if packet[:1] == b"\0":
            keys = [filler("private", 32)]
            reason = oracle.read_request(packet, PROTOCOL, CREATED, keys)
            reason = reason if mask & 1 else "type_not_allowed"
            case["private_key"], type_id, sequence = keys[0].hex(), 0, 0
        else:
            case["key"] = key.hex()
        accept = reason in ("ok", "request_invalid")
        case |= {"allowed_mask": mask, "accept": accept, **extra}
        result.append(case | ({"type_id": type_id, "sequence": sequence} if accept else {}))

    for type_id in range(1, 8):
        for size in (0, 1, 7, 8, 9, 307, 308, 309, 1200, 1201):
            body = filler("body", size)
            packet = oracle.seal_packet(type_id, 77, body, PROTOCOL, key)
            if size < 10 or type_id in (2, 3, 5):
                add(f"type_{type_id}_body_{size}", packet)
    for size in (1, 2, 8, 9):
        packet = oracle.seal_packet(5, 77, b"body", PROTOCOL, key, size)
        add(f"sequence_in_{size}_bytes", packet)
    for mask in (0x79, 0x76, 0x5F, 0x20):
        add(f"mask_{mask:#x}", oracle.seal_packet(5, 77, b"body", PROTOCOL, key), mask)
    first = connect_tokens()[0]
    nonce, sealed = bytes.fromhex(first["nonce"]), bytes.fromhex(first["private_encrypted"])
    good = oracle.request_packet(PROTOCOL, first["expire_timestamp"], nonce, sealed)
    add("request", good)
    add("request_not_for_a_client", good, 0x76)
    add("request_longer", good + b"\0")
    add("request_shorter", good[:-1])
    for offset in (1, 13, 14, 21, 22, 30, 53, 54, 1061, 1062, 1077):
        altered = bytearray(good)
        altered[offset] ^= 1
        add(f"request_byte_{offset}", bytes(altered))
    add("request_expired", oracle.request_packet(PROTOCOL, CREATED, nonce, sealed))
    return result


def replay_protection() -> list[Case]:
    jumps = [0, 0, 1, 5, 4, 5, 255, 0, 256, 1, 0, 257, 511, 512, 256, 257, 1023, 768, 767, 769]
    jumps += [10_000, 9_744, 9_745, 9_999, 10_255, 10_000, 9_999, 10_512, 10_256, 10_257, 2**63]
    top = [TOP - 1 - n for n in (600, 0, 255, 256, 254, 0, 1, 1, 300)]
    result = []
    for name, steps in (("jumps", jumps), ("top", top)):
        array = oracle.ReplayArray()
        done = []
        for sequence in steps:
            accepted = array.check(sequence)
            if accepted:
                array.advance(sequence)
            done.append([sequence, accepted])
        result.append(
            {"name": name, "window": 256, "steps": done, "most_recent": array.most_recent}
        )
    return result


def addresses() -> list[Case]:
    result: list[Case] = []
    for text in ADDRESSES:
        found = oracle.parse_address(text)
        case: Case = {"input": text, "accept": found is not None}
        if found:
            case |= {
                "type": 2 if ":" in found[0] else 1,
                "port": found[1],
                "to_string": oracle.format_address(*found),
                "wire": oracle.address_bytes(*found).hex(),
            }
        result.append(case)
    return result


def challenge_tokens() -> list[Case]:
    key = filler("challenge", 32)
    result = []
    for client_id, sequence in ((0, 0), (TOP, 1), (2**63, 2**40), (7, TOP)):
        user_data = filler(f"challenge {sequence}", 256)
        result.append(
            {
                "client_id": client_id,
                "user_data": user_data.hex(),
                "sequence": sequence,
                "key": key.hex(),
                "plaintext": oracle.challenge_plain(client_id, user_data).hex(),
                "encrypted": oracle.seal_challenge(client_id, user_data, sequence, key).hex(),
            }
        )
    return result


def make() -> dict[str, list[Case]]:
    return {
        "connect_tokens": connect_tokens(),
        "connect_token_reads": token_reads(),
        "challenge_tokens": challenge_tokens(),
        "packets": packets(),
        "packet_reads": packet_reads(),
        "replay_protection": replay_protection(),
        "addresses": addresses(),
    }


def text() -> str:
    """One case a line, so that a change shows as what it is."""
    parts = []
    for key, items in make().items():
        lines = ",\n".join("  " + json.dumps(item) for item in items)
        parts.append(f' "{key}": [\n{lines}\n ]')
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    OUTPUT.write_text(text(), encoding="utf-8")
