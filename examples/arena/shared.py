"""The arena: what both ends agree on. Ships, shots, inputs, and the step they share."""

from __future__ import annotations

import math
from typing import Annotated, Final

import netcode as nc

WIDTH: Final = 960.0
HEIGHT: Final = 600.0
TICK_RATE: Final = 60
MAX_SHIPS: Final = 64
MAX_SHOTS: Final = 256
PROTOCOL_ID: Final = 0x4152_454E_4100_0001
"""Changes when an old client must not join a new server."""

ACCELERATION: Final = 300.0
TURN_SPEED: Final = 3.5
DRAG: Final = 0.6
MAX_SPEED: Final = 400.0
BOUNCE: Final = 0.5
SHOT_SPEED: Final = 520.0
SHOT_SECONDS: Final = 1.2
RELOAD_SECONDS: Final = 0.25
HIT_RADIUS: Final = 14.0
SHOT_DAMAGE: Final = 20

Speed = Annotated[float, nc.Quantized(-MAX_SPEED, MAX_SPEED, step=1 / 8)]


class Ship(nc.Schema):
    """One player's ship."""

    x: Annotated[float, nc.Quantized(0, WIDTH, step=1 / 16)]
    y: Annotated[float, nc.Quantized(0, HEIGHT, step=1 / 16)]
    vx: Speed = 0.0
    vy: Speed = 0.0
    angle: Annotated[float, nc.Angle(bits=10)] = 0.0
    hp: Annotated[int, nc.Range(0, 100)] = 100
    score: Annotated[int, nc.Range(0, 4095)] = 0


class Shot(nc.Schema):
    """A bullet; it flies straight until it hits, leaves the arena, or its time is up."""

    x: Annotated[float, nc.Quantized(0, WIDTH, step=1 / 4)]
    y: Annotated[float, nc.Quantized(0, HEIGHT, step=1 / 4)]
    angle: Annotated[float, nc.Angle(bits=10)] = 0.0


class Input(nc.Schema):
    """What one player holds down for one tick."""

    thrust: bool = False
    turn: Annotated[int, nc.Range(-1, 1)] = 0
    fire: bool = False


class Chat(nc.Schema):
    """A line of text, from a client to the server and from there to everyone."""

    text: Annotated[str, nc.Text(120)]
    sender: Annotated[int, nc.Range(0, MAX_SHIPS)] = 0


class Killed(nc.Schema):
    """Announced to everyone when a ship is shot down."""

    victim: Annotated[int, nc.Range(0, MAX_SHIPS)]
    killer: Annotated[int, nc.Range(0, MAX_SHIPS)]


MESSAGES: Final = (Chat, Killed)
TABLES: Final = (Ship, Shot)


def step(ship: Ship, held: Input, dt: float) -> None:
    """Move one ship by one tick; the server and the client's prediction both run this."""
    ship.angle += held.turn * TURN_SPEED * dt
    keep = 1.0 - DRAG * dt
    push = ACCELERATION * dt if held.thrust else 0.0
    vx = ship.vx * keep + math.cos(ship.angle) * push
    vy = ship.vy * keep + math.sin(ship.angle) * push
    excess = math.hypot(vx, vy) / MAX_SPEED
    if excess > 1.0:
        vx, vy = vx / excess, vy / excess
    ship.x, ship.vx = bounce(ship.x + vx * dt, vx, WIDTH)
    ship.y, ship.vy = bounce(ship.y + vy * dt, vy, HEIGHT)


def bounce(position: float, speed: float, limit: float) -> tuple[float, float]:
    """Stay inside 0 to ``limit``; a wall throws back with half the speed."""
    if 0.0 <= position <= limit:
        return position, speed
    return min(max(position, 0.0), limit), -speed * BOUNCE
