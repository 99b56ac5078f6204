"""A whole line, there and back: two scripts under a name, and the ones that come with us."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from netcode.errors import ConfigError
from netcode.testing.conditions import Conditions
from netcode.testing.link import Link
from netcode.testing.script import Script
from netcode.testing.units import quantity

__all__ = ["PRESETS", "Scenario"]

MAX_FILE: Final = 1 << 20
WAYS: Final = ("up", "down")
KEYS: Final = frozenset(("name", "about", "preset", "both", "up", "down", "steps", "repeat"))
STEP_KEYS: Final = frozenset(("at", "both", "up", "down"))


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a line is like in each direction, as time goes by.

    Attributes:
        name: for people.
        up: from the client to the server.
        down: from the server to the client.
        about: one sentence, or nothing.
    """

    name: str
    up: Script
    down: Script
    about: str = ""

    @classmethod
    def of(cls, up: Conditions, down: Conditions | None = None, *, name: str = "") -> Scenario:
        """A line that stays as it is; without ``down``, the same both ways."""
        return cls(name, Script([(0, up)]), Script([(0, up if down is None else down)]))

    @classmethod
    def parse(cls, content: Mapping[str, Any], *, name: str = "") -> Scenario:
        """Read what a JSON file of a scenario holds; docs/how-to/play-on-a-bad-network.md.

        Keys, all optional: ``name``, ``about``; ``preset`` to begin from; ``both``, ``up`` and
        ``down``, each a mapping of fields of Conditions; ``steps``, a list of mappings with
        ``at`` (seconds) and any of ``both``, ``up`` and ``down``, which say what differs from
        the beginning at that time; ``repeat`` (seconds). Values are numbers, or text with units.

        Raises:
            ConfigError: says where, and what would do.
        """
        known(content, KEYS, "a scenario")
        base = {way: dict[str, float]() for way in WAYS}
        steps = content.get("steps", [])
        if not isinstance(steps, list):
            raise ConfigError("steps: not a list")
        if "preset" in content:
            for way, script in zip(WAYS, preset_of(content["preset"]), strict=True):
                if len(script.steps) > 1:
                    raise ConfigError(f"preset: {content['preset']} has steps of its own")
                first = script.steps[0][1]
                base[way] = {field: getattr(first, field) for field in Conditions.__slots__}
        lines = [(0.0, merged(base, content, "the scenario"))]
        for number, step in enumerate(steps):
            known(step, STEP_KEYS, f"step {number}")
            at = step.get("at")
            if isinstance(at, bool) or not isinstance(at, int | float):
                raise ConfigError(f"step {number}: at is {at!r}, must be a number of seconds")
            lines.append((at, merged(lines[0][1], step, f"step {number}")))
        if len(lines) > 1 and lines[1][0] == 0:
            del lines[0]
        repeat = content.get("repeat", math.inf)
        if isinstance(repeat, bool) or not isinstance(repeat, int | float):
            raise ConfigError(f"repeat is {repeat!r}, must be a number of seconds")
        up, down = (
            Script(((at, Conditions(**each[way])) for at, each in lines), repeat=repeat)
            for way in WAYS
        )
        return cls(str(content.get("name", name)), up, down, str(content.get("about", "")))

    @classmethod
    def load(cls, path: str | Path) -> Scenario:
        """Read a JSON file; ConfigError says what is wrong with it."""
        path = Path(path)
        try:
            with path.open("rb") as file:
                data = file.read(MAX_FILE + 1)
        except OSError as error:
            raise ConfigError(f"cannot read the scenario: {error}") from None
        if len(data) > MAX_FILE:
            raise ConfigError(f"{path}: longer than {MAX_FILE} bytes")
        try:
            content = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{path}: not JSON: {error}") from None
        try:
            return cls.parse(content, name=path.stem)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None

    def changed(
        self, *, up: Mapping[str, float] | None = None, down: Mapping[str, float] | None = None
    ) -> Scenario:
        """The same with some fields of the conditions fixed in every step of a direction."""
        return Scenario(
            self.name, self.up.changed(**(up or {})), self.down.changed(**(down or {})), self.about
        )

    def links(
        self, seed: int | str = 0, *, start: float | None = None, capacity: int = 65_536
    ) -> tuple[Link, Link]:
        """A Link (up, down) for a client, as ``connect(link=...)`` takes them; for a server,
        turn them round. ``start`` is when the scripts begin; None is at the first datagram."""
        return (
            Link(f"{seed}/up", self.up, start=start, capacity=capacity),
            Link(f"{seed}/down", self.down, start=start, capacity=capacity),
        )


def known(content: object, keys: frozenset[str], where: str) -> None:
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where}: a {type(content).__name__}, must be an object with keys")
    for key in content:
        if key not in keys:
            raise ConfigError(f"{where}: no key {key!r}; there are {', '.join(sorted(keys))}")


def preset_of(name: object) -> tuple[Script, Script]:
    found = PRESETS.get(name) if isinstance(name, str) else None
    if found is None:
        raise ConfigError(f"preset: no {name!r}; there are {', '.join(PRESETS)}")
    return found.up, found.down


def merged(
    base: Mapping[str, Mapping[str, float]], content: Mapping[str, Any], where: str
) -> dict[str, dict[str, float]]:
    """``base`` with what ``both``, and then ``up`` and ``down``, say instead."""
    out = {way: dict(base[way]) for way in WAYS}
    for key, ways in (("both", WAYS), ("up", ("up",)), ("down", ("down",))):
        said = content.get(key, {})
        if not isinstance(said, Mapping):
            raise ConfigError(f"{where}: {key} is no object of conditions")
        for field, value in said.items():
            try:
                number = quantity(field, value)
            except ConfigError as error:
                raise ConfigError(f"{where}: {key}: {error}") from None
            for way in ways:
                out[way][field] = number
    return out


GIVEN: Final[Mapping[str, Mapping[str, Any]]] = {
    "wifi": {
        "about": "Home Wi-Fi on a cable line, a room away from the access point.",
        "both": {"latency": "8ms", "jitter": "6ms", "burst_enter": 0.0007, "burst_exit": 0.25},
        "up": {"rate": "10Mbit", "queue_time": "200ms"},
        "down": {"rate": "50Mbit", "queue_time": "100ms"},
    },
    "4g": {
        "about": "A telephone on LTE, standing still in a town.",
        "both": {"latency": "25ms", "burst_enter": 0.001, "burst_exit": 0.33},
        "up": {"rate": "8Mbit", "jitter": "15ms", "queue_time": "500ms"},
        "down": {"rate": "20Mbit", "jitter": "5ms", "queue_time": "500ms"},
    },
    "transatlantic": {
        "about": "London to New York and home broadband at this end.",
        "both": {"latency": "42ms", "jitter": "3ms", "loss": "0.1%", "reorder": "0.05%"},
        "up": {"rate": "20Mbit", "queue_time": "100ms", "reorder_delay": "5ms"},
        "down": {"rate": "100Mbit", "queue_time": "50ms", "reorder_delay": "5ms"},
    },
    "train": {
        "about": "LTE at 200 km/h: cell edges, handovers and a tunnel, each minute anew.",
        "both": {"latency": "40ms", "jitter": "25ms", "burst_enter": 0.002, "burst_exit": 0.2},
        "up": {"rate": "3Mbit", "queue_time": "1s"},
        "down": {"rate": "8Mbit", "queue_time": "1s"},
        "repeat": 60,
        "steps": [
            {
                "at": 15,  # the edge of a cell
                "both": {"latency": "70ms", "jitter": "60ms", "burst_enter": 0.01},
                "up": {"rate": "400kbit"},
                "down": {"rate": "1500kbit"},
            },
            {"at": 19, "both": {"loss": 1}},  # handover
            {"at": 19.2},
            {"at": 35, "both": {"loss": 1}},  # tunnel
            {"at": 38, "both": {"latency": "90ms", "jitter": "80ms", "burst_enter": 0.02}},
            {"at": 40},
            {"at": 52, "both": {"loss": 1}},  # handover
            {"at": 52.3},
        ],
    },
}
PRESETS: Final[Mapping[str, Scenario]] = MappingProxyType(
    {name: Scenario.parse(each, name=name) for name, each in GIVEN.items()}
)
"""Scenarios by name: ``wifi``, ``4g``, ``transatlantic`` and ``train``. Where their numbers come
from stands in docs/how-to/play-on-a-bad-network.md."""
