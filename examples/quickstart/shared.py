"""What both ends agree on."""

import math
from typing import Annotated

import netcode as nc


class Ship(nc.Schema):
    x: Annotated[float, nc.Quantized(0, 960, step=1 / 16)]
    y: Annotated[float, nc.Quantized(0, 600, step=1 / 16)]
    angle: Annotated[float, nc.Angle(bits=9)] = 0.0
    hp: Annotated[int, nc.Range(0, 100)] = 100


class Input(nc.Schema):
    thrust: bool = False
    turn: Annotated[int, nc.Range(-1, 1)] = 0


def step(ship: Ship, held: Input, dt: float) -> None:
    ship.angle = (ship.angle + held.turn * 3 * dt) % math.tau
    if held.thrust:
        ship.x = (ship.x + math.cos(ship.angle) * 200 * dt) % 960
        ship.y = (ship.y + math.sin(ship.angle) * 200 * dt) % 600
