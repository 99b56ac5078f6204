"""The rules that only the server runs: joining, shooting, hits and respawns.

Ships are touched one by one, as objects; shots as whole NumPy columns.
"""

from __future__ import annotations

import math
import random

import numpy as np

import netcode as nc
from shared import (
    HEIGHT,
    HIT_RADIUS,
    MAX_SHIPS,
    MAX_SHOTS,
    RELOAD_SECONDS,
    SHOT_DAMAGE,
    SHOT_SECONDS,
    SHOT_SPEED,
    WIDTH,
    Input,
    Killed,
    Ship,
    Shot,
    step,
)


class Game:
    """The world of one arena: two tables, and what the clients need not know."""

    def __init__(self, server: nc.Server[Input], seed: int) -> None:
        self.server = server
        self.random = random.Random(seed)
        self.ships = server.table(Ship, capacity=MAX_SHIPS)
        self.shots = server.table(Shot, capacity=MAX_SHOTS)
        self.reload = np.zeros(MAX_SHIPS)  # seconds, by client index
        self.shooter = np.zeros(MAX_SHOTS, np.int64)  # client index, by slot
        self.life = np.zeros(MAX_SHOTS)  # seconds, by slot

    def join(self, player: nc.Player[Input]) -> None:
        """Put the player's ship somewhere."""
        player.entity = self.ships.spawn(self.fresh_ship(), owner=player)
        self.reload[player.index] = 0.0

    def leave(self, player: nc.Player[Input]) -> None:
        """Take the player's ship away; its shots fly on."""
        self.ships.despawn(player.entity)

    def advance(self, dt: float) -> None:
        """One tick of the whole world."""
        self.reload -= dt
        for player in self.server.players:
            ship, held = self.ships[player.entity], player.input
            step(ship, held, dt)
            if held.fire and self.reload[player.index] <= 0 and len(self.shots) < MAX_SHOTS:
                self.fire(player, ship)
        self.fly(dt)
        for player in self.server.players:
            self.hit(player, self.ships[player.entity])

    def fire(self, player: nc.Player[Input], ship: Ship) -> None:
        """A shot leaves the ship's nose."""
        shot = self.shots.spawn(Shot(x=ship.x, y=ship.y, angle=ship.angle))
        slot = self.shots.slot(shot)
        self.shooter[slot] = player.index
        self.life[slot] = SHOT_SECONDS
        self.reload[player.index] = RELOAD_SECONDS

    def fly(self, dt: float) -> None:
        """Move every shot at once; drop those that left or whose time is up."""
        shots = self.shots
        shots.x += np.cos(shots.angle) * SHOT_SPEED * dt
        shots.y += np.sin(shots.angle) * SHOT_SPEED * dt
        self.life -= dt
        over = (self.life <= 0) | (shots.x < 0) | (shots.x > WIDTH)
        over |= (shots.y < 0) | (shots.y > HEIGHT)
        for slot in np.flatnonzero(over & shots.alive).tolist():
            shots.despawn(shots.id_at(slot))

    def hit(self, player: nc.Player[Input], ship: Ship) -> None:
        """Shots that touch the ship hurt it and are gone; its own do not."""
        shots = self.shots
        near = np.hypot(shots.x - ship.x, shots.y - ship.y) < HIT_RADIUS
        near &= shots.alive & (self.shooter != player.index)
        for slot in np.flatnonzero(near).tolist():
            shots.despawn(shots.id_at(slot))
            ship.hp = max(0, ship.hp - SHOT_DAMAGE)
            if ship.hp == 0:
                self.kill(player, ship, int(self.shooter[slot]))
                return

    def kill(self, victim: nc.Player[Input], ship: Ship, killer_index: int) -> None:
        """The ship starts afresh, its killer scores, and everybody hears of it."""
        score = ship.score
        self.ships[victim.entity] = self.fresh_ship()
        ship.score = score
        for player in self.server.players:
            if player.index == killer_index:
                winner = self.ships[player.entity]
                winner.score = min(4095, winner.score + 1)
        self.server.broadcast(Killed(victim=victim.index, killer=killer_index))

    def fresh_ship(self) -> Ship:
        """A ship at a random place."""
        return Ship(
            x=self.random.uniform(0, WIDTH),
            y=self.random.uniform(0, HEIGHT),
            angle=self.random.uniform(-math.pi, math.pi),
        )
