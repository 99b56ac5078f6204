"""Clients and servers of each dialect in memory, and what unlike ones refuse."""

from __future__ import annotations

from typing import Any

import pytest
from session.harness import (
    EPOCH,
    PROTOCOL,
    World,
    entropy,
    make_client,
    make_server,
    make_token,
    reasons,
)

from netcode.errors import ConfigError
from netcode.security import Address, ConnectToken, Dialect, PacketType, seal_packet
from netcode.session import ClientConfig, ClientState, ServerConfig, ServerEndpoint

SERVER = ("2001:db8::1", 40000)
DIALECTS = [Dialect.STANDARD, Dialect.RENET, Dialect.LIGHTYEAR]


def token(dialect: Dialect, **options: Any) -> ConnectToken:
    settings = {"servers": [SERVER], "private_key": dialect.development_key, "dialect": dialect}
    return make_token(**settings | options)


def meet(server: Dialect, client: Dialect, made: ConnectToken | bytes | None = None) -> World:
    """A server and a client of two dialects over IPv6, with the server's development key."""
    private_key = server.development_key
    endpoint = make_server(addresses=[SERVER], dialect=server, private_key=private_key)
    world = World()
    world.servers[SERVER] = endpoint
    if made is None:
        made = token(client, private_key=private_key)
    world.add(make_client(made, dialect=client))
    return world


def parts(world: World) -> tuple[ServerEndpoint, Any]:
    return world.servers[SERVER], next(iter(world.clients.values()))


@pytest.mark.parametrize("dialect", DIALECTS, ids=repr)
@pytest.mark.parametrize("as_bytes", [False, True])
def test_each_speaks_with_itself(dialect: Dialect, as_bytes: bool) -> None:
    made = token(dialect)
    world = meet(dialect, dialect, made.to_bytes() if as_bytes else made)
    server, client = parts(world)
    world.until(lambda: client.state == ClientState.CONNECTED)
    full = bytes(range(256)) * 6
    payload = full[: dialect.max_payload]
    client.send_payload(payload)
    world.run(0.1)
    assert server.payloads() == [(0, payload)]
    server.send_payload(0, payload)
    world.run(0.1)
    assert client.payloads() == [(0, payload)]
    with pytest.raises(ConfigError, match=f"must be 1 to {dialect.max_payload}"):
        client.send_payload(full[: dialect.max_payload + 1])
    client.disconnect()
    world.run(0.1)
    assert server.connected == []
    assert reasons(server).keys() <= {"unknown_sender"}  # the redundant disconnects
    assert reasons(client) == {}


@pytest.mark.parametrize("dialect", DIALECTS, ids=repr)
def test_with_channels(dialect: Dialect) -> None:
    config = ServerConfig(
        protocol_id=PROTOCOL,
        private_key=dialect.development_key,
        addresses=[SERVER],
        dialect=dialect,
    )
    world = World()
    world.servers[SERVER] = ServerEndpoint(config, entropy=entropy(), epoch=EPOCH)
    made = token(dialect)
    client_config = ClientConfig(token=made, dialect=dialect)
    world.add(make_client(made, channels=client_config.channels, dialect=dialect))
    server, client = parts(world)
    world.until(lambda: client.state == ClientState.CONNECTED)
    message = bytes(5000)
    client.push(1, message)
    world.run(0.5)
    assert server.messages() == [(0, 1, message)]
    largest = max(len(data) for _, _, data in world.log)
    assert dialect.max_payload - 64 < largest <= dialect.max_payload + 25


@pytest.mark.parametrize(
    ("server_kind", "client_kind"),
    [(Dialect.STANDARD, Dialect.RENET), (Dialect.LIGHTYEAR, Dialect.STANDARD)],
    ids=repr,
)
def test_the_other_order_of_ipv6_names_another_server(
    server_kind: Dialect, client_kind: Dialect
) -> None:
    world = meet(server_kind, client_kind)
    server, client = parts(world)
    world.run(1.0)
    assert client.state == ClientState.SENDING_CONNECTION_REQUEST
    assert reasons(server).keys() == {"request_other_server"}


def test_token_bytes_read_in_the_other_order_lead_elsewhere() -> None:
    world = meet(Dialect.STANDARD, Dialect.RENET, token(Dialect.STANDARD).to_bytes())
    server, client = parts(world)
    world.run(1.0)
    assert client.server_address == Address("120:b80d::100", 40000)
    assert server.counters["datagrams_received"] == 0


def test_ipv4_is_the_same_in_all_and_large_payloads_are_refused_by_the_smaller() -> None:
    world = World(make_server(dialect=Dialect.LIGHTYEAR))
    world.add(make_client(make_token(), dialect=Dialect.RENET))
    client = next(iter(world.clients.values()))
    world.until(lambda: client.state == ClientState.CONNECTED)
    client.send_payload(bytes(1300))
    client.send_payload(bytes(1200))
    world.run(0.1)
    assert [len(data) for _, data in world.server.payloads()] == [1200]
    assert reasons(world.server) == {"body_size": 1}


def test_development_keys_do_not_mix() -> None:
    world = meet(Dialect.STANDARD, Dialect.STANDARD, token(Dialect.RENET, order="standard"))
    server, _ = parts(world)
    world.run(0.5)
    assert reasons(server).keys() == {"request_forged"}


def test_options_beside_the_dialect_win() -> None:
    made = make_server(dialect=Dialect.RENET, max_payload=1250, token_order="standard").config
    assert (made.max_payload, made.token_order) == (1250, "standard")
    made = make_server(dialect=Dialect.RENET).config
    assert (made.max_payload, made.token_order) == (1300, "network")
    client = make_client(dialect=Dialect.RENET, max_payload=1200).config
    assert client.max_payload == 1200
    with pytest.raises(ConfigError, match="dialect: a str, must be a Dialect"):
        make_server(dialect="renet")
    with pytest.raises(ConfigError, match="max_payload: 1000, must be at least 1200"):
        ClientConfig(token=make_token(), dialect=Dialect(max_payload=1000))


def test_a_server_that_counts_its_challenges_from_zero() -> None:
    """renet's does, where the standard wants 2**63: two packets of its may share a sequence."""
    made = token(Dialect.RENET)
    client = make_client(made, dialect=Dialect.RENET)
    for kind, body, state in (
        (PacketType.CHALLENGE, bytes(308), ClientState.SENDING_CONNECTION_RESPONSE),
        (PacketType.KEEP_ALIVE, bytes(4) + b"\x08\0\0\0", ClientState.CONNECTED),
    ):
        client.update(0.0)
        assert list(client.send(0.0))
        data = seal_packet(
            kind, 0, body, protocol_id=made.protocol_id, key=made.server_to_client_key
        )
        client.receive_datagram(data, SERVER, 0.0)
        assert client.state == state
    assert client.max_clients == 8
    assert reasons(client) == {}
