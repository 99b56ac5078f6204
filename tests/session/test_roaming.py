"""A client that goes on from another address: same slot, new keys, nothing lost or doubled."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest
from session.harness import (
    EPOCH,
    KEY,
    PROTOCOL,
    SERVER,
    entropy,
    make_client,
    make_server,
    make_token,
    reasons,
)

from netcode.channel import ChannelConfig, DeliveryMode, TransportConfig
from netcode.constants import RESUME_TOKEN_BYTES
from netcode.errors import ConfigError, ConnectionClosed
from netcode.security import (
    ConnectToken,
    PrivateToken,
    open_packet,
    seal_packet,
    seal_request,
)
from netcode.session import ClientMoved, DatagramBatch, ServerDesk

CHANNELS = TransportConfig(
    channels=(
        ChannelConfig(name="control"),
        ChannelConfig(name="unordered", mode=DeliveryMode.RELIABLE_UNORDERED),
    )
)
NEVER = 2**64 - 1


class Desk:
    """A desk with the face of an endpoint, whose owner takes its turns here."""

    def __init__(self, endpoint: Any) -> None:
        self.desk = ServerDesk(endpoint)
        self.arrived = DatagramBatch()

    def receive_datagram(self, data: bytes, address: tuple[str, int], now: float) -> None:
        self.arrived.append(data, address)

    def update(self, now: float) -> None:
        pass

    def send(self, now: float) -> list[tuple[Any, Any]]:
        self.desk.flush()
        out = [(bytes(d), a) for d, a in self.desk.turn(self.arrived, now)]
        self.arrived.clear()
        for _ in range(3):
            out += [(bytes(d), a) for d, a in self.desk.turn(None, now)]
        self.desk.take()
        return out

    def __getattr__(self, name: str) -> Any:
        return getattr(self.desk, name)


class Walk:
    """A server, and a client whose addresses come and go, 1 kHz steps in virtual time."""

    def __init__(
        self,
        *,
        latency: float = 0.05,
        loss: float = 0.0,
        desk: bool = False,
        tokens: int = 2,
        seed: int = 1,
        **options: Any,
    ) -> None:
        endpoint = make_server(channels=CHANNELS)
        self.server: Any = Desk(endpoint) if desk else endpoint
        self.client = make_client(channels=CHANNELS, **options)
        self.latency, self.loss, self.random = latency, loss, random.Random(seed)
        self.now = 0.0
        self.flying: list[tuple[float, int, Any, Any, bytes]] = []
        self.count = 0
        self.ports = 50_000
        self.home = self.new_address()
        self.other: tuple[str, int] | None = None
        self.attempt = self.resumed = 0
        self.dead: set[tuple[str, int]] = set()
        self.dark = False
        self.renew = True
        self.events: list[Any] = []
        self.got: list[bytes] = []
        self.answers: list[bytes] = []
        self.log: list[tuple[Any, Any, bytes]] = []
        self.run(1.0)
        assert self.client.state == 3
        for _ in range(tokens):
            self.client.take_resume_token(self.server.resume_token(0))
        self.run(0.2)

    def new_address(self) -> tuple[str, int]:
        self.ports += 1
        return ("10.1.0.1", self.ports)

    def carry(self, source: Any, batch: Iterable[tuple[Any, Any]]) -> None:
        for data, to in batch:
            self.log.append((source, to, bytes(data)))
            gone = self.dark or source in self.dead or to in self.dead
            if not gone and self.random.random() >= self.loss:
                self.count += 1
                self.flying.append((self.now + self.latency, self.count, source, to, bytes(data)))

    def step(self) -> None:
        self.now += 0.001
        there = DatagramBatch()
        self.flying.sort()
        while self.flying and self.flying[0][0] <= self.now:
            _, _, source, to, data = self.flying.pop(0)
            if to == SERVER:
                self.server.receive_datagram(data, source, self.now)
            elif to == self.home:
                self.client.receive_datagram(data, source, self.now)
            elif to == self.other:
                there.append(data, source)
        if len(there):
            self.client.receive_roaming(there, self.now)
        if self.client.resumed != self.resumed:
            assert self.other is not None
            self.resumed, self.home, self.other = self.client.resumed, self.other, None
        self.server.update(self.now)
        self.client.update(self.now)
        if self.client.roaming and self.client.roaming != self.attempt:
            self.attempt, self.other = self.client.roaming, self.new_address()
        self.carry(self.home, self.client.send(self.now))
        if self.other is not None:
            self.carry(self.other, self.client.send_roaming(self.now))
        self.carry(SERVER, self.server.send(self.now))
        for event in self.server.events():
            self.events.append(event)
            if isinstance(event, ClientMoved) and self.renew:
                self.server.push(0, 0, b"token" + self.server.resume_token(0))
        for _, channel, data in self.server.messages():
            (self.got if channel == 0 else self.answers).append(data)
        for _, _, data in self.client.messages():
            if data[:5] == b"token":
                self.client.take_resume_token(data[5:])
            else:
                self.answers.append(data)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 1000)):
            self.step()

    def until_resumed(self, limit: float = 10.0) -> float:
        start, before = self.now, self.client.resumed
        while self.client.resumed == before:
            assert self.now < start + limit, "not resumed in time"
            self.step()
        return self.now - start

    def lose_address(self) -> None:
        """Nothing passes from or to where the client is."""
        self.dead.add(self.home)

    def moved(self) -> list[ClientMoved]:
        return [each for each in self.events if isinstance(each, ClientMoved)]


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
    while walk.other is None or not answers(walk):
        walk.step()
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
    while walk.other is None or not answers(walk):
        walk.step()
    walk.flying.clear()
    walk.dead = {walk.other}
    walk.run(2.1)
    assert not walk.client.roaming
    assert (walk.client.resumed, walk.moved(), walk.attempt) == (0, [], 1)


def test_one_that_moves_twice_uses_its_other_token() -> None:
    walk = Walk()
    walk.lose_address()
    while walk.other is None:
        walk.step()
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


# What others may try.


def requests(walk: Walk, source: Any) -> list[bytes]:
    return [data for sender, to, data in walk.log if sender == source and data[0] == 0]


def answers(walk: Walk) -> list[bytes]:
    return [data for source, _, data in walk.log if source == walk.other and data[0] & 15 == 3]


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
    while walk.other is None:
        walk.step()
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
    while walk.other is None or not answers(walk):
        walk.step()
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
    while walk.other is None or not answers(walk):
        walk.step()
    walk.client.disconnect()
    assert len(walk.client.send_roaming(walk.now + 1.0)) == 0
    walk.run(0.5)
    assert (walk.client.state, walk.client.resumed) == (0, 0)


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
    while walk.other is None:
        walk.step()
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
