"""What-if: lanes and codes of another size, and whether a model's tables fit them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from netcode.cli.output import CommandError
from netcode.cli.wish import fitted, resized, shape_of
from netcode.delta.model import Heading, Model
from netcode.schema.program import Lane

AVATAR = [
    Lane("turn", 10, 0, "angle", 1023),
    Lane("pos.x", 16, 1, "quantized", 60_000),
    Lane("pos.y", 16, 1, "quantized", 60_000),
    Lane("pos.z", 10, 1, "quantized", 1000),
    Lane("hp", 7, 2, "int", 100),
    Lane("rot.largest", 2, 3, "largest", 3),
    *(Lane(f"rot.{c}", 9, 3, "quat", 511) for c in "abc"),
]
CODES = np.zeros((1, len(AVATAR), 3), np.int32)


def test_codes_of_another_size() -> None:
    lanes = [Lane("x", 16, 0, "quantized", 60_000), Lane("turn", 10, 1, "angle", 1023)]
    codes = np.array([[[0, 30_000, 60_000], [0, 1023, 512]]], dtype=np.int32)
    other, made = resized(lanes, codes, "x=bits:8")
    assert other[0][1:] == (8, 0, "quantized", 255)
    assert made[0, 0].tolist() == [0, 128, 255]
    other, made = resized(lanes, codes, "turn=step:4")
    assert (other[1].max, made[0, 1].tolist()) == (255, [0, 0, 128])
    assert codes[0, 0, 2] == 60_000
    assert resized(lanes, codes, "x=bits:32")[0][0].max == 0xFFFFFFFF
    assert resized(lanes, codes, "x=step:1000000")[0][0].max == 1


@pytest.mark.parametrize(
    "wish",
    ["", "x", "x=", "=bits:3", "x=bits:", "x=bits:0", "x=bits:33", "x=bits:2.5", "x=bits:x",
     "x=bits:nan", "x=step:nan", "x=step:inf", "x=step:0", "x=step:-1", "x=step:2e6", "z=step:2",
     "x=far:2"],
)  # fmt: skip
def test_wishes_that_make_no_sense(wish: str) -> None:
    with pytest.raises(CommandError, match="what-if") as refused:
        resized([Lane("x", 16, 0, "quantized", 60_000)], np.zeros((1, 1, 1), np.int32), wish)
    assert refused.value.code == 2
    assert f"--what-if {wish}: " in str(refused.value)


def test_a_table_without_steps_says_so() -> None:
    with pytest.raises(CommandError, match="no field has a step"):
        resized([Lane("on", 1, 0, "bool", 1)], np.zeros((1, 1, 1), np.int32), "on=bits:1")


def test_a_models_tables_fit_other_steps() -> None:
    model = Model.untrained(shape_of(AVATAR))
    for wish in ("hp=bits:3", "turn=bits:6", "pos=step:3", "pos.x=bits:9", "rot=bits:6"):
        lanes, _ = resized(AVATAR, CODES, wish)
        made = fitted(model, lanes)
        assert made is not None
        assert made.probabilities is model.probabilities
        assert made.shape.spec == shape_of(lanes).spec != model.shape.spec


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ("rot=bits:19", "parts of rot with 19 bits; at most 18 bits"),
        ("rot=step:0.001", "parts of rot with a step 0.001 times as wide; at most 18 bits"),
        ("rot.a=bits:5", "rot.a is a part of rot, and all of them have one step; write rot=bits:5"),
        ("hp=step:1e-320", "hp with a step 1e-320 times as wide; at most 32 bits"),
        ("pos=step:1e-320", "pos.x with a step 1e-320 times as wide; at most 32 bits"),
        ("turn=step:1e-320", "turn with a step 1e-320 times as wide; at most 32 bits"),
        ("hp=step:2e-8", "hp with a step 2e-8 times as wide; at most 32 bits"),
    ],
)
def test_wishes_for_more_bits_than_there_are(wish: str, message: str) -> None:
    with pytest.raises(CommandError) as refused:
        resized(AVATAR, CODES, wish)
    assert (refused.value.code, str(refused.value)) == (2, f"--what-if {wish}: {message}")


def test_the_widest_that_there_are() -> None:
    tops = [lane.max for lane in resized(AVATAR, CODES, "rot=bits:18")[0]]
    assert tops[5:] == [3, *[(1 << 18) - 1] * 3]
    assert resized(AVATAR, CODES, "hp=step:2.4e-8")[0][4].bits == 32
    assert resized(AVATAR, CODES, "turn=step:2.4e-7")[0][0].max == 0xFFFFFFFF


def test_usual_speeds_are_scaled_with_the_step() -> None:
    lanes = AVATAR[:5]
    model = Model(shape_of(lanes), Model.untrained(shape_of(lanes)).probabilities,
                  Heading(1, 77, (300, 4000)))  # fmt: skip

    def speeds(wish: str) -> Any:
        made = fitted(model, resized(lanes, CODES[:, :5], wish)[0])
        assert made is not None
        assert made.heading is not None
        assert (made.heading.sign, made.heading.offset) == (1, 77)
        return made.heading.speeds

    assert speeds("hp=bits:3") == speeds("pos.z=bits:9") == (300, 4000)
    assert speeds("pos=step:4") == (75, 1000)  # z has another number of codes
    assert speeds("pos=step:5000") == (1,)
    assert speeds("pos.x=step:4") == ()


def test_a_model_does_not_fit_where_kinds_change() -> None:
    # an angle of a number of codes that is no power of two is coded as an int; in bits, it is not
    lanes = [Lane("turn", 9, 0, "angle", 359), Lane("hp", 7, 1, "int", 100)]
    codes = np.zeros((1, 2, 3), np.int32)
    model = Model.untrained(shape_of(lanes))
    assert fitted(model, resized(lanes, codes, "turn=bits:8")[0]) is None
    assert fitted(model, resized(lanes, codes, "hp=bits:3")[0]) is not None


def random_track() -> Any:
    """A recording of lanes of which an angle is coded as an int."""
    from netcode.replication import RecordedTable, Track

    lanes = [Lane("turn", 9, 0, "angle", 359), Lane("hp", 7, 1, "int", 100)]
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 100, (40, 2, 8)).astype(np.int32)
    table = RecordedTable("Odd", 1, 8, tuple(tuple(lane) for lane in lanes), ())
    ones = np.ones((40, 8), np.uint16)
    return Track(table, np.arange(40), ones == 1, ones, np.full((40, 8), -1, np.int32), codes)


def test_a_model_that_adapts_does_so_for_the_wish_too(
    tmp_path: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("zstandard")
    from netcode.cli import profile
    from netcode.cli.main import main

    track = random_track()
    lanes = [Lane(*lane) for lane in track.table.lanes]
    model = Model.untrained(shape_of(lanes), "odd", 8)
    made = fitted(model, lanes)
    assert made is not None
    assert made.to_bytes() == model.to_bytes()
    monkeypatch.setattr(profile, "load_track", lambda *_: track)
    (tmp_path / "m").write_bytes(model.to_bytes())
    asked = ["profile", "odd.rec", "--model", str(tmp_path / "m"), "--what-if", "hp=step:1"]
    assert main([*asked, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    wish = said["what_if"]["hp=step:1"]
    assert wish["tables"] == "model"
    assert wish["bits"] == wish["instead_of"] == said["bits_per_snapshot"]
    assert main(["profile", "odd.rec", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bits_per_snapshot"] != wish["bits"]


def test_tables_that_do_not_fit_are_used_for_neither(
    tmp_path: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("zstandard")
    from netcode.cli import profile
    from netcode.cli.main import main

    track = random_track()
    monkeypatch.setattr(profile, "load_track", lambda *_: track)
    shape = shape_of([Lane(*lane) for lane in track.table.lanes])
    skewed = Model(shape, np.full(shape.contexts, 50_000, np.uint16), name="odd")
    (tmp_path / "m").write_bytes(skewed.to_bytes())
    asked = ["profile", "odd.rec", "--model", str(tmp_path / "m"), "--what-if", "turn=bits:8"]
    assert main([*asked, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    wish = said["what_if"]["turn=bits:8"]
    assert wish["tables"] == "untrained"
    assert wish["instead_of"] != said["bits_per_snapshot"]
    assert main(["profile", "odd.rec", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bits_per_snapshot"] == wish["instead_of"]
    assert main(asked) == 0
    assert "the untrained tables on both sides: the model's do not fit" in capsys.readouterr().out
