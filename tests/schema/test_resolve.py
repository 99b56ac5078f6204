# ruff: noqa: E501
"""From annotations to kinds: every spelling that is allowed, and what the others are told."""

from __future__ import annotations

import enum
from typing import Annotated, Any, NewType, Optional, Union

import numpy as np
import pytest

from netcode.errors import SchemaError
from netcode.schema import (
    Angle,
    ArrayOf,
    Bits,
    Blob,
    Float32,
    Float64,
    Quantized,
    Quat,
    Range,
    Schema,
    Text,
    VarUint,
    Vec2,
    Vec3,
)
from netcode.schema.kinds import ArrayKind, OptionalKind
from netcode.schema.resolve import resolve


class Mode(enum.Enum):
    A = 1
    B = 2


class Empty(enum.Enum):
    pass


class NoFlags(enum.Flag):
    pass


class Wide(enum.IntFlag):
    HIGH = 1 << 16


class Item(Schema):
    id: Annotated[int, VarUint]


EntityId = NewType("EntityId", int)
Vec = tuple[float, float, float]


@pytest.mark.parametrize(
    ("hint", "text", "bits"),
    [
        (bool, "bool", 1),
        (Annotated[int, Range(0, 100)], "int 0..100", 7),
        (Annotated[int, Range(-1, 1)], "int -1..1", 2),
        (Annotated[int, Range(0, 1)], "int 0..1", 1),
        (Annotated[int, Range(-(2**63), 2**63 - 1)], f"int {-(2**63)}..{2**63 - 1}", 64),
        (Annotated[int, Range(np.int8(3), 5)], "int 3..5", 2),
        (Annotated[EntityId, Bits(12)], "bits 12", 12),
        (Annotated[int, VarUint], f"varuint 0..{2**64 - 1}", 80),
        (Annotated[int, VarUint(max=200)], "varuint 0..200", 16),
        (Annotated[float, Quantized(0, 960, step=1 / 16)], "quantized 0..960 step 0.0625 codes 15361", 14),
        (Annotated[float, Quantized(-1, 1, bits=8)], "quantized -1..1 step 0.007874015748031496 codes 255", 8),
        (Annotated[float, Quantized(0, 1, bits=1)], "quantized 0..1 step 1 codes 2", 1),
        (Annotated[float, Quantized(-1, 1, bits=1)], "quantized -1..1 step 2 codes 2", 1),
        (Annotated[float, Quantized(0, 1, step=0.4)], "quantized 0..1 step 0.4 codes 4", 2),
        (Annotated[float, Angle(9)], "angle 9 bits", 9),
        (Annotated[float, Float32], "float32", 32),
        (Annotated[float, Float64(finite=False)], "float64 or nan", 64),
        (Annotated[Vec, Vec3(0, 1, bits=8)], "vec3 of quantized 0..1 step 0.00392156862745098 codes 256", 24),
        (
            Annotated[tuple[float, ...], Vec2([0, -1], (1, 1), step=0.5)],
            "vec2 of quantized 0..1 step 0.5 codes 3, quantized -1..1 step 0.5 codes 5",
            5,
        ),
        (Annotated[tuple[float, float, float, float], Quat], "quat 9 bits", 29),
        (Mode, "enum A B", 1),
        (Annotated[str, Text(10)], "text 10 bytes", 84),
        (Annotated[bytes, Blob(16)], "blob 16 bytes", 133),
        (bool | None, "optional bool", 2),
        (Optional[bool], "optional bool", 2),  # noqa: UP045
        (Union[None, bool], "optional bool", 2),  # noqa: UP007
        (Annotated[int, Range(0, 9)] | None, "optional int 0..9", 5),
        (Annotated[int | None, Range(0, 9)], "optional int 0..9", 5),
        (Annotated[list[int], ArrayOf(Range(0, 9), max=3)], "array of at most 3: int 0..9", 14),
        (Annotated[list[Annotated[int, Range(0, 9)]], ArrayOf(max=3)], "array of at most 3: int 0..9", 14),
        (Annotated[list[Item], ArrayOf(Item, max=3)], "array of at most 3: schema", 242),
        (Annotated[list, ArrayOf(Item, max=3)], "array of at most 3: schema", 242),
        (Annotated[list[Item | None], ArrayOf(max=3)], "array of at most 3: optional schema", 245),
        (Annotated[bool, "a note of another library"], "bool", 1),
        (Annotated[Annotated[int, Range(0, 9)], "note"], "int 0..9", 4),
    ],
)  # fmt: skip
def test_kinds(hint: Any, text: str, bits: int) -> None:
    kind = resolve(hint, "S.f")
    assert (kind.text, kind.bits_max) == (text, bits)


def test_type_aliases() -> None:
    class Alias:  # what ``type Name = ...`` makes from 3.12 on
        __value__ = Annotated[int, Range(0, 3)]

    Alias.__name__ = "TypeAliasType"
    assert resolve(Alias(), "S.f").text == "int 0..3"


def test_element_of_an_array_may_be_optional() -> None:
    kind = resolve(Annotated[list[Annotated[int, Range(0, 1)] | None], ArrayOf(max=2)], "S.f")
    assert isinstance(kind, ArrayKind)
    assert isinstance(kind.element, OptionalKind)


@pytest.mark.parametrize(
    ("hint", "message"),
    [
        (float, "S.f: float needs a marker that says how it travels: Annotated[float, Quantized("),
        (int, "S.f: int needs a marker"),
        (str, "S.f: str needs a marker that says how it travels: Annotated[str, Text(max_bytes)]"),
        (bytes, "S.f: bytes needs a marker"),
        (list[bool], "S.f: list[bool] needs a marker"),
        (tuple[float, float], "S.f: tuple[float, float] needs a marker"),
        (dict[str, int], "S.f: dict[str, int] is no field type; use bool, int, float, str"),
        (object, "S.f: object is no field type"),
        (Any, "S.f: Any is no field type"),
        (complex | None, "S.f: complex is no field type"),
        (int | str, "S.f: a field has one type, or one type | None, not int | str; make each"),
        (Annotated[int, Range], "S.f: Range needs arguments: Range(lo: "),
        (Annotated[int, Range(0, 1), Bits(3)], "one marker says how a field travels, not Range(lo=0"),
        (Annotated[float, Range(0, 1)], "S.f: float cannot be Range(lo=0, hi=1, dtype=None): write Anno"),
        (Annotated[int, Quantized(0, 1, bits=3)], "S.f: int cannot be Quantized("),
        (Annotated[bool, Bits(1)], "S.f: Bits(n=1, dtype=None) is for int, not bool"),
        (Annotated[Mode, Bits(1)], "S.f: Bits(n=1, dtype=None) is for int, not Mode"),
        (Annotated[int, Range(5, 1)], "S.f: lo must be below hi, not lo=5, hi=1"),
        (Annotated[int, Range(3, 3)], "S.f: lo must be below hi, not lo=3, hi=3"),
        (Annotated[int, Range(0, 1.5)], "S.f: hi must be an int, not 1.5"),  # type: ignore[arg-type]
        # Limits that no other test uses: typing keeps one of two equal Annotated, and False == 0.
        (Annotated[int, Range(False, 12_345)], "S.f: lo must be an int, not False"),
        (Annotated[int, Range(-1, 2**63)], "is outside 64-bit integers"),
        (Annotated[int, Range(0, 2**64)], "is outside 64-bit integers"),
        (Annotated[int, Range(0, 300, dtype=np.uint8)], "S.f: dtype=uint8 does not hold 0 to 300"),
        (Annotated[int, Range(0, 3, dtype=np.float64)], "S.f: dtype=float64 must be an integer type"),
        (Annotated[int, Range(0, 3, dtype=">u2")], "S.f: dtype=>u2 must be in the machine's byte order"),
        (Annotated[int, Range(0, 3, dtype="no")], "S.f: dtype='no' is not a NumPy type"),
        (Annotated[int, Bits(0)], "S.f: n must be 1 to 64, not 0"),
        (Annotated[int, Bits(65)], "S.f: n must be 1 to 64, not 65"),
        (Annotated[int, VarUint(0)], "S.f: max must be 1 to"),
        (Annotated[float, Quantized(0, 1)], "S.f: give either step= or bits=, not neither"),
        (Annotated[float, Quantized(0, 1, step=0.1, bits=3)], "S.f: give either step= or bits=, not both"),
        (Annotated[float, Quantized(1, 0, bits=3)], "S.f: lo must be below hi, not lo=1, hi=0"),
        (Annotated[float, Quantized(0, float("inf"), bits=3)], "S.f: hi must be finite, not inf"),
        (Annotated[float, Quantized(-1e308, 1e308, bits=3)], "S.f: hi - lo must be finite"),
        (Annotated[float, Quantized("0", 1, bits=3)], "S.f: lo must be a number, not '0'"),  # type: ignore[arg-type]
        (Annotated[float, Quantized(0, 10**400, bits=3)], "S.f: hi must be a number"),
        (Annotated[float, Quantized(0, 1, step=0)], "S.f: step must be above 0 and at most hi - lo"),
        (Annotated[float, Quantized(0, 1, step=2)], "S.f: step must be above 0 and at most hi - lo"),
        (Annotated[float, Quantized(0, 1, step=1e-12)], "S.f: step 1e-12 needs more than 32 bits"),
        (Annotated[float, Quantized(0, 1, bits=33)], "S.f: bits must be 1 to 32, not 33"),
        (Annotated[float, Quantized(1e9, 1e9 + 1, bits=30)], "is too fine for float64 near 1000000001"),
        (
            Annotated[float, Quantized(0.1, 2.1, step=2 / 1.5, dtype="f4")],
            "hi 2.1 lies half a step of 1.3333333333333333 above the last whole one, and float32",
        ),
        (Annotated[float, Quantized(0, 1, bits=24, dtype="f4")], "is too fine for float32 near 1"),
        (Annotated[float, Quantized(0, 1, bits=4, dtype="f2")], "S.f: dtype=float16 must be float32 or"),
        (Annotated[float, Quantized(0, 1, bits=4, clamp=1)], "S.f: clamp must be a bool, not 1"),  # type: ignore[arg-type]
        (Annotated[float, Angle(0)], "S.f: bits must be 1 to 32, not 0"),
        (Annotated[float, Angle(21, dtype="f4")], "S.f: bits must be 1 to 20, not 21"),
        (Annotated[tuple[float, float], Vec3(0, 1, bits=3)], "Vec3 is a tuple[float, float, float], not"),
        (Annotated[tuple[int, int], Vec2(0, 1, bits=3)], "Vec2 is a tuple[float, float], not tuple[int"),
        (Annotated[Vec, Vec3((0, 0), 1, bits=3)], "S.f: lo needs one number, or 3; it has 2"),
        (Annotated[Vec, Vec3(0, (1, 1, -1), bits=3)], "S.f.z: lo must be below hi, not lo=0, hi=-1"),
        (Annotated[Vec, Vec3(0, 1)], "S.f.x: give either step= or bits=, not neither"),
        (Annotated[tuple[float, float, float, float], Quat(2)], "S.f: bits must be 3 to 18, not 2"),
        (Annotated[str, Text(0)], "S.f: max_bytes must be 1 to 65,535, not 0"),
        (Annotated[str, Text(70_000)], "S.f: max_bytes must be 1 to 65,535, not 70,000"),
        (Annotated[bytes, Text(3)], "S.f: bytes cannot be Text(max_bytes=3): write Annotated[bytes"),
        (Annotated[list[int], ArrayOf(Range(0, 1))], "S.f: max must be 1 to 65,535, not 0"),
        (Annotated[list[int], ArrayOf(max=3)], "S.f[]: int needs a marker"),
        (Annotated[list, ArrayOf(max=3)], "S.f: say the element type"),
        (Annotated[list[bool], ArrayOf(Item, max=3)], "S.f: the elements are bool, not Item"),
        (
            Annotated[list[Annotated[int, Range(0, 1)]], ArrayOf(Bits(3), max=3)],
            "S.f[]: one marker says",
        ),
        (Empty, "S.f: Empty has no members"),
        (NoFlags, "S.f: NoFlags has no flags"),
        (Wide, "S.f: Wide has more than 16 flags; use Annotated[int, Bits(n)]"),
        (Schema, "S.f: Schema is no field type"),
        (None, "S.f: None is no field type"),
    ],
)  # fmt: skip
def test_refusals(hint: Any, message: str) -> None:
    with pytest.raises(SchemaError) as caught:
        resolve(hint, "S.f")
    assert message in str(caught.value)
