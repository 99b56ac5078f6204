"""What others may try with resume tokens, and what a client may try with its own."""

from __future__ import annotations

import random
from typing import Any

import pytest
from session.harness import (
    EPOCH,
    KEY,
    PROTOCOL,
    SERVER,
    entropy,
    make_client,
    make_token,
    reasons,
)
from session.walk import NEVER, Walk, answers, requests

from netcode.errors import ConfigError, ConnectionClosed
from netcode.security import (
    ConnectToken,
    open_packet,
    seal_packet,
    seal_request,
)
from netcode.session import ClientMoved, DatagramBatch


@pytest.mark.parametrize("renew", [True, False])
def test_a_used_token_gets_nothing(renew: bool) -> None:
    walk = Walk()
    walk.renew = renew  # without, nothing has taken the place of the token
    walk.lose_address()
    walk.until_resumed()
    old = requests(walk, walk.home)[0]
    before = walk.server.counters
    walk.server.receive_datagram(old, ("10.66.0.6", 666), walk.now)
    assert [to for _, to in walk.server.send(walk.now)].count(("10.66.0.6", 666)) == 0
    assert walk.server.counters["request_resume_stale"] == before["request_resume_stale"] + 1
    # Nor does everything that was ever sent, again, from elsewhere.
    for source, to, data in list(walk.log):
        if to == SERVER and source != SERVER:
            walk.server.receive_datagram(data, ("10.66.0.6", 666), walk.now)
    walk.run(0.5)
    assert walk.server.client(0).address == walk.home
    assert walk.server.connected == [0]


def token_request(token: bytes) -> bytes:
    return seal_request(
        protocol_id=PROTOCOL, expire_timestamp=NEVER, nonce=token[:24], sealed=token[24:1048]
    )


def test_a_superseded_token_gets_nothing() -> None:
    server = Walk(tokens=0)
    old = server.server.resume_token(0)
    new = [server.server.resume_token(0) for _ in range(2)]
    server.server.receive_datagram(token_request(old), ("10.66.0.6", 666), server.now)
    assert reasons(server.server)["request_resume_stale"] == 1
    for number, each in enumerate(new):
        server.server.receive_datagram(token_request(each), ("10.66.0.6", 667 + number), server.now)
    assert server.server.counters["challenges_sent"] == 3


def test_a_request_repeated_from_elsewhere_gets_no_challenge_while_its_sender_asks() -> None:
    walk = Walk()
    walk.lose_address()
    walk.until_asking()
    request = requests(walk, walk.other)[0]
    walk.run(0.06)
    walk.server.receive_datagram(request, ("10.66.0.6", 666), walk.now)
    assert reasons(walk.server)["request_resume_elsewhere"] == 1
    walk.until_resumed()
    assert walk.moved()[-1].address == walk.home


def test_the_answer_of_another_address_is_refused() -> None:
    """The sender fell silent before it was done; its answer, heard on the way, comes from another
    address, at which its request was repeated."""
    walk = Walk()
    walk.lose_address()
    walk.until_answering()
    request = requests(walk, walk.other)[0]
    answer = answers(walk)[0]
    walk.flying.clear()
    walk.dark = True
    walk.run(1.2)
    walk.server.receive_datagram(request, ("10.66.0.6", 666), walk.now)
    walk.server.receive_datagram(answer, ("10.66.0.6", 666), walk.now)
    assert reasons(walk.server)["response_foreign"] == 1
    # And from where it was made for, by who can forge that: the token was shown elsewhere since.
    before = walk.server.counters["unknown_sender"]
    walk.server.receive_datagram(answer, walk.other, walk.now)
    assert walk.server.counters["unknown_sender"] == before + 1
    assert walk.moved() == []


VICTIM = ("10.99.0.9", 9)
MINE = ("10.66.0.6", 666)


def ask(walk: Walk, token: bytes, source: tuple[str, int]) -> bytes | None:
    """Ask with the token from there; the body of the challenge that goes there, if one does."""
    walk.server.receive_datagram(token_request(token), source, walk.now)
    for data, to in walk.server.send(walk.now):
        if to == source:
            opened = open_packet(bytes(data), protocol_id=PROTOCOL, key=token[1080:])
            assert opened.type == 2
            return opened.body
    return None


def answer(walk: Walk, token: bytes, body: bytes | None, source: tuple[str, int]) -> None:
    assert body is not None
    data = seal_packet(3, 0, body, protocol_id=PROTOCOL, key=token[1048:1080])
    walk.server.receive_datagram(data, source, walk.now)


def test_a_client_cannot_move_to_an_address_at_which_it_hears_nothing() -> None:
    """Else a client could turn what a server says to it, at any rate, on somebody else."""
    walk = Walk(tokens=0)
    first, second = (walk.server.resume_token(0) for _ in range(2))
    ask(walk, first, VICTIM)
    answer(walk, first, ask(walk, second, MINE), VICTIM)
    assert reasons(walk.server)["response_foreign"] == 1
    # Nor with the same token, shown in turn at both.
    for source in (VICTIM, MINE, VICTIM):
        walk.run(1.1)
        body = ask(walk, first, source)
        if source == MINE:
            heard = body
    answer(walk, first, heard, VICTIM)
    walk.run(0.1)
    assert reasons(walk.server)["response_foreign"] == 2
    assert walk.moved() == []
    body = ask(walk, second, MINE)
    answer(walk, second, body, MINE)
    walk.run(0.001)
    assert [each.address for each in walk.moved()] == [MINE]


def test_a_token_has_one_handshake_wherever_it_is_shown() -> None:
    """Else a client could fill the table of handshakes in the name of others."""
    walk = Walk(tokens=0)
    token = walk.server.resume_token(0)
    before = walk.server.counters["unknown_sender"]
    for number in range(5):
        assert ask(walk, token, ("10.99.0.9", 10 + number)) is not None
        walk.run(1.1)
    unknown = seal_packet(3, 0, bytes(308), protocol_id=PROTOCOL, key=bytes(32))
    for number in range(5):
        walk.server.receive_datagram(unknown, ("10.99.0.9", 10 + number), walk.now)
    assert walk.server.counters["unknown_sender"] - before == 4


def test_a_late_answer_does_not_bring_it_back_to_where_it_was() -> None:
    walk = Walk(tokens=0)
    first, second = (walk.server.resume_token(0) for _ in range(2))
    kept = ask(walk, first, ("10.1.0.1", 60_001))
    walk.run(1.0)
    answer(walk, second, ask(walk, second, ("10.1.0.1", 60_002)), ("10.1.0.1", 60_002))
    walk.run(0.001)
    assert walk.server.client(0).address == ("10.1.0.1", 60_002)
    answer(walk, first, kept, ("10.1.0.1", 60_001))
    walk.run(0.001)
    assert walk.server.client(0).address == ("10.1.0.1", 60_002)
    # The token itself is as good as before.
    answer(walk, first, ask(walk, first, ("10.1.0.1", 60_003)), ("10.1.0.1", 60_003))
    walk.run(0.001)
    assert walk.server.client(0).address == ("10.1.0.1", 60_003)


def test_a_connection_that_ended_goes_on_nowhere() -> None:
    walk = Walk()
    walk.lose_address()
    walk.until_answering()
    walk.client.disconnect()
    assert len(walk.client.send_roaming(walk.now + 1.0)) == 0
    walk.run(0.5)
    assert (walk.client.state, walk.client.resumed) == (0, 0)


def test_an_answer_after_the_end_is_refused() -> None:
    walk = Walk()
    walk.lose_address()
    walk.until_answering()
    walk.server.disconnect(0)
    walk.run(0.1)
    assert reasons(walk.server)["response_resume_stale"] >= 1
    assert walk.moved() == []
    assert walk.server.connected == []


def test_a_made_up_claim_is_refused() -> None:
    """Who may issue tokens, say for a friend, still does not know the secrets of connections."""
    walk = Walk()
    handle = 0 | 1 << 16
    for secret in (0, 1, 2**64 - 1):
        forged = ConnectToken.create(
            protocol_id=PROTOCOL, private_key=KEY, client_id=1, servers=[SERVER], unix_now=EPOCH,
            user_data=b"ncresume" + handle.to_bytes(4, "little") + secret.to_bytes(8, "little"),
            entropy=entropy(9),
        )  # fmt: skip
        walk.server.receive_datagram(
            seal_request(protocol_id=PROTOCOL, expire_timestamp=forged.expire_timestamp,
                         nonce=forged.nonce, sealed=forged.sealed),
            ("10.66.0.6", 666), walk.now,
        )  # fmt: skip
    assert reasons(walk.server)["request_resume_stale"] == 3


def test_packets_of_the_old_address_are_dropped_and_counted() -> None:
    walk = Walk()
    old = walk.home
    walk.lose_address()
    walk.client.push(0, b"before")
    walk.step()
    late = next(d for s, _, d in reversed(walk.log) if s == old)
    walk.until_resumed()
    walk.run(0.5)
    before = walk.server.counters["unknown_sender"]
    walk.server.receive_datagram(late, old, walk.now)
    assert walk.server.counters["unknown_sender"] == before + 1
    assert walk.got == [b"before"]
    # Nor do they pass from the new one: the keys are new.
    walk.server.receive_datagram(late, walk.home, walk.now)
    assert reasons(walk.server)["forged"] + reasons(walk.server).get("replayed", 0) >= 1
    assert walk.got == [b"before"]


def test_a_token_ends_with_its_connection() -> None:
    walk = Walk()
    token = walk.server.resume_token(0)
    walk.server.disconnect(0)
    walk.run(0.2)
    walk.server.receive_datagram(token_request(token), ("10.66.0.6", 666), walk.now)
    assert reasons(walk.server)["request_resume_stale"] == 1
    with pytest.raises(ConnectionClosed):
        walk.server.resume_token(0)


def test_noise_at_the_new_address_is_counted() -> None:
    walk = Walk()
    walk.lose_address()
    walk.until_asking()
    batch = DatagramBatch()
    rng = random.Random(5)
    for _ in range(300):
        batch.append(bytes([rng.randrange(256)]) + rng.randbytes(rng.randrange(80)), SERVER)
        batch.append(rng.randbytes(20), ("10.66.0.6", 666))
    key = bytes(32)
    batch.append(seal_packet(4, 0, bytes(8), protocol_id=PROTOCOL, key=key), SERVER)
    walk.client.receive_roaming(batch, walk.now)
    assert reasons(walk.client)["unknown_sender"] == 300
    assert sum(v for k, v in reasons(walk.client).items() if k != "unknown_sender") == 301
    assert walk.until_resumed() < 1.0


def test_misuse_is_named() -> None:
    walk = Walk()
    with pytest.raises(ConfigError, match="token: 5 bytes, must be 1112"):
        walk.client.take_resume_token(b"short")
    with pytest.raises(ConfigError, match="roam_after: 0"):
        make_client(make_token(), roam_after=0)
    with pytest.raises(ConfigError, match="index"):
        walk.server.resume_token(99)


def test_many_moves_that_nobody_reads_take_no_memory() -> None:
    """Events are bounded: a move is told once until it is read."""
    walk = Walk()
    read = walk.server.events
    walk.server = Unread(walk.server)
    for _ in range(6):
        walk.lose_address()
        walk.until_resumed()
        for _ in range(2):
            walk.client.take_resume_token(walk.server.resume_token(0))
    events = read()
    assert len([each for each in events if isinstance(each, ClientMoved)]) == 1
    assert events[-1].address == walk.home


class Unread:
    def __init__(self, server: Any) -> None:
        self.server = server

    def events(self) -> list[Any]:
        return []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.server, name)
