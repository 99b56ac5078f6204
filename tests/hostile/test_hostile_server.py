"""What a server with valid keys can do to ``connect()`` and to a connected client: end it."""

from __future__ import annotations

from typing import Any

import pytest
from hostile.evil import EvilServer
from virtual_game import MESSAGES, Chat, Input, Ship, step

import netcode as nc
from netcode.channel import Message
from netcode.io import MemoryNetwork
from netcode.replication.hello import REVISION, Bye, Described, Refusal, TableInfo, Welcome
from netcode.replication.messages import MessageRegistry

TABLES = (TableInfo("Ship", 64),)


def connect(network: MemoryNetwork, **options: Any) -> nc.Client[Any]:
    settings: dict[str, Any] = {
        "input": Input,
        "tables": [Ship],
        "messages": MESSAGES,
        "predict": step,
        "transport": network.bind(("127.0.0.1", 0)),
        "clock": network.now,
        "timeout": 2.0,
    }
    return nc.connect("127.0.0.1:40000", **settings | options)


def answering(*answers: bytes) -> tuple[MemoryNetwork, EvilServer]:
    """A server that answers a hello with control messages."""
    network = MemoryNetwork()
    server = EvilServer(network)

    def on_message(index: int, message: Message) -> None:
        for answer in answers:
            server.channels[index].push(0, answer)

    server.on_message = on_message
    return network, server


WELCOMES = {
    "a table twice": Welcome(0, 60.0, 1, TABLES + TABLES),
    "no table": Welcome(0, 60.0, 1, ()),
    "another table": Welcome(0, 60.0, 1, (TableInfo("Rock", 64),)),
    "no capacity": Welcome(0, 60.0, 1, (TableInfo("Ship", 0),)),
    "too much capacity": Welcome(0, 60.0, 1, (TableInfo("Ship", 1 << 24),)),
    "too many ticks": Welcome(0, 1e5, 1, TABLES),
    "no ticks": Welcome(0, 5e-324, 1, TABLES),
    "far tick": Welcome(0, 60.0, (1 << 64) - 1, TABLES),
    "far index": Welcome((1 << 64) - 1, 60.0, 1, TABLES),
}


@pytest.mark.parametrize("welcome", WELCOMES.values(), ids=WELCOMES.keys())
def test_a_welcome_that_cannot_be_is_a_connect_error(welcome: Welcome) -> None:
    network, _ = answering(welcome.encode())
    with pytest.raises(nc.ConnectError):
        connect(network)


def test_a_refusal_with_lines_of_no_form_is_a_schema_mismatch() -> None:
    lines = Described("Ship", ("no colon", "", "a: b: c"))
    network, _ = answering(Refusal(REVISION, None, (lines,), ()).encode())
    with pytest.raises(nc.SchemaMismatch):
        connect(network)


def test_a_server_that_accepts_and_closes_at_once() -> None:
    """Connected and Disconnected arrive in one look: the hello has nowhere to go."""
    network = MemoryNetwork()
    server = EvilServer(network)
    server.on_connect = server.endpoint.disconnect
    with pytest.raises(nc.ConnectError, match="closed the connection"):
        connect(network)


@pytest.mark.parametrize("more", [(), (Bye("full moon").encode(),)])
def test_a_server_that_welcomes_and_closes_at_once(more: tuple[bytes, ...]) -> None:
    """The end must not be lost between connect() and the client."""
    network, server = answering(Welcome(0, 60.0, 1, TABLES).encode(), *more)
    answer = server.on_message

    def on_message(index: int, message: Message) -> None:
        answer(index, message)
        server.flush()
        server.endpoint.disconnect(index)

    server.on_message = on_message
    with pytest.raises(nc.ConnectError):
        connect(network)
    assert not server.endpoint.connected


def test_a_message_after_the_welcome_is_not_lost() -> None:
    chat = MessageRegistry(MESSAGES).encode(Chat("hello"))
    network, server = answering(Welcome(0, 60.0, 1, TABLES).encode())
    answer = server.on_message

    def on_message(index: int, message: Message) -> None:
        answer(index, message)
        server.channels[index].push(1, chat)

    server.on_message = on_message
    client = connect(network)
    network.advance(0.1)
    client.update(Input())
    assert [event.message for event in client.events] == [Chat("hello")]
    client.close()
