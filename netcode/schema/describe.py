"""What two ends must agree on: the canonical description of a schema, its hash, and differences."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from netcode.schema.kinds import ArrayKind, Field, Kind, NestedKind, OptionalKind

__all__ = ["describe", "differences", "hash_of"]

FORMAT = "netcode schema 1"
"""Goes into every hash; changes when the same description means other bytes."""


def describe(fields: Iterable[Field], prefix: str = "") -> Iterator[str]:
    """One line for each field, and for each field inside it under its dotted name."""
    for field in fields:
        path = prefix + field.name
        yield f"{path}: {field.kind.text}"
        yield from inside(field.kind, path)


def inside(kind: Kind, path: str) -> Iterator[str]:
    """The lines of the schemas in ``kind``."""
    match kind:
        case OptionalKind():
            yield from inside(kind.inner, path)
        case ArrayKind():
            yield from inside(kind.element, f"{path}[]")
        case NestedKind():
            yield from describe(kind.fields, f"{path}.")


def hash_of(description: Sequence[str]) -> int:
    """64 bits of BLAKE2b over the description."""
    text = "\n".join((FORMAT, *description))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def differences(a: Sequence[str], b: Sequence[str]) -> list[str]:
    """How description ``b`` differs from ``a``, one readable line for each field.

    Args:
        a: ``Schema.description`` of one end.
        b: that of the other.

    Returns:
        Lines such as ``hp: int 0..100 became int 0..255``, ``mana: added, int 0..9``,
        ``mana: removed, int 0..9`` and, when only the order differs,
        ``order: x, y became y, x``. Empty when the two are equal.
    """
    # A peer's lines are whatever it sent: one without a colon is a path with nothing to it.
    old = {path: what for path, _, what in (line.partition(": ") for line in a)}
    new = {path: what for path, _, what in (line.partition(": ") for line in b)}
    result = []
    for path in dict.fromkeys((*old, *new)):
        if path not in new:
            result.append(f"{path}: removed, {old[path]}")
        elif path not in old:
            result.append(f"{path}: added, {new[path]}")
        elif old[path] != new[path]:
            result.append(f"{path}: {old[path]} became {new[path]}")
    if not result and tuple(a) != tuple(b):
        result.append(f"order: {', '.join(old)} became {', '.join(new)}")
    return result
