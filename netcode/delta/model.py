"""The frozen model of one table: probabilities of decisions, and how an angle leads a vector."""

from __future__ import annotations

import functools
import hashlib
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from netcode.delta.coder import SectionCoder
from netcode.delta.shape import Shape
from netcode.delta.tables import LEAST, MOST, default_probabilities
from netcode.delta.tokens import residual_tokens
from netcode.errors import ConfigError

__all__ = [
    "ADAPTIVE_TRAINED",
    "ADAPTIVE_UNTRAINED",
    "MODEL_VERSION",
    "WORTH_MOST",
    "Heading",
    "Model",
    "shape_hash",
    "untrained_for",
]

MODEL_VERSION = 3
"""Changes whenever contexts or predictions change: an old file must not decode with a new coder."""

ADAPTIVE_UNTRAINED = 8
"""How many decisions the tables of the law count as where they adapt: found on recordings."""

ADAPTIVE_TRAINED = 64
"""How many those of a trained model do."""

WORTH_MOST = 255
"""The most decisions that a model can count as."""

HEADER = struct.Struct("<4sHQIhiBBB")
LONGEST_NAME = 64
MAGIC = b"NCDM"
PREFIX = struct.Struct("<4sH")  # magic and version, the same in every version
LARGEST_FILE = 2 << 20  # more than the tables of 64 vectors or quaternions


@dataclass(frozen=True, slots=True)
class Heading:
    """An entity moves in the direction ``sign * angle + offset``.

    Attributes:
        sign: 1 or -1.
        offset: in 1/65536 turns.
        speeds: usual ones, rising, in 1/256 codes a tick; at most 16.
    """

    sign: int
    offset: int
    speeds: tuple[int, ...] = ()


def shape_hash(shape: Shape) -> int:
    """64 bits over all that decides the meaning of a context."""
    said = repr((MODEL_VERSION, shape.spec, shape.roles)).encode()
    return int.from_bytes(hashlib.blake2b(said, digest_size=8).digest(), "little")


@dataclass(frozen=True, eq=False, slots=True)
class Model:
    """What both ends must share to code a table.

    Attributes:
        shape: the lane groups it is for.
        probabilities: uint16, read-only, one for each context: of a 0, in 1/65536, LEAST to MOST.
        heading: for shapes with a course; None when not known.
        name: what people call it, up to 64 bytes of UTF-8.
        adaptive: 0: the probabilities are frozen. 1 to 255: each section adapts them to what it
            brings, and each counts as so many decisions beside those of the section. Mostly fewer
            bytes, the more so the worse the model fits, for more time.
        tokens: int16 ``(blocks, 4, 56)``, what the coder makes of the probabilities.
    """

    shape: Shape
    probabilities: npt.NDArray[np.uint16]
    heading: Heading | None = None
    name: str = ""
    adaptive: int = 0
    tokens: npt.NDArray[np.int16] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.adaptive <= WORTH_MOST:
            raise ConfigError(f"adaptive is {self.adaptive}; 0 to {WORTH_MOST}")
        # computed once here: many coders share them
        object.__setattr__(self, "tokens", residual_tokens(self.probabilities))

    @classmethod
    def untrained(cls, shape: Shape, name: str = "", adaptive: int = 0) -> Self:
        """Tables from a law, for a schema nobody recorded yet."""
        return cls(shape, default_probabilities(shape), name=name, adaptive=adaptive)

    @property
    def hash(self) -> int:
        """64 bits over the file: the model's name in the hello."""
        return int.from_bytes(hashlib.blake2b(self.to_bytes(), digest_size=8).digest(), "little")

    def coder(self, capacity: int, room: int | None = None) -> SectionCoder:
        """A coder for a table of ``capacity`` slots, and for at most ``room`` of them at a time."""
        coder = SectionCoder(
            self.shape, capacity, self.probabilities, self.tokens, room, self.adaptive
        )
        if self.heading is not None:
            coder.set_heading(self.heading.sign, self.heading.offset, self.heading.speeds)
        return coder

    def to_bytes(self) -> bytes:
        """The model file."""
        heading = self.heading or Heading(0, 0)
        name = self.name.encode()
        if len(name) > LONGEST_NAME:
            raise ConfigError(f"name has {len(name)} bytes; limit {LONGEST_NAME}")
        head = HEADER.pack(
            MAGIC, MODEL_VERSION, shape_hash(self.shape), len(self.probabilities),
            heading.sign, heading.offset, len(heading.speeds), len(name), self.adaptive,
        )  # fmt: skip
        speeds = struct.pack(f"<{len(heading.speeds)}q", *heading.speeds)
        return head + name + speeds + zlib.compress(self.probabilities.astype("<u2").tobytes(), 9)

    @classmethod
    def from_bytes(cls, data: bytes, shape: Shape) -> Self:
        """Read a model file.

        Raises:
            ConfigError: not a model file, of another version, or for another shape.
        """
        try:
            magic, version = PREFIX.unpack_from(data)
            if magic != MAGIC:
                raise ConfigError("not a model file: it begins otherwise")
            if version != MODEL_VERSION:
                raise ConfigError(f"a model of version {version}; this is version {MODEL_VERSION}")
            _, _, named, contexts, sign, offset, n, size, adaptive = HEADER.unpack_from(data)
            at = HEADER.size + size
            name = data[HEADER.size : at].decode()
            speeds: Sequence[int] = struct.unpack_from(f"<{n}q", data, at)
            inflate = zlib.decompressobj()
            raw = inflate.decompress(data[at + 8 * n :], LARGEST_FILE)
        except (struct.error, zlib.error, UnicodeDecodeError) as error:
            raise ConfigError(f"not a model file: {error}") from None
        if named != shape_hash(shape) or contexts != shape.contexts or len(raw) != 2 * contexts:
            raise ConfigError("the model is for another schema")
        table = np.frombuffer(raw, dtype="<u2").astype(np.uint16)
        if any(not 0 < speed < 1 << 40 for speed in speeds) or list(speeds) != sorted(speeds):
            raise ConfigError("the model file is damaged")
        if table.min() < LEAST or table.max() > MOST or sign not in (-1, 0, 1):
            raise ConfigError("the model file is damaged")
        if n > 16 or size > LONGEST_NAME:
            raise ConfigError("the model file is damaged")
        table.setflags(write=False)
        leads = Heading(sign, offset, tuple(speeds)) if sign else None
        return cls(shape, table, leads, name, adaptive)


@functools.lru_cache(maxsize=64)
def untrained_tables(
    spec: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...], roles: tuple[int, int, int, int]
) -> Model:
    """The untrained model of a shape; many tables and clients share it."""
    return Model.untrained(Shape(spec, *roles))


def untrained_for(schema: Any, source: Sequence[int] | None = None) -> Model | None:
    """The model of a table nobody trained: anything with ``lanes``; ``source`` as in ``Shape.of``.

    None for lanes that the coder cannot take: none that says anything, or more than 64 groups.
    """
    try:
        shape = Shape.of(schema, source)
    except ConfigError:
        return None
    return untrained_tables(shape.spec, shape.roles)
