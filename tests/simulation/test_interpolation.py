import math
from enum import Enum
from typing import Annotated

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import netcode as nc
from netcode.simulation.interpolation import Mode, blend, mix, modes_of


def array(*values):
    return np.array(values, dtype=float)


class Team(Enum):
    RED = 0
    BLUE = 1


class Turret(nc.Schema):
    yaw: Annotated[float, nc.Angle(bits=9)] = 0.0
    ammo: Annotated[int, nc.Range(0, 9)] = 0


class Tank(nc.Schema):
    x: Annotated[float, nc.Quantized(0, 10, step=0.1)]
    spin: Annotated[tuple[float, float, float, float], nc.Quat(9)]
    heat: Annotated[float, nc.Float32()]
    turret: Turret
    team: Team
    alive: bool = True
    shield: Annotated[float, nc.Quantized(0, 1, bits=8)] | None = None


def test_the_mode_follows_from_type_and_marker() -> None:
    assert modes_of(Tank) == {
        "x": Mode.LINEAR,
        "spin": Mode.QUATERNION,
        "heat": Mode.LINEAR,
        "turret": {"yaw": Mode.ANGLE, "ammo": Mode.STEP},
        "team": Mode.STEP,
        "alive": Mode.STEP,
        "shield": Mode.STEP,
    }


def test_angles_take_the_short_way() -> None:
    a, b = array(math.radians(350)), array(math.radians(10))
    middle = blend(Mode.ANGLE, a, b, array(0.5))[0]
    assert math.degrees(middle) == pytest.approx(0, abs=1e-9)
    assert math.degrees(blend(Mode.ANGLE, b, a, array(0.25))[0]) == pytest.approx(5)


@given(st.floats(-math.pi, math.pi), st.floats(-math.pi, math.pi), st.floats(0, 1))
def test_an_angle_never_turns_more_than_half_a_turn(a, b, t) -> None:
    got = blend(Mode.ANGLE, array(a), array(b), array(t))[0]
    turned = math.remainder(got - a, math.tau)
    assert abs(turned) <= math.pi * t + 1e-9
    end = blend(Mode.ANGLE, array(a), array(b), array(1.0))[0]
    assert math.isclose(math.cos(end - b), 1.0, abs_tol=1e-9)


def test_quaternions_blend_on_the_same_side_and_stay_unit() -> None:
    a = array([0.0, 0.0, 0.0, 1.0])
    b = -array([0.0, 0.0, math.sin(0.5), math.cos(0.5)])
    middle = blend(Mode.QUATERNION, a, b, array(0.5))
    assert np.linalg.norm(middle) == pytest.approx(1.0)
    assert middle[0] == pytest.approx([0, 0, math.sin(0.25), math.cos(0.25)])
    opposite = blend(Mode.QUATERNION, a, array([0.0, 0.0, 1.0, 0.0]), array(0.5))
    assert np.isfinite(opposite).all()


def test_every_row_has_its_own_moment() -> None:
    modes = {"x": Mode.LINEAR, "pos": Mode.LINEAR, "hp": Mode.STEP}
    a = {"x": array(0, 5), "pos": array([0, 0], [1, 1]), "hp": array(100, 50)}
    b = {"x": array(10, 15), "pos": array([4, 8], [1, 3]), "hp": array(90, 50)}
    middle = mix(modes, a, b, array(0.75, 0.0))
    assert middle["x"].tolist() == [7.5, 5]
    assert middle["pos"].tolist() == [[3, 6], [1, 1]]
    assert middle["hp"].tolist() == [100, 50]


def test_nested_structures_blend_field_by_field() -> None:
    dtype = np.dtype([("yaw", "f8"), ("ammo", "u1")])
    a = {"turret": np.array([(0.0, 3), (0.0, 3)], dtype)}
    b = {"turret": np.array([(1.0, 1), (1.0, 1)], dtype)}
    modes = {"turret": {"yaw": Mode.LINEAR, "ammo": Mode.STEP}}
    assert mix(modes, a, b, array(0.5, 0.5))["turret"].tolist() == [(0.5, 3), (0.5, 3)]
    assert a["turret"]["yaw"].tolist() == [0.0, 0.0]


def test_column_types_stay() -> None:
    a = {"x": np.zeros(1, np.float32)}
    assert mix({"x": Mode.LINEAR}, a, a, array(0.5))["x"].dtype == np.float32
