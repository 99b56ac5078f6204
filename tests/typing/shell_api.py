"""What a type checker must make of the public API. Not run: read by test_shell_api.py.

A comment ``# is T`` gives the type that the line reveals, ``# error: text`` an error it must raise.
"""

from typing import Annotated, reveal_type

import netcode as nc


class Ship(nc.Schema):
    x: Annotated[float, nc.Quantized(0, 960, step=1 / 16)]


class Input(nc.Schema):
    thrust: bool = False


class Chat(nc.Schema):
    text: Annotated[str, nc.Text(80)] = ""


def step(ship: Ship, held: Input, dt: float) -> None: ...


server = nc.Server("127.0.0.1:0", input=Input, messages=[Chat])
reveal_type(server)  # is Server[Input]
reveal_type(nc.Server("127.0.0.1:0", tick_rate=30))  # is Server[NoInput]
nc.Server("127.0.0.1:0", tick=30)  # error: Unexpected keyword argument "tick"
ships = server.table(Ship, capacity=64)
reveal_type(ships)  # is Table[Ship]

for tick in server:
    reveal_type(tick)  # is Tick[Input]
    for event in tick.events:
        match event:
            case nc.Joined(player):
                reveal_type(player)  # is Player[Input]
                player.entity = ships.spawn(Ship(x=1.0), owner=player)
            case nc.Left(player, reason):
                reveal_type(reason)  # is str
                ships.despawn(player.entity)
            case nc.Message(player, Chat() as chat):
                reveal_type(chat)  # is Chat
                player.send(Chat("x"))
    for player in server.players:
        reveal_type(player.input)  # is Input
        step(ships[player.entity], player.input, tick.dt)

with nc.connect("127.0.0.1:1", input=Input, tables=[Ship], predict=step) as client:
    reveal_type(client)  # is Client[Input]
    client.update(Input(thrust=True))
    client.update(3)  # error: Argument 1 to "update"
    for entity in client.view(Ship):
        reveal_type(entity.state)  # is Ship
        reveal_type(entity.mine)  # is bool
    for happened in client.events:
        match happened:
            case nc.Received(Chat() as heard):
                reveal_type(heard.text)  # is str
            case nc.Disconnected(why):
                reveal_type(why)  # is str
    reveal_type(client.request(Chat("?")).result())  # is Schema
    reveal_type(client.request(Chat("?"), Chat).result())  # is Chat


async def main() -> None:
    async for turn in server:
        reveal_type(turn)  # is Tick[Input]
    async with nc.asyncio.connect("127.0.0.1:1", input=Input, tables=[Ship]) as swimmer:
        reveal_type(swimmer)  # is AsyncClient[Input]
        reveal_type(await swimmer.request(Chat("?"), Chat))  # is Chat
        async for number in swimmer:
            reveal_type(number)  # is int
    reveal_type(await nc.asyncio.connect("127.0.0.1:1"))  # is AsyncClient[NoInput]
