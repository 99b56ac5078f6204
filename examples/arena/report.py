"""What the arena's server measures while it runs, for demo.py."""

from __future__ import annotations

import importlib
import json
import pickle
import struct
from typing import Any

import netcode as nc
from game import Game
from shared import Input

SAMPLE_TICKS = 15
"""The world is kept every so many ticks, and sized in other formats when all is over."""


class Report:
    """Tick times, the hash of every tick's world, and samples of the world."""

    def __init__(self, server: nc.Server[Input], game: Game) -> None:
        self.server = server
        self.game = game
        self.hashes: dict[int, int] = {}
        self.samples: list[dict[str, list[dict[str, Any]]]] = []

    def after(self, tick: nc.Tick[Input]) -> None:
        """Call once a tick, after the game's own work."""
        sent = tick.number - 1  # this tick's world goes out when the body of the loop ends
        digest = self.server.world_hash(sent)
        if digest is not None:
            self.hashes[sent] = digest
        if tick.number % SAMPLE_TICKS == 0 and self.server.players:
            self.samples.append(
                {
                    "ships": rows(self.game.ships),
                    "shots": rows(self.game.shots),
                }
            )

    def result(self) -> dict[str, Any]:
        """Everything, ready for JSON. Times in milliseconds."""
        stats = self.server.stats
        return {
            "ticks": stats.ticks,
            "tick_p50_ms": stats.tick_quantile(0.50) * 1000,
            "tick_p99_ms": stats.tick_quantile(0.99) * 1000,
            "overruns": stats.overruns,
            "hashes": {str(tick): f"{digest:016x}" for tick, digest in self.hashes.items()},
            "snapshot_bytes": snapshot_bytes(self.samples),
            "counters": self.server.counters,
        }


def rows(table: nc.Table[Any]) -> list[dict[str, Any]]:
    """The living rows as the dicts that a game without netcode would send."""
    columns = {name: column[table.alive].tolist() for name, column in table.columns.items()}
    names = ("id", *columns)
    return [
        dict(zip(names, row, strict=True))
        for row in zip(table.ids.tolist(), *columns.values(), strict=True)
    ]


def snapshot_bytes(samples: list[dict[str, list[dict[str, Any]]]]) -> dict[str, float | None]:
    """Mean size of one full world in the formats people use instead; None: not installed."""
    encoders = {
        "json": lambda world: json.dumps(world, separators=(",", ":")).encode(),
        "pickle": lambda world: pickle.dumps(world, protocol=5),
        "msgpack": msgpack_encoder(),
        "struct": struct_world,
    }
    sizes: dict[str, float | None] = {}
    for name, encode in encoders.items():
        if encode is None or not samples:
            sizes[name] = None
        else:
            sizes[name] = sum(len(encode(world)) for world in samples) / len(samples)
    return sizes


def msgpack_encoder() -> Any:
    """``msgspec``'s or ``msgpack``'s encoder, or None when neither is installed."""
    for module, function in (("msgspec.msgpack", "encode"), ("msgpack", "packb")):
        try:
            return getattr(importlib.import_module(module), function)
        except ImportError:
            continue
    return None


def struct_world(world: dict[str, list[dict[str, Any]]]) -> bytes:
    """Packed by hand with float32, as a careful programmer does."""
    ships = b"".join(
        struct.pack("<I5fBH", *ship.values()) for ship in world["ships"]
    )  # fmt: skip
    shots = b"".join(struct.pack("<I3f", *shot.values()) for shot in world["shots"])
    return struct.pack("<HH", len(world["ships"]), len(world["shots"])) + ships + shots
