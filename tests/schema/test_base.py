"""Schema classes as Python classes: construction, defaults, comparison, inheritance, copies."""

from __future__ import annotations

import copy
import enum
import inspect
import pickle
import typing
from typing import Annotated, Any, ClassVar

import numpy as np
import pytest

from netcode.errors import EncodeError, SchemaError
from netcode.schema import (
    Angle,
    ArrayOf,
    Quantized,
    Range,
    Schema,
    SchemaType,
    Text,
    VarUint,
    Vec2,
)


class Mode(enum.Enum):
    IDLE = "idle"
    BUSY = "busy"


class Item(Schema):
    id: Annotated[int, VarUint]
    count: Annotated[int, Range(1, 64)] = 1


class Ship(Schema):
    """A ship."""

    LIMIT: ClassVar[int] = 3
    other: typing.ClassVar[dict[str, int]] = {}

    x: Annotated[float, Quantized(0, 960, step=1 / 16)]
    y: Annotated[float, Quantized(0, 600, step=1 / 16)]
    angle: Annotated[float, Angle(bits=9)] = 0.0
    hp: Annotated[int, Range(0, 100)] = 100
    mode: Mode = Mode.IDLE
    items: Annotated[list[Item], ArrayOf(max=4)] = []  # noqa: RUF012
    held: Item = Item(7)

    def move(self, dx: float) -> None:
        self.x += dx


def test_init() -> None:
    ship = Ship(1.0, 2.0, hp=3)
    assert (ship.x, ship.y, ship.angle, ship.hp, ship.mode) == (1.0, 2.0, 0.0, 3, Mode.IDLE)
    assert Ship(y=2.0, x=1.0, hp=3) == ship
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'y'"):
        Ship(1.0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'speed'"):
        Ship(1.0, 2.0, speed=3)
    parameters = inspect.signature(Ship).parameters
    assert list(parameters) == ["x", "y", "angle", "hp", "mode", "items", "held"]
    assert parameters["hp"].default == 100
    assert parameters["items"].default == []


def test_mutable_defaults_are_copied() -> None:
    a, b = Ship(1.0, 2.0), Ship(1.0, 2.0)
    a.items.append(Item(1))
    a.held.count = 9
    assert b.items == []
    assert b.held.count == 1
    assert Ship(1.0, 2.0).items == []
    mine: list[Item] = []
    assert Ship(1.0, 2.0, items=mine).items is mine


def test_slots() -> None:
    ship = Ship(1.0, 2.0)
    assert not hasattr(ship, "__dict__")
    with pytest.raises(AttributeError):
        ship.speed = 3  # type: ignore[attr-defined]
    assert Ship.LIMIT == 3
    ship.move(2.5)
    assert ship.x == 3.5


def test_equality_and_hash() -> None:
    assert Item(1) == Item(1, 1)
    assert Item(1) != Item(2)
    assert Item(1) != (1, 1)

    class Other(Item):
        pass

    assert Other(1) != Item(1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(Item(1))


def test_repr() -> None:
    assert repr(Item(1)) == "Item(id=1, count=1)"
    item = Item(1)
    del item.count
    assert repr(item) == "Item(id=1)"


def test_match() -> None:
    match Item(5, count=2):
        case Item(number, count):
            assert (number, count) == (5, 2)
        case _:
            pytest.fail("no match")


def test_own_methods_win() -> None:
    class Point(Schema):
        x: Annotated[int, Range(0, 9)]

        def __init__(self, text: str) -> None:
            self.x = int(text)

        def __repr__(self) -> str:
            return "point"

        def __eq__(self, other: object) -> bool:
            return True

    assert Point("3").x == 3
    assert repr(Point("3")) == "point"
    assert Point("3") == 4
    assert Point.decode(Point("3").encode()).x == 3


def test_post_init() -> None:
    class Point(Schema):
        x: Annotated[int, Range(0, 9)]

        def __post_init__(self) -> None:
            self.x += 1

    assert Point(3).x == 4
    assert Point.decode(Point(3).encode()).x == 4


def test_copies() -> None:
    ship = Ship(1.0, 2.0, items=[Item(1)])
    for twin in (
        ship.copy(),
        copy.copy(ship),
        copy.deepcopy(ship),
        pickle.loads(pickle.dumps(ship)),
    ):
        assert twin == ship
        assert twin is not ship
        twin.items[0].id = 9
        assert ship.items[0].id == 1
    changed = ship.replace(hp=1, x=5.0)
    assert (changed.hp, changed.x, changed.y, ship.hp) == (1, 5.0, 2.0, 100)
    with pytest.raises(TypeError, match="Ship has no field 'speed'"):
        ship.replace(speed=1)


def test_inheritance() -> None:
    class Entity(Schema):
        id: Annotated[int, VarUint]
        hp: Annotated[int, Range(0, 100)] = 100

        def hurt(self) -> None:
            self.hp -= 1

    class Tank(Entity):
        armour: Annotated[int, Range(0, 9)] = 3

    class Heavy(Tank):
        hp: Annotated[int, Range(0, 1000)] = 1000

    tank = Tank(4)
    tank.hurt()
    assert (tank.id, tank.hp, tank.armour) == (4, 99, 3)
    assert Tank.decode(tank.encode()) == tank
    assert [field.name for field in Heavy.fields] == ["id", "hp", "armour"]
    heavy = Heavy(1)
    heavy.hurt()
    assert heavy.hp == 999
    assert Heavy.decode(heavy.encode()) == heavy
    assert isinstance(heavy, Entity)
    assert Entity.decode(Entity.encode(tank)) == Entity(4, 99)


def test_mixin() -> None:
    class Named:
        def shout(self) -> str:
            return self.name.upper()  # type: ignore[attr-defined, no-any-return]

    class Player(Named, Schema):
        name: Annotated[str, Text(8)]

    assert Player("ann").shout() == "ANN"
    assert Player.decode(Player("ann").encode()) == Player("ann")


def test_empty_schema() -> None:
    class Ping(Schema):
        pass

    assert Ping().encode() == b""
    assert Ping.decode(b"") == Ping()
    assert Ping.encode_many([Ping()] * 3) == b"\3"
    assert Ping.decode_many(b"\3") == [Ping()] * 3
    assert len(Ping.decode_records(b"\3")) == 3
    assert Ping.max_bytes == 0
    assert Ping.lanes == ()


def test_schema_itself_has_no_codec() -> None:
    with pytest.raises(TypeError, match="Schema has no fields of its own"):
        Schema().encode()
    assert callable(Schema.decode)
    with pytest.raises(AttributeError):
        Ship.encode = None  # type: ignore[method-assign, assignment]


def test_a_class_may_have_methods_of_its_own_for_those_of_schema() -> None:
    class Loud(Schema):
        on: bool = False

        def encode(self) -> bytes:
            return b"loud" + super().encode()

        @classmethod
        def decode(cls, data: Any) -> Any:
            return super().decode(data[4:])

        @classmethod
        def encode_records(cls, records: Any, *, limit: int = 9) -> bytes:
            return b"rows"

        @classmethod
        def decode_records(cls, data: Any, out: Any = None, *, limit: int = 9) -> Any:
            return "rows"

    class Louder(Loud):
        off: bool = True

    for cls, data in ((Loud, b"loud\x01"), (Louder, b"loud\x03")):
        assert cls(on=True).encode() == cls.encode(cls(on=True)) == data
        assert cls.decode(data) == cls(on=True)
        assert cls.encode_records(np.zeros(1, cls.dtype)) == b"rows"
        assert cls.decode_records(b"") == "rows"


def test_a_codec_that_was_replaced_is_not_taken_for_one() -> None:
    class Point(Schema):
        on: bool = False

    point = Point()
    Point._codec = object()  # type: ignore[assignment]
    with pytest.raises(TypeError, match="Cannot convert object"):
        point.encode()


def test_local_names_in_string_annotations() -> None:
    bound = Range(0, 7)

    class Local(Schema):
        x: Annotated[int, bound]
        item: Item | None = None

    assert Local.dtype["x"] == np.uint8
    assert typing.get_type_hints(Local, include_extras=True)["x"].__metadata__ == (bound,)
    assert typing.get_type_hints(Ship)["LIMIT"] == ClassVar[int]


def test_class_attributes() -> None:
    full = Ship(1.0, 2.0, items=[Item(2**64 - 1)] * 4, held=Item(2**64 - 1))
    assert Ship.max_bytes == len(full.encode()) == 60
    assert [field.name for field in Ship.fields] == list(Ship.__match_args__)
    assert [field.has_default for field in Ship.fields][:3] == [False, False, True]
    assert Ship.fields[3].default == 100
    assert isinstance(Ship, SchemaType)
    assert not hasattr(Ship(1.0, 2.0), "schema_hash")


def test_dtype() -> None:
    assert Ship.dtype["x"] == np.float64
    assert Ship.dtype["hp"] == np.uint8
    assert Ship.dtype["items"].names == ("count", "items")

    class Narrow(Schema):
        a: Annotated[float, Quantized(0, 1, bits=8, dtype=np.float32)]
        b: Annotated[int, Range(-1, 1)]
        c: Annotated[int, Range(0, 70_000)]
        d: Annotated[int, Range(0, 9, dtype=np.int32)]
        e: Annotated[tuple[float, float], Vec2(0, 1, bits=8, dtype="f4")]

    kinds = ["f4", "i1", "u4", "i4"]
    assert [Narrow.dtype[name].str[1:] for name in "abcd"] == kinds
    assert Narrow.dtype["e"] == np.dtype((np.float32, (2,)))


def test_rows() -> None:
    columns = Ship.columns(3)
    assert {name: column.shape for name, column in columns.items()}["x"] == (3,)
    assert Ship.row(columns, 1) == Ship(0.0, 0.0)
    ship = Ship(1.5, 2.0, 0.25, 7, Mode.BUSY, [Item(5, 2)], Item(8))
    Ship.set_row(columns, 1, ship)
    assert Ship.row(columns, 1) == ship
    assert Ship.row(columns, 0) == Ship.row(columns, 2) == Ship(0.0, 0.0)
    with pytest.raises(EncodeError, match=r"Ship\.hp: 101 is out of range"):
        Ship.set_row(columns, 1, ship.replace(hp=101))
    assert Ship.row(columns, 1) == ship


def test_row_of_no_member() -> None:
    class Gear(enum.IntEnum):
        LOW = 10
        HIGH = 20

    class Car(Schema):
        gear: Gear

    columns = Car.columns(2)
    assert columns["gear"].tolist() == [10, 10]
    columns["gear"][1] = Gear.HIGH
    assert Car.row(columns, 1).gear is Gear.HIGH
    columns["gear"][1] = 11
    with pytest.raises(
        EncodeError, match=r"Car\.gear in row 1: 11 is not a member of Gear"
    ) as caught:
        Car.row(columns, 1)
    assert (caught.value.field, caught.value.value) == ("gear", 11)


def class_with(**namespace: Any) -> Any:
    return SchemaType("Broken", (Schema,), namespace)


@pytest.mark.parametrize(
    ("namespace", "message"),
    [
        ({"__annotations__": {"_x": bool}}, "Broken._x: names of fields do not begin"),
        (
            {"__annotations__": {"encode": bool}},
            "Broken.encode: every schema has encode for its own",
        ),
        ({"__annotations__": {"lanes": bool}}, "Broken.lanes: every schema has lanes for its own"),
        ({"__slots__": ("x",)}, "Broken: __slots__ is made from the fields"),
        (
            {"__annotations__": {f"f{i}": bool for i in range(256)}},
            "Broken has 256 fields, at most 255 are possible",
        ),
        (
            {"__annotations__": {"a": bool, "b": bool}, "a": False},
            "Broken.b: a field without a default cannot follow a, which has one",
        ),
        (
            {"__annotations__": {"hp": Annotated[int, Range(0, 9)]}, "hp": 10},
            "Broken.hp: the default does not fit: Broken.hp: 10 is out of range",
        ),
        (
            {"__annotations__": {"on": bool, "off": bool}, "on": True, "off": 1},
            "Broken.off: the default",
        ),
        (
            {"__annotations__": {"x": "Missing"}},
            "an annotation names 'Missing', which is not defined",
        ),
        ({"__annotations__": {"x": "3 +"}}, "Broken: an annotation is no type"),
        ({"__annotations__": {"me": "Broken"}}, "Broken.me: a schema cannot contain itself"),
        ({"__annotations__": {"me": "Broken | None"}}, "Broken.me: a schema cannot contain itself"),
        (
            {"__annotations__": {"all": "Annotated[list[Broken], ArrayOf(max=2)]"}},
            "Broken.all: a schema cannot contain itself",
        ),
    ],
)
def test_definition_errors(namespace: dict[str, Any], message: str) -> None:
    namespace["__module__"] = __name__
    with pytest.raises(SchemaError) as caught:
        class_with(**namespace)
    assert message in str(caught.value)


def test_inheritance_errors() -> None:
    with pytest.raises(
        SchemaError, match="Both: a schema inherits from one schema, not from Ship and Item"
    ):
        SchemaType("Both", (Ship, Item), {})
    with pytest.raises(SchemaError, match="it is a field of Item; to give it another default"):
        SchemaType("Sub", (Item,), {"count": 3})


def test_nesting_limits() -> None:
    inner: Any = Item
    for depth in range(7):
        inner = SchemaType(f"Deep{depth}", (Schema,), {"__annotations__": {"inner": inner}})
    assert inner.decode(inner.encode(inner._neutral())) is not None
    with pytest.raises(SchemaError, match="Deeper is nested deeper than 8 levels"):
        SchemaType("Deeper", (Schema,), {"__annotations__": {"inner": inner}})
    wide = Annotated[list[Annotated[str, Text(60_000)]], ArrayOf(max=60_000)]
    with pytest.raises(
        SchemaError, match=r"Wide: an object can take [\d,]+ bytes, at most 8,388,608"
    ):
        SchemaType("Wide", (Schema,), {"__annotations__": {"x": wide}})


def test_field_called_self() -> None:
    cls = SchemaType("Odd", (Schema,), {"__annotations__": {"self": bool, "other": bool}})
    odd = cls(True, other=False)
    assert (odd.self, odd.other) == (True, False)
    assert odd == cls.decode(odd.encode())


@pytest.mark.parametrize("name", ["x", "hp", "left", "right"])
def test_mixin_with_a_property_for_a_field(name: str) -> None:
    """Beside fields that have slots: no object is read or filled through a slot that it lacks."""

    class Pose(Schema):
        x: Annotated[float, Quantized(0, 10, step=1)] = 3.0
        hp: Annotated[int, Range(0, 100)] = 7
        left: bool = False
        right: bool = True

    kept: dict[int, Any] = {}
    through = property(lambda self: kept[id(self)], lambda self, v: kept.update({id(self): v}))

    class Mixed(type("Mixin", (), {"__slots__": (), name: through}), Pose):  # type: ignore[misc]
        pass

    class Holder(Schema):
        one: Mixed

    data = Pose().encode()
    mixed = Mixed()
    assert mixed.encode() == Mixed.encode(mixed) == data
    assert Mixed.encode_many([mixed, mixed]) == Pose.encode_many([Pose(), Pose()])
    assert Holder(mixed).encode() == data
    for back in (Mixed.decode(data), Holder.decode(data).one):
        assert (back.x, back.hp, back.left, back.right) == (3.0, 7, False, True)


def test_mixin_with_the_slot_of_another_class() -> None:
    class Other:
        __slots__ = ("a", "b", "c", "far")

    class Mixin:
        __slots__ = ()
        hp = Other.far  # type: ignore[attr-defined]

    class Tank(Schema):
        hp: Annotated[int, Range(0, 100)]

    class Mixed(Mixin, Tank):
        pass

    mixed = Mixed.__new__(Mixed)
    for path in (mixed.encode, lambda: Mixed.encode_many([mixed]), lambda: Mixed.decode(b"\x01")):
        with pytest.raises(TypeError, match="'far' for 'Other' objects doesn't apply to a 'Mixed'"):
            path()
