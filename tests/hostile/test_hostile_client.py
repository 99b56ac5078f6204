"""What a client with valid keys can do to a server, beyond fuzzing."""

from __future__ import annotations

from typing import Annotated

from hostile.evil import EvilClient
from virtual_game import MESSAGES, Game, Input, Ship

import netcode as nc
from netcode.replication import Sender, Table
from netcode.replication.contract import Contract
from netcode.replication.input_queue import InputQueue
from netcode.replication.messages import MessageRegistry
from netcode.replication.octets import put_varint
from netcode.shell.serving import MAX_INBOX_BYTES


class Letter(nc.Schema):
    text: Annotated[bytes, nc.Blob(60_000)] = b""


def test_acks_before_the_first_tick() -> None:
    """There is no newest tick yet to complete sixteen bits from (undefined behaviour once)."""
    table: Table[Ship] = Table(Ship, 4)
    sender = Sender((table,))
    sender.add(0)
    for low in (0, 1, 0x7FFF, 0x8000, 0xFFFF):
        tick = low.to_bytes(2, "little")
        assert sender.on_frame(0, 0x42, tick + b"\xff\xff\x00")
        assert sender.on_frame(0, 0x43, tick + b"\x00")
    table.spawn(Ship())
    sender.commit(1)
    assert len(sender.frames(0)) == 2


def test_messages_between_two_ticks_are_bounded() -> None:
    """A server that polls and does not tick (an ``async for`` body that awaits) takes a share."""
    game = Game(messages=(Letter,), input=Input)
    game.network.background.clear()
    client = EvilClient(game.network, 1)
    letter = MessageRegistry((Letter,)).encode(Letter(bytes(60_000)))
    sent = most = 0
    for number in range(3000):
        client.pump()
        if client.connected and number == 20:
            client.channel.push(0, Contract(Input, (Ship,), (Letter,)).hello().encode())
        if number > 40 and client.channel.stats.bytes_queued < 500_000 and sent < 80_000_000:
            for _ in range(5):
                client.channel.push(1, letter)
                sent += len(letter)
        game.server.poll()
        if number < 40:
            game.server.begin_tick()
            game.server.end_tick()
        game.network.advance(0.002)
        most = max(most, sum(len(each.message.text) for each in game.server.inbox))
    # One client has half of the endpoint's inbox beside the whole of the server's.
    assert sent > 1.5 * MAX_INBOX_BYTES
    assert MAX_INBOX_BYTES / 2 < most < 2.1 * MAX_INBOX_BYTES
    client.close()
    game.server.close()


def test_a_flood_of_frames_buys_little_work() -> None:
    """A megabyte of input frames once kept a server busy for more than a second."""
    game = Game()
    client = EvilClient(game.network, 1)
    for number in range(60):
        client.pump()
        if number == 20:
            client.channel.push(0, Contract(Input, (Ship,), MESSAGES).hello().encode())
        game.network.advance(1 / 60)
    (player,) = game.players()
    held = Input(thrust=True).encode()
    runs = b"".join((put_varint(1), put_varint(len(held)), held)) * 64
    calls = 0
    decode = player.queue.decode

    def counting(data: bytes) -> Input:
        nonlocal calls
        calls += 1
        return decode(data)

    player.queue = InputQueue(counting, player.queue.current)
    for number in range(2_000):
        client.channel.push_frame(0x44, put_varint(1_000 + 64 * number) + runs)
        client.pump()
    game.server.poll()
    assert 64 <= calls <= 512
    assert game.server.counters["frames_ignored"] > 0
    newest = player.queue.received
    game.server.begin_tick()
    game.server.end_tick()
    client.channel.push_frame(0x44, put_varint(1_000_000) + runs)
    client.pump()
    game.server.poll()
    assert player.connected
    assert player.queue.received == 1_000_000 > newest
    client.close()
    game.server.close()
