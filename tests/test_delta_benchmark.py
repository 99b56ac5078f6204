"""benchmarks/delta.py: its peers give back what went in, and wrong options say what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
KINDS = ("cubes", "mmo")


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def world(kind: str, seed: int, entities: int, ticks: int = 3) -> np.ndarray:
    """(ticks, lanes, entities): some stand still, some move, some jump to either end."""
    from delta_peers import WIDTHS

    rng = np.random.default_rng(seed)
    lanes = []
    for bits in WIDTHS[kind]:
        top = (1 << bits) - 1
        lane = rng.integers(0, top + 1, entities) + np.arange(ticks)[:, None] * rng.integers(
            -2, 3, entities
        ) * (rng.random(entities) < 0.5)
        jumps = rng.random((ticks, entities))
        lanes.append(np.where(jumps < 0.05, 0, np.where(jumps > 0.95, top, np.clip(lane, 0, top))))
    return np.ascontiguousarray(np.stack(lanes, axis=1).astype(np.int32))


def peers(kind: str, entities: int) -> dict[str, Any]:
    from delta_beside import plain_peers
    from delta_mask import Huffman, field_mask
    from delta_peers import FORMS, zstandard, zstd_codec

    plain = field_mask(kind)
    first = world(kind, 1, 40)
    code = Huffman([plain.encode(first[1], first[0], None, 1, 1)])
    found = {**plain_peers(kind, entities), "Huffman": field_mask(kind, code)}
    if zstandard is not None:
        words = bytes(range(256)) * 8
        for name, form in FORMS.items():
            found[f"{name} + dictionary"] = zstd_codec(form(kind), 3, 1000, words)
    return {name: peer for name, peer in found.items() if not isinstance(peer, str)}


@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**32),
    entities=st.integers(1, 70),
    ages=st.tuples(st.integers(1, 63), st.integers(1, 63)),
    has_b=st.booleans(),
)
def test_every_peer_gives_back_what_went_in(
    kind: str, seed: int, entities: int, ages: tuple[int, int], has_b: bool
) -> None:
    older, base, now = world(kind, seed, entities)
    for name, peer in peers(kind, entities).items():
        row = (base, older if has_b else None, *ages)
        out = peer.decode(peer.encode(now, *row), *row)
        np.testing.assert_array_equal(out, now, err_msg=name)


def test_a_huffman_code_is_long_for_what_is_rare_and_never_too_long() -> None:
    from delta_mask import LONGEST, Huffman

    # counts that double make the longest codes there are
    code = Huffman([bytes([value]) * (1 << value) for value in range(22)])
    assert code.lengths.max() <= LONGEST
    assert sum(2.0 ** -code.lengths.astype(float)) == 1
    assert code.lengths[21] == 1
    for data in (b"", b"\x15" * 9, bytes(range(256))):
        assert code.decode(code.encode(data)) == data


def write_cubes(path: Path, frames: int, cubes: int, **more: Any) -> Path:
    lanes = world("cubes", frames, cubes, frames).transpose(1, 0, 2).astype(np.int64)
    lanes[4:6] = np.minimum(lanes[4:6], 32766) - 16383
    d = np.diff(lanes, axis=1, prepend=0).astype(np.int16)
    np.savez(path, **{"d": d, **more})
    return path


def write_mmo(path: Path, ticks: int, avatars: int, **more: Any) -> Path:
    rng = np.random.default_rng(avatars)
    shape = (ticks, avatars)
    ids = rng.choice(10**6, avatars, replace=False).astype(np.uint32)
    arrays = {
        **{key: rng.uniform(0, 500, shape).astype(np.float32) for key in "xyz"},
        "yaw": rng.uniform(-9, 9, shape).astype(np.float32),
        "anim": rng.integers(0, 64, shape).astype(np.uint8),
        "hp": rng.integers(0, 4096, shape).astype(np.uint16),
        "flags": rng.integers(0, 256, shape).astype(np.uint8),
        "target": np.where(rng.random(shape) < 0.5, 0, ids[rng.integers(0, avatars, shape)]),
        "ids": ids,
    }
    np.savez(path, **{**arrays, **more})
    return path


def test_targets_are_the_places_of_ids(tmp_path: Path) -> None:
    from delta_data import load

    ids = np.array([900, 4_000_000_000, 7], np.uint32)
    target = np.array([[900, 7, 4_000_000_000], [0, 8, 4_294_967_295]], np.uint32)
    path = write_mmo(tmp_path / "m.npz", 2, 3, ids=ids, target=target)
    assert load("mmo", path)[:, 7].tolist() == [[1, 3, 2], [0, 0, 0]]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"ids": np.arange(4)}, "'x' has the shape (20, 5)"),
        ({"hp": np.full((20, 5), 5000)}, "lane 5 (int) has codes 5000 to 5000; they must be 0 to"),
        ({"x": np.full((20, 5), np.nan)}, "'x' has values that are not finite"),
        ({"z": np.full((20, 5), 1e30)}, "lane 2 (vector) has codes"),
        ({"anim": np.full((20, 5), "walk")}, "'anim' is no array of numbers"),
    ],
)
def test_damaged_recordings(tmp_path: Path, more: dict[str, Any], says: str) -> None:
    from delta_data import RecordingError, load

    with pytest.raises(RecordingError) as caught:
        load("mmo", write_mmo(tmp_path / "m.npz", 20, 5, **more))
    assert says in str(caught.value)


OTHER_SCENE = "not a recording of cubes: no array 'd'; it holds x, y, z, yaw"


def other_model(folder: Path) -> Path:
    from delta_data import SHAPES

    from netcode.delta.model import Model

    path = folder / "mmo.model"
    path.write_bytes(Model.untrained(SHAPES["mmo"]()).to_bytes())
    return path


def garbage(folder: Path, name: str = "garbage") -> Path:
    (folder / name).write_bytes(b"none of these")
    return folder / name


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (lambda _: ["--loss", "1.5"], "argument --loss: '1.5' is not a share from 0 to below 1"),
        (lambda _: ["--loss", "nan"], "argument --loss: 'nan' is not a share from 0 to below 1"),
        (lambda _: ["--loss", "1"], "argument --loss: '1' is not a share from 0 to below 1"),
        (lambda _: ["--lag", "0"], "argument --lag: '0' is not a whole number from 1 to 63"),
        (lambda _: ["--lag", "64"], "argument --lag: '64' is not a whole number from 1 to 63"),
        (lambda _: ["--lag", "40"], "none of its 40 snapshots has acked ones to stand on with"),
        (lambda _: ["--loss", "0.999999"], "with --loss 0.999999; --lag 6 needs more than 12"),
        (lambda _: ["--seed", "-1"], "argument --seed: '-1' is not a whole number from 0 to"),
        (lambda _: ["--every", "0"], "argument --every: '0' is not a whole number from 1 to"),
        (lambda _: ["--dictionary"], "argument --dictionary: needs --train"),
        (lambda at: ["--json", str(at / "no" / "x.json")], "argument --json: the folder of "),
        (lambda at: ["--json", str(at)], " is a folder"),
        (lambda at: ["--model", str(at / "none")], "none: No such file or directory"),
        (lambda at: ["--model", str(garbage(at))], "garbage: not a model file"),
        (lambda at: ["--model", str(other_model(at))], "the model is for another schema"),
        (lambda at: ["--train", str(at / "none.npz")], "argument --train: "),
        (lambda at: ["--train", str(garbage(at))], "garbage: not an .npz file of plain arrays"),
        (lambda at: ["--train", str(write_mmo(at / "m.npz", 20, 5))], OTHER_SCENE),
        (lambda at: ["--train", str(write_cubes(at / "s.npz", 12, 5))], "12 snapshots; at least"),
    ],
)  # fmt: skip
def test_wrong_options_are_one_line(
    arguments: Callable[[Path], list[str]], says: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from delta_options import started

    data = write_cubes(tmp_path / "data.npz", 40, 6)
    with pytest.raises(SystemExit) as ended:
        started(None, ["cubes", "--data", str(data), *arguments(tmp_path)])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_other_lengths_names_and_numbers_of_entities(kind: str, tmp_path: Path) -> None:
    write = write_cubes if kind == "cubes" else write_mmo
    data = write(tmp_path / "anything.npz", 40, 17)
    others = [write(tmp_path / "one.npz", 30, 23), write(tmp_path / "two.npz", 50, 9)]
    command = [sys.executable, str(BENCHMARKS / "delta.py"), kind, "--data", str(data)]
    out, model = tmp_path / "out.json", tmp_path / "model"
    done = subprocess.run(
        [*command, "--train", *map(str, others), "--model", str(model), "--json", str(out)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert found["snapshots"] == 40 - 2 * found["lag"]
    assert found["untrained"]["bytes_per_snapshot"] > 0
    for name, row in found["peers"].items():
        assert "absent" in row or row["bytes"] > 0, name
        assert f"{name} " in done.stdout
    again = subprocess.run(
        [*command, "--model", str(model), "--loss", "0.5", "--seed", "3", "--lag", "2",
         "--json", str(out)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert json.loads(out.read_text())["model"] == found["model"]
