"""What a server with valid keys can do to ``connect()`` and to a connected client: end it."""

from __future__ import annotations

from typing import Any

import pytest
from hostile.evil import EvilServer
from virtual_game import MESSAGES, Chat, Input, Ship, step

import netcode as nc
from netcode.channel import Message
from netcode.io import MemoryNetwork
from netcode.replication.hello import (
    REVISION,
    Bye,
    Described,
    Offer,
    Refusal,
    TableInfo,
    Welcome,
)
from netcode.replication.messages import MessageRegistry

TABLES = (TableInfo(0, "Ship", 64, Ship.schema_hash),)
WELCOME = Welcome(
    0, 60.0, 1, Input.schema_hash, tuple(each.schema_hash for each in MESSAGES), TABLES
)


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


def with_table(**changes: Any) -> Welcome:
    return WELCOME._replace(tables=(TABLES[0]._replace(**changes),))


WELCOMES = {
    "a table twice": WELCOME._replace(tables=TABLES + TABLES),
    "no table": WELCOME._replace(tables=()),
    "another table": with_table(name="Rock"),
    "another version": with_table(schema_hash=1),
    "no capacity": with_table(capacity=0),
    "too much capacity": with_table(capacity=1 << 24),
    "far table": with_table(number=1 << 40),
    "no input": WELCOME._replace(input=None),
    "another input": WELCOME._replace(input=1),
    "no messages": WELCOME._replace(messages=()),
    "other messages": WELCOME._replace(messages=(1, 2, 3)),
    "too many ticks": WELCOME._replace(tick_rate=1e5),
    "no ticks": WELCOME._replace(tick_rate=5e-324),
    "far tick": WELCOME._replace(tick=(1 << 64) - 1),
    "far index": WELCOME._replace(client_index=(1 << 64) - 1),
}


def test_the_welcome_that_the_others_are_made_from_is_good() -> None:
    network, _ = answering(WELCOME.encode())
    connect(network).close()
    network, _ = answering(with_table(number=255).encode())
    connect(network).close()


@pytest.mark.parametrize("welcome", WELCOMES.values(), ids=WELCOMES.keys())
def test_a_welcome_that_cannot_be_is_a_connect_error(welcome: Welcome) -> None:
    network, _ = answering(welcome.encode())
    with pytest.raises(nc.ConnectError):
        connect(network)


def test_a_refusal_with_lines_of_no_form_is_a_schema_mismatch() -> None:
    lines = Described(Offer("Ship", 1, (1,)), ("no colon", "", "a: b: c"))
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
    network, server = answering(WELCOME.encode(), *more)
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
    network, server = answering(WELCOME.encode())
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
