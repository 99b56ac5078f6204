"""A bot: steers towards the nearest other ship and shoots when it is ahead.

python examples/arena/bot.py --connect 127.0.0.1:40000 --seconds 20
"""

from __future__ import annotations

import argparse
import math
import random
import time

import netcode as nc
from shared import MESSAGES, PROTOCOL_ID, TABLES, TICK_RATE, Input, Ship, step


class Pilot:
    """Decides what a bot holds down, from what its client sees. Seeded."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.wander = self.random.uniform(-math.pi, math.pi)

    def decide(self, client: nc.Client[Input]) -> Input:
        """Look at the predicted own ship and the interpolated others."""
        me: Ship | None = None
        others: list[Ship] = []
        for entity in client.view(Ship):
            if entity.mine:
                me = entity.state
            else:
                others.append(entity.state)
        if me is None:
            return Input()
        self.wander += self.random.uniform(-0.2, 0.2)
        heading, distance = self.wander, math.inf
        for other in others:
            away = math.hypot(other.x - me.x, other.y - me.y)
            if away < distance:
                distance, heading = away, math.atan2(other.y - me.y, other.x - me.x)
        error = math.remainder(heading - me.angle, math.tau)
        return Input(
            thrust=distance > 120 and abs(error) < 1.2,
            turn=0 if abs(error) < 0.08 else (1 if error > 0 else -1),
            fire=distance < 320 and abs(error) < 0.25 and self.random.random() < 0.5,
        )


def main() -> int:
    """Play until the time is up or the server goes away."""
    parser = argparse.ArgumentParser(description="One arena bot.")
    parser.add_argument("--connect", default="127.0.0.1:40000", metavar="HOST:PORT")
    parser.add_argument("--seconds", type=float, default=math.inf, help="default: until the end")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    pilot = Pilot(options.seed)
    with nc.connect(
        options.connect,
        input=Input,
        tables=TABLES,
        messages=MESSAGES,
        predict=step,
        protocol_id=PROTOCOL_ID,
    ) as client:
        end = time.monotonic() + options.seconds
        while client.connected and time.monotonic() < end:
            client.update(pilot.decide(client))
            time.sleep(1 / TICK_RATE)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
