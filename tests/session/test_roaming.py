"""A client that goes on from another address: same slot, new keys, nothing lost or doubled."""

from __future__ import annotations

import random

import pytest
from session.harness import KEY, PROTOCOL
from session.walk import NEVER, Walk

from netcode.constants import RESUME_TOKEN_BYTES
from netcode.security import PrivateToken


@pytest.fixture(params=[False, True], ids=["endpoint", "desk"])
def walk(request: pytest.FixtureRequest) -> Walk:
    return Walk(desk=request.param)


def test_it_goes_on_within_a_second_and_nothing_is_lost_or_doubled(walk: Walk) -> None:
    sent: list[bytes] = []
    said: list[bytes] = []
    for turn in range(5):
        for number in range(400):
            data = b"%d/%d" % (turn, number)
            walk.client.push(0, data)
            sent.append(data)
            walk.server.push(0, 1, data)
            said.append(data)
            walk.step()
            if number == 200:
                walk.lose_address()
        assert walk.until_resumed() < 1.0  # of 2 s allowed: 0.5 of silence, two round trips
        walk.run(0.5)
    walk.run(2.0)
    assert walk.got == sent
    assert sorted(walk.answers) == sorted(said)
    assert walk.client.resumed == 5
    assert walk.server.stats(0).resumed == 5
    assert walk.server.counters["resumed"] == 5
    assert [each.address for each in walk.moved()][-1] == walk.home
    assert walk.server.client(0).address == walk.home
    assert len(walk.events) == 6, "connected once, moved five times, never disconnected"
    assert walk.client.state == 3


@pytest.mark.parametrize("seed", range(4))
def test_it_goes_on_through_a_lossy_path(seed: int) -> None:
    walk = Walk(loss=0.2, seed=seed)
    sent = []
    for turn in range(3):
        for number in range(100):
            sent.append(b"%d/%d" % (turn, number))
            walk.client.push(0, sent[-1])
            walk.step()
        walk.lose_address()
        walk.until_resumed()
        walk.run(1.0)
    walk.run(5.0)
    assert walk.got == sent


def test_a_path_that_comes_back_keeps_its_address() -> None:
    walk = Walk()
    walk.dark = True
    walk.run(0.65)
    assert walk.client.roaming
    walk.dark = False
    walk.dead.add(walk.other)  # only the old address works again
    walk.run(1.0)
    assert not walk.client.roaming
    assert (walk.client.resumed, walk.moved()) == (0, [])
    walk.lose_address()
    walk.until_resumed()


def test_a_word_from_before_the_move_does_not_strand_the_client() -> None:
    """It answered the challenge, and then hears what the server said at the old address before."""
    walk = Walk()
    old = walk.home
    walk.lose_address()
    walk.until_answering()
    walk.dead.clear()
    for _ in range(30):
        walk.server.push(0, 1, b"before")
        walk.step()
    assert walk.moved() == []
    assert walk.until_resumed() < 0.2
    assert walk.attempt == 1
    walk.dead.add(old)
    walk.client.push(0, b"here")
    walk.run(0.5)
    assert walk.got == [b"here"]


def test_a_path_that_comes_back_ends_the_attempt_though_its_answer_was_lost() -> None:
    walk = Walk()
    walk.lose_address()
    walk.until_answering()
    walk.flying.clear()
    walk.dead = {walk.other}
    walk.run(2.1)
    assert not walk.client.roaming
    assert (walk.client.resumed, walk.moved(), walk.attempt) == (0, [], 1)


def test_one_that_moves_twice_uses_its_other_token() -> None:
    walk = Walk()
    walk.lose_address()
    walk.until_asking()
    walk.run(0.12)  # it asked from there, and was challenged
    walk.dead.add(walk.other)
    assert walk.until_resumed() < 3.0
    assert walk.attempt == 2


def test_an_answer_that_gets_lost_does_not_lose_the_client() -> None:
    """The server moved it, and nothing it says arrives: it asks again from elsewhere."""
    walk = Walk()
    walk.lose_address()
    while not walk.moved():
        walk.step()
    assert walk.other is not None
    walk.dead.add(walk.other)
    walk.flying.clear()
    walk.until_resumed()
    walk.run(1.0)
    assert len(walk.moved()) == 2
    assert walk.server.client(0).address == walk.home
    walk.client.push(0, b"here")
    walk.run(0.5)
    assert walk.got[-1] == b"here"


@pytest.mark.parametrize("seed", range(6))
def test_a_life_on_the_road(seed: int) -> None:
    """Tunnels, moves, moves in tunnels and moves while moving: once and in order, all of it."""
    walk = Walk(loss=0.05, seed=seed, latency=0.03)
    rng = random.Random(seed)
    sent: list[bytes] = []
    said: list[bytes] = []
    calm = 0.0
    for number in range(15_000):
        if number % 10 == 0:
            sent.append(b"%d" % number)
            walk.client.push(0, sent[-1])
            said.append(b"%d" % number)
            walk.server.push(0, 1, said[-1])
        if rng.random() < 0.0005:
            walk.dark = not walk.dark
        if walk.dark and rng.random() < 0.002:
            walk.dark = False
        if walk.now > calm and rng.random() < 0.001:
            walk.lose_address()
            if walk.other is not None and rng.random() < 0.5:
                walk.dead.add(walk.other)
            calm = walk.now + 3.0  # for the server's next token to come
        walk.step()
        if walk.client.state != 3:
            break
    walk.dark = False
    walk.loss = 0.0
    walk.run(6.0)
    assert walk.client.state == 3
    assert walk.client.resumed >= 1
    assert walk.got == sent
    assert sorted(walk.answers) == sorted(said)
    assert walk.server.stats(0).transport.memory < 1 << 20
    assert walk.server.connected == [0]


def test_what_a_resume_token_holds() -> None:
    """As docs/reference/wire-format.md has it."""
    walk = Walk(tokens=0)
    token = walk.server.resume_token(0)
    private = PrivateToken.open(
        token[24:1048],
        protocol_id=PROTOCOL,
        expire_timestamp=NEVER,
        nonce=token[:24],
        private_key=KEY,
    )
    assert private.client_id == 1
    assert private.timeout == 10
    assert [str(each) for each in private.servers] == ["10.0.0.1:40000"]
    assert token[1048:] == private.client_to_server_key + private.server_to_client_key
    slot = int.from_bytes(private.user_data[8:12], "little")
    assert private.user_data[:8] == b"ncresume"
    assert (slot & 0xFFFF, slot >> 16) == (0, 1)
    assert any(private.user_data[12:20])
    assert not any(private.user_data[20:])


def test_without_a_token_it_times_out() -> None:
    walk = Walk(tokens=0)
    walk.lose_address()
    walk.run(6.0)
    assert walk.client.state == -4
    assert walk.attempt == 0


def test_roam_does_not_wait_for_silence() -> None:
    walk = Walk(roam_after=None)
    walk.lose_address()
    walk.run(2.0)
    assert not walk.client.roaming
    assert walk.client.roam(walk.now)
    assert walk.until_resumed() < 0.3
    assert walk.client.take_resume_token(bytes(RESUME_TOKEN_BYTES)) is None


def test_roam_does_not_heed_what_was_under_way_to_the_old_address() -> None:
    walk = Walk(roam_after=None)
    walk.server.push(0, 1, b"before")
    walk.run(0.03)
    assert walk.client.roam(walk.now)
    assert walk.until_resumed() < 0.3
    assert b"before" in walk.answers
