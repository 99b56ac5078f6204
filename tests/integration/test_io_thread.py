"""The I/O thread under game code that keeps the interpreter, and under churn: on real UDP."""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator

import pytest
from thread_line import RELIABLE, UNRELIABLE, Peer, open_thread, opened, until
from virtual_game import MESSAGES, Chat, Input, Ship

import netcode as nc
from netcode.errors import ChannelFull
from netcode.io import BACKENDS, ServerThread
from netcode.session import ClientConnected

pytestmark = [
    pytest.mark.udp,
    pytest.mark.skipif(BACKENDS[0] == "python", reason="no I/O thread on this system"),
]

SELFISH = """
import sys, time
sys.path[:0] = {path!r}
import netcode as nc
from virtual_game import MESSAGES, Chat, Input, Ship
server = nc.Server("127.0.0.1:0", input=Input, messages=MESSAGES, io={io!r})
server.table(Ship)
print(server.address, flush=True)
heard = 0
for tick in server:
    for event in tick.events:
        match event:
            case nc.Left():
                sys.exit(0)
            case nc.Message(player, Chat(text="block")):
                sys.setswitchinterval(100)  # no other Python thread runs meanwhile
                end = time.monotonic() + {seconds}
                while time.monotonic() < end:
                    pass
                sys.setswitchinterval(0.005)
            case nc.Message(player, Chat(text="how many?")):
                event.reply(Chat(str(heard)))
            case nc.Message():
                heard += 1
"""


@contextlib.contextmanager
def selfish_server(io: str, seconds: float) -> Iterator[str]:
    """The address of a server whose game keeps the GIL for ``seconds`` when told to."""
    code = textwrap.dedent(SELFISH).format(path=sys.path, io=io, seconds=seconds)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_game_code_that_keeps_the_gil_stops_nothing() -> None:
    """Longer than the timeout: the clients stay, are acked at once, and nothing is lost."""
    with (
        selfish_server("thread", 1.6) as address,
        nc.connect(address, input=Input, tables=[Ship], messages=MESSAGES, lost_after=1) as client,
    ):
        client.send(Chat("block"))
        start = time.monotonic()
        acked = []
        sent = 0
        while time.monotonic() < start + 1.4:
            client.update(Input())
            assert client.connected, client.reason
            client.send(Chat("hello?"))
            sent += 1
            transport = client.stats.transport
            assert transport is not None
            acked.append(transport.packets_acked)
            time.sleep(0.01)
        assert len(set(acked[-60:])) > 20  # all the time, not at the end
        assert client.stats.rtt < 0.05
        question = client.request(Chat("how many?"), Chat, timeout=8)
        while not question.done:
            client.update(Input())
            time.sleep(0.005)
        assert question.result() == Chat(str(sent))


def test_without_the_thread_it_would_be_lost() -> None:
    """The test above can fail."""
    with (
        selfish_server("poll", 2.5) as address,
        nc.connect(address, input=Input, tables=[Ship], messages=MESSAGES, lost_after=1) as client,
    ):
        client.send(Chat("block"))
        end = time.monotonic() + 2.4
        while client.connected and time.monotonic() < end:
            client.update(Input())
            time.sleep(0.01)
        assert client.reason == "timeout"


@pytest.mark.parametrize("loop", ["for", "async for"])
def test_who_joins_a_slow_tick_loop_does_not_wait_for_a_tick(loop: str) -> None:
    """The hello is answered between two ticks, as in a loop that polls."""
    server = nc.Server("127.0.0.1:0", input=Input, messages=MESSAGES, tick_rate=0.5, io="thread")
    server.table(Ship)

    async def serve() -> None:
        async for _ in server:
            pass

    def run() -> None:
        if loop == "for":
            for _ in server:
                pass
        else:
            asyncio.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    start = time.monotonic()
    with nc.connect(server.address, input=Input, tables=[Ship], messages=MESSAGES):
        assert time.monotonic() - start < 1.0
    server.stop()
    thread.join(5)
    assert server.closed


def test_an_event_loop_that_sleeps_long_misses_no_news(rng: random.Random) -> None:
    """Between two ticks far apart only the thread's bell brings the replies, at any moment."""
    server = nc.Server("127.0.0.1:0", input=Input, messages=MESSAGES, tick_rate=0.2, io="thread")
    joined, ended = threading.Event(), threading.Event()

    def play() -> None:
        with nc.connect(server.address, input=Input, messages=MESSAGES) as client:
            joined.set()
            while client.connected and not ended.is_set():
                client.update(Input())
                for event in client.events:
                    if isinstance(event, nc.Received):
                        event.reply(Chat("pong"))
                time.sleep(0.0005)

    async def serve() -> None:
        async for tick in server:
            if tick.number == 1:
                continue
            player = server.players[0]
            for _ in range(150):
                await player.request(Chat("ping"), Chat, timeout=2.0)
                await asyncio.sleep(rng.choice((0, 0.001, 0.004, 0.006)))
            return

    thread = threading.Thread(target=play)
    thread.start()
    try:
        asyncio.run(serve())
    finally:
        ended.set()
        thread.join(5)
    assert joined.is_set()


class Storm:
    """Clients that come, talk and go, against a game that takes when it likes.

    Each numbers its reliable messages, and leaves only when all were acked: then the game must
    have got them all, once and in order, however long it slept; and the other way round.
    """

    def __init__(self, server: ServerThread, seed: int, clients: int) -> None:
        self.server = server
        self.chance = random.Random(seed)
        self.clients = clients
        self.got: dict[int, int] = {}
        self.owners: dict[int, int] = {}
        self.sent_back: dict[int, int] = {}
        self.faults: list[str] = []
        self.expected: dict[int, int] = {}
        self.full = 0
        self.joins = 0
        self.stop = threading.Event()

    def game(self) -> None:
        """One thread: the game. It echoes what it hears."""
        server, chance = self.server, random.Random(self.chance.random())
        while not self.stop.is_set():
            server.wait(0.05)
            if chance.random() < 0.1:
                time.sleep(chance.random() * 0.2)
            self.turn()

    def turn(self) -> None:
        server = self.server
        server.take()
        for event in server.events():
            if isinstance(event, ClientConnected):
                self.owners[event.index] = event.client_id
                self.joins += 1
        for index, channel, data in server.messages():
            client = self.owners[index]
            if channel != RELIABLE:
                continue
            number = int.from_bytes(data[:4], "little")
            if number != self.got.get(client, 0):
                self.faults.append(f"{client}: {number}, not {self.got.get(client, 0)}")
            self.got[client] = number + 1
            if index in server.connected:
                back = self.sent_back.get(client, 0)
                with contextlib.suppress(ChannelFull):
                    server.push(index, RELIABLE, back.to_bytes(4, "little") + bytes(back % 3000))
                    self.sent_back[client] = back + 1
        for index in server.connected:
            with contextlib.suppress(ChannelFull):
                server.push_frame(index, 0x40, b"tick" * 20)
        server.flush()

    def run(self, seconds: float) -> None:
        game = threading.Thread(target=self.game)
        game.start()
        try:
            self.crowd(time.monotonic() + seconds)
        finally:
            self.stop.set()
            game.join()
        for _ in range(50):
            self.turn()
            time.sleep(0.002)

    def crowd(self, end: float) -> None:
        """This thread: the clients."""
        chance, number = self.chance, 0
        peers: dict[Peer, dict[str, int]] = {}
        while peers or time.monotonic() < end:
            assert time.monotonic() < end + 30, "some messages are never acked"
            while len(peers) < self.clients and time.monotonic() < end:
                number += 1
                peers[Peer(self.server, number)] = {
                    "id": number, "sent": 0, "heard": 0, "left": chance.randrange(1, 120),
                }  # fmt: skip
            for peer, each in list(peers.items()):
                peer.pump()
                if not peer.connected:
                    if int(peer.endpoint.state) <= 0:
                        self.faults.append(f"{each}: {peer.endpoint!r}")
                        del peers[peer]
                        peer.close()
                    continue
                for channel, data in peer.heard():
                    if channel == RELIABLE:
                        if int.from_bytes(data[:4], "little") != each["heard"]:
                            self.faults.append(f"{each}: heard {data[:4]!r}")
                        each["heard"] += 1
                for _ in range(chance.randrange(4)):
                    if each["left"]:
                        size = chance.choice((0, 40, 1500))
                        peer.endpoint.push(
                            RELIABLE, each["sent"].to_bytes(4, "little") + bytes(size)
                        )
                        peer.endpoint.push(UNRELIABLE, bytes(200))
                        each["sent"] += 1
                        each["left"] -= 1
                if not each["left"] and peer.queued == 0:
                    self.expected[each["id"]] = each["sent"]
                    del peers[peer]
                    peer.close()
                    opened.remove(peer)
            time.sleep(0.001)


def storm(seconds: float, clients: int, seed: int) -> None:
    # So little room that the game's pauses are felt by the peers.
    with open_thread(inbox_bytes=1 << 16, max_clients=clients + 8) as server:
        made = Storm(server, seed, clients)
        try:
            made.run(seconds)
        finally:
            while opened:
                opened.pop().close()
        counters = server.counters
    assert made.faults == []
    assert {each: made.got.get(each) for each in made.expected} == made.expected
    assert made.joins == len(made.expected) > clients
    assert counters["payload_inbox_full"] + counters["payload_inbox_share"] > 0
    assert counters["frames_dropped"] == counters["out_of_memory"] == 0


def test_churn_and_a_slow_game_lose_nothing_reliable(seed: int) -> None:
    storm(2.5, 24, seed)


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_a_minute_of_churn_and_a_slow_game(seed: int) -> None:
    storm(60, 64, seed)


def test_one_that_joins_while_the_game_sleeps_is_let_in() -> None:
    with open_thread() as server:
        peers = [Peer(server, number) for number in range(20)]
        try:
            until(lambda: all(peer.connected for peer in peers), *peers)
            assert server.connected == []  # nobody told the game yet
            server.take()
            assert server.connected == list(range(20))
        finally:
            while opened:
                opened.pop().close()
