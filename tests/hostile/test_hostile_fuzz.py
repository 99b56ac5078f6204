"""Seeded fuzzing past the encryption: a client and a server that hold valid keys and send anything.

Nothing may escape from the library's calls, others must not notice, and what is kept stays
bounded. ``NETCODE_FUZZ_STEPS`` makes a run longer; ``NETCODE_SEED`` repeats one.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from hostile.evil import EvilClient, EvilServer
from virtual_game import MESSAGES, Chat, Game, Input, Ship, step

import netcode as nc
from netcode.channel import ChannelEndpoint, Message
from netcode.io import MemoryNetwork
from netcode.replication import Sender, Table
from netcode.replication.contract import Contract
from netcode.replication.hello import (
    REVISION,
    Bye,
    Described,
    Hello,
    Offer,
    Refusal,
    TableInfo,
    Welcome,
)
from netcode.replication.inputs import INPUT_FRAME, TIME_FRAME, InputSender, TimeFrame
from netcode.replication.messages import Kind, MessageRegistry

STEPS = int(os.environ.get("NETCODE_FUZZ_STEPS", "1200"))
CONTRACT = Contract(Input, (Ship,), MESSAGES)
REGISTRY = MessageRegistry(MESSAGES)


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


class Mutator:
    """Random bytes, mostly near something that is valid."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.corpus: list[bytes] = [b"\x00"]

    def remember(self, data: bytes) -> None:
        if len(self.corpus) < 400:
            self.corpus.append(data)
        else:
            self.corpus[self.rng.randrange(400)] = data

    def number(self) -> int:
        rng = self.rng
        return rng.choice(
            [0, 1, 2, 63, 64, 127, 128, 255, 256, 1151, 1152, 4095, 4096, 8191, 8192, 32767, 32768,
             65535, 65536, (1 << 24) - 1, 1 << 24, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32,
             (1 << 58), (1 << 63), (1 << 64) - 1, rng.getrandbits(7), rng.getrandbits(64)]
        )  # fmt: skip

    def bytes(self, most: int = 1150) -> bytes:
        rng = self.rng
        data = bytearray(rng.choice(self.corpus) if rng.random() < 0.9 else rng.randbytes(40))
        for _ in range(rng.choice((0, 1, 1, 2, 8))):
            at = rng.randrange(len(data) + 1)
            match rng.randrange(6):
                case 0 if data:
                    data[at % len(data)] ^= 1 << rng.randrange(8)
                case 1 if data:
                    data[at % len(data)] = rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))
                case 2:
                    data[at:at] = varint(self.number())
                case 3:
                    del data[at:]
                case 4:
                    data[at:at] = rng.randbytes(rng.randrange(20))
                case _:
                    other = rng.choice(self.corpus)
                    data[at:] = other[rng.randrange(len(other) + 1) :]
        return bytes(data[:most])

    def frame(self) -> bytes:
        """A transport frame whose numbers are often at a limit."""
        rng = self.rng
        channel = rng.choice((0, 1, 1, 1, 2, 2, 3, 63, 64, 255))
        ident = rng.choice(
            (0, 1, 2, 5, rng.getrandbits(4), rng.getrandbits(12), rng.getrandbits(16))
        )
        body = self.bytes(rng.choice((0, 1, 63, 64, 65, 128, 400)))
        low = ident.to_bytes(2, "little")
        match rng.randrange(5):
            case 0:
                count = rng.randrange(1, 5)
                run = b"".join(varint(len(body)) + body for _ in range(count))
                return bytes([1, channel]) + low + bytes([count]) + run
            case 1:
                count = rng.randrange(1, 5)
                return bytes([3, channel, count]) + b"\x01x" * count
            case 2:
                kind = rng.choice((*range(0x3E, 0x48), 0x7F, 0x80))
                return bytes([kind]) + varint(len(body)) + body
            case _:
                units = rng.randrange(1, 6)
                first = rng.randrange(units) if rng.random() < 0.9 else self.number()
                total = units * 64 - rng.choice((0, 0, 1, 63))
                if rng.random() < 0.1:
                    total = self.number()
                size = min(64 * rng.randrange(1, 3), max(1, total - first * 64))
                if rng.random() < 0.05:
                    size = self.number() & 0x3FF
                return (
                    bytes([rng.choice((2, 4)), channel]) + low + varint(total) + varint(first)
                    + varint(size) + rng.randbytes(size)
                )  # fmt: skip

    def packet(self, sequence: int) -> bytes:
        """A transport packet of random frames, now and then with a random ack block."""
        rng = self.rng
        frames = b"".join(self.frame() for _ in range(rng.choice((1, 1, 2, 3, 6))))
        acks = b""
        if rng.random() < 0.3:
            largest = rng.choice((0, 1, sequence, rng.getrandbits(16))) & 0xFFFF
            more = rng.choice((0, 0, 1, 31, 32, 255))
            acks = largest.to_bytes(2, "little") + varint(self.number())
            acks += varint(rng.choice((0, 1, self.number()))) + bytes([more])
            acks += b"".join(varint(rng.choice((0, 1, self.number()))) for _ in range(2 * more))
        head = bytes([2 | bool(acks)]) + (sequence & 0xFFFF).to_bytes(2, "little")
        return (head + acks + frames)[:1190]


def hostile_step(
    fuzz: Mutator, channel: ChannelEndpoint, now: float, send: Callable[[bytes], None],
    kinds: tuple[int, ...],
) -> None:  # fmt: skip
    """One thing a peer with keys may do."""
    rng = fuzz.rng
    match rng.randrange(8):
        case 0:
            channel.push(rng.choice((0, 1, 1, 2)), fuzz.bytes() or b"\x00")
        case 1:
            channel.push(1, (fuzz.bytes() or b"\x00") * rng.randrange(1, 30))
        case 2 | 3 | 4:
            channel.push_frame(rng.choice(kinds), fuzz.bytes())
        case 5:
            sequence = rng.choice((channel.stats.packets_sent, rng.getrandbits(16)))
            send(fuzz.packet(sequence))
        case 6:
            channel.push_frame(rng.choice(kinds), fuzz.bytes())
            for packet in channel.build_all(now):
                fuzz.remember(packet)
                send(fuzz.bytes() or b"\x00" if rng.random() < 0.2 else packet)
        case _:
            return


def test_hostile_clients_of_a_server(rng: random.Random, caplog: pytest.LogCaptureFixture) -> None:
    game = Game(max_clients=8)
    fuzz = Mutator(rng)
    fuzz.remember(CONTRACT.hello().encode())
    fuzz.remember(Bye("x").encode())
    for kind in Kind:
        fuzz.remember(REGISTRY.encode(Chat("hello"), kind, 7 if kind else 0))
    inputs = InputSender()
    for tick in range(1, 9):
        inputs.add(tick, Input(thrust=tick % 3 == 0, turn=tick % 3 - 1).encode())
        fuzz.remember(inputs.frame() or b"")
    honest = game.connect()
    evil: list[EvilClient] = []
    made = 0
    for number in range(STEPS):
        evil = [each for each in evil if each.endpoint.state >= 1]
        if len(evil) < 4:
            made += 1
            evil.append(EvilClient(game.network, 1000 + made))
        for each in evil:
            was = each.connected
            each.pump()
            if not each.connected:
                continue
            if not was and rng.random() < 0.95:
                each.channel.push(0, CONTRACT.hello().encode())
            tick = game.server.schedule.number & 0xFFFF
            fuzz.corpus[0] = bytes([tick & 255, tick >> 8, 0xFF, 0xFF, 0])
            for _ in range(rng.randrange(4)):
                hostile_step(
                    fuzz, each.channel, game.network.now(), each.endpoint.send_payload,
                    (0x42, 0x43, INPUT_FRAME, INPUT_FRAME, TIME_FRAME, 0x40, 0x7F),
                )  # fmt: skip
        game.network.advance(1 / 60)
        if number % 3 == 0:
            honest.update(Input(thrust=True))
        for tick in game.ticks:
            assert tick.inputs is not None
            for player in tick.players:
                assert len(player.queue.waiting) <= 64
        game.ticks.clear()
        game.events.clear()
    assert honest.connected, honest.reason
    assert honest.tick > game.server.schedule.number - 30
    counters = game.server.counters
    assert counters["payload_malformed"] > 0
    assert counters["message_malformed"] + counters["input_malformed"] > 0
    assert counters["out_of_memory"] == 0
    # Two kinds of line, each at most once in five seconds.
    assert len(caplog.records) <= 2 * (1 + game.network.now() / 5)
    honest.close()
    game.server.close()


def test_a_hostile_server_of_a_client(rng: random.Random) -> None:
    fuzz = Mutator(rng)
    table: Table[Ship] = Table(Ship, 64)
    real = Sender((table,))
    real.add(0)
    for tick in range(1, 6):
        table.spawn(Ship(x=float(tick)), owner=None)
        real.commit(tick)
        for _, data in real.frames(0):
            fuzz.remember(data)
    fuzz.remember(Bye("x").encode())
    ship = Described(Offer("Ship", 1, (1, 2)), ("x: a",))
    fuzz.remember(Refusal(REVISION, None, (ship,), ()).encode())
    fuzz.remember(TimeFrame(5, 4, 5).encode())
    fuzz.remember(Hello(REVISION, None, (), ()).encode())
    fuzz.remember(REGISTRY.encode(Chat("hello"), Kind.REPLY, 1))
    fuzz.remember(REGISTRY.encode(Chat("hello")))
    messages = tuple(each.schema_hash for each in MESSAGES)
    info = TableInfo(0, "Ship", 64, Ship.schema_hash)
    welcome = Welcome(0, 60.0, 1, Input.schema_hash, messages, (info,)).encode()
    fuzz.remember(welcome)

    network = MemoryNetwork()
    server = EvilServer(network)
    honest_welcome = [True]

    def on_message(index: int, message: Message) -> None:
        if message.channel == 0:
            server.channels[index].push(0, welcome if honest_welcome[0] else fuzz.bytes() or b"\0")

    server.on_message = on_message
    steps, ended = 0, 0
    while steps < STEPS:
        honest_welcome[0] = rng.random() < 0.9
        try:
            client: nc.Client[Any] = nc.connect(
                "127.0.0.1:40000", input=Input, tables=[Ship], messages=MESSAGES, predict=step,
                transport=network.bind(("127.0.0.1", 0)), clock=network.now, timeout=0.3,
            )  # fmt: skip
        except nc.ConnectError:
            steps += 1
            ended += 1
            continue
        tick = 5
        while client.connected and steps < STEPS:
            steps += 1
            tick += 1
            table.x[:4] = (table.x[:4] + 1.0) % 900
            real.commit(real.tick + 1)
            for kind, data in real.frames(0):
                fuzz.remember(data)
                if rng.random() < 0.7:
                    for channel in server.channels.values():
                        channel.push_frame(kind, data)
            for index, channel in list(server.channels.items()):
                for _ in range(rng.randrange(4)):
                    hostile_step(
                        fuzz, channel, network.now(),
                        lambda data, to=index: server.endpoint.send_payload(to, data),
                        (0x40, 0x40, 0x41, 0x41, 0x41, TIME_FRAME, 0x42, 0x7F),
                    )  # fmt: skip
            network.advance(1 / 60)
            client.update(Input(thrust=True))
            list(client.view(Ship))
            assert len(client.events) <= 4096
            for each in client.complete_ticks():
                client.world_hash(each)
        client.close()
        ended += 1
        if real.tick > 30_000:
            break
    assert ended > 0
