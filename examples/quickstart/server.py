"""Run this first: python examples/quickstart/server.py"""

import netcode as nc
from shared import Input, Ship, step

server = nc.Server("127.0.0.1:40000", input=Input, tick_rate=60)
ships = server.table(Ship, capacity=64)

for tick in server:
    for event in tick.events:
        match event:
            case nc.Joined(player):
                player.entity = ships.spawn(Ship(x=480, y=300), owner=player)
            case nc.Left(player):
                ships.despawn(player.entity)
    for player in server.players:
        step(ships[player.entity], player.input, tick.dt)
