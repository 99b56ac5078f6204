"""The security floor against vectors of netcode 1.02.

Twice: the project's own table beside this file, made by tests/oracle/security_vectors.py, and the
interop vectors (netcode.json), which the reference implementation made.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oracle.security_vectors import text as oracle_text
from vectors import load

from netcode.errors import ConfigError, TokenError
from netcode.security.address import Address, parse_address
from netcode.security.connect import ConnectToken
from netcode.security.packet import (
    PACKET_REASONS,
    OpenedRequest,
    open_packet,
    open_request,
    seal_packet,
    seal_request,
)
from netcode.security.replay import ReplayWindow
from netcode.security.token import PrivateToken, open_challenge, seal_challenge

FILE = "netcode.json"
OWN = Path(__file__).with_name("vectors.json")
CLIENT_KEYS = ("client_to_server", "server_to_client")
Case = dict[str, Any]
Cases = Callable[[str], list[Case]]


@pytest.fixture(params=["own", "shared"])
def cases(request: pytest.FixtureRequest) -> Cases:
    if request.param == "shared":
        return lambda key: load(FILE, key)
    table: dict[str, list[Case]] = json.loads(OWN.read_text(encoding="utf-8"))
    return lambda key: table[key]


def test_own_vectors_are_what_the_oracle_makes() -> None:
    assert OWN.read_text(encoding="utf-8") == oracle_text()


def servers(texts: list[str]) -> tuple[Address, ...]:
    return tuple(parse_address(text) for text in texts)


def test_vector_connect_tokens(cases: Cases) -> None:
    for case in cases("connect_tokens"):
        private_key, nonce = bytes.fromhex(case["private_key"]), bytes.fromhex(case["nonce"])
        keys = [bytes.fromhex(case[f"{name}_key"]) for name in CLIENT_KEYS]
        private = PrivateToken(
            case["client_id"],
            case["timeout_seconds"],
            servers(case["internal_addresses"]),
            keys[0],
            keys[1],
            bytes.fromhex(case["user_data"]),
        )
        assert private.to_bytes().hex() == case["private_plaintext"]
        assert PrivateToken.from_bytes(private.to_bytes()) == private
        sealed = private.seal(
            protocol_id=case["protocol_id"],
            expire_timestamp=case["expire_timestamp"],
            nonce=nonce,
            private_key=private_key,
        )
        assert sealed.hex() == case["private_encrypted"]
        token = ConnectToken(
            protocol_id=case["protocol_id"],
            create_timestamp=case["create_timestamp"],
            expire_timestamp=case["expire_timestamp"],
            timeout=case["timeout_seconds"],
            servers=servers(case["public_addresses"]),
            nonce=nonce,
            sealed=sealed,
            client_to_server_key=keys[0],
            server_to_client_key=keys[1],
        )
        assert token.to_bytes().hex() == case["connect_token"]
        read = ConnectToken.from_bytes(bytes.fromhex(case["connect_token"]))
        assert read == token
        assert read.open_private(private_key) == private


def test_vector_connect_tokens_by_create(cases: Cases) -> None:
    """The same bytes from the call that applications use, where its stricter rules admit them."""
    tried = 0
    for case in cases("connect_tokens"):
        expire, created = case["expire_timestamp"], case["create_timestamp"]
        drawn = iter([case["nonce"], *(case[f"{name}_key"] for name in CLIENT_KEYS)])
        try:
            token = ConnectToken.create(
                protocol_id=case["protocol_id"],
                private_key=bytes.fromhex(case["private_key"]),
                client_id=case["client_id"],
                servers=case["public_addresses"],
                internal_servers=case["internal_addresses"],
                unix_now=created,
                expires_in=None if expire == 2**64 - 1 else expire - created,
                timeout=None if case["timeout_seconds"] == -1 else case["timeout_seconds"],
                user_data=bytes.fromhex(case["user_data"]),
                entropy=lambda size: bytes.fromhex(next(drawn)),  # noqa: B023
            )
        except ConfigError:
            continue
        tried += 1
        assert token.to_bytes().hex() == case["connect_token"]
    assert tried


def test_vector_connect_token_reads(cases: Cases) -> None:
    tokens = cases("connect_tokens")
    for case in cases("connect_token_reads"):
        if case["base_token_index"] >= len(tokens):
            continue
        data = bytearray.fromhex(tokens[case["base_token_index"]]["connect_token"])
        patch = bytes.fromhex(case["patch"])
        data[case["patch_offset"] : case["patch_offset"] + len(patch)] = patch
        if case["accept"]:
            assert ConnectToken.from_bytes(bytes(data)).to_bytes()
        else:
            with pytest.raises(TokenError):
                ConnectToken.from_bytes(bytes(data))


def test_vector_challenge_tokens(cases: Cases) -> None:
    for case in cases("challenge_tokens"):
        user_data, key = bytes.fromhex(case["user_data"]), bytes.fromhex(case["key"])
        sealed = seal_challenge(case["client_id"], user_data, sequence=case["sequence"], key=key)
        assert sealed.hex() == case["encrypted"]
        opened = open_challenge(sealed, sequence=case["sequence"], key=key)
        assert opened == (case["client_id"], user_data)


def test_vector_packets(cases: Cases) -> None:
    for case in cases("packets"):
        packet, key = bytes.fromhex(case["packet"]), bytes.fromhex(case["key"])
        assert len(packet) == case["size"]
        if case["type_id"] == 0:
            built = seal_request(
                protocol_id=case["protocol_id"],
                expire_timestamp=int.from_bytes(packet[22:30], "little"),
                nonce=packet[30:54],
                sealed=packet[54:],
            )
            assert built == packet
            continue
        body = bytes.fromhex(case["body_plaintext"])
        built = seal_packet(
            case["type_id"], case["sequence"], body, protocol_id=case["protocol_id"], key=key
        )
        assert built == packet
        opened = open_packet(packet, protocol_id=case["protocol_id"], key=key)
        assert opened == ("ok", case["type_id"], case["sequence"], body)


def read(case: Case) -> tuple[bool, int, int]:
    """Accepted, type, sequence; as the two readers together see it."""
    packet = bytes.fromhex(case["packet"])
    if packet[:1] == b"\0" and case["allowed_mask"] & 1:
        keys = [bytes.fromhex(case["private_key"])] if case.get("private_key") else [bytes(32)]
        request: OpenedRequest = open_request(
            packet, protocol_id=case["protocol_id"], unix_now=case["now"], private_keys=keys
        )
        assert request.reason in PACKET_REASONS
        # The reference reads a packet before it looks inside the private token.
        return request.reason in ("ok", "request_invalid"), 0, 0
    opened = open_packet(
        packet,
        protocol_id=case["protocol_id"],
        key=bytes.fromhex(case["key"]) if case.get("key") else None,
        allowed=case["allowed_mask"],
    )
    assert opened.reason in PACKET_REASONS
    return opened.reason == "ok", opened.type, opened.sequence


def test_vector_packet_reads(cases: Cases) -> None:
    for case in cases("packet_reads"):
        accepted, type_id, sequence = read(case)
        assert accepted == case["accept"], case["name"]
        if accepted:
            assert (type_id, sequence) == (case["type_id"], case["sequence"]), case["name"]


def test_vector_replay_protection(cases: Cases) -> None:
    for case in cases("replay_protection"):
        window = ReplayWindow()
        for sequence, accepted in case["steps"]:
            assert window.check(sequence) == accepted, (case["name"], sequence)
            if accepted:
                window.advance(sequence)
        assert window.most_recent == case["most_recent"]


def test_vector_addresses(cases: Cases) -> None:
    for case in cases("addresses"):
        if not case["accept"]:
            with pytest.raises(ConfigError):
                parse_address(case["input"])
            continue
        address = parse_address(case["input"])
        assert (address.family, address.port) == ({1: 4, 2: 6}[case["type"]], case["port"])
        assert str(address) == case["to_string"]
        assert address.to_bytes().hex() == case["wire"]
        assert Address.from_bytes(address.to_bytes()) == address


def test_vector_transcript_opens() -> None:
    """Every datagram of the session opens; who answers what is the session floor's test."""
    run = load(FILE, "transcript")
    token = ConnectToken.from_bytes(bytes.fromhex(run["connect_token"]))
    windows = {"c2s": ReplayWindow(), "s2c": ReplayWindow()}
    keys = {"c2s": token.client_to_server_key, "s2c": token.server_to_client_key}
    for entry in run["packets"]:
        packet = bytes.fromhex(entry["packet"])
        if packet[0] == 0:
            request = open_request(
                packet,
                protocol_id=run["protocol_id"],
                unix_now=0,
                private_keys=[bytes(32), bytes.fromhex(run["private_key"])],
            )
            assert (request.reason, request.key_index) == ("ok", 1)
            continue
        opened = open_packet(
            packet,
            protocol_id=run["protocol_id"],
            key=keys[entry["dir"]],
            window=windows[entry["dir"]],
        )
        assert opened.reason == "ok"
        if opened.type in (2, 3):
            challenge, key = opened.body[8:], bytes.fromhex(run["challenge_key"])
            sequence = int.from_bytes(opened.body[:8], "little")
            assert open_challenge(challenge, sequence=sequence, key=key)
