"""packet: every refusal by name, hostile datagrams, and agreement with the oracle."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import security as oracle

from netcode.errors import ConfigError
from netcode.security import (
    PACKET_REASONS,
    Address,
    OpenedPacket,
    PacketType,
    PrivateToken,
    ReplayWindow,
    open_packet,
    open_request,
    seal_packet,
    seal_request,
)
from netcode.security.packet import CLIENT_PACKETS, SERVER_PACKETS

PROTOCOL = 0x1122334455667788
KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
NONCE = bytes(range(24))
EXPIRE = 1_800_000_030
BODIES = {1: b"", 2: bytes(308), 3: bytes(308), 4: bytes(8), 5: b"payload", 6: b""}
SERVERS = (Address("192.0.2.1", 1), Address("2001:db8::1", 2))
TOKEN = PrivateToken(9, 15, SERVERS, KEY, OTHER_KEY, bytes(256))
SEALED = TOKEN.seal(protocol_id=PROTOCOL, expire_timestamp=EXPIRE, nonce=NONCE, private_key=KEY)
REQUEST = seal_request(protocol_id=PROTOCOL, expire_timestamp=EXPIRE, nonce=NONCE, sealed=SEALED)


def packet(kind: int, sequence: int = 1000, body: bytes | None = None) -> bytes:
    body = BODIES[kind] if body is None else body
    return oracle.seal_packet(kind, sequence, body, PROTOCOL, KEY)


def opened(data: bytes, allowed: int = 0x7F, window: ReplayWindow | None = None) -> OpenedPacket:
    return open_packet(data, protocol_id=PROTOCOL, key=KEY, allowed=allowed, window=window)


def asked(data: bytes, now: int = EXPIRE - 1, keys: tuple[bytes, ...] = (KEY,)) -> str:
    return open_request(data, protocol_id=PROTOCOL, unix_now=now, private_keys=keys).reason


# Agreement

sequences = st.integers(0, 2**64 - 1) | st.integers(0, 64).map(lambda bits: (1 << bits) - 1)


@given(st.integers(1, 6), sequences, st.binary(min_size=1, max_size=1200), st.data())
def test_seal_as_the_oracle(kind: int, sequence: int, payload: bytes, data: st.DataObject) -> None:
    body = payload if kind == 5 else (payload * 308)[: len(BODIES[kind])]
    sealed = seal_packet(kind, sequence, body, protocol_id=PROTOCOL, key=KEY)
    assert sealed == oracle.seal_packet(kind, sequence, body, PROTOCOL, KEY)
    assert opened(sealed) == ("ok", kind, sequence, body)
    longer = data.draw(st.integers((sequence.bit_length() + 7) // 8 or 1, 8))
    padded = oracle.seal_packet(kind, sequence, body, PROTOCOL, KEY, longer)
    assert opened(padded) == ("ok", kind, sequence, body)


@given(
    st.integers(0, 15),
    st.integers(0, 600),
    st.sampled_from([0, 1, 7, 8, 9, 307, 308, 309, 1199, 1200, 1201, 1299, 1300, 1301, 1400]),
    st.integers(1, 15),
    st.integers(0, 255),
    st.none() | st.tuples(st.integers(0, 2**16), st.integers(1, 255)),
    st.sampled_from([1, 1200, 1300]),
)
def test_read_as_the_oracle(
    kind: int,
    sequence: int,
    size: int,
    sequence_bytes: int,
    allowed: int,
    damage: tuple[int, int] | None,
    max_payload: int,
) -> None:
    """The same reason, type and sequence, and the same window afterwards, for anything."""
    sequence_bytes = max(sequence_bytes, (sequence.bit_length() + 7) // 8)
    data = bytearray(oracle.seal_packet(kind, sequence, bytes(size), PROTOCOL, KEY, sequence_bytes))
    if damage:
        data[damage[0] % len(data)] ^= damage[1]
    window, array = ReplayWindow(), oracle.ReplayArray()
    window.advance(300)
    array.advance(300)
    for _ in range(2):
        expected = oracle.read_packet(bytes(data), PROTOCOL, KEY, allowed, array, max_payload)
        found = open_packet(
            data,
            protocol_id=PROTOCOL,
            key=KEY,
            allowed=allowed,
            window=window,
            max_payload=max_payload,
        )
        assert found == expected
        assert window.most_recent == array.most_recent


@given(st.binary(max_size=1500), st.booleans())
def test_garbage(data: bytes, known: bool) -> None:
    found = open_packet(data, protocol_id=PROTOCOL, key=KEY if known else None)
    assert found == oracle.read_packet(data, PROTOCOL, KEY if known else None, 0x7F)
    assert found.reason in PACKET_REASONS[1:]
    assert asked(data) == oracle.read_request(data, PROTOCOL, EXPIRE - 1, [KEY])


# Hostile forms of valid packets


@pytest.mark.parametrize("kind", range(1, 7))
def test_every_truncation_is_refused(kind: int) -> None:
    whole = packet(kind)
    assert opened(whole).reason == "ok"
    for size in range(len(whole)):
        found = opened(whole[:size])
        assert found.reason in ("too_small", "truncated", "forged"), size
        assert found.body == b""
    assert opened(whole + b"\0").reason == "forged"


@pytest.mark.parametrize("kind", range(1, 7))
def test_every_bit_flip_is_refused(kind: int) -> None:
    whole = packet(kind)
    seen = set()
    for bit in range(len(whole) * 8):
        altered = bytearray(whole)
        altered[bit // 8] ^= 1 << bit % 8
        window = ReplayWindow()
        found = opened(bytes(altered), window=window)
        assert found.reason in PACKET_REASONS[1:], bit
        assert window.most_recent == 0, "a forgery moved the window"
        seen.add(found.reason)
    assert "forged" in seen


def test_every_truncation_of_a_request_is_refused() -> None:
    assert asked(REQUEST) == "ok"
    assert {asked(REQUEST[:size]) for size in range(len(REQUEST))} == {"request_size"}
    assert asked(REQUEST + b"\0") == "request_size"


def test_every_bit_flip_of_a_request_is_refused() -> None:
    where = {0: "prefix", 1: "version", 14: "protocol", 22: "expired", 30: "forged", 1078: ""}
    for bit in range(len(REQUEST) * 8):
        altered = bytearray(REQUEST)
        altered[bit // 8] ^= 1 << bit % 8
        part = where[max(start for start in where if start <= bit // 8)]
        reason = asked(bytes(altered))
        # An expiry may also be moved later; then the token no longer opens.
        expected = (
            {f"request_{part}", "request_forged"} if part == "expired" else {f"request_{part}"}
        )
        assert reason in expected, bit


def test_requests_and_other_packets_do_not_pass_for_each_other() -> None:
    assert opened(REQUEST).reason == "type_not_allowed"
    assert asked(packet(5, body=bytes(1059))) == "request_prefix"
    assert opened(packet(5, body=bytes(1059))).reason == "ok"


# Each reason by itself


def test_reasons_are_distinct_names() -> None:
    assert len(set(PACKET_REASONS)) == len(PACKET_REASONS) == 20
    assert PACKET_REASONS[0] == "ok"
    assert all(reason.isidentifier() for reason in PACKET_REASONS)


def test_roles() -> None:
    for kind in PacketType:
        data = packet(kind) if kind else REQUEST
        assert opened(data, 1 << kind).reason == ("ok" if kind else "type_not_allowed")
        assert opened(data, 0x7F ^ 1 << kind).reason == "type_not_allowed"
    assert [bin(mask) for mask in (SERVER_PACKETS, CLIENT_PACKETS)] == ["0b1111001", "0b1110110"]


def test_reading_order() -> None:
    """A packet wrong in several ways is refused for the first of them."""
    assert opened(b"\x17" * 17, 0).reason == "too_small"
    assert opened(b"\xff" * 18, 0).reason == "type_unknown"
    assert opened(b"\xf6" + bytes(17), 0).reason == "type_not_allowed"
    assert opened(b"\x06" + bytes(17)).reason == "sequence_size"
    assert opened(b"\x96" + bytes(40)).reason == "sequence_size"
    assert opened(b"\x86" + bytes(23)).reason == "truncated"
    assert opened(b"\x86" + bytes(24)).reason == "forged"
    assert opened(b"\x10" + bytes(40)).reason == "request_prefix"
    assert opened(packet(5, body=bytes(1307))).reason == "too_large"
    assert opened(packet(5, body=bytes(1301))).reason == "too_large"
    assert opened(packet(5, body=bytes(1300))).reason == "body_size"
    window = ReplayWindow()
    window.advance(1000)
    altered = packet(6)[:-1] + b"\0"
    assert opened(altered, window=window).reason == "replayed"
    assert opened(altered).reason == "forged"
    assert open_packet(altered, protocol_id=PROTOCOL, key=None).reason == "no_key"


def test_replay_protection_of_the_three_types() -> None:
    for kind in range(1, 7):
        window = ReplayWindow()
        again = "replayed" if kind >= 4 else "ok"
        assert [opened(packet(kind), window=window).reason for _ in range(2)] == ["ok", again]
        assert window.most_recent == (1000 if kind >= 4 else 0)


def test_a_wrong_body_size_still_moves_the_window() -> None:
    window = ReplayWindow()
    assert opened(packet(4, 7, bytes(9)), window=window).reason == "body_size"
    assert window.most_recent == 7


def test_another_protocol_or_key() -> None:
    data = packet(5)
    assert open_packet(data, protocol_id=PROTOCOL + 1, key=KEY).reason == "forged"
    assert open_packet(data, protocol_id=PROTOCOL, key=OTHER_KEY).reason == "forged"


def test_expiry_of_a_request() -> None:
    assert [asked(REQUEST, EXPIRE + n) for n in (-1, 0, 1)] == ["ok", *["request_expired"] * 2]
    forever = seal_request(
        protocol_id=PROTOCOL,
        expire_timestamp=2**64 - 1,
        nonce=NONCE,
        sealed=TOKEN.seal(
            protocol_id=PROTOCOL, expire_timestamp=2**64 - 1, nonce=NONCE, private_key=KEY
        ),
    )
    assert asked(forever, 2**64 - 2) == "ok"


def test_two_private_keys() -> None:
    for keys, index in (((KEY, OTHER_KEY), 0), ((OTHER_KEY, KEY), 1)):
        found = open_request(REQUEST, protocol_id=PROTOCOL, unix_now=0, private_keys=keys)
        assert (found.reason, found.key_index, found.token) == ("ok", index, TOKEN)
        assert (found.expire_timestamp, found.nonce, found.sealed) == (EXPIRE, NONCE, SEALED)
    assert asked(REQUEST, keys=(OTHER_KEY, bytes(32))) == "request_forged"
    for wrong in ((), (KEY, KEY, KEY)):
        with pytest.raises(ConfigError, match="1 or 2 keys of 32 bytes, not"):
            asked(REQUEST, keys=wrong)


@given(
    st.integers(0, 2**32 - 1) | st.integers(0, 40),
    st.lists(st.sampled_from([b"\0", b"\1", b"\2", b"\3"]), max_size=40),
)
def test_a_private_token_of_an_issuer_gone_mad(count: int, kinds: list[bytes]) -> None:
    """Sealed with the right key, so only the reader of its content stands between."""
    plain = bytes(12) + count.to_bytes(4, "little")
    plain += b"".join(kind + bytes(18 if kind == b"\2" else 6) for kind in kinds)
    plain = plain[:1008].ljust(1008, b"\2")
    sealed = oracle.seal_private(plain, PROTOCOL, EXPIRE, NONCE, KEY)
    data = oracle.request_packet(PROTOCOL, EXPIRE, NONCE, sealed)
    expected = oracle.read_request(data, PROTOCOL, 0, [KEY])
    assert expected in ("ok", "request_invalid")
    assert asked(data) == expected


# Our own mistakes


@pytest.mark.parametrize(
    ("kind", "size", "said"),
    [
        (0, 0, "type 0 is not an integer from 1 to 6"),
        (7, 0, "type 7"),
        (1, 1, "the body of a denied packet must be 0 bytes, not 1"),
        (3, 307, "the body of a response packet must be 308 bytes, not 307"),
        (4, 0, "the body of a keep_alive packet must be 8 bytes"),
        (5, 0, "the body of a payload packet must be 1 to 1200 bytes, not 0"),
        (5, 1201, "1 to 1200 bytes, not 1201"),
        (5, 1 << 20, "1 to 1200 bytes, not 1048576"),
    ],
)
def test_seal_refuses(kind: int, size: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        seal_packet(kind, 0, bytes(size), protocol_id=PROTOCOL, key=KEY)


def test_seal_refuses_numbers_out_of_range() -> None:
    for sequence, protocol in ((-1, 0), (2**64, 0), (0, -1), (0, 2**64), (True, 0), (0.0, 0)):
        with pytest.raises(ConfigError, match="is not an integer from 0 to 18446744073709551615"):
            seal_packet(6, sequence, b"", protocol_id=protocol, key=KEY)  # type: ignore[arg-type]
    for limit in (0, 1301):
        with pytest.raises(ConfigError, match=f"max_payload {limit}"):
            seal_packet(6, 0, b"", protocol_id=0, key=KEY, max_payload=limit)


def test_the_larger_payload_of_a_dialect() -> None:
    body = random.Random(1).randbytes(1300)
    data = seal_packet(5, 1, body, protocol_id=PROTOCOL, key=KEY, max_payload=1300)
    assert open_packet(data, protocol_id=PROTOCOL, key=KEY, max_payload=1300).body == body
    assert opened(data).reason == "body_size"
