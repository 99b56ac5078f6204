"""The game's side of an owned core, and the owner's turns, on one thread in virtual time."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from session.harness import SERVER, make_client, make_server, make_token, request

from netcode.channel import ChannelConfig, DeliveryMode, TransportConfig
from netcode.errors import ChannelFull, ConfigError, ConnectionClosed, EncodeError
from netcode.session import (
    COUNTER_NAMES,
    ClientConnected,
    ClientDisconnected,
    ClientEndpoint,
    DatagramBatch,
    DisconnectReason,
    ServerDesk,
)

TICK = 1 / 60
CHANNELS = TransportConfig()
RELIABLE = CHANNELS.channel("reliable")
UNRELIABLE = CHANNELS.channel("unreliable")
Address = tuple[str, int]


def small(**options: int) -> TransportConfig:
    """Two channels with small queues."""
    return TransportConfig(
        channels=(
            ChannelConfig(name="reliable", **options),
            ChannelConfig(name="unreliable", mode=DeliveryMode.UNRELIABLE),
        )
    )


def spoken(client: ClientEndpoint) -> list[tuple[int, bytes]]:
    """What the client heard."""
    return [(channel, data) for _, channel, data in client.messages()]


def say(client: ClientEndpoint) -> None:
    """As much as it may."""
    with contextlib.suppress(ChannelFull):
        client.push(UNRELIABLE, bytes(1000))


class Table:
    """A desk and clients on a line that loses a share ``loss`` of what passes."""

    def __init__(
        self, clients: int = 1, *, loss: float = 0.0, seed: int = 1, **options: object
    ) -> None:
        self.channels = options.setdefault("channels", CHANNELS)
        self.desk = ServerDesk(make_server(**options))
        self.now = 0.0
        self.chance = random.Random(seed)
        self.loss = loss
        self.clients: dict[Address, ClientEndpoint] = {}
        self.events: list[ClientConnected | ClientDisconnected] = []
        self.count = 0
        self.limit = 0
        for _ in range(clients):
            self.add()

    def add(self) -> ClientEndpoint:
        self.count += 1
        token = make_token(self.count, unix_now=1_700_000_000.0 + self.now)
        client = make_client(token, channels=self.channels)
        self.clients["10.1.0.1", 5000 + self.count] = client
        return client

    def passes(self, items: Iterable) -> list:
        return [each for each in items if self.chance.random() >= self.loss]

    def owner(self) -> None:
        """What the clients say, and a turn of the owner."""
        batch = DatagramBatch()
        for address, client in self.clients.items():
            client.update(self.now)
            for data, _ in self.passes(client.send(self.now)):
                batch.append(data, address)
        for data, to in self.passes(self.desk.turn(batch, self.now, limit=self.limit)):
            if to in self.clients:
                self.clients[to].receive_datagram(data, SERVER, self.now)

    def step(self) -> None:
        self.owner()
        self.desk.take()
        self.events += self.desk.events()
        self.now += TICK

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK)):
            self.step()


def test_clients_come_talk_and_go() -> None:
    table = Table(2)
    desk = table.desk
    table.run(0.2)
    assert [type(each) for each in table.events] == [ClientConnected] * 2
    assert desk.connected == [0, 1]
    assert desk.client(1).client_id == table.events[1].client_id
    assert desk.max_clients == 4
    first, second = table.clients.values()
    first.push(RELIABLE, b"hello")
    second.push(UNRELIABLE, b"")
    second.push_frame(0x41, b"frame")
    table.owner()
    desk.take()
    assert sorted(desk.messages()) == [(0, RELIABLE, b"hello"), (1, UNRELIABLE, b"")]
    assert desk.frames() == [(1, 0x41, b"frame")]
    assert desk.messages() == []
    desk.push(0, RELIABLE, b"one")
    desk.push(0, RELIABLE, b"far" * 1000)
    desk.push(0, RELIABLE, b"")
    desk.push_frame(1, 0x42, b"state")
    assert desk.push_many([0, 1, 0, 3], UNRELIABLE, b"all").tolist() == [0, 0, 0, 2]
    assert desk.push_many([1, 0], RELIABLE, b"abc", [0, 1, 3]).tolist() == [0, 0]
    desk.flush()
    table.run(0.1)
    heard = spoken(first)
    assert [data for c, data in heard if c == RELIABLE] == [b"one", b"far" * 1000, b"", b"bc"]
    assert [data for c, data in heard if c == UNRELIABLE] == [b"all"] * 2
    assert sorted(spoken(second)) == [(RELIABLE, b"a"), (UNRELIABLE, b"all")]
    assert second.frames() == [(0, 0x42, b"state")]
    stats = desk.stats(0)
    assert stats.packets_received > 1
    assert stats.transport is not None
    assert stats.transport.messages_pushed == 6
    desk.disconnect(1)
    assert desk.connected == [0]
    for call in (lambda: desk.push(1, RELIABLE, b"x"), lambda: desk.stats(1)):
        with pytest.raises(ConnectionClosed, match="client 1 is not connected"):
            call()
    desk.flush()
    first.disconnect()
    table.run(0.2)
    assert [(e.index, str(e.reason)) for e in table.events[2:]] in (
        [(1, "closed"), (0, "closed by peer")], [(0, "closed by peer"), (1, "closed")],
    )  # fmt: skip
    assert int(second.state) == 0
    assert desk.connected == []
    counters = desk.counters
    assert counters["connected"] == counters["disconnected"] == 2
    assert set(counters) == {*COUNTER_NAMES, "pushes_too_late"}


def test_a_desk_gives_what_an_endpoint_gives() -> None:
    """The same datagrams to both, tick by tick: equal events, messages, answers, counters."""
    chance = random.Random(9)
    plain = make_server(channels=CHANNELS, max_clients=3)
    desk = ServerDesk(make_server(channels=CHANNELS, max_clients=3))
    clients: dict[Address, ClientEndpoint] = {}
    now = 0.0
    events = 0
    for number in range(600):
        if number % 40 == 0:
            token = make_token(number, unix_now=1_700_000_000.0 + now)
            clients["10.1.0.1", 6000 + number] = make_client(token, channels=CHANNELS)
        batch = DatagramBatch()
        for address, client in clients.items():
            client.update(now)
            if int(client.state) == 3:
                client.push(RELIABLE, chance.randbytes(chance.choice((1, 90, 3000))))
                client.push_frame(0x40, chance.randbytes(9))
                if chance.random() < 0.02:
                    client.disconnect()
            for data, _ in client.send(now):
                if chance.random() < 0.9:
                    batch.append(data, address)
        plain.receive(batch, now)
        plain.update(now)
        # The game reads before the owner sends: the desk carries out what the last tick put in.
        sent = [list(plain.send(now)), list(desk.turn(batch, now))]
        desk.take()
        assert sorted(sent[0]) == sorted(sent[1])
        told = plain.events()
        events += len(told)
        assert desk.events() == told
        assert desk.messages() == plain.messages()
        assert desk.frames() == plain.frames()
        assert desk.connected == plain.connected
        for index in plain.connected:
            for each in (plain, desk):
                each.push(index, RELIABLE, b"%d" % number)
                each.push_frame(index, 0x50, b"tick")
            assert desk.client(index) == plain.client(index)
        desk.flush()
        for data, to in sent[0]:
            clients[to].receive_datagram(data, SERVER, now)
        now += TICK
    assert events > 20
    assert {k: v for k, v in desk.counters.items() if k != "pushes_too_late"} == plain.counters


def test_misuse_says_what_is_wrong() -> None:
    endpoint = make_server(channels=CHANNELS)
    desk = ServerDesk(endpoint)
    with pytest.raises(ConfigError, match="a ServerDesk owns it"):
        ServerDesk(endpoint)
    for call in (
        endpoint.events, endpoint.messages, endpoint.frames, endpoint.payloads,
        endpoint.receive_events, endpoint.receive_messages, endpoint.receive_frames,
        endpoint.disconnect_all, lambda: endpoint.push(0, 1, b""), lambda: endpoint.counters,
        lambda: endpoint.connected, lambda: endpoint.stats(0), lambda: endpoint.next_deadline,
        lambda: endpoint.receive(DatagramBatch(), 0.0), lambda: endpoint.send(0.0),
        lambda: endpoint.update(0.0), lambda: endpoint.push_many([], 1, b""),
        lambda: endpoint.receive_datagram(b"", SERVER, 0.0), lambda: endpoint.waiting,
        lambda: setattr(endpoint, "epoch", 1.0),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match="a ServerDesk owns it"):
            call()
    with pytest.raises(ConfigError, match="index: 4, must be 0 to 3"):
        desk.push(4, RELIABLE, b"")
    with pytest.raises(ConfigError, match=r"indices\[1\]: -1"):
        desk.push_many([0, -1], RELIABLE, b"")
    with pytest.raises(ConfigError, match="must ascend"):
        desk.push_many([0, 0], RELIABLE, b"abc", [0, 2, 1])
    with pytest.raises(ConfigError, match="channel 9 does not exist"):
        desk.push_many([0], 9, b"")
    with pytest.raises(EncodeError, match="the most is 65536"):
        desk.push_many([0], RELIABLE, bytes(65_537))
    with pytest.raises(ConfigError, match="limit: -1"):
        desk.turn(None, 0.0, limit=-1)
    with pytest.raises(ConfigError, match="now: nan"):
        desk.turn(None, float("nan"))
    with pytest.raises(ConfigError, match="now: -1"):
        desk.epoch = -1.0
    table = Table()
    table.run(0.1)
    desk = table.desk
    with pytest.raises(ConfigError, match="channel 7 does not exist"):
        desk.push(0, 7, b"")
    with pytest.raises(EncodeError):
        desk.push(0, RELIABLE, bytes(65_537))
    with pytest.raises(ConfigError, match="frame kind 0x3f"):
        desk.push_frame(0, 0x3F, b"")
    with pytest.raises(EncodeError, match="the most is 1152"):
        desk.push_frame(0, 0x40, bytes(1153))
    with pytest.raises(ConfigError, match="push a message instead"):
        desk.send_payload(0, b"x")
    with pytest.raises(ConfigError, match="push a message instead"):
        desk.send_payloads([0], b"x")


def test_payloads_without_channels() -> None:
    table = Table(2, channels=None)
    table.run(0.2)
    desk = table.desk
    for client in table.clients.values():
        client.send_payload(b"ping")
    table.owner()
    desk.take()
    assert sorted(desk.payloads()) == [(0, b"ping"), (1, b"ping")]
    desk.send_payload(0, b"pong")
    assert desk.send_payloads([0, 1, 2], b"abcdef", [0, 1, 3, 6]).tolist() == [0, 0, 2]
    assert desk.send_payloads([0, 1], b"same").tolist() == [0, 0]
    assert desk.send_payloads([], b"").tolist() == []
    desk.flush()
    table.owner()
    heard = [[data for _, data in client.payloads()] for client in table.clients.values()]
    assert heard == [[b"pong", b"a", b"same"], [b"bc", b"same"]]
    assert desk.stats(0).transport is None
    with pytest.raises(ConfigError, match="use send_payload"):
        desk.push(0, 0, b"x")
    with pytest.raises(ConfigError, match="use send_payload"):
        desk.push_many([0], 0, b"x")
    with pytest.raises(ConfigError, match="use send_payload"):
        desk.push_frame(0, 0x40, b"x")
    with pytest.raises(ConfigError, match="must be 1 to 1200"):
        desk.send_payloads([0, 1], b"abc", [0, 0, 3])
    with pytest.raises(ConfigError, match="must be 1 to 1200"):
        desk.send_payload(0, bytes(1201))


def test_arrays_and_epoch() -> None:
    table = Table()
    table.owner()
    table.owner()
    table.owner()
    table.desk.take()
    rows = table.desk.receive_events()
    assert rows["connected"].tolist() == [True]
    assert rows["client_id"].tolist() == [1]
    (client,) = table.clients.values()
    client.push(RELIABLE, b"abc")
    table.owner()
    table.desk.take()
    batch = table.desk.receive_messages()
    assert batch.records["index"].tolist() == [0]
    assert bytes(batch.view(0)) == b"abc"
    table.desk.epoch += 10_000  # every token made before has expired now
    assert table.desk.epoch == 1_700_010_000.0
    table.owner()
    late = table.add()
    table.run(0.5)
    assert int(late.state) == 1
    assert table.desk.counters["request_expired"] > 0


def test_what_is_put_in_together_leaves_together() -> None:
    """However many commands lie between two messages to one client: one datagram for both."""
    table = Table(4)
    table.run(0.5)
    desk = table.desk
    for _ in range(3):
        desk.push_many([0, 1, 2], UNRELIABLE, b"first")
        for _ in range(2000):  # more than the owner carries out in a turn
            desk.push(3, RELIABLE, b"")
        desk.push_many([0, 1, 2], UNRELIABLE, b"last")
        desk.flush()
        for _ in range(20):
            table.step()
    for index, client in enumerate(list(table.clients.values())[:3]):
        assert [data for _, data in spoken(client)] == [b"first", b"last"] * 3
        transport = desk.stats(index).transport
        assert transport is not None
        assert transport.packets_sent == 3


@pytest.mark.parametrize("limit", [0, 1, 7])
def test_what_is_flushed_leaves_before_what_comes_later(limit: int) -> None:
    """The last words reach a client before it hears that it is disconnected."""
    table = Table(4)
    table.limit = limit
    table.run(0.5)
    assert len(table.desk.connected) == 4
    table.desk.push_many([0, 1, 2, 3], RELIABLE, b"last words" * 200)
    table.desk.flush()
    table.desk.disconnect_all()
    assert table.desk.connected == []
    table.desk.flush()
    table.run(0.5)
    for client in table.clients.values():
        assert spoken(client) == [(RELIABLE, b"last words" * 200)]
        assert int(client.state) == 0
    assert [each.reason for each in table.events[4:]] == [DisconnectReason.CLOSED] * 4


def test_a_slot_has_a_new_owner_only_when_the_game_knows() -> None:
    table = Table(1, max_clients=1)
    table.run(0.2)
    (client,) = table.clients.values()
    client.push(RELIABLE, b"before I go")
    table.owner()
    client.disconnect()
    following = table.add()
    for _ in range(120):
        table.owner()
        table.now += TICK
    assert int(following.state) != 3
    assert table.desk.connected == [0]  # as far as the game knows
    table.desk.push(0, RELIABLE, b"nobody hears this")
    table.desk.take()
    assert table.desk.connected == []
    for _ in range(60):
        table.owner()
        table.now += TICK
    assert int(following.state) != 3  # its event was not read yet
    (left,) = table.desk.events()
    assert isinstance(left, ClientDisconnected)
    assert table.desk.messages() == [(0, RELIABLE, b"before I go")]
    table.run(0.5)
    assert int(following.state) == 3
    assert table.events[-1].generation == 2
    assert table.desk.counters["pushes_too_late"] == 1


def test_what_a_client_said_before_it_left_is_dropped_once_its_slot_is_taken() -> None:
    table = Table(1, max_clients=1)
    table.run(0.2)
    (client,) = table.clients.values()
    client.push(RELIABLE, b"stale")
    table.step()
    client.disconnect()
    table.add()
    table.run(1.0)
    assert len(table.events) == 3
    assert table.desk.messages() == []
    assert table.desk.counters["deliveries_stale"] == 1


def test_a_full_queue_is_said_to_be_full_and_only_then() -> None:
    table = Table(1, channels=small(queue_messages=64, queue_bytes=1 << 20))
    table.run(0.2)
    desk, lost = table.desk, 0
    (client,) = table.clients.values()
    # Far more than the queue holds, a tick at a time: it empties, and the game is never refused.
    for number in range(40):
        for part in range(50):
            desk.push(0, 0, b"%d %d" % (number, part))
        desk.flush()
        for _ in range(10):  # longer than an ack may wait
            table.step()
    assert len(client.messages()) == 2000
    # Now nobody acks. In one tick exactly the queue, however often the owner is asked.
    table.loss = 1.0
    for number in range(64):
        desk.push(0, 0, b"%d" % number)
    for _ in range(3):
        with pytest.raises(ChannelFull, match="64 messages"):
            desk.push(0, 0, b"more")
        assert desk.push_many([0, 0], 0, b"more").tolist() == [1, 1]
        desk.flush()
        table.step()
        lost += 3
    table.loss = 0.0
    table.run(1.0)
    for number in range(64, 128):
        desk.push(0, 0, b"%d" % number)
    desk.flush()
    table.run(1.0)
    assert spoken(client) == [(0, b"%d" % number) for number in range(128)]
    assert desk.stats(0).transport.messages_queued == 0


def test_bytes_of_a_queue_and_of_frames_are_counted() -> None:
    table = Table(1, channels=small(queue_bytes=1 << 16, max_message=1 << 15))
    table.run(0.2)
    desk = table.desk
    table.loss = 1.0
    assert desk.push_many([0] * 5, 0, bytes(1 << 14)).tolist() == [0, 0, 0, 0, 1]
    desk.push(0, 0, b"")
    with pytest.raises(ChannelFull):
        desk.push(0, 0, b"x")
    limit = CHANNELS.frame_bytes
    for _ in range((limit - 1011) // 1003 + 1):  # exactly what the core takes
        desk.push_frame(0, 0x40, bytes(1000))
    with pytest.raises(ChannelFull, match="frame of 1000 bytes"):
        desk.push_frame(0, 0x40, bytes(1000))
    desk.flush()
    table.run(0.5)
    desk.push_frame(0, 0x40, bytes(1000))
    assert desk.counters["frames_dropped"] == 0


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_more_commands_than_the_ring_holds(loss: float, rng: random.Random) -> None:
    """The owner is let work in between; every message arrives once and in order."""
    table = Table(4, loss=loss, seed=rng.randrange(1 << 30), token_history=64)
    table.run(3.0)
    desk = table.desk
    sent: dict[int, list[bytes]] = {index: [] for index in desk.connected}
    heard: dict[Address, list[bytes]] = {address: [] for address in table.clients}
    for _ in range(6):
        sizes = [rng.choice((0, 1, 300, 2047, 2048, 2049, 9000)) for _ in range(300)]
        rows = np.array([rng.choice(desk.connected) for _ in sizes])
        data = rng.randbytes(sum(sizes))
        cuts = np.concatenate([[0], np.cumsum(sizes)])
        status = desk.push_many(rows, RELIABLE, data, cuts)
        for at, row in enumerate(rows.tolist()):
            if status[at] == 0:
                sent[row].append(data[cuts[at] : cuts[at + 1]])
        desk.flush()
        for _ in range(20):
            table.step()
            for address, client in table.clients.items():
                heard[address] += [data for _, data in spoken(client)]
    for _ in range(1200):
        table.step()
        for address, client in table.clients.items():
            heard[address] += [data for _, data in spoken(client)]
    by_slot = {desk.client(index).address: sent[index] for index in desk.connected}
    assert len(by_slot) == 4
    assert heard == by_slot


def test_a_game_that_does_not_take_loses_nothing_reliable() -> None:
    """What waits is bounded; then packets are not acked, and come again when there is room."""
    table = Table(2, inbox_bytes=1 << 16)
    table.run(0.2)
    desk, size = table.desk, 700
    clients = list(table.clients.values())
    sent = 0
    for _ in range(240):
        for client in clients:
            client.push(UNRELIABLE, bytes(size))
            if client.stats().transport.messages_queued < 4000:
                client.push(RELIABLE, sent.to_bytes(4, "little") + bytes(size))
        sent += 1
        table.owner()
        table.now += TICK
    held = desk.counters
    assert held["payload_inbox_full"] + held["payload_inbox_share"] > 50
    got: dict[int, list[int]] = {0: [], 1: []}
    lost = 0
    for _ in range(1200):
        desk.take()
        for index, channel, data in desk.messages():
            if channel == RELIABLE:
                got[index].append(int.from_bytes(data[:4], "little"))
            else:
                lost += 1
        table.owner()
        table.now += TICK
    assert got == {0: list(range(sent)), 1: list(range(sent))}
    assert lost < 2 * sent  # as unreliable messages may be


def test_memory_of_a_slow_game_is_bounded() -> None:
    table = Table(1, inbox_bytes=1 << 15)
    table.run(0.2)
    (client,) = table.clients.values()
    for _ in range(400):
        for _ in range(20):
            say(client)
        table.owner()
        table.now += TICK
    table.desk.take()
    batch = table.desk.receive_messages()
    assert batch.nbytes <= (1 << 15) + 1200
    # Read or not, what was taken counts until it is read.
    for _ in range(400):
        for _ in range(20):
            say(client)
        table.owner()
        table.desk.take()
        table.now += TICK
    assert table.desk.receive_messages().nbytes <= 2 * (1 << 15) + 2400


def test_frames_that_nobody_reads_are_dropped_and_counted() -> None:
    table = Table(1, inbox_bytes=1 << 14)
    table.run(0.2)
    (client,) = table.clients.values()
    for _ in range(200):
        client.push_frame(0x40, bytes(500))
        table.step()
        table.desk.messages()
    assert 20 <= len(table.desk.frames()) <= 32
    assert table.desk.counters["frames_dropped"] >= 168


def test_one_that_floods_leaves_room_for_the_others() -> None:
    table = Table(2, inbox_bytes=1 << 16, receive_messages=0)
    table.run(0.2)
    loud, quiet = table.clients.values()
    for _ in range(300):
        for _ in range(20):
            say(loud)
        table.owner()
        table.now += TICK
    quiet.push(RELIABLE, b"me too")
    table.owner()
    table.desk.take()
    batch = table.desk.receive_messages()
    assert (1, RELIABLE, b"me too") in list(batch)
    assert (1 << 14) < batch.nbytes < (1 << 16) - (1 << 14)


STATM = Path("/proc/self/statm")


def resident() -> int:
    """Bytes of memory that the process has now."""
    return int(STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not STATM.exists(), reason="no /proc here")
def test_large_messages_that_were_never_flushed_are_freed_with_the_desk() -> None:
    size = 1 << 20
    before = resident()
    for _ in range(12):
        table = Table(1, channels=small(max_message=size, queue_bytes=8 * size, window_bytes=size))
        table.run(0.2)
        for _ in range(6):
            table.desk.push(0, 0, b"\1" * size)
        del table
    assert resident() - before < 30 * size


def test_requests_without_end_leave_room_for_the_connected() -> None:
    """Each brings a challenge; with those alone a slice of the owner would be full."""
    table = Table(2, max_clients=8)
    table.run(0.2)
    table.desk.push_many([0, 1], RELIABLE, b"news")
    table.desk.flush()
    table.limit = 4
    requests = [request(make_token(number)) for number in range(100, 140)]
    heard: list[bytes] = []
    for turn in range(8):
        batch = DatagramBatch()
        for each in range(5):
            number = turn * 5 + each
            batch.append(requests[number], (f"10.9.{number}.1", 5000))
        out = list(table.desk.turn(batch, table.now, limit=4))
        assert len(out) <= 5 + 4
        assert sum(to[0].startswith("10.9.") for _, to in out) == 5
        heard += [data for data, to in out if to in table.clients]
        table.now += 0.001
    assert len(heard) >= 2
