"""train and profile: what they write and print, and what they refuse."""

from __future__ import annotations

import json
import struct
from html.parser import HTMLParser
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest

import netcode as nc
from netcode.cli.account import Account
from netcode.cli.main import main, parsed, parser
from netcode.cli.page import page, treemap
from netcode.cli.split import BESIDE
from netcode.cli.wish import Outcome
from netcode.delta.model import Model
from netcode.delta.shape import Shape
from netcode.replication import Recorder, Sender, Table

pytest.importorskip("zstandard")


class Mover(nc.Schema):
    x: Annotated[float, nc.Quantized(0, 1000, step=1 / 64)] = 0.0
    y: Annotated[float, nc.Quantized(0, 1000, step=1 / 64)] = 0.0
    hp: Annotated[int, nc.Range(0, 100)] = 100


class Turner(nc.Schema):
    rot: Annotated[tuple[float, float, float, float], nc.Quat(bits=9)]
    x: Annotated[float, nc.Quantized(0, 1000, step=1 / 64)] = 0.0


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
    ("options", "recorded", "adaptive"),
    [
        ("-o OUT REC", True, 0), ("REC --adaptive -o OUT", True, 64),
        ("--adaptive REC -o OUT", True, 64), ("--adaptive -o OUT REC", True, 64),
        ("--adaptive -o OUT", False, 8), ("-o OUT --adaptive --worth 255", False, 255),
        ("--adaptive --worth 1 REC -o OUT", True, 1),
    ],
)  # fmt: skip
def test_recordings_and_options_in_any_order(
    recording: Path, tmp_path: Path, run: Any, options: str, recorded: bool, adaptive: int
) -> None:
    places = {"REC": str(recording), "OUT": str(tmp_path / "m")}
    asked = [places.get(each, each) for each in options.split()]
    code, out, err = run("train", SCHEMA, *asked, "--json")
    assert (code, err) == (0, "")
    said = json.loads(out)
    assert (said["snapshots"], said["adaptive"]) == (90 * recorded, adaptive)
    model = Model.from_bytes((tmp_path / "m").read_bytes(), Shape.of(Mover))
    assert model.adaptive == adaptive


def test_recordings_keep_their_order() -> None:
    options = parsed(parser(), ["train", "S", "a", "b", "-o", "m", "c", "--json", "d"])
    assert options.recordings == [Path(name) for name in "abcd"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "no RECORDING: without one, only --adaptive gives more than no model does"),
        ("--worth 9", "--worth is 9; it takes --adaptive"),
        ("--adaptive --worth 0", "--worth is 0; 1 to 255"),
        ("--adaptive --worth 256", "--worth is 256; 1 to 255"),
        ("--adaptive --wroth 5", "unrecognized arguments: --wroth 5"),
    ],
)
def test_what_train_refuses(tmp_path: Path, run: Any, options: str, message: str) -> None:
    code, out, err = run("train", SCHEMA, "-o", tmp_path / "m", *options.split())
    assert (code, out) == (2, "")
    assert message in err
    assert not (tmp_path / "m").exists()


def test_only_train_takes_what_is_left_over(run: Any) -> None:
    code, out, err = run("profile", "a.rec", "b.rec")
    assert (code, out) == (2, "")
    assert "unrecognized arguments: b.rec" in err


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


def test_profile_says_the_same_in_text_in_json_and_on_the_page(
    recording: Path, tmp_path: Path, run: Any
) -> None:
    model, html = tmp_path / "m", tmp_path / "page.html"
    assert run("train", SCHEMA, recording, "-o", model)[0] == 0
    asked = ("profile", recording, "--model", model, "--what-if", "x=bits:2", "--what-if",
             "y=step:8000", "-o", html)  # fmt: skip
    code, out, err = run(*asked, "--json")
    assert (code, err) == (0, f"the page is in {html}\n")
    said = json.loads(out)
    assert said["bits_per_snapshot"] == pytest.approx(sum(said["fields"].values()))
    assert said["bits_per_snapshot"] == pytest.approx(8 * said["bytes_per_snapshot"])
    assert said["bits_after_joining"] < said["bits_per_snapshot"]
    assert set(said["fields"]) == {"x, y", "hp", *BESIDE}
    assert (said["model"], said["snapshots"], said["partial_snapshots"]) == ("Mover", 90, 0)
    wishes = [said["what_if"][wish] for wish in ("x=bits:2", "y=step:8000")]
    assert [each["tables"] for each in wishes] == ["model", "model"]
    assert {each["instead_of"] for each in wishes} == {said["bits_per_snapshot"]}
    assert said["bits_per_snapshot"] > wishes[0]["bits"] > wishes[1]["bits"]
    _, text, _ = run(*asked)
    for name, bits in said["fields"].items():
        assert f"{name} " in text or not bits
        assert f"{bits:10.1f} bits" in text or not bits
    assert "the model's tables, which were not trained for it" in text
    assert f"{wishes[1]['bits'] / 8:.1f} bytes instead of {wishes[1]['instead_of'] / 8:.1f}" in text


def test_the_page_is_whole_and_stands_alone(recording: Path, tmp_path: Path, run: Any) -> None:
    file = tmp_path / "page.html"
    assert run("profile", recording, "--what-if", "x=step:9", "-o", file)[0] == 0
    text = file.read_text()
    found = Elements()
    found.feed(text)
    found.close()
    assert found.open == []
    tags = [tag for tag, _ in found.seen]
    assert (tags.count("svg"), tags.count("table"), tags.count("h2")) == (4, 2, 4)
    # nothing is fetched, nothing runs
    assert not {"script", "link", "img", "iframe", "object", "use", "image"} & set(tags)
    names = {name for _, attributes in found.seen for name in attributes}
    assert not [name for name in names if name in ("src", "href") or name.startswith("on")]
    assert "http" not in text
    assert "url(" not in text
    assert "@import" not in text
    # both schemes are there, and every part says what it is and lies inside
    assert "prefers-color-scheme:dark" in text
    assert tags.count("rect") == tags.count("title") - 1 > 90
    for tag, attributes in found.seen:
        if tag == "rect":
            x, y, width, height = (float(attributes[k]) for k in ("x", "y", "width", "height"))
            assert min(x, y, width, height) >= 0
            assert x + width <= 960.2
            assert y + height <= 300.2
    assert "x=step:9: which entities changed" in text
    assert "untrained tables" in text


def test_the_page_escapes_names() -> None:
    odd = '<b>&"'
    row = {odd: 5.0, "section headers": 3.0}
    found = Account(
        row, np.array([8.0]), 0.0, np.array([[5.0, 3.0]]), np.array([1]), np.array([1]),
        np.array([False]), 1.0, 0,
    )  # fmt: skip
    made = page(odd, found, list(row.items()), [Outcome(odd, found, found, "model")], odd)
    assert "<b>" not in made
    read = Elements()
    read.feed(made)
    assert read.open == []


def test_the_page_has_a_colour_for_what_only_a_wish_has() -> None:
    def of(**row: float) -> Account:
        bits = list(row.values())
        return Account(
            row, np.array([sum(bits)]), 0.0, np.array([bits]), np.array([1]), np.array([1]),
            np.array([False]), 1.0, 0,
        )  # fmt: skip

    found, after = of(rot=8.0), of(**{"rot.a": 3.0, "rot.b": 4.0})
    made = page("T", found, [("rot", 8.0)], [Outcome("rot=bits:3", found, after, "untrained")])
    assert "rot=bits:3: rot.b, 4.0 bits a snapshot" in made


def test_the_page_of_a_rotation(tmp_path: Path, run: Any) -> None:
    rng = np.random.default_rng(5)
    table = Table(Turner, 8)
    table.spawn_many(8)
    sender, path, file = Sender([table]), tmp_path / "turn.rec", tmp_path / "page.html"
    with Recorder(path, [table], 30) as recorder:
        for tick in range(20):
            table.columns["rot"][:] = rng.normal(0, 1, (8, 4))
            sender.commit(tick)
            recorder.take(sender, tick)
    assert run("profile", path, "--what-if", "rot=bits:18", "-o", file)[0] == 0
    assert "rot=bits:18: rot, " in file.read_text()
    file.unlink()
    code, out, err = run("profile", path, "--what-if", "rot=bits:19", "-o", file)
    assert (code, out) == (2, "")
    assert "--what-if rot=bits:19: parts of rot with 19 bits; at most 18 bits" in err
    assert not file.exists()


VOID = ("meta",)


class Elements(HTMLParser):
    """Elements in order, and those that are still open."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--lag", 0), 2, "--lag is 0; 1 to 63 ticks"),
        (("--lag", 64), 2, "--lag is 64; 1 to 63 ticks"),
        (("--every", 0), 2, "--every is 0; 1 or more"),
        (("--top", -1), 2, "--top is -1; 0 or more"),
        (("--table", "Nobody"), 1, "no table 'Nobody' in game.rec; there are: Mover"),
        (("--what-if", "z=step:2"), 2, "no field z that has a step; there are hp, x, y"),
        (("--what-if", "x=step:0"), 2, "a step 0 times as wide; above 0, at most 1000000"),
        (("--what-if", "x=step:-3"), 2, "a step -3 times as wide"),
        (("--what-if", "x=bits:33"), 2, "33 bits; 1 to 32"),
        (("--what-if", "x=bits:2.5"), 2, "2.5 bits; 1 to 32, whole"),
        (("--what-if", "x=far:2"), 2, "write FIELD=bits:N or FIELD=step:K"),
        (("-o", "no-such-folder/page.html"), 1, "no folder no-such-folder"),
    ],
)  # fmt: skip
def test_what_profile_refuses(
    recording: Path, run: Any, options: tuple[object, ...], code: int, message: str
) -> None:
    got, out, err = run("profile", recording, *options)
    assert (got, out) == (code, "")
    assert message in err


def test_recordings_that_end_early_or_hold_nothing(
    recording: Path, tmp_path: Path, run: Any
) -> None:
    data, cut = recording.read_bytes(), tmp_path / "cut.rec"
    cut.write_bytes(data[:-10])
    code, out, err = run("profile", cut, "--json")
    assert code == 0
    assert json.loads(out)["snapshots"] == 64
    assert f"{cut} ends inside a chunk, which is left out: 64 snapshots" in err
    (size,) = struct.unpack_from("<I", data, 6)
    for kept in (10 + size, 10 + size + 20):
        cut.write_bytes(data[:kept])
        assert run("profile", cut)[0] == 1
        assert f"{cut}: the recording holds no snapshots" in run("profile", cut)[2]
    cut.write_bytes(data[: 10 + size // 2])
    assert f"{cut}: a damaged head" in run("profile", cut)[2]
    assert "cannot read" in run("profile", tmp_path)[2]


def test_what_no_client_takes_is_told(tmp_path: Path, run: Any) -> None:
    path = tmp_path / "odd.rec"
    ones = np.ones(4, np.int32)
    with Recorder(path, [Table(Other, 4)], 30) as recorder:
        recorder.write(7, [(ones, 0 * ones, -ones, np.zeros((1, 4), np.int32))])
    code, out, err = run("profile", path)
    assert (code, out) == (1, "")
    assert "no client takes the snapshot of tick 7: section_not_canonical" in err


def test_a_stopped_profile_leaves_its_bar(
    recording: Path, run: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object, progress: Any, **__: object) -> None:
        progress(0.25)
        raise KeyboardInterrupt

    monkeypatch.setattr("netcode.cli.profile.account", stop)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    code, out, err = run("profile", recording)
    assert (code, out) == (1, "")
    assert err.endswith("25 %\n")


def test_a_treemap_shares_the_area_and_does_not_overlap() -> None:
    sizes = [8.0, 4.0, 2.0, 1.0, 1.0, 0.0]
    boxes = treemap(sizes, (0, 0, 100, 50))
    for size, (x, y, width, height) in zip(sizes, boxes, strict=True):
        assert width * height == pytest.approx(size / 16 * 5000)
        assert 0 <= x <= x + width <= 100.001
        assert 0 <= y <= y + height <= 50.001
    assert treemap([], (0, 0, 1, 1)) == []
