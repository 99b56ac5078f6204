"""train and profile: what they write and print, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest

import netcode as nc
from netcode.cli.main import main
from netcode.cli.page import treemap
from netcode.cli.profile import account, resized
from netcode.delta.model import Model
from netcode.delta.shape import Shape
from netcode.delta.train import train
from netcode.replication import Recorder, Recording, Sender, Table
from netcode.schema.program import Lane

pytest.importorskip("zstandard")


class Mover(nc.Schema):
    x: Annotated[float, nc.Quantized(0, 1000, step=1 / 64)] = 0.0
    y: Annotated[float, nc.Quantized(0, 1000, step=1 / 64)] = 0.0
    hp: Annotated[int, nc.Range(0, 100)] = 100


class Other(nc.Schema):
    hp: Annotated[int, nc.Range(0, 100)] = 100


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    table = Table(Mover, 30)
    ids = table.spawn_many(25, x=rng.random(25) * 900, y=rng.random(25) * 900).tolist()
    speed = rng.normal(0, 0.5, (2, 30))
    sender, path = Sender([table]), tmp_path / "game.rec"
    with Recorder(path, [table], 30) as recorder:
        for tick in range(90):
            table.columns["x"][:] = np.clip(table.columns["x"] + speed[0], 0, 1000)
            table.columns["y"][:] = np.clip(table.columns["y"] + speed[1], 0, 1000)
            if tick % 10 == 0:
                table.despawn(ids.pop(0))
                ids.append(table.spawn(Mover(x=float(tick))))
            sender.commit(tick)
            recorder.take(sender, tick)
    return path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(each) for each in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


SCHEMA = "test_recorded_schema:Mover"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """What SCHEMA names, as if it lay in a file of that name."""
    import sys
    import types

    module = types.ModuleType("test_recorded_schema")
    module.__dict__.update(Mover=Mover, Other=Other, number=5)
    monkeypatch.setitem(sys.modules, "test_recorded_schema", module)


def test_training_gives_a_named_model_and_the_same_each_time(
    recording: Path, tmp_path: Path, run: Any
) -> None:
    files = [tmp_path / "a.model", tmp_path / "b.model"]
    for file in files:
        code, out, err = run("train", SCHEMA, recording, "-o", file, "--json")
        assert (code, err) == (0, "")
    said = json.loads(out)
    assert files[0].read_bytes() == files[1].read_bytes()
    model = Model.from_bytes(files[0].read_bytes(), Shape.of(Mover))
    assert (model.name, f"{model.hash:016x}") == ("Mover", said["hash"])
    assert said["bytes"] == files[0].stat().st_size < 60_000
    assert said["snapshots"] == 90


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("Mover", "module:Class"), ("no_such_module:X", "cannot import"),
        ("test_recorded_schema:Nobody", "has no Nobody"),
        ("test_recorded_schema:number", "no Schema"),
        ("test_recorded_schema:Other", "holds no table of Other"),
    ],
)  # fmt: skip
def test_wrong_schemas_are_named(
    recording: Path, tmp_path: Path, run: Any, schema: str, message: str
) -> None:
    code, out, err = run("train", schema, recording, "-o", tmp_path / "m")
    assert code in (1, 2)
    assert out == ""
    assert message in err
    assert not (tmp_path / "m").exists()


def test_wrong_files_are_named(recording: Path, tmp_path: Path, run: Any) -> None:
    code, _, err = run("train", SCHEMA, tmp_path / "none.rec", "-o", tmp_path / "m")
    assert code == 1
    assert "cannot read" in err
    bad = tmp_path / "bad.rec"
    bad.write_bytes(b"hello")
    assert "no recording" in run("profile", bad)[2]
    assert "limit" not in run("profile", recording, "--model", bad)[1]
    assert "not a model" in run("profile", recording, "--model", bad)[2]


def test_profile_accounts_for_what_the_coder_writes(
    recording: Path, tmp_path: Path, run: Any
) -> None:
    model, html = tmp_path / "m", tmp_path / "page.html"
    assert run("train", SCHEMA, recording, "-o", model)[0] == 0
    code, out, _ = run(
        "profile", recording, "--model", model, "--json", "-o", html, "--what-if", "x=bits:2",
        "--what-if", "y=step:8000",
    )  # fmt: skip
    assert code == 0
    said = json.loads(out)
    assert said["bits_per_snapshot"] == pytest.approx(sum(said["fields"].values()))
    assert set(said["fields"]) == {"x, y", "hp", "which entities changed"}
    wishes = [said["what_if"][wish] for wish in ("x=bits:2", "y=step:8000")]
    assert wishes[1]["bits"] < wishes[0]["instead_of"]
    assert wishes[1]["bits"] < wishes[0]["bits"]
    text = html.read_text()
    assert text.count("<svg") == 3
    assert "x, y" in text
    assert "http" not in text
    assert "<script" not in text
    assert run("profile", recording)[0] == 0


def test_the_account_is_that_of_the_real_coder(recording: Path) -> None:
    track = Recording(recording).read()
    lanes = [Lane(*lane) for lane in track.table.lanes]
    shape = Shape.of(Mover)
    model = train(shape, [np.ascontiguousarray(track.lanes)])
    whole = np.arange(30, dtype=np.uint16)
    t, a, b = track.lanes[80], track.lanes[77], track.lanes[74]
    coder = model.coder(30)
    coder.count(t, a, b, 3, 3, whole)
    size = len(coder.encode(t, a, b, 3, 3, whole))
    # the last byte is flushed, and a token's probability is a rounded product
    assert coder.bits / 8 - 1 < size < coder.bits / 8 * 1.01 + 2
    assert sum(coder.entity_bits) == pytest.approx(coder.bits, rel=1e-3)
    assert sum(coder.group_bits) < coder.bits
    coder.forget()
    assert coder.bits == 0
    assert not coder.counts.any()
    assert not coder.entity_bits.any()
    found = account(track, lanes, track.lanes, model, lag=3)
    assert found.timeline.shape == (84, 4 if len(shape.spec) == 3 else 3)
    assert found.timeline.sum() / 84 == pytest.approx(found.total)


def test_wishes_of_another_size() -> None:
    lanes = [Lane("x", 16, 0, "quantized", 60000), Lane("turn", 10, 1, "angle", 1023)]
    codes = np.array([[[0, 30000, 60000], [0, 1023, 512]]], dtype=np.int32)
    other, made = resized(lanes, codes, "x=bits:8")
    assert other[0][1:] == (8, 0, "quantized", 255)
    assert made[0, 0].tolist() == [0, 128, 255]
    other, made = resized(lanes, codes, "turn=step:4")
    assert (other[1].max, made[0, 1].tolist()) == (255, [0, 0, 128])
    assert codes[0, 0, 2] == 60000
    for wish in ("x", "x=bits:0", "x=bits:77", "x=bits:x", "z=step:2", "x=far:2"):
        with pytest.raises(Exception, match="what-if"):
            resized(lanes, codes, wish)


def test_a_treemap_shares_the_area_and_does_not_overlap() -> None:
    sizes = [8.0, 4.0, 2.0, 1.0, 1.0, 0.0]
    boxes = treemap(sizes, (0, 0, 100, 50))
    for size, (x, y, width, height) in zip(sizes, boxes, strict=True):
        assert width * height == pytest.approx(size / 16 * 5000)
        assert 0 <= x <= x + width <= 100.001
        assert 0 <= y <= y + height <= 50.001
    assert treemap([], (0, 0, 1, 1)) == []
