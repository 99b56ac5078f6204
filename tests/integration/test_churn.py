"""Clients and entities that come and go, in virtual time."""

from __future__ import annotations

import random

import pytest
from virtual_game import Buy, Game, Input

import netcode as nc

pytestmark = pytest.mark.usefixtures("owner")


def test_clients_that_come_and_go_leave_nothing_behind() -> None:
    game = Game(max_clients=4)
    for turn in range(12):
        client = game.connect(client_id=turn)
        client.send(Buy(turn))
        game.run(0.2, client, held=Input(thrust=True))
        assert [each for each in game.events if isinstance(each, nc.Message)][-1].message == Buy(
            turn
        )
        client.close()
        game.run(0.2)
    server = game.server
    assert server.roster == {}
    assert server.players == []
    assert len(server.sender) == 0
    assert server.reception.guests == {} == server.reception.leaving
    assert server.endpoint.connected == []
    assert len(game.ships) == 0
    server.close()


def test_a_table_that_churns_stays_equal() -> None:
    game, chance = Game(), random.Random(5)
    clients = [game.connect() for _ in range(3)]
    compared = 0

    def churn() -> None:
        nonlocal compared
        table = game.ships
        for entity in table.ids.tolist():
            if table.owner(entity) is None and chance.random() < 0.05:
                table.despawn(entity)
        if len(table) < table.capacity and chance.random() < 0.5:
            table.spawn()
        for client in clients:
            for tick in client.complete_ticks():
                if (expected := game.server.world_hash(tick)) is not None:
                    assert client.world_hash(tick) == expected
                    compared += 1

    game.run(5.0, *clients, held=Input(turn=1), each=churn)
    assert compared > 800
    game.server.close()
