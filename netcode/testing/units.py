"""Numbers as people write them: "80ms", "2%", "10Mbit", "64kB"."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any, Final

from netcode.errors import ConfigError
from netcode.testing.conditions import PROBABILITIES, TIMES, Conditions

__all__ = ["FIELDS", "quantity"]

FIELDS: Final = tuple(each.name for each in fields(Conditions))

SHARE: Final = {"": 1.0, "%": 0.01}
SECONDS: Final = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}
BYTES: Final = {
    "": 1.0,
    "B": 1.0,
    "kB": 1e3,
    "MB": 1e6,
    "GB": 1e9,
    "KiB": 1024.0,
    "MiB": 1024.0**2,
    "GiB": 1024.0**3,
}
RATE: Final = BYTES | {"bit": 1 / 8, "kbit": 1e3 / 8, "Mbit": 1e6 / 8, "Gbit": 1e9 / 8}
NUMBER: Final = re.compile(r"\s*([0-9.]+(?:[eE][+-]?[0-9]+)?|inf)\s*([A-Za-z%]*)\s*")


def units_of(field: str) -> dict[str, float]:
    if field in PROBABILITIES:
        return SHARE
    if field in TIMES or field == "queue_time":
        return SECONDS
    return RATE if field == "rate" else BYTES


def quantity(field: str, value: Any) -> float:
    """The value of a field of Conditions, from a number, or text with a unit.

    Without a unit it is in seconds, bytes, bytes per second, or from 0 to 1. Units are s, ms, us;
    B, kB, MB, GB, KiB, MiB, GiB; for ``rate`` also bit, kbit, Mbit, Gbit, each per second; and %.
    Raises ConfigError, which lists the units that fit.
    """
    if field not in FIELDS:
        raise ConfigError(f"{field!r} is no condition; there are {', '.join(FIELDS)}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    units = units_of(field)
    found = NUMBER.fullmatch(value) if isinstance(value, str) else None
    if found is not None and found[2] in units:
        try:
            return float(found[1]) * units[found[2]]
        except ValueError:
            pass
    known = ", ".join(filter(None, units))
    raise ConfigError(f"{field}: {value!r} is not a number, or a number with one of {known}")
