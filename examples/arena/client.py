"""The arena in a terminal: arrow keys turn and thrust, space fires, q leaves.

    python examples/arena/client.py --connect 127.0.0.1:40000

Terminals report key presses, not what is held down, so a press counts for a moment. Without a
terminal (``--headless``) it prints a line a second and flies by itself.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable

import netcode as nc
from bot import Pilot
from shared import (
    HEIGHT,
    MESSAGES,
    PROTOCOL_ID,
    TABLES,
    TICK_RATE,
    WIDTH,
    Input,
    Killed,
    Ship,
    Shot,
    step,
)

HELD_SECONDS = 0.15  # a terminal's key repeat is about 30 Hz after its first delay
ARROWS = "→↘↓↙←↖↑↗"


class Keys:
    """Turns key presses into held keys."""

    def __init__(self) -> None:
        self.until: dict[str, float] = {}

    def press(self, name: str, now: float) -> None:
        """Note one press."""
        self.until[name] = now + HELD_SECONDS

    def held(self, name: str, now: float) -> bool:
        """Whether the key was pressed a moment ago."""
        return now < self.until.get(name, 0.0)

    def input(self, now: float) -> Input:
        """What the player holds down now."""
        turn = self.held("right", now) - self.held("left", now)
        return Input(thrust=self.held("up", now), turn=turn, fire=self.held("fire", now))


def draw(client: nc.Client[Input], columns: int, rows: int) -> list[str]:
    """The arena as ``rows`` lines of ``columns`` characters; the own ship is an arrow."""
    canvas = [[" "] * columns for _ in range(rows)]

    def put(x: float, y: float, mark: str) -> None:
        row = min(rows - 1, int(y / HEIGHT * rows))
        canvas[row][min(columns - 1, int(x / WIDTH * columns))] = mark

    for shot in client.view(Shot):
        put(shot.state.x, shot.state.y, "·")
    for entity in client.view(Ship):
        ship = entity.state
        put(ship.x, ship.y, ARROWS[round(ship.angle / math.tau * 8) % 8] if entity.mine else "o")
    return ["".join(line) for line in canvas]


def status(client: nc.Client[Input]) -> str:
    """One line about the own ship and the line to the server."""
    stats = client.stats
    mine = next((entity.state for entity in client.view(Ship) if entity.mine), None)
    ship = f"hp {mine.hp:3d}  score {mine.score}" if mine else "no ship yet"
    return f"{ship}  rtt {stats.rtt * 1000:.0f} ms  loss {stats.packet_loss:.1%}"


def play_terminal(client: nc.Client[Input]) -> None:
    """Play in this terminal."""
    import curses

    names = {curses.KEY_LEFT: "left", curses.KEY_RIGHT: "right", curses.KEY_UP: "up", 32: "fire"}

    def loop(screen: curses.window) -> None:
        curses.curs_set(0)
        screen.nodelay(True)
        keys, news = Keys(), ""
        while client.connected:
            now = time.monotonic()
            while (key := screen.getch()) != -1:
                if key == ord("q"):
                    return
                keys.press(names.get(key, ""), now)
            client.update(keys.input(now))
            for event in client.events:
                match event:
                    case nc.Received(Killed() as killed):
                        news = f"  ship {killed.killer} shot down ship {killed.victim}"
                    case nc.Disconnected(reason):
                        news = f"  {reason}"
            height, width = screen.getmaxyx()
            if width > 1 and height > 1:
                for y, line in enumerate(draw(client, width - 1, height - 1)):
                    screen.addstr(y, 0, line)
                screen.addnstr(height - 1, 0, (status(client) + news).ljust(width), width - 1)
                screen.refresh()
            time.sleep(1 / TICK_RATE)

    curses.wrapper(loop)


def play_headless(client: nc.Client[Input], seconds: float, say: Callable[[str], None]) -> None:
    """Fly as a bot does and say a line a second."""
    pilot, end, next_line = Pilot(seed=1), time.monotonic() + seconds, 0.0
    while client.connected and (now := time.monotonic()) < end:
        client.update(pilot.decide(client))
        if now >= next_line:
            say(status(client))
            next_line = now + 1.0
        time.sleep(1 / TICK_RATE)


def main() -> int:
    """Connect and play."""
    parser = argparse.ArgumentParser(description="The arena in a terminal.")
    parser.add_argument("--connect", default="127.0.0.1:40000", metavar="HOST:PORT")
    parser.add_argument("--headless", action="store_true", help="no screen: fly by itself")
    parser.add_argument("--seconds", type=float, default=math.inf, help="with --headless")
    options = parser.parse_args()
    try:
        with nc.connect(
            options.connect,
            input=Input,
            tables=TABLES,
            messages=MESSAGES,
            predict=step,
            protocol_id=PROTOCOL_ID,
        ) as client:
            if options.headless or not sys.stdout.isatty():
                play_headless(client, options.seconds, print)
            else:
                play_terminal(client)
    except nc.ConnectError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"left the arena: {client.reason}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
