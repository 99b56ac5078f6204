"""The arena's server.

    python examples/arena/server.py --listen 127.0.0.1:40000

Ctrl-C stops it. With ``--report FILE`` it writes what it measured as JSON when it stops.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
from pathlib import Path

import netcode as nc
from game import Game
from report import Report
from shared import MAX_SHIPS, MESSAGES, PROTOCOL_ID, TICK_RATE, Chat, Input


def serve(options: argparse.Namespace) -> None:
    """Run until the time is up, Ctrl-C, or a polite kill."""
    server = nc.Server(
        options.listen,
        input=Input,
        messages=MESSAGES,
        tick_rate=TICK_RATE,
        max_clients=MAX_SHIPS,
        protocol_id=PROTOCOL_ID,
        key=options.key,
        public_address=options.public,
    )
    game = Game(server, options.seed)
    report: Path | None = options.report
    measured = Report(server, game)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.stop())
    print(f"listening on {server.address}", flush=True)

    for tick in server:
        for event in tick.events:
            match event:
                case nc.Joined(player):
                    game.join(player)
                case nc.Left(player):
                    game.leave(player)
                case nc.Message(player, Chat() as chat):
                    server.broadcast(Chat(text=chat.text, sender=player.index))
        game.advance(tick.dt)
        if report is not None:
            measured.after(tick)
        if tick.number >= options.seconds * TICK_RATE:
            break

    if report is not None:
        report.write_text(json.dumps(measured.result()))


def main() -> int:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(description="The arena's server.")
    parser.add_argument("--listen", default="127.0.0.1:40000", metavar="HOST:PORT")
    parser.add_argument(
        "--public", metavar="HOST:PORT", help="as clients see it, behind a proxy or NAT"
    )
    parser.add_argument("--seconds", type=float, default=math.inf, help="default: until Ctrl-C")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--key", type=bytes.fromhex, help="64 hex digits; needed beyond loopback")
    parser.add_argument("--report", type=Path, metavar="FILE")
    options = parser.parse_args()
    try:
        serve(options)
    except nc.ConfigError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
