"""Room in the send queues of players and clients: asked for, and waited for, with every driver."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from virtual_game import MESSAGES, Chat, Game, Input

import netcode as nc

CHANNELS = (nc.ChannelConfig(name="reliable", max_message=100, queue_messages=20, queue_bytes=400),)
LINE = Chat("x" * 60)


pytestmark = pytest.mark.usefixtures("owner")


def pair() -> tuple[Game, nc.Client[Input], nc.Player[Input]]:
    game = Game(channels=CHANNELS)
    client = game.connect(channels=CHANNELS)
    game.run(0.2, client)
    return game, client, game.players()[0]


def fill(end: nc.Client[Input] | nc.Player[Input]) -> int:
    sent = 0
    while end.has_room(size=62):
        end.send(LINE)
        sent += 1
    with pytest.raises(nc.ChannelFull, match=r"channel 1 \('reliable'\) is full") as full:
        end.send(LINE)
    assert full.value.channel == "reliable"
    assert full.value.size == 62
    assert full.value.limit == "20 messages and 400 bytes"
    return sent


def test_has_room_says_what_send_would_do_at_a_player() -> None:
    game, client, player = pair()
    assert fill(player) == 6
    assert player.has_room(size=1)
    assert not player.has_room(size=62)
    heard = game.run(0.5, client)
    assert sum(isinstance(each, nc.Received) for each in heard) == 6
    assert player.has_room(size=100)


def test_has_room_says_what_send_would_do_at_a_client() -> None:
    game, client, _ = pair()
    assert fill(client) == 6
    assert not client.has_room(size=62)
    game.run(0.5, client)
    assert client.has_room(size=100)


def test_questions_that_make_no_sense_raise() -> None:
    _, client, player = pair()
    for end in (client, player):
        with pytest.raises(nc.ConfigError, match="there is no channel 'nowhere'"):
            end.has_room("nowhere")
        with pytest.raises(nc.EncodeError, match="the most is 100"):
            end.has_room(size=101)
        with pytest.raises(nc.EncodeError, match="the most is 100"):
            end.drain(size=101)
        with pytest.raises(ValueError, match="less than 0"):
            end.has_room(size=-1)


def test_a_drain_is_done_when_any_message_finds_room() -> None:
    game, client, player = pair()
    fill(player)
    small, large = player.drain(size=1), player.drain()
    assert small.done
    assert not large.done
    with pytest.raises(RuntimeError, match="no room yet"):
        large.result()
    game.run(0.5, client)
    assert large.done
    large.result()
    assert player.has_room(size=100)
    assert player.drain().done


def test_a_client_waits_for_room() -> None:
    _, client, _ = pair()
    for _ in range(5):
        fill(client)
        client.drain().result()
        assert client.has_room(size=100)


def test_a_drain_ends_with_the_connection() -> None:
    game, client, player = pair()
    fill(player)
    fill(client)
    theirs, ours = client.drain(), player.drain()
    client.close()
    with pytest.raises(nc.ConnectionClosed):
        theirs.result()
    game.run(0.5)
    assert ours.done
    with pytest.raises(nc.ConnectionClosed):
        ours.result()
    with pytest.raises(nc.ConnectionClosed):
        player.drain()
    with pytest.raises(nc.ConnectionClosed):
        client.has_room()


@pytest.mark.udp
@pytest.mark.parametrize("io", ["poll", "thread"])
def test_await_on_an_event_loop(io: Any) -> None:
    asyncio.run(asyncio.wait_for(talk(io), 30))


async def talk(io: Any) -> None:
    channels = (nc.ChannelConfig(name="reliable", max_message=100, queue_messages=64),)
    total = 500
    with nc.Server(
        "127.0.0.1:0", input=Input, messages=MESSAGES, channels=channels, io=io
    ) as server:
        heard: list[str] = []

        async def serve() -> None:
            sending: list[asyncio.Task[None]] = []
            async for tick in server:
                for event in tick.events:
                    match event:
                        case nc.Joined(player):
                            sending.append(asyncio.ensure_future(send(player)))
                        case nc.Message(_, Chat(text)):
                            heard.append(text)
            for each in sending:
                await each

        async def send(end: Any) -> None:
            for number in range(total):
                await end.drain()
                end.send(Chat(str(number)))

        async def play() -> list[str]:
            got: list[str] = []
            async with nc.asyncio.connect(
                server.address, input=Input, messages=MESSAGES, channels=channels
            ) as client:
                sending = asyncio.ensure_future(send(client))
                async for _ in client:
                    client.update()
                    got += [each.message.text for each in client.events
                            if isinstance(each, nc.Received)]  # fmt: skip
                    if len(got) == total and len(heard) == total:
                        break
                await sending
            server.stop()
            return got

        _, got = await asyncio.gather(serve(), play())
        assert got == heard == [str(number) for number in range(total)]
