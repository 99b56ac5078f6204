"""Connection requests and responses: every refusal, in the standard's order, each counted."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from session.harness import (
    EPOCH,
    KEY,
    PROTOCOL,
    SERVER,
    entropy,
    make_server,
    make_token,
    opened,
    reasons,
    request,
    sealed,
)

from netcode.security import ConnectToken, PacketType, open_challenge, seal_challenge
from netcode.session import ServerEndpoint

PEER = ("10.1.0.1", 50000)
OTHER = ("10.1.0.2", 50000)


def replies(server: ServerEndpoint, now: float, peer: Any = None) -> list[tuple[bytes, Any]]:
    return [reply for reply in server.send(now) if peer is None or reply[1] == peer]


def challenge(
    server: ServerEndpoint, token: ConnectToken, peer: Any = PEER, now: float = 0
) -> bytes:
    """Send a request; the body of the challenge that comes back."""
    server.receive_datagram(request(token), peer, now)
    [(data, _)] = replies(server, now, peer)
    packet = opened(token, data)
    assert (packet.reason, packet.type) == ("ok", PacketType.CHALLENGE)
    body: bytes = packet.body
    return body


def join(server: ServerEndpoint, token: ConnectToken, peer: Any = PEER, now: float = 0) -> int:
    """Request and respond; the client's index."""
    before = set(server.connected)
    body = challenge(server, token, peer, now)
    server.receive_datagram(sealed(token, PacketType.RESPONSE, 1, body), peer, now)
    [(data, _)] = replies(server, now, peer)
    packet = opened(token, data)
    assert (packet.type, packet.sequence) == (PacketType.KEEP_ALIVE, 0)
    [index] = set(server.connected) - before
    assert packet.body == index.to_bytes(4, "little") + server.max_clients.to_bytes(4, "little")
    return index


def refused(
    server: ServerEndpoint, datagram: bytes, reason: str, peer: Any = PEER, now: float = 0
) -> None:
    """The datagram changes nothing but one counter, and nobody is answered."""
    before, connected = reasons(server), server.connected
    server.receive_datagram(datagram, peer, now)
    after = reasons(server)
    changed = {k: after.get(k, 0) - before.get(k, 0) for k in after if after[k] != before.get(k, 0)}
    assert changed == {reason: 1}
    assert replies(server, now, peer) == []
    assert server.connected == connected


def test_each_request_refusal_comes_before_the_next() -> None:
    """Start from a request with every fault and mend them in the order of the standard."""
    server = make_server(max_clients=2, max_token_lifetime=30, max_handshakes=1, token_history=3)
    server.update(0)
    late = EPOCH + 1000

    def variant(**options: Any) -> ConnectToken:
        settings: dict[str, Any] = {"unix_now": late, "servers": [OTHER], "entropy": entropy(7)}
        return make_token(1, **settings | options)

    data = request(variant(protocol_id=5))
    refused(server, data[:-1], "request_size")
    refused(server, data[:1] + b"X" + data[2:], "request_version")
    refused(server, data, "request_protocol")
    old = make_token(1, unix_now=EPOCH - 30, private_key=bytes(32))
    refused(server, request(old), "request_expired")
    refused(server, request(variant(private_key=bytes(32))), "request_forged")
    early = make_token(1, unix_now=EPOCH - 1, servers=[OTHER])
    refused(server, request(early), "request_before_start")
    refused(server, request(variant()), "request_other_server")
    token = variant(servers=[SERVER])
    join(server, token)
    refused(server, request(token), "request_address_connected")
    refused(server, request(token), "request_client_connected", OTHER)
    server.disconnect(0)
    assert len(replies(server, 0)) == 10
    server.events()
    refused(server, request(token), "request_token_consumed", OTHER)
    pending = make_token(2, unix_now=late)
    challenge(server, pending)
    refused(server, request(pending), "request_token_elsewhere", OTHER)
    third = make_token(3, unix_now=late)
    refused(server, request(third), "request_handshakes_full", OTHER)
    fourth = make_token(4, unix_now=late)
    refused(server, request(fourth), "request_history_full", OTHER)


def test_each_response_refusal_comes_before_the_next() -> None:
    server = make_server(max_clients=2)
    one, two = make_token(1), make_token(2)
    refused(server, sealed(one, PacketType.RESPONSE, 0, bytes(308)), "unknown_sender")
    body = challenge(server, one)
    refused(server, sealed(two, PacketType.RESPONSE, 0, body), "forged")
    broken = sealed(one, PacketType.RESPONSE, 0, body[:-1] + bytes([body[-1] ^ 1]))
    refused(server, broken, "challenge_forged")
    theirs = challenge(server, two, OTHER)
    refused(server, sealed(one, PacketType.RESPONSE, 0, theirs), "response_foreign")
    server.receive_datagram(sealed(one, PacketType.RESPONSE, 0, body), PEER, 0)
    assert server.connected == [0]
    assert len(replies(server, 0)) == 1
    again = sealed(one, PacketType.RESPONSE, 1, body)
    refused(server, again, "response_address_connected")
    refused(server, sealed(one, PacketType.RESPONSE, 1, bytes(308)), "challenge_forged")


def test_client_id_taken_between_request_and_response() -> None:
    server = make_server()
    here, there = make_token(1), make_token(1, entropy=entropy(99))
    body = challenge(server, here)
    join(server, there, OTHER)
    refused(server, sealed(here, PacketType.RESPONSE, 0, body), "response_client_connected")


def test_full_server_denies_request_and_response() -> None:
    server = make_server(max_clients=1)
    late, first, third = make_token(2), make_token(1), make_token(3)
    body = challenge(server, late, OTHER)
    join(server, first)
    server.receive_datagram(request(third), ("10.1.0.3", 1), 0)
    server.receive_datagram(sealed(late, PacketType.RESPONSE, 0, body), OTHER, 0)
    [(to_third, _), (to_late, address)] = replies(server, 0)
    assert address == OTHER
    assert opened(third, to_third).type == opened(late, to_late).type == PacketType.DENIED
    assert reasons(server) == {"request_server_full": 1, "response_server_full": 1}
    assert len(to_third) < 100  # no amplification


def test_global_sequences_and_challenge_numbers() -> None:
    server = make_server()
    token = make_token()
    for number in range(3):
        server.receive_datagram(request(token), PEER, 0)
        [(data, _)] = replies(server, 0)
        assert opened(token, data).sequence == (1 << 63) + number
        assert opened(token, data).body[:8] == number.to_bytes(8, "little")
        assert len(data) < len(request(token))


def test_challenge_key_is_the_first_entropy_drawn() -> None:
    server, token = make_server(seed=5), make_token(9, user_data=b"hello")
    body = challenge(server, token)
    client_id, user_data = open_challenge(body[8:], sequence=0, key=entropy(5)(32))
    assert (client_id, user_data) == (9, b"hello".ljust(256, b"\0"))


def test_retried_request_and_first_challenge() -> None:
    """A client may answer any challenge of its handshake, also the first of several."""
    server, token = make_server(), make_token()
    first = challenge(server, token)
    second = challenge(server, token, now=0.1)
    assert first != second
    server.receive_datagram(sealed(token, PacketType.RESPONSE, 2, first), PEER, 0.2)
    assert server.connected == [0]


def test_old_challenge_of_another_token_is_foreign() -> None:
    """A client cannot bring the user data of an earlier token into a later connection."""
    server = make_server()
    old, new = make_token(1, user_data=b"admin"), make_token(1, entropy=entropy(50))
    stale = challenge(server, old)
    fresh = challenge(server, new)  # takes the address's handshake over
    refused(server, sealed(new, PacketType.RESPONSE, 0, stale), "response_foreign")
    refused(server, sealed(old, PacketType.RESPONSE, 0, stale), "forged")
    server.receive_datagram(sealed(new, PacketType.RESPONSE, 1, fresh), PEER, 0)
    assert server.client(0).user_data == bytes(256)


def test_challenge_of_another_server_start_is_forged() -> None:
    token = make_token()
    stale = challenge(make_server(seed=1), token)
    server = make_server(seed=2)
    challenge(server, token)
    refused(server, sealed(token, PacketType.RESPONSE, 1, stale), "challenge_forged")


def test_forged_challenge_with_a_known_key_still_needs_the_handshake() -> None:
    server, token = make_server(seed=5), make_token(9)
    body = challenge(server, token)
    made = (0).to_bytes(8, "little") + seal_challenge(
        8, b"".ljust(256, b"\0"), sequence=0, key=entropy(5)(32)
    )
    assert len(made) == len(body)
    refused(server, sealed(token, PacketType.RESPONSE, 0, made), "response_foreign")


def test_two_private_keys() -> None:
    old, new = bytes(32), KEY
    server = make_server(private_key=new, previous_private_key=old)
    join(server, make_token(1, private_key=old))
    join(server, make_token(2, private_key=new), OTHER)
    refused(
        server, request(make_token(3, private_key=b"x" * 32)), "request_forged", ("10.1.0.3", 1)
    )


def test_server_of_several_addresses() -> None:
    server = make_server(addresses=[SERVER, "[2001:db8::1]:40000"])
    join(server, make_token(1))
    join(server, make_token(2, servers=["192.0.2.1:1", "[2001:db8::1]:40000"]), OTHER)
    refused(
        server,
        request(make_token(3, servers=["[2001:db8::1]:40001"])),
        "request_other_server",
        ("10.1.0.3", 1),
    )


def test_network_order_of_ipv6_in_tokens() -> None:
    servers = ["[2001:db8::1]:40000"]
    network = make_token(1, servers=servers, order="network")
    refused(make_server(addresses=servers), request(network), "request_other_server")
    join(make_server(addresses=servers, token_order="network"), network)


def test_token_history_admits_one_connection() -> None:
    server, token = make_server(), make_token()
    join(server, token)
    server.receive_datagram(sealed(token, PacketType.DISCONNECT, 2), PEER, 1)
    assert server.connected == []
    server.events()
    for peer in (PEER, OTHER):
        refused(server, request(token), "request_token_consumed", peer, 1)
    join(server, make_token(1, entropy=entropy(77)), PEER, 1)


def test_full_history_forgets_only_expired_tokens() -> None:
    server = make_server(token_history=1)
    join(server, make_token(1, expires_in=10))
    late = make_token(2, expires_in=60)
    refused(server, request(late), "request_history_full", OTHER, 9.9)
    join(server, late, OTHER, 10)
    assert server.connected == [0, 1]


def test_denied_token_can_try_again_from_its_address() -> None:
    server = make_server(max_clients=1)
    join(server, make_token(1))
    waiting = make_token(2)
    server.receive_datagram(request(waiting), OTHER, 0)
    assert opened(waiting, replies(server, 0)[0][0]).type == PacketType.DENIED
    server.disconnect(0)
    replies(server, 0)
    refused(server, request(waiting), "request_token_elsewhere", PEER, 1)
    server.events()
    join(server, waiting, OTHER, 1)


def test_slot_waits_until_its_owner_is_known_to_have_left() -> None:
    server = make_server(max_clients=1)
    one, two = make_token(1), make_token(2)
    join(server, one)
    server.events()
    server.receive_datagram(sealed(one, PacketType.PAYLOAD, 2, b"bye"), PEER, 0)
    server.receive_datagram(sealed(one, PacketType.DISCONNECT, 3), PEER, 0)
    body = challenge(server, two, OTHER)
    response = sealed(two, PacketType.RESPONSE, 1, body)
    refused(server, response, "response_slot_busy", OTHER)
    assert [type(e).__name__ for e in server.events()] == ["ClientDisconnected"]
    assert server.payloads() == [(0, b"bye")]
    server.receive_datagram(response, OTHER, 0.1)
    [event] = server.events()
    assert (event.client_id, event.index, event.generation) == (2, 0, 2)


def test_payloads_of_a_former_owner_are_not_the_new_ones() -> None:
    server = make_server(max_clients=1)
    one, two = make_token(1), make_token(2)
    join(server, one)
    server.receive_datagram(sealed(one, PacketType.PAYLOAD, 2, b"bye"), PEER, 0)
    server.receive_datagram(sealed(one, PacketType.DISCONNECT, 3), PEER, 0)
    server.events()
    join(server, two, OTHER)
    server.receive_datagram(sealed(two, PacketType.PAYLOAD, 2, b"hi"), OTHER, 0)
    assert server.payloads() == [(0, b"hi")]
    assert reasons(server) == {"deliveries_stale": 1}


def test_handshake_expires_with_its_timeout() -> None:
    server, token = make_server(max_handshakes=1), make_token(timeout=2)
    body = challenge(server, token)
    response = sealed(token, PacketType.RESPONSE, 1, body)
    refused(server, response, "unknown_sender", now=2)
    other = make_token(2)
    challenge(server, other, OTHER, 2)  # its place is free again


def test_handshake_expires_with_its_token() -> None:
    server, token = make_server(), make_token(timeout=60, expires_in=5)
    body = challenge(server, token)
    refused(server, sealed(token, PacketType.RESPONSE, 1, body), "unknown_sender", now=5)


@pytest.mark.parametrize("timeout", [None, 1, 5])
def test_timeout_comes_from_the_token(timeout: int | None) -> None:
    server, token = make_server(), make_token(timeout=timeout)
    join(server, token)
    server.update(0.99 if timeout == 1 else 4.99)
    assert server.connected == [0]
    server.update(timeout or 10_000)
    assert server.connected == ([0] if timeout is None else [])


def test_restart_rule_refuses_what_may_have_been_used() -> None:
    """With lifetime L, after a start at T, tokens made before T are refused, later ones not."""
    restarted = make_server(max_token_lifetime=30, epoch=EPOCH + 100)
    restarted.update(0.25)  # the first call sets the start: EPOCH + 100.25
    for made, expires, admitted in [
        (EPOCH + 99, 30, False),
        (EPOCH + 100, 30, False),  # the same second: before or after the start, nobody knows
        (EPOCH + 101, 30, True),
        (EPOCH + 101, 10, False),  # shorter-lived than the rule assumes: refused for a while
        (EPOCH + 121, 10, True),
    ]:
        token = make_token(1, unix_now=made, expires_in=expires)
        server = make_server(max_token_lifetime=30, epoch=EPOCH + 100)
        server.update(0.25)
        if admitted:
            join(server, token, now=1)
        else:
            refused(server, request(token), "request_before_start", now=1)


def test_without_the_restart_rule_any_unexpired_token_is_admitted() -> None:
    join(make_server(epoch=EPOCH + 20), make_token())


def test_expiry_follows_the_epoch() -> None:
    server, token = make_server(), make_token(expires_in=30)
    refused(server, request(token), "request_expired", now=30)
    server = make_server()
    join(server, token, now=29.99)


def test_clock_set_back_does_not_revive_tokens() -> None:
    server, token = make_server(), make_token(1, expires_in=30)
    join(server, token)
    server.disconnect(0)
    server.events()
    replies(server, 0)
    server.epoch = EPOCH + 40
    server.update(0.1)  # the history forgets the token
    server.epoch = EPOCH
    refused(server, request(token), "request_expired", now=0.2)


def test_loopback_only() -> None:
    server = make_server(loopback_only=True)
    token = make_token()
    refused(server, request(token), "not_loopback")
    join(server, token, ("127.0.0.1", 5))
    join(server, make_token(2), ("::1", 5))
    server.receive_datagram(request(make_token(3)), ("::ffff:127.0.0.1", 6), 0)
    assert replies(server, 0)[0][1] == ("127.0.0.1", 6)


def test_token_with_other_keys_but_same_tag_cannot_exist() -> None:
    """The public parts of a token are not trusted: only the sealed part counts."""
    server, token = make_server(), make_token()
    twisted = dataclasses.replace(token, timeout=-1, servers=token.servers * 2)
    join(server, twisted)
    assert server.client(0).client_id == 1


def test_protocol_id_is_bound_to_the_token() -> None:
    server, token = make_server(), make_token(protocol_id=PROTOCOL + 1)
    relabelled = dataclasses.replace(token, protocol_id=PROTOCOL)
    refused(server, request(relabelled), "request_forged")
    later = dataclasses.replace(token, protocol_id=PROTOCOL, expire_timestamp=2**63)
    refused(server, request(later), "request_forged")
