"""Schemas to fuzz: hand-made ones with every kind everywhere, versioned ones, and random ones."""

from __future__ import annotations

import enum
import math
import random
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from oracle.schemas import schemas

from netcode.schema import (
    Angle,
    ArrayOf,
    Bits,
    Blob,
    Field,
    Float32,
    Float64,
    Quantized,
    Quat,
    Range,
    Schema,
    Since,
    Text,
    VarUint,
    Vec2,
    Vec3,
)
from netcode.schema.kinds import (
    AngleKind,
    ArrayKind,
    BlobKind,
    BoolKind,
    EnumKind,
    FlagsKind,
    FloatKind,
    IntKind,
    Kind,
    NestedKind,
    OptionalKind,
    QuantizedKind,
    QuatKind,
    TextKind,
    VarUintKind,
    VecKind,
)


class Only(enum.Enum):
    ONE = "one"


class Mood(enum.Enum):
    CALM = "calm"
    WILD = "wild"
    LOST = (1, 2)


class Gear(enum.IntEnum):
    REVERSE = -1
    FIRST = 10
    SECOND = 20
    THIRD = 300
    LAST = 5


class Keys(enum.IntFlag):
    UP = 1
    DOWN = 2
    FIRE = 16


class Marks(enum.Flag):
    A = enum.auto()
    B = enum.auto()
    C = enum.auto()


class Nothing(Schema):
    pass


class Bools(Schema):
    a: bool
    b: bool
    c: bool


class Ints(Schema):
    small: Annotated[int, Range(-3, 6)]
    whole: Annotated[int, Bits(8)]
    wide: Annotated[int, Range(-(2**62), 2**62)]
    signed: Annotated[int, Range(-(2**63), 2**63 - 1)]
    far: Annotated[int, Range(2**63 - 1, 2**64 - 1)]
    raw: Annotated[int, Bits(61)]
    all: Annotated[int, Bits(64)]


class Varints(Schema):
    free: Annotated[int, VarUint]
    bounded: Annotated[int, VarUint(300)]
    tiny: Annotated[int, VarUint(1)]


class Grids(Schema):
    x: Annotated[float, Quantized(-7, 11, step=0.3)]
    y: Annotated[float, Quantized(-1, 1, bits=17, dtype=np.float32)]
    z: Annotated[float, Quantized(0, 1, bits=32)]
    flat: Annotated[tuple[float, float], Vec2(-5, 5, bits=7)]
    place: Annotated[tuple[float, float, float], Vec3(0, (1, 2, 3), step=0.01)]


class Turns(Schema):
    angle: Annotated[float, Angle(11)]
    rough: Annotated[float, Angle(1)]
    fine: Annotated[float, Angle(32)]
    small: Annotated[tuple[float, float, float, float], Quat(3)]
    usual: Annotated[tuple[float, float, float, float], Quat(10)]
    large: Annotated[tuple[float, float, float, float], Quat(18)]


class Floats(Schema):
    on: bool
    single: Annotated[float, Float32]
    double: Annotated[float, Float64]
    loose: Annotated[float, Float32(finite=False)]
    wild: Annotated[float, Float64(finite=False)]


class Words(Schema):
    on: bool
    name: Annotated[str, Text(7)]
    text: Annotated[str, Text(40)]
    one: Annotated[str, Text(1)]


class Blobs(Schema):
    on: bool
    data: Annotated[bytes, Blob(7)]
    more: Annotated[bytes, Blob(70)]


class Choices(Schema):
    only: Only
    mood: Mood
    gear: Gear
    keys: Keys
    marks: Marks


class Leaf(Schema):
    number: Annotated[int, VarUint(10_000)]
    words: Annotated[list[str], ArrayOf(Text(9), max=5)]
    on: bool = False


class Maybe(Schema):
    flag: bool | None
    number: Annotated[int, Range(0, 900)] | None
    long: Annotated[int, VarUint] | None
    wide: Annotated[int, Bits(64)] | None
    x: Annotated[float, Quantized(-7, 11, step=0.3)] | None
    single: Annotated[float, Float32] | None
    double: Annotated[float, Float64] | None
    angle: Annotated[float, Angle(11)] | None
    place: Annotated[tuple[float, float, float], Vec3(0, 1, step=0.01)] | None
    turn: Annotated[tuple[float, float, float, float], Quat(10)] | None
    gear: Gear | None
    keys: Keys | None
    name: Annotated[str, Text(13)] | None
    blob: Annotated[bytes, Blob(13)] | None
    leaf: Leaf | None
    items: Annotated[list[int], ArrayOf(Range(0, 5), max=4)] | None


class Lists(Schema):
    flags: Annotated[list[bool], ArrayOf(max=20)]
    numbers: Annotated[list[int], ArrayOf(VarUint(500), max=4)]
    wide: Annotated[list[int], ArrayOf(Bits(60), max=2)]
    grid: Annotated[list[list[int]], ArrayOf(ArrayOf(Range(0, 5), max=4), max=3)]
    places: Annotated[list[tuple[float, float]], ArrayOf(Vec2(-5, 5, bits=7), max=3)]
    turns: Annotated[list[tuple[float, float, float, float]], ArrayOf(Quat(5), max=3)]
    doubles: Annotated[list[float], ArrayOf(Float64, max=3)]
    gears: Annotated[list[Gear], ArrayOf(max=6)]
    keys: Annotated[list[Keys], ArrayOf(max=3)]
    blobs: Annotated[list[bytes], ArrayOf(Blob(6), max=3)]
    maybe: Annotated[list[Annotated[int, Range(0, 6)] | None], ArrayOf(max=5)]
    leaves: Annotated[list[Leaf], ArrayOf(max=3)]


class Free(Schema):
    """Items of no bits at all: only the limit bounds a count of them."""

    only: Annotated[list[Only], ArrayOf(max=3)]
    nothing: Annotated[list[Nothing], ArrayOf(max=500)]


class Wide(Schema):
    """A few bytes may claim a lot."""

    leaves: Annotated[list[Leaf], ArrayOf(max=500)]


def short() -> type[Schema]:
    """Varuints of few groups, in a row: what is too long in one would push on all that follow."""
    hints = {f"v{i}": Annotated[int, VarUint(100 << i % 3)] for i in range(40)}
    made: type[Schema] = type(Schema)("Short", (Schema,), {"__annotations__": hints})
    return made


def runs() -> type[Schema]:
    """More bools than one op takes, on both sides of a code."""
    hints: dict[str, Any] = {f"b{i}": bool for i in range(60)}
    hints["number"] = Annotated[int, Range(0, 4)]
    hints |= {f"c{i}": bool for i in range(4)}
    made: type[Schema] = type(Schema)("Runs", (Schema,), {"__annotations__": hints})
    return made


def deep() -> type[Schema]:
    """As many levels as there may be."""
    inner: Any = Annotated[int, Range(0, 2)]
    for level in range(8):
        hints = {"on": bool, "inside": inner | None if level else inner}
        inner = type(Schema)(f"Deep{level}", (Schema,), {"__annotations__": hints})
    made: type[Schema] = inner
    return made


class Everything(Schema):
    bools: Bools
    ints: Ints
    varints: Varints
    grids: Grids
    turns: Turns
    floats: Floats
    words: Words
    blobs: Blobs
    choices: Choices
    maybe: Maybe
    lists: Lists


class Item(Schema):
    id: Annotated[int, VarUint(5000)] = 7
    tags: Annotated[list[str], ArrayOf(Text(5), max=3), Since(2)] = []  # noqa: RUF012
    mood: Annotated[Mood, Since(4)] = Mood.WILD


class Trader(Schema):
    """Changes in versions 2, 3 and 4, itself and in what is inside."""

    name: Annotated[str, Text(9)] = "x"
    hp: Annotated[int, Range(0, 100)] | None = 4
    bag: Annotated[list[Item], ArrayOf(max=3)] = []  # noqa: RUF012
    hand: Item | None = None
    place: Annotated[tuple[float, float], Vec2(0, 60, step=1 / 4), Since(3)] = (1.0, 2.0)
    data: Annotated[bytes, Blob(5), Since(3)] = b"abc"


HAND_MADE: tuple[type[Schema], ...] = (
    Nothing, Bools, Ints, Varints, Grids, Turns, Floats, Words, Blobs, Choices, Leaf, Maybe, Lists,
    Free, Wide, short(), runs(), deep(), Everything, Trader,
)  # fmt: skip
VERSIONED = Trader


def random_schemas(number: int, count: int) -> list[type[Schema]]:
    """``count`` random schemas, the same for the same ``number``."""
    made: list[type[Schema]] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(schemas())
    def collect(drawn: Any) -> None:
        made.append(drawn[0])

    collect()
    return made


# Valid values of any kind

LETTERS = "az09 \u00e9\u20ac\U0001f600\x7f\u07ff\uffff\U0010ffff"
MOST_ITEMS = 12


def edge(rng: random.Random, low: int, high: int) -> int:
    """An integer, often at a limit."""
    if rng.random() < 0.3:
        return rng.choice((low, high))
    return min(high, low + rng.getrandbits(rng.randint(1, 64)))


def words(rng: random.Random, most: int) -> str:
    """A text of at most ``most`` bytes."""
    text = "".join(rng.choices(LETTERS, k=rng.randrange(most + 1))).encode()[:most]
    return text.decode("utf-8", "ignore")


def value_of(kind: Kind, rng: random.Random) -> Any:
    """A value that ``kind`` accepts."""
    match kind:
        case BoolKind():
            return rng.random() < 0.5
        case IntKind():
            return edge(rng, kind.lo, kind.hi)
        case VarUintKind():
            return edge(rng, 0, kind.max)
        case QuantizedKind():
            return rng.choice((kind.lo, kind.hi, rng.uniform(kind.lo, kind.hi)))
        case AngleKind():
            return rng.uniform(-9, 9)
        case FloatKind():
            odd = () if kind.finite else (math.inf, -math.inf, math.nan)
            return rng.choice((0.0, -0.0, rng.gauss(0, 1e9), rng.gauss(0, 1e-30), *odd))
        case VecKind():
            return tuple(value_of(part, rng) for part in kind.parts)
        case QuatKind():
            return tuple(rng.choice((0.5, rng.gauss(0, 1))) for _ in range(4))
        case EnumKind():
            return rng.choice(kind.members)
        case FlagsKind():
            return kind.cls(rng.getrandbits(64) & kind.mask)
        case TextKind():
            return words(rng, kind.max_bytes)
        case BlobKind():
            return rng.randbytes(rng.randint(0, kind.max_bytes))
        case OptionalKind():
            return value_of(kind.inner, rng) if rng.random() < 0.6 else None
        case ArrayKind():
            most = min(kind.max, MOST_ITEMS)
            return [value_of(kind.element, rng) for _ in range(rng.randint(0, most))]
        case NestedKind():
            return object_of(kind.schema, kind.fields, rng)
    raise TypeError(kind)


def object_of(cls: Callable[..., Any], fields: Iterable[Field], rng: random.Random) -> Any:
    """An object of a schema class."""
    return cls(**{field.name: value_of(field.kind, rng) for field in fields})
