"""Trained models as files: 20 to 60 KB on the schemas of the benchmark, named and hashed."""

import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from netcode.delta.model import Model
from netcode.delta.train import train

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("NETCODE_DATA") or ROOT.parent / "shared" / "data")
TRAIN = {"cubes": [f"cubes_train_{i}.npz" for i in (1, 2, 3)], "mmo": ["mmo_train.npz"]}


@pytest.fixture(scope="module")
def recordings():
    """The module that knows the benchmark's schemas."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import delta_data
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    return delta_data


def check(model, shape, name):
    file = model.to_bytes()
    assert 20_000 <= len(file) <= 60_000
    again = Model.from_bytes(file, shape)
    assert again.name == model.name == name
    assert again.hash == model.hash
    digest = hashlib.blake2b(file, digest_size=8).digest()
    assert model.hash == int.from_bytes(digest, "little")


@pytest.mark.parametrize("kind", sorted(TRAIN))
def test_trained_on_the_recordings(recordings, kind):
    absent = [file for file in TRAIN[kind] if not (DATA / file).is_file()]
    if absent:
        pytest.skip(f"no {', '.join(absent)} in {DATA}; set NETCODE_DATA")
    shape = recordings.SHAPES[kind]()
    model = train(shape, [recordings.load(kind, DATA / file) for file in TRAIN[kind]], name=kind)
    check(model, shape, kind)


@pytest.mark.parametrize("kind", sorted(TRAIN))
def test_trained_on_a_seeded_walk(recordings, kind):
    """Codes that drift at speeds of all sizes, some of them in step with others."""
    rng = np.random.default_rng(6)
    shape = recordings.SHAPES[kind]()
    tops = np.zeros(8, np.int64)
    for _, lanes, limits in shape.spec:
        tops[list(lanes)] = limits
    speed = np.sign(rng.normal(size=(8, 300))) * 2.0 ** rng.uniform(-3, 8, (8, 300))
    moves = rng.random((400, 8, 300)) < rng.random(300) * np.array([1] * 4 + [0.2] * 4)[:, None]
    noise = rng.normal(0, 2, moves.shape)
    path = np.cumsum(np.where(moves, speed + noise, 0), axis=0) + rng.integers(0, 2**18, (8, 300))
    codes = path.astype(np.int64) % (tops[:, None] + 1)
    model = train(shape, [np.ascontiguousarray(codes.astype(np.int32))], name=f"{kind} walk")
    check(model, shape, f"{kind} walk")
    other = train(shape, [np.ascontiguousarray(codes[::-1].astype(np.int32))], name=f"{kind} walk")
    assert other.hash != model.hash
